//! The ledger's upkeep: takes the kernel's counts, settles minutes, and sends the changes to the table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use netflow::store::DomainKey;

use crate::batch::Part;
use crate::clickhouse::{Batch, BatchSender, Counters, Loss, Observer};
use crate::exporters;
use crate::front_door::Refusal;
use crate::ledger::{Account, Cell, KernelMinute, Key, LedgerRows, Quantity, minute_of};
use crate::steering::{Count, ExporterMinute};
use crate::templates::{Reason, Templates};
use crate::utc::now_ms;

use super::interface::Interface;
use super::schema::Ready;
use super::tokens::Tokens;

/// How often the account is looked after, and changes go to the table.
const ROUND: Duration = Duration::from_secs(10);
/// The same in the first minutes, when people look whether anything comes.
const FIRST_ROUNDS: Duration = Duration::from_secs(2);
const FIRST_MINUTES: Duration = Duration::from_secs(120);
const MINUTE_MS: i64 = 60_000;
/// How long after its end a minute is handed out by the programs, and a little more.
const MINUTE_OVER_MS: i64 = 3_000;

/// Enters what became of rows into the account.
pub(super) struct RowsOfAccount(pub(super) Account);

impl Observer for RowsOfAccount {
    fn stored(&self, part: Part<'_>) {
        if let Some(provenance) = part.provenance() {
            self.0.rows(provenance, Cell::RowsStored);
        }
    }

    fn discarded(&self, part: Part<'_>) {
        if let Some(provenance) = part.provenance() {
            self.0.rows_discarded(provenance);
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

/// Keeps the ledger.
pub(super) struct Bookkeeping {
    account: Account,
    exporters: exporters::Directory,
    templates: Templates,
    batches: BatchSender,
    tokens: Tokens,
    ready: Ready,
    clickhouse: Arc<Counters>,
    started: Instant,
    next: Instant,
}

impl Bookkeeping {
    pub(super) fn new(
        account: Account,
        exporters: exporters::Directory,
        templates: Templates,
        batches: BatchSender,
        ready: Ready,
        clickhouse: Arc<Counters>,
    ) -> Self {
        let (tokens, started) = (Tokens::new(), Instant::now());
        let next = started + FIRST_ROUNDS;
        Self { account, exporters, templates, batches, tokens, ready, clickhouse, started, next }
    }

    /// Takes the kernel's counts, settles minutes and writes the changes, if it is time.
    /// `decoded` is the time up to which everything is decoded, seconds since 1970; none while that is not known.
    pub(super) fn tick(&mut self, interfaces: &mut [Interface], decoded: Option<u64>) {
        if Instant::now() < self.next {
            return;
        }
        let is_young = self.started.elapsed() < FIRST_MINUTES;
        self.next = Instant::now() + if is_young { FIRST_ROUNDS } else { ROUND };
        let now_ms = now_ms();
        if let Some(decoded) = decoded {
            self.take_given_up(decoded);
        }
        // The programs hand out a minute once it has been over for a while; one that they did not must not be settled.
        if now_ms % MINUTE_MS >= MINUTE_OVER_MS && self.take_minutes(interfaces, now_ms) {
            self.account.settle(minute_of(now_ms));
        }
        self.write();
    }

    /// The system's clock was set: the programs do not hand out minutes for a moment.
    pub(super) fn clock_was_set(&mut self) {
        self.next = Instant::now() + 2 * ROUND;
    }

    /// Takes the programs off their interfaces with the last that they counted.
    pub(super) fn take_last_minutes(&self, interfaces: &mut [Interface]) {
        let now_ms = now_ms();
        for interface in interfaces {
            match interface.steering.last_exporter_minutes() {
                Ok(minutes) => self.take(&minutes, now_ms),
                Err(error) => tracing::error!(%error, "the ledger lacks what the program counted last"),
            }
        }
    }

    /// Settles everything once the workers have ended: nothing comes out of the rings.
    pub(super) fn settle_all(&self) {
        self.account.settle_all();
    }

    /// Writes the changes since the last time. While ClickHouse takes nothing they stay in the account, where they take no more room
    /// the longer that lasts.
    pub(super) fn write(&self) {
        if !self.ready.is_ready() || self.clickhouse.failing() > 0 {
            return;
        }
        let rows = LedgerRows::new(&self.account.take_changes());
        if !rows.is_empty() {
            self.batches.send(Batch::of_rows(Arc::new(rows), self.tokens.next()));
        }
    }

    fn take_minutes(&self, interfaces: &mut [Interface], now_ms: i64) -> bool {
        let mut are_all_taken = true;
        for interface in interfaces {
            match interface.steering.exporter_minutes(minute_of(now_ms).saturating_sub(1)) {
                Ok(minutes) => self.take(&minutes, now_ms),
                Err(error) => {
                    are_all_taken = false;
                    tracing::error!(%error, "the ledger waits for what the program counted");
                }
            }
        }
        are_all_taken
    }

    fn take(&self, minutes: &[ExporterMinute], now_ms: i64) {
        let quantity = |count: Count| Quantity { datagrams: count.datagrams, bytes: count.bytes };
        let counted: Vec<KernelMinute> = minutes
            .iter()
            .map(|minute| KernelMinute {
                exporter: minute.exporter,
                minute: minute.minute,
                steered: quantity(minute.steered),
                not_allowed: quantity(minute.not_allowed),
                rate_limited: quantity(minute.rate_limited),
            })
            .collect();
        self.account.steered(&counted);
        for minute in minutes {
            for (refusal, count) in
                [(Refusal::NotAllowed, minute.not_allowed), (Refusal::RateLimited, minute.rate_limited)]
            {
                self.exporters.refused(&minute.exporter, refusal, count.datagrams, now_ms);
            }
        }
    }

    /// Enters the data sets that waited in vain, under the minute of their receipt. `now` is in seconds since 1970.
    pub(super) fn take_given_up(&self, now: u64) {
        for given_up in self.templates.held_given_up(now) {
            let cell = match given_up.reason {
                Reason::Expired => Cell::SetsExpired,
                Reason::Evicted => Cell::SetsEvicted,
            };
            let DomainKey { exporter, domain, .. } = given_up.domain;
            let key = Key::of_sender(exporter, domain, minute_of(given_up.received_ms));
            self.account.add(key, cell, i64::from(given_up.sets));
        }
    }
}
