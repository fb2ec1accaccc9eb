//! The rows that are stored as one, and which of them are still to be.

use crate::batch::{Block, Part, Pool, Rows};

/// Rows that are stored as one: each table's rows are one insert, and all are repeated until they are acknowledged.
#[derive(Debug)]
pub struct Batch {
    payload: Payload,
    token: String,
}

#[derive(Debug)]
enum Payload {
    /// A worker's block, which goes back to the pool.
    Block(Box<Block>),
    /// Anything else.
    Rows(Box<dyn Rows>),
}

impl Batch {
    /// A worker's block. `token` names its inserts: repeated under the same token, they store nothing twice. Never used for
    /// other rows.
    #[must_use]
    pub fn of_block(block: Box<Block>, token: String) -> Self {
        Self { payload: Payload::Block(block), token }
    }

    /// Rows that were made otherwise; `token` as for [`Batch::of_block`].
    #[must_use]
    pub fn of_rows(rows: Box<dyn Rows>, token: String) -> Self {
        Self { payload: Payload::Rows(rows), token }
    }

    /// Each table's rows, also of tables that have none.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        let rows: &dyn Rows = match &self.payload {
            Payload::Block(block) => &**block,
            Payload::Rows(rows) => &**rows,
        };
        Part::all(rows)
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

    /// Bytes of memory that are held.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.parts().map(|part| part.memory_bytes() as u64).sum()
    }

    /// A block that was sealed early has room for many more rows: the same batch without it, the block given back to `pool`.
    pub(super) fn compact(self, pool: &Pool) -> Self {
        let row_bytes: u64 = self.parts().map(|part| part.row_bytes() as u64).sum();
        if self.memory_bytes() <= 2 * row_bytes {
            return self;
        }
        let Self { payload: Payload::Block(block), token } = self else { return self };
        let small = block.clone();
        pool.give(block);
        Self { payload: Payload::Block(small), token }
    }

    /// Gives a block back to `pool`.
    pub(super) fn recycle(self, pool: &Pool) {
        if let Payload::Block(block) = self.payload {
            pool.give(block);
        }
    }
}

/// A batch with what it counts for, and how far it has come.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    /// Rows and bytes of memory that still count against the bound.
    pub(super) rows: u64,
    pub(super) bytes: u64,
    /// Leading tables whose rows are stored or given up.
    pub(super) settled: usize,
}

impl Waiting {
    pub(super) fn new(batch: Batch) -> Self {
        Self { rows: batch.rows(), bytes: batch.memory_bytes(), settled: 0, batch }
    }

    /// The next table whose rows are to be stored.
    pub(super) fn next(&self) -> Option<Part<'_>> {
        self.batch.parts().nth(self.settled)
    }
}
