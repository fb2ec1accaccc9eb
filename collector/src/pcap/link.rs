//! Link types of capture files: what each puts before a packet, and from there to the IP header.
//!
//! Source: draft-ietf-opsawg-pcaplinktype. The link layers themselves are walked by [`netflow::link`].

use netflow::Event;
use netflow::link::{Start, to_ip};

/// `AF_INET` is 2 everywhere; `AF_INET6` is Linux', NetBSD's and OpenBSD's, FreeBSD's, Darwin's, and Solaris'.
const FAMILY_IPV4: u32 = 2;
const FAMILIES_IPV6: [u32; 5] = [10, 24, 26, 28, 30];

/// Where a packet's IP header is, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// An IPv4 or IPv6 header starts here, its version nibble says which.
    Ip(&'a [u8]),
    /// Something else than IP: what.
    NotIp(Event),
    /// A link type that this program does not read.
    UnknownLink,
    /// The packet ends within its link-layer header.
    Short,
}

/// Steps over the link-layer header of `packet`.
pub(super) fn strip(link: u16, packet: &[u8]) -> Found<'_> {
    match link {
        // BSD's loopback.
        0 | 108 => family(packet, 0),
        1 => walk(Start::Ethernet, packet, 0),
        6 => walk(Start::TokenRing, packet, 0),
        // PPP alone, in HDLC's frame, and Cisco's HDLC.
        9 | 50 | 104 => walk(Start::Ppp, packet, 0),
        10 => walk(Start::Fddi, packet, 0),
        // RFC 1483, which RFC 2684 has replaced.
        11 | 100 => walk(Start::Aal5, packet, 0),
        // IP alone: BSD's numbers, OpenBSD's, and of either version.
        12 | 14 | 101 | 228 | 229 => ip(packet, 0),
        51 => walk(Start::Pppoe, packet, 0),
        105 => walk(Start::Wireless, packet, 0),
        107 => walk(Start::FrameRelay, packet, 0),
        // OpenBSD's encapsulation of IPsec: family, index and flags.
        109 => ip(packet, 12),
        // Linux cooked capture: the type of Ethernet stands at the end, or at the beginning.
        113 => behind(packet, 14, 16),
        276 => behind(packet, 0, 20),
        // OpenBSD's packet filter: the length of its header, which is filled up to words.
        117 => length(packet, packet.first().map(|length| usize::from(*length).next_multiple_of(4)), ip),
        // Radiotap: its length in the third and fourth byte.
        127 => length(packet, little(packet, 2), |packet, at| walk(Start::Wireless, packet, at)),
        // Before PPP, HDLC and frame relay, a byte for the direction; in a log of pppd it stands for the address.
        166 => walk(Start::Ppp, packet, 2),
        204 | 205 => walk(Start::Ppp, packet, 1),
        206 => walk(Start::FrameRelay, packet, 1),
        219 => walk(Start::Mpls, packet, 0),
        // Solaris' observability: the family is the second byte.
        226 => match packet.get(1).map(|family| is_ip(u32::from(*family))) {
            Some(true) => ip(packet, 24),
            Some(false) => Found::NotIp(Event::UnopenedLink),
            None => Found::Short,
        },
        239 => nflog(packet),
        240 => walk(Start::Ethernet, packet, 4),
        _ => Found::UnknownLink,
    }
}

fn walk(start: Start, packet: &[u8], at: usize) -> Found<'_> {
    let Some(bytes) = packet.get(at..) else { return Found::Short };
    match to_ip(start, bytes) {
        Ok(ip) => Found::Ip(ip),
        Err(Event::UnopenedCut) => Found::Short,
        Err(event) => Found::NotIp(event),
    }
}

fn ip(packet: &[u8], at: usize) -> Found<'_> {
    packet.get(at..).map_or(Found::Short, Found::Ip)
}

/// What stands behind a header that has the type of Ethernet at this place.
fn behind(packet: &[u8], ether_type: usize, at: usize) -> Found<'_> {
    match packet.get(ether_type..).and_then(|rest| rest.first_chunk()) {
        Some(ether_type) => walk(Start::Behind(u16::from_be_bytes(*ether_type)), packet, at),
        None => Found::Short,
    }
}

/// What stands behind a header that tells its length.
fn length<'a>(packet: &'a [u8], length: Option<usize>, then: impl Fn(&'a [u8], usize) -> Found<'a>) -> Found<'a> {
    length.map_or(Found::Short, |length| then(packet, length))
}

fn little(packet: &[u8], at: usize) -> Option<usize> {
    packet.get(at..)?.first_chunk().map(|word| usize::from(u16::from_le_bytes(*word)))
}

/// BSD loopback: an address family in the byte order of the machine that captured, which the file does not tell.
fn family(packet: &[u8], at: usize) -> Found<'_> {
    let Some(family) = packet.get(at..).and_then(|rest| rest.first_chunk()) else { return Found::Short };
    match is_ip(u32::from_le_bytes(*family)) || is_ip(u32::from_be_bytes(*family)) {
        true => ip(packet, at + 4),
        false => Found::NotIp(Event::UnopenedLink),
    }
}

fn is_ip(family: u32) -> bool {
    family == FAMILY_IPV4 || FAMILIES_IPV6.contains(&family)
}

/// Linux' log of netfilter: a header of four bytes, then values behind their length and type, in the byte order of the machine that
/// captured; one of them is the packet.
fn nflog(packet: &[u8]) -> Found<'_> {
    const HEADER: usize = 4;
    const PAYLOAD: u16 = 9;
    let find = |word: fn([u8; 2]) -> u16| {
        let mut rest = packet.get(HEADER..)?;
        while let Some([a, b, c, d]) = rest.first_chunk() {
            let (length, kind) = (usize::from(word([*a, *b])), word([*c, *d]));
            if kind == PAYLOAD && length >= HEADER {
                return Some(rest.get(HEADER..length).unwrap_or(rest.get(HEADER..)?));
            }
            rest = rest.get(length.max(HEADER).next_multiple_of(4)..)?;
        }
        None
    };
    // A length of one byte order is too long in the other.
    match find(u16::from_le_bytes).or_else(|| find(u16::from_be_bytes)) {
        Some(payload) => Found::Ip(payload),
        None if packet.len() < HEADER => Found::Short,
        None => Found::NotIp(Event::UnopenedLink),
    }
}

/// The name of a link type that is not read, as `tcpdump` and Wireshark know it.
#[must_use]
pub fn name(link: u16) -> Option<&'static str> {
    Some(match link {
        3 => "AX25",
        4 => "PRONET",
        5 => "CHAOS",
        7 => "ARCNET_BSD",
        8 => "SLIP",
        106 => "ATM_CLIP",
        114 => "LTALK",
        119 => "IEEE802_11_PRISM",
        122 => "IP_OVER_FC",
        123 => "SUNATM",
        129 => "ARCNET_LINUX",
        138 => "APPLE_IP_OVER_IEEE1394",
        139 => "MTP2_WITH_PHDR",
        140 => "MTP2",
        141 => "MTP3",
        142 => "SCCP",
        143 => "DOCSIS",
        144 => "LINUX_IRDA",
        147..=162 => "USER",
        163 => "IEEE802_11_AVS",
        165 => "BACNET_MS_TP",
        169 => "GPRS_LLC",
        177 => "LINUX_LAPD",
        187 => "BLUETOOTH_HCI_H4",
        189 => "USB_LINUX",
        190 => "CAN20B",
        192 => "PPI",
        195 => "IEEE802_15_4_WITHFCS",
        197 => "ERF",
        201 => "BLUETOOTH_HCI_H4_WITH_PHDR",
        202 => "AX25_KISS",
        203 => "LAPD",
        209 => "IPMB_LINUX",
        215 => "IEEE802_15_4_NONASK_PHY",
        220 => "USB_LINUX_MMAPPED",
        224 => "FC_2",
        225 => "FC_2_WITH_FRAME_DELIMS",
        227 => "CAN_SOCKETCAN",
        230 => "IEEE802_15_4_NOFCS",
        231 => "DBUS",
        241 => "NETANALYZER_TRANSPARENT",
        242 => "IPOIB",
        243 => "MPEG_2_TS",
        247 => "INFINIBAND",
        248 => "SCTP",
        249 => "USBPCAP",
        251 => "BLUETOOTH_LE_LL",
        252 => "WIRESHARK_UPPER_PDU",
        253 => "NETLINK",
        254 => "BLUETOOTH_LINUX_MONITOR",
        266 => "USB_DARWIN",
        268 => "SDLC",
        271 => "VSOCK",
        272 => "NORDIC_BLE",
        274 => "ETHERNET_MPACKET",
        290 => "ETW",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None` is the IP header behind `header`.
    #[track_caller]
    fn check(link: u16, header: &[u8], expected: Option<Found<'static>>) {
        let mut packet = header.to_vec();
        packet.extend(b"\x45rest");
        assert_eq!(strip(link, &packet), expected.unwrap_or(Found::Ip(b"\x45rest")), "link {link} {header:x?}");
    }

    fn ethernet(tail: &[u8]) -> Vec<u8> {
        [&[2; 12], tail].concat()
    }

    #[test]
    fn ethernet_leads_to_the_ip_header() {
        check(1, &ethernet(&[0x08, 0x00]), None);
        check(1, &ethernet(&[0x81, 0x00, 0x20, 0x05, 0x86, 0xdd]), None);
        check(1, &ethernet(&[0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 5, 0x08, 0x00]), None);
        check(1, &ethernet(&[0x91, 0x00, 0, 9, 0x81, 0x00, 0, 5, 0x08, 0x00]), None);
        check(1, &ethernet(&[0x88, 0x47, 0, 1, 0, 64, 0, 1, 1, 64]), None);
        check(1, &ethernet(&[0x88, 0x64, 0x11, 0, 0, 5, 0, 9, 0, 0x21]), None);
        check(1, &ethernet(&[0, 13, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]), None);
        check(240, &[&[0; 4], &ethernet(&[0x08, 0x00])[..]].concat(), None);
        check(1, &ethernet(&[0x08, 0x06]), Some(Found::NotIp(Event::UnopenedArp)));
        check(1, &ethernet(&[0x88, 0xcc]), Some(Found::NotIp(Event::UnopenedLldp)));
        check(1, &[0x81, 0x00].repeat(100), Some(Found::NotIp(Event::UnopenedDeep)));
    }

    #[test]
    fn every_link_type_leads_to_the_ip_header() {
        for link in [12, 14, 101, 228, 229] {
            check(link, &[], None);
        }
        for link in [9, 50] {
            check(link, &[0xff, 3, 0, 0x21], None);
            check(link, &[0, 0x21], None);
        }
        check(50, &[0x0f, 0, 8, 0], None);
        check(104, &[0x0f, 0, 8, 0], None);
        check(104, &[0x8f, 0, 0x88, 0x47, 0, 1, 1, 64], None);
        check(9, &[0xff, 3, 0xc0, 0x21], Some(Found::NotIp(Event::UnopenedPppControl)));
        check(51, &[0x11, 0, 0, 5, 0, 9, 0, 0x21], None);
        check(166, &[1, 3, 0, 0x21], None);
        check(204, &[1, 0xff, 3, 0, 0x21], None);
        check(205, &[1, 0x0f, 0, 8, 0], None);
        check(107, &[0x18, 0x41, 3, 0xcc], None);
        check(206, &[1, 0x18, 0x41, 3, 0xcc], None);
        check(100, &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], None);
        check(6, &[&[0x10, 0x40][..], &[2; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..]].concat(), None);
        check(10, &[&[0x50][..], &[2; 12], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..]].concat(), None);
        check(105, &[&[8, 1][..], &[2; 22], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..]].concat(), None);
        check(
            127,
            &[&[0, 0, 10, 0][..], &[0; 6], &[8, 1], &[2; 22], &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..]].concat(),
            None,
        );
        check(219, &[0, 1, 0, 64, 0, 1, 1, 64], None);
        check(109, &[0; 12], None);
        check(117, &[&[45, 2], &[0; 46][..]].concat(), None);
        check(226, &[&[1, 2], &[0; 22][..]].concat(), None);
        check(0, &[2, 0, 0, 0], None);
        check(0, &[0, 0, 0, 30], None);
        check(108, &[0, 0, 0, 24], None);
        check(0, &[7, 0, 0, 0], Some(Found::NotIp(Event::UnopenedLink)));
        check(113, &[&[0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &[0x08, 0x00][..]].concat(), None);
        check(113, &[&[0; 14], &[0x81, 0x00, 0, 5, 0x08, 0x00][..]].concat(), None);
        check(113, &[&[0; 14], &[0x88, 0x64, 0x11, 0, 0, 5, 0, 9, 0, 0x21][..]].concat(), None);
        check(276, &[&[0x86, 0xdd], &[0; 18][..]].concat(), None);
        check(147, &[], Some(Found::UnknownLink));
    }

    #[test]
    fn the_packet_in_a_log_of_netfilter() {
        let prefix = b"\x09\0\x0a\0flow\0\0\0\0";
        check(239, &[&[2, 0, 0, 1], &prefix[..], &[9, 0, 9, 0]].concat(), None);
        check(239, &[&[2, 0, 0, 1], &[0, 8, 0, 1, 8, 0, 1, 0][..], &[0, 9, 0, 9]].concat(), None);
        check(239, &[2, 0, 0, 1, 8, 0, 1, 0, 8, 0, 1, 0], Some(Found::NotIp(Event::UnopenedLink)));
        assert_eq!(strip(239, &[2, 0, 0]), Found::Short);
        assert_eq!(strip(239, &[2, 0, 0, 1, 0, 0, 0, 0].repeat(9)), Found::NotIp(Event::UnopenedLink));
    }

    #[test]
    fn a_packet_cut_within_its_link_header_is_short() {
        for (link, bytes) in [(1, 13), (113, 15), (276, 19), (0, 3), (226, 1), (109, 11), (117, 0), (127, 3), (9, 1)] {
            assert_eq!(strip(link, &vec![0x08; bytes]), Found::Short, "link {link}");
        }
    }
}
