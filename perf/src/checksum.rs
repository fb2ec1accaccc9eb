//! The internet checksum (RFC 1071), whole and brought up to date (RFC 1624).

/// The sum of 16-bit words, not folded; an odd byte at the end is the upper half of its word.
#[must_use]
pub fn sum(bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs.remainder().first().map_or(0, |last| u64::from(*last) << 8);
    pairs.map(|pair| u64::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u64>() + odd
}

/// The checksum of a sum.
#[must_use]
pub fn folded(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The checksum after a 32-bit number at an even offset was replaced (RFC 1624, equation 3).
#[must_use]
pub fn updated(checksum: u16, old: u32, new: u32) -> u16 {
    let halves = |value: u32| u64::from(value >> 16) + u64::from(value & 0xffff);
    folded(u64::from(!checksum) + halves(!old) + halves(new))
}

/// A checksum as UDP writes it: zero would say that there is none (RFC 768).
#[must_use]
pub fn of_udp(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(!folded(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), 0xddf2);
        assert_eq!(sum(&[1]), 0x100);
    }

    #[test]
    fn updating_is_computing_anew() {
        let mut random = Random::new(3);
        let mut bytes = random.bytes(100);
        let mut checksum = folded(sum(&bytes));
        for _ in 0..10_000 {
            let at = 2 * random.below(49) as usize;
            let old = u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
            let new = random.pick(&[0, u32::MAX, old.wrapping_add(1), random.clone().bits() as u32]);
            bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
            checksum = updated(checksum, old, new);
            // Both forms of zero are right.
            let whole = folded(sum(&bytes));
            assert!(
                checksum == whole || checksum ^ whole == 0xffff && checksum.wrapping_add(1) < 2,
                "{checksum} {whole}"
            );
        }
    }
}
