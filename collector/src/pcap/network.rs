//! IPv4 (RFC 791), IPv6 with extension headers (RFC 8200) and UDP (RFC 768): from the IP header to the payload.
//!
//! Lengths come from the headers, so link-layer padding is not payload. Checksums are not verified: frames captured where
//! they were sent from do not have them yet. The XDP program's walk leaves fragments and extension headers to the kernel;
//! here is what the kernel would do.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::datagrams::Skipped;

const UDP: u8 = 17;
/// Extension headers that are stepped over, RFC 8200 section 4.1 and RFC 4302.
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
/// RFC 8200 lets no header but destination options come twice, so no honest chain is longer.
const MAX_EXTENSION_HEADERS: usize = 8;

/// The payload of an IP packet, which may be a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ip<'a> {
    /// Source address, IPv4 mapped.
    pub(super) source: Ipv6Addr,
    /// Destination address, IPv4 mapped.
    pub(super) destination: Ipv6Addr,
    /// Protocol of the payload.
    pub(super) protocol: u8,
    /// Where the payload belongs if the packet is a fragment.
    pub(super) fragment: Option<Fragment>,
    /// What follows the headers.
    pub(super) payload: &'a [u8],
}

/// Place of a fragment in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fragment {
    /// Identification, the same in all fragments of a datagram.
    pub(super) id: u32,
    /// Bytes of the datagram before this fragment, a multiple of 8.
    pub(super) offset: usize,
    /// Whether this is not the last fragment.
    pub(super) more: bool,
}

/// A UDP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Udp<'a> {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) payload: &'a [u8],
}

/// Reads the IP headers of `packet`.
pub(super) fn ip(packet: &[u8]) -> Result<Ip<'_>, Skipped> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(packet),
        Some(6) => ipv6(packet),
        Some(_) => Err(Skipped::Malformed),
        None => Err(Skipped::CutShort),
    }
}

/// Reads the UDP header of `transport`, the whole payload of an IP datagram.
pub(super) fn udp(protocol: u8, transport: &[u8]) -> Result<Udp<'_>, Skipped> {
    if protocol != UDP {
        return Err(Skipped::NotUdp);
    }
    let [s0, s1, d0, d1, l0, l1, _, _] = *transport.first_chunk().ok_or(Skipped::Malformed)?;
    let length = match usize::from(u16::from_be_bytes([l0, l1])) {
        // RFC 2675 section 4: the length of a jumbogram is that of the IP payload.
        0 => transport.len(),
        length => length,
    };
    Ok(Udp {
        source_port: u16::from_be_bytes([s0, s1]),
        destination_port: u16::from_be_bytes([d0, d1]),
        payload: transport.get(8..length).ok_or(Skipped::Malformed)?,
    })
}

fn ipv4(packet: &[u8]) -> Result<Ip<'_>, Skipped> {
    let header: &[u8; 20] = packet.first_chunk().ok_or(Skipped::CutShort)?;
    let header_bytes = usize::from(header[0] & 0x0f) * 4;
    let total_bytes = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
        // Segmentation offload leaves the length to the NIC, and captures on the sending host see it empty.
        0 => packet.len(),
        total => total,
    };
    if header_bytes < 20 || total_bytes < header_bytes {
        return Err(Skipped::Malformed);
    }
    let word = u16::from_be_bytes([header[6], header[7]]);
    let fragment = Fragment {
        id: u32::from(u16::from_be_bytes([header[4], header[5]])),
        offset: usize::from(word & 0x1fff) * 8,
        more: word & 0x2000 != 0,
    };
    Ok(Ip {
        source: Ipv4Addr::new(header[12], header[13], header[14], header[15]).to_ipv6_mapped(),
        destination: Ipv4Addr::new(header[16], header[17], header[18], header[19]).to_ipv6_mapped(),
        protocol: header[9],
        fragment: Some(fragment).filter(|fragment| fragment.more || fragment.offset > 0),
        payload: packet.get(header_bytes..total_bytes).ok_or(Skipped::CutShort)?,
    })
}

fn ipv6(packet: &[u8]) -> Result<Ip<'_>, Skipped> {
    let header: &[u8; 40] = packet.first_chunk().ok_or(Skipped::CutShort)?;
    let rest = packet.get(40..).unwrap_or(&[]);
    let payload = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
        // RFC 2675 jumbograms, and segmentation offload as with IPv4.
        0 => rest,
        length => rest.get(..length).ok_or(Skipped::CutShort)?,
    };
    let address =
        |at: usize| header[at..].first_chunk().map_or(Ipv6Addr::UNSPECIFIED, |bytes: &[u8; 16]| (*bytes).into());
    let mut ip = Ip { source: address(8), destination: address(24), protocol: header[6], fragment: None, payload };
    for _ in 0..MAX_EXTENSION_HEADERS {
        let (next, extension_bytes) = match (ip.protocol, ip.payload) {
            (HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS, [next, length, ..]) => (*next, (usize::from(*length) + 1) * 8),
            (AUTHENTICATION, [next, length, ..]) => (*next, (usize::from(*length) + 2) * 4),
            (FRAGMENT, [next, _, high, low, id @ ..]) => {
                let word = u16::from_be_bytes([*high, *low]);
                let id = id.first_chunk().ok_or(Skipped::Malformed)?;
                let fragment =
                    Fragment { id: u32::from_be_bytes(*id), offset: usize::from(word & 0xfff8), more: word & 1 != 0 };
                ip.protocol = *next;
                ip.payload = ip.payload.get(8..).ok_or(Skipped::Malformed)?;
                // RFC 6946: a fragment that is the whole datagram needs no joining.
                if fragment.more || fragment.offset > 0 {
                    // What follows belongs to the datagram as it was before it was cut.
                    ip.fragment = Some(fragment);
                    return Ok(ip);
                }
                continue;
            }
            (HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | AUTHENTICATION | FRAGMENT, _) => {
                return Err(Skipped::Malformed);
            }
            _ => return Ok(ip),
        };
        ip.protocol = next;
        ip.payload = ip.payload.get(extension_bytes..).ok_or(Skipped::Malformed)?;
    }
    Err(Skipped::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, payload.len() as u8, next, 64];
        packet.extend([[0x20; 16], [0x30; 16]].concat());
        packet.extend(payload);
        packet
    }

    fn v4(word: u16, total: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
        let [high, low] = word.to_be_bytes();
        let [t0, t1] = total.to_be_bytes();
        let ihl = 0x45 + (options.len() / 4) as u8;
        let mut packet = vec![ihl, 0, t0, t1, 0, 7, high, low, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        packet.extend(options);
        packet.extend(payload);
        packet
    }

    #[track_caller]
    fn check(packet: &[u8], expected: Result<(u8, Option<Fragment>, &[u8]), Skipped>) {
        assert_eq!(ip(packet).map(|ip| (ip.protocol, ip.fragment, ip.payload)), expected, "{packet:x?}");
    }

    #[test]
    fn ipv4_headers() {
        check(&v4(0x4000, 22, &[], b"ab"), Ok((17, None, b"ab")));
        check(&v4(0, 22, &[], b"abpadding"), Ok((17, None, b"ab")));
        check(&v4(0, 26, &[1, 1, 1, 0], b"ab"), Ok((17, None, b"ab")));
        check(&v4(0, 0, &[], b"ab"), Ok((17, None, b"ab")));
        check(&v4(0x2000, 22, &[], b"ab"), Ok((17, Some(Fragment { id: 7, offset: 0, more: true }), b"ab")));
        check(&v4(0x0002, 22, &[], b"ab"), Ok((17, Some(Fragment { id: 7, offset: 16, more: false }), b"ab")));
        check(&v4(0, 23, &[], b"ab"), Err(Skipped::CutShort));
        check(&v4(0, 19, &[], b"ab"), Err(Skipped::Malformed));
        check(&v4(0, 22, &[], b"ab")[..19], Err(Skipped::CutShort));
        check(&[0x44; 40], Err(Skipped::Malformed));
        check(&[0x55; 40], Err(Skipped::Malformed));
        check(&[], Err(Skipped::CutShort));
    }

    #[test]
    fn ipv6_headers_and_extensions() {
        let options = [17, 0, 0, 0, 0, 0, 0, 0];
        check(&v6(17, b"ab"), Ok((17, None, b"ab")));
        check(&v6(0, &[&options[..], b"ab"].concat()), Ok((17, None, b"ab")));
        check(&v6(60, &[&[43, 0, 0, 0, 0, 0, 0, 0], &options[..], b"ab"].concat()), Ok((17, None, b"ab")));
        check(&v6(51, &[&[17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &b"ab"[..]].concat()), Ok((17, None, b"ab")));
        let fragment = |low: u8| [&[17, 0, 0, low, 0, 0, 0, 9], &b"ab"[..]].concat();
        check(&v6(44, &fragment(8)), Ok((17, Some(Fragment { id: 9, offset: 8, more: false }), b"ab")));
        check(&v6(44, &fragment(1)), Ok((17, Some(Fragment { id: 9, offset: 0, more: true }), b"ab")));
        check(&v6(44, &fragment(0)), Ok((17, None, b"ab")));
        check(&v6(0, &[0; 255]), Err(Skipped::Malformed));
        check(&v6(0, &[17, 9]), Err(Skipped::Malformed));
        check(&v6(44, &[17, 0, 0]), Err(Skipped::Malformed));
        check(&v6(17, b"ab")[..41], Err(Skipped::CutShort));
    }

    #[test]
    fn udp_headers() {
        let parse =
            |bytes: &[u8]| udp(17, bytes).map(|udp| (udp.source_port, udp.destination_port, udp.payload.to_vec()));
        assert_eq!(parse(&[0, 1, 8, 7, 0, 10, 0, 0, 5, 6]), Ok((1, 2055, vec![5, 6])));
        assert_eq!(parse(&[0, 1, 8, 7, 0, 9, 0, 0, 5, 6]), Ok((1, 2055, vec![5])));
        assert_eq!(parse(&[0, 1, 8, 7, 0, 0, 0, 0, 5, 6]), Ok((1, 2055, vec![5, 6])));
        assert_eq!(parse(&[0, 1, 8, 7, 0, 11, 0, 0, 5, 6]), Err(Skipped::Malformed));
        assert_eq!(parse(&[0, 1, 8, 7, 0, 7, 0, 0, 5, 6]), Err(Skipped::Malformed));
        assert_eq!(parse(&[0, 1, 8, 7]), Err(Skipped::Malformed));
        assert_eq!(udp(6, &[0; 20]), Err(Skipped::NotUdp));
    }
}
