//! Link layers of captured packets, for who reads captures of datagrams: from a packet's first byte to its IP header.
//!
//! The same walk as through sampled packets, as far as the outermost packet of IP: through tags, LLC, PPP, PPPoE, labels and pseudowires.
//! Not here: the headers that capture files put before a packet, and anything above IP.

use crate::frame::{self, Layer, of_ether_type};
use crate::report::{Class, Event};

/// What a captured packet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The destination address of Ethernet.
    Ethernet,
    /// What is behind this Ethernet type; below 1536 it is a length, and LLC follows.
    Behind(u16),
    /// IEEE 802.2.
    Llc,
    /// IEEE 802.5.
    TokenRing,
    /// FDDI.
    Fddi,
    /// IEEE 802.11.
    Wireless,
    /// Frame relay.
    FrameRelay,
    /// AAL5 of RFC 2684.
    Aal5,
    /// PPP, in HDLC's frame or without, or Cisco's HDLC.
    Ppp,
    /// A PPPoE session.
    Pppoe,
    /// A label stack.
    Mpls,
}

/// The outermost IP header, and what follows it.
///
/// # Errors
/// An event of [`Class::Unopened`]: what there is in place of it.
pub fn to_ip(start: Start, bytes: &[u8]) -> Result<&[u8], Event> {
    let layer = match start {
        Start::Ethernet => Layer::Ethernet,
        Start::Behind(ether_type) => return frame::to_ip(of_ether_type(ether_type), bytes),
        Start::Llc => Layer::Llc,
        Start::TokenRing => Layer::TokenRing,
        Start::Fddi => Layer::Fddi,
        Start::Wireless => Layer::Wireless,
        Start::FrameRelay => Layer::FrameRelay,
        Start::Aal5 => Layer::Aal5,
        Start::Ppp => Layer::Ppp,
        Start::Pppoe => Layer::Pppoe,
        Start::Mpls => Layer::Mpls,
    };
    frame::to_ip(Ok(layer), bytes)
}

/// What an event of [`Class::Unopened`] says there is, in a word or two.
#[must_use]
pub fn kind(event: Event) -> &'static str {
    debug_assert_eq!(event.class(), Class::Unopened, "no other is about packets");
    event.label().trim_start_matches("unopened_")
}
