//! The threads that insert: each takes its shard's oldest batch and repeats its insert, under its token, until it is
//! acknowledged.
//!
//! Each thread runs one small tokio runtime with connections of its own. Waiting between attempts grows to a limit; nothing
//! but a stop or rows that ClickHouse will never take makes it give up.
//!
//! A batch is never split. An attempt that failed may have stored some of its rows nevertheless: the answer may be lost, and a
//! block of two partitions may have stored one. Only the same rows under the same token find out, today and after a crash, when
//! nobody knows any more which pieces were tried. So what is too large for ClickHouse waits, is let past by others, and raises
//! the alarm, while [`super::BatchSender::block_rows`] makes the next blocks smaller.
//! Not here: who waits (see [`super::queue`]), and which endpoint is next (see [`super::endpoints`]).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::watch;

use super::batch::{Outcome, Waiting};
use super::client::Client;
use super::counters::{Counters, Loss};
use super::endpoints::{Choice, Endpoints, wait_after};
use super::error::{Class, Concerns, Error, Remedy};
use super::lock::{self, InsertLock};
use super::native;
use super::queue::Queue;
use super::sink::Destination;
use crate::batch::Part;

/// Longest wait while stopping.
const LONGEST_WAIT_STOPPING: Duration = Duration::from_millis(250);
/// How long a lock that the system does not give is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Attempts for rows that ClickHouse refuses to read, as the bytes may have been spoilt on the way.
const ATTEMPTS_REJECTED: u32 = 3;
/// Attempts for an answer whose code says nothing to us, where other inserts have succeeded meanwhile: then it is the batch.
/// Minutes pass until then.
const ATTEMPTS_UNKNOWN: u32 = 50;
/// Attempts after which others are let past, where the failure may be the batch's own.
const ATTEMPTS_SET_ASIDE: u32 = 5;
/// Between two log lines about failures.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How the work on a batch or a table of it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    With(Outcome),
    /// Others first: it may be the batch that fails.
    SetAside,
}

/// One inserting thread.
pub(super) struct Inserter {
    /// One for each endpoint.
    pub(super) clients: Vec<Client>,
    pub(super) endpoints: Arc<Endpoints>,
    pub(super) shard: u16,
    pub(super) destination: Destination,
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
            let is_set_aside = tokio::select! {
                biased;
                () = passed(self.stopping.clone()) => false,
                ended = self.insert_all(&mut waiting) => ended == Ended::SetAside,
            };
            if is_set_aside {
                queue.put_back(waiting);
            } else {
                queue.done(waiting, Loss::Stopped);
            }
        }
    }

    /// Inserts each table's rows that are not stored yet. The lock is held for all of them, so that an exchange of what is stored
    /// never finds one table of a block without the others.
    async fn insert_all(&mut self, waiting: &mut Waiting) -> Ended {
        let (queue, lock) = (Arc::clone(&self.queue), self.lock.clone());
        let _held = match &lock {
            Some(lock) => Some(hold(lock).await),
            None => None,
        };
        let mut attempts = waiting.attempts;
        while let Some(part) = waiting.next() {
            let ended = if part.is_empty() {
                Ended::With(Outcome::Stored)
            } else {
                self.insert(part, &waiting.batch.token_of(part), &mut attempts).await
            };
            waiting.attempts = attempts;
            let Ended::With(outcome) = ended else { return ended };
            queue.settle(waiting, outcome);
            attempts = 0;
        }
        Ended::With(Outcome::Stored)
    }

    /// Inserts one table's rows, as often as it takes. `attempts` counts those that failed.
    async fn insert(&mut self, part: Part<'_>, token: &str, attempts: &mut u32) -> Ended {
        let (table, rows) = (part.table().name, part.len());
        if let Err(fault) = native::check(part) {
            self.counters.blocks_at_fault.add(1);
            tracing::error!(
                table,
                rows,
                reason = fault.label(),
                "a block was given up, which is a fault of this program: {fault}"
            );
            return Ended::With(Outcome::Lost(Loss::Block));
        }
        if self.destination == Destination::Nowhere {
            return self.discard(part).await;
        }
        let inserts_before = self.counters.inserts.get();
        let mut avoid = None;
        loop {
            let index = self.endpoint(avoid).await;
            let error = match self.attempt(index, part, token).await {
                Ok(()) => return Ended::With(Outcome::Stored),
                Err(error) => error,
            };
            *attempts += 1;
            let is_rejected = error.class.remedy() == Remedy::GiveUp && *attempts >= ATTEMPTS_REJECTED;
            let is_the_batch = error.class == Class::Other
                && *attempts >= ATTEMPTS_UNKNOWN
                && self.counters.inserts.get() > inserts_before;
            if is_rejected || is_the_batch {
                tracing::error!(
                    table,
                    rows,
                    code = error.code,
                    "rows were given up: ClickHouse does not take them: {error}"
                );
                return Ended::With(Outcome::Lost(Loss::Rejected));
            }
            let is_too_much = matches!(error.class, Class::Memory | Class::TooLarge);
            if is_too_much && *attempts == 1 {
                self.queue.block_size.shrink();
            }
            if is_too_much || error.class.concerns() == Concerns::Batch {
                avoid = Some(index);
                if attempts.is_multiple_of(ATTEMPTS_SET_ASIDE) && self.queue.has_waiting(self.shard) {
                    return Ended::SetAside;
                }
            }
            if error.class.concerns() == Concerns::Batch {
                let until = Instant::now() + wait_after(*attempts, error.class.remedy());
                self.wait_until(until).await;
            }
        }
    }

    /// Encodes one table's rows for nobody.
    async fn discard(&mut self, part: Part<'_>) -> Ended {
        let Some(client) = self.clients.first() else { return Ended::With(Outcome::Lost(Loss::Block)) };
        match client.discard(part, &mut self.scratch).await {
            Ok(encoded_bytes) => {
                self.counters.discarded_bytes.add(encoded_bytes);
                Ended::With(Outcome::Discarded)
            }
            Err(error) => {
                tracing::error!(%error, "rows could not be encoded, which is a fault of this program");
                Ended::With(Outcome::Lost(Loss::Block))
            }
        }
    }

    async fn attempt(&mut self, index: usize, part: Part<'_>, token: &str) -> Result<(), Error> {
        let begun = Instant::now();
        let endpoints = Arc::clone(&self.endpoints);
        let in_flight = endpoints.begin(index);
        let inserted = self.clients[index].insert(part, token, &mut self.scratch).await;
        drop(in_flight);
        match inserted {
            Ok(encoded_bytes) => {
                self.counters.acknowledged(encoded_bytes, begun.elapsed());
                self.queue.block_size.stored();
                endpoints.succeeded(index);
                self.recovered();
                Ok(())
            }
            Err(error) => {
                endpoints.failed(index, error.class, begun, Instant::now());
                self.failed(index, error.clone());
                Err(error)
            }
        }
    }

    /// An endpoint that works; waits while all rest, though not for long while stopping.
    async fn endpoint(&mut self, avoid: Option<usize>) -> usize {
        loop {
            let now = Instant::now();
            let until = match self.endpoints.choose(now, avoid) {
                Choice::Go(index) => return index,
                Choice::Wait(until) => until,
            };
            let was_stopping = self.stopping.borrow().is_some();
            self.wait_until(until).await;
            if was_stopping && Instant::now() < until {
                return self.endpoints.first_to_wake(now).0;
            }
        }
    }

    /// Waits until then, or an endpoint recovers, or a stop begins; while stopping, not for long.
    async fn wait_until(&mut self, until: Instant) {
        let is_stopping = self.stopping.borrow_and_update().is_some();
        let longest = Instant::now() + LONGEST_WAIT_STOPPING;
        let until = if is_stopping { until.min(longest) } else { until };
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            () = self.endpoints.recovered.notified() => {}
            _ = self.stopping.changed(), if !is_stopping => {}
        }
    }

    fn failed(&mut self, index: usize, error: Error) {
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
        let error = self.clients[index].explain(error);
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
}

/// The lock, shared. A system that has no lock to give is waited for: rows are late rather than in the way of an exchange.
async fn hold(lock: &InsertLock) -> lock::Held<'_> {
    loop {
        match lock.shared().await {
            Ok(held) => return held,
            Err(error) => tracing::error!(%error, "rows wait: the lock of inserts in state_dir cannot be had"),
        }
        tokio::time::sleep(LOCK_WAIT).await;
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
