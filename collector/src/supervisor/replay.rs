//! After the start: what was decoded before the last end is decoded once more, so that the templates and the sets that wait are as they
//! were, and what was not acknowledged is sent again, in the same blocks under the same names.
//!
//! One thread, over all journals in the order of receipt, from where the saved state ends to where the last block that was begun
//! ended; journals of workers that run no more to their very end. Then the workers go on, each with its own journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::journal::{Past, Position, Progress, Range};
use crate::worker::gate::Gate;
use crate::worker::pipeline::{Mode, Pipeline};

use super::Error;

/// How often a long replay says how far it is.
const TELL: Duration = Duration::from_secs(10);
/// Between two looks at whether ClickHouse takes more.
const HELD_UP: Duration = Duration::from_millis(5);
/// Datagrams between two looks at the clock.
const STRIDE: u64 = 4096;

/// One journal to be replayed.
pub(super) struct Source {
    /// Its records.
    pub(super) past: Past,
    /// Its ranges.
    pub(super) progress: Progress,
    /// What decodes them.
    pub(super) pipeline: Pipeline,
    /// Where the saved state ends.
    pub(super) from: Position,
    /// Whether a worker goes on with it.
    pub(super) goes_on: bool,
}

/// A worker that waits at its gate.
pub(super) struct Gated {
    pub(super) gate: Arc<Gate>,
    pub(super) progress: Progress,
    /// What decodes behind the gate.
    pub(super) pipeline: Box<Pipeline>,
}

/// The thread.
pub(super) struct Replay {
    thread: JoinHandle<bool>,
    stop: Arc<AtomicBool>,
}

impl Replay {
    /// Starts it; the gates are opened when it is through.
    pub(super) fn start(sources: Vec<Source>, gates: Vec<Gated>) -> Result<Self, Error> {
        let stop = Arc::<AtomicBool>::default();
        let is_stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("replay".to_owned())
            .spawn(move || {
                let mut run =
                    Run { cursors: sources.into_iter().map(Cursor::new).collect(), stop: is_stopped, datagrams: 0 };
                if !run.all() {
                    return false;
                }
                for Gated { gate, progress, pipeline } in gates {
                    gate.open_at(progress.begun(), pipeline);
                }
                true
            })
            .map_err(Error::system("start the replay's thread"))?;
        Ok(Self { thread, stop })
    }

    /// Whether it is through, or panicked.
    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end: true if it came through, `None` if it panicked.
    pub(super) fn join(self) -> Option<bool> {
        self.thread.join().ok()
    }

    /// Lets it come to its end until `stop_at`, and ends it then, wherever it is.
    pub(super) fn stop_by(self, stop_at: Instant) {
        while !self.is_finished() && Instant::now() < stop_at {
            std::thread::sleep(HELD_UP);
        }
        self.stop.store(true, Ordering::Relaxed);
        self.join();
    }
}

struct Run {
    cursors: Vec<Cursor>,
    stop: Arc<AtomicBool>,
    datagrams: u64,
}

impl Run {
    /// Replays everything; false if it was stopped.
    fn all(&mut self) -> bool {
        let (begun, mut told) = (Instant::now(), Instant::now());
        if !self.cursors.iter_mut().all(|cursor| cursor.settle(&self.stop)) {
            return false;
        }
        loop {
            let next = self.cursors.iter_mut().filter_map(|cursor| Some((cursor.next_ns?, cursor)));
            let Some((_, cursor)) = next.min_by_key(|(next_ns, _)| *next_ns) else { break };
            if !cursor.step(&self.stop) {
                return false;
            }
            self.datagrams += 1;
            if self.datagrams.is_multiple_of(STRIDE) && told.elapsed() >= TELL {
                told = Instant::now();
                let left_bytes: u64 = self.cursors.iter().map(Cursor::left_bytes).sum();
                tracing::info!(datagrams = self.datagrams, left_bytes, "going through the journal of the last run");
            }
        }
        let blocks_sent: u64 = self.cursors.iter().map(|cursor| cursor.blocks_sent).sum();
        if self.datagrams > 0 {
            let seconds = begun.elapsed().as_secs_f64();
            tracing::info!(
                datagrams = self.datagrams,
                blocks_sent,
                seconds,
                "went through the journal of the last run"
            );
        }
        true
    }
}

/// A part of a journal.
#[derive(Debug, Clone, Copy)]
enum Section {
    /// Blocks that are stored: their rows are dropped.
    Stored(Range),
    /// A block that is not known to be stored: it is sent again.
    Unsettled(Range),
    /// What no block was made of yet, to the end.
    Tail(Position),
}

struct Cursor {
    source: Source,
    /// What is left, last first.
    sections: Vec<Section>,
    /// Where the next record is looked for.
    position: Position,
    /// When the next datagram was received; `None` at the end.
    next_ns: Option<i64>,
    blocks_sent: u64,
}

impl Cursor {
    fn new(source: Source) -> Self {
        let mut sections = Vec::new();
        let mut position = source.from;
        for (range, is_settled) in source.progress.ranges() {
            // Between ranges nothing is left out; if something were, it would belong to the state.
            if range.from > position {
                sections.push(Section::Stored(Range { from: position, to: range.from, shard: range.shard }));
            }
            if !is_settled {
                sections.push(Section::Unsettled(range));
            } else if range.to > position {
                sections.push(Section::Stored(range));
            }
            position = position.max(range.to);
        }
        if !source.goes_on {
            sections.push(Section::Tail(position));
        }
        sections.reverse();
        let mut cursor = Self { position: source.from, source, sections, next_ns: None, blocks_sent: 0 };
        cursor.enter();
        cursor
    }

    /// Takes the next datagram, and ends the sections that end behind it; false if stopped.
    fn step(&mut self, stop: &AtomicBool) -> bool {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        if matches!(self.sections.last(), Some(Section::Tail(_))) && !wait(stop, || self.source.pipeline.may_decode()) {
            return false;
        }
        if let Some((entry, start, end)) = self.source.past.read(self.position) {
            self.source.pipeline.datagram(&entry, start, end);
            self.position = end;
        }
        self.settle(stop)
    }

    /// Ends all sections that have no further datagram.
    fn settle(&mut self, stop: &AtomicBool) -> bool {
        loop {
            self.next_ns = self.peek();
            if self.next_ns.is_some() {
                return true;
            }
            let Some(section) = self.sections.pop() else { return true };
            match section {
                Section::Stored(_) => self.source.pipeline.drop_block(),
                Section::Unsettled(range) => {
                    if !wait(stop, || self.source.pipeline.has_room()) {
                        return false;
                    }
                    self.source.pipeline.seal_as(range);
                    self.blocks_sent += 1;
                }
                Section::Tail(_) => {
                    if !wait(stop, || self.source.pipeline.seal()) {
                        return false;
                    }
                }
            }
            self.enter();
        }
    }

    /// Begins the next section.
    fn enter(&mut self) {
        let Some(section) = self.sections.last() else { return };
        let (from, mode) = match section {
            Section::Stored(range) => (range.from, Mode::Stored),
            Section::Unsettled(range) => (range.from, Mode::Again),
            Section::Tail(from) => (*from, Mode::News),
        };
        self.position = self.position.max(from);
        self.source.pipeline.go_to(self.position, mode);
    }

    /// When the next datagram of the section was received.
    fn peek(&self) -> Option<i64> {
        let end = match self.sections.last()? {
            Section::Stored(range) | Section::Unsettled(range) => range.to,
            Section::Tail(_) => Position(u64::MAX),
        };
        self.source.past.read(self.position).filter(|(_, start, _)| *start < end).map(|(entry, _, _)| entry.received_ns)
    }

    fn left_bytes(&self) -> u64 {
        self.source.progress.begun().0.saturating_sub(self.position.0)
    }
}

/// Waits until it goes on; false if stopped.
fn wait(stop: &AtomicBool, mut goes_on: impl FnMut() -> bool) -> bool {
    while !goes_on() {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        std::thread::sleep(HELD_UP);
    }
    true
}
