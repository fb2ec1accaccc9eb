//! Packets as they are sampled: Ethernet, tags, MPLS, IP, tunnels, transport. Checksums are left zero.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::flow::Flow;
use crate::wire::short;

/// EtherTypes.
pub const IPV4: u16 = 0x0800;
/// IPv6.
pub const IPV6: u16 = 0x86dd;
/// MPLS unicast.
pub const MPLS: u16 = 0x8847;
/// A customer's VLAN tag.
pub const VLAN: u16 = 0x8100;
/// A provider's VLAN tag (802.1ad).
pub const QINQ: u16 = 0x88a8;
/// An Ethernet frame inside GRE.
pub const BRIDGED: u16 = 0x6558;

/// IP protocol numbers.
pub const TCP: u8 = 6;
/// UDP.
pub const UDP: u8 = 17;
/// ICMP.
pub const ICMP: u8 = 1;
/// ICMP for IPv6.
pub const ICMP6: u8 = 58;
/// Generic routing encapsulation.
pub const GRE: u8 = 47;

/// What stands between the Ethernet header of a frame and its IP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrap {
    /// Nothing.
    Plain,
    /// VLAN tags, outermost first.
    Tags(Vec<u16>),
    /// MPLS labels, top first.
    Labels(Vec<u32>),
    /// An IPv4 packet with GRE in it, and the packet.
    Gre,
    /// An IPv4 packet with GRE in it, and an Ethernet frame.
    GreBridged,
    /// An IPv4 packet with UDP, VXLAN and an Ethernet frame in it.
    Vxlan,
    /// An IPv6 packet, and the packet (protocol 4 or 41).
    InIpv6,
}

/// A frame whose innermost packet is of this flow.
#[must_use]
pub fn frame(wrap: &Wrap, flow: &Flow) -> Vec<u8> {
    let packet = packet(flow);
    let kind = if flow.source.is_some_and(|address| address.is_ipv6()) { IPV6 } else { IPV4 };
    match wrap {
        Wrap::Plain => ethernet(flow, kind, &packet),
        Wrap::Tags(tags) => {
            let tagged = tags.iter().enumerate().rev().fold((kind, packet), |(inner, rest), (level, tag)| {
                let outer = if level == 0 && tags.len() > 1 { QINQ } else { VLAN };
                (outer, [&tag.to_be_bytes()[..], &inner.to_be_bytes(), &rest].concat())
            });
            ethernet(flow, tagged.0, &tagged.1)
        }
        Wrap::Labels(labels) => ethernet(flow, MPLS, &[mpls(labels), packet].concat()),
        Wrap::Gre => ethernet(flow, IPV4, &outer(GRE, &gre(kind, &packet))),
        Wrap::GreBridged => ethernet(flow, IPV4, &outer(GRE, &gre(BRIDGED, &inner(kind, &packet)))),
        Wrap::Vxlan => {
            let bytes = [&[8, 0, 0, 0, 0, 0, 7, 0][..], &inner(kind, &packet)].concat();
            ethernet(flow, IPV4, &outer(UDP, &udp(50_000, 4789, &bytes)))
        }
        Wrap::InIpv6 => {
            let protocol = if kind == IPV6 { 41 } else { 4 };
            let ends = [Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)];
            ethernet(flow, IPV6, &ipv6(ends, 0, protocol, &packet))
        }
    }
}

/// The IP packet of a flow, with the beginning of its payload.
#[must_use]
pub fn packet(flow: &Flow) -> Vec<u8> {
    let payload = transport(flow);
    match (flow.source, flow.destination) {
        (Some(IpAddr::V6(source)), Some(IpAddr::V6(destination))) => {
            ipv6([source, destination], flow.tos, flow.protocol, &payload)
        }
        (source, destination) => {
            let four = |address: Option<IpAddr>| match address {
                Some(IpAddr::V4(four)) => four,
                Some(IpAddr::V6(_)) | None => Ipv4Addr::UNSPECIFIED,
            };
            ipv4([four(source), four(destination)], flow.tos, flow.protocol, &payload)
        }
    }
}

/// The flow that a collector can read from its packet: no counters, no routes.
#[must_use]
pub fn visible(flow: &Flow) -> Flow {
    let has_ports = flow.protocol == TCP || flow.protocol == UDP;
    let has_icmp = flow.protocol == ICMP || flow.protocol == ICMP6;
    Flow {
        source: flow.source,
        destination: flow.destination,
        protocol: flow.protocol,
        tos: flow.tos,
        source_port: if has_ports { flow.source_port } else { 0 },
        destination_port: if has_ports { flow.destination_port } else { 0 },
        tcp_flags: if flow.protocol == TCP { flow.tcp_flags & 0x1ff } else { 0 },
        icmp_type: if has_icmp { flow.icmp_type } else { 0 },
        icmp_code: if has_icmp { flow.icmp_code } else { 0 },
        source_mac: flow.source_mac,
        destination_mac: flow.destination_mac,
        ..Flow::default()
    }
}

fn transport(flow: &Flow) -> Vec<u8> {
    let ports = [flow.source_port.to_be_bytes(), flow.destination_port.to_be_bytes()].concat();
    match flow.protocol {
        TCP => {
            // Data offset of five words and NS in one byte, the other flags in the next (RFC 9293 section 3.1).
            let [high, low] = flow.tcp_flags.to_be_bytes();
            [&ports[..], &[0, 0, 0, 1, 0, 0, 0, 2, 0x50 | high & 1, low, 1, 0, 0, 0, 0, 0]].concat()
        }
        UDP => udp(flow.source_port, flow.destination_port, b"payload"),
        ICMP | ICMP6 => vec![flow.icmp_type, flow.icmp_code, 0, 0, 0, 0, 0, 0],
        _ => vec![0xab; 12],
    }
}

/// An Ethernet frame with the flow's MAC addresses.
#[must_use]
pub fn ethernet(flow: &Flow, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mac = |address: u64| address.to_be_bytes()[2..].to_vec();
    [&mac(flow.destination_mac)[..], &mac(flow.source_mac), &kind.to_be_bytes(), payload].concat()
}

/// The frame inside a tunnel, between other machines than outside.
fn inner(kind: u16, packet: &[u8]) -> Vec<u8> {
    ethernet(&Flow { source_mac: 0x0200_0000_aaaa, destination_mac: 0x0200_0000_bbbb, ..Flow::default() }, kind, packet)
}

/// The packet around a tunnel.
fn outer(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4([Ipv4Addr::new(198, 18, 0, 1), Ipv4Addr::new(198, 18, 0, 2)], 0, protocol, payload)
}

fn ipv4(ends: [Ipv4Addr; 2], tos: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [source, destination] = ends.map(|end| end.octets());
    let head = [&[0x45, tos][..], &short(20 + payload.len()), &[0, 7, 0, 0, 64, protocol, 0, 0]].concat();
    [&head[..], &source, &destination, payload].concat()
}

fn ipv6(ends: [Ipv6Addr; 2], traffic_class: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let first = 6 << 28 | u32::from(traffic_class) << 20 | 0x1234;
    let [source, destination] = ends.map(|end| end.octets());
    [&first.to_be_bytes()[..], &short(payload.len()), &[protocol, 64], &source, &destination, payload].concat()
}

fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    [&source.to_be_bytes()[..], &destination.to_be_bytes(), &short(payload.len() + 8), &[0; 2], payload].concat()
}

/// GRE with a key (RFC 2890).
fn gre(kind: u16, payload: &[u8]) -> Vec<u8> {
    [&[0x20, 0][..], &kind.to_be_bytes(), &[0, 0, 0, 9], payload].concat()
}

/// A label stack with TTL 64, the last entry marked (RFC 3032 section 2.1).
fn mpls(labels: &[u32]) -> Vec<u8> {
    let entry =
        |(level, label): (usize, &u32)| (label << 12 | u32::from(level + 1 == labels.len()) << 8 | 64).to_be_bytes();
    labels.iter().enumerate().flat_map(entry).collect()
}
