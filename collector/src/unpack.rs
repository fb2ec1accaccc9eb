//! Compressed streams, read as what they unpack to: frames of LZ4 and Zstandard one behind the other, and files of either kind, gzip or xz
//! told by their first bytes.
//!
//! Memory is bounded by the window that each may refer back by; what is unpacked is never held as a whole. Not here: how much may come
//! out of it, which is for who reads it.

use std::io::{self, BufRead, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The furthest that a compressed file may refer back: what `zstd -d` takes by itself, and twice what `xz -9` makes.
const WINDOW_BYTES: u64 = 128 << 20;
/// The same with what else xz needs, in KiB.
const XZ_KIBIBYTES: u32 = 132 << 10;

/// What a file unpacks to, if it is compressed in a way that its first bytes tell; else the file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn by_magic(mut input: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    const MAGIC: u64 = 6;
    let mut magic = Vec::new();
    input.by_ref().take(MAGIC).read_to_end(&mut magic)?;
    let is = |bytes: &[u8]| magic.starts_with(bytes);
    // A frame of Zstandard that is to be skipped may be the first.
    let is_skipped = magic.get(1..4) == Some(&[0x2a, 0x4d, 0x18]) && magic[0] & 0xf0 == 0x50;
    let (gzip, zstd) = (is(&[0x1f, 0x8b]), is(&[0x28, 0xb5, 0x2f, 0xfd]) || is_skipped);
    let (xz, lz4) = (is(&[0xfd, b'7', b'z', b'X', b'Z', 0]), is(&[0x04, 0x22, 0x4d, 0x18]));
    let whole = Cursor::new(magic).chain(input);
    Ok(match () {
        () if gzip => Box::new(Named { name: "gzip", inner: MultiGzDecoder::new(whole) }),
        () if zstd => Box::new(Named { name: "zstd", inner: ZstdFrames::new(whole, WINDOW_BYTES) }),
        () if xz => Box::new(Named { name: "xz", inner: XzReader::new_mem_limit(whole, true, XZ_KIBIBYTES) }),
        () if lz4 => Box::new(Named { name: "lz4", inner: Lz4Frames::new(whole) }),
        () => Box::new(whole),
    })
}

/// Says of an error what was being unpacked.
struct Named<R> {
    name: &'static str,
    inner: R,
}

impl<R: Read> Read for Named<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.inner.read(out).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let what =
                format!("what it holds in {} is damaged or cut short ({error}): what comes before was read", self.name);
            io::Error::new(error.kind(), what)
        })
    }
}

/// Notes that its input has ended or broken off: the decoder of LZ4 takes both for the end of a frame.
struct Ending<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out);
        self.ended |= read.as_ref().map_or(true, |count| *count == 0 && !out.is_empty());
        read
    }
}

/// LZ4 frames, one behind the other.
pub(crate) struct Lz4Frames<R: BufRead> {
    decoder: frame::FrameDecoder<Ending<R>>,
    in_frame: bool,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { decoder: frame::FrameDecoder::new(Ending { inner: input, ended: false }), in_frame: false }
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty() {
            if !self.in_frame && self.decoder.get_mut().inner.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.in_frame = true;
            let count = self.decoder.read(out)?;
            if count > 0 {
                return Ok(count);
            }
            if self.decoder.get_ref().ended {
                return Err(broken("LZ4 that ends within a frame"));
            }
            self.in_frame = false;
        }
        Ok(0)
    }
}

/// Zstandard frames, one behind the other.
pub(crate) struct ZstdFrames<R> {
    input: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    /// Frames that refer back by no more than these bytes, which are held in memory.
    pub(crate) fn new(input: R, window_bytes: u64) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(window_bytes);
        Self { input, decoder, in_frame: false }
    }

    /// Goes on to the next frame; `false` at the end of the input.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.input) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.input.by_ref().take(length), &mut io::sink())? < length {
                        return Err(broken("Zstandard that ends within a frame"));
                    }
                }
                Err(error) => return Err(broken(format!("no Zstandard: {error}"))),
            }
        }
        Ok(false)
    }

    /// Ends the frame; its checksum must be that of what it held.
    fn end(&mut self) -> io::Result<()> {
        self.in_frame = false;
        let told = self.decoder.get_checksum_from_data();
        if told.is_some() && told != self.decoder.get_calculated_checksum() {
            return Err(broken("a Zstandard frame whose checksum does not match"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !out.is_empty() {
            if !self.in_frame && !self.begin()? {
                return Ok(0);
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(out);
            }
            if self.decoder.is_finished() {
                self.end()?;
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| broken(format!("Zstandard that is broken: {error}")))?;
        }
        Ok(0)
    }
}

pub(crate) fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// 300 KB that repeat, packed by `xz -9`, which no library here writes.
    const XZ: &[u8] = include_bytes!("unpack/numbers.xz");

    fn numbers() -> Vec<u8> {
        (0..75_000_u32).flat_map(|number| (number / 13).to_be_bytes()).collect()
    }

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn lz4(data: &[u8]) -> Vec<u8> {
        let mut encoder = frame::FrameEncoder::new(Vec::new());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Gives one byte at a time, as a slow pipe may.
    struct Slow(Cursor<Vec<u8>>);

    impl Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(1);
            self.0.read(&mut out[..count])
        }
    }

    fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        by_magic(BufReader::new(Slow(Cursor::new(packed.to_vec()))))?.read_to_end(&mut plain)?;
        Ok(plain)
    }

    #[test]
    fn files_are_told_by_their_first_bytes() {
        let data = numbers();
        for packed in [gzip(&data), zstd(&data), lz4(&data), XZ.to_vec(), data.clone()] {
            assert!(unpack(&packed).unwrap() == data, "{:02x?}", &packed[..6]);
        }
        let skipped = [b"\x50\x2a\x4d\x18\x03\0\0\0abc", &zstd(&data)[..]].concat();
        assert!(unpack(&skipped).unwrap() == data, "behind a frame that is skipped");
        for packed in [gzip(&data), zstd(&data), XZ.to_vec()] {
            let twice = packed.repeat(2);
            assert_eq!(unpack(&twice).unwrap().len(), 2 * data.len(), "two, one behind the other");
        }
        for short in [&b""[..], b"a", b"abc", b"not compressed"] {
            assert_eq!(unpack(short).unwrap(), short);
        }
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error_that_says_so() {
        let data = numbers();
        for packed in [gzip(&data), zstd(&data), lz4(&data), XZ.to_vec()] {
            for cut in [packed.len() - 1, packed.len() / 2, 8] {
                let error = unpack(&packed[..cut]).unwrap_err().to_string();
                assert!(error.contains("damaged or cut short"), "{:02x?}, {cut} bytes: {error}", &packed[..6]);
            }
            if packed.starts_with(&[0x04, 0x22]) {
                // Frames of LZ4 have a checksum only if who packs them asks for it.
                continue;
            }
            let mut changed = packed.clone();
            let middle = packed.len() / 2;
            changed[middle] ^= 0x55;
            assert!(
                unpack(&changed).is_err_and(|error| error.to_string().contains("damaged")),
                "{:02x?}",
                &packed[..6]
            );
        }
    }

    #[test]
    fn memory_is_bounded() {
        // A frame of Zstandard that says it refers back by 2 GiB, and one of xz with a dictionary of 1.5 GiB.
        let far = [0x28, 0xb5, 0x2f, 0xfd, 0, 0xa8, 0x01, 0, 0];
        assert!(unpack(&far).is_err());
        let mut large = XZ.to_vec();
        let property = large.windows(3).position(|bytes| bytes == [0x21, 1, 28]).expect("the filter of LZMA2") + 2;
        large[property] = 37;
        let header = property - 4;
        let length = (usize::from(large[header]) + 1) * 4;
        let checksum = crc32(&large[header..header + length - 4]);
        large[header + length - 4..header + length].copy_from_slice(&checksum.to_le_bytes());
        let error = unpack(&large).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum()
    }
}
