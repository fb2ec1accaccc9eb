//! What happens to a datagram once it is in the journal: decode it into the open block; enrich, seal and hand on the block when it
//! is full or old enough.
//!
//! The datagrams of a block are one range of the journal. It is written down before the block is handed on, so that after any end
//! the same datagrams make the same block again, under the same name. Not here: reading the journal's past (the supervisor's
//! replay feeds a pipeline of its own with it).

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use netflow::{Datagram, Report, decode_part};

use crate::batch::{self, Block, Pool};
use crate::enrich::Enricher;
use crate::exporters::{self, View};
use crate::front_door::Door;
use crate::journal::{Entry, Journal, Position, Progress, Range};
use crate::ledger::{Account, Book, Cell, Key, NOBODY, Run, minute_of, runs};
use crate::rollup::{self, Roller};
use crate::templates::Cache;
use crate::worker::guard::guarded;
use crate::worker::noted::Noted;

const NANOSECONDS_IN_MS: i64 = 1_000_000;
/// Rows that are enriched together while a block fills.
const ENRICHED_AT_LEAST: usize = 4096;

/// When a block is handed on.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// At this many rows.
    pub block_rows: usize,
    /// At this age.
    pub block_age: Duration,
    /// Size of the journal's segments in bytes: a range may pass from one to the next.
    pub segment_bytes: u64,
    /// Which rollups are made.
    pub rollups: rollup::Selection,
}

/// Where blocks go.
pub struct Outlet {
    /// Where a full block goes, enriched, with the range that it was made of. Called on the worker's thread, so it must not wait.
    pub hand_on: Box<dyn FnMut(Box<Block>, Range) + Send>,
    /// Whether another block may be begun.
    pub has_room: Box<dyn Fn() -> bool + Send>,
    /// At how many rows the next block is to be handed on, where so many are configured.
    pub block_rows: Box<dyn Fn(usize) -> usize + Send>,
    /// Which shard takes the block of this number.
    pub shard: Box<dyn Fn(u64) -> u16 + Send>,
}

/// A worker's part in the account of datagrams and the directory of exporters.
pub struct Books {
    account: Account,
    book: Book,
    exporters: View,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new(account: Account, exporters: exporters::Directory) -> Self {
        Self { account, book: Book::default(), exporters: View::new(exporters) }
    }
}

/// A worker's decoder, its open block, and where blocks go.
pub struct Pipeline {
    settings: Settings,
    templates: Cache,
    enricher: Enricher,
    roller: Roller,
    door: Door,
    block: Box<Block>,
    /// At how many rows it is handed on.
    block_rows: usize,
    opened: Instant,
    pool: Arc<Pool>,
    outlet: Outlet,
    progress: Progress,
    books: Books,
    mode: Mode,
    /// Where the open block begins.
    from: Position,
    /// Everything before it is decoded.
    position: Position,
    /// A block whose range could not be written down yet.
    sealed: Option<(Box<Block>, Range)>,
    /// What was counted so far.
    pub counts: Counts,
}

/// What a pipeline is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Datagrams that no block was made of yet: blocks end when they are full.
    News,
    /// Datagrams of a block that was begun before the last end; it ends where it ended then.
    Again,
    /// Datagrams of blocks that are stored: only what is learned from them is wanted, rows are dropped as they come.
    Stored,
}

impl Mode {
    /// Whether the account and the directory of exporters are told: they heard of all others before the last end.
    fn is_told(self) -> bool {
        self == Self::News
    }
}

/// What a pipeline counts.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// What decoding gave.
    pub report: Report,
    /// Blocks handed on.
    pub blocks: u64,
    /// What rollups do not tell apart.
    pub rollups: rollup::Counts,
    /// Datagrams at which the decoder panicked.
    pub panics: u64,
    /// Places of the journal that could not be read.
    pub corrupt: u64,
    /// Bytes there.
    pub corrupt_bytes: u64,
}

/// The parts of a [`Pipeline`].
pub struct Parts {
    /// When a block is handed on.
    pub settings: Settings,
    /// To say which exporters make sense.
    pub door: Door,
    /// The worker's view of the templates.
    pub templates: Cache,
    /// What adds to rows.
    pub enricher: Enricher,
    /// Where empty blocks come from.
    pub pool: Arc<Pool>,
    /// Where full ones go.
    pub outlet: Outlet,
    /// Where ranges are written down.
    pub progress: Progress,
    /// The account.
    pub books: Books,
}

impl Pipeline {
    /// A pipeline with an empty block, which stands at the journal's begin.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { settings, door, templates, enricher, pool, outlet, progress, books } = parts;
        Self {
            settings,
            templates,
            enricher,
            roller: Roller::new(settings.rollups),
            block_rows: settings.block_rows,
            door,
            block: pool.take(),
            opened: Instant::now(),
            pool,
            outlet,
            progress,
            books,
            mode: Mode::News,
            from: Position::default(),
            position: Position::default(),
            sealed: None,
            counts: Counts::default(),
        }
    }

    /// Everything before this is decoded.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether the next block would have somewhere to go.
    #[must_use]
    pub fn has_room(&self) -> bool {
        (self.outlet.has_room)()
    }

    /// Goes on at `position`; what is in the block is dropped.
    pub fn go_to(&mut self, position: Position, mode: Mode) {
        self.block.clear();
        self.books.book.clear();
        (self.from, self.position, self.mode) = (position, position, mode);
    }

    /// Decodes up to `most` datagrams from the journal, as long as there is room for their rows; how many. A block that is full
    /// is left for [`Pipeline::tick`] to seal.
    pub fn decode(&mut self, journal: &Journal, most: usize) -> usize {
        let mut decoded = 0;
        while decoded < most && self.may_decode() && !self.is_full() {
            let Some((entry, start, end)) = journal.read(self.position) else { break };
            self.take(&entry, start, end);
            decoded += 1;
        }
        let enriched = self.block.exporter_name.keys().len();
        if self.block.decoded.flows.len() >= enriched + ENRICHED_AT_LEAST {
            // While the columns are still near.
            self.enrich();
        }
        decoded
    }

    /// Adds to the rows that were decoded since it was last called.
    fn enrich(&mut self) {
        self.block.decoded.complete();
        self.enricher.enrich(&mut self.block);
    }

    fn is_full(&self) -> bool {
        self.block.len() >= self.block_rows
    }

    /// Takes the datagram whose record is from `start` to `end`, and does with a block that gets full what the mode says.
    pub fn datagram(&mut self, entry: &Entry<'_>, start: Position, end: Position) {
        self.take(entry, start, end);
        if !self.is_full() {
            return;
        }
        match self.mode {
            Mode::News => drop(self.seal()),
            Mode::Stored => self.drop_block(),
            Mode::Again => {}
        }
    }

    /// Takes the datagram whose record is from `start` to `end`.
    fn take(&mut self, entry: &Entry<'_>, start: Position, end: Position) {
        self.pass(start, entry);
        let Entry { received_ns, exporter, payload, .. } = *entry;
        let received_ms = received_ns / NANOSECONDS_IN_MS;
        if self.position == self.from {
            self.opened = Instant::now();
        }
        // The time of receipt is the time by which everything is decided, so that it is decided alike when it is decoded again.
        self.templates.set_now(u64::try_from(received_ms / 1000).unwrap_or(0));
        let datagram = Datagram { payload, exporter, received_ms };
        let Books { book, exporters, .. } = &mut self.books;
        let mut store = Noted::new(&mut self.templates, book, &mut exporters.heard);
        let report = &mut self.counts.report;
        let outcome = guarded(&mut self.block.decoded, |tables| decode_part(&datagram, &mut store, tables, report));
        match &outcome {
            Some(outcome) if self.mode.is_told() => {
                let agent = outcome.message.map_or(exporter, |message| message.agent);
                let of = exporters.identity(exporter, agent, received_ms);
                book.decoded(exporter, of.agent, received_ms, outcome);
                exporters.datagram(of, payload.len(), received_ms, outcome, book);
            }
            Some(outcome) => {
                let agent = outcome.message.map_or(exporter, |message| message.agent);
                let of = exporters.identity(exporter, agent, received_ms);
                exporters.replayed(of, received_ms, outcome);
            }
            None => {
                exporters.heard.clear();
                self.counts.panics += 1;
                book.add(Key::of_sender(exporter, 0, minute_of(received_ms)), Cell::Malformed, 1);
                tracing::error!(
                    exporter = %Ipv6Addr::from(exporter).to_canonical(),
                    position = start.0,
                    bytes = payload.len(),
                    "the decoder panicked at this datagram, which is a fault of this program: the datagram is skipped"
                );
            }
        }
        if outcome.is_some_and(|outcome| outcome.is_sound()) && !self.door.is_vouched(&exporter) {
            self.door.vouch(&exporter, crate::front_door::now_ns());
        }
        self.position = end;
    }

    /// Hands on the block if it is full or old enough. `pulse` is called again and again meanwhile.
    pub fn tick(&mut self, now: Instant, pulse: &mut dyn FnMut()) {
        self.send_sealed();
        let is_old = self.position != self.from && now.duration_since(self.opened) >= self.settings.block_age;
        if is_old || self.is_full() {
            self.seal_meanwhile(pulse);
        }
    }

    /// Hands on the block, whatever its age, unless nothing was decoded; false while its range cannot be written down.
    pub fn seal(&mut self) -> bool {
        self.seal_meanwhile(&mut || ())
    }

    fn seal_meanwhile(&mut self, pulse: &mut dyn FnMut()) -> bool {
        if !self.send_sealed() {
            return false;
        }
        if self.position == self.from {
            return true;
        }
        let shard = (self.outlet.shard)(self.counts.blocks);
        self.hand_on(Range { from: self.from, to: self.position, shard }, pulse)
    }

    /// Hands on the block as the one of `range`, which was begun before; false while its range cannot be written down.
    pub fn seal_as(&mut self, range: Range) -> bool {
        self.hand_on(range, &mut || ())
    }

    fn hand_on(&mut self, range: Range, pulse: &mut dyn FnMut()) -> bool {
        self.from = self.position;
        self.opened = Instant::now();
        self.enrich();
        pulse();
        self.roller.roll_meanwhile(&mut self.block, pulse);
        self.counts.rollups = self.roller.counts();
        if self.mode.is_told() {
            self.books.enter(&self.block);
        }
        let block = std::mem::replace(&mut self.block, self.pool.take_meanwhile(pulse));
        self.block_rows = (self.outlet.block_rows)(self.settings.block_rows);
        self.counts.blocks += 1;
        self.sealed = Some((block, range));
        self.send_sealed()
    }

    /// Drops the rows of the block, which are stored.
    pub fn drop_block(&mut self) {
        self.from = self.position;
        self.block.clear();
    }

    /// Whether another datagram may be decoded now. A block that was begun is filled, so that the answer costs little.
    pub fn may_decode(&mut self) -> bool {
        self.send_sealed() && (self.position != self.from || self.has_room())
    }

    /// Writes down the range of a sealed block and hands it on; false while that cannot be.
    fn send_sealed(&mut self) -> bool {
        let Some((block, range)) = self.sealed.take() else { return true };
        if let Err(error) = self.progress.begin(range) {
            tracing::debug!(%error, "the journal's progress cannot be written");
            self.sealed = Some((block, range));
            return false;
        }
        if self.mode.is_told() {
            self.books.hand_over();
        }
        if block.is_empty() {
            self.progress.settle(range);
            self.pool.give(block);
        } else {
            (self.outlet.hand_on)(block, range);
        }
        true
    }

    /// Notes what cannot be read between the decoded and the next record.
    fn pass(&mut self, start: Position, next: &Entry<'_>) {
        let segment_bytes = self.settings.segment_bytes;
        let segment = |position: Position| position.0 / segment_bytes;
        let is_within = !self.position.0.is_multiple_of(segment_bytes) && segment(start) == segment(self.position);
        if start == self.position || !is_within {
            return;
        }
        let bytes = start.0 - self.position.0;
        self.counts.corrupt += 1;
        self.counts.corrupt_bytes += bytes;
        tracing::error!(
            position = self.position.0,
            bytes,
            "a part of the journal cannot be read: the datagrams there are lost, unless they were stored before"
        );
        let key = Key::of_sender(NOBODY, 0, minute_of(next.received_ns / NANOSECONDS_IN_MS));
        // Not by the book, which is thrown away for what is decoded again.
        self.books.account.add(key, Cell::JournalCorrupt, 1);
        self.books.account.add(key, Cell::JournalCorruptBytes, bytes.cast_signed());
    }
}

impl Books {
    /// Counts what is to be known of the rows of a complete block, and takes the sampling rates in them. Rows are counted when it is known what became of them.
    fn enter(&mut self, block: &Block) {
        for part in block.parts() {
            let Some(provenance) = part.provenance() else { continue };
            if !std::ptr::eq(part.table(), &batch::flows::TABLE) {
                continue;
            }
            let flows = &block.decoded.flows;
            let mut start = 0;
            runs(provenance, &flows.flags, &mut |Run { key, rows, flagged }| {
                let end = start + rows as usize;
                let received_ms = flows.received_ms.get(start).copied().unwrap_or(0);
                let of = self.exporters.identity(key.exporter, key.agent, received_ms);
                for (cell, count) in flagged.cells() {
                    self.book.add(Key { agent: of.agent, ..key }, cell, count);
                }
                if flagged.implausible > 0 {
                    self.exporters.implausible(of, flagged.implausible, received_ms);
                }
                self.exporters.rows(of, key.domain, flows, start..end, received_ms);
                start = end;
            });
        }
    }

    /// Hands over what was counted.
    fn hand_over(&mut self) {
        self.account.take_decoded(&mut self.book);
    }
}
