//! Blocks of flow records with addresses that lie in the networks of the files.

use collector::batch::Block;
use netflow::columns::Address;

use crate::files::{Networks, Random};

/// Rows of a block.
pub(crate) const ROWS: usize = 65_536;
/// Blocks of a case: together larger than the caches, as one after another is.
const BLOCKS: usize = 4;
/// Hosts that heavy-tailed traffic is with.
const HOSTS: usize = 300_000;
/// Hosts at home: one end of heavy-tailed traffic.
const AT_HOME: usize = 20_000;
const EXPORTERS: usize = 10;

/// A kind of traffic.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) is_uniform: bool,
    /// Of a hundred flows, those over IPv6.
    pub(crate) v6_percent: u64,
}

pub(crate) const CASES: [Case; 5] = [
    Case { name: "heavy_tailed", is_uniform: false, v6_percent: 25 },
    Case { name: "heavy_tailed_v4", is_uniform: false, v6_percent: 0 },
    Case { name: "uniform_v4", is_uniform: true, v6_percent: 0 },
    Case { name: "uniform_v6", is_uniform: true, v6_percent: 100 },
    Case { name: "uniform", is_uniform: true, v6_percent: 25 },
];

/// Decoded blocks.
pub(crate) fn blocks(case: &Case, networks: &Networks) -> Vec<Block> {
    let mut random = Random(7);
    let hosts = [&networks.v4, &networks.v6]
        .map(|networks| (0..HOSTS).map(|_| any(networks, &mut random)).collect::<Vec<Address>>());
    (0..BLOCKS).map(|_| block(case, networks, &hosts, &mut random)).collect()
}

fn block(case: &Case, networks: &Networks, hosts: &[Vec<Address>; 2], random: &mut Random) -> Block {
    let mut block = Block::default();
    block.reserve_meanwhile(ROWS, &mut || ());
    let flows = &mut block.decoded.flows;
    flows.resize(ROWS);
    let now_ms = 1_790_000_000_000_i64;
    for row in 0..ROWS {
        let v6 = usize::from(random.below(100) < case.v6_percent);
        let family = if v6 == 1 { &networks.v6 } else { &networks.v4 };
        let ends = if case.is_uniform {
            [any(family, random), any(family, random)]
        } else {
            // Home addresses are the last of the list, so they are popular nowhere else.
            let away = hosts[v6][random.zipf(HOSTS - AT_HOME)];
            [hosts[v6][HOSTS - AT_HOME + random.zipf(AT_HOME)], away]
        };
        let turned = usize::from(random.below(2) == 0);
        (flows.src_addr[row], flows.dst_addr[row]) = (ends[turned], ends[1 - turned]);
        // An exporter's records come some dozens at a time.
        flows.exporter[row] = mapped(0xc633_6400 + ((row / 24) % EXPORTERS) as u32);
        flows.received_ms[row] = now_ms + row as i64 / 40;
        flows.start_ms[row] = now_ms - random.below(60_000) as i64;
        flows.end_ms[row] = now_ms - random.below(1000) as i64;
        flows.version[row] = 9;
        flows.template_id[row] = 260;
        flows.src_port[row] = random.below(65_536) as u16;
        flows.dst_port[row] = [443, 80, 53, 22][random.zipf(4)];
        flows.protocol[row] = [6, 17, 1][random.zipf(3)];
        flows.tcp_flags[row] = [0x1b, 0x18, 2, 0x12][random.zipf(4)];
        flows.in_if[row] = 1 + random.below(16) as u32;
        flows.out_if[row] = 1 + random.below(16) as u32;
        flows.src_prefix_len[row] = 24;
        flows.dst_prefix_len[row] = 16;
        flows.bytes[row] = 40 + random.zipf(1_000_000) as u64;
        flows.packets[row] = 1 + random.zipf(1000) as u64;
        flows.sampling_rate[row] = 1000;
        flows.sampling_source[row] = 2;
    }
    block.decoded.complete();
    block
}

/// An address in any of the networks, each as likely as the next.
fn any(networks: &[(u128, u128)], random: &mut Random) -> Address {
    let (first, last) = networks[random.below(networks.len() as u64) as usize];
    let offset = if last == first { 0 } else { u128::from(random.next()) % (last - first).max(1) };
    let address = first + offset;
    if last <= u128::from(u32::MAX) { mapped(address as u32) } else { address.to_be_bytes() }
}

fn mapped(address: u32) -> Address {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}
