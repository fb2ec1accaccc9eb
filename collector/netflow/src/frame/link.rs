//! Link layers: what stands between a frame's first byte and a packet of IP.

use super::layer::{End, Layer, Step, behind, byte, of_ether_type, of_version, word};
use super::looks;
use crate::report::Event;
use crate::wire::{chunk_at, u16_at};

/// Bytes of an Ethernet address.
const ADDRESS: usize = 6;

/// A tag: the type of what follows stands behind `before` bytes.
pub(super) fn tag(before: u8, bytes: &[u8]) -> Step<'_> {
    let before = usize::from(before);
    let ether_type = word(bytes, before)?;
    Ok((of_ether_type(ether_type)?, behind(bytes, before.saturating_add(2))?))
}

/// IEEE 802.2: SNAP with the type of Ethernet or a bridged frame, IP alone, or the control protocols of bridges and routers.
pub(super) fn llc(bytes: &[u8]) -> Step<'_> {
    const BRIDGED_802_3: [u16; 2] = [1, 7];
    let [destination, source, control] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    match (destination, source, control) {
        (0xaa, 0xaa, 3) => {
            let organisation: [u8; 3] = chunk_at(bytes, 3).ok_or(End::CUT)?;
            let protocol = word(bytes, 6)?;
            let rest = behind(bytes, 8)?;
            match organisation {
                [0, 0, 0 | 0xf8] => Ok((of_ether_type(protocol)?, rest)),
                // RFC 2684 fills two bytes before the frame, RFC 2427 none.
                [0, 0x80, 0xc2] if BRIDGED_802_3.contains(&protocol) => {
                    let filled = rest.get(2..).filter(|filled| looks::ethernet(filled, usize::MAX));
                    Ok((Layer::Ethernet, filled.unwrap_or(rest)))
                }
                [0, 0, 0x0c] => Err(End::Unopened(Event::UnopenedCisco)),
                _ => Err(End::Unopened(Event::UnopenedLlc)),
            }
        }
        (6, 6, 3) => Ok((Layer::Ipv4, behind(bytes, 3)?)),
        (0x42, 0x42, 3) => Err(End::Unopened(Event::UnopenedSpanningTree)),
        (0xfe, 0xfe, 3) => osi(behind(bytes, 3)?),
        _ => Err(End::Unopened(Event::UnopenedLlc)),
    }
}

/// A network layer protocol identifier (ISO/IEC 9577).
fn osi(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? {
        0xcc => Ok((Layer::Ipv4, behind(bytes, 1)?)),
        0x8e => Ok((Layer::Ipv6, behind(bytes, 1)?)),
        0xcf => Ok((Layer::Ppp, behind(bytes, 1)?)),
        0x81..=0x83 => Err(End::Unopened(Event::UnopenedOsi)),
        _ => Err(End::Unopened(Event::UnopenedLlc)),
    }
}

/// IEEE 802.5: the first bit of the source address says that there is a route, whose first byte has its length.
pub(super) fn token_ring(bytes: &[u8]) -> Step<'_> {
    let is_routed = byte(bytes, 2_usize.saturating_add(ADDRESS))? & 0x80 != 0;
    let route = if is_routed { usize::from(byte(bytes, 14)? & 0x1f) } else { 0 };
    Ok((Layer::Llc, behind(bytes, route.saturating_add(14))?))
}

/// FDDI: only frames of class LLC carry it.
pub(super) fn fddi(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? & 0x30 {
        0x10 => Ok((Layer::Llc, behind(bytes, 13)?)),
        _ => Err(End::Unopened(Event::UnopenedLink)),
    }
}

/// IEEE 802.11 section 9.2.3: data frames carry LLC.
pub(super) fn wireless(bytes: &[u8]) -> Step<'_> {
    const TO_AND_FROM: u8 = 3;
    const PROTECTED: u8 = 0x40;
    const ORDER: u8 = 0x80;
    const QUALITY: u8 = 0x80;
    const NO_DATA: u8 = 0x40;

    let [kind, flags] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    if kind & 0x0c != 8 || kind & NO_DATA != 0 {
        return Err(End::Unopened(Event::UnopenedWireless));
    }
    if flags & PROTECTED != 0 {
        return Err(End::Unopened(Event::UnopenedEncrypted));
    }
    let fourth = if flags & TO_AND_FROM == TO_AND_FROM { ADDRESS } else { 0 };
    let (quality, high_throughput) = match (kind & QUALITY != 0, flags & ORDER != 0) {
        (true, true) => (2, 4),
        (true, false) => (2, 0),
        (false, _) => (0, 0),
    };
    Ok((Layer::Llc, behind(bytes, fourth.saturating_add(quality).saturating_add(high_throughput).saturating_add(24))?))
}

/// Frame relay: two to four bytes of address (Q.922), then RFC 2427, or Cisco's type of Ethernet.
pub(super) fn frame_relay(bytes: &[u8]) -> Step<'_> {
    let last = bytes.iter().take(4).position(|byte| byte & 1 != 0).ok_or(End::BROKEN)?;
    let rest = behind(bytes, last.saturating_add(1))?;
    if byte(rest, 0)? != 3 {
        return Ok((of_ether_type(word(rest, 0)?)?, behind(rest, 2)?));
    }
    let rest = behind(rest, 1)?;
    // A byte of zero fills up to an even address.
    let rest = if byte(rest, 0)? == 0 { behind(rest, 1)? } else { rest };
    match byte(rest, 0)? {
        0x80 => snap(behind(rest, 1)?),
        _ => osi(rest),
    }
}

/// What follows the identifier of SNAP in frame relay: as behind LLC, without padding.
fn snap(bytes: &[u8]) -> Step<'_> {
    let organisation: [u8; 3] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    let protocol = word(bytes, 3)?;
    let rest = behind(bytes, 5)?;
    match (organisation, protocol) {
        ([0, 0, 0], ether_type) => Ok((of_ether_type(ether_type)?, rest)),
        ([0, 0x80, 0xc2], 1 | 7) => Ok((Layer::Ethernet, rest)),
        _ => Err(End::Unopened(Event::UnopenedLlc)),
    }
}

/// AAL5: LLC, or the packet of a circuit of its own.
pub(super) fn aal5(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? {
        0xaa | 0xfe => Ok((Layer::Llc, bytes)),
        _ => of_version(bytes),
    }
}

/// PPP (RFC 1661, RFC 1662) with or without address and control bytes, and with protocols of one or two bytes; or Cisco's HDLC, which
/// has the same place on the same links.
pub(super) fn ppp(bytes: &[u8]) -> Step<'_> {
    let bytes = match chunk_at(bytes, 0).ok_or(End::CUT)? {
        [0x0f | 0x8f, 0] => return tag(2, bytes),
        [0xff, 3] => behind(bytes, 2)?,
        _ => bytes,
    };
    let (protocol, rest) = ppp_protocol(bytes)?;
    match protocol {
        0x0021 => Ok((Layer::Ipv4, rest)),
        0x0057 => Ok((Layer::Ipv6, rest)),
        0x0281 | 0x0283 => Ok((Layer::Mpls, rest)),
        0x0031 => bridged(rest),
        0x003d => multilink(rest),
        0x00fb | 0x00fd | 0x0053 | 0x0055 => Err(End::Unopened(Event::UnopenedPppCompressed)),
        0x002d | 0x002f | 0x0061..=0x0069 | 0x2061..=0x2069 => Err(End::Unopened(Event::UnopenedHeaderCompressed)),
        0x0023 | 0x0025 => Err(End::Unopened(Event::UnopenedOsi)),
        0x0207 => Err(End::Unopened(Event::UnopenedCisco)),
        0x8000.. => Err(End::Unopened(Event::UnopenedPppControl)),
        _ => Err(End::Unopened(Event::UnopenedPpp)),
    }
}

/// The protocol of PPP: an odd first byte is the whole of it (RFC 1661 section 2).
fn ppp_protocol(bytes: &[u8]) -> Result<(u16, &[u8]), End> {
    let first = byte(bytes, 0)?;
    match first & 1 {
        1 => Ok((first.into(), behind(bytes, 1)?)),
        _ => Ok((word(bytes, 0)?, behind(bytes, 2)?)),
    }
}

/// RFC 3518 section 4.2: flags, the kind of network, and an identifier if the flags say so.
fn bridged(bytes: &[u8]) -> Step<'_> {
    const ETHERNET: u8 = 1;
    let [flags, kind] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    let identifier = if flags & 0x40 != 0 { 4 } else { 0 };
    match kind {
        ETHERNET => Ok((Layer::Ethernet, behind(bytes, 2_usize.saturating_add(identifier))?)),
        _ => Err(End::Unopened(Event::UnopenedPpp)),
    }
}

/// RFC 1990 section 3: the first fragment begins with a protocol, in the long form and, told by its zero bits, the short one.
fn multilink(bytes: &[u8]) -> Step<'_> {
    const BEGINNING: u8 = 0x80;
    let first = byte(bytes, 0)?;
    if first & BEGINNING == 0 {
        return Err(End::Unopened(Event::UnopenedFragment));
    }
    let long = behind(bytes, 4)?;
    let is_ip = |bytes: &[u8]| matches!(ppp_protocol(bytes), Ok((0x0021 | 0x0057, _)));
    let short = behind(bytes, 2)?;
    Ok((Layer::Ppp, if !is_ip(long) && is_ip(short) { short } else { long }))
}

/// RFC 2516 section 4: version and type, code, session, length.
pub(super) fn pppoe(bytes: &[u8]) -> Step<'_> {
    match chunk_at(bytes, 0).ok_or(End::CUT)? {
        [0x11, 0] => Ok((Layer::Ppp, behind(bytes, 6)?)),
        _ => Err(End::BROKEN),
    }
}

/// IEEE 802.1AE section 9: without the bits for encrypted and changed text, the frame stands there as it is.
pub(super) fn macsec(bytes: &[u8]) -> Step<'_> {
    const CHANNEL: u8 = 0x20;
    const HIDDEN: u8 = 0x0c;
    let control = byte(bytes, 0)?;
    if control & HIDDEN != 0 {
        return Err(End::Unopened(Event::UnopenedMacsec));
    }
    tag(if control & CHANNEL != 0 { 14 } else { 6 }, bytes).map_err(|end| match end {
        End::Unopened(Event::UnopenedCut) => end,
        End::Whole | End::Unopened(_) => End::Unopened(Event::UnopenedMacsec),
    })
}

/// RFC 6325 section 3: five bits count the words of options.
pub(super) fn trill(bytes: &[u8]) -> Step<'_> {
    let options = usize::from(word(bytes, 0)? >> 6 & 0x1f).saturating_mul(4);
    Ok((Layer::Ethernet, behind(bytes, options.saturating_add(6))?))
}

/// RFC 8300 section 2.2: six bits count the words, the fourth byte names what follows.
pub(super) fn nsh(bytes: &[u8]) -> Step<'_> {
    let words = usize::from(word(bytes, 0)? & 0x3f);
    let next = byte(bytes, 3)?;
    if words < 2 {
        return Err(End::BROKEN);
    }
    let rest = behind(bytes, words.saturating_mul(4))?;
    Ok((of_gpe(next)?, rest))
}

/// The next protocol in headers of NSH and VXLAN-GPE.
pub(super) fn of_gpe(next: u8) -> Result<Layer, End> {
    Ok(match next {
        1 => Layer::Ipv4,
        2 => Layer::Ipv6,
        3 => Layer::Ethernet,
        4 => Layer::Nsh,
        5 => Layer::Mpls,
        _ => return Err(End::Unopened(Event::UnopenedEtherType)),
    })
}

/// What is under a label stack has no type (RFC 3032 section 2.1). The first four bits tell IP, a control word of zeros before a
/// frame, and a channel of operation and maintenance (RFC 4928 section 3, RFC 5586); but a frame without control word has an
/// address there, which may begin with any of these: so what follows has to fit as well.
pub(super) fn under_labels(bytes: &[u8], missing: usize) -> Step<'_> {
    let behind_control_word = || bytes.get(4..).filter(|frame| looks::ethernet(frame, missing));
    match byte(bytes, 0)? >> 4 {
        4 | 6 if looks::ip(bytes, missing) || !looks::ethernet(bytes, missing) => of_version(bytes),
        0 => match behind_control_word() {
            Some(frame) => Ok((Layer::Ethernet, frame)),
            None if looks::ethernet(bytes, missing) => Ok((Layer::Ethernet, bytes)),
            None if bytes.len() < 18 => Err(End::CUT),
            None => Err(End::Unopened(Event::UnopenedPseudowire)),
        },
        _ if looks::ethernet(bytes, missing) => Ok((Layer::Ethernet, bytes)),
        1 => Err(End::Unopened(Event::UnopenedMplsChannel)),
        _ => Err(End::Unopened(Event::UnopenedPseudowire)),
    }
}

/// The Ethernet type of a frame behind its tags of four bytes, and where what it is for begins.
pub(super) fn untagged(frame: &[u8]) -> Option<(u16, &[u8])> {
    let mut rest = frame.get(12..)?;
    for _ in 0..super::TAGS {
        let ether_type = u16_at(rest, 0)?;
        if !matches!(of_ether_type(ether_type), Ok(Layer::Tag(2))) {
            return Some((ether_type, rest.get(2..)?));
        }
        rest = rest.get(4..)?;
    }
    None
}
