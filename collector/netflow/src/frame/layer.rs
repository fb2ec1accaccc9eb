//! Layers of a sampled packet, and how a walk through them ends.

use crate::report::Event;

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// IEEE 802.3 or Ethernet II, from the destination address on.
    Ethernet,
    /// The rest of a tag, which has the type of what follows behind so many bytes.
    Tag(u8),
    /// An Ethernet frame behind so many bytes.
    EthernetBehind(u8),
    /// Logical link control (IEEE 802.2), with SNAP or without.
    Llc,
    /// IEEE 802.5, from the access control byte on.
    TokenRing,
    /// ANSI X3T9.5, from the frame control byte on.
    Fddi,
    /// IEEE 802.11, from the frame control field on.
    Wireless,
    /// An address of Q.922 and what RFC 2427 or Cisco put behind it.
    FrameRelay,
    /// LLC or an IP packet (RFC 2684).
    Aal5,
    /// PPP, with the address and control bytes or without, or Cisco's HDLC.
    Ppp,
    /// A session of PPP over Ethernet (RFC 2516).
    Pppoe,
    /// IEEE 802.1AE.
    Macsec,
    /// RFC 6325.
    Trill,
    /// RFC 8300.
    Nsh,
    /// A label stack.
    Mpls,
    /// IPv4 or IPv6, as the first four bits say.
    Ip,
    Ipv4,
    Ipv6,
    Gre,
    /// ERSPAN of type II or III, as its first four bits say.
    Erspan,
    Vxlan,
    VxlanGpe,
    Geneve,
    /// GTP version 1, user plane.
    Gtp,
    /// L2TP over UDP, version 2 or 3.
    L2tp,
    /// L2TP version 3 over IP.
    L2tpOverIp,
    Teredo,
    Lisp,
    Capwap,
    Pim,
}

/// The next layer and its bytes, or why there is none.
pub(crate) type Step<'a> = Result<(Layer, &'a [u8]), End>;

/// Why a walk goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing further is carried, or only what might as well be something else.
    Whole,
    /// Something is carried that is not read, or that is not there.
    Unopened(Event),
}

impl End {
    /// The bytes end before the header does.
    pub(crate) const CUT: Self = Self::Unopened(Event::UnopenedCut);
    /// A header says what cannot be.
    pub(crate) const BROKEN: Self = Self::Unopened(Event::UnopenedBroken);
}

/// The bytes from `offset` on.
pub(crate) fn behind(bytes: &[u8], offset: usize) -> Result<&[u8], End> {
    bytes.get(offset..).ok_or(End::CUT)
}

/// The two bytes at `offset` as a number.
pub(crate) fn word(bytes: &[u8], offset: usize) -> Result<u16, End> {
    crate::wire::u16_at(bytes, offset).ok_or(End::CUT)
}

/// The byte at `offset`.
pub(crate) fn byte(bytes: &[u8], offset: usize) -> Result<u8, End> {
    bytes.get(offset).copied().ok_or(End::CUT)
}

/// IPv4 or IPv6 by the first four bits; anything else is broken.
pub(crate) fn of_version(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? >> 4 {
        4 => Ok((Layer::Ipv4, bytes)),
        6 => Ok((Layer::Ipv6, bytes)),
        _ => Err(End::BROKEN),
    }
}

/// The layer behind an Ethernet type.
pub(crate) fn of_ether_type(ether_type: u16) -> Result<Layer, End> {
    Ok(match ether_type {
        0x0800 => Layer::Ipv4,
        0x86dd => Layer::Ipv6,
        // IEEE 802.1Q, 802.1ad, and what was used for outer tags before.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => Layer::Tag(2),
        0x6558 => Layer::Ethernet,
        0x8847 | 0x8848 => Layer::Mpls,
        0x8864 => Layer::Pppoe,
        0x880b => Layer::Ppp,
        // VN-Tag, and the tag of high-availability seamless redundancy (IEC 62439-3).
        0x8926 | 0x892f => Layer::Tag(4),
        // IEEE 802.1BR, and Cisco's security group tag.
        0x893f | 0x8909 => Layer::Tag(6),
        // IEEE 802.1ah: flags and service identifier, then the customer's frame.
        0x88e7 => Layer::EthernetBehind(4),
        // Cisco FabricPath: tree and time to live, then the frame.
        0x8903 => Layer::EthernetBehind(2),
        0x22f3 => Layer::Trill,
        0x894f => Layer::Nsh,
        0x88e5 => Layer::Macsec,
        // Jumbo frames with LLC have no room for their length.
        0..=0x05ff | 0x8870 => Layer::Llc,
        other => return Err(End::Unopened(unopened(other))),
    })
}

/// What stands behind an Ethernet type that holds no packet of IP.
fn unopened(ether_type: u16) -> Event {
    match ether_type {
        0x0806 | 0x8035 => Event::UnopenedArp,
        0x2000 => Event::UnopenedCisco,
        0x8809 => Event::UnopenedSlowProtocols,
        0x8863 => Event::UnopenedPppoeDiscovery,
        0x888e => Event::UnopenedEapol,
        0x88cc => Event::UnopenedLldp,
        0x88f7 => Event::UnopenedPtp,
        0x8902 => Event::UnopenedCfm,
        0x8906 | 0x8914 => Event::UnopenedFcoe,
        0x8915 => Event::UnopenedInfiniband,
        0xfefe => Event::UnopenedOsi,
        _ => Event::UnopenedEtherType,
    }
}
