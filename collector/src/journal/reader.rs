//! Reading a journal from another process or thread, while it is written or when nobody has it open. Nothing is written, nothing
//! is mapped, and nothing that the files hold is trusted.
//!
//! A segment may be forgotten, and its file used again, while it is read: records of the new use are not mistaken for old ones
//! (their checksum covers the position), and the front of the file is looked at again at the end, so that it is said.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::header::{self, Content, Front};
use super::progress::{self, Range};
use super::record::{Entry, Seed};
use super::scan::{Scanned, scan};
use super::window::Window;
use super::{Id, Position, segment};

/// A journal as it is found.
#[derive(Debug)]
pub struct Reader {
    directory: PathBuf,
    id: Id,
    segments: Vec<SegmentInfo>,
    strangers: Vec<PathBuf>,
    progress: Option<progress::Loaded>,
}

/// How often a directory is listed where segments are missing between others.
const LISTINGS: usize = 5;

/// The files of a directory.
#[derive(Debug, Default)]
struct Listed {
    /// Ascending by number.
    segments: Vec<(PathBuf, Id, u64, u64, Option<Content>)>,
    strangers: Vec<PathBuf>,
}

/// One segment, as far as it was written when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Its file.
    pub path: PathBuf,
    /// Which one it is.
    pub number: u64,
    /// Where its first record begins.
    pub from: Position,
    /// Where its last record ends.
    pub to: Position,
    /// Records in it.
    pub records: u64,
    /// Earliest receive time in it, nanoseconds since 1970; nothing without records.
    pub first_ns: Option<i64>,
    /// Latest receive time in it.
    pub last_ns: Option<i64>,
    /// Whether nothing more is written to it.
    pub is_full: bool,
    /// Bytes that its file takes on disk.
    pub disk_bytes: u64,
    size: u64,
}

/// What a walk met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Walked {
    /// Records that were shown.
    pub records: u64,
    /// Places between whole records where something else stood: each lost at least one.
    pub gaps: u64,
    /// Bytes there.
    pub gap_bytes: u64,
    /// Segments that were forgotten while they were read, or before.
    pub forgotten: u64,
}

/// What [`Reader::verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Segments that were read.
    pub segments: u64,
    /// Whole records.
    pub records: u64,
    /// Bytes of whole records, with headers.
    pub bytes: u64,
    /// Records at the very end that are not whole: one is what a sudden end leaves, or is being written.
    pub torn: u64,
    /// Segments that were forgotten while they were read.
    pub forgotten: u64,
    /// What is broken, with file and offset; empty for a sound journal.
    pub broken: Vec<String>,
}

impl Reader {
    /// Lists what is in the directory of a journal. Segments that are not full are read whole, so that their last time is known.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let progress = progress::load(directory);
        let mut listed = list(directory)?;
        // A file that was a spare when it was looked at may be a segment when a later one is: then one is missing between others.
        for _ in 0..LISTINGS {
            if !listed.has_holes() {
                break;
            }
            let again = list(directory)?;
            let is_same = again.segments == listed.segments;
            listed = again;
            if is_same {
                break;
            }
        }
        let Listed { segments, mut strangers } = listed;
        let newest = segments.last().map(|(_, id, ..)| *id);
        let id = progress.as_ref().map(|loaded| loaded.identity.id).or(newest).unwrap_or_default();
        let (ours, others): (Vec<_>, Vec<_>) = segments.into_iter().partition(|(_, of, ..)| *of == id);
        strangers.extend(others.into_iter().map(|(path, ..)| path));
        let mut reader = Self { directory: directory.to_path_buf(), id, segments: Vec::new(), strangers, progress };
        for (path, _, number, size, content) in ours {
            let described = reader.describe(path, number, size, content);
            reader.segments.extend(described);
        }
        Ok(reader)
    }

    /// What is known of a segment; nothing if it is forgotten meanwhile.
    fn describe(&self, path: PathBuf, number: u64, size: u64, content: Option<Content>) -> Option<SegmentInfo> {
        let start = header::start(number, size);
        let mut info = SegmentInfo {
            disk_bytes: std::fs::metadata(&path).ok()?.len(),
            path,
            number,
            from: Position(start.0 + header::FIRST_RECORD as u64),
            to: start,
            records: 0,
            first_ns: None,
            last_ns: None,
            is_full: content.is_some(),
            size,
        };
        let content = match content {
            Some(content) => content,
            None => self.scan(&info, |_, _| ControlFlow::Continue(())).ok()?.content,
        };
        info.to = Position(start.0 + content.used as u64);
        info.records = content.records;
        (info.first_ns, info.last_ns) =
            if content.records > 0 { (Some(content.first_ns), Some(content.last_ns)) } else { (None, None) };
        Some(info)
    }

    /// The directory of the journal.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The random name of the journal; zeros where the directory holds none.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// The segments, ascending.
    #[must_use]
    pub fn segments(&self) -> &[SegmentInfo] {
        &self.segments
    }

    /// The ranges that are not settled, or are kept for replay, ascending, and whether they are settled.
    #[must_use]
    pub fn ranges(&self) -> Vec<(Range, bool)> {
        self.progress.as_ref().map(|loaded| loaded.ranges.all()).unwrap_or_default()
    }

    /// Everything before is stored.
    #[must_use]
    pub fn stored(&self) -> Position {
        self.progress.as_ref().map(|loaded| loaded.ranges.stored()).unwrap_or_default()
    }

    /// Everything before is stored, or lost for good and named; some of it may still be needed for replay.
    #[must_use]
    pub fn settled(&self) -> Position {
        self.progress.as_ref().map(|loaded| loaded.ranges.settled()).unwrap_or_default()
    }

    /// End of the last range that was begun.
    #[must_use]
    pub fn begun(&self) -> Position {
        self.progress.as_ref().map(|loaded| loaded.ranges.begun()).unwrap_or_default()
    }

    /// Bytes of records behind `position`.
    #[must_use]
    pub fn bytes_behind(&self, position: Position) -> u64 {
        self.segments.iter().map(|segment| segment.to.0.saturating_sub(position.max(segment.from).0)).sum()
    }

    /// The receive time of the first record at or behind `position`, if there is one.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn time_at(&self, position: Position) -> Result<Option<i64>, Error> {
        let behind = self.segments.iter().filter(|segment| segment.to > position && segment.records > 0);
        for info in behind {
            let mut time_ns = None;
            self.read(info, |entry, from| {
                time_ns = (from >= position).then_some(entry.received_ns);
                if time_ns.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            if time_ns.is_some() {
                return Ok(time_ns);
            }
        }
        Ok(None)
    }

    /// Shows the records that were received in `[from_ns, to_ns)`, in the order in which they were written, with their position.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn walk(
        &self,
        from_ns: i64,
        to_ns: i64,
        mut visit: impl FnMut(&Entry<'_>, Position) -> ControlFlow<()>,
    ) -> Result<Walked, Error> {
        let mut walked = Walked::default();
        for info in &self.segments {
            let (Some(first_ns), Some(last_ns)) = (info.first_ns, info.last_ns) else { continue };
            // A segment that is not full may have grown since.
            if first_ns >= to_ns || (info.is_full && last_ns < from_ns) {
                continue;
            }
            let mut is_over = false;
            let scanned = self.read(info, |entry, position| {
                if entry.received_ns < from_ns || entry.received_ns >= to_ns {
                    return ControlFlow::Continue(());
                }
                walked.records += 1;
                let stop = visit(entry, position);
                is_over = stop.is_break();
                stop
            })?;
            match scanned {
                Some(scanned) => {
                    walked.gaps += scanned.gaps;
                    walked.gap_bytes += scanned.gap_bytes;
                }
                None => walked.forgotten += 1,
            }
            if is_over {
                break;
            }
        }
        Ok(walked)
    }

    /// Reads everything and checks every record.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        for info in &self.segments {
            let Some(scanned) = self.read(info, |_, _| ControlFlow::Continue(()))? else {
                verified.forgotten += 1;
                continue;
            };
            verified.segments += 1;
            verified.records += scanned.content.records;
            verified.torn += scanned.torn;
            verified.bytes += (scanned.content.used - header::FIRST_RECORD) as u64 - scanned.gap_bytes;
            let path = info.path.display();
            if scanned.gaps > 0 {
                let (gaps, bytes) = (scanned.gaps, scanned.gap_bytes);
                verified.broken.push(format!("{path}: {bytes} bytes in {gaps} places are no whole records"));
            }
            let end = (info.to.0 - header::start(info.number, info.size).0) as usize;
            if info.is_full && scanned.content.used < end {
                let used = scanned.content.used;
                verified
                    .broken
                    .push(format!("{path}: no whole record from byte {used} to {end}, where its records end"));
            }
            if info.disk_bytes < info.size {
                verified.broken.push(format!("{path}: {} bytes long, not {}", info.disk_bytes, info.size));
            }
        }
        let strangers = self
            .strangers
            .iter()
            .map(|path| format!("{}: no segment of this journal, or its header is broken", path.display()));
        verified.broken.extend(strangers);
        match &self.progress {
            None if !self.segments.is_empty() => {
                verified.broken.push(format!("{}: the record of progress is gone", self.directory.display()));
            }
            Some(loaded) if loaded.damaged > 0 => verified.broken.push(format!(
                "{}: the record of progress is broken in {} places",
                self.directory.display(),
                loaded.damaged
            )),
            None | Some(_) => {}
        }
        Ok(verified)
    }

    /// Reads a segment; nothing if it was forgotten before all of it was read.
    fn read(
        &self,
        info: &SegmentInfo,
        visit: impl FnMut(&Entry<'_>, Position) -> ControlFlow<()>,
    ) -> Result<Option<Scanned>, Error> {
        match self.scan(info, visit) {
            Ok(scanned) => Ok(self.is_there(info).then_some(scanned)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::system("read", &info.path)(error)),
        }
    }

    fn scan(
        &self,
        info: &SegmentInfo,
        mut visit: impl FnMut(&Entry<'_>, Position) -> ControlFlow<()>,
    ) -> io::Result<Scanned> {
        let start = header::start(info.number, info.size);
        let size = usize::try_from(info.size).map_err(io::Error::other)?;
        let end = if info.is_full { (info.to.0 - start.0) as usize } else { size };
        let mut window = Window::open(&info.path, end)?;
        scan(&mut window, Seed::of(&self.id), start, end, |entry, offset| {
            visit(entry, Position(start.0 + offset as u64))
        })
    }

    /// Whether a file still holds the segment.
    fn is_there(&self, info: &SegmentInfo) -> bool {
        let Ok(front) = segment::front(&info.path) else { return false };
        matches!(header::read(&front), Front::Segment { id, number, .. } if id == self.id && number == info.number)
    }
}

impl Listed {
    fn has_holes(&self) -> bool {
        self.segments.windows(2).any(|pair| pair[1].2 > pair[0].2 + 1)
    }
}

fn list(directory: &Path) -> Result<Listed, Error> {
    let files = std::fs::read_dir(directory).map_err(Error::system("list", directory))?;
    let mut listed = Listed::default();
    for file in files {
        let path = file.map_err(Error::system("list", directory))?.path();
        if segment::file_number(&path).is_none() {
            continue;
        }
        match segment::front(&path).map(|front| header::read(&front)) {
            Ok(Front::Segment { id, number, size, content }) => listed.segments.push((path, id, number, size, content)),
            Ok(Front::Spare) => {}
            Ok(Front::Stranger) => listed.strangers.push(path),
            // Taken away since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::system("read", path)(error)),
        }
    }
    listed.segments.sort_by_key(|(_, _, number, _, _)| *number);
    Ok(listed)
}
