//! The beginning of a sampled packet, from the link layer inwards to the innermost packet of IP that can be read.
//!
//! One rule says what a row is made of: addresses, ports, protocol, TOS, TCP flags and ICMP are those of the innermost IP packet,
//! through link layers, labels and tunnels of every kind read here, to the depth of [`LAYERS`]. MAC addresses and VLANs are those of the
//! outermost Ethernet header, labels those of the outermost stack, and the octets are the frame's. A tunnel that is told by a UDP port or
//! a guess is believed only if what it should carry looks like it; otherwise the packet around it stands. What could not be opened
//! has a name: [`Frame::unopened`].
//!
//! A sample is cut after some bytes, so each header is read only as far as it is there.

mod ip;
mod layer;
mod link;
mod looks;
mod tunnel;

pub(crate) use ip::Packet;
pub(crate) use layer::{Layer, of_ether_type};

use crate::report::Event;
use crate::wire::{chunk_at, u16_at, u32_at};
use layer::{End, Step, behind, of_version};

/// Most VLAN tags that are kept; more are passed over.
pub(crate) const TAGS: usize = 4;
/// Most entries of the MPLS label stack that are kept.
pub(crate) const LABELS: usize = 10;
/// Most headers below the transport layer: a bound for hostile nesting. A tunnel takes two or three.
const LAYERS: usize = 24;

/// The outermost Ethernet header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ethernet {
    pub(crate) destination: [u8; 6],
    pub(crate) source: [u8; 6],
    /// Type behind the VLAN tags; below 1536 a length (IEEE 802.3).
    pub(crate) ether_type: u16,
    tags: [u16; TAGS],
    tag_count: usize,
}

impl Ethernet {
    /// VLAN ids, outermost first.
    pub(crate) fn vlans(&self) -> &[u16] {
        self.tags.get(..self.tag_count).unwrap_or(&[])
    }
}

/// What was found in a sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) ethernet: Option<Ethernet>,
    /// The first IP packet.
    pub(crate) outer: Option<Packet>,
    /// The last IP packet: inside of all tunnels that could be read.
    pub(crate) inner: Option<Packet>,
    /// What kept the walk from a packet, or from one further inside.
    pub(crate) unopened: Option<Event>,
    labels: [u32; LABELS],
    label_count: usize,
}

/// What is known of the layer at hand.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Only a port or a guess tells what is here.
    is_guess: bool,
    /// Octets of the packet around that were not sampled; `usize::MAX` where nobody knows.
    missing: usize,
}

impl Frame {
    /// Reads a sample that begins with `layer`.
    pub(crate) fn read(layer: Layer, bytes: &[u8]) -> Self {
        let mut frame = Self::default();
        frame.fill(layer, bytes);
        frame
    }

    /// Reads a sample into a frame that is empty.
    pub(crate) fn fill(&mut self, mut layer: Layer, mut bytes: &[u8]) {
        let mut place = Place { is_guess: false, missing: usize::MAX };
        for _ in 0..LAYERS {
            match self.step(layer, bytes, &mut place) {
                Ok(next) => (layer, bytes) = next,
                Err(End::Whole) => return,
                // What was guessed may as well be something else, unless it was right until the sample ended.
                Err(End::Unopened(event)) => {
                    let is_cut = event == Event::UnopenedCut && (1..usize::MAX).contains(&place.missing);
                    self.unopened = Some(event).filter(|_| !place.is_guess || is_cut);
                    return;
                }
            }
        }
        self.unopened = Some(Event::UnopenedDeep);
    }

    /// Empties it.
    pub(crate) fn clear(&mut self) {
        (self.ethernet, self.outer, self.inner, self.unopened) = (None, None, None, None);
        self.label_count = 0;
    }

    /// Takes the packet that begins here, by its looks, for the innermost one.
    pub(crate) fn open(&mut self, bytes: &[u8]) {
        let layer = match (looks::ip(bytes, usize::MAX), looks::ethernet(bytes, usize::MAX)) {
            (true, _) => Layer::Ip,
            (false, true) => Layer::Ethernet,
            (false, false) => return,
        };
        let inside = Self::read(layer, bytes);
        self.inner = inside.inner.or(self.inner);
        self.unopened = inside.unopened;
    }

    /// What is under one layer.
    fn step<'a>(&mut self, layer: Layer, bytes: &'a [u8], place: &mut Place) -> Step<'a> {
        match layer {
            Layer::Ethernet => self.ethernet(bytes),
            Layer::Ipv4 => self.ipv4(bytes, place),
            Layer::Ipv6 => self.ipv6(bytes, place),
            Layer::Mpls => self.mpls(bytes, place),
            Layer::Ip => of_version(bytes),
            Layer::Tag(before) => link::tag(before, bytes),
            Layer::EthernetBehind(before) => Ok((Layer::Ethernet, behind(bytes, before.into())?)),
            Layer::Llc => link::llc(bytes),
            Layer::TokenRing => link::token_ring(bytes),
            Layer::Fddi => link::fddi(bytes),
            Layer::Wireless => link::wireless(bytes),
            Layer::FrameRelay => link::frame_relay(bytes),
            Layer::Aal5 => link::aal5(bytes),
            Layer::Ppp => link::ppp(bytes),
            Layer::Pppoe => link::pppoe(bytes),
            Layer::Macsec => link::macsec(bytes),
            Layer::Trill => link::trill(bytes),
            Layer::Nsh => link::nsh(bytes),
            Layer::Gre => tunnel::gre(bytes),
            Layer::Erspan => tunnel::erspan(bytes),
            Layer::Vxlan => tunnel::vxlan(bytes),
            Layer::VxlanGpe => tunnel::vxlan_gpe(bytes),
            Layer::Geneve => tunnel::geneve(bytes),
            Layer::Gtp => tunnel::gtp(bytes, place.missing),
            Layer::L2tp => tunnel::l2tp(bytes, place.missing),
            Layer::L2tpOverIp => tunnel::l2tp_over_ip(bytes, place.missing),
            Layer::Teredo => tunnel::teredo(bytes),
            Layer::Lisp => tunnel::lisp(bytes, place.missing),
            Layer::Capwap => tunnel::capwap(bytes),
            Layer::Pim => tunnel::pim(bytes),
        }
    }

    /// Labels of the outermost MPLS stack, top first.
    pub(crate) fn labels(&self) -> &[u32] {
        self.labels.get(..self.label_count).unwrap_or(&[])
    }

    fn ethernet<'a>(&mut self, bytes: &'a [u8]) -> Step<'a> {
        const HEADER: usize = 14;
        let header: [u8; HEADER] = chunk_at(bytes, 0).ok_or(End::CUT)?;
        let (destination, source) =
            (chunk_at(&header, 0).unwrap_or_default(), chunk_at(&header, 6).unwrap_or_default());
        let mut ether_type = u16_at(&header, 12).unwrap_or(0);
        let mut rest = bytes.get(HEADER..).unwrap_or(&[]);
        let (mut tags, mut tag_count) = ([0; TAGS], 0_usize);
        for tag in &mut tags {
            let (true, Some(control), Some(behind)) = (is_vlan(ether_type), u16_at(rest, 0), u16_at(rest, 2)) else {
                break;
            };
            *tag = control & 0x0fff;
            tag_count = tag_count.saturating_add(1);
            ether_type = behind;
            rest = rest.get(4..).unwrap_or(&[]);
        }
        // The Ethernet inside of a tunnel is not the exporter's.
        if self.ethernet.is_none() && self.outer.is_none() {
            self.ethernet = Some(Ethernet { destination, source, ether_type, tags, tag_count });
        }
        Ok((of_ether_type(ether_type)?, rest))
    }

    /// A label stack (RFC 3032 section 2.1).
    fn mpls<'a>(&mut self, mut bytes: &'a [u8], place: &Place) -> Step<'a> {
        let is_outermost = self.outer.is_none() && self.label_count == 0;
        loop {
            let entry = u32_at(bytes, 0).ok_or(End::CUT)?;
            bytes = behind(bytes, 4)?;
            if is_outermost && let Some(label) = self.labels.get_mut(self.label_count) {
                *label = entry >> 12;
                self.label_count = self.label_count.saturating_add(1);
            }
            if entry & 0x100 != 0 {
                break;
            }
        }
        link::under_labels(bytes, place.missing)
    }

    fn ipv4<'a>(&mut self, bytes: &'a [u8], place: &mut Place) -> Step<'a> {
        if place.is_guess && !looks::ipv4(bytes, place.missing) {
            return Err(End::Whole);
        }
        self.packet(ip::ipv4(bytes)?, place)
    }

    fn ipv6<'a>(&mut self, bytes: &'a [u8], place: &mut Place) -> Step<'a> {
        if place.is_guess && !looks::ipv6(bytes, place.missing) {
            return Err(End::Whole);
        }
        self.packet(ip::ipv6(bytes)?, place)
    }

    /// Keeps a packet, and goes on to what it carries.
    fn packet<'a>(&mut self, read: ip::Read<'a>, place: &mut Place) -> Step<'a> {
        const UDP: u8 = 17;
        let ip::Read { packet, above, missing } = read;
        self.outer = self.outer.or(Some(packet));
        self.inner = Some(packet);
        let above = above.ok_or(End::Whole)?;
        *place = Place { is_guess: packet.protocol == UDP, missing };
        let carried = packet.carried(above);
        // A protocol of its own proves what it carries, and so does one that hides it.
        place.is_guess &= carried.is_ok();
        carried
    }
}

/// The outermost packet of IP, behind a layer that may be none.
pub(crate) fn to_ip(layer: Result<Layer, End>, mut bytes: &[u8]) -> Result<&[u8], Event> {
    let (mut frame, mut place) = (Frame::default(), Place { is_guess: false, missing: usize::MAX });
    let mut next = layer.map(|layer| (layer, bytes));
    for _ in 0..LAYERS {
        let layer = match next {
            Ok((layer, rest)) => {
                bytes = rest;
                layer
            }
            Err(End::Unopened(event)) => return Err(event),
            Err(End::Whole) => return Err(Event::UnopenedEtherType),
        };
        if matches!(layer, Layer::Ip | Layer::Ipv4 | Layer::Ipv6) {
            return Ok(bytes);
        }
        next = frame.step(layer, bytes, &mut place);
    }
    Err(Event::UnopenedDeep)
}

/// IEEE 802.1Q, 802.1ad, and what was used for outer tags before.
fn is_vlan(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300)
}
