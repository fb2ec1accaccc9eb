//! A request's body on its way into the engine: received, decompressed, and held back until it is complete.
//!
//! The engine reads an INSERT's data from a file descriptor. It gets one only when the last byte has arrived, so that a
//! client that breaks off inserts nothing. Up to [`MEMORY_LIMIT_BYTES`] are held in memory, more in a file without a name.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use nix::sys::memfd::{MFdFlags, memfd_create};
use tokio::sync::mpsc;

use super::encodings::{Encoding, buffered};
use super::errors::{CANNOT_DECOMPRESS, CANNOT_READ_ALL_DATA, Exception, NOT_ENOUGH_SPACE};
use super::frames::FrameReader;

/// Bytes of a body that are held in memory.
const MEMORY_LIMIT_BYTES: u64 = 64 << 20;
/// Memory files that are kept for the next bodies: those of two inserters.
const IDLE_FILES: usize = 2;
/// A longer one is not kept: it was no block of a collector.
const IDLE_BYTES: u64 = 32 << 20;

/// How a body is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Packing {
    /// `Content-Encoding`.
    pub(super) encoding: Encoding,
    /// `decompress=1`: ClickHouse's frames, inside the encoding.
    pub(super) frames: bool,
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

    /// The body, unpacked. One that is not packed is lent as it came, without a copy.
    pub(super) fn unpacked(self, packing: Packing) -> Box<dyn BufRead> {
        match (packing.encoding, packing.frames) {
            (Encoding::Identity, false) => Box::new(self),
            (Encoding::Identity, true) => buffered(FrameReader::new(self)),
            (encoding, false) => buffered(encoding.unpacked(self)),
            (encoding, true) => buffered(FrameReader::new(encoding.unpacked(self))),
        }
    }
}

impl Read for Incoming {
    /// Blocks the thread until the client has sent more.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let piece = self.fill_buf()?;
        let count = piece.len().min(out.len());
        out[..count].copy_from_slice(&piece[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Incoming {
    /// As for reading; empty at the end.
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => break,
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, count: usize) {
        self.current.advance(count.min(self.current.len()));
    }
}

/// Memory files whose bodies are stored, for the next ones: their pages need not be made anew.
#[derive(Debug, Default)]
pub(super) struct Spools(Mutex<Vec<File>>);

impl Spools {
    /// An empty spool.
    pub(super) fn take(&self) -> io::Result<Spool<'_>> {
        let idle = self.idle().pop();
        let file = match idle {
            Some(file) => file,
            None => memfd_create(c"collector-insert", MFdFlags::MFD_CLOEXEC)?.into(),
        };
        Ok(Spool { file, in_memory: true, length: 0, home: self })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<File>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body, readable by path once it is complete.
pub(super) struct Spool<'h> {
    file: File,
    in_memory: bool,
    length: u64,
    home: &'h Spools,
}

impl Spool<'_> {
    /// Takes all of `input`; past the limit what is held moves into a file in `directory`.
    pub(super) fn fill(&mut self, input: &mut dyn BufRead, directory: &Path) -> io::Result<()> {
        loop {
            let piece = match input.fill_buf() {
                Ok([]) => break,
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let count = piece.len();
            if self.in_memory && self.length + count as u64 > MEMORY_LIMIT_BYTES {
                self.move_to_disk(directory)?;
            }
            self.file.write_all(piece)?;
            self.length += count as u64;
            input.consume(count);
        }
        // What a longer body left there is no part of this one.
        self.file.set_len(self.length)
    }

    fn move_to_disk(&mut self, directory: &Path) -> io::Result<()> {
        let mut file = nameless_file(directory)?;
        self.file.set_len(self.length)?;
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

impl Drop for Spool<'_> {
    /// Keeps the file for the next body where it is in memory and not too long.
    fn drop(&mut self) {
        let is_kept = self.in_memory && self.length <= IDLE_BYTES && self.file.rewind().is_ok();
        let Some(file) = self.file.try_clone().ok().filter(|_| is_kept) else { return };
        let mut idle = self.home.idle();
        if idle.len() < IDLE_FILES {
            idle.push(file);
        }
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
    use std::io::BufReader;

    use super::*;

    #[test]
    fn a_spool_reads_back_from_memory_and_from_disk() {
        let directory = std::env::temp_dir();
        let spools = Spools::default();
        // A file is used again, also for less than it held.
        for (length, idle) in [(0, 1), (1 << 20, 1), (10, 1), (IDLE_BYTES + 1, 0), (MEMORY_LIMIT_BYTES + 10, 0)] {
            let mut spool = spools.take().expect("memfd");
            spool.fill(&mut BufReader::new(io::repeat(7).take(length)), &directory).expect("space");
            assert_eq!(spool.len(), length);
            assert_eq!(spool.in_memory, length <= MEMORY_LIMIT_BYTES);
            let mut read = Vec::new();
            File::open(spool.path()).expect("open by path").read_to_end(&mut read).expect("read");
            assert!(read.len() as u64 == length && read.iter().all(|byte| *byte == 7), "{length}");
            drop(spool);
            assert_eq!(spools.idle().len(), idle, "{length}");
        }
    }

    #[test]
    fn what_was_not_sent_to_its_end_is_no_part_of_the_next_body() {
        let (directory, spools) = (std::env::temp_dir(), Spools::default());
        let mut broken = spools.take().expect("memfd");
        let mut input = BufReader::new(io::repeat(1).take(1000).chain(Broken));
        broken.fill(&mut input, &directory).expect_err("it breaks off");
        drop(broken);
        let mut next = spools.take().expect("memfd");
        next.fill(&mut &b"whole"[..], &directory).expect("space");
        assert_eq!(std::fs::read(next.path()).expect("read"), b"whole");
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _out: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
