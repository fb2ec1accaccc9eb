//! Link-layer headers: from a packet's first byte to its IP header.

/// Link types, draft-ietf-opsawg-pcaplinktype.
const BSD_NULL: u16 = 0;
const ETHERNET: u16 = 1;
const RAW_BSD: u16 = 12;
const RAW: u16 = 101;
const BSD_LOOP: u16 = 108;
const LINUX_COOKED: u16 = 113;
const RAW_IPV4: u16 = 228;
const RAW_IPV6: u16 = 229;
const LINUX_COOKED_2: u16 = 276;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// 802.1Q, 802.1ad, and the number that was used for stacked tags before it.
const VLAN_TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// Tags that are stepped over; more is not seen outside of attacks.
const MAX_TAGS: usize = 4;

/// `AF_INET` is 2 everywhere; `AF_INET6` is Linux', NetBSD's and OpenBSD's, FreeBSD's, Darwin's.
const FAMILY_IPV4: u32 = 2;
const FAMILIES_IPV6: [u32; 4] = [10, 24, 28, 30];

/// Where a packet's IP header is, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// An IPv4 or IPv6 header starts here, its version nibble says which.
    Ip(&'a [u8]),
    /// Something else than IP.
    NotIp,
    /// A link type that this program does not know.
    UnknownLink,
    /// The packet ends within its link-layer header.
    Short,
}

/// Steps over the link-layer header of `packet`.
pub(super) fn strip(link: u16, packet: &[u8]) -> Found<'_> {
    let (ethertype, rest) = match link {
        RAW | RAW_BSD | RAW_IPV4 | RAW_IPV6 => return Found::Ip(packet),
        BSD_NULL | BSD_LOOP => return family(packet),
        ETHERNET => (word(packet, 12), packet.get(14..)),
        LINUX_COOKED => (word(packet, 14), packet.get(16..)),
        LINUX_COOKED_2 => (word(packet, 0), packet.get(20..)),
        _ => return Found::UnknownLink,
    };
    let (Some(mut ethertype), Some(mut rest)) = (ethertype, rest) else { return Found::Short };
    for _ in 0..MAX_TAGS {
        if !VLAN_TAGS.contains(&ethertype) {
            break;
        }
        let (Some(inner), Some(after)) = (word(rest, 2), rest.get(4..)) else { return Found::Short };
        (ethertype, rest) = (inner, after);
    }
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Found::Ip(rest),
        _ => Found::NotIp,
    }
}

/// BSD loopback: an address family in the byte order of the machine that captured, which the file does not tell.
fn family(packet: &[u8]) -> Found<'_> {
    let (Some(family), Some(rest)) = (packet.first_chunk(), packet.get(4..)) else { return Found::Short };
    let is_ip = |family: u32| family == FAMILY_IPV4 || FAMILIES_IPV6.contains(&family);
    if is_ip(u32::from_le_bytes(*family)) || is_ip(u32::from_be_bytes(*family)) {
        Found::Ip(rest)
    } else {
        Found::NotIp
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_link_type_leads_to_the_ip_header() {
        check(1, &ethernet(&[0x08, 0x00]), None);
        check(1, &ethernet(&[0x81, 0x00, 0x20, 0x05, 0x86, 0xdd]), None);
        check(1, &ethernet(&[0x88, 0xa8, 0, 9, 0x81, 0x00, 0, 5, 0x08, 0x00]), None);
        check(1, &ethernet(&[0x91, 0x00, 0, 9, 0x81, 0x00, 0, 5, 0x08, 0x00]), None);
        check(1, &ethernet(&[0x08, 0x06]), Some(Found::NotIp));
        check(1, &[0x81, 0x00].repeat(32), Some(Found::NotIp));
        check(101, &[], None);
        check(12, &[], None);
        check(228, &[], None);
        check(229, &[], None);
        check(0, &[2, 0, 0, 0], None);
        check(0, &[0, 0, 0, 30], None);
        check(108, &[0, 0, 0, 24], None);
        check(0, &[7, 0, 0, 0], Some(Found::NotIp));
        check(113, &[&[0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0], &[0x08, 0x00][..]].concat(), None);
        check(113, &[&[0; 14], &[0x81, 0x00, 0, 5, 0x08, 0x00][..]].concat(), None);
        check(276, &[&[0x86, 0xdd], &[0; 18][..]].concat(), None);
        check(147, &[], Some(Found::UnknownLink));
    }

    #[test]
    fn a_packet_cut_within_its_link_header_is_short() {
        for (link, bytes) in [(1, 13), (113, 15), (276, 19), (0, 3)] {
            assert_eq!(strip(link, &vec![0x08; bytes]), Found::Short, "link {link}");
        }
    }
}
