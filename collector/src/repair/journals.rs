//! The journals of all workers as one: what they retain, their datagrams merged by receive time, and whether what was read is stored.
//!
//! They are read beside the running collector; nothing is written. Each is read by a thread of its own, some datagrams ahead.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam::channel::{Receiver, Sender, bounded};
use netflow::columns::Address;

use super::Error;
use super::period::Period;
use crate::journal::{self, Position, Reader, Walked};

/// Datagrams that a reading thread hands over at a time.
const CHUNK: usize = 256;
/// Chunks that it may be ahead.
const AHEAD: usize = 16;
const NANOSECONDS_IN_MS: i64 = 1_000_000;

/// The directories of all journals.
#[derive(Debug)]
pub(super) struct Journals {
    directories: Vec<PathBuf>,
}

/// A datagram of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    received_ns: i64,
    pub(super) exporter: Address,
    pub(super) payload: Box<[u8]>,
    position: Position,
    journal: usize,
}

impl Found {
    /// When it was received, milliseconds since 1970, as the rows made of it say.
    pub(super) fn received_ms(&self) -> i64 {
        self.received_ns.div_euclid(NANOSECONDS_IN_MS)
    }
}

impl Journals {
    /// Those below a directory.
    pub(super) fn find(directory: &Path) -> Result<Self, Error> {
        let listed = match fs::read_dir(directory) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::NoJournal(directory.into()));
            }
            Err(error) => return Err(Error::system("list the journals")(error)),
        };
        let mut directories = Vec::new();
        for entry in listed {
            let entry = entry.map_err(Error::system("list the journals"))?;
            if entry.path().is_dir() {
                directories.push(entry.path());
            }
        }
        directories.sort();
        if directories.is_empty() {
            return Err(Error::NoJournal(directory.into()));
        }
        Ok(Self { directories })
    }

    /// From when on every datagram is there, milliseconds since 1970; the least number where nothing was ever forgotten.
    pub(super) fn retained_from_ms(&self) -> Result<i64, Error> {
        let mut from_ms = i64::MIN;
        for directory in &self.directories {
            let reader = Reader::open(directory)?;
            let Some(first) = reader.segments().first() else { continue };
            if first.number == 0 {
                continue;
            }
            // What the segment before had may have come in the same millisecond.
            let first_ms = first.first_ns.map_or(i64::MAX, |ns| ns.div_euclid(NANOSECONDS_IN_MS).saturating_add(1));
            from_ms = from_ms.max(first_ms);
        }
        Ok(from_ms)
    }

    /// Datagrams received in `[from_ms, to_ms)` by exporters that `period` means, by the time of their receipt.
    pub(super) fn read(&self, from_ms: i64, to_ms: i64, period: &Period) -> Result<Reading, Error> {
        let mut streams = Vec::new();
        for (journal, directory) in self.directories.iter().enumerate() {
            let reader = Reader::open(directory)?;
            let (sender, receiver) = bounded(AHEAD);
            let range_ns = [from_ms, to_ms].map(|ms| ms.saturating_mul(NANOSECONDS_IN_MS));
            let period = *period;
            let spawned = std::thread::Builder::new()
                .name(format!("journal-{journal}"))
                .spawn(move || walk(&reader, journal, range_ns, &period, &sender));
            let thread = spawned.map_err(Error::system("start a thread that reads the journal"))?;
            streams.push(Stream { chunks: receiver, chunk: Vec::new().into_iter(), next: None, thread: Some(thread) });
        }
        let mut reading = Reading { streams, walked: Walked::default() };
        for stream in 0..reading.streams.len() {
            reading.advance(stream)?;
        }
        Ok(reading)
    }

    /// Whether all that is at or before these places is stored: `needed` holds one place for each journal.
    pub(super) fn is_stored(&self, needed: &Needed) -> Result<bool, Error> {
        for (directory, position) in self.directories.iter().zip(&needed.0) {
            let Some(position) = position else { continue };
            let reader = Reader::open(directory)?;
            let waits = |(range, is_settled): &(journal::Range, bool)| !is_settled && range.from <= *position;
            if reader.begun() <= *position || reader.ranges().iter().any(waits) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Nothing needed yet, of each.
    pub(super) fn nothing_needed(&self) -> Needed {
        Needed(vec![None; self.directories.len()])
    }
}

/// The last place in each journal that rows of the period came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needed(Vec<Option<Position>>);

impl Needed {
    /// Rows of the period came from this datagram.
    pub(super) fn note(&mut self, found: &Found) {
        if let Some(position) = self.0.get_mut(found.journal) {
            *position = (*position).max(Some(found.position));
        }
    }
}

/// Datagrams of all journals, earliest first. Within a journal they are nearly in order; there, its own order holds.
#[derive(Debug)]
pub(super) struct Reading {
    streams: Vec<Stream>,
    walked: Walked,
}

#[derive(Debug)]
struct Stream {
    chunks: Receiver<Vec<Found>>,
    chunk: std::vec::IntoIter<Found>,
    next: Option<Found>,
    thread: Option<JoinHandle<Result<Walked, journal::Error>>>,
}

impl Reading {
    /// The next datagram.
    pub(super) fn next(&mut self) -> Result<Option<Found>, Error> {
        let waiting =
            self.streams.iter().enumerate().filter_map(|(at, stream)| Some((stream.next.as_ref()?.received_ns, at)));
        let Some((_, earliest)) = waiting.min() else { return Ok(None) };
        let found = self.streams.get_mut(earliest).and_then(|stream| stream.next.take());
        self.advance(earliest)?;
        Ok(found)
    }

    /// Places where the journal was damaged, as far as it was read.
    pub(super) fn gaps(&self) -> u64 {
        self.walked.gaps
    }

    fn advance(&mut self, at: usize) -> Result<(), Error> {
        let Some(stream) = self.streams.get_mut(at) else { return Ok(()) };
        stream.next = stream.chunk.next();
        if stream.next.is_some() {
            return Ok(());
        }
        if let Ok(chunk) = stream.chunks.recv() {
            stream.chunk = chunk.into_iter();
            stream.next = stream.chunk.next();
            return Ok(());
        }
        let Some(thread) = stream.thread.take() else { return Ok(()) };
        let walked = thread.join().map_err(|_| Error::Thread)??;
        if walked.forgotten > 0 {
            return Err(Error::Forgotten);
        }
        self.walked.gaps += walked.gaps;
        Ok(())
    }
}

/// Reads one journal. Ends early where nobody takes the datagrams.
fn walk(
    reader: &Reader,
    journal: usize,
    [from_ns, to_ns]: [i64; 2],
    period: &Period,
    chunks: &Sender<Vec<Found>>,
) -> Result<Walked, journal::Error> {
    let mut chunk = Vec::with_capacity(CHUNK);
    let walked = reader.walk(from_ns, to_ns, |entry, position| {
        if !period.is_of(&entry.exporter) {
            return ControlFlow::Continue(());
        }
        let (received_ns, exporter, payload) = (entry.received_ns, entry.exporter, entry.payload.into());
        chunk.push(Found { received_ns, exporter, payload, position, journal });
        if chunk.len() < CHUNK || chunks.send(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK))).is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    if !chunk.is_empty() {
        // Whoever does not want them any more is not waiting for them.
        drop(chunks.send(chunk));
    }
    Ok(walked)
}
