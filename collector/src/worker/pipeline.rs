//! What happens to a datagram once a worker has it in hand: decode into the open block; enrich, seal and hand on the block
//! when it is full or old enough.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netflow::columns::Address;
use netflow::{Datagram, decode};

use crate::batch::{Block, Pool};
use crate::enrich::Enricher;
use crate::templates::Cache;
use crate::worker::tally::{Path, Tally};

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
    pub fn new(settings: Settings, templates: Cache, enricher: Enricher, pool: Arc<Pool>, hand_on: HandOn) -> Self {
        let block = pool.take();
        Self { settings, templates, enricher, block, opened: Instant::now(), pool, hand_on, tally: Tally::default() }
    }

    /// Takes a frame that the XDP program steered here.
    pub fn frame(&mut self, frame: &[u8], received_ms: i64) {
        let found = match collector_ebpf::walk(frame) {
            Ok(found) => found,
            Err(verdict) => return self.tally.frame_not_ours(verdict.label()),
        };
        let payload = found.payload_offset..found.payload_offset.saturating_add(found.payload_length);
        let Some(payload) = frame.get(payload) else {
            return self.tally.frame_not_ours(collector_ebpf::Verdict::Truncated.label());
        };
        self.datagram(found.exporter, payload, received_ms, Path::Xdp);
    }

    /// Takes a datagram.
    pub fn datagram(&mut self, exporter: Address, payload: &[u8], received_ms: i64, path: Path) {
        self.tally.datagram(path, payload.len());
        let datagram = Datagram { payload, exporter, received_ms };
        decode(&datagram, &mut self.templates, &mut self.block.decoded, &mut self.tally.report);
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
