//! How the target `sequence` makes several datagrams of any bytes.

/// A sequence: each datagram behind its length in two bytes, big-endian. The last may be cut.
pub(crate) fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (payload, rest) = rest.split_at(length);
        bytes = rest;
        Some(payload)
    })
}
