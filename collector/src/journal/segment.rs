//! Segments: preallocated files of equal size that hold records.

use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::allocate::allocate;
use super::header::{self, Content, FIRST_RECORD};
use super::mapping::Mapping;
use super::prefetch;
use super::record::{self, ALIGN, Entry, Found, Seed};
use super::{Id, Position};

const SUFFIX: &str = "segment";

/// A file that is ready to become a segment: all blocks allocated, all pages in memory.
#[derive(Debug)]
pub(super) struct Blank {
    path: PathBuf,
    file: Arc<File>,
    mapping: Mapping,
}

impl Blank {
    /// Makes `path` ready, which may be an old file or none.
    pub(super) fn make(path: PathBuf, id: &Id, size: NonZeroUsize, is_synchronised: bool) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
        allocate(&file, size.get() as u64)?;
        let mut mapping = Mapping::of(&file, size)?;
        mapping.populate()?;
        let spare = header::header(id, None, size.get() as u64);
        mapping.bytes_mut()[..spare.len()].copy_from_slice(&spare);
        if is_synchronised {
            file.sync_all()?;
        }
        Ok(Self { path, file: Arc::new(file), mapping })
    }

    /// The file, to synchronise it from another thread.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

/// One segment.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    number: u64,
    start: Position,
    size: NonZeroUsize,
    content: Content,
    /// Present while it is written or read; made again when it is read after that.
    mapping: OnceCell<Option<Mapping>>,
    /// Whether all that is mapped was written through this mapping, so that records need no check.
    is_trusted: bool,
    /// Whether it was begun by this run: what another run left may say already where its records end.
    takes_records: bool,
}

impl Segment {
    /// Makes a segment of a blank, without records.
    pub(super) fn begin(blank: Blank, id: &Id, number: u64) -> Self {
        let Blank { path, file: _, mut mapping } = blank;
        let size = mapping.len_bytes();
        let header = header::header(id, Some(number), size.get() as u64);
        mapping.bytes_mut()[..header.len()].copy_from_slice(&header);
        let start = header::start(number, size.get() as u64);
        let mapping = OnceCell::from(Some(mapping));
        Self { path, number, start, size, content: Content::EMPTY, mapping, is_trusted: true, takes_records: true }
    }

    /// A segment that another run of the program left.
    pub(super) fn found(path: PathBuf, number: u64, size: NonZeroUsize, content: Content) -> Self {
        let start = header::start(number, size.get() as u64);
        Self { path, number, start, size, content, mapping: OnceCell::new(), is_trusted: false, takes_records: false }
    }

    /// The same segment as it is now, for another thread to read.
    pub(super) fn again(&self) -> Self {
        Self::found(self.path.clone(), self.number, self.size, self.content)
    }

    /// Appends a record; `None` if there is no room.
    pub(super) fn append(&mut self, entry: &Entry<'_>, length: u32, seed: Seed) -> Option<Position> {
        if !self.takes_records {
            return None;
        }
        let position = self.position(self.content.used);
        let end = self.content.used.checked_add(record::size(entry.payload.len()))?;
        let bytes = self.mapping.get_mut()?.as_mut()?.bytes_mut();
        prefetch::ahead(bytes, self.content.used, end);
        let room = bytes.get_mut(self.content.used..end)?;
        record::write(entry, length, seed, position, room);
        self.content.add(entry.received_ns, end);
        Some(position)
    }

    /// Whether records of `bytes` in all can be appended.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.takes_records && self.size.get() - self.content.used.min(self.size.get()) >= bytes
    }

    /// Says in the file what it holds: no record follows.
    pub(super) fn seal(&mut self, id: &Id) {
        // A file that cannot be mapped is scanned again next time.
        let _ = self.bytes();
        let mapping = self.mapping.get_mut().and_then(Option::as_mut);
        let Some(front) = mapping.and_then(|mapping| mapping.bytes_mut().first_chunk_mut::<FIRST_RECORD>()) else {
            return;
        };
        header::seal(front, id, self.number, &self.content);
    }

    /// Says in the file that its content means nothing any more, so that it does not come back with the next start.
    pub(super) fn void(&mut self, id: &Id) {
        let header = header::header(id, None, self.size.get() as u64);
        let mapping = self.mapping.get_mut().and_then(Option::as_mut);
        if let Some(front) = mapping.and_then(|mapping| mapping.bytes_mut().first_chunk_mut()) {
            *front = header;
        }
    }

    /// The first record at or behind an offset, its offset, and the one behind it.
    pub(super) fn read(&self, offset: usize, seed: Seed) -> Option<(Entry<'_>, usize, usize)> {
        let bytes = self.bytes();
        let written = bytes.get(..self.content.used.min(bytes.len()))?;
        let mut offset = offset.max(FIRST_RECORD);
        if self.is_trusted {
            let (entry, size) = record::parse(written.get(offset..)?)?;
            return Some((entry, offset, offset + size));
        }
        while let Some(bytes) = written.get(offset..).filter(|bytes| !bytes.is_empty()) {
            if let Found::Record(entry, size) = record::read(bytes, seed, self.position(offset)) {
                return Some((entry, offset, offset + size));
            }
            offset += ALIGN;
        }
        None
    }

    /// Its bytes, as many as the file has; none if it cannot be read.
    pub(super) fn bytes(&self) -> &[u8] {
        self.mapping.get_or_init(|| self.map().ok().flatten()).as_ref().map_or(&[], Mapping::bytes)
    }

    /// Maps it, unless it is mapped; later it is made anew when it is needed.
    pub(super) fn load(&mut self) -> io::Result<()> {
        if self.mapping.get().is_none() {
            self.mapping = OnceCell::from(self.map()?);
        }
        Ok(())
    }

    fn map(&self) -> io::Result<Option<Mapping>> {
        let file = OpenOptions::new().read(true).write(true).open(&self.path)?;
        // Reading a mapping beyond the end of its file would end the process.
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).min(self.size.get());
        NonZeroUsize::new(length).map(|length| Mapping::of(&file, length)).transpose()
    }

    /// Takes the mapping away, for another thread to undo; it is made again when it is needed.
    pub(super) fn rest(&mut self) -> Option<Mapping> {
        self.is_trusted = false;
        self.mapping.take().flatten()
    }

    /// Takes over what a scan found.
    pub(super) fn set_content(&mut self, content: Content) {
        self.content = content;
    }

    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Position {
        self.start
    }

    /// Where the next one begins.
    pub(super) fn end(&self) -> Position {
        self.position(self.size.get())
    }

    /// The position of an offset in it.
    pub(super) fn position(&self, offset: usize) -> Position {
        Position(self.start.0 + offset as u64)
    }
}

/// Says in a file that its content means nothing any more.
pub(super) fn void(path: &Path, id: &Id, size: NonZeroUsize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&header::header(id, None, size.get() as u64), 0)
}

/// The name of the file of this number among all that were ever made for a journal.
pub(super) fn path_of(directory: &Path, file: u64) -> PathBuf {
    directory.join(format!("{file:08}.{SUFFIX}"))
}

/// The number in the name of a file; `None` if it is not called like one of ours.
pub(super) fn file_number(path: &Path) -> Option<u64> {
    let is_ours = path.extension().is_some_and(|extension| extension == SUFFIX);
    path.file_stem().filter(|_| is_ours)?.to_str()?.parse().ok()
}

/// Reads the front of a file; what lies beyond its end is zeros.
pub(super) fn front(path: &Path) -> io::Result<[u8; FIRST_RECORD]> {
    let mut front = Vec::with_capacity(FIRST_RECORD);
    File::open(path)?.take(FIRST_RECORD as u64).read_to_end(&mut front)?;
    let mut whole = [0; FIRST_RECORD];
    whole[..front.len()].copy_from_slice(&front);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_run_left_takes_no_record() {
        let path = std::env::temp_dir().join(format!("collector-segment-{}", std::process::id()));
        let (id, size) = ([7; 16], NonZeroUsize::new(128 << 10).unwrap());
        let entry = Entry { received_ns: 1, exporter: [1; 16], port: 2, path: 0, payload: b"datagram" };
        let seed = Seed::of(&id);
        let mut begun = Segment::begin(Blank::make(path.clone(), &id, size, false).unwrap(), &id, 3);
        assert!(begun.append(&entry, 8, seed).is_some());
        begun.seal(&id);
        let mut found = begun.again();
        assert!(found.read(0, seed).is_some(), "it is mapped now");
        assert_eq!(found.append(&entry, 8, seed), None);
        std::fs::remove_file(path).unwrap();
    }
}
