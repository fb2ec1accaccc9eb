//! NetFlow v1, v5 and v7: records of fixed layout, IPv4 alone. Source: Cisco's "NetFlow Export Datagram Format".
//!
//! A flow that does not fit (IPv6, counters over 32 bits) is narrowed: [`carried`] tells to what.

use std::net::{IpAddr, Ipv4Addr};

use crate::clock::Clock;
use crate::flow::{Flow, is_icmp};
use crate::wire::short;

/// Which of the three.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// NetFlow v1: no sequence, no AS numbers, no prefix lengths.
    V1,
    /// NetFlow v5.
    V5,
    /// NetFlow v7, of Catalyst switches: v5 and the address of the router that was by-passed.
    V7,
}

/// What the header of a datagram says beside the number of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The time.
    pub clock: Clock,
    /// Flows sent before this datagram; v1 has no place for it.
    pub sequence: u32,
    /// Engine type and id (v5).
    pub engine: [u8; 2],
    /// Mode in the upper two bits, interval in the lower 14 (v5).
    pub sampling: u16,
}

impl Version {
    /// The number in the header.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::V1 => 1,
            Self::V5 => 5,
            Self::V7 => 7,
        }
    }

    /// Most records that Cisco puts into one datagram.
    #[must_use]
    pub fn most_records(self) -> usize {
        match self {
            Self::V1 => 24,
            Self::V5 => 30,
            Self::V7 => 27,
        }
    }
}

/// The last field of a v5 header.
#[must_use]
pub fn sampling(mode: u8, interval: u16) -> u16 {
    u16::from(mode) << 14 | interval & 0x3fff
}

/// A datagram with these flows.
#[must_use]
pub fn datagram(version: Version, header: &Header, flows: &[Flow]) -> Vec<u8> {
    let clock = header.clock;
    let mut bytes = [version.number().to_be_bytes(), short(flows.len())].concat();
    bytes.extend(clock.uptime().to_be_bytes());
    bytes.extend(clock.export_s().to_be_bytes());
    bytes.extend(clock.residual_ns().to_be_bytes());
    match version {
        Version::V1 => {}
        Version::V5 => {
            bytes.extend(header.sequence.to_be_bytes());
            bytes.extend(header.engine);
            bytes.extend(header.sampling.to_be_bytes());
        }
        Version::V7 => {
            bytes.extend(header.sequence.to_be_bytes());
            bytes.extend([0; 4]);
        }
    }
    for flow in flows {
        record(version, clock, flow, &mut bytes);
    }
    bytes
}

/// The flow as a record of this version holds it.
#[must_use]
pub fn carried(version: Version, clock: Clock, flow: &Flow) -> Flow {
    let four = |address: Option<IpAddr>| address.filter(IpAddr::is_ipv4);
    let (kind, code) =
        if is_icmp(flow.protocol) { (flow.destination_port >> 8, flow.destination_port & 0xff) } else { (0, 0) };
    let has_routes = version != Version::V1;
    Flow {
        start_ms: flow.start_ms.or(Some(clock.boot_ms())),
        end_ms: flow.end_ms.or(Some(clock.boot_ms())),
        source: four(flow.source),
        destination: four(flow.destination),
        next_hop: four(flow.next_hop),
        source_port: flow.source_port,
        destination_port: flow.destination_port,
        protocol: flow.protocol,
        tos: flow.tos,
        tcp_flags: flow.tcp_flags & 0xff,
        icmp_type: kind as u8,
        icmp_code: code as u8,
        input: flow.input & 0xffff,
        output: flow.output & 0xffff,
        source_as: if has_routes { flow.source_as & 0xffff } else { 0 },
        destination_as: if has_routes { flow.destination_as & 0xffff } else { 0 },
        source_prefix: if has_routes { flow.source_prefix } else { 0 },
        destination_prefix: if has_routes { flow.destination_prefix } else { 0 },
        octets: flow.octets & 0xffff_ffff,
        packets: flow.packets & 0xffff_ffff,
        ..Flow::default()
    }
}

fn record(version: Version, clock: Clock, flow: &Flow, bytes: &mut Vec<u8>) {
    let four = |address: Option<IpAddr>| match address {
        Some(IpAddr::V4(four)) => four.octets(),
        Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED.octets(),
    };
    let uptime = |ms: Option<i64>| ms.map_or(0, |ms| clock.uptime_at(ms)).to_be_bytes();
    for address in [flow.source, flow.destination, flow.next_hop] {
        bytes.extend(four(address));
    }
    bytes.extend((flow.input as u16).to_be_bytes());
    bytes.extend((flow.output as u16).to_be_bytes());
    bytes.extend((flow.packets as u32).to_be_bytes());
    bytes.extend((flow.octets as u32).to_be_bytes());
    bytes.extend(uptime(flow.start_ms));
    bytes.extend(uptime(flow.end_ms));
    bytes.extend(flow.source_port.to_be_bytes());
    bytes.extend(flow.destination_port.to_be_bytes());
    let flags = flow.tcp_flags as u8;
    match version {
        Version::V1 => {
            // pad1, protocol, TOS, flags, pad2, pad3, reserved.
            bytes.extend([0, 0, flow.protocol, flow.tos, flags, 0, 0, 0, 0, 0, 0, 0]);
        }
        Version::V5 | Version::V7 => {
            // In v5 the first is padding, in v7 it says which fields are not valid.
            bytes.extend([0, flags, flow.protocol, flow.tos]);
            bytes.extend((flow.source_as as u16).to_be_bytes());
            bytes.extend((flow.destination_as as u16).to_be_bytes());
            bytes.extend([flow.source_prefix, flow.destination_prefix, 0, 0]);
        }
    }
    if version == Version::V7 {
        bytes.extend(Ipv4Addr::new(192, 0, 2, 99).octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_have_their_documented_lengths() {
        let header = Header {
            clock: Clock { export_ms: 1_700_000_000_000, uptime_ms: 5000 },
            sequence: 9,
            engine: [1, 2],
            sampling: sampling(1, 100),
        };
        let cases = [(Version::V1, 16 + 2 * 48), (Version::V5, 24 + 2 * 48), (Version::V7, 24 + 2 * 52)];
        for (version, expected) in cases {
            let payload = datagram(version, &header, &[Flow::default(), Flow::default()]);
            assert_eq!(payload.len(), expected, "{version:?}");
            assert_eq!(payload[..4], [0, version.number() as u8, 0, 2]);
        }
        assert_eq!(datagram(Version::V5, &header, &[])[20..], [1, 2, 0x40, 100]);
    }
}
