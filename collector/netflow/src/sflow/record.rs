//! What the records of flow samples say.

use super::records::Record;
use super::sample::Kind;
use super::structures;
use super::xdr::Reader;
use crate::columns::Address;
use crate::frame::{Frame, Layer};
use crate::report::Event;

/// The first bytes of a packet (`sampled_header`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    /// Link layer, by the numbers of sFlow's `header_protocol`.
    pub(crate) protocol: u32,
    /// Octets the frame had on the wire, without preamble.
    pub(crate) frame_length: u32,
    /// Octets cut off the end before the frame was sampled, such as its checksum.
    pub(crate) stripped: u32,
    /// How many bytes there should be.
    pub(crate) length: u32,
    pub(crate) bytes: &'a [u8],
}

/// An Ethernet frame in numbers (`sampled_ethernet`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ethernet {
    pub(crate) length: u32,
    pub(crate) source: [u8; 6],
    pub(crate) destination: [u8; 6],
    pub(crate) ether_type: u32,
}

/// An IP packet in numbers (`sampled_ipv4`, `sampled_ipv6`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ip {
    pub(crate) is_ipv6: bool,
    /// Octets of the IP packet.
    pub(crate) length: u32,
    pub(crate) protocol: u32,
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) source_port: u32,
    pub(crate) destination_port: u32,
    pub(crate) tcp_flags: u32,
    /// TOS byte (IPv4) or priority (IPv6).
    pub(crate) tos: u32,
}

/// VLANs of a switched packet (`extended_switch`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Switch {
    pub(crate) source_vlan: u32,
    pub(crate) source_priority: u32,
    pub(crate) destination_vlan: u32,
    pub(crate) destination_priority: u32,
}

/// The route of a packet (`extended_router`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Router {
    pub(crate) next_hop: Address,
    pub(crate) source_prefix: u32,
    pub(crate) destination_prefix: u32,
}

/// The BGP route of a packet (`extended_gateway`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gateway<'a> {
    pub(crate) next_hop: Address,
    /// AS of the exporter.
    pub(crate) own_as: u32,
    pub(crate) source_as: u32,
    pub(crate) source_peer_as: u32,
    /// 0 where the path is one sequence of numbers, or empty.
    segments: u32,
    path: &'a [u8],
    pub(crate) communities: &'a [u8],
    pub(crate) local_preference: u32,
}

/// Names of users (`extended_user`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Users<'a> {
    pub(crate) source: &'a [u8],
    pub(crate) destination: &'a [u8],
}

/// Where a packet's labels lead (`extended_mpls`). Entries are as in RFC 3032, top first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mpls<'a> {
    pub(crate) next_hop: Address,
    pub(crate) incoming: &'a [u8],
    pub(crate) outgoing: &'a [u8],
}

/// Addresses after translation (`extended_nat`); one that was not translated is the packet's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nat {
    pub(crate) source: Address,
    pub(crate) destination: Address,
}

/// One record of a flow sample.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FlowData<'a> {
    Header(Header<'a>),
    Ethernet(Ethernet),
    Ip(Ip),
    Switch(Switch),
    Router(Router),
    Gateway(Gateway<'a>),
    Users(Users<'a>),
    /// Direction, address and host (`extended_url`).
    Url(u32, &'a [u8], &'a [u8]),
    Mpls(Mpls<'a>),
    Nat(Nat),
    /// Ports after translation (`extended_nat_port`).
    NatPorts(u32, u32),
    /// Name, number and class of service (`extended_mpls_tunnel`).
    MplsTunnel(&'a [u8], u32, u32),
    /// Name, number and class of service (`extended_mpls_vc`).
    MplsCircuit(&'a [u8], u32, u32),
    /// Description and mask (`extended_mpls_FTN`).
    MplsClass(&'a [u8], u32),
    /// Prefix length (`extended_mpls_LDP_FEC`).
    MplsPrefix(u32),
    /// Tags that were taken off, outermost first, type and control field each (`extended_vlantunnel`).
    Tags(&'a [u8]),
    /// The Ethernet header that is put on or was taken off (`extended_L2_tunnel_egress`, `_ingress`).
    TunnelEthernet(Ethernet),
    /// The IP header that is put on or was taken off (`extended_ipv4_tunnel_egress`, ...).
    TunnelIp(Ip),
    /// Where the packet inside begins in the sampled header (`extended_decapsulate_egress`, `_ingress`).
    Inside(u32),
    /// Number of a virtual network (`extended_vni_egress`, `_ingress`).
    VirtualNetwork(u32),
    /// Number of the queue on the way out (`extended_egress_queue`).
    Queue(u32),
    /// Number, name and direction of the access list that hit (`extended_acl`).
    Acl(u32, &'a [u8], u32),
    /// Name of the function that discarded the packet (`extended_function`).
    Function(&'a [u8]),
}

/// Why a record of a flow sample is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Its format is not known.
    Unknown,
    /// Its format is known, and no column takes it.
    Unused,
    /// It is shorter than its format.
    Short,
}

impl<'a> FlowData<'a> {
    /// Reads a record of a flow sample or of a discarded packet.
    pub(crate) fn read(record: &Record<'a>) -> Result<Self, Unread> {
        Self::read_from(record.version, record.data_format, &mut Reader::new(record.bytes))
    }

    /// Reads a structure of a datagram of this version.
    pub(super) fn read_from(version: u8, data_format: u32, reader: &mut Reader<'a>) -> Result<Self, Unread> {
        let data = match data_format {
            1 => header(version, reader).map(Self::Header),
            2 => ethernet(reader).map(Self::Ethernet),
            3 => ipv4(reader).map(Self::Ip),
            4 => ipv6(reader).map(Self::Ip),
            1001 => switch(reader).map(Self::Switch),
            1002 => router(reader).map(Self::Router),
            1003 => gateway(version, reader).map(Self::Gateway),
            1004 => users(version, reader).map(Self::Users),
            1005 => url(version, reader),
            1006 => mpls(reader).map(Self::Mpls),
            1007 => nat(reader).map(Self::Nat),
            1008 => named(reader).map(|(name, id, service)| Self::MplsTunnel(name, id, service)),
            1009 => named(reader).map(|(name, id, service)| Self::MplsCircuit(name, id, service)),
            1010 => text(reader).zip(reader.word()).map(|(text, mask)| Self::MplsClass(text, mask)),
            1011 => reader.word().map(Self::MplsPrefix),
            1012 => reader.words().map(Self::Tags),
            1020 => reader.word().zip(reader.word()).map(|(source, destination)| Self::NatPorts(source, destination)),
            1021 | 1022 => ethernet(reader).map(Self::TunnelEthernet),
            1023 | 1024 => ipv4(reader).map(Self::TunnelIp),
            1025 | 1026 => ipv6(reader).map(Self::TunnelIp),
            1027 | 1028 => reader.word().map(Self::Inside),
            1029 | 1030 => reader.word().map(Self::VirtualNetwork),
            1036 => reader.word().map(Self::Queue),
            1037 => acl(reader),
            1038 => text(reader).map(Self::Function),
            _ => {
                let name = structures::name(Kind::Flow, data_format >> 12, data_format & 0x0fff);
                return Err(name.map_or(Unread::Unknown, |_| Unread::Unused));
            }
        };
        data.ok_or(Unread::Short)
    }
}

impl Header<'_> {
    /// Reads the packet.
    pub(crate) fn frame(&self) -> Frame {
        let mut frame = Frame::default();
        self.fill(&mut frame);
        frame
    }

    /// Reads the packet into a frame that is empty.
    pub(crate) fn fill(&self, frame: &mut Frame) {
        let layer = match self.protocol {
            // Frames within an aggregate of IEEE 802.11 have the header of IEEE 802.3.
            1 | 17 => Layer::Ethernet,
            3 => Layer::TokenRing,
            4 => Layer::Fddi,
            5 => Layer::FrameRelay,
            7 | 14 => Layer::Ppp,
            9 => Layer::Aal5,
            10 => Layer::Ip,
            11 => Layer::Ipv4,
            12 => Layer::Ipv6,
            13 => Layer::Mpls,
            15 => Layer::Wireless,
            18 => return frame.unopened = Some(Event::UnopenedInfiniband),
            _ => return frame.unopened = Some(Event::UnopenedLink),
        };
        frame.fill(layer, self.bytes);
    }

    /// Whether bytes are missing.
    pub(crate) fn is_short(&self) -> bool {
        usize::try_from(self.length).is_ok_and(|length| self.bytes.len() < length)
    }
}

impl<'a> Gateway<'a> {
    /// The segments of the AS path to the destination, nearest first: type (1 set, 2 sequence) and the numbers' bytes.
    pub(crate) fn path(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        const SEQUENCE: u32 = 2;
        // A path without segments is one sequence.
        let whole = Some((SEQUENCE, self.path)).filter(|(_, path)| self.segments == 0 && !path.is_empty());
        let mut path = Reader::new(self.path);
        whole.into_iter().chain((0..self.segments).map_while(move |_| path.word().zip(path.words())))
    }
}

/// A header that runs past its record is taken as far as it goes.
fn header<'a>(version: u8, reader: &mut Reader<'a>) -> Option<Header<'a>> {
    let (protocol, frame_length) = (reader.word()?, reader.word()?);
    let stripped = if version < 5 { 0 } else { reader.word()? };
    let length = reader.word()?;
    let bytes = reader.opaque(length).unwrap_or(reader.rest());
    Some(Header { protocol, frame_length, stripped, length, bytes })
}

fn ethernet(reader: &mut Reader<'_>) -> Option<Ethernet> {
    let (length, source, destination) = (reader.word()?, reader.mac()?, reader.mac()?);
    Some(Ethernet { length, source, destination, ether_type: reader.word()? })
}

fn ipv4(reader: &mut Reader<'_>) -> Option<Ip> {
    let (length, protocol) = (reader.word()?, reader.word()?);
    let (source, destination) = (reader.ipv4()?, reader.ipv4()?);
    ip(reader, Ip { is_ipv6: false, length, protocol, source, destination, ..NO_PORTS })
}

fn ipv6(reader: &mut Reader<'_>) -> Option<Ip> {
    let (length, protocol) = (reader.word()?, reader.word()?);
    let (source, destination) = (reader.chunk()?, reader.chunk()?);
    ip(reader, Ip { is_ipv6: true, length, protocol, source, destination, ..NO_PORTS })
}

const NO_PORTS: Ip = Ip {
    is_ipv6: false,
    length: 0,
    protocol: 0,
    source: [0; 16],
    destination: [0; 16],
    source_port: 0,
    destination_port: 0,
    tcp_flags: 0,
    tos: 0,
};

/// What follows the addresses.
fn ip(reader: &mut Reader<'_>, ip: Ip) -> Option<Ip> {
    let (source_port, destination_port) = (reader.word()?, reader.word()?);
    let (tcp_flags, tos) = (reader.word()?, reader.word()?);
    Some(Ip { source_port, destination_port, tcp_flags, tos, ..ip })
}

fn switch(reader: &mut Reader<'_>) -> Option<Switch> {
    Some(Switch {
        source_vlan: reader.word()?,
        source_priority: reader.word()?,
        destination_vlan: reader.word()?,
        destination_priority: reader.word()?,
    })
}

fn router(reader: &mut Reader<'_>) -> Option<Router> {
    Some(Router { next_hop: reader.address()?, source_prefix: reader.word()?, destination_prefix: reader.word()? })
}

/// Only version 5 has a next hop. In version 2 the path is one list without segments, and the last field.
fn gateway<'a>(version: u8, reader: &mut Reader<'a>) -> Option<Gateway<'a>> {
    let next_hop = if version < 5 { Address::default() } else { reader.address()? };
    let (own_as, source_as, source_peer_as) = (reader.word()?, reader.word()?, reader.word()?);
    if version < 4 {
        let path = reader.words()?;
        let (communities, local_preference): (&[u8], _) = (&[], 0);
        return Some(Gateway {
            next_hop,
            own_as,
            source_as,
            source_peer_as,
            segments: 0,
            path,
            communities,
            local_preference,
        });
    }
    let segments = reader.word()?;
    let path = if segments == 0 { &[] } else { reader.rest() };
    // Each segment takes two words at least, so that the walk ends with the bytes.
    for _ in 0..segments {
        reader.word()?;
        reader.words()?;
    }
    let communities = reader.words()?;
    let local_preference = reader.word()?;
    Some(Gateway { next_hop, own_as, source_as, source_peer_as, segments, path, communities, local_preference })
}

/// Two names; in version 5 each behind the number of its character set.
fn users<'a>(version: u8, reader: &mut Reader<'a>) -> Option<Users<'a>> {
    let mut name = || {
        if version >= 5 {
            reader.word()?;
        }
        text(reader)
    };
    Some(Users { source: name()?, destination: name()? })
}

/// Only version 5 tells the host.
fn url<'a>(version: u8, reader: &mut Reader<'a>) -> Option<FlowData<'a>> {
    let (direction, url) = (reader.word()?, text(reader)?);
    Some(FlowData::Url(direction, url, if version < 5 { &[] } else { text(reader)? }))
}

fn mpls<'a>(reader: &mut Reader<'a>) -> Option<Mpls<'a>> {
    Some(Mpls { next_hop: reader.address()?, incoming: reader.words()?, outgoing: reader.words()? })
}

fn nat(reader: &mut Reader<'_>) -> Option<Nat> {
    Some(Nat { source: reader.address()?, destination: reader.address()? })
}

fn named<'a>(reader: &mut Reader<'a>) -> Option<(&'a [u8], u32, u32)> {
    Some((text(reader)?, reader.word()?, reader.word()?))
}

fn acl<'a>(reader: &mut Reader<'a>) -> Option<FlowData<'a>> {
    let (number, name) = (reader.word()?, text(reader)?);
    Some(FlowData::Acl(number, name, reader.word()?))
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.word()?;
    reader.opaque(length)
}
