//! Whether bytes look like what they might be. A UDP port or a guess at an optional header is no proof that a packet is carried: it
//! is believed where the header behind it is one, to its checksum, and fits into the packet around it.

use super::link::untagged;
use crate::wire::{chunk_at, u16_at};

/// Whether a packet of IP begins here. Beyond the bytes `missing` more were not sampled; `usize::MAX` where nobody knows.
pub(super) fn ip(bytes: &[u8], missing: usize) -> bool {
    match bytes.first().map(|first| first >> 4) {
        Some(4) => ipv4(bytes, missing),
        Some(6) => ipv6(bytes, missing),
        _ => false,
    }
}

/// Version, lengths, and the checksum, if the header is all there. A checksum of zero is one that is left to the network card.
pub(super) fn ipv4(bytes: &[u8], missing: usize) -> bool {
    let Some(first) = bytes.first() else { return false };
    let header_length = usize::from(first & 0x0f).saturating_mul(4);
    if first >> 4 != 4 || header_length < 20 {
        return false;
    }
    let length = u16_at(bytes, 2).map(usize::from);
    let is_room = |length: usize| length >= header_length && length <= bytes.len().saturating_add(missing);
    if length.is_some_and(|length| length != 0 && !is_room(length)) {
        return false;
    }
    let Some(header) = bytes.get(..header_length) else { return true };
    let sum = header.as_chunks().0.iter().fold(0_u32, |sum, word| sum.saturating_add(u16::from_be_bytes(*word).into()));
    let sum = (sum & 0xffff).saturating_add(sum >> 16);
    u16_at(bytes, 10) == Some(0) || (sum & 0xffff).saturating_add(sum >> 16) == 0xffff
}

/// Version, length, a source that can send, and a next header that is in use.
pub(super) fn ipv6(bytes: &[u8], missing: usize) -> bool {
    const IN_USE: [u8; 23] =
        [0, 4, 6, 17, 41, 43, 44, 46, 47, 50, 51, 58, 59, 60, 88, 89, 97, 103, 115, 132, 135, 136, 143];
    let Some([_, _, _, _, high, low, next, _hops, source]) = chunk_at(bytes, 0) else { return false };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let is_room = length == 0 || length.saturating_add(40) <= bytes.len().saturating_add(missing);
    bytes.first().is_some_and(|first| first >> 4 == 6) && is_room && IN_USE.contains(&next) && source != 0xff
}

/// Whether an Ethernet frame begins here: its type is one of those that networks carry, and a packet of IP fits it.
pub(super) fn ethernet(frame: &[u8], missing: usize) -> bool {
    match untagged(frame) {
        Some((0x0800, rest)) => rest.is_empty() || ipv4(rest, missing),
        Some((0x86dd, rest)) => rest.len() < 9 || ipv6(rest, missing),
        Some((0x0806, rest)) => rest.is_empty() || rest.starts_with(&[0, 1, 8, 0]),
        Some((0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88cc | 0x88e5 | 0x88e7 | 0x8809 | 0x8902 | 0x88f7, _)) => true,
        Some((0..=0x05ff, rest)) => matches!(rest, [0x42, 0x42, 3, ..] | [0xaa, 0xaa, 3, ..] | [0xfe, 0xfe, 3, ..]),
        _ => false,
    }
}
