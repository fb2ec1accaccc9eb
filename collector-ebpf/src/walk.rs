//! The walk through a frame: Ethernet, up to two VLAN tags, IPv4 with options or IPv6, UDP.
//!
//! Lengths come from the IP and UDP headers, never from the frame, so Ethernet padding is not payload. The checksum is read and not
//! verified: the program would have to walk through the payload for that, which whoever takes the frame from a ring does anyway.
//! Not here: whether the datagram is addressed to this machine; reassembly and IPv6 extension headers, which are left to the kernel.
//!
//! The code is shaped for the BPF verifier: no loops over packet data, no slices, every read behind its own bounds check.

use crate::Verdict;

/// VLAN tags that are followed: 802.1Q, or QinQ (802.1ad) with a tag inside.
pub const VLAN_TAGS_MAX: usize = 2;

const ETHERNET_BYTES: usize = 14;
const ETHER_TYPE_OFFSET: usize = 12;
const VLAN_TAG_BYTES: usize = 4;
const IPV4_BYTES_MIN: usize = 20;
const IPV6_BYTES: usize = 40;
const UDP_BYTES: usize = 8;

/// IEEE 802 numbers: <https://www.iana.org/assignments/ieee-802-numbers>.
const ETHER_TYPE_IPV4: u16 = 0x0800;
const ETHER_TYPE_IPV6: u16 = 0x86dd;
const ETHER_TYPE_VLAN: u16 = 0x8100;
const ETHER_TYPE_QINQ: u16 = 0x88a8;

const PROTOCOL_UDP: u8 = 17;
/// RFC 8200 section 4.5.
const NEXT_HEADER_FRAGMENT: u8 = 44;
/// "More fragments" and the fragment offset of RFC 791 section 3.1; "don't fragment" is the bit that is left out.
const FRAGMENT_MASK: u16 = 0x3fff;

/// The bytes of a frame, each read checked against its end.
pub trait Frame {
    /// `N` bytes from `offset` on, or nothing where the frame ends before.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Whether the frame is at least `length` bytes long.
    fn holds(&self, length: usize) -> bool;
}

impl Frame for [u8] {
    #[inline]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk::<N>().copied()
    }

    #[inline]
    fn holds(&self, length: usize) -> bool {
        self.len() >= length
    }
}

/// A whole UDP datagram in a frame. Ports are in host byte order; offset and length are in bytes and lie inside the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram {
    /// Source address: IPv6, or IPv4 mapped into `::ffff:0:0/96`, in network byte order.
    pub exporter: [u8; 16],
    /// Destination address, in the same form, as two words in the byte order of the machine: the program compares words, and building
    /// them of bytes in memory costs it more than all the rest of a comparison.
    pub destination: [u64; 2],
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// The checksum of the UDP header, in host byte order; 0 where the sender made none.
    pub checksum: u16,
    /// Where the payload starts, from the first byte of the frame.
    pub payload_offset: usize,
    /// Length of the payload, which may be 0.
    pub payload_length: usize,
}

impl Datagram {
    /// Destination address: IPv6, or IPv4 mapped into `::ffff:0:0/96`, in network byte order.
    #[inline]
    #[must_use]
    pub const fn destination(&self) -> [u8; 16] {
        address(self.destination)
    }
}

/// The sixteen bytes of an address that two words hold.
#[inline(always)]
#[must_use]
pub const fn address([first, second]: [u64; 2]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h] = first.to_ne_bytes();
    let [i, j, k, l, m, n, o, p] = second.to_ne_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Finds the UDP datagram in `frame`.
///
/// # Errors
///
/// The verdict on a frame without a datagram that can be read: one of `NotIp`, `NotUdp`, `VlanDepth`, `Fragment`,
/// `ExtensionHeader`, `Truncated`, `Malformed`.
#[inline(always)]
pub fn walk<F: Frame + ?Sized>(frame: &F) -> Result<Datagram, Verdict> {
    let mut ether_type = u16::from_be_bytes(read(frame, ETHER_TYPE_OFFSET)?);
    let mut offset = ETHERNET_BYTES;
    for _ in 0..VLAN_TAGS_MAX {
        if !is_vlan_tag(ether_type) {
            break;
        }
        let [_, _, high, low] = read::<VLAN_TAG_BYTES, F>(frame, offset)?;
        ether_type = u16::from_be_bytes([high, low]);
        offset += VLAN_TAG_BYTES;
    }
    match ether_type {
        ETHER_TYPE_IPV4 => ipv4(frame, offset),
        ETHER_TYPE_IPV6 => ipv6(frame, offset),
        ETHER_TYPE_VLAN | ETHER_TYPE_QINQ => Err(Verdict::VlanDepth),
        _ => Err(Verdict::NotIp),
    }
}

/// RFC 791 section 3.1.
#[inline(always)]
fn ipv4<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Datagram, Verdict> {
    let header: [u8; IPV4_BYTES_MIN] = read(frame, offset)?;
    let header_length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || header_length < IPV4_BYTES_MIN {
        return Err(Verdict::Malformed);
    }
    if header[9] != PROTOCOL_UDP {
        return Err(Verdict::NotUdp);
    }
    if u16::from_be_bytes([header[6], header[7]]) & FRAGMENT_MASK != 0 {
        return Err(Verdict::Fragment);
    }
    let total_length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let Some(transport_length) = total_length.checked_sub(header_length) else {
        return Err(Verdict::Malformed);
    };
    let mut exporter = [0; 16];
    exporter[10] = 0xff;
    exporter[11] = 0xff;
    exporter[12] = header[12];
    exporter[13] = header[13];
    exporter[14] = header[14];
    exporter[15] = header[15];
    let destination = [0, u64::from_ne_bytes([0, 0, 0xff, 0xff, header[16], header[17], header[18], header[19]])];
    udp(frame, offset + header_length, transport_length, exporter, destination)
}

/// RFC 8200 section 3.
#[inline(always)]
fn ipv6<F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<Datagram, Verdict> {
    let header: [u8; 8] = read(frame, offset)?;
    if header[0] >> 4 != 6 {
        return Err(Verdict::Malformed);
    }
    let exporter: [u8; 16] = read(frame, offset + 8)?;
    let destination = [u64::from_ne_bytes(read(frame, offset + 24)?), u64::from_ne_bytes(read(frame, offset + 32)?)];
    match header[6] {
        PROTOCOL_UDP => {}
        NEXT_HEADER_FRAGMENT => return Err(Verdict::Fragment),
        next_header if is_extension_header(next_header) => return Err(Verdict::ExtensionHeader),
        _ => return Err(Verdict::NotUdp),
    }
    let transport_length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    udp(frame, offset + IPV6_BYTES, transport_length, exporter, destination)
}

/// RFC 768. `transport_length` is what the IP header says of the length of the UDP header and payload.
#[inline(always)]
fn udp<F: Frame + ?Sized>(
    frame: &F,
    offset: usize,
    transport_length: usize,
    exporter: [u8; 16],
    destination: [u64; 2],
) -> Result<Datagram, Verdict> {
    let header: [u8; UDP_BYTES] = read(frame, offset)?;
    let udp_length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    if udp_length < UDP_BYTES || udp_length > transport_length {
        return Err(Verdict::Malformed);
    }
    if !frame.holds(offset + transport_length) {
        return Err(Verdict::Truncated);
    }
    Ok(Datagram {
        exporter,
        destination,
        source_port: u16::from_be_bytes([header[0], header[1]]),
        destination_port: u16::from_be_bytes([header[2], header[3]]),
        checksum: u16::from_be_bytes([header[6], header[7]]),
        payload_offset: offset + UDP_BYTES,
        payload_length: udp_length - UDP_BYTES,
    })
}

#[inline(always)]
fn read<const N: usize, F: Frame + ?Sized>(frame: &F, offset: usize) -> Result<[u8; N], Verdict> {
    frame.read(offset).ok_or(Verdict::Truncated)
}

#[inline(always)]
const fn is_vlan_tag(ether_type: u16) -> bool {
    matches!(ether_type, ETHER_TYPE_VLAN | ETHER_TYPE_QINQ)
}

/// The numbers that IANA lists as extension headers, but for the fragment header:
/// <https://www.iana.org/assignments/ipv6-parameters>.
#[inline(always)]
const fn is_extension_header(next_header: u8) -> bool {
    matches!(next_header, 0 | 43 | 50 | 51 | 60 | 135 | 139 | 140 | 253 | 254)
}
