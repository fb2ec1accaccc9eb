//! The threads that insert: each takes its shard's oldest batch and repeats its insert, under its token, until it is
//! acknowledged.
//!
//! Each thread runs one small tokio runtime with connections of its own. Waiting between attempts grows to a limit; nothing
//! but a stop or rows that ClickHouse will never take makes it give up. Not here: who waits (see [`super::queue`]).

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::watch;

use super::batch::{Outcome, Waiting};
use super::client::Client;
use super::counters::{Counters, Loss};
use super::error::{Class, Error, Remedy};
use super::lock::{self, InsertLock};
use super::native;
use super::queue::Queue;
use crate::batch::Part;

/// First wait after a failed insert; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait after a failure that passes by itself.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait after a failure that somebody must see to.
const LONGEST_WAIT_ALARM: Duration = Duration::from_secs(30);
/// Longest wait while stopping.
const LONGEST_WAIT_STOPPING: Duration = Duration::from_millis(250);
/// Attempts for rows that ClickHouse refuses to read, as the bytes may have been spoilt on the way.
const ATTEMPTS_REJECTED: u32 = 3;
/// Attempts for an answer whose code says nothing to us, where other inserts have succeeded meanwhile: then it is the batch.
const ATTEMPTS_UNKNOWN: u32 = 10;
/// Between two log lines about failures.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// One inserting thread.
pub(super) struct Inserter {
    pub(super) client: Client,
    pub(super) shard: u16,
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    pub(super) stopping: watch::Receiver<Option<Instant>>,
    pub(super) complaint: Arc<Mutex<Complaint>>,
    /// Held while a batch is inserted.
    pub(super) lock: Option<Arc<InsertLock>>,
    pub(super) scratch: BytesMut,
    pub(super) failing: bool,
}

impl Inserter {
    pub(super) async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        while let Some(mut waiting) = queue.next(self.shard).await {
            // A deadline cuts the work off; what is left is accounted for all the same.
            tokio::select! {
                biased;
                () = passed(self.stopping.clone()) => {}
                () = self.insert_all(&mut waiting) => {}
            }
            queue.done(waiting, Loss::Stopped);
        }
    }

    /// Inserts each table's rows that are not stored yet. The lock is held for all of them, so that an exchange of what is stored
    /// never finds one table of a block without the others.
    async fn insert_all(&mut self, waiting: &mut Waiting) {
        let (queue, lock) = (Arc::clone(&self.queue), self.lock.clone());
        let _held = match &lock {
            Some(lock) => Some(hold(lock).await),
            None => None,
        };
        while let Some(part) = waiting.next() {
            let outcome = if part.is_empty() {
                Outcome::Stored
            } else {
                let inserted = self.insert(part, &waiting.batch.token_of(part)).await;
                inserted.map_or_else(Outcome::Lost, |()| Outcome::Stored)
            };
            queue.settle(waiting, outcome);
        }
    }

    /// Inserts one table's rows, as often as it takes.
    async fn insert(&mut self, part: Part<'_>, token: &str) -> Result<(), Loss> {
        let (table, rows) = (part.table().name, part.len());
        if let Err(fault) = native::check(part) {
            self.counters.blocks_at_fault.add(1);
            tracing::error!(
                table,
                rows,
                reason = fault.label(),
                "a block was given up, which is a fault of this program: {fault}"
            );
            return Err(Loss::Block);
        }
        let mut attempt = 0;
        let inserts_before = self.counters.inserts.get();
        loop {
            let begun = Instant::now();
            let error = match self.client.insert(part, token, &mut self.scratch).await {
                Ok(encoded_bytes) => {
                    self.counters.acknowledged(encoded_bytes, begun.elapsed());
                    self.recovered();
                    return Ok(());
                }
                Err(error) => error,
            };
            self.failed(error.clone());
            attempt += 1;
            let is_rejected = error.class.remedy() == Remedy::GiveUp && attempt >= ATTEMPTS_REJECTED;
            let is_the_batch = error.class == Class::Other
                && error.code.is_some()
                && attempt >= ATTEMPTS_UNKNOWN
                && self.counters.inserts.get() > inserts_before;
            if is_rejected || is_the_batch {
                tracing::error!(
                    table,
                    rows,
                    code = error.code,
                    "rows were given up: ClickHouse does not take them: {error}"
                );
                return Err(Loss::Rejected);
            }
            self.pause(attempt, error.class.remedy()).await;
        }
    }

    fn failed(&mut self, error: Error) {
        self.counters.failed(error.class);
        if !self.failing {
            self.failing = true;
            self.counters.started_failing();
        }
        let Ok(mut complaint) = self.complaint.lock() else { return };
        if !complaint.is_due(&error, Instant::now()) {
            return;
        }
        let (reason, rows_waiting) = (error.class.label(), self.counters.rows_waiting());
        let error = self.client.explain(error);
        match error.class.remedy() {
            Remedy::Wait => tracing::warn!(reason, rows_waiting, "rows wait for ClickHouse: {error}"),
            Remedy::Alarm => tracing::error!(reason, rows_waiting, "rows wait for ClickHouse: {error}"),
            Remedy::GiveUp => tracing::error!(reason, rows_waiting, "ClickHouse refuses a batch: {error}"),
        }
    }

    fn recovered(&mut self) {
        if !self.failing {
            return;
        }
        self.failing = false;
        self.counters.stopped_failing();
        let complained = self.complaint.lock().unwrap_or_else(PoisonError::into_inner).said.take().is_some();
        if complained {
            tracing::info!(rows_waiting = self.counters.rows_waiting(), "ClickHouse takes rows again");
        }
    }

    /// Waits before the next attempt: exponential, between half and all of it, cut short when a stop begins.
    async fn pause(&mut self, attempt: u32, remedy: Remedy) {
        let stopping = self.stopping.borrow_and_update().is_some();
        let longest = match remedy {
            _ if stopping => LONGEST_WAIT_STOPPING,
            Remedy::Alarm => LONGEST_WAIT_ALARM,
            Remedy::Wait | Remedy::GiveUp => LONGEST_WAIT,
        };
        let pause = FIRST_WAIT.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(longest);
        // Several collectors that lost the same server must not come back as one.
        let jitter = RandomState::new().hash_one(attempt) as u32;
        let pause = pause.mul_f64(0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = self.stopping.changed(), if !stopping => {}
        }
    }
}

/// The lock, shared. A system that has no lock to give is waited for: rows are late rather than in the way of an exchange.
async fn hold(lock: &InsertLock) -> lock::Held<'_> {
    loop {
        match lock.shared().await {
            Ok(held) => return held,
            Err(error) => tracing::error!(%error, "rows wait: the lock of inserts in state_dir cannot be had"),
        }
        tokio::time::sleep(LONGEST_WAIT).await;
    }
}

/// Returns once a stop's deadline has passed.
async fn passed(mut stopping: watch::Receiver<Option<Instant>>) {
    // A dropped sender means that the sink is gone, after which there is nothing to wait for.
    if let Ok(deadline) = stopping.wait_for(Option::is_some).await.map(|deadline| *deadline)
        && let Some(deadline) = deadline
    {
        tokio::time::sleep_until(deadline.into()).await;
    }
}

/// The last failure that was logged, so that a failure is logged when it begins and changes, not with every attempt.
#[derive(Debug, Default)]
pub(super) struct Complaint {
    said: Option<(Class, Option<u32>)>,
    at: Option<Instant>,
}

impl Complaint {
    fn is_due(&mut self, error: &Error, now: Instant) -> bool {
        let this = (error.class, error.code);
        let recent = self.at.is_some_and(|at| now.saturating_duration_since(at) < COMPLAINT_INTERVAL);
        if self.said == Some(this) || recent {
            return false;
        }
        (self.said, self.at) = (Some(this), Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_when_it_begins_and_when_it_changes() {
        let begin = Instant::now();
        let mut complaint = Complaint::default();
        for (second, class, due) in [
            (0, Class::Unreachable, true),
            (1, Class::Unreachable, false),
            (2, Class::Timeout, false),
            (60, Class::Unreachable, false),
            (61, Class::Timeout, true),
            (120, Class::Timeout, false),
        ] {
            let at = begin + Duration::from_secs(second);
            assert_eq!(complaint.is_due(&Error::new(class, ""), at), due, "second {second}");
        }
    }
}
