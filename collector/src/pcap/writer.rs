//! Writing capture files: pcapng with Ethernet frames built around UDP datagrams that were received without their headers.
//!
//! Format: draft-ietf-opsawg-pcapng; little-endian, time stamps in nanoseconds. The link layer of a frame is made up: locally
//! administered addresses that no card has.

use std::io::{self, Write};
use std::net::{Ipv6Addr, SocketAddrV6};

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const LINK_ETHERNET: u16 = 1;
const OPTION_COMMENT: u16 = 1;
const OPTION_NAME: u16 = 2;
const OPTION_TIME_RESOLUTION: u16 = 9;
/// Of the section: which program wrote it.
const OPTION_APPLICATION: u16 = 4;
/// Time stamps count units of 10 to the minus this.
const NANOSECONDS: u8 = 9;

const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const UDP: u8 = 17;
const UDP_HEADER: usize = 8;
const IPV4_HEADER: usize = 20;
const HOPS: u8 = 64;
/// Locally administered: 02 in the first byte.
const TO_COLLECTOR: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
const FROM_EXPORTER: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];

/// Writes one capture file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    interfaces: u32,
    frame: Vec<u8>,
    block: Vec<u8>,
}

/// An interface of the file being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceId(u32);

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// `out` cannot be written.
    pub fn new(out: W, application: &str) -> io::Result<Self> {
        let mut writer = Self { out, interfaces: 0, frame: Vec::new(), block: Vec::new() };
        writer.block.extend_from_slice(&BYTE_ORDER.to_le_bytes());
        // Version 1.0; the section's length is not said.
        writer.block.extend_from_slice(&[1, 0, 0, 0]);
        writer.block.extend_from_slice(&[0xff; 8]);
        option(&mut writer.block, OPTION_APPLICATION, application.as_bytes());
        end_of_options(&mut writer.block);
        writer.finish(SECTION_HEADER)?;
        Ok(writer)
    }

    /// Describes an interface.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn interface(&mut self, name: &str, comment: &str) -> io::Result<InterfaceId> {
        self.block.extend_from_slice(&LINK_ETHERNET.to_le_bytes());
        // Reserved, and no limit to a packet's length.
        self.block.extend_from_slice(&[0; 6]);
        option(&mut self.block, OPTION_NAME, name.as_bytes());
        option(&mut self.block, OPTION_COMMENT, comment.as_bytes());
        option(&mut self.block, OPTION_TIME_RESOLUTION, &[NANOSECONDS]);
        end_of_options(&mut self.block);
        self.finish(INTERFACE)?;
        self.interfaces += 1;
        Ok(InterfaceId(self.interfaces - 1))
    }

    /// Writes a UDP datagram as a frame. IPv4 addresses are mapped ones; if either address is not, the frame is IPv6. The
    /// receive time is in nanoseconds since 1970; times before are written as 0.
    ///
    /// # Errors
    /// The file cannot be written, or the datagram is longer than an IPv4 or IPv6 packet can be.
    pub fn datagram(
        &mut self,
        interface: InterfaceId,
        time_ns: i64,
        from: SocketAddrV6,
        to: SocketAddrV6,
        payload: &[u8],
    ) -> io::Result<()> {
        build(&mut self.frame, from, to, payload)?;
        let stamp = u64::try_from(time_ns).unwrap_or(0);
        let length = u32::try_from(self.frame.len()).map_err(io::Error::other)?;
        for word in [interface.0, (stamp >> 32) as u32, stamp as u32, length, length] {
            self.block.extend_from_slice(&word.to_le_bytes());
        }
        self.block.extend_from_slice(&self.frame);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
        self.finish(ENHANCED_PACKET)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// What is buffered cannot be written.
    pub fn end(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }

    /// Writes the block whose body was gathered.
    fn finish(&mut self, kind: u32) -> io::Result<()> {
        let length = u32::try_from(self.block.len() + 12).map_err(io::Error::other)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&length)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&length)?;
        self.block.clear();
        Ok(())
    }
}

/// Adds an option, cut off where it is too long for one.
fn option(block: &mut Vec<u8>, code: u16, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    block.extend_from_slice(&code.to_le_bytes());
    block.extend_from_slice(&length.to_le_bytes());
    block.extend_from_slice(&value[..usize::from(length)]);
    block.resize(block.len().next_multiple_of(4), 0);
}

fn end_of_options(block: &mut Vec<u8>) {
    block.extend_from_slice(&[0; 4]);
}

/// Builds an Ethernet frame around a datagram.
fn build(frame: &mut Vec<u8>, from: SocketAddrV6, to: SocketAddrV6, payload: &[u8]) -> io::Result<()> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "a datagram longer than IP allows");
    let udp_length = u16::try_from(UDP_HEADER + payload.len()).map_err(too_long)?;
    frame.clear();
    frame.extend_from_slice(&TO_COLLECTOR);
    frame.extend_from_slice(&FROM_EXPORTER);
    let addresses = match (from.ip().to_ipv4_mapped(), to.ip().to_ipv4_mapped()) {
        (Some(source), Some(destination)) => {
            let total = u16::try_from(IPV4_HEADER + usize::from(udp_length)).map_err(too_long)?;
            let addresses = [source.octets(), destination.octets()].concat();
            frame.extend_from_slice(&ETHERTYPE_IPV4);
            let start = frame.len();
            // Version 4 and five words of header; not to be fragmented.
            frame.extend_from_slice(&[0x45, 0]);
            frame.extend_from_slice(&total.to_be_bytes());
            frame.extend_from_slice(&[0, 0, 0x40, 0, HOPS, UDP, 0, 0]);
            frame.extend_from_slice(&addresses);
            let checksum = checksum(&[&frame[start..]]);
            frame[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
            addresses
        }
        _ => {
            let addresses = [from.ip().octets(), to.ip().octets()].concat();
            frame.extend_from_slice(&ETHERTYPE_IPV6);
            frame.extend_from_slice(&[0x60, 0, 0, 0]);
            frame.extend_from_slice(&udp_length.to_be_bytes());
            frame.extend_from_slice(&[UDP, HOPS]);
            frame.extend_from_slice(&addresses);
            addresses
        }
    };
    let mut header = [0; UDP_HEADER];
    header[..2].copy_from_slice(&from.port().to_be_bytes());
    header[2..4].copy_from_slice(&to.port().to_be_bytes());
    header[4..6].copy_from_slice(&udp_length.to_be_bytes());
    // The pseudo header is summed in 16-bit words, in which order does not matter.
    let pseudo = [0, UDP];
    let checksum = match checksum(&[&addresses, &pseudo, &udp_length.to_be_bytes(), &header, payload]) {
        // Zero would say that there is none (RFC 768).
        0 => 0xffff,
        checksum => checksum,
    };
    header[6..].copy_from_slice(&checksum.to_be_bytes());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(payload);
    Ok(())
}

/// The internet checksum (RFC 1071) of parts that, but for the last, have even lengths.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        let (words, rest) = part.as_chunks::<2>();
        sum += words.iter().map(|word| u64::from(u16::from_be_bytes(*word))).sum::<u64>();
        sum += rest.first().map_or(0, |byte| u64::from(*byte) << 8);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An address and a port, IPv4 mapped.
#[must_use]
pub fn endpoint(address: Ipv6Addr, port: u16) -> SocketAddrV6 {
    SocketAddrV6::new(address, port, 0, 0)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::pcap::{Datagrams, Ports};

    #[track_caller]
    fn check(from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) {
        const TIME_NS: i64 = 1_795_406_400_123_456_789;
        let mut writer = Writer::new(Vec::new(), "collector").unwrap();
        writer.interface("other", "not used").unwrap();
        let interface = writer.interface("wire", "as received").unwrap();
        writer.datagram(interface, TIME_NS, endpoint(from, 40_000), endpoint(to, 2055), payload).unwrap();
        let frame = writer.frame.clone();
        let file = writer.end().unwrap();

        let mut capture = Datagrams::new(file.as_slice(), Ports::All).unwrap();
        let datagram = capture.next_datagram().unwrap().expect("there is one");
        assert_eq!((datagram.time_ns, datagram.source), (TIME_NS, from));
        assert_eq!((datagram.source_port, datagram.destination_port), (40_000, 2055));
        assert_eq!(capture.payload(), payload);
        assert_eq!(capture.next_datagram().unwrap(), None);

        // A receiver's check: with the checksum in it, everything sums up to all ones.
        let (ip, addresses) = if from.to_ipv4_mapped().is_some() { (34, 26..34) } else { (54, 22..54) };
        let length = (frame.len() - ip) as u16;
        assert_eq!(checksum(&[&frame[addresses], &[0, UDP], &length.to_be_bytes(), &frame[ip..]]), 0);
        if ip == 34 {
            assert_eq!(checksum(&[&frame[14..34]]), 0);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let v4 = |last| Ipv4Addr::new(192, 0, 2, last).to_ipv6_mapped();
        let v6 = |last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last);
        for length in [0, 1, 2, 7, 1400, 65_507] {
            check(v4(1), v4(2), &vec![0xa5; length]);
            check(v6(1), v6(2), &vec![0x5a; length]);
        }
    }
}
