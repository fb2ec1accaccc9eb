//! What happens to a datagram once a worker has it in hand: ask the front door, where the XDP program has not; decode into the open block; enrich, seal and hand on the block
//! when it is full or old enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use collector_ebpf::Stamp;
use netflow::columns::Address;
use netflow::{Datagram, decode};

use crate::batch::{Block, Pool};
use crate::enrich::Enricher;
use crate::front_door::Door;
use crate::templates::Cache;
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

/// A worker's decoder, its open block, and where blocks go.
pub struct Pipeline {
    settings: Settings,
    templates: Cache,
    enricher: Enricher,
    door: Door,
    /// When the datagram at hand was taken, for the door.
    now_ns: u64,
    block: Box<Block>,
    opened: Instant,
    pool: Arc<Pool>,
    hand_on: HandOn,
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
    ) -> Self {
        let block = pool.take();
        let (opened, tally) = (Instant::now(), Tally::default());
        Self { settings, templates, enricher, door, now_ns: 0, block, opened, pool, hand_on, tally }
    }

    /// Takes a frame that the XDP program steered here, and so let in. Its time is the one that the program put in front of it,
    /// by which the program counts its minutes; `received_ms` where it put none there. `now_ns` is the time for token buckets.
    pub fn frame(&mut self, frame: &[u8], metadata: Metadata, received_ms: i64, now_ns: u64) {
        let found = match collector_ebpf::walk(frame) {
            Ok(found) => found,
            Err(verdict) => return self.tally.frame_not_ours(verdict.label()),
        };
        let payload = found.payload_offset..found.payload_offset.saturating_add(found.payload_length);
        let Some(payload) = frame.get(payload) else {
            return self.tally.frame_not_ours(collector_ebpf::Verdict::Truncated.label());
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
    }

    /// Takes a datagram from a socket, where nobody has judged it yet: this is the one place where the front door refuses
    /// something outside the XDP program.
    pub fn from_socket(&mut self, exporter: Address, payload: &[u8], received_ms: i64, now_ns: u64) {
        if let Err(refusal) = self.door.admit(&exporter, now_ns) {
            return self.tally.refused(Path::Udp, refusal, payload.len());
        }
        self.now_ns = now_ns;
        self.datagram(exporter, payload, received_ms, Path::Udp);
    }

    /// Takes a datagram.
    pub fn datagram(&mut self, exporter: Address, payload: &[u8], received_ms: i64, path: Path) {
        self.tally.datagram(path, payload.len());
        let datagram = Datagram { payload, exporter, received_ms };
        let stranger = !self.door.is_vouched(&exporter);
        let faults = if stranger { self.tally.report.malformed() } else { 0 };
        decode(&datagram, &mut self.templates, &mut self.block.flows, &mut self.tally.report);
        if stranger && self.tally.report.malformed() == faults {
            self.door.vouch(&exporter, self.now_ns);
        }
        if self.block.len() >= self.settings.block_rows {
            self.seal();
        }
    }

    /// Hands on the block if it is old enough. `now_ms` is the same moment in milliseconds since 1970.
    pub fn tick(&mut self, now: Instant, now_ms: i64) {
        self.templates.set_now(u64::try_from(now_ms / 1000).unwrap_or(0));
        if self.block.is_empty() {
            self.opened = now;
        } else if now.duration_since(self.opened) >= self.settings.block_age {
            self.seal();
        }
    }

    /// Counts the rows of the open block as lost: after a panic nobody knows whether its columns are whole.
    pub fn give_up(&mut self) {
        self.tally.rows_lost += self.block.len() as u64;
    }

    /// Hands on the block, whatever its age, unless it is empty.
    pub fn seal(&mut self) {
        self.opened = Instant::now();
        if self.block.is_empty() {
            return;
        }
        self.enricher.enrich(&mut self.block);
        let block = std::mem::replace(&mut self.block, self.pool.take());
        self.tally.blocks += 1;
        (self.hand_on)(block);
    }
}
