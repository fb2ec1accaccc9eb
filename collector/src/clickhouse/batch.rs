//! The rows that are stored as one, and which of them are still to be.

use std::fmt;
use std::sync::Arc;

use super::counters::Loss;
use crate::batch::{Block, Part, Pool, Rows};

/// Called once all rows of a batch are stored, or lost for good and named. Dropped uncalled where they are neither: then
/// whoever made the batch still has what the rows were made of. Must not wait for the sink.
pub type Receipt = Box<dyn FnOnce() + Send>;

/// Rows that are stored as one: each table's rows are one insert, and all are repeated until they are acknowledged.
pub struct Batch {
    /// A worker's block, which goes back to the pool, or anything else. Shared with what is being sent.
    rows: Arc<dyn Rows>,
    token: String,
    shard: u16,
    receipt: Option<Receipt>,
}

impl Batch {
    /// A worker's block. `token` names its inserts: repeated under the same token, they store nothing twice. Never used for
    /// other rows.
    #[must_use]
    pub fn of_block(block: Box<Block>, token: String) -> Self {
        Self { rows: Arc::new(*block), token, shard: 0, receipt: None }
    }

    /// Rows that were made otherwise; `token` as for [`Batch::of_block`].
    #[must_use]
    pub fn of_rows(rows: Arc<dyn Rows>, token: String) -> Self {
        Self { rows, token, shard: 0, receipt: None }
    }

    /// The same batch; `receipt` is called once all its rows are settled. It is never given up for the bound or at a stop.
    #[must_use]
    pub fn with_receipt(self, receipt: Receipt) -> Self {
        Self { receipt: Some(receipt), ..self }
    }

    /// The same batch for a shard, counted from 0. Repeats must go to the shard of the first attempt: another one does not know
    /// the token. A number past the last shard means the remainder.
    #[must_use]
    pub fn on_shard(self, shard: u16) -> Self {
        Self { shard, ..self }
    }

    /// The shard it is for.
    #[must_use]
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// Each table's rows, also of tables that have none.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        Part::all_shared(&self.rows)
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.parts().map(|part| part.len() as u64).sum()
    }

    /// Names the insert of one table's rows.
    #[must_use]
    pub fn token_of(&self, part: Part<'_>) -> String {
        format!("{}-{}", self.token, part.table().name)
    }

    /// Rows that were made of datagrams.
    pub(super) fn datagram_rows(&self) -> u64 {
        self.parts().map(datagram_rows).sum()
    }

    /// Whether the rows can be made again where they are not stored.
    pub(super) fn has_receipt(&self) -> bool {
        self.receipt.is_some()
    }

    /// Bytes of memory that are held.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.parts().map(|part| part.memory_bytes() as u64).sum()
    }

    /// A block that was sealed early has room for many more rows: the same batch without it, the block given back to `pool`.
    pub(super) fn compact(mut self, pool: &Pool) -> Self {
        let row_bytes: u64 = self.parts().map(|part| part.row_bytes() as u64).sum();
        if self.memory_bytes() <= 2 * row_bytes {
            return self;
        }
        let Some(block) = Arc::clone(&self.rows).block() else { return self };
        let small = Arc::new(Block::clone(&block));
        drop(block);
        give_back(std::mem::replace(&mut self.rows, small), pool);
        self
    }

    /// Says that all rows are settled.
    pub(super) fn call_receipt(&mut self) {
        if let Some(receipt) = self.receipt.take() {
            receipt();
        }
    }

    /// Gives a block back to `pool`.
    pub(super) fn recycle(self, pool: &Pool) {
        give_back(self.rows, pool);
    }
}

/// Gives a block back to `pool`, unless it is still being sent.
fn give_back(rows: Arc<dyn Rows>, pool: &Pool) {
    if let Some(block) = rows.block().and_then(Arc::into_inner) {
        pool.give(Box::new(block));
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, token, shard, receipt } = self;
        let mut text = formatter.debug_struct("Batch");
        text.field("rows", rows).field("token", token).field("shard", shard);
        text.field("has_receipt", &receipt.is_some()).finish()
    }
}

/// Rows of a part that were made of datagrams: all or none.
pub(super) fn datagram_rows(part: Part<'_>) -> u64 {
    part.provenance().map_or(0, |_| part.len() as u64)
}

/// What became of one table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored,
    /// Thrown away, as the settings ask for.
    Discarded,
    Lost(Loss),
}

/// A batch with what it counts for, and how far it has come.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    /// Rows and bytes of memory that still count against the bound.
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// What became of the leading tables' rows.
    pub(super) settled: Vec<Outcome>,
    /// Attempts at the next table that failed.
    pub(super) attempts: u32,
}

impl Waiting {
    pub(super) fn new(batch: Batch) -> Self {
        Self { rows: batch.rows(), bytes: batch.memory_bytes(), settled: Vec::new(), attempts: 0, batch }
    }

    /// The next table whose rows are to be stored.
    pub(super) fn next(&self) -> Option<Part<'_>> {
        self.batch.parts().nth(self.settled.len())
    }
}
