//! A request's body on its way into the engine: received, decompressed, and held back until it is complete.
//!
//! The engine reads an INSERT's data from a file descriptor. It gets one only when the last byte has arrived, so that a
//! client that breaks off inserts nothing. Up to [`MEMORY_LIMIT_BYTES`] are held in memory, more in a file without a name.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::sync::mpsc;

use super::errors::{CANNOT_DECOMPRESS, CANNOT_READ_ALL_DATA, Exception, NOT_ENOUGH_SPACE};
use super::frames::FrameReader;

/// Bytes of a body that are held in memory.
const MEMORY_LIMIT_BYTES: u64 = 64 << 20;

/// How a body is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Packing {
    /// `Content-Encoding`.
    pub(super) encoding: Encoding,
    /// `decompress=1`: ClickHouse's frames, inside the encoding.
    pub(super) frames: bool,
}

/// HTTP content encodings that are understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    #[default]
    Identity,
    Gzip,
    Deflate,
}

/// The body as the network delivers it.
pub(super) struct Incoming {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

impl Incoming {
    pub(super) fn new(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { receiver, current: Bytes::new() }
    }

    /// The body, unpacked.
    pub(super) fn unpacked(self, packing: Packing) -> Box<dyn Read> {
        let decoded: Box<dyn Read> = match packing.encoding {
            Encoding::Identity => Box::new(self),
            Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(self)),
            Encoding::Deflate => Box::new(flate2::read::ZlibDecoder::new(self)),
        };
        if packing.frames { Box::new(FrameReader::new(decoded)) } else { decoded }
    }
}

impl Read for Incoming {
    /// Blocks the thread until the client has sent more.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(out.len());
        out[..count].copy_from_slice(&self.current.split_to(count));
        Ok(count)
    }
}

/// A complete body, readable by path.
pub(super) struct Spool {
    file: File,
    in_memory: bool,
    length: u64,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        let file = memfd_create(c"collector-insert", MFdFlags::MFD_CLOEXEC)?;
        Ok(Self { file: file.into(), in_memory: true, length: 0 })
    }

    /// Appends all of `input`; past the limit what is held moves into a file in `directory`.
    pub(super) fn append(&mut self, input: &mut dyn Read, directory: &Path) -> io::Result<()> {
        let mut buffer = vec![0; 256 << 10];
        loop {
            let count = match input.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.length += count as u64;
            if self.in_memory && self.length > MEMORY_LIMIT_BYTES {
                self.move_to_disk(directory)?;
            }
            self.file.write_all(&buffer[..count])?;
        }
    }

    fn move_to_disk(&mut self, directory: &Path) -> io::Result<()> {
        let mut file = nameless_file(directory)?;
        self.file.rewind()?;
        io::copy(&mut self.file, &mut file)?;
        self.file = file;
        self.in_memory = false;
        Ok(())
    }

    /// The path under which the engine, being in the same process, can open it.
    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Bytes held.
    pub(super) fn len(&self) -> u64 {
        self.length
    }
}

/// A file that vanishes with its last descriptor.
fn nameless_file(directory: &Path) -> io::Result<File> {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = directory.join(format!("insert-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// What a failure to receive or unpack is to the client.
pub(super) fn exception(error: &io::Error) -> Exception {
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) {
        let message = format!("Cannot unpack the request's body: {error}");
        return Exception::new(CANNOT_DECOMPRESS, "CANNOT_DECOMPRESS", message);
    }
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::OutOfMemory) {
        let message = format!("No space to hold the request's body: {error}");
        return Exception::new(NOT_ENOUGH_SPACE, "NOT_ENOUGH_SPACE", message);
    }
    let message = format!("The request's body broke off, nothing was inserted: {error}");
    Exception::new(CANNOT_READ_ALL_DATA, "CANNOT_READ_ALL_DATA", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_reads_back_from_memory_and_from_disk() {
        let directory = std::env::temp_dir();
        for length in [0, 10, MEMORY_LIMIT_BYTES + 10] {
            let mut spool = Spool::new().expect("memfd");
            spool.append(&mut io::repeat(7).take(length), &directory).expect("space");
            assert_eq!(spool.len(), length);
            assert_eq!(spool.in_memory, length <= MEMORY_LIMIT_BYTES);
            let read = File::open(spool.path()).expect("open by path");
            assert_eq!(read.metadata().expect("metadata").len(), length);
        }
    }
}
