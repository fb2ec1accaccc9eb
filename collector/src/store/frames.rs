//! ClickHouse's native compression framing: `compress=1` answers and `decompress=1` requests.
//!
//! A frame is a CityHash128 (v1.0.2) checksum of what follows, a method byte, the compressed size with these nine bytes and
//! the uncompressed size as little-endian `u32`, and the data
//! (<https://clickhouse.com/docs/reference/interfaces/specs/NativeFormat#frame-format>). Not here: gzip, HTTP.

use std::io::{self, Read};

const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = 9;
const METHOD_LZ4: u8 = 0x82;
const METHOD_NONE: u8 = 0x02;
const METHOD_ZSTD: u8 = 0x90;
/// Uncompressed bytes of a frame that is written: ClickHouse's `max_compress_block_size`.
const WRITTEN_BYTES: usize = 1 << 20;
/// The largest frame that is read, compressed or not: ClickHouse's `DBMS_MAX_COMPRESSED_SIZE`.
const READ_LIMIT_BYTES: usize = 1 << 30;

/// Appends `data` to `out` as frames.
pub(super) fn write(data: &[u8], out: &mut Vec<u8>) {
    for piece in data.chunks(WRITTEN_BYTES) {
        let packed = lz4_flex::block::compress(piece);
        let start = out.len();
        out.extend_from_slice(&[0; CHECKSUM_BYTES]);
        out.push(METHOD_LZ4);
        for size in [packed.len() + HEADER_BYTES, piece.len()] {
            // A piece is 1 MiB at most, so both sizes fit.
            out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend_from_slice(&packed);
        let checksum = checksum(&out[start + CHECKSUM_BYTES..]);
        out[start..start + CHECKSUM_BYTES].copy_from_slice(&checksum);
    }
}

/// The two halves of the hash are written low half first, which is the other way round than the number has them.
fn checksum(data: &[u8]) -> [u8; CHECKSUM_BYTES] {
    cityhash_rs::cityhash_102_128(data).rotate_right(64).to_le_bytes()
}

/// Reads frames and gives what they hold. A wrong checksum, an unknown method, or an end inside a frame is an error.
pub(super) struct FrameReader<R> {
    inner: R,
    packed: Vec<u8>,
    plain: Vec<u8>,
    position: usize,
}

impl<R: Read> FrameReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, packed: Vec::new(), plain: Vec::new(), position: 0 }
    }

    /// Reads the next frame; `false` at the end of the input.
    fn advance(&mut self) -> io::Result<bool> {
        let mut head = [0; CHECKSUM_BYTES + HEADER_BYTES];
        let got = read_full(&mut self.inner, &mut head)?;
        if got == 0 {
            return Ok(false);
        }
        if got < head.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (expected, header) = head.split_at(CHECKSUM_BYTES);
        let [method, p0, p1, p2, p3, u0, u1, u2, u3] = *header else { return Err(broken("no header")) };
        let packed_bytes = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
        let plain_bytes = u32::from_le_bytes([u0, u1, u2, u3]) as usize;
        if !(HEADER_BYTES..=READ_LIMIT_BYTES).contains(&packed_bytes) || plain_bytes > READ_LIMIT_BYTES {
            return Err(broken("a compressed block of an impossible size"));
        }
        self.packed.clear();
        self.packed.extend_from_slice(header);
        // `take` and not `resize`: a size that the sender only claims costs no memory.
        let body_bytes = packed_bytes - HEADER_BYTES;
        let got = self.inner.by_ref().take(body_bytes as u64).read_to_end(&mut self.packed)?;
        if got < body_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if checksum(&self.packed) != expected {
            return Err(broken("checksum of a compressed block does not match"));
        }
        let body = &self.packed[HEADER_BYTES..];
        self.position = 0;
        self.plain.clear();
        match method {
            METHOD_NONE if body.len() == plain_bytes => self.plain.extend_from_slice(body),
            // LZ4 shrinks by a factor of 255 at most, so a greater claim is a lie.
            METHOD_LZ4 if plain_bytes / 255 <= body.len() => {
                self.plain.resize(plain_bytes, 0);
                let written = lz4_flex::block::decompress_into(body, &mut self.plain)
                    .map_err(|_| broken("a compressed block that is not LZ4"))?;
                if written != plain_bytes {
                    return Err(broken("a compressed block shorter than it says"));
                }
            }
            METHOD_ZSTD => return Err(broken("ZSTD blocks are not supported, use LZ4 or no compression")),
            _ => return Err(broken("unknown method or size of a compressed block")),
        }
        Ok(true)
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position == self.plain.len() {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let rest = &self.plain[self.position..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.position += count;
        Ok(count)
    }
}

fn read_full(input: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match input.read(&mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write(data, &mut out);
        out
    }

    fn read(frames: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        FrameReader::new(frames).read_to_end(&mut out).map(|_| out)
    }

    #[test]
    fn what_is_written_reads_back() {
        let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number / 7) as u8).collect();
        for data in [&b""[..], b"x", b"some text, some text, some text", &large] {
            assert_eq!(read(&framed(data)).expect("frames of our own"), data);
        }
    }

    #[test]
    fn broken_frames_are_errors() {
        let whole = framed(b"some text, some text, some text");
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        let mut huge = whole.clone();
        huge[17..21].fill(0xff);
        let cut = &whole[..whole.len() - 1];
        for (name, frames) in [("flipped", &flipped[..]), ("huge", &huge), ("cut", cut), ("short", &whole[..10])] {
            assert!(read(frames).is_err(), "{name}");
        }
    }
}
