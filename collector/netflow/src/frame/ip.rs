//! IPv4 and IPv6 with their extension headers, and what of TCP, UDP and ICMP columns take.

use super::layer::{End, Layer, Step};
use super::tunnel;
use crate::columns::Address;
use crate::report::Event;
use crate::wire::{chunk_at, u16_at, u32_at};

/// Most extension headers of one packet.
const EXTENSIONS: usize = 8;

const ICMP: u8 = 1;
const IPV4_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ENCRYPTED: u8 = 50;
const AUTHENTICATION: u8 = 51;
const ICMPV6: u8 = 58;
const ETHERNET_IN_IP: u8 = 97;
const PIM: u8 = 103;
const COMPRESSED: u8 = 108;
const L2TP: u8 = 115;
const MPLS_IN_IP: u8 = 137;
const ETHERNET: u8 = 143;

/// One IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) is_ipv6: bool,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Protocol (IPv4) or next header (IPv6) in the IP header itself.
    pub(crate) next_header: u8,
    /// Protocol behind the extension headers of IPv6 and the authentication header; the same as `next_header` in most packets.
    pub(crate) protocol: u8,
    /// TOS or traffic class byte.
    pub(crate) tos: u8,
    /// Time to live or hop limit.
    pub(crate) ttl: u8,
    /// Octets of the whole packet, by its header.
    pub(crate) length: u32,
    /// Source and destination port of TCP or UDP.
    pub(crate) ports: Option<(u16, u16)>,
    /// The twelve bits behind the data offset.
    pub(crate) tcp_flags: Option<u16>,
    /// Type and code of ICMP or ICMPv6.
    pub(crate) icmp: Option<(u8, u8)>,
}

/// A packet, what is above its headers, and how many of its octets were not sampled: `usize::MAX` where it does not tell its length.
pub(super) struct Read<'a> {
    pub(super) packet: Packet,
    /// Nothing where it is a later fragment.
    pub(super) above: Option<&'a [u8]>,
    pub(super) missing: usize,
}

/// Reads an IPv4 packet.
pub(super) fn ipv4(bytes: &[u8]) -> Result<Read<'_>, End> {
    let header: [u8; 20] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    let [version, tos, high, low, _, _, fragment, offset, ttl, next_header, ..] = header;
    let header_length = usize::from(version & 0x0f).saturating_mul(4);
    if version >> 4 != 4 || header_length < header.len() {
        return Err(End::BROKEN);
    }
    let length = u16::from_be_bytes([high, low]);
    let mut packet = Packet {
        is_ipv6: false,
        source: mapped(chunk_at(&header, 12).unwrap_or_default()),
        destination: mapped(chunk_at(&header, 16).unwrap_or_default()),
        next_header,
        protocol: next_header,
        tos,
        ttl,
        length: u32::from(length),
        ports: None,
        tcp_flags: None,
        icmp: None,
    };
    // Only the first fragment has what is above IP. A length of zero is that of a packet whose segments are yet to be cut,
    // as hosts sample it.
    let is_first_fragment = u16::from_be_bytes([fragment, offset]) & 0x1fff == 0;
    let (end, missing) = extent(usize::from(length), bytes);
    let mut above = bytes.get(header_length..end).unwrap_or(&[]);
    if packet.protocol == AUTHENTICATION && is_first_fragment {
        (packet.protocol, above) = behind_extensions(AUTHENTICATION, above).unwrap_or((AUTHENTICATION, &[]));
    }
    if is_first_fragment {
        packet.transport(above);
    }
    Ok(Read { packet, above: is_first_fragment.then_some(above), missing })
}

/// Reads an IPv6 packet.
pub(super) fn ipv6(bytes: &[u8]) -> Result<Read<'_>, End> {
    let header: [u8; 40] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    let first = u32_at(&header, 0).unwrap_or(0);
    if first >> 28 != 6 {
        return Err(End::BROKEN);
    }
    let [_, _, _, _, high, low, next_header, ttl, ..] = header;
    let payload_length = u16::from_be_bytes([high, low]);
    let above = bytes.get(header.len()..).unwrap_or(&[]);
    let (end, missing) = extent(usize::from(payload_length), above);
    let found = behind_extensions(next_header, above.get(..end).unwrap_or(above));
    let (protocol, above) = match found {
        Ok((protocol, above)) => (protocol, Some(above)),
        Err(protocol) => (protocol, None),
    };
    let mut packet = Packet {
        is_ipv6: true,
        source: chunk_at(&header, 8).unwrap_or_default(),
        destination: chunk_at(&header, 24).unwrap_or_default(),
        next_header,
        protocol,
        tos: (first >> 20) as u8,
        ttl,
        length: u32::from(payload_length).saturating_add(40),
        ports: None,
        tcp_flags: None,
        icmp: None,
    };
    packet.transport(above.unwrap_or(&[]));
    Ok(Read { packet, above, missing })
}

/// Where bytes end that should be `length` long, and how many are missing.
fn extent(length: usize, bytes: &[u8]) -> (usize, usize) {
    match length {
        0 => (bytes.len(), usize::MAX),
        length => (length.min(bytes.len()), length.saturating_sub(bytes.len())),
    }
}

impl Packet {
    /// Reads what is above IP.
    fn transport(&mut self, bytes: &[u8]) {
        match self.protocol {
            TCP | UDP => self.ports = u16_at(bytes, 0).zip(u16_at(bytes, 2)),
            ICMP if !self.is_ipv6 => self.icmp = chunk_at(bytes, 0).map(|[kind, code]| (kind, code)),
            ICMPV6 if self.is_ipv6 => self.icmp = chunk_at(bytes, 0).map(|[kind, code]| (kind, code)),
            _ => {}
        }
        if self.protocol == TCP {
            self.tcp_flags = u16_at(bytes, 12).map(|bits| bits & 0x0fff);
        }
    }

    /// What the packet carries, if it is a tunnel's. Packets that ICMP quotes are carried by nobody.
    pub(super) fn carried<'a>(&self, above: &'a [u8]) -> Step<'a> {
        let layer = match self.protocol {
            UDP => return tunnel::over_udp(self.ports.unwrap_or((0, 0)), above),
            IPV4_IN_IP => Layer::Ipv4,
            IPV6_IN_IP => Layer::Ipv6,
            GRE => Layer::Gre,
            // RFC 3378: the version is 3, and the rest of the two bytes is zero.
            ETHERNET_IN_IP if above.starts_with(&[0x30, 0]) => Layer::EthernetBehind(2),
            PIM => Layer::Pim,
            L2TP => Layer::L2tpOverIp,
            MPLS_IN_IP => Layer::Mpls,
            ETHERNET => Layer::Ethernet,
            ENCRYPTED => return Err(End::Unopened(Event::UnopenedEsp)),
            COMPRESSED => return Err(End::Unopened(Event::UnopenedIpcomp)),
            _ => return Err(End::Whole),
        };
        Ok((layer, above))
    }
}

/// The first protocol that is no extension header (RFC 8200 section 4), with its bytes; the protocol alone of a later fragment.
fn behind_extensions(mut protocol: u8, mut bytes: &[u8]) -> Result<(u8, &[u8]), u8> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;
    const HOST_IDENTITY: u8 = 139;
    const SHIM6: u8 = 140;

    for _ in 0..EXTENSIONS {
        let length = match protocol {
            TCP | UDP => break,
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY | HOST_IDENTITY | SHIM6 => {
                let Some(length) = bytes.get(1) else { break };
                usize::from(*length).saturating_add(1).saturating_mul(8)
            }
            AUTHENTICATION => {
                let Some(length) = bytes.get(1) else { break };
                usize::from(*length).saturating_add(2).saturating_mul(4)
            }
            FRAGMENT => 8,
            _ => break,
        };
        let Some(next) = bytes.first() else { break };
        if protocol == FRAGMENT && u16_at(bytes, 2).is_none_or(|offset| offset & 0xfff8 != 0) {
            return Err(*next);
        }
        protocol = *next;
        bytes = bytes.get(length..).unwrap_or(&[]);
    }
    Ok((protocol, bytes))
}

/// An IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2).
fn mapped(address: [u8; 4]) -> Address {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}
