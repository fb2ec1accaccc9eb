//! The records of samples: their boundaries, and what those of flow samples say.

use super::xdr::Reader;
use crate::columns::Address;
use crate::frame::{Frame, Layer};
use crate::report::Event;

/// The records of one sample.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    left: u32,
    body: Reader<'a>,
    is_truncated: bool,
}

/// One record: an opaque structure and its format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Enterprise in the upper 20 bits, format in the lower 12.
    pub(crate) data_format: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Records<'a> {
    pub(super) fn new(count: u32, body: &'a [u8]) -> Self {
        Self { left: count, body: Reader::new(body), is_truncated: false }
    }

    /// Whether there are fewer whole records than counted; known when there is no next.
    pub(super) fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (data_format, length) = (self.body.word(), self.body.word());
        let Some((data_format, bytes)) = data_format.zip(length.and_then(|length| self.body.opaque(length))) else {
            self.left = 0;
            self.is_truncated = true;
            return None;
        };
        Some(Record { data_format, bytes })
    }
}

impl Record<'_> {
    /// Enterprise number; 0 is sFlow's own.
    pub(crate) fn enterprise(&self) -> u32 {
        self.data_format >> 12
    }

    /// Format within the enterprise.
    pub(crate) fn format(&self) -> u32 {
        self.data_format & 0x0fff
    }
}

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
    segments: u32,
    path: &'a [u8],
    pub(crate) communities: &'a [u8],
    pub(crate) local_preference: u32,
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
    /// It is shorter than its format.
    Short,
}

impl<'a> FlowData<'a> {
    /// Reads a record of a flow sample or of a discarded packet.
    pub(crate) fn read(record: &Record<'a>) -> Result<Self, Unread> {
        let mut reader = Reader::new(record.bytes);
        let data = match record.data_format {
            1 => header(&mut reader).map(Self::Header),
            2 => ethernet(&mut reader).map(Self::Ethernet),
            3 => ipv4(&mut reader).map(Self::Ip),
            4 => ipv6(&mut reader).map(Self::Ip),
            1001 => switch(&mut reader).map(Self::Switch),
            1002 => router(&mut reader).map(Self::Router),
            1003 => gateway(&mut reader).map(Self::Gateway),
            1036 => reader.word().map(Self::Queue),
            1037 => acl(&mut reader),
            1038 => text(&mut reader).map(Self::Function),
            _ => return Err(Unread::Unknown),
        };
        data.ok_or(Unread::Short)
    }
}

impl Header<'_> {
    /// Reads the packet.
    pub(crate) fn frame(&self) -> Frame {
        let unopened = match self.protocol {
            // Frames within an aggregate of IEEE 802.11 have the header of IEEE 802.3.
            1 | 17 => return Frame::read(Layer::Ethernet, self.bytes),
            3 => return Frame::read(Layer::TokenRing, self.bytes),
            4 => return Frame::read(Layer::Fddi, self.bytes),
            5 => return Frame::read(Layer::FrameRelay, self.bytes),
            7 | 14 => return Frame::read(Layer::Ppp, self.bytes),
            9 => return Frame::read(Layer::Aal5, self.bytes),
            10 => return Frame::read(Layer::Ip, self.bytes),
            11 => return Frame::read(Layer::Ipv4, self.bytes),
            12 => return Frame::read(Layer::Ipv6, self.bytes),
            13 => return Frame::read(Layer::Mpls, self.bytes),
            15 => return Frame::read(Layer::Wireless, self.bytes),
            18 => Event::UnopenedInfiniband,
            _ => Event::UnopenedLink,
        };
        Frame::closed(unopened)
    }

    /// Whether bytes are missing.
    pub(crate) fn is_short(&self) -> bool {
        usize::try_from(self.length).is_ok_and(|length| self.bytes.len() < length)
    }
}

impl<'a> Gateway<'a> {
    /// The segments of the AS path to the destination, nearest first: type (1 set, 2 sequence) and the numbers' bytes.
    pub(crate) fn path(&self) -> impl Iterator<Item = (u32, &'a [u8])> + use<'a> {
        let mut path = Reader::new(self.path);
        (0..self.segments).map_while(move |_| path.word().zip(path.words()))
    }
}

/// A header that runs past its record is taken as far as it goes.
fn header<'a>(reader: &mut Reader<'a>) -> Option<Header<'a>> {
    let (protocol, frame_length, stripped, length) = (reader.word()?, reader.word()?, reader.word()?, reader.word()?);
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

fn gateway<'a>(reader: &mut Reader<'a>) -> Option<Gateway<'a>> {
    let next_hop = reader.address()?;
    let (own_as, source_as, source_peer_as) = (reader.word()?, reader.word()?, reader.word()?);
    let segments = reader.word()?;
    let path = reader.rest();
    // Each segment takes two words at least, so that the walk ends with the bytes.
    for _ in 0..segments {
        reader.word()?;
        reader.words()?;
    }
    let communities = reader.words()?;
    let local_preference = reader.word()?;
    Some(Gateway { next_hop, own_as, source_as, source_peer_as, segments, path, communities, local_preference })
}

fn acl<'a>(reader: &mut Reader<'a>) -> Option<FlowData<'a>> {
    let (number, name) = (reader.word()?, text(reader)?);
    Some(FlowData::Acl(number, name, reader.word()?))
}

fn text<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = reader.word()?;
    reader.opaque(length)
}
