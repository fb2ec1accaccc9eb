//! What the routing tables say is delivered to this machine: addresses of all interfaces, broadcasts, anycast, and whole networks that
//! were made local, as 127.0.0.0/8 is. Tables of VRFs are among them.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rtnetlink::Questions;
use crate::prefix::Prefix;
use crate::steering::netlink::find;

/// `include/uapi/linux/rtnetlink.h`.
const RTM_GETROUTE: u16 = 26;
const HEADER_BYTES: usize = 12;
const TYPE_OFFSET: usize = 7;
const RTN_LOCAL: u8 = 2;
const RTN_BROADCAST: u8 = 3;
const RTN_ANYCAST: u8 = 4;
const RTA_DST: u16 = 1;
const AF_INET: u8 = libc::AF_INET as u8;
const AF_INET6: u8 = libc::AF_INET6 as u8;

/// The kernel filters by one type at a time; IPv6 has no broadcast, IPv4 no anycast.
const QUESTIONS: [(u8, u8); 4] =
    [(AF_INET, RTN_LOCAL), (AF_INET, RTN_BROADCAST), (AF_INET6, RTN_LOCAL), (AF_INET6, RTN_ANYCAST)];

/// What is delivered here, of all tables. More than the program's maps take is not kept.
pub(super) fn local(questions: &mut Questions) -> io::Result<BTreeSet<Prefix>> {
    const MOST: usize = 1 << 16;
    let mut local = BTreeSet::new();
    for (family, kind) in QUESTIONS {
        let mut body = [0; HEADER_BYTES];
        body[0] = family;
        body[TYPE_OFFSET] = kind;
        let asked = questions.dump(RTM_GETROUTE, &body, |message| {
            if local.len() < MOST {
                local.extend(parse(message));
            }
        });
        match asked {
            // A kernel without IPv6.
            Err(error) if family == AF_INET6 && is_unknown(&error) => {}
            asked => asked?,
        }
    }
    Ok(local)
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT))
}

/// `struct rtmsg` and its attributes.
fn parse(message: &[u8]) -> Option<Prefix> {
    let header = message.first_chunk::<HEADER_BYTES>()?;
    let (family, bits, kind) = (header[0], header[1], header[TYPE_OFFSET]);
    if !matches!(kind, RTN_LOCAL | RTN_BROADCAST | RTN_ANYCAST) {
        return None;
    }
    let destination = find(message.get(HEADER_BYTES..)?, RTA_DST);
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(destination.unwrap_or(&[0; 4])).ok()?)),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(destination.unwrap_or(&[0; 16])).ok()?)),
        _ => return None,
    };
    Prefix::new(address, bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(family: u8, bits: u8, kind: u8, destination: &[u8]) -> Vec<u8> {
        let mut message = vec![family, bits, 0, 0, 255, 2, 254, kind, 0, 0, 0, 0];
        if !destination.is_empty() {
            message.extend(((4 + destination.len()) as u16).to_ne_bytes());
            message.extend(RTA_DST.to_ne_bytes());
            message.extend(destination);
        }
        message
    }

    #[test]
    fn what_is_delivered_here_is_read_and_nothing_else() {
        let six = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        for (message, expected) in [
            (route(AF_INET, 32, RTN_LOCAL, &[192, 0, 2, 1]), Some("192.0.2.1")),
            (route(AF_INET, 8, RTN_LOCAL, &[127, 0, 0, 0]), Some("127.0.0.0/8")),
            (route(AF_INET, 32, RTN_BROADCAST, &[192, 0, 2, 255]), Some("192.0.2.255")),
            (route(AF_INET6, 128, RTN_LOCAL, &six), Some("2001:db8::1")),
            (route(AF_INET6, 128, RTN_ANYCAST, &six), Some("2001:db8::1")),
            // The whole of IPv4 made local has no destination.
            (route(AF_INET, 0, RTN_LOCAL, &[]), Some("0.0.0.0/0")),
            // Unicast: a route to somebody else.
            (route(AF_INET, 24, 1, &[192, 0, 2, 0]), None),
            (route(AF_INET, 33, RTN_LOCAL, &[192, 0, 2, 1]), None),
            (route(AF_INET, 32, RTN_LOCAL, &[192, 0, 2]), None),
            (route(28, 20, RTN_LOCAL, &[0, 0, 1, 0]), None),
        ] {
            assert_eq!(parse(&message), expected.map(|text| text.parse().expect("a prefix")), "{message:?}");
        }
        let whole = route(AF_INET, 32, RTN_LOCAL, &[192, 0, 2, 1]);
        for end in 0..HEADER_BYTES {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
    }

    #[test]
    fn the_kernel_says_that_loopback_is_here() {
        let local = local(&mut Questions::open().expect("rtnetlink")).expect("an answer");
        assert!(local.iter().any(|prefix| prefix.holds(IpAddr::V4(Ipv4Addr::LOCALHOST))), "{local:?}");
    }
}
