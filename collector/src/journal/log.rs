//! The log itself: append at one end, read anywhere.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fs::File;

use nix::fcntl::Flock;

use super::error::Refused;
use super::header;
use super::past::Past;
use super::progress::Progress;
use super::record::{self, Entry, PAYLOAD_MAX, Seed};
use super::segment::Segment;
use super::spare::Spares;
use super::{Id, Position, Settings};

/// One journal, for one thread.
#[derive(Debug)]
pub struct Journal {
    pub(super) settings: Settings,
    pub(super) id: Id,
    pub(super) seed: Seed,
    /// Size of every segment in bytes.
    pub(super) size: u64,
    /// Ascending; the last is written. Empty only while the disk refuses.
    pub(super) segments: VecDeque<Segment>,
    /// Number of the next segment.
    pub(super) next_number: u64,
    pub(super) spares: Spares,
    pub(super) progress: Progress,
    /// What was read last: its segment stays mapped.
    pub(super) read: Cell<Position>,
    /// Bytes that reading passed over because no whole record stood there.
    pub(super) skipped_bytes: Cell<u64>,
    /// Keeps others out while this lives.
    pub(super) _lock: Flock<File>,
}

/// How a journal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Where the oldest segment that is kept begins.
    pub begin: Position,
    /// All before is stored.
    pub stored: Position,
    /// Behind the last record.
    pub tip: Position,
    /// Segments that are kept.
    pub segments: usize,
    /// Bytes that they take on disk.
    pub disk_bytes: u64,
    /// Bytes that reading passed over since the journal was opened, because no whole record stood there.
    pub skipped_bytes: u64,
    /// Whether the disk refuses to give room.
    pub is_failing: bool,
}

impl Journal {
    /// The random name of this journal.
    #[must_use]
    pub fn id(&self) -> Id {
        self.id
    }

    /// How far storing has come: what this journal forgets by, for any thread.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Size of a segment in bytes.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.size
    }

    /// What it has from `from` to `to`, to be read by another thread.
    #[must_use]
    pub fn past(&self, from: Position, to: Position) -> Past {
        let is_wanted =
            |segment: &&Segment| segment.end() > from && segment.start() < to && segment.content().records > 0;
        Past::new(self.segments.iter().filter(is_wanted).map(Segment::again).collect(), self.seed)
    }

    /// Appends a datagram; never waits.
    ///
    /// # Errors
    /// There is no room; nothing was written.
    pub fn append(&mut self, entry: &Entry<'_>) -> Result<Position, Refused> {
        let length = u32::try_from(entry.payload.len()).unwrap_or(u32::MAX);
        if length > PAYLOAD_MAX as u32 {
            return Err(Refused::Oversize);
        }
        let seed = self.seed;
        if let Some(position) = self.segments.back_mut().and_then(|active| active.append(entry, length, seed)) {
            return Ok(position);
        }
        self.turn(entry.received_ns)?;
        self.segments.back_mut().and_then(|active| active.append(entry, length, seed)).ok_or(Refused::Oversize)
    }

    /// Whether `datagrams` of `bytes` in all can be appended now. Where the next file is still being made, whoever receives may
    /// leave them where they are for a moment; where the disk refuses, waiting helps nobody, and appending says so.
    #[must_use]
    pub fn has_room(&self, datagrams: usize, bytes: usize) -> bool {
        let needed = bytes.saturating_add(datagrams * record::size(0));
        self.segments.back().is_some_and(|active| active.has_room(needed))
            || self.spares.has_ready()
            || self.spares.is_failing()
    }

    /// Begins the next segment.
    fn turn(&mut self, now_ns: i64) -> Result<(), Refused> {
        let Some(blank) = self.spares.take() else {
            self.tend(now_ns);
            // A stored segment may be on its way to be used again.
            return Err(if self.spares.is_in_need() { Refused::Disk } else { Refused::Slow });
        };
        if let Some(full) = self.segments.back_mut() {
            full.seal(&self.id);
        }
        self.segments.push_back(Segment::begin(blank, &self.id, self.next_number));
        self.next_number += 1;
        self.tend(now_ns);
        Ok(())
    }

    /// The first record at or behind `position`, where it begins, and where it ends; `None` at the tip.
    #[must_use]
    pub fn read(&self, position: Position) -> Option<(Entry<'_>, Position, Position)> {
        let active = self.segments.len().checked_sub(1)?;
        // Reading is at the active segment nearly always.
        let first = match self.segments.get(active) {
            Some(segment) if segment.start() <= position => active,
            _ => self.segments.partition_point(|segment| segment.end() <= position),
        };
        for segment in self.segments.range(first..) {
            let wanted = position.0.saturating_sub(segment.start().0) as usize;
            let from = wanted.max(header::FIRST_RECORD);
            let found = segment.read(from, self.seed);
            let reached = found.as_ref().map_or(segment.content().used, |(_, offset, _)| *offset);
            if reached > from {
                self.skipped_bytes.set(self.skipped_bytes.get() + (reached - from) as u64);
            }
            if let Some((entry, offset, end)) = found {
                self.read.set(segment.position(offset));
                return Some((entry, segment.position(offset), segment.position(end)));
            }
        }
        None
    }

    /// Behind the last record.
    #[must_use]
    pub fn tip(&self) -> Position {
        let next = header::start(self.next_number, self.size);
        self.segments.back().map_or(next, |active| active.position(active.content().used))
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            begin: self.segments.front().map_or_else(|| self.tip(), Segment::start),
            stored: self.progress.stored(),
            tip: self.tip(),
            segments: self.segments.len(),
            disk_bytes: self.segments.len() as u64 * self.size,
            skipped_bytes: self.skipped_bytes.get(),
            is_failing: self.spares.is_failing(),
        }
    }
}
