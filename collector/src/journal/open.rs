//! Opening a journal: what an earlier run left is found, checked and counted, and never trusted.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use super::error::Error;
use super::header::{self, Content, Front};
use super::log::Journal;
use super::progress::{self, Identity, Loaded, Progress};
use super::record::Seed;
use super::scan::{Scanned, scan};
use super::segment::{self, Segment};
use super::spare::{Spares, Work};
use super::{Durability, Id, Position, SEGMENT_BYTES_MIN, Settings};

/// How long opening waits for the first segment.
const FIRST_SEGMENT: Duration = Duration::from_secs(10);

/// What was found when a journal was opened. Only what is not stored yet is read whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Segments with records.
    pub segments: u64,
    /// Whole records; in stored segments, as many as there were when they were full.
    pub records: u64,
    /// Places between whole records where something else stood: each lost at least one datagram.
    pub gaps: u64,
    /// Bytes there.
    pub gap_bytes: u64,
    /// Records at the end of the log that were not written to their end.
    pub torn: u64,
    /// Files that are shorter than they were.
    pub truncated: u64,
    /// Segments between others that are not there: given up in an earlier run, or taken away.
    pub missing: u64,
    /// Files that are called like segments and are none of this journal; they are left alone.
    pub strangers: u64,
    /// Places in the record of progress where something else stood: what they said is taken for not stored.
    pub progress_damaged: u64,
}

/// What the files of a directory are.
#[derive(Debug, Default)]
struct Files {
    segments: Vec<(PathBuf, Identity, u64, Option<Content>)>,
    spares: Vec<PathBuf>,
    strangers: Vec<PathBuf>,
    /// One more than the highest number in a name.
    next: u64,
}

impl Journal {
    /// Opens the journal of a directory, or begins one; `id` names a new one and must be random. Segments of a journal that
    /// exists keep the size they have.
    ///
    /// # Errors
    /// Settings that cannot work, a directory or a file in it that cannot be read and written, or is in use. A full disk is no
    /// error, and neither is anything that the files hold.
    pub fn open(settings: Settings, id: Id) -> Result<(Self, Recovered), Error> {
        check(&settings)?;
        let directory = settings.directory.clone();
        std::fs::create_dir_all(&directory).map_err(Error::system("create directory", &directory))?;
        let lock = lock(&directory)?;
        let loaded = progress::load(&directory).filter(|loaded| header::is_size(loaded.identity.segment_bytes));
        let mut files = files(&directory)?;
        let new = Identity { id, segment_bytes: settings.segment_bytes };
        let identity = loaded.as_ref().map_or_else(|| most(&files).unwrap_or(new), |loaded| loaded.identity);
        let is_synchronised = matches!(settings.durability, Durability::Disk { .. });
        let progress = Progress::open(&directory, identity, is_synchronised, loaded.as_ref());
        let (segments, mut recovered) = recover(&mut files, identity, &progress)?;
        recovered.progress_damaged = loaded.as_ref().map_or(0, |loaded| loaded.damaged);
        let known = progress.begun().0.div_ceil(identity.segment_bytes);
        let next_number = segments.back().map_or(0, |last| last.number() + 1).max(known);
        report(&directory, &recovered, &files, loaded.as_ref());

        let work = Work {
            directory: directory.clone(),
            id: identity.id,
            next_file: files.next,
            size: size(identity.segment_bytes, &settings)?,
            sync_every: match settings.durability {
                Durability::Process => None,
                Durability::Disk { every } => Some(every),
            },
        };
        let spares = Spares::start(work, files.spares).map_err(Error::system("start the thread of", &directory))?;
        let mut journal = Self {
            settings,
            id: identity.id,
            seed: Seed::of(&identity.id),
            size: identity.segment_bytes,
            segments,
            next_number,
            spares,
            progress,
            read: Cell::new(Position(0)),
            skipped_bytes: Cell::new(0),
            _lock: lock,
        };
        if let Some(blank) = journal.spares.wait(FIRST_SEGMENT) {
            journal.segments.push_back(Segment::begin(blank, &journal.id, journal.next_number));
            journal.next_number += 1;
        }
        Ok((journal, recovered))
    }
}

/// Finds what the segments hold that are not stored.
fn recover(
    files: &mut Files,
    identity: Identity,
    progress: &Progress,
) -> Result<(VecDeque<Segment>, Recovered), Error> {
    let mut recovered = Recovered::default();
    let mut segments: Vec<Segment> = Vec::new();
    files.segments.sort_by_key(|(_, _, number, _)| *number);
    for (path, of, number, content) in std::mem::take(&mut files.segments) {
        let is_twice = segments.last().is_some_and(|last| last.number() == number);
        let Some(size) = usize::try_from(of.segment_bytes).ok().and_then(NonZeroUsize::new) else { continue };
        if of != identity || is_twice {
            files.strangers.push(path);
            continue;
        }
        let mut segment = Segment::found(path.clone(), number, size, content.unwrap_or(Content::EMPTY));
        let is_stored = content.is_some_and(|content| segment.position(content.used) <= progress.stored());
        if !is_stored {
            let length = std::fs::metadata(&path).map_err(Error::system("examine", &path))?.len();
            recovered.truncated += u64::from(length < of.segment_bytes);
            let end = content.map_or(size.get(), |content| content.used);
            // One that cannot be looked at must not pass for one that holds nothing: that is used again.
            segment.load().map_err(Error::system("map", &path))?;
            let scanned = records(&segment, Seed::of(&identity.id), end);
            recovered.gaps += scanned.gaps;
            recovered.gap_bytes += scanned.gap_bytes;
            recovered.torn += scanned.torn;
            // What a full segment held behind the last record that is whole is a gap too.
            let missing = content.map_or(0, |content| content.used - scanned.content.used);
            recovered.gaps += u64::from(missing > 0);
            recovered.gap_bytes += missing as u64;
            segment.set_content(scanned.content);
            if content.is_none() && scanned.content.records > 0 {
                segment.seal(&identity.id);
            }
            // It is mapped again when it is read.
            drop(segment.rest());
        }
        if segment.content().records == 0 {
            files.spares.push(path);
            continue;
        }
        if let Some(last) = segments.last() {
            recovered.missing += number - last.number() - 1;
        }
        recovered.records += segment.content().records;
        recovered.segments += 1;
        segments.push(segment);
    }
    recovered.strangers = files.strangers.len() as u64;
    Ok((segments.into(), recovered))
}

fn records(segment: &Segment, seed: Seed, end: usize) -> Scanned {
    let scanned = scan(&mut segment.bytes(), seed, segment.start(), end, |_, _| ControlFlow::Continue(()));
    // Reading memory cannot fail.
    scanned.unwrap_or(Scanned::EMPTY)
}

fn report(directory: &Path, recovered: &Recovered, files: &Files, loaded: Option<&Loaded>) {
    let directory = directory.display();
    for path in &files.strangers {
        tracing::warn!(path = %path.display(), "this file in the journal's directory is no segment of it, or its header is broken: it is left alone and may be removed");
    }
    if recovered.gaps + recovered.truncated + recovered.progress_damaged > 0 {
        let Recovered { gaps, gap_bytes, truncated, progress_damaged, .. } = recovered;
        tracing::error!(%directory, gaps, gap_bytes, truncated, progress_damaged, "the journal was damaged: datagrams in the gaps are lost, all others are there");
    }
    if loaded.is_none() && recovered.records > 0 {
        tracing::error!(%directory, records = recovered.records, "the journal's record of progress is gone: all that the journal holds is stored again, which may repeat rows");
    }
}

/// Sorts out the files that are called like segments.
fn files(directory: &Path) -> Result<Files, Error> {
    let listed = std::fs::read_dir(directory).map_err(Error::system("list", directory))?;
    let mut files = Files::default();
    for file in listed {
        let path = file.map_err(Error::system("list", directory))?.path();
        let Some(number) = segment::file_number(&path) else { continue };
        files.next = files.next.max(number.saturating_add(1));
        match segment::front(&path).map(|front| header::read(&front)) {
            Ok(Front::Segment { id, number, size, content }) => {
                files.segments.push((path, Identity { id, segment_bytes: size }, number, content));
            }
            Ok(Front::Spare) => files.spares.push(path),
            Ok(Front::Stranger) | Err(_) => files.strangers.push(path),
        }
    }
    Ok(files)
}

/// Whose segments are the most.
fn most(files: &Files) -> Option<Identity> {
    let mut counts: HashMap<(Id, u64), usize> = HashMap::new();
    for (_, identity, _, _) in &files.segments {
        *counts.entry((identity.id, identity.segment_bytes)).or_default() += 1;
    }
    let ((id, segment_bytes), _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    Some(Identity { id, segment_bytes })
}

fn check(settings: &Settings) -> Result<(), Error> {
    let refuse = |message: String| Err(Error::Settings { directory: settings.directory.clone(), message });
    let given = settings.segment_bytes;
    if !header::is_size(given) {
        let max = super::SEGMENT_BYTES_MAX;
        return refuse(format!(
            "a segment of {given} bytes: give a multiple of 4096 from {SEGMENT_BYTES_MIN} to {max}"
        ));
    }
    if settings.budget_bytes / 2 < given {
        let (budget, least) = (settings.budget_bytes, 2 * given);
        return refuse(format!("a budget of {budget} bytes: give at least two segments' worth, {least}"));
    }
    Ok(())
}

fn size(bytes: u64, settings: &Settings) -> Result<NonZeroUsize, Error> {
    let size = usize::try_from(bytes).ok().and_then(NonZeroUsize::new);
    size.ok_or_else(|| Error::Settings {
        directory: settings.directory.clone(),
        message: format!("segments of {bytes} bytes: this machine cannot map them"),
    })
}

fn lock(directory: &Path) -> Result<Flock<File>, Error> {
    let path = directory.join("lock");
    let file = File::create(&path).map_err(Error::system("create", &path))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| Error::InUse(directory.to_path_buf()))
}
