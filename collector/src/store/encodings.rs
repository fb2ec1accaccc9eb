//! HTTP's content encodings: gzip, deflate, LZ4 frames and Zstandard, as clients pack requests and want answers.
//!
//! ClickHouse's clients send LZ4 and Zstandard (clickhouse-connect does so by default), which no HTTP standard names but the second
//! (RFC 8878). A body may consist of several frames. Not here: ClickHouse's own frames ([`super::frames`]).

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::rc::Rc;

use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use lz4_flex::frame;

use crate::unpack::{Lz4Frames, ZstdFrames, broken};

/// Bytes that any body may have once it is unpacked.
const FREE_BYTES: u64 = 256 << 20;
/// How many times its own length a longer body may have. What exceeds it was made to fill the disk.
const TIMES: u64 = 200;
/// The furthest that Zstandard may refer back, which is held in memory: what RFC 8878 wants of every decoder, and all that the
/// levels up to 19 use.
const WINDOW_BYTES: u64 = 8 << 20;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Gzip,
    Deflate,
    Lz4,
    Zstd,
}

impl Encoding {
    /// The encoding of this name in `Content-Encoding`.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "lz4" => Some(Self::Lz4),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The encoding of an answer to a client that accepts these: LZ4, which costs least, or gzip.
    pub(super) fn accepted(names: &str) -> Self {
        let is_accepted = |wanted: &str| {
            names.split(',').any(|one| {
                let (name, weight) = one.split_once(';').unwrap_or((one, ""));
                let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
                name.trim().eq_ignore_ascii_case(wanted) && weight != Some(0.0)
            })
        };
        [("lz4", Self::Lz4), ("gzip", Self::Gzip)]
            .into_iter()
            .find_map(|(name, encoding)| is_accepted(name).then_some(encoding))
            .unwrap_or_default()
    }

    /// Its name in `Content-Encoding`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// What `input` unpacks to, within bounds.
    pub(super) fn unpacked(self, input: impl BufRead + 'static) -> Box<dyn Read> {
        let packed = Rc::new(Cell::new(0));
        let input = Counted { inner: input, count: packed.clone() };
        let plain: Box<dyn Read> = match self {
            Self::Identity => return Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Deflate => Box::new(ZlibDecoder::new(input)),
            Self::Lz4 => Box::new(Lz4Frames::new(input)),
            Self::Zstd => Box::new(ZstdFrames::new(input, WINDOW_BYTES)),
        };
        Box::new(Bounded { inner: plain, packed, plain: 0 })
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.count.set(self.count.get() + count as u64);
        self.inner.consume(count);
    }
}

/// Ends with an error where a body grows beyond all measure.
struct Bounded<R> {
    inner: R,
    packed: Rc<Cell<u64>>,
    plain: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.plain += count as u64;
        if self.plain > FREE_BYTES && self.plain / TIMES > self.packed.get() {
            return Err(broken(format!(
                "it unpacks to more than {FREE_BYTES} bytes and more than {TIMES} times its length; send it in several requests"
            )));
        }
        Ok(count)
    }
}

/// Packs an answer piece by piece.
pub(super) enum Encoder {
    Identity,
    Gzip(GzEncoder<Vec<u8>>),
    Lz4(Box<frame::FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    /// An encoder for one of the encodings that [`Encoding::accepted`] chooses.
    pub(super) fn new(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Lz4 => Self::Lz4(Box::new(frame::FrameEncoder::new(Vec::new()))),
            Encoding::Identity | Encoding::Deflate | Encoding::Zstd => Self::Identity,
        }
    }

    /// Whether bytes leave as they come.
    pub(super) fn is_identity(&self) -> bool {
        matches!(self, Self::Identity)
    }

    /// Packs a piece so that it can be read without the next.
    pub(super) fn pack(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        // Writing into memory does not fail.
        match self {
            Self::Identity => bytes,
            Self::Gzip(encoder) => {
                let _ = encoder.write_all(&bytes).and_then(|()| encoder.flush());
                std::mem::take(encoder.get_mut())
            }
            Self::Lz4(encoder) => {
                let _ = encoder.write_all(&bytes).and_then(|()| encoder.flush());
                std::mem::take(encoder.get_mut())
            }
        }
    }

    /// What is left at the end.
    pub(super) fn finish(self) -> Vec<u8> {
        match self {
            Self::Identity => Vec::new(),
            Self::Gzip(encoder) => encoder.finish().unwrap_or_default(),
            Self::Lz4(encoder) => encoder.finish().unwrap_or_default(),
        }
    }
}

/// The largest piece that is unpacked at a time.
pub(super) fn buffered(input: impl Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(256 << 10, input))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lz4(data: &[u8]) -> Vec<u8> {
        let mut encoder = frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn read(encoding: Encoding, packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        encoding.unpacked(io::Cursor::new(packed.to_vec())).read_to_end(&mut plain).map(|_| plain)
    }

    #[test]
    fn frames_read_back_one_behind_the_other() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|number| (number / 13) as u8).collect();
        // A skippable frame of 3 bytes, RFC 8878 section 3.1.2.
        let skipped = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
        for (encoding, packed) in [(Encoding::Lz4, lz4(&data)), (Encoding::Zstd, zstd(&data))] {
            assert!(read(encoding, &packed).expect("a frame") == data, "{encoding:?}");
            let twice = [packed.clone(), packed.clone()].concat();
            assert!(read(encoding, &twice).expect("two frames").len() == 2 * data.len(), "{encoding:?}");
            assert_eq!(read(encoding, b"").expect("nothing"), b"", "{encoding:?}");
            for cut in [packed.len() - 1, packed.len() - 5, packed.len() / 2, 10, 4, 2] {
                assert!(read(encoding, &packed[..cut]).is_err(), "{encoding:?}, {cut} bytes");
            }
            assert!(read(encoding, b"SELECT 1, and no frame").is_err(), "{encoding:?}");
            let behind = [packed, b"SELECT 1".to_vec()].concat();
            assert!(read(encoding, &behind).is_err(), "{encoding:?}");
        }
        let between = [skipped.clone(), zstd(b"x"), skipped].concat();
        assert_eq!(read(Encoding::Zstd, &between).expect("frames"), b"x");
    }

    /// Gives its bytes, then breaks off as a connection does.
    struct BreaksOff(io::Cursor<Vec<u8>>);

    impl Read for BreaksOff {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            match self.0.read(out)? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                count => Ok(count),
            }
        }
    }

    #[test]
    fn a_connection_that_breaks_off_is_no_end() {
        let data: Vec<u8> = (0..1_000_000_u32).map(|number| (number / 13) as u8).collect();
        for (encoding, packed) in [(Encoding::Lz4, lz4(&data)), (Encoding::Zstd, zstd(&data))] {
            for length in 0..packed.len() {
                let input = BufReader::new(BreaksOff(io::Cursor::new(packed[..length].to_vec())));
                assert!(io::copy(&mut encoding.unpacked(input), &mut io::sink()).is_err(), "{encoding:?} {length}");
            }
        }
    }

    #[test]
    fn a_changed_byte_is_found_by_its_checksum() {
        let mut packed = zstd(b"some text that is packed");
        let has_checksum = packed[4] & 4 != 0;
        assert!(has_checksum, "the encoder writes checksums");
        *packed.last_mut().expect("not empty") ^= 1;
        assert!(read(Encoding::Zstd, &packed).is_err());
    }

    #[test]
    fn bombs_are_refused() {
        // Blocks of one repeated byte (RLE, RFC 8878 section 3.1.1.2.2): 4 bytes for 128 KiB each. Window 128 KiB.
        let mut bomb = b"\x28\xb5\x2f\xfd\x00\x38".to_vec();
        for _ in 0..4096 {
            bomb.extend_from_slice(&[0x02, 0x00, 0x10, 0]);
        }
        bomb.extend_from_slice(&[0x01, 0, 0]);
        let mut plain = Encoding::Zstd.unpacked(io::Cursor::new(bomb));
        let error = io::copy(&mut plain, &mut io::sink()).expect_err("a bomb");
        assert!(error.to_string().contains("more than 200 times"), "{error}");
        // A window of 1 GiB is not even allocated.
        let wide = b"\x28\xb5\x2f\xfd\x00\xa0\x01\0\0";
        assert!(read(Encoding::Zstd, wide).is_err());
    }

    #[test]
    fn the_cheapest_encoding_that_is_accepted() {
        for (accepted, expected) in [
            ("", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Gzip),
            ("zstd,lz4,gzip", Encoding::Lz4),
            ("lz4;q=0, gzip;q=0.5", Encoding::Gzip),
            ("br", Encoding::Identity),
        ] {
            assert_eq!(Encoding::accepted(accepted), expected, "{accepted}");
        }
    }
}
