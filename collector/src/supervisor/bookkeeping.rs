//! The ledger's upkeep: takes the kernel's counts, settles minutes, and sends the changes to the table.

use std::time::{Duration, Instant};

use crate::batch::Part;
use crate::clickhouse::{Batch, BatchSender, Loss, Observer};
use crate::ledger::{Account, Cell, LedgerRows};

use super::tokens::Tokens;

/// How often changes go to the table.
const WRITE: Duration = Duration::from_secs(10);

/// Enters what became of rows into the account.
pub(super) struct RowsOfAccount(pub(super) Account);

impl Observer for RowsOfAccount {
    fn stored(&self, part: Part<'_>) {
        if let Some(provenance) = part.provenance() {
            self.0.rows(provenance, Cell::RowsStored);
        }
    }

    fn lost(&self, part: Part<'_>, loss: Loss) {
        let Some(provenance) = part.provenance() else { return };
        let cell = match loss {
            Loss::Bound => Cell::RowsLostBound,
            Loss::Rejected => Cell::RowsLostRejected,
            Loss::Block => Cell::RowsLostBlock,
            Loss::Stopped => Cell::RowsLostStopped,
        };
        self.0.rows(provenance, cell);
    }
}

/// Sends the ledger's changes to the table.
pub(super) struct Bookkeeping {
    account: Account,
    batches: BatchSender,
    tokens: Tokens,
    written: Instant,
}

impl Bookkeeping {
    pub(super) fn new(account: Account, batches: BatchSender, tokens: Tokens) -> Self {
        Self { account, batches, tokens, written: Instant::now() }
    }

    /// Writes the changes if it is time.
    pub(super) fn tick(&mut self) {
        if self.written.elapsed() >= WRITE {
            self.write();
        }
    }

    /// Writes the changes since the last time.
    pub(super) fn write(&mut self) {
        self.written = Instant::now();
        let rows = LedgerRows::new(&self.account.take_changes());
        if !rows.is_empty() {
            self.batches.send(Batch::of_rows(Box::new(rows), self.tokens.next()));
        }
    }
}
