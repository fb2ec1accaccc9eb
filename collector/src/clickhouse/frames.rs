//! ClickHouse's compression framing of what is sent with `decompress=1`.
//!
//! A frame is a CityHash128 (v1.0.2) checksum of what follows, low half first; a method byte; the compressed size with these nine
//! bytes and the uncompressed size as little-endian `u32`; the data:
//! <https://clickhouse.com/docs/reference/interfaces/specs/NativeFormat#frame-format>.

use bytes::Bytes;

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const METHOD_LZ4: u8 = 0x82;

/// One frame of `data`, which is a few MiB at most.
pub(super) fn lz4(data: &[u8]) -> Bytes {
    let mut frame = vec![0; CHECKSUM_BYTES + HEADER_BYTES];
    frame.resize(frame.len() + lz4_flex::block::get_maximum_output_size(data.len()), 0);
    let packed = lz4_flex::block::compress_into(data, &mut frame[CHECKSUM_BYTES + HEADER_BYTES..]);
    // Cannot fail: there is as much room as the worst data takes.
    let packed_bytes = packed.unwrap_or_default();
    frame.truncate(CHECKSUM_BYTES + HEADER_BYTES + packed_bytes);
    frame[CHECKSUM_BYTES] = METHOD_LZ4;
    let sizes = [packed_bytes + HEADER_BYTES, data.len()].map(|size| u32::try_from(size).unwrap_or(u32::MAX));
    for (place, size) in [CHECKSUM_BYTES + 1, CHECKSUM_BYTES + 5].into_iter().zip(sizes) {
        frame[place..place + 4].copy_from_slice(&size.to_le_bytes());
    }
    let checksum = cityhash_rs::cityhash_102_128(&frame[CHECKSUM_BYTES..]).rotate_right(64);
    frame[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_its_sizes_and_its_data() {
        for data in [&b""[..], b"abc", &[7; 100_000]] {
            let frame = lz4(data);
            let size = |place: usize| u32::from_le_bytes(frame[place..place + 4].try_into().unwrap()) as usize;
            assert_eq!((frame[16], size(17), size(21)), (METHOD_LZ4, frame.len() - CHECKSUM_BYTES, data.len()));
            assert_eq!(lz4_flex::block::decompress(&frame[25..], data.len()).unwrap(), data);
        }
    }
}
