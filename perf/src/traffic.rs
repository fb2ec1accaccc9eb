//! Flows as a network has them: few sources of many flows, few flows of most octets, well-known ports, both IP versions.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::{Direction, Flow, is_icmp};
use crate::random::Random;

/// The longest that a flow lasts, milliseconds.
const LONGEST_MS: u64 = 1_800_000;
/// Ports of servers, the commonest more than once.
const SERVERS: [u16; 12] = [443, 443, 443, 443, 80, 80, 53, 53, 22, 123, 8080, 3389];
const NAMES: [&str; 6] = ["", "https", "dns", "ssh", "video-over-http", "unclassified"];

/// Makes flows; the same ones for the same seed.
#[derive(Debug, Clone)]
pub struct Traffic {
    random: Random,
    has_ipv6: bool,
    has_world: bool,
}

impl Traffic {
    /// Flows of this seed, of IPv4 alone or of both versions.
    #[must_use]
    pub fn new(seed: u64, has_ipv6: bool) -> Self {
        Self { random: Random::new(seed), has_ipv6, has_world: false }
    }

    /// The same without IPv6.
    #[must_use]
    pub fn without_ipv6(self) -> Self {
        Self { has_ipv6: false, ..self }
    }

    /// The same with hosts of the whole internet in place of addresses that are nobody's.
    #[must_use]
    pub fn with_world(self) -> Self {
        Self { has_world: true, ..self }
    }

    /// A flow that ended at most a minute before `now_ms`, milliseconds since 1970, and did not begin before `boot_ms`.
    pub fn flow(&mut self, now_ms: i64, boot_ms: i64) -> Flow {
        let host = if self.has_world { world } else { host };
        let random = &mut self.random;
        let is_six = self.has_ipv6 && random.per_mille(300);
        let end_ms = (now_ms - random.below(60_000) as i64).max(boot_ms);
        let lasted_ms = (random.heavy(10.0, 0.7) % LONGEST_MS) as i64;
        let octets = random.heavy(64.0, 1.1).min(1 << 40);
        let protocol = match random.below(100) {
            0..70 => 6,
            70..94 => 17,
            94..98 => {
                if is_six {
                    58
                } else {
                    1
                }
            }
            _ => random.pick(&[47, 50, 89]),
        };
        let mut flow = Flow {
            start_ms: Some((end_ms - lasted_ms).max(boot_ms)),
            end_ms: Some(end_ms),
            source: Some(host(random, is_six)),
            destination: Some(host(random, is_six)),
            next_hop: Some(router(random, is_six)),
            bgp_next_hop: Some(router(random, is_six)),
            post_nat_source: Some(router(random, is_six)),
            post_nat_destination: Some(host(random, is_six)),
            protocol,
            tos: random.pick(&[0, 0, 0, 0, 0x20, 0x48, 0xb8, 0xc0]),
            input: 1 + random.below(48) as u32,
            output: 1 + random.below(48) as u32,
            source_as: autonomous_system(random),
            destination_as: autonomous_system(random),
            source_prefix: if is_six { 48 } else { 8 + random.below(17) as u8 },
            destination_prefix: if is_six { 32 } else { 8 + random.below(17) as u8 },
            source_vlan: random.below(4095) as u16,
            destination_vlan: random.below(4095) as u16,
            source_mac: 0x0200_0000_0000 | random.below(1 << 24),
            destination_mac: 0x0200_0000_0000 | random.below(1 << 24),
            direction: random.pick(&[Direction::Ingress, Direction::Egress]),
            forwarding_status: random.pick(&[64, 64, 64, 128]),
            end_reason: 1 + random.below(5) as u8,
            octets,
            packets: 1 + octets / (64 + random.below(1400)),
            application_id: random.below(4) << 24 | random.below(2000),
            application_name: random.pick(&NAMES).to_owned(),
            ingress_vrf: random.below(8) as u32,
            egress_vrf: random.below(8) as u32,
            labels: (0..random.below(4)).map(|_| 16 + random.below((1 << 20) - 16) as u32).collect(),
            ..Flow::default()
        };
        transport(random, &mut flow);
        flow
    }
}

/// Ports, flags, ICMP.
fn transport(random: &mut Random, flow: &mut Flow) {
    if is_icmp(flow.protocol) {
        flow.icmp_type =
            if flow.protocol == 1 { random.pick(&[0, 3, 8, 11]) } else { random.pick(&[1, 128, 129, 135]) };
        flow.icmp_code = if flow.icmp_type == 3 { random.below(14) as u8 } else { 0 };
        flow.destination_port = u16::from_be_bytes([flow.icmp_type, flow.icmp_code]);
        return;
    }
    if flow.protocol != 6 && flow.protocol != 17 {
        return;
    }
    let (client, server) = (1024 + random.below(64_000) as u16, random.pick(&SERVERS));
    (flow.source_port, flow.destination_port) = if random.per_mille(500) { (client, server) } else { (server, client) };
    flow.post_nat_source_port = 1024 + random.below(64_000) as u16;
    flow.post_nat_destination_port = flow.destination_port;
    if flow.protocol == 6 {
        flow.tcp_flags = random.pick(&[0x02, 0x1a, 0x1b, 0x1b, 0x1b, 0x14, 0x1f]);
    }
}

/// Some of a few busy hosts, some of very many.
fn host(random: &mut Random, is_six: bool) -> IpAddr {
    let number = if random.per_mille(600) { random.heavy(1.0, 0.8) % 4096 } else { random.bits() } as u32;
    if is_six {
        return Ipv6Addr::from(0x2001_0db8_u128 << 96 | u128::from(number)).into();
    }
    match random.below(3) {
        0 => Ipv4Addr::from(10 << 24 | number & 0x00ff_ffff).into(),
        // 198.18.0.0/15, for tests (RFC 2544), and 100.64.0.0/10.
        1 => Ipv4Addr::from(198 << 24 | 18 << 16 | number & 0x1_ffff).into(),
        _ => Ipv4Addr::from(100 << 24 | 64 << 16 | number & 0x3f_ffff).into(),
    }
}

/// As [`host`], scattered over the addresses that are given out: each busy host always has the same one.
fn world(random: &mut Random, is_six: bool) -> IpAddr {
    let number = if random.per_mille(600) { random.heavy(1.0, 0.8) % 4096 } else { random.bits() };
    let scattered = Random::new(number).bits();
    if is_six {
        // 2000::/3, of which 2001:200:: to 2c0f:ffff:: is given out to registries.
        let first = 0x2001_0200 + scattered % (0x2c10_0000 - 0x2001_0200);
        return Ipv6Addr::from(u128::from(first) << 96 | u128::from(scattered >> 32)).into();
    }
    // 1.0.0.0 to 223.255.255.255 without what is private or loopback.
    match Ipv4Addr::from((1 << 24) + (scattered % (223 << 24)) as u32) {
        reserved if reserved.is_private() || reserved.is_loopback() => Ipv4Addr::new(8, 8, 8, 8).into(),
        address => address.into(),
    }
}

fn router(random: &mut Random, is_six: bool) -> IpAddr {
    let number = 1 + random.below(30) as u32;
    if is_six {
        Ipv6Addr::from(0xfd00_u128 << 112 | u128::from(number)).into()
    } else {
        Ipv4Addr::from(192 << 24 | 2 << 8 | number).into()
    }
}

fn autonomous_system(random: &mut Random) -> u32 {
    if random.per_mille(300) { 4_200_000_000 + random.below(1000) as u32 } else { 64_496 + random.below(16) as u32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_wide_and_has_busy_hosts() {
        let mut traffic = Traffic::new(5, true).with_world();
        let mut hosts: Vec<IpAddr> = (0..5000).filter_map(|_| traffic.flow(1_700_000_000_000, 0).source).collect();
        hosts.sort_unstable();
        let busiest = hosts.chunk_by(|one, other| one == other).map(<[IpAddr]>::len).max();
        hosts.dedup();
        let networks: std::collections::HashSet<u8> = hosts
            .iter()
            .filter_map(|host| if let IpAddr::V4(four) = host { Some(four.octets()[0]) } else { None })
            .collect();
        assert!(busiest > Some(100) && networks.len() > 200 && !networks.contains(&10), "{busiest:?} {networks:?}");
    }

    #[test]
    fn flows_are_plausible_and_repeatable() {
        let flows = |seed| -> Vec<Flow> {
            let mut traffic = Traffic::new(seed, true);
            (0..2000).map(|_| traffic.flow(1_700_000_000_000, 1_699_990_000_000)).collect()
        };
        let some = flows(1);
        assert_eq!(some, flows(1));
        assert_ne!(some, flows(2));
        for flow in &some {
            assert!(flow.start_ms <= flow.end_ms && flow.start_ms >= Some(1_699_990_000_000), "{flow:?}");
            assert_eq!(flow.source.map(|end| end.is_ipv4()), flow.destination.map(|end| end.is_ipv4()));
            assert!(flow.octets >= 64 && flow.packets > 0);
        }
        let mut octets: Vec<u64> = some.iter().map(|flow| flow.octets).collect();
        octets.sort_unstable();
        assert!(octets[1980..].iter().sum::<u64>() > octets.iter().sum::<u64>() / 5, "the tail is heavy");
        assert!(some.iter().any(|flow| flow.source.is_some_and(|end| end.is_ipv6())));
    }
}
