//! Reading big-endian numbers out of byte slices without a chance to panic. No protocol knowledge here.

/// The two bytes at `offset` as a number; `None` past the end.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    chunk_at(bytes, offset).map(u16::from_be_bytes)
}

/// The four bytes at `offset` as a number; `None` past the end.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    chunk_at(bytes, offset).map(u32::from_be_bytes)
}

/// `W` bytes from `offset`; `None` past the end.
pub(crate) fn chunk_at<const W: usize>(bytes: &[u8], offset: usize) -> Option<[u8; W]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// An unsigned number of 1 to 8 bytes (reduced-size encoding, RFC 7011 section 6.2); `None` for any other length.
pub(crate) fn unsigned(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() || bytes.len() > 8 {
        return None;
    }
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// A variable-length value at `offset` (RFC 7011 section 7) and the offset after it; `None` if it runs past the end.
pub(crate) fn variable_at(bytes: &[u8], offset: usize) -> Option<(&[u8], usize)> {
    let tail = bytes.get(offset..)?;
    let (prefix, length) = match tail.first()? {
        255 => (3, usize::from(u16_at(tail, 1)?)),
        short => (1, usize::from(*short)),
    };
    let value = tail.get(prefix..)?.get(..length)?;
    Some((value, offset.wrapping_add(prefix).wrapping_add(length)))
}

/// Whether every byte is zero, as padding should be.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// A string without the zeros that fill a fixed-length field.
pub(crate) fn without_trailing_zeros(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
    bytes.get(..end).unwrap_or(bytes)
}
