//! UDP checksums of frames from a ring: what no kernel has looked at before (RFC 768, RFC 8200 section 8.1, RFC 1122 section 4.1.3.4).
//!
//! A network card reports what it found of a checksum beside the frame, and drops nothing; XDP does not see the report. So the sum is
//! made here, right before the journal copies the same bytes: they come from memory once, for both.
//!
//! A local sender leaves the checksum to the interface that would bring the frame onto a wire (`CHECKSUM_PARTIAL`): a veth pair, the
//! loopback, a tap, or the virtual card of a guest hand over frames whose field has the sum of the pseudo header alone
//! (RFC 768's addresses, protocol and length). No XDP metadata tells of that, so it is known by that value, where
//! [`Checks::OrUnfinished`] allows it; a datagram spoilt on the way has it once in 65,535 times.
//!
//! Sums are of 64-bit words in the byte order of the machine: a ones' complement sum is the same in any order of bytes, and in words of
//! any length (RFC 1071 section 2), and it is zero if the sum is a multiple of 65,535.

use collector_ebpf::Datagram;

/// What is asked of checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// Each must be right.
    Strict,
    /// Each must be right, or that of a local sender who left it to the interface.
    OrUnfinished,
    /// Nothing.
    None,
}

/// Why a datagram is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The checksum is not that of the datagram.
    Wrong,
    /// There is none over IPv6, where there must be one.
    Missing,
}

impl Fault {
    /// All of them, each at its number.
    pub const ALL: [Self; 2] = [Self::Wrong, Self::Missing];

    /// The reason as a metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Missing => "missing",
        }
    }
}

/// A sum is zero in ones' complement arithmetic if it is a multiple of this.
const MODULUS: u64 = 0xffff;
const PROTOCOL_UDP: u16 = 17;
/// Length of the UDP header.
const UDP_BYTES: usize = 8;
/// Leading bytes of the addresses that stand for IPv4.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// Checks the checksum of a datagram.
///
/// # Errors
///
/// It is refused, and why.
#[inline]
pub fn check(datagram: &Datagram, payload: &[u8], checks: Checks) -> Result<(), Fault> {
    if checks == Checks::None {
        return Ok(());
    }
    if datagram.checksum == 0 {
        // Over IPv4 the sender may leave it out.
        return if datagram.exporter.starts_with(&MAPPED) { Ok(()) } else { Err(Fault::Missing) };
    }
    let pseudo_header = pseudo_header(datagram, payload.len());
    let header = [datagram.source_port, datagram.destination_port, length(payload.len()), datagram.checksum];
    let header: u64 = header.into_iter().map(word).sum();
    if (pseudo_header + header + sum(payload)).is_multiple_of(MODULUS) {
        return Ok(());
    }
    let is_unfinished = pseudo_header % MODULUS == word(datagram.checksum) % MODULUS;
    if is_unfinished && checks == Checks::OrUnfinished { Ok(()) } else { Err(Fault::Wrong) }
}

/// The sum of RFC 768's pseudo header. Addresses of IPv4 have two bytes of ones in front, which add nothing to it.
fn pseudo_header(datagram: &Datagram, payload_bytes: usize) -> u64 {
    sum(&datagram.exporter) + sum(&datagram.destination()) + word(PROTOCOL_UDP) + word(length(payload_bytes))
}

fn length(payload_bytes: usize) -> u16 {
    // A datagram that was walked is no longer than its length field says.
    (UDP_BYTES + payload_bytes) as u16
}

/// A number of the header as it stands in memory.
fn word(number: u16) -> u64 {
    u64::from(number.to_be())
}

/// The sum of the words of `bytes`, folded once; what is missing of the last word counts as zeros. Words of eight bytes, whose carries are
/// counted: two instructions for each, in lanes that do not wait for each other.
fn sum(bytes: &[u8]) -> u64 {
    const LANES: usize = 4;
    let (rows, rest) = bytes.as_chunks::<{ 8 * LANES }>();
    let mut lanes = [0_u128; LANES];
    for row in rows {
        for (lane, word) in lanes.iter_mut().zip(row.as_chunks::<8>().0) {
            *lane += u128::from(u64::from_ne_bytes(*word));
        }
    }
    let (words, odd) = rest.as_chunks::<8>();
    let mut last = [0; 8];
    last[..odd.len()].copy_from_slice(odd);
    let rest = words.iter().chain([&last]).map(|word| u128::from(u64::from_ne_bytes(*word))).sum::<u128>();
    let sum = lanes.iter().sum::<u128>() + rest;
    let (carries, words) = ((sum >> 64) as u64, sum as u64);
    carries + (words >> 32) + (words & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Word by word, as RFC 1071 writes it down.
    fn plainly(bytes: &[u8]) -> u16 {
        let mut sum = 0_u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |last| u32::from(*last));
        }
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    const V4: [[u8; 4]; 2] = [[192, 0, 2, 1], [198, 51, 100, 2]];

    /// A datagram of a payload over IPv4 or IPv6, with what the sum over its pseudo header and over all of it is.
    fn datagram(is_v6: bool, payload: &[u8]) -> (Datagram, u16, u16) {
        let mapped = |[a, b, c, d]: [u8; 4]| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        let v6 = |last| [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        let ends = if is_v6 { [v6(1), v6(2)] } else { V4.map(mapped) };
        let length = (8 + payload.len()) as u16;
        let addresses = if is_v6 { ends.concat() } else { V4.concat() };
        let pseudo = [&addresses[..], &length.to_be_bytes(), &[0, 17]].concat();
        let header = [40_000_u16, 2055, length, 0].map(u16::to_be_bytes).concat();
        let sums = (plainly(&pseudo), plainly(&[&pseudo[..], &header, payload].concat()));
        let half = |at: usize| u64::from_ne_bytes(ends[1][at..at + 8].try_into().expect("eight"));
        let datagram = Datagram {
            exporter: ends[0],
            destination: [half(0), half(8)],
            source_port: 40_000,
            destination_port: 2055,
            checksum: 0,
            payload_offset: 42,
            payload_length: payload.len(),
        };
        (datagram, sums.0, sums.1)
    }

    fn payloads() -> impl Iterator<Item = Vec<u8>> {
        (0..200).chain([1399, 1400, 1472, 9000, 65_507]).map(|length: usize| {
            (0..length)
                .map(|index| {
                    ((index.wrapping_mul(2_654_435_761) >> 13) as u8) | if length.is_multiple_of(3) { 0xff } else { 0 }
                })
                .collect()
        })
    }

    #[test]
    fn the_right_checksum_and_no_other_is_taken() {
        for payload in payloads() {
            for is_v6 in [false, true] {
                let (datagram, _, whole) = datagram(is_v6, &payload);
                // Zero would say that there is none.
                let right = if !whole == 0 { 0xffff } else { !whole };
                let with = |checksum| Datagram { checksum, ..datagram };
                for checks in [Checks::Strict, Checks::OrUnfinished] {
                    assert_eq!(check(&with(right), &payload, checks), Ok(()), "{} bytes, {is_v6}", payload.len());
                    let wrong = if right == 0x1234 { 0x1235 } else { 0x1234 };
                    assert_eq!(check(&with(wrong), &payload, checks), Err(Fault::Wrong), "{} bytes", payload.len());
                    for place in [0, payload.len() / 2, payload.len().saturating_sub(1)] {
                        let mut spoilt = payload.clone();
                        let Some(byte) = spoilt.get_mut(place) else { continue };
                        *byte ^= 0x40;
                        assert_eq!(check(&with(right), &spoilt, checks), Err(Fault::Wrong), "byte {place}");
                    }
                }
                assert_eq!(check(&with(0x1234), &payload, Checks::None), Ok(()));
            }
        }
    }

    #[test]
    fn every_field_of_the_header_counts() {
        let payload = b"datagram";
        for is_v6 in [false, true] {
            let (mut datagram, _, whole) = datagram(is_v6, payload);
            datagram.checksum = !whole;
            let mut others = [datagram; 4];
            others[0].exporter[15] ^= 1;
            others[1].destination[1] ^= 1 << 56;
            others[2].source_port ^= 1;
            others[3].destination_port ^= 1;
            for other in others {
                assert_eq!(check(&other, payload, Checks::OrUnfinished), Err(Fault::Wrong), "{other:?}");
            }
            assert_eq!(check(&datagram, &payload[..7], Checks::Strict), Err(Fault::Wrong), "another length");
        }
    }

    #[test]
    fn none_is_right_over_ipv4_alone() {
        for checks in [Checks::Strict, Checks::OrUnfinished] {
            assert_eq!(check(&datagram(false, b"odd").0, b"odd", checks), Ok(()));
            assert_eq!(check(&datagram(true, b"odd").0, b"odd", checks), Err(Fault::Missing));
        }
        assert_eq!(check(&datagram(true, b"odd").0, b"odd", Checks::None), Ok(()));
    }

    #[test]
    fn what_a_local_sender_left_undone_is_known() {
        for payload in payloads() {
            for is_v6 in [false, true] {
                let (datagram, pseudo, whole) = datagram(is_v6, &payload);
                let unfinished = Datagram { checksum: pseudo, ..datagram };
                assert_eq!(check(&unfinished, &payload, Checks::OrUnfinished), Ok(()), "{} bytes", payload.len());
                let is_right_by_chance = !whole == pseudo;
                let strictly = check(&unfinished, &payload, Checks::Strict);
                assert_eq!(strictly.is_ok(), is_right_by_chance, "{} bytes", payload.len());
            }
        }
    }
}
