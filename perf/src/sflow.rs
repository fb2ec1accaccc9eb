//! sFlow version 5, from sflow.org's `sflow_version_5.txt`.

use std::net::IpAddr;

use crate::flow::Flow;
use crate::wire::{opaque, words};

/// Formats of samples.
pub const FLOW_SAMPLE: u32 = 1;
/// Counters.
pub const COUNTER_SAMPLE: u32 = 2;
/// A flow sample with indices of 32 bits.
pub const FLOW_SAMPLE_EXPANDED: u32 = 3;
/// Counters of a data source with an index of 32 bits.
pub const COUNTER_SAMPLE_EXPANDED: u32 = 4;

/// An Ethernet frame, as the protocol of a sampled header; 11 is IPv4, 12 IPv6, 13 MPLS.
pub const ETHERNET: u32 = 1;

/// What the header of a datagram says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The address that the exporter gives itself.
    pub agent: IpAddr,
    /// Which of its sources of datagrams.
    pub sub_agent: u32,
    /// Datagrams of this sub-agent sent before.
    pub sequence: u32,
    /// Milliseconds since it started.
    pub uptime_ms: u32,
}

/// What a flow sample says beside its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampler {
    /// Samples of this data source so far.
    pub sequence: u32,
    /// Interface that the sampler sits on.
    pub source: u32,
    /// One packet in this many.
    pub rate: u32,
    /// Packets that could have been sampled.
    pub pool: u32,
    /// Samples lost for want of resources.
    pub drops: u32,
    /// Input interface.
    pub input: u32,
    /// Output interface.
    pub output: u32,
    /// Whether it is written in the expanded form.
    pub is_expanded: bool,
}

/// A datagram of these samples.
#[must_use]
pub fn datagram(header: &Header, samples: &[Vec<u8>]) -> Vec<u8> {
    let rest = [header.sub_agent, header.sequence, header.uptime_ms, samples.len() as u32];
    [words(&[5]), address(header.agent), words(&rest), samples.concat()].concat()
}

/// A sample or record: its format, its length, what is in it.
#[must_use]
pub fn structure(format: u32, body: &[u8]) -> Vec<u8> {
    [words(&[format]), opaque(body)].concat()
}

/// A flow sample of these records.
#[must_use]
pub fn flow_sample(sampler: &Sampler, records: &[Vec<u8>]) -> Vec<u8> {
    let counts = [sampler.rate, sampler.pool, sampler.drops];
    let head = if sampler.is_expanded {
        [&[sampler.sequence, 0, sampler.source][..], &counts, &[0, sampler.input, 0, sampler.output]].concat()
    } else {
        [&[sampler.sequence, sampler.source & 0xff_ffff][..], &counts, &[sampler.input, sampler.output]].concat()
    };
    let format = if sampler.is_expanded { FLOW_SAMPLE_EXPANDED } else { FLOW_SAMPLE };
    structure(format, &[words(&head), words(&[records.len() as u32]), records.concat()].concat())
}

/// A counter sample of these records.
#[must_use]
pub fn counter_sample(sequence: u32, source: u32, is_expanded: bool, records: &[Vec<u8>]) -> Vec<u8> {
    let head = if is_expanded { vec![sequence, 0, source] } else { vec![sequence, source & 0xff_ffff] };
    let format = if is_expanded { COUNTER_SAMPLE_EXPANDED } else { COUNTER_SAMPLE };
    structure(format, &[words(&head), words(&[records.len() as u32]), records.concat()].concat())
}

/// The beginning of a sampled packet; the frame had `frame_length` octets on the wire.
#[must_use]
pub fn raw_header(protocol: u32, frame_length: u32, stripped: u32, bytes: &[u8]) -> Vec<u8> {
    structure(1, &[words(&[protocol, frame_length, stripped]), opaque(bytes)].concat())
}

/// A sampled IPv4 or IPv6 packet in numbers; the octets are those of the IP packet.
#[must_use]
pub fn sampled_ip(flow: &Flow) -> Vec<u8> {
    let (Some(source), Some(destination)) = (flow.source, flow.destination) else { return Vec::new() };
    let head = words(&[flow.octets as u32, u32::from(flow.protocol)]);
    let ports = [flow.source_port, flow.destination_port, flow.tcp_flags & 0xff, u16::from(flow.tos)].map(u32::from);
    let format = if source.is_ipv4() { 3 } else { 4 };
    structure(format, &[head, octets(source), octets(destination), words(&ports)].concat())
}

/// `extended_switch`: VLANs and priorities of both sides.
#[must_use]
pub fn switch(source_vlan: u32, destination_vlan: u32) -> Vec<u8> {
    structure(1001, &words(&[source_vlan, 3, destination_vlan, 5]))
}

/// `extended_router`: next hop and prefix lengths.
#[must_use]
pub fn router(next_hop: IpAddr, source_prefix: u32, destination_prefix: u32) -> Vec<u8> {
    structure(1002, &[address(next_hop), words(&[source_prefix, destination_prefix])].concat())
}

/// `extended_gateway`: BGP next hop, the exporter's AS, source AS, its peer, and the path to the destination in segments
/// (type 1 set, 2 sequence).
#[must_use]
pub fn gateway(next_hop: IpAddr, own_as: u32, source_as: u32, path: &[(u32, Vec<u32>)]) -> Vec<u8> {
    let segment = |(kind, numbers): &(u32, Vec<u32>)| [words(&[*kind, numbers.len() as u32]), words(numbers)].concat();
    let path_bytes: Vec<u8> = path.iter().flat_map(segment).collect();
    let head = words(&[own_as, source_as, source_as, path.len() as u32]);
    // Two communities and the local preference follow.
    let rest = words(&[2, 0xfbf4_0001, 0xfbf4_0002, 100]);
    structure(1003, &[address(next_hop), head, path_bytes, rest].concat())
}

/// Generic counters of an interface: index, type, speed in bits per second, duplex, status, then the counters in the order
/// of the document.
#[must_use]
pub fn interface_counters(index: u32, speed: u64, in_octets: u64, out_octets: u64, counts: &[u32; 11]) -> Vec<u8> {
    let double = |value: u64| [(value >> 32) as u32, value as u32];
    let [unicast, multicast, broadcast, discards, errors, unknown, out @ ..] = counts;
    let head = [&[index, 6][..], &double(speed), &[1, 3], &double(in_octets)].concat();
    let input = [*unicast, *multicast, *broadcast, *discards, *errors, *unknown];
    structure(1, &words(&[&head[..], &input, &double(out_octets), out, &[0]].concat()))
}

/// An address behind its type: 1 IPv4, 2 IPv6.
fn address(address: IpAddr) -> Vec<u8> {
    [words(&[if address.is_ipv4() { 1 } else { 2 }]), octets(address)].concat()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(four) => four.octets().to_vec(),
        IpAddr::V6(six) => six.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_their_documented_lengths() {
        let four: IpAddr = "192.0.2.1".parse().expect("an address");
        let flow = Flow { source: Some(four), destination: Some(four), ..Flow::default() };
        let cases = [
            (interface_counters(1, 1_000_000_000, 2, 3, &[0; 11]), 88),
            (sampled_ip(&flow), 32),
            (switch(1, 2), 16),
            (router(four, 24, 16), 16),
            (raw_header(ETHERNET, 1500, 4, &[0; 61]), 16 + 64),
        ];
        for (bytes, expected) in cases {
            assert_eq!(bytes.len(), 8 + expected);
            assert_eq!(bytes[4..8], (expected as u32).to_be_bytes());
        }
        let header = Header { agent: four, sub_agent: 0, sequence: 1, uptime_ms: 2 };
        assert_eq!(datagram(&header, &[]).len(), 28);
    }
}
