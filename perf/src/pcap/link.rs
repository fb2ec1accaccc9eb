//! From a captured packet to the UDP datagram in it: Ethernet with tags, Linux' cooked captures, raw IP, BSD's loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::frame::{IPV4, IPV6, QINQ, UDP, VLAN};

/// A tag in front of another before there was a standard for it.
const OLD_QINQ: u16 = 0x9100;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// A UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What.
    pub payload: &'a [u8],
}

/// Why a packet is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// Captured on a kind of link that is not known here.
    Link,
    /// Not IP.
    NotIp,
    /// Not UDP.
    NotUdp,
    /// A fragment.
    Fragment,
    /// Not captured to its end.
    Cut,
}

impl Skip {
    /// Its name in results.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::NotIp => "not_ip",
            Self::NotUdp => "not_udp",
            Self::Fragment => "fragment",
            Self::Cut => "cut",
        }
    }
}

/// The datagram of a packet that was captured on this link, a number of <https://www.tcpdump.org/linktypes.html>.
///
/// # Errors
///
/// As [`Skip`] lists them.
pub fn datagram(link: u32, bytes: &[u8]) -> Result<Datagram<'_>, Skip> {
    match link {
        // NULL and LOOP: the number of the address family, of which each system has its own, so the packet itself tells.
        0 | 108 => ip(bytes.get(4..).ok_or(Skip::Cut)?),
        1 => tagged(half(bytes, 12)?, bytes.get(14..).ok_or(Skip::Cut)?),
        // RAW, by its number in files and those of some systems; IPv4; IPv6.
        12 | 14 | 101 | 228 | 229 => ip(bytes),
        // LINUX_SLL and LINUX_SLL2.
        113 => tagged(half(bytes, 14)?, bytes.get(16..).ok_or(Skip::Cut)?),
        276 => tagged(half(bytes, 0)?, bytes.get(20..).ok_or(Skip::Cut)?),
        _ => Err(Skip::Link),
    }
}

fn tagged(mut kind: u16, mut rest: &[u8]) -> Result<Datagram<'_>, Skip> {
    while matches!(kind, VLAN | QINQ | OLD_QINQ) {
        kind = half(rest, 2)?;
        rest = rest.get(4..).ok_or(Skip::Cut)?;
    }
    if matches!(kind, IPV4 | IPV6) { ip(rest) } else { Err(Skip::NotIp) }
}

fn ip(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    match packet.first().ok_or(Skip::Cut)? >> 4 {
        4 => ipv4(packet),
        6 => ipv6(packet),
        _ => Err(Skip::NotIp),
    }
}

fn ipv4(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    let header: &[u8; 20] = packet.first_chunk().ok_or(Skip::Cut)?;
    if header[9] != UDP {
        return Err(Skip::NotUdp);
    }
    // More fragments, or not the first one.
    if u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0 {
        return Err(Skip::Fragment);
    }
    let address = |at: usize| IpAddr::from(Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3]));
    udp(packet.get(usize::from(header[0] & 15) * 4..).ok_or(Skip::Cut)?, address(12), address(16))
}

fn ipv6(packet: &[u8]) -> Result<Datagram<'_>, Skip> {
    let address = |at: usize| -> Result<IpAddr, Skip> {
        let octets: [u8; 16] = packet.get(at..at + 16).and_then(|bytes| bytes.try_into().ok()).ok_or(Skip::Cut)?;
        Ok(Ipv6Addr::from(octets).into())
    };
    let (source, destination) = (address(8)?, address(24)?);
    let (mut next, mut rest) = (packet[6], packet.get(40..).ok_or(Skip::Cut)?);
    while matches!(next, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS) {
        let [following, length]: [u8; 2] = *rest.first_chunk().ok_or(Skip::Cut)?;
        next = following;
        rest = rest.get(8 * (1 + usize::from(length))..).ok_or(Skip::Cut)?;
    }
    match next {
        UDP => udp(rest, source, destination),
        FRAGMENT => Err(Skip::Fragment),
        _ => Err(Skip::NotUdp),
    }
}

fn udp(datagram: &[u8], source: IpAddr, destination: IpAddr) -> Result<Datagram<'_>, Skip> {
    let length = usize::from(half(datagram, 4)?);
    // What is behind it fills a short Ethernet frame.
    let payload = datagram.get(8..length).ok_or(Skip::Cut)?;
    Ok(Datagram {
        source: (source, half(datagram, 0)?).into(),
        destination: (destination, half(datagram, 2)?).into(),
        payload,
    })
}

fn half(bytes: &[u8], at: usize) -> Result<u16, Skip> {
    bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).ok_or(Skip::Cut)
}
