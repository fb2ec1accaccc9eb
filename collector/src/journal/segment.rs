//! Segments: preallocated files of equal size that hold records, named after their number.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | `FLOWJRN1` |
//! | 8 | 16 | id of the journal |
//! | 24 | 8 | number of the segment, little-endian |
//! | 32 | 8 | size of a segment, little-endian |
//! | 40 | 4 | CRC-32C of the 40 bytes before |
//! | 64 | | records |

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};

use super::Position;
use super::mapping::Mapping;
use super::record::{self, ALIGN, Entry, Found};

/// Where the records begin.
pub(super) const FIRST_RECORD: usize = 64;
const MAGIC: [u8; 8] = *b"FLOWJRN1";
const SUFFIX: &str = "segment";

/// The random name of a journal.
pub type Id = [u8; 16];

/// One mapped segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    file: File,
    mapping: Mapping,
    /// End of the last record.
    used: usize,
    pub(super) records: u64,
    /// Whether another run of the program wrote it, so that its records have to be checked.
    is_found: bool,
}

impl Segment {
    /// Makes a segment of `path`, which may hold an old one: all blocks allocated, header written, no record.
    pub(super) fn create(path: PathBuf, id: Id, number: u64, size: NonZeroUsize) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        let length = i64::try_from(size.get()).map_err(io::Error::other)?;
        // Blocks and length at once: a full disk is found out here, where it can be said, and not while writing memory.
        fallocate(file.as_fd(), FallocateFlags::empty(), 0, length)?;
        if file.metadata()?.len() != size.get() as u64 {
            file.set_len(size.get() as u64)?;
        }
        let mut mapping = Mapping::of(&file, size)?;
        mapping.populate();
        write_header(mapping.bytes_mut(), id, number, size);
        Ok(Self { number, path, file, mapping, used: FIRST_RECORD, records: 0, is_found: false })
    }

    /// Opens a segment that another run of the program left; `None` if the file is none of this size.
    pub(super) fn open(path: &Path, size: NonZeroUsize) -> io::Result<Option<(Self, Id)>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        // Reading a mapping beyond the end of its file would end the process.
        if file.metadata()?.len() < size.get() as u64 {
            return Ok(None);
        }
        let mapping = Mapping::of(&file, size)?;
        let Some((id, number)) = read_header(mapping.bytes(), size) else { return Ok(None) };
        let path = path.to_path_buf();
        Ok(Some((Self { number, path, file, mapping, used: FIRST_RECORD, records: 0, is_found: true }, id)))
    }

    /// Appends a record; `None` if there is no room.
    pub(super) fn append(&mut self, entry: &Entry<'_>, length: u32) -> Option<Position> {
        let position = self.position(self.used);
        let end = self.used.checked_add(record::size(entry.payload.len()))?;
        let room = self.mapping.bytes_mut().get_mut(self.used..end)?;
        record::write(entry, length, position, room);
        self.used = end;
        self.records += 1;
        Some(position)
    }

    /// Says that no record follows.
    pub(super) fn seal(&mut self) {
        let position = self.position(self.used);
        if let Some(rest) = self.mapping.bytes_mut().get_mut(self.used..) {
            record::write_end(position, rest);
        }
    }

    /// The first record at or behind an offset, its offset, and the one behind it.
    pub(super) fn read(&self, offset: usize) -> Option<(Entry<'_>, usize, usize)> {
        let written = self.mapping.bytes().get(..self.used)?;
        if !self.is_found {
            let Found::Record(entry, size) = record::parse(written.get(offset..)?) else { return None };
            return Some((entry, offset, offset + size));
        }
        let mut offset = offset;
        while let Some(bytes) = written.get(offset..).filter(|bytes| !bytes.is_empty()) {
            if let Found::Record(entry, size) = record::read(bytes, self.position(offset)) {
                return Some((entry, offset, offset + size));
            }
            offset += ALIGN;
        }
        None
    }

    /// Takes over what a scan found.
    pub(super) fn set_found(&mut self, used: usize, records: u64) {
        (self.used, self.records) = (used, records);
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.mapping.bytes()
    }

    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The position of an offset in it.
    pub(super) fn position(&self, offset: usize) -> Position {
        Position(self.number * self.bytes().len() as u64 + offset as u64)
    }

    /// Lets the kernel take its pages: it is not written any more.
    pub(super) fn rest(&self) {
        self.mapping.forget_pages();
    }

    /// A second handle of the file, to synchronise it from another thread.
    pub(super) fn file(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// The file of a segment.
pub(super) fn path_of(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.{SUFFIX}"))
}

/// Whether a file is called like a segment.
pub(super) fn is_segment(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == SUFFIX)
}

fn write_header(bytes: &mut [u8], id: Id, number: u64, size: NonZeroUsize) {
    bytes[..FIRST_RECORD].fill(0);
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(&id);
    bytes[24..32].copy_from_slice(&number.to_le_bytes());
    bytes[32..40].copy_from_slice(&(size.get() as u64).to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
}

/// Id and number in a header that is whole and of this size.
fn read_header(bytes: &[u8], size: NonZeroUsize) -> Option<(Id, u64)> {
    let is_whole = bytes.get(40..44)? == crc32c::crc32c(bytes.get(..40)?).to_le_bytes();
    let number = |offset: usize| bytes.get(offset..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    let is_ours = bytes.get(..8)? == MAGIC && number(32)? == size.get() as u64;
    let id = *bytes.get(8..)?.first_chunk::<16>()?;
    (is_whole && is_ours).then_some((id, number(24)?))
}
