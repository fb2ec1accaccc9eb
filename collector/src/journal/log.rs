//! The log itself: append at one end, read anywhere, forget at the other end.

use std::collections::VecDeque;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::error::{Error, Refused};
use super::progress::{self, Identity, Progress};
use super::record::{Entry, PAYLOAD_MAX};
use super::scan::scan;
use super::segment::{self, FIRST_RECORD, Id, Segment};
use super::spare::{Spares, Work};
use super::{Durability, Position, SEGMENT_BYTES_MIN, Settings};

/// How long opening waits for the first segment.
const FIRST_SEGMENT: Duration = Duration::from_secs(10);

/// One journal, for one thread.
#[derive(Debug)]
pub struct Journal {
    settings: Settings,
    id: Id,
    size: NonZeroUsize,
    /// Ascending; the last is written. Empty only while the disk refuses.
    segments: VecDeque<Segment>,
    spares: Spares,
    progress: Progress,
    /// Keeps others out while this lives.
    _lock: Flock<File>,
}

/// What was found when a journal was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whole records.
    pub records: u64,
    /// Places between whole records where something else stood.
    pub gaps: u64,
    /// Bytes there.
    pub gap_bytes: u64,
    /// Files that are no segments of this journal, and were left alone.
    pub strangers: u64,
}

/// How a journal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The first position that can be read.
    pub begin: Position,
    /// All before is stored.
    pub stored: Position,
    /// Behind the last record.
    pub tip: Position,
    /// Segments on disk.
    pub segments: usize,
    /// Whether the disk refuses to give room.
    pub is_failing: bool,
}

impl Journal {
    /// Opens the journal of a directory, or begins one; `id` names a new one and should be random.
    ///
    /// # Errors
    /// Settings that cannot work, a directory that cannot be written or is in use.
    pub fn open(settings: Settings, id: Id) -> Result<(Self, Recovered), Error> {
        let size = check(&settings)?;
        let directory = &settings.directory;
        std::fs::create_dir_all(directory).map_err(Error::system("create directory", directory))?;
        let lock = lock(directory)?;
        let (mut segments, mut recovered) = (Vec::new(), Recovered::default());
        let mut id = id;
        for path in files(directory)? {
            match Segment::open(&path, size).map_err(Error::system("open", &path))? {
                Some((mut segment, of)) => {
                    let scanned = scan(segment.bytes(), segment.position(0), |_| {});
                    segment.set_found(scanned.used, scanned.records);
                    segment.rest();
                    recovered.records += scanned.records;
                    recovered.gaps += scanned.gaps;
                    recovered.gap_bytes += scanned.gap_bytes;
                    id = of;
                    segments.push(segment);
                }
                None => recovered.strangers += 1,
            }
        }
        segments.sort_by_key(|segment| segment.number);
        let next_number = segments.last().map_or(0, |last| last.number + 1);
        let sync_every = match settings.durability {
            Durability::Process => None,
            Durability::Disk { every } => Some(every),
        };
        let work = Work { directory: directory.clone(), id, next_number, size, sync_every };
        let spares = Spares::start(work).map_err(Error::system("start the thread of", directory))?;
        let mut segments = VecDeque::from(segments);
        segments.extend(spares.wait(FIRST_SEGMENT));
        let identity = Identity { id, segment_bytes: settings.segment_bytes };
        let is_synchronised = sync_every.is_some();
        let progress = Progress::open(directory, identity, is_synchronised, progress::load(directory).as_ref());
        Ok((Self { settings, id, size, segments, spares, progress, _lock: lock }, recovered))
    }

    /// The random name of this journal.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// How far storing has come: the state this journal forgets by, for any thread.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Appends a datagram; never waits.
    ///
    /// # Errors
    /// There is no room; nothing was written.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<Position, Refused> {
        let Some(length) = u32::try_from(entry.payload.len()).ok().filter(|length| *length <= PAYLOAD_MAX as u32)
        else {
            return Err(Refused::Oversize);
        };
        if let Some(position) = self.segments.back_mut().and_then(|active| active.append(entry, length)) {
            return Ok(position);
        }
        let Some(next) = self.spares.take() else {
            return Err(if self.spares.is_failing() { Refused::Disk } else { Refused::Slow });
        };
        if let Some(full) = self.segments.back_mut() {
            full.seal();
        }
        self.segments.push_back(next);
        self.segments.back_mut().and_then(|active| active.append(entry, length)).ok_or(Refused::Oversize)
    }

    /// The first record at or behind `position`, and the position behind it.
    #[must_use]
    pub fn read(&self, position: Position) -> Option<(Entry<'_>, Position, Position)> {
        let size = self.size.get() as u64;
        let number = position.0 / size;
        let first = self.segments.partition_point(|segment| segment.number < number);
        for segment in self.segments.range(first..) {
            let wanted = if segment.number == number { (position.0 % size) as usize } else { 0 };
            let offset = wanted.max(FIRST_RECORD);
            if let Some((entry, offset, end)) = segment.read(offset) {
                return Some((entry, segment.position(offset), segment.position(end)));
            }
        }
        None
    }

    /// Behind the last record.
    #[must_use]
    pub fn tip(&self) -> Position {
        self.segments.back().map_or(self.progress.stored(), |active| active.position(active.used()))
    }

    /// Forgets stored segments that are not to be kept any longer. Cheap: call it about once a second; `now_ns` is nanoseconds
    /// since 1970.
    pub fn tend(&mut self, now_ns: i64) {
        let _ = now_ns;
        let size = self.size.get() as u64;
        let keep_from = self.progress.stored().0.saturating_sub(self.settings.retain_bytes);
        while self.segments.len() > 1 {
            let Some(first) = self.segments.front() else { break };
            if (first.number + 1) * size > keep_from {
                break;
            }
            self.forget(0);
        }
    }

    /// Gives up the oldest segment of which nothing is decoded, if more waits behind `decoded` than the budget allows, or the
    /// disk refuses and nothing stored is left to go. Each of its records is shown to `lost`; the position behind them. Reading
    /// goes on behind by itself.
    pub fn give_up_oldest(&mut self, decoded: Position, mut lost: impl FnMut(&Entry<'_>)) -> Option<Position> {
        let waiting = self.tip().0.saturating_sub(decoded.0);
        if waiting <= self.settings.budget_bytes && !self.spares.is_failing() {
            return None;
        }
        let index = self.segments.iter().position(|segment| segment.position(0) >= decoded)?;
        if index + 1 >= self.segments.len() {
            return None;
        }
        let segment = &self.segments[index];
        let (mut offset, end) = (FIRST_RECORD, segment.position(segment.used()));
        while let Some((entry, _, next)) = segment.read(offset) {
            lost(&entry);
            offset = next;
        }
        self.forget(index);
        Some(end)
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            begin: self.segments.front().map_or(self.progress.stored(), |first| first.position(FIRST_RECORD)),
            stored: self.progress.stored(),
            tip: self.tip(),
            segments: self.segments.len(),
            is_failing: self.spares.is_failing(),
        }
    }

    fn forget(&mut self, index: usize) {
        if let Some(first) = self.segments.remove(index) {
            self.spares.give(first.path.clone());
        }
    }
}

fn check(settings: &Settings) -> Result<NonZeroUsize, Error> {
    let refuse = |message: String| Error::Settings { directory: settings.directory.clone(), message };
    let size = usize::try_from(settings.segment_bytes).ok().and_then(NonZeroUsize::new);
    let is_usable = settings.segment_bytes >= SEGMENT_BYTES_MIN && settings.segment_bytes.is_multiple_of(4096);
    let Some(size) = size.filter(|_| is_usable) else {
        let given = settings.segment_bytes;
        return Err(refuse(format!(
            "a segment of {given} bytes: give a multiple of 4096, at least {SEGMENT_BYTES_MIN}"
        )));
    };
    if settings.budget_bytes < 2 * settings.segment_bytes {
        let message = format!(
            "a budget of {} bytes: give at least two segments' worth, {}",
            settings.budget_bytes,
            2 * settings.segment_bytes
        );
        return Err(refuse(message));
    }
    Ok(size)
}

fn lock(directory: &Path) -> Result<Flock<File>, Error> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(Error::system("create", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| Error::InUse(directory.to_path_buf()))
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let listed = std::fs::read_dir(directory).map_err(Error::system("list", directory))?;
    let mut files = Vec::new();
    for file in listed {
        let path = file.map_err(Error::system("list", directory))?.path();
        if segment::is_segment(&path) {
            files.push(path);
        }
    }
    Ok(files)
}
