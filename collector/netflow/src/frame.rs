//! The beginning of a sampled packet, from the link layer inwards: Ethernet, VLAN tags, MPLS, IPv4 and IPv6, TCP, UDP and ICMP,
//! and through GRE, IP in IP and VXLAN to the packet inside.
//!
//! A sample is cut after some bytes, so each header is read only as far as it is there. Both the outermost and the innermost
//! IP packet are kept; what lies between is passed over. Not here: which of the two a flow is taken from.

use crate::columns::Address;
use crate::wire::{chunk_at, u16_at, u32_at};

/// Most VLAN tags that are read.
pub(crate) const TAGS: usize = 4;
/// Most entries of the MPLS label stack that are kept.
pub(crate) const LABELS: usize = 10;
/// Most headers below the transport layer: a bound for hostile nesting. A tunnel takes two or three.
const LAYERS: usize = 16;
/// Most extension headers of one IPv6 packet.
const EXTENSIONS: usize = 8;

const ETHERNET: usize = 14;
const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86dd;
const ETHER_BRIDGED: u16 = 0x6558;
const MPLS_UNICAST: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;
/// IEEE 802.1Q, 802.1ad, and what was used for outer tags before.
const VLAN: [u16; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];

const ICMP: u8 = 1;
const IPV4_IN_IP: u8 = 4;
const TCP: u8 = 6;
const UDP: u8 = 17;
const IPV6_IN_IP: u8 = 41;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
const MPLS_IN_IP: u8 = 137;

/// UDP port of VXLAN (RFC 7348 section 5).
const VXLAN_PORT: u16 = 4789;
/// UDP port that Linux used for VXLAN before.
const VXLAN_PORT_LINUX: u16 = 8472;

/// What the bytes of a sample begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Ethernet,
    Mpls,
    /// IPv4 or IPv6, as the first four bits say.
    Ip,
    Ipv4,
    Ipv6,
    Gre,
    Vxlan,
}

/// The outermost Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) destination: [u8; 6],
    pub(crate) source: [u8; 6],
    /// Type behind the VLAN tags; below 1536 a length (IEEE 802.3).
    pub(crate) ether_type: u16,
    tags: [u16; TAGS],
    tag_count: usize,
}

impl Ethernet {
    /// VLAN ids, outermost first.
    pub(crate) fn vlans(&self) -> &[u16] {
        self.tags.get(..self.tag_count).unwrap_or(&[])
    }
}

/// One IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) is_ipv6: bool,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    /// Protocol (IPv4) or next header (IPv6) in the IP header itself.
    pub(crate) next_header: u8,
    /// Protocol behind the extension headers of IPv6; the same as `next_header` in IPv4.
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

/// What was found in a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) ethernet: Option<Ethernet>,
    /// The first IP packet.
    pub(crate) outer: Option<Packet>,
    /// The last IP packet: inside of all tunnels that could be read.
    pub(crate) inner: Option<Packet>,
    labels: [u32; LABELS],
    label_count: usize,
}

impl Frame {
    /// Reads a sample that begins with `layer`.
    pub(crate) fn read(layer: Layer, bytes: &[u8]) -> Self {
        let mut frame = Self::default();
        let mut next = Some((layer, bytes));
        for _ in 0..LAYERS {
            let Some((layer, bytes)) = next else { break };
            next = match layer {
                Layer::Ethernet => frame.ethernet(bytes),
                Layer::Mpls => frame.mpls(bytes),
                Layer::Ip => of_version(bytes),
                Layer::Ipv4 => frame.ipv4(bytes),
                Layer::Ipv6 => frame.ipv6(bytes),
                Layer::Gre => gre(bytes),
                Layer::Vxlan => vxlan(bytes),
            };
        }
        frame
    }

    /// Labels of the outermost MPLS stack, top first.
    pub(crate) fn labels(&self) -> &[u32] {
        self.labels.get(..self.label_count).unwrap_or(&[])
    }

    fn ethernet<'a>(&mut self, bytes: &'a [u8]) -> Option<(Layer, &'a [u8])> {
        let (destination, source) = (chunk_at(bytes, 0)?, chunk_at(bytes, 6)?);
        let mut ether_type = u16_at(bytes, 12)?;
        let mut rest = bytes.get(ETHERNET..)?;
        let (mut tags, mut tag_count) = ([0; TAGS], 0_usize);
        for tag in &mut tags {
            let (true, Some(control), Some(behind)) = (VLAN.contains(&ether_type), u16_at(rest, 0), u16_at(rest, 2))
            else {
                break;
            };
            *tag = control & 0x0fff;
            tag_count = tag_count.saturating_add(1);
            ether_type = behind;
            rest = rest.get(4..)?;
        }
        // The Ethernet inside of a tunnel is not the exporter's.
        if self.ethernet.is_none() && self.outer.is_none() {
            self.ethernet = Some(Ethernet { destination, source, ether_type, tags, tag_count });
        }
        Some((of_ether_type(ether_type)?, rest))
    }

    /// A label stack (RFC 3032 section 2.1). What is under it has no type; the first nibble tells IP from a pseudowire's
    /// control word (RFC 4928 section 3).
    fn mpls<'a>(&mut self, mut bytes: &'a [u8]) -> Option<(Layer, &'a [u8])> {
        let is_outermost = self.outer.is_none() && self.label_count == 0;
        loop {
            let entry = u32_at(bytes, 0)?;
            bytes = bytes.get(4..)?;
            if is_outermost && let Some(label) = self.labels.get_mut(self.label_count) {
                *label = entry >> 12;
                self.label_count = self.label_count.saturating_add(1);
            }
            if entry & 0x100 != 0 {
                break;
            }
        }
        match bytes.first()? >> 4 {
            0 => Some((Layer::Ethernet, bytes.get(4..)?)),
            _ => of_version(bytes),
        }
    }

    fn ipv4<'a>(&mut self, bytes: &'a [u8]) -> Option<(Layer, &'a [u8])> {
        let header: [u8; 20] = chunk_at(bytes, 0)?;
        let [version, tos, _, _, _, _, _, _, ttl, protocol, ..] = header;
        let header_length = usize::from(version & 0x0f).saturating_mul(4);
        if version >> 4 != 4 || header_length < header.len() {
            return None;
        }
        let length = u16_at(bytes, 2)?;
        let mut packet = Packet {
            is_ipv6: false,
            source: mapped(chunk_at(bytes, 12)?),
            destination: mapped(chunk_at(bytes, 16)?),
            next_header: protocol,
            protocol,
            tos,
            ttl,
            length: u32::from(length),
            ports: None,
            tcp_flags: None,
            icmp: None,
        };
        // Only the first fragment has what is above IP. A length of zero is that of a packet whose segments are yet to be cut,
        // as hosts sample it.
        let is_first_fragment = u16_at(bytes, 6)? & 0x1fff == 0;
        let end = if length == 0 { bytes.len() } else { usize::from(length).min(bytes.len()) };
        let above = bytes.get(header_length..end).filter(|_| is_first_fragment).unwrap_or(&[]);
        packet.transport(above);
        self.keep(packet);
        packet.tunnel(above)
    }

    fn ipv6<'a>(&mut self, bytes: &'a [u8]) -> Option<(Layer, &'a [u8])> {
        let first = u32_at(bytes, 0)?;
        if first >> 28 != 6 {
            return None;
        }
        let [next_header, ttl] = chunk_at(bytes, 6)?;
        let (source, destination) = (chunk_at(bytes, 8)?, chunk_at(bytes, 24)?);
        let payload_length = u16_at(bytes, 4)?;
        let above = bytes.get(40..)?;
        let above = above.get(..usize::from(payload_length)).filter(|_| payload_length > 0).unwrap_or(above);
        let (protocol, above) = behind_extensions(next_header, above);
        let mut packet = Packet {
            is_ipv6: true,
            source,
            destination,
            next_header,
            protocol,
            tos: (first >> 20) as u8,
            ttl,
            length: u32::from(payload_length).saturating_add(40),
            ports: None,
            tcp_flags: None,
            icmp: None,
        };
        packet.transport(above);
        self.keep(packet);
        packet.tunnel(above)
    }

    fn keep(&mut self, packet: Packet) {
        self.outer = self.outer.or(Some(packet));
        self.inner = Some(packet);
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

    /// What the packet carries, if it is a tunnel's.
    fn tunnel<'a>(&self, above: &'a [u8]) -> Option<(Layer, &'a [u8])> {
        match self.protocol {
            IPV4_IN_IP => Some((Layer::Ipv4, above)),
            IPV6_IN_IP => Some((Layer::Ipv6, above)),
            MPLS_IN_IP => Some((Layer::Mpls, above)),
            GRE => Some((Layer::Gre, above)),
            UDP if matches!(self.ports, Some((_, VXLAN_PORT | VXLAN_PORT_LINUX))) => {
                Some((Layer::Vxlan, above.get(8..)?))
            }
            _ => None,
        }
    }
}

/// The layer that bytes of an IP packet begin with.
fn of_version(bytes: &[u8]) -> Option<(Layer, &[u8])> {
    match bytes.first()? >> 4 {
        4 => Some((Layer::Ipv4, bytes)),
        6 => Some((Layer::Ipv6, bytes)),
        _ => None,
    }
}

/// The layer behind an Ethernet type.
fn of_ether_type(ether_type: u16) -> Option<Layer> {
    match ether_type {
        ETHER_IPV4 => Some(Layer::Ipv4),
        ETHER_IPV6 => Some(Layer::Ipv6),
        ETHER_BRIDGED => Some(Layer::Ethernet),
        MPLS_UNICAST | MPLS_UPSTREAM => Some(Layer::Mpls),
        _ => None,
    }
}

/// The first protocol that is no extension header (RFC 8200 section 4), with its bytes; none of a later fragment.
fn behind_extensions(mut protocol: u8, mut bytes: &[u8]) -> (u8, &[u8]) {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const DESTINATION: u8 = 60;
    const MOBILITY: u8 = 135;

    for _ in 0..EXTENSIONS {
        let Some([next, length]) = chunk_at(bytes, 0) else { break };
        let length = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => usize::from(length).saturating_add(1).saturating_mul(8),
            AUTHENTICATION => usize::from(length).saturating_add(2).saturating_mul(4),
            FRAGMENT => 8,
            _ => break,
        };
        let is_later_fragment = protocol == FRAGMENT && u16_at(bytes, 2).is_none_or(|offset| offset & 0xfff8 != 0);
        protocol = next;
        bytes = bytes.get(length..).filter(|_| !is_later_fragment).unwrap_or(&[]);
    }
    (protocol, bytes)
}

/// GRE with its optional fields (RFC 2784 section 2, RFC 2890 section 2). Version 1 is PPTP's, and the routing field of RFC 1701
/// is in no use.
fn gre(bytes: &[u8]) -> Option<(Layer, &[u8])> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const VERSION: u16 = 0x0007;

    let flags = u16_at(bytes, 0)?;
    if flags & (ROUTING | VERSION) != 0 {
        return None;
    }
    let optional = [CHECKSUM, KEY, SEQUENCE].iter().filter(|flag| flags & **flag != 0).count();
    let header_length = optional.saturating_mul(4).saturating_add(4);
    Some((of_ether_type(u16_at(bytes, 2)?)?, bytes.get(header_length..)?))
}

/// VXLAN (RFC 7348 section 5): the flag says that there is a network identifier, without which it is something else.
fn vxlan(bytes: &[u8]) -> Option<(Layer, &[u8])> {
    (bytes.first()? & 0x08 != 0).then_some((Layer::Ethernet, bytes.get(8..)?))
}

/// An IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2).
fn mapped(address: [u8; 4]) -> Address {
    std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets()
}
