//! Big-endian numbers and XDR (RFC 4506) as bytes. No protocol knowledge.

/// The low `width` bytes of a number, most significant first; zeros in front where `width` is more than 8.
#[must_use]
pub fn number(value: u64, width: usize) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let mut padded = vec![0; width];
    let kept = width.min(8);
    padded[width - kept..].copy_from_slice(&bytes[8 - kept..]);
    padded
}

/// The fewest bytes that hold a number; none for zero.
#[must_use]
pub fn shortest(value: u64) -> Vec<u8> {
    number(value, (u64::BITS - value.leading_zeros()).div_ceil(8) as usize)
}

/// The largest number of `width` bytes.
#[must_use]
pub fn largest(width: usize) -> u64 {
    if width >= 8 { u64::MAX } else { (1 << (8 * width)) - 1 }
}

/// A length or count as 16 bits.
///
/// # Panics
///
/// When it does not fit, which no datagram is long enough for.
#[must_use]
pub fn short(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("it fits a datagram").to_be_bytes()
}

/// XDR unsigned ints.
#[must_use]
pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// XDR variable-length opaque: the length, the bytes, and zeros up to a whole word.
///
/// # Panics
///
/// When there are 4 GiB or more of them.
#[must_use]
pub fn opaque(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("it fits a datagram");
    let mut value = [&length.to_be_bytes(), bytes].concat();
    value.resize(value.len().next_multiple_of(4), 0);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width() {
        let cases: &[(u64, usize, &[u8])] = &[
            (0x0102, 1, &[2]),
            (0x0102, 2, &[1, 2]),
            (0x0102, 3, &[0, 1, 2]),
            (1, 0, &[]),
            (1, 10, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ];
        for (value, width, expected) in cases {
            assert_eq!(&number(*value, *width), expected, "{value} in {width}");
        }
        assert_eq!([shortest(0), shortest(255), shortest(256)], [vec![], vec![255], vec![1, 0]]);
        assert_eq!([largest(0), largest(3), largest(8)], [0, 0xff_ffff, u64::MAX]);
        assert_eq!(opaque(b"abcde"), [0, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0]);
    }
}
