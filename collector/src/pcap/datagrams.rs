//! UDP datagrams of a capture: link, IP and UDP headers taken off, fragments joined, what is passed over counted.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::Ipv6Addr;

use super::error::PcapError;
use super::fragments::{Fragments, Joined};
use super::link::{self, Found};
use super::network;
use super::reader::Reader;

/// Why a packet, or a datagram in fragments, gave no datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// Not IP.
    NotIp,
    /// IP, but not UDP.
    NotUdp,
    /// UDP to a port that was not asked for.
    OtherPort,
    /// A link type that this program does not know.
    UnknownLink,
    /// The capture holds only the first bytes of the packet (its snap length).
    CutShort,
    /// A length or version that cannot be.
    Malformed,
    /// A fragment that contradicts another one.
    FragmentOverlap,
    /// Fragments without the rest of their datagram.
    FragmentIncomplete,
}

/// All reasons, in the order of their discriminants.
pub const SKIPPED: [Skipped; 8] = [
    Skipped::NotIp,
    Skipped::NotUdp,
    Skipped::OtherPort,
    Skipped::UnknownLink,
    Skipped::CutShort,
    Skipped::Malformed,
    Skipped::FragmentOverlap,
    Skipped::FragmentIncomplete,
];

impl Skipped {
    /// The reason in words, without the count.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NotIp => "not IP",
            Self::NotUdp => "not UDP",
            Self::OtherPort => "UDP to another port",
            Self::UnknownLink => "of a link type that is not read",
            Self::CutShort => "cut short by the capture",
            Self::Malformed => "malformed headers",
            Self::FragmentOverlap => "overlapping fragments",
            Self::FragmentIncomplete => "incomplete fragments",
        }
    }
}

/// Which destination ports are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ports {
    /// All of them.
    All,
    /// These.
    Only(Vec<u16>),
}

/// One UDP datagram; its payload is [`Datagrams::payload`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Number in the file of the packet that completed it, from 1.
    pub packet: u64,
    /// Capture time of that packet, nanoseconds since 1970.
    pub time_ns: i64,
    /// Source address, IPv4 mapped.
    pub source: Ipv6Addr,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// Reads the UDP datagrams of a capture.
#[derive(Debug)]
pub struct Datagrams<R> {
    reader: Reader<R>,
    ports: Ports,
    fragments: Fragments,
    payload: Vec<u8>,
    found: u64,
    skipped: [u64; SKIPPED.len()],
    seen_ports: BTreeMap<u16, u64>,
    unread_links: BTreeMap<u16, u64>,
    not_ip: BTreeMap<&'static str, u64>,
}

impl<R: Read> Datagrams<R> {
    /// Starts to read a capture file.
    ///
    /// # Errors
    /// As [`Reader::new`].
    pub fn new(input: R, ports: Ports) -> Result<Self, PcapError> {
        Ok(Self {
            reader: Reader::new(input)?,
            ports,
            fragments: Fragments::default(),
            payload: Vec::new(),
            found: 0,
            skipped: [0; SKIPPED.len()],
            seen_ports: BTreeMap::new(),
            unread_links: BTreeMap::new(),
            not_ip: BTreeMap::new(),
        })
    }

    /// The next datagram to a wanted port, or nothing at the end of the file.
    ///
    /// # Errors
    /// As [`Reader::next_packet`].
    pub fn next_datagram(&mut self) -> Result<Option<Datagram>, PcapError> {
        while let Some(packet) = self.reader.next_packet()? {
            match self.take(packet.number, packet.time_ns, packet.link) {
                Ok(Some(datagram)) => {
                    self.found += 1;
                    return Ok(Some(datagram));
                }
                Ok(None) => {}
                Err(reason) => self.skipped[reason as usize] += 1,
            }
        }
        Ok(None)
    }

    /// Payload of the datagram that [`Datagrams::next_datagram`] found last.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Packets read so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.reader.packets()
    }

    /// Datagrams found so far.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.found
    }

    /// Whether the file ended in the middle of a packet.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.reader.truncated()
    }

    /// What was passed over so far, by reason; reasons that did not occur are left out.
    pub fn skipped(&self) -> impl Iterator<Item = (Skipped, u64)> {
        let waiting = self.fragments.incomplete();
        SKIPPED.into_iter().zip(self.skipped).filter_map(move |(reason, count)| {
            let count = if reason == Skipped::FragmentIncomplete { count + waiting } else { count };
            (count > 0).then_some((reason, count))
        })
    }

    /// UDP datagrams by destination port, wanted or not.
    #[must_use]
    pub fn seen_ports(&self) -> &BTreeMap<u16, u64> {
        &self.seen_ports
    }

    /// Packets by link type, of those that are not read.
    #[must_use]
    pub fn unread_links(&self) -> &BTreeMap<u16, u64> {
        &self.unread_links
    }

    /// Packets that are not IP, by what they are.
    #[must_use]
    pub fn not_ip(&self) -> &BTreeMap<&'static str, u64> {
        &self.not_ip
    }

    /// Takes the headers off the reader's packet; its payload, if there is one, goes into `self.payload`.
    fn take(&mut self, number: u64, time_ns: i64, link: u16) -> Result<Option<Datagram>, Skipped> {
        let bytes = match link::strip(link, self.reader.data()) {
            Found::Ip(bytes) => bytes,
            Found::NotIp(event) => {
                *self.not_ip.entry(netflow::link::kind(event)).or_default() += 1;
                return Err(Skipped::NotIp);
            }
            Found::UnknownLink => {
                *self.unread_links.entry(link).or_default() += 1;
                return Err(Skipped::UnknownLink);
            }
            Found::Short => return Err(Skipped::CutShort),
        };
        let ip = network::ip(bytes)?;
        let joined;
        let transport = match ip.fragment {
            None => ip.payload,
            Some(fragment) => match self.fragments.add(&ip, fragment, time_ns, number) {
                Joined::Whole(whole) => {
                    joined = whole;
                    &joined
                }
                Joined::Waiting(given_up) => {
                    self.skipped[Skipped::FragmentIncomplete as usize] += given_up;
                    return Ok(None);
                }
                Joined::Refused(reason) => return Err(reason),
            },
        };
        let udp = network::udp(ip.protocol, transport)?;
        *self.seen_ports.entry(udp.destination_port).or_default() += 1;
        if let Ports::Only(wanted) = &self.ports
            && !wanted.contains(&udp.destination_port)
        {
            return Err(Skipped::OtherPort);
        }
        self.payload.clear();
        self.payload.extend_from_slice(udp.payload);
        Ok(Some(Datagram {
            packet: number,
            time_ns,
            source: ip.source,
            source_port: udp.source_port,
            destination_port: udp.destination_port,
        }))
    }
}
