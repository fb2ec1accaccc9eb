//! Tunnels above IP: from their first byte to the packet or frame that they carry.

use super::layer::{End, Layer, Step, behind, byte, of_ether_type, of_version, word};
use super::link::of_gpe;
use super::looks;
use crate::report::Event;
use crate::wire::{chunk_at, u32_at};

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// The tunnel that a UDP port is known for.
fn of_port(port: u16) -> Option<Layer> {
    Some(match port {
        1701 => Layer::L2tp,
        2152 => Layer::Gtp,
        3544 => Layer::Teredo,
        4341 => Layer::Lisp,
        // The second is the one that Linux used before.
        4789 | 8472 => Layer::Vxlan,
        4790 => Layer::VxlanGpe,
        5247 => Layer::Capwap,
        6081 => Layer::Geneve,
        6635 => Layer::Mpls,
        _ => return None,
    })
}

/// What a UDP datagram carries by its ports, the destination's first: answers may come from the port.
pub(super) fn over_udp((source, destination): (u16, u16), udp: &[u8]) -> Step<'_> {
    // IPsec through address translation (RFC 3948): four zeros begin what is not encrypted, one byte keeps the translation alive.
    const NAT_TRAVERSAL: u16 = 4500;
    let Some(layer) = of_port(destination).or_else(|| of_port(source)) else {
        let is_encrypted = destination == NAT_TRAVERSAL && u32_at(udp, UDP_HEADER).is_some_and(|index| index != 0);
        return Err(if is_encrypted { End::Unopened(Event::UnopenedEsp) } else { End::Whole });
    };
    Ok((layer, behind(udp, UDP_HEADER)?))
}

/// GRE with its optional fields (RFC 2784 section 2, RFC 2890 section 2), and version 1, which is PPTP's (RFC 2637 section 4.1). The
/// routing field of RFC 1701 is in no use.
pub(super) fn gre(bytes: &[u8]) -> Step<'_> {
    const CHECKSUM: u16 = 0x8000;
    const ROUTING: u16 = 0x4000;
    const KEY: u16 = 0x2000;
    const SEQUENCE: u16 = 0x1000;
    const ACKNOWLEDGEMENT: u16 = 0x0080;
    const VERSION: u16 = 0x0007;
    /// ERSPAN has a header of its own only with a sequence number: type I has neither.
    const ERSPAN: u16 = 0x88be;
    const ERSPAN_III: u16 = 0x22eb;
    const WCCP: u16 = 0x883e;
    const PPP: u16 = 0x880b;
    /// MikroTik's Ethernet over IP, which has the length and the tunnel's number in the place of a key.
    const EOIP: u16 = 0x6400;

    let (flags, kind) = (word(bytes, 0)?, word(bytes, 2)?);
    let optional = match flags & VERSION {
        0 if flags & ROUTING == 0 => [CHECKSUM, KEY, SEQUENCE],
        1 if kind == EOIP => return Ok((Layer::Ethernet, behind(bytes, 8)?)),
        1 if kind == PPP => [ACKNOWLEDGEMENT, KEY, SEQUENCE],
        _ => return Err(End::Unopened(Event::UnopenedGre)),
    };
    let optional = optional.iter().filter(|flag| flags & **flag != 0).count();
    let is_acknowledgement_alone = flags & VERSION == 1 && flags & SEQUENCE == 0;
    if is_acknowledgement_alone {
        return Err(End::Whole);
    }
    let rest = behind(bytes, optional.saturating_mul(4).saturating_add(4))?;
    match kind {
        ERSPAN if flags & SEQUENCE == 0 => Ok((Layer::Ethernet, rest)),
        ERSPAN | ERSPAN_III => Ok((Layer::Erspan, rest)),
        // Version 2 puts four bytes of its own before the packet.
        WCCP if byte(rest, 0)? >> 4 == 4 => Ok((Layer::Ipv4, rest)),
        WCCP => Ok((Layer::Ipv4, behind(rest, 4)?)),
        kind => match of_ether_type(kind) {
            Ok(layer) if layer != Layer::Llc => Ok((layer, rest)),
            Ok(_) | Err(End::Unopened(Event::UnopenedEtherType)) => Err(End::Unopened(Event::UnopenedGre)),
            Err(end) => Err(end),
        },
    }
}

/// ERSPAN (draft-foschiano-erspan section 4): type II has version 1 and eight bytes, type III version 2 and twelve, and eight more if
/// its last bit says so.
pub(super) fn erspan(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? >> 4 {
        1 => Ok((Layer::Ethernet, behind(bytes, 8)?)),
        2 if byte(bytes, 11)? & 1 != 0 => Ok((Layer::Ethernet, behind(bytes, 20)?)),
        2 => Ok((Layer::Ethernet, behind(bytes, 12)?)),
        _ => Err(End::Unopened(Event::UnopenedGre)),
    }
}

/// VXLAN (RFC 7348 section 5): the flag says that there is a network identifier, without which it is something else.
pub(super) fn vxlan(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? & 0x08 {
        0 => Err(End::Whole),
        _ => Ok((Layer::Ethernet, behind(bytes, 8)?)),
    }
}

/// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe section 3): a flag says that the fourth byte names what follows.
pub(super) fn vxlan_gpe(bytes: &[u8]) -> Step<'_> {
    let [flags, _, _, next] = chunk_at(bytes, 0).ok_or(End::CUT)?;
    match flags & 0x0c {
        0x0c => Ok((of_gpe(next)?, behind(bytes, 8)?)),
        0x08 => Ok((Layer::Ethernet, behind(bytes, 8)?)),
        _ => Err(End::Whole),
    }
}

/// Geneve (RFC 8926 section 3.4): six bits count the words of options.
pub(super) fn geneve(bytes: &[u8]) -> Step<'_> {
    let first = byte(bytes, 0)?;
    if first >> 6 != 0 {
        return Err(End::Whole);
    }
    let options = usize::from(first & 0x3f).saturating_mul(4);
    Ok((of_ether_type(word(bytes, 2)?)?, behind(bytes, options.saturating_add(8))?))
}

/// GTP version 1 (3GPP TS 29.281 section 5): user data is of type 255; any of three flags adds four bytes, the last of which begins a
/// chain of extension headers.
pub(super) fn gtp(bytes: &[u8], missing: usize) -> Step<'_> {
    const OPTIONAL: u8 = 0x07;
    const EXTENSION: u8 = 0x04;
    /// Extension headers; a chain in use has one or two.
    const MOST: usize = 8;

    let [flags, 0xff] = chunk_at(bytes, 0).ok_or(End::CUT)? else { return Err(End::Whole) };
    if flags & 0xf0 != 0x30 {
        return Err(End::Whole);
    }
    let mut rest = behind(bytes, 8)?;
    if flags & OPTIONAL != 0 {
        let mut next = if flags & EXTENSION != 0 { byte(rest, 3)? } else { 0 };
        rest = behind(rest, 4)?;
        for _ in 0..MOST {
            if next == 0 {
                break;
            }
            let length = usize::from(byte(rest, 0)?).saturating_mul(4);
            let last = length.checked_sub(1).ok_or(End::Whole)?;
            next = byte(rest, last)?;
            rest = behind(rest, length)?;
        }
    }
    inside(rest, missing, &[0])
}

/// L2TP over UDP: version 2 (RFC 2661 section 3.1) carries PPP, version 3 (RFC 3931 section 4.1.2) whatever both ends know. Control
/// messages carry nothing.
pub(super) fn l2tp(bytes: &[u8], missing: usize) -> Step<'_> {
    const CONTROL: u16 = 0x8000;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;

    let flags = word(bytes, 0)?;
    match flags & 0x000f {
        _ if flags & CONTROL != 0 => Err(End::Whole),
        2 => {
            let length = if flags & LENGTH != 0 { 2 } else { 0 };
            let sequence = if flags & SEQUENCE != 0 { 4 } else { 0 };
            let at = 6_usize.saturating_add(length).saturating_add(sequence);
            let offset = if flags & OFFSET != 0 { usize::from(word(bytes, at)?).saturating_add(2) } else { 0 };
            Ok((Layer::Ppp, behind(bytes, at.saturating_add(offset))?))
        }
        3 => session(behind(bytes, 8)?, missing),
        _ => Err(End::Whole),
    }
}

/// L2TP version 3 over IP (RFC 3931 section 4.1.1): session zero is control.
pub(super) fn l2tp_over_ip(bytes: &[u8], missing: usize) -> Step<'_> {
    match u32_at(bytes, 0).ok_or(End::CUT)? {
        0 => Err(End::Whole),
        _ => session(behind(bytes, 4)?, missing),
    }
}

/// Data of a session of L2TP version 3: a cookie of none, four or eight bytes and a sublayer of none or four are known to its ends
/// alone, so what they carry is found by its looks.
fn session(bytes: &[u8], missing: usize) -> Step<'_> {
    inside(bytes, missing, &[0, 4, 8, 12]).map_err(|end| match end {
        End::Whole => End::Unopened(Event::UnopenedL2tp),
        end @ End::Unopened(_) => end,
    })
}

/// A frame or packet at one of these places.
fn inside<'a>(bytes: &'a [u8], missing: usize, places: &[usize]) -> Step<'a> {
    let at = |place: &usize| {
        let rest = bytes.get(*place..)?;
        let is_ppp = |front: &[u8]| rest.strip_prefix(front).is_some_and(|packet| looks::ip(packet, missing));
        if looks::ip(rest, missing) {
            of_version(rest).ok()
        } else if looks::ethernet(rest, missing) {
            Some((Layer::Ethernet, rest))
        } else if PPP_OF_IP.iter().any(|front| is_ppp(front)) {
            Some((Layer::Ppp, rest))
        } else {
            None
        }
    };
    let is_cut = places.iter().all(|place| bytes.len() <= *place);
    places.iter().find_map(at).ok_or(if is_cut { End::CUT } else { End::Whole })
}

/// How PPP and Cisco's HDLC begin before a packet of IP.
const PPP_OF_IP: [&[u8]; 6] =
    [&[0xff, 3, 0, 0x21], &[0xff, 3, 0, 0x57], &[0, 0x21], &[0, 0x57], &[0x0f, 0, 8, 0], &[0x0f, 0, 0x86, 0xdd]];

/// Teredo (RFC 4380 section 5.1.1): an authentication and an origin may stand before the packet of IPv6.
pub(super) fn teredo(mut bytes: &[u8]) -> Step<'_> {
    if let Some([0, 1, identifier, value]) = chunk_at(bytes, 0) {
        let length = usize::from(identifier).saturating_add(usize::from(value)).saturating_add(13);
        bytes = behind(bytes, length)?;
    }
    if bytes.starts_with(&[0, 0]) {
        bytes = behind(bytes, 8)?;
    }
    match byte(bytes, 0)? >> 4 {
        6 => Ok((Layer::Ipv6, bytes)),
        _ => Err(End::Whole),
    }
}

/// LISP (RFC 9300 section 5): eight bytes, then the packet.
pub(super) fn lisp(bytes: &[u8], missing: usize) -> Step<'_> {
    inside(bytes, missing, &[8])
}

/// CAPWAP's data channel (RFC 5415 section 4.3): the first byte says whether it is encrypted, five bits count the words of the header,
/// and a flag tells frames of IEEE 802.11 from those of Ethernet.
pub(super) fn capwap(bytes: &[u8]) -> Step<'_> {
    const NATIVE: u32 = 0x0000_0100;
    const FRAGMENT: u32 = 0x0000_0080;
    const WIRELESS: u32 = 1;

    let header = u32_at(bytes, 0).ok_or(End::CUT)?;
    match header >> 24 {
        0 => {}
        1 => return Err(End::Unopened(Event::UnopenedEncrypted)),
        _ => return Err(End::Whole),
    }
    if header & FRAGMENT != 0 {
        return Err(End::Unopened(Event::UnopenedFragment));
    }
    let words = usize::try_from(header >> 19 & 0x1f).unwrap_or(0);
    if words < 2 {
        return Err(End::Whole);
    }
    let rest = behind(bytes, words.saturating_mul(4))?;
    match header & NATIVE {
        0 => Ok((Layer::Ethernet, rest)),
        _ if header >> 9 & 0x1f == WIRELESS => Ok((Layer::Wireless, rest)),
        _ => Err(End::Whole),
    }
}

/// PIM (RFC 7761 section 4.9.3): a register message carries a multicast packet to the rendezvous point.
pub(super) fn pim(bytes: &[u8]) -> Step<'_> {
    match byte(bytes, 0)? {
        0x21 => of_version(behind(bytes, 8)?),
        _ => Err(End::Whole),
    }
}
