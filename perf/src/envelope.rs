//! What is around a datagram on the wire: Ethernet, IPv4 or IPv6, UDP. No tags, no options, no fragments.

use std::net::{IpAddr, SocketAddr};

use crate::checksum::{folded, of_udp, sum};
use crate::frame::{IPV4, IPV6, UDP};
use crate::wire::short;

/// Bytes of an Ethernet header.
pub const ETHERNET_BYTES: usize = 14;
const UDP_BYTES: usize = 8;

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver, of the same IP version.
    pub destination: SocketAddr,
    /// MAC address of the sender.
    pub source_mac: [u8; 6],
    /// MAC address of the receiver, or of the router before it.
    pub destination_mac: [u8; 6],
    /// Whether UDP over IPv4 has a checksum; over IPv6 it must (RFC 8200 section 8.1).
    pub has_checksum: bool,
}

impl Envelope {
    /// Bytes in front of the payload.
    #[must_use]
    pub fn length(&self) -> usize {
        ETHERNET_BYTES + UDP_BYTES + if self.destination.is_ipv4() { 20 } else { 40 }
    }

    /// Where in a frame the UDP checksum stands.
    #[must_use]
    pub fn checksum_at(&self) -> usize {
        self.length() - 2
    }

    /// The frame of a payload.
    ///
    /// # Panics
    ///
    /// When the payload is longer than a datagram can be, or the addresses are not of one version.
    #[must_use]
    pub fn frame(&self, payload: &[u8]) -> Vec<u8> {
        let length = payload.len() + UDP_BYTES;
        let (kind, head, addresses) = match (self.source.ip(), self.destination.ip()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let addresses = [source.octets(), destination.octets()].concat();
                // Version and length, TOS, total length, no identification, do not fragment, TTL.
                let head = [&[0x45, 0][..], &short(length + 20), &[0, 0, 0x40, 0, 64, UDP]].concat();
                let checksum = folded(sum(&head) + sum(&addresses));
                (IPV4, [head, checksum.to_be_bytes().to_vec()].concat(), addresses)
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let addresses = [source.octets(), destination.octets()].concat();
                (IPV6, [&[0x60, 0, 0, 0][..], &short(length), &[UDP, 64]].concat(), addresses)
            }
            (source, destination) => panic!("{source} cannot send to {destination}"),
        };
        let ports = [self.source.port().to_be_bytes(), self.destination.port().to_be_bytes(), short(length)].concat();
        let checksum = if kind == IPV6 || self.has_checksum {
            // The pseudo-header: addresses, length, protocol.
            let pseudo = sum(&addresses) + length as u64 + u64::from(UDP);
            of_udp(folded(pseudo + sum(&ports) + sum(payload)))
        } else {
            0
        };
        let ethernet = [&self.destination_mac[..], &self.source_mac, &kind.to_be_bytes()].concat();
        [&ethernet[..], &head, &addresses, &ports, &checksum.to_be_bytes(), payload].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_verify() {
        let check = |source: &str, destination: &str, has_checksum: bool| {
            let envelope = Envelope {
                source: source.parse().expect("an address"),
                destination: destination.parse().expect("an address"),
                source_mac: [2, 0, 0, 0, 0, 1],
                destination_mac: [2, 0, 0, 0, 0, 2],
                has_checksum,
            };
            let frame = envelope.frame(b"odd");
            let udp = envelope.length() - UDP_BYTES;
            assert_eq!((frame.len(), &frame[envelope.length()..]), (envelope.length() + 3, &b"odd"[..]));
            assert_eq!(frame[udp..udp + 6], [0xc3, 0x50, 0x08, 0x07, 0, 11]);
            let addresses = if envelope.source.is_ipv4() { 26..34 } else { 22..54 };
            if envelope.source.is_ipv4() {
                assert_eq!(folded(sum(&frame[14..34])), 0, "IP");
            }
            let whole = folded(sum(&frame[addresses]) + 11 + 17 + sum(&frame[udp..]));
            let has_none = frame[envelope.checksum_at()..envelope.length()] == [0, 0];
            assert_eq!((has_none, whole == 0), (!has_checksum, has_checksum), "UDP of {source}");
        };
        check("192.0.2.1:50000", "198.51.100.7:2055", true);
        check("192.0.2.1:50000", "198.51.100.7:2055", false);
        check("[2001:db8::1]:50000", "[2001:db8::2]:2055", true);
    }
}
