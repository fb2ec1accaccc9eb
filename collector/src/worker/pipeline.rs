//! What happens to a datagram once a worker has it in hand: ask the front door, where the XDP program has not; decode into the
//! open block; enrich, seal and hand on the block when it is full or old enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use collector_ebpf::Stamp;
use netflow::columns::Address;
use netflow::{Datagram, decode_part};

use crate::batch::{self, Block, Pool};
use crate::enrich::Enricher;
use crate::exporters::{self, View};
use crate::front_door::{Door, Refusal};
use crate::ledger::{Account, Arrival, Book, Cell, Key, NOBODY, Run, minute_of, runs};
use crate::rollup::Roller;
use crate::templates::Cache;
use crate::worker::noted::Noted;
use crate::worker::tally::{Path, Tally};
use crate::xsk::Metadata;

const NANOSECONDS_IN_MS: u64 = 1_000_000;

/// When a block is handed on.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// At this many rows.
    pub block_rows: usize,
    /// At this age.
    pub block_age: Duration,
}

/// Where a full block goes, enriched. Called on the worker's thread, so it must not wait.
pub type HandOn = Box<dyn FnMut(Box<Block>) + Send>;

/// A worker's part in the account of datagrams and the directory of exporters.
pub struct Books {
    worker: usize,
    account: Account,
    book: Book,
    exporters: View,
    /// Datagrams lost in the sockets, as far as they are in the account.
    socket_drops: u64,
    socket_truncated: u64,
}

impl Books {
    /// The books of worker `worker`.
    #[must_use]
    pub fn new(worker: usize, account: Account, exporters: exporters::Directory) -> Self {
        let (book, exporters) = (Book::default(), View::new(exporters));
        Self { worker, account, book, exporters, socket_drops: 0, socket_truncated: 0 }
    }
}

/// A worker's decoder, its open block, and where blocks go.
pub struct Pipeline {
    settings: Settings,
    templates: Cache,
    enricher: Enricher,
    roller: Roller,
    door: Door,
    /// When the datagram at hand was taken, for the door.
    now_ns: u64,
    block: Box<Block>,
    opened: Instant,
    pool: Arc<Pool>,
    hand_on: HandOn,
    books: Books,
    now_ms: i64,
    /// What was counted so far.
    pub tally: Tally,
}

impl Pipeline {
    /// A pipeline with an empty block.
    #[must_use]
    pub fn new(
        settings: Settings,
        door: Door,
        templates: Cache,
        enricher: Enricher,
        pool: Arc<Pool>,
        hand_on: HandOn,
        books: Books,
    ) -> Self {
        let block = pool.take();
        let (opened, tally, roller) = (Instant::now(), Tally::default(), Roller::default());
        Self {
            settings,
            templates,
            enricher,
            roller,
            door,
            now_ns: 0,
            block,
            opened,
            pool,
            hand_on,
            books,
            now_ms: 0,
            tally,
        }
    }

    /// Takes a frame that the XDP program steered here, and so let in. Its time is the one that the program put in front of it,
    /// by which the program counts its minutes; `received_ms` where it put none there. `now_ns` is the time for token buckets.
    /// Returns the frame's time if it holds a datagram.
    pub fn frame(&mut self, frame: &[u8], metadata: Metadata, received_ms: i64, now_ns: u64) -> Option<i64> {
        let found = match collector_ebpf::walk(frame) {
            Ok(found) => found,
            Err(verdict) => {
                self.tally.frame_not_ours(verdict.label());
                return None;
            }
        };
        let payload = found.payload_offset..found.payload_offset.saturating_add(found.payload_length);
        let Some(payload) = frame.get(payload) else {
            self.tally.frame_not_ours(collector_ebpf::Verdict::Truncated.label());
            return None;
        };
        let received_ms = match Stamp::from_bytes(metadata) {
            Some(stamp) => i64::try_from(stamp.time_ns / NANOSECONDS_IN_MS).unwrap_or(i64::MAX),
            None => {
                self.tally.frames_without_time += 1;
                received_ms
            }
        };
        self.now_ns = now_ns;
        self.datagram(found.exporter, payload, received_ms, Path::Xdp);
        Some(received_ms)
    }

    /// Takes a datagram from a socket, where nobody has judged it yet: this is the one place where the front door refuses
    /// something outside the XDP program.
    pub fn from_socket(&mut self, exporter: Address, payload: &[u8], received_ms: i64, now_ns: u64) {
        if let Err(refusal) = self.door.admit(&exporter, now_ns) {
            self.books.refused(exporter, payload.len(), received_ms, refusal);
            return self.tally.refused(Path::Udp, refusal, payload.len());
        }
        self.now_ns = now_ns;
        self.datagram(exporter, payload, received_ms, Path::Udp);
    }

    /// Takes a datagram.
    pub fn datagram(&mut self, exporter: Address, payload: &[u8], received_ms: i64, path: Path) {
        self.tally.datagram(path, payload.len());
        let datagram = Datagram { payload, exporter, received_ms };
        let Books { book, exporters, .. } = &mut self.books;
        let mut store = Noted { templates: &mut self.templates, book, heard: &mut exporters.heard };
        let outcome = decode_part(&datagram, &mut store, &mut self.block.decoded, &mut self.tally.report);
        let arrival = match path {
            Path::Xdp => Arrival::Ring,
            Path::Udp => Arrival::Socket,
        };
        book.datagram(arrival, exporter, payload.len(), received_ms, &outcome);
        exporters.datagram(exporter, payload.len(), received_ms, &outcome, book);
        if outcome.is_sound() && !self.door.is_vouched(&exporter) {
            self.door.vouch(&exporter, self.now_ns);
        }
        if self.block.len() >= self.settings.block_rows {
            self.seal();
        }
    }

    /// Hands on the block if it is old enough. `now_ms` is the same moment in milliseconds since 1970.
    pub fn tick(&mut self, now: Instant, now_ms: i64) {
        self.now_ms = now_ms;
        self.templates.set_now(u64::try_from(now_ms / 1000).unwrap_or(0));
        if self.block.is_empty() {
            self.opened = now;
        } else if now.duration_since(self.opened) >= self.settings.block_age {
            self.seal();
        }
    }

    /// Counts the rows of the open block as lost: after a panic nobody knows whether its columns are whole.
    pub fn give_up(&mut self) {
        let rows = self.block.len() as u64;
        self.tally.rows_lost += rows;
        let nobody = Key { exporter: NOBODY, domain: 0, minute: minute_of(self.now_ms) };
        self.books.book.add(nobody, Cell::RowsDecoded, rows.cast_signed());
        self.books.book.add(nobody, Cell::RowsLostPanic, rows.cast_signed());
    }

    /// Hands on the block, whatever its age, unless it is empty.
    pub fn seal(&mut self) {
        self.opened = Instant::now();
        if self.block.is_empty() {
            return;
        }
        self.block.decoded.complete();
        self.enricher.enrich(&mut self.block);
        self.roller.roll(&mut self.block);
        self.books.enter(&self.block);
        let block = std::mem::replace(&mut self.block, self.pool.take());
        self.tally.blocks += 1;
        (self.hand_on)(block);
    }

    /// Hands over what was counted for the account. Every frame received before `horizon_ms` came out of the rings.
    pub fn hand_over(&mut self, horizon_ms: i64) {
        let Books { worker, account, book, socket_drops, socket_truncated, .. } = &mut self.books;
        for (total, known, cell) in [
            (self.tally.socket_drops, socket_drops, Cell::SocketOverflow),
            (self.tally.socket_truncated, socket_truncated, Cell::Truncated),
        ] {
            let lost = total.saturating_sub(std::mem::replace(known, total));
            account.lost_in_socket(cell, lost, self.now_ms);
        }
        account.take_over(*worker, book, horizon_ms, self.tally.ring_drops());
    }
}

impl Books {
    fn refused(&mut self, exporter: Address, bytes: usize, received_ms: i64, refusal: Refusal) {
        let (cell, bytes_cell) = match refusal {
            Refusal::NotAllowed => (Cell::NotAllowed, Cell::NotAllowedBytes),
            Refusal::RateLimited => (Cell::RateLimited, Cell::RateLimitedBytes),
        };
        self.book.refused(exporter, bytes, received_ms, cell, bytes_cell);
        self.exporters.refused(exporter, refusal, received_ms);
    }

    /// Counts the rows of a block that is complete, and takes the sampling rates in them.
    fn enter(&mut self, block: &Block) {
        for part in block.parts() {
            let Some(provenance) = part.provenance() else { continue };
            let flows = std::ptr::eq(part.table(), &batch::flows::TABLE).then_some(&block.decoded.flows);
            let mut start = 0;
            runs(provenance, flows.map_or(&[], |flows| &flows.flags), &mut |Run { key, rows, clamped }| {
                self.book.add(key, Cell::RowsDecoded, rows.cast_signed());
                self.book.add(key, Cell::TimesClamped, clamped.cast_signed());
                let end = start + rows as usize;
                if let Some(flows) = flows {
                    self.exporters.sampling(key.exporter, key.domain, flows, start, end);
                }
                start = end;
            });
        }
    }
}
