//! Interfaces, their MACs, and which of them get each other's frames.

use std::collections::BTreeSet;
use std::io;

use super::rtnetlink::Questions;
use crate::steering::netlink::{find, u32_at};
use crate::steering::own::Mac;

/// `include/uapi/linux/rtnetlink.h` and `if_link.h`.
const RTM_GETLINK: u16 = 18;
const HEADER_BYTES: usize = 16;
const INDEX_OFFSET: usize = 4;
const FLAGS_OFFSET: usize = 8;
const IFF_LOOPBACK: u32 = libc::IFF_LOOPBACK as u32;
const IFLA_ADDRESS: u16 = 1;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;

/// Kinds of interfaces that get frames of the one they stand on and hand them to this machine's IP. A macvtap's go to a virtual
/// machine, and what a veth is linked with is its other end.
const STACKED: [&[u8]; 4] = [b"vlan", b"macvlan", b"ipvlan", b"macsec"];

/// An interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Link {
    index: u32,
    is_loopback: bool,
    /// None where it is no Ethernet.
    mac: Option<Mac>,
    /// The bridge, bond or VRF that it belongs to; 0 for none.
    master: u32,
    /// The interface that it stands on, if it is of a kind that does; 0 for none.
    stands_on: u32,
}

/// An interface with those above and below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stack {
    /// Whether the interface is the loopback.
    pub(super) is_loopback: bool,
    /// The MAC of the interface itself; zeros where it has none.
    pub(super) mac: Mac,
    /// Those of the others.
    pub(super) macs: BTreeSet<Mac>,
    /// The indices of all.
    pub(super) related: BTreeSet<u32>,
}

/// All interfaces of the namespace.
pub(super) fn all(questions: &mut Questions) -> io::Result<Vec<Link>> {
    let mut body = vec![0; HEADER_BYTES];
    body.extend(8_u16.to_ne_bytes());
    body.extend(IFLA_EXT_MASK.to_ne_bytes());
    body.extend(RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
    let mut links = Vec::new();
    questions.dump(RTM_GETLINK, &body, |message| links.extend(parse(message)))?;
    Ok(links)
}

/// The interface of this index with those above it, to which its frames go, and those below it, from which they come.
pub(super) fn stack(index: u32, links: &[Link]) -> Stack {
    let is_above = |upper: &Link, lower: &Link| {
        lower.master == upper.index || (upper.stands_on != 0 && upper.stands_on == lower.index)
    };
    let mut related = BTreeSet::from([index]);
    for upwards in [true, false] {
        let mut fresh: Vec<&Link> = links.iter().filter(|link| link.index == index).collect();
        while let Some(from) = fresh.pop() {
            for link in links {
                let leads = if upwards { is_above(link, from) } else { is_above(from, link) };
                if leads && related.insert(link.index) {
                    fresh.push(link);
                }
            }
        }
    }
    let mac_of = |link: &Link| link.mac.filter(|_| link.index != index && related.contains(&link.index));
    let own = links.iter().find(|link| link.index == index);
    Stack {
        is_loopback: own.is_some_and(|link| link.is_loopback),
        mac: own.and_then(|link| link.mac).unwrap_or_default(),
        macs: links.iter().filter_map(mac_of).collect(),
        related,
    }
}

/// `struct ifinfomsg` and its attributes.
fn parse(message: &[u8]) -> Option<Link> {
    let index = u32_at(message, INDEX_OFFSET)?;
    let attributes = message.get(HEADER_BYTES..)?;
    let number = |kind| find(attributes, kind).and_then(|value| u32_at(value, 0)).unwrap_or(0);
    let kind = find(attributes, IFLA_LINKINFO).and_then(|info| find(info, IFLA_INFO_KIND)).unwrap_or_default();
    let kind = kind.strip_suffix(&[0]).unwrap_or(kind);
    // An index of another namespace says nothing here.
    let is_stacked = STACKED.contains(&kind) && find(attributes, IFLA_LINK_NETNSID).is_none();
    Some(Link {
        index,
        is_loopback: u32_at(message, FLAGS_OFFSET)? & IFF_LOOPBACK != 0,
        mac: find(attributes, IFLA_ADDRESS).and_then(|value| value.try_into().ok()),
        master: number(IFLA_MASTER),
        stands_on: if is_stacked { number(IFLA_LINK) } else { 0 },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, master: u32, stands_on: u32) -> Link {
        Link { index, is_loopback: false, mac: Some([0, 0, 0, 0, 0, index as u8]), master, stands_on }
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut attribute = [((4 + value.len()) as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
        attribute.extend_from_slice(value);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    #[test]
    fn frames_go_up_to_bridges_bonds_and_vlans_and_come_from_below() {
        // 1 and 2 are bonded in 3; 3 and 4 are bridged in 5; 6 is a VLAN of 5, 7 a macvlan of 6; 8 stands alone.
        let links = [
            link(1, 3, 0),
            link(2, 3, 0),
            link(3, 5, 0),
            link(4, 5, 0),
            link(5, 0, 0),
            link(6, 0, 5),
            link(7, 0, 6),
            link(8, 0, 0),
        ];
        for (index, others) in [
            (1, &[3, 5, 6, 7][..]),
            (3, &[1, 2, 5, 6, 7]),
            (4, &[5, 6, 7]),
            (7, &[1, 2, 3, 4, 5, 6]),
            (8, &[]),
            (9, &[]),
        ] {
            let stack = stack(index, &links);
            let macs: Vec<u32> = stack.macs.iter().map(|mac| u32::from(mac[5])).collect();
            assert_eq!(macs, others, "{index}");
            assert_eq!(stack.related.len(), others.len() + 1, "{index}");
            assert_eq!(stack.mac, if index < 9 { [0, 0, 0, 0, 0, index as u8] } else { [0; 6] });
        }
    }

    #[test]
    fn links_are_read_with_what_they_stand_on() {
        let of_kind = |kind: &[u8]| attribute(IFLA_LINKINFO, &attribute(IFLA_INFO_KIND, kind));
        let message = |attributes: &[Vec<u8>]| {
            let mut message = vec![0; HEADER_BYTES];
            message[INDEX_OFFSET..8].copy_from_slice(&9_u32.to_ne_bytes());
            message.extend(attributes.concat());
            message
        };
        let address = attribute(IFLA_ADDRESS, &[1, 2, 3, 4, 5, 6]);
        let lower = attribute(IFLA_LINK, &4_u32.to_ne_bytes());
        let elsewhere = attribute(IFLA_LINK_NETNSID, &[0; 4]);
        let master = attribute(IFLA_MASTER, &7_u32.to_ne_bytes());
        let parsed = |attributes: &[Vec<u8>]| parse(&message(attributes)).expect("whole");
        let plain = Link { index: 9, is_loopback: false, mac: Some([1, 2, 3, 4, 5, 6]), master: 7, stands_on: 0 };
        let lowered = Link { stands_on: 4, ..plain.clone() };
        let all = |kind: &[u8]| parsed(&[address.clone(), master.clone(), lower.clone(), of_kind(kind)]);
        assert_eq!((all(b"vlan\0"), all(b"macvlan\0")), (lowered.clone(), lowered));
        assert_eq!((all(b"veth\0"), all(b"macvtap\0")), (plain.clone(), plain));
        assert_eq!(parsed(&[lower, elsewhere, of_kind(b"vlan\0")]), Link { index: 9, ..Link::default() });
        // The hardware addresses of InfiniBand have 20 bytes.
        assert_eq!(parsed(&[attribute(IFLA_ADDRESS, &[1; 20])]).mac, None);
        for end in 0..HEADER_BYTES {
            assert_eq!(parse(&message(&[])[..end]), None, "{end}");
        }
    }

    #[test]
    fn loopback_is_there_and_alone() {
        let links = all(&mut Questions::open().expect("rtnetlink")).expect("an answer");
        let stack = stack(1, &links);
        assert!(stack.is_loopback);
        assert_eq!((stack.mac, stack.related), ([0; 6], BTreeSet::from([1])));
    }
}
