//! Flows of an access network: few exporters and addresses have most of the traffic, a datagram brings some two dozen records of one
//! exporter, most flows are short and some are cut at an active timeout of five minutes.

use collector::batch::{Block, Origin};
use perf::random::Random;

const BEGIN_MS: i64 = 1_767_312_000_000;
const EXPORTERS: u64 = 200;
const HOSTS_PER_EXPORTER: u64 = 4_000;
const REMOTE_HOSTS: u64 = 400_000;
const RECORDS_PER_DATAGRAM: u64 = 24;
const ACTIVE_TIMEOUT_MS: u64 = 300_000;
const MAPPED: u128 = 0xffff_0000_0000;

/// Makes blocks, the same for the same load.
pub(crate) struct Traffic {
    random: Random,
    rows: u64,
    flows_per_second: u64,
    exporter: u64,
    left_in_datagram: u64,
}

impl Traffic {
    pub(crate) fn new(flows_per_second: u64) -> Self {
        Self { random: Random::new(1), rows: 0, flows_per_second, exporter: 0, left_in_datagram: 0 }
    }

    /// The next rows, enriched.
    pub(crate) fn block(&mut self, rows: usize) -> Block {
        let mut block = Block::default();
        block.decoded.flows.resize(rows);
        block.decoded.flows.version.fill(10);
        for row in 0..rows {
            self.fill(&mut block, row);
        }
        block
    }

    fn fill(&mut self, block: &mut Block, row: usize) {
        let random = &mut self.random;
        if self.left_in_datagram == 0 {
            self.left_in_datagram = 1 + random.below(2 * RECORDS_PER_DATAGRAM - 1);
            self.exporter = heavy(random, EXPORTERS);
        }
        self.left_in_datagram -= 1;
        let exporter = self.exporter;
        let now_ms = BEGIN_MS + (self.rows * 1000 / self.flows_per_second) as i64;
        self.rows += 1;
        let host = heavy(random, HOSTS_PER_EXPORTER);
        let remote = scatter(heavy(random, REMOTE_HOSTS));
        let site = remote % 60_000;
        let is_out = random.per_mille(500);
        let service =
            [443, 443, 443, 80, 53, 53, 123, 22, 25, 993, 3389, 8080, 5060, 1194, 6881][heavy(random, 15) as usize];
        let client = 32_768 + random.below(28_232) as u16;
        let packets = random.heavy(1.0, 1.1).clamp(1, 5_000_000);
        let lived_ms = match random.below(100) {
            0..5 => ACTIVE_TIMEOUT_MS,
            5..20 => random.below(60_000),
            _ => random.below(packets.min(600) * 100),
        };

        let flows = &mut block.decoded.flows;
        flows.received_ms[row] = now_ms;
        flows.end_ms[row] = now_ms - random.below(15_000) as i64;
        flows.start_ms[row] = flows.end_ms[row] - lived_ms as i64;
        flows.exporter[row] = (MAPPED | 0x0aff_0000 | u128::from(exporter)).to_be_bytes();
        let inside = (MAPPED | 0x0a00_0000 | u128::from(exporter * HOSTS_PER_EXPORTER + host)).to_be_bytes();
        let outside = (MAPPED | u128::from((0x1000_0000 + remote) & 0xffff_ffff)).to_be_bytes();
        let (src, dst) = if is_out { (inside, outside) } else { (outside, inside) };
        (flows.src_addr[row], flows.dst_addr[row]) = (src, dst);
        let (src, dst) = if is_out { (client, service) } else { (service, client) };
        (flows.src_port[row], flows.dst_port[row]) = (src, dst);
        flows.protocol[row] = if matches!(service, 53 | 123 | 5060 | 1194) { 17 } else { 6 };
        flows.tcp_flags[row] = if flows.protocol[row] == 6 { 0x1b } else { 0 };
        let (inside, outside) = ((1 + exporter % 4) as u32, (10 + site % (2 + exporter % 24)) as u32);
        let (in_if, out_if) = if is_out { (inside, outside) } else { (outside, inside) };
        (flows.in_if[row], flows.out_if[row]) = (in_if, out_if);
        flows.packets[row] = packets;
        flows.bytes[row] = packets * (60 + random.below(1_440));
        flows.sampling_rate[row] = [1, 1, 100, 1000, 4096][exporter as usize % 5];
        for (text, number) in [(&mut flows.in_if_name, in_if), (&mut flows.out_if_name, out_if)] {
            let key = text.key(&format!("ge-0/0/{number}"));
            text.keys_mut()[row] = key;
        }
        let key = block.exporter_name.key(&format!("edge-{exporter}"));
        block.exporter_name.push(key);
        let far = 1 + heavy(&mut Random::new(site), 50_000) as u32;
        let near = 64_512 + (exporter % 8) as u32;
        let (src, dst) = (&mut block.src, &mut block.dst);
        let (inside, outside) = if is_out { (src, dst) } else { (dst, src) };
        end(
            inside,
            near,
            "unknown",
            "unknown",
            &format!("site {}", exporter % 40),
            &format!("customer {}", exporter % 15),
        );
        let country = format!("C{}", heavy(&mut Random::new(site ^ 1), 180));
        end(outside, far, &country, &format!("City of {}", site % 6_000), "", "");
    }
}

fn end(origin: &mut Origin, asn: u32, country: &str, city: &str, network: &str, customer: &str) {
    origin.asn.push(asn);
    let as_name = format!("Network operator {asn}");
    for (text, value) in [
        (&mut origin.country, country),
        (&mut origin.city, city),
        (&mut origin.as_name, &as_name),
        (&mut origin.network, network),
        (&mut origin.customer, customer),
    ] {
        let key = text.key(value);
        text.push(key);
    }
}

/// Neighbouring ranks must not be neighbouring addresses.
fn scatter(number: u64) -> u64 {
    (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) & 0xffff_ffff
}

/// Below `limit`; each power of two of ranks is as likely as the next (Zipf's law with exponent 1).
fn heavy(random: &mut Random, limit: u64) -> u64 {
    ((limit as f64 + 1.0).powf(random.fraction()) as u64 - 1).min(limit - 1)
}
