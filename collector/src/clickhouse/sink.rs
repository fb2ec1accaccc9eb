//! The threads that insert: each takes the oldest batch and repeats its insert, under its token, until it is acknowledged.
//!
//! Each thread runs one small tokio runtime with connections of its own. Waiting between attempts grows to a limit; nothing
//! but the bound, a stop, or rows that ClickHouse will never take makes it give up. Not here: making batches and tokens.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::watch;

use super::batch::{Batch, Waiting};
use super::client::{self, Client};
use super::counters::{Counters, Loss};
use super::error::{Class, Error, Remedy};
use super::native;
use super::observer::Observer;
use super::queue::{Bound, Queue};
use crate::batch::{Part, Pool};

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
/// How often a drain looks whether there is still somebody to insert.
const DRAIN_ROUND: Duration = Duration::from_millis(100);
/// Between two log lines about failures.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

/// How much waits and how many insert.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Rows that may be in memory unacknowledged. Must hold some batches, or everything is given up.
    pub pending_rows: u64,
    /// Bytes of memory they may take.
    pub pending_bytes: u64,
    /// Threads that insert; at least one.
    pub inserters: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { pending_rows: 2_000_000, pending_bytes: 1 << 30, inserters: 2 }
    }
}

/// What became of rows since a drain or a stop began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Rows acknowledged.
    pub rows_inserted: u64,
    /// Rows given up.
    pub rows_given_up: u64,
}

/// The inserting threads. Dropping it stops them at once.
pub struct Sink {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    stop_at: watch::Sender<Option<Instant>>,
    inserters: Vec<JoinHandle<()>>,
}

/// Hands batches to a [`Sink`].
#[derive(Clone)]
pub struct BatchSender {
    queue: Arc<Queue>,
}

impl BatchSender {
    /// Hands a batch over; never waits. Past the bound the oldest waiting batch is given up and counted.
    pub fn send(&self, batch: Batch) {
        self.queue.push(batch);
    }
}

impl Sink {
    /// Starts the threads; ClickHouse need not be reachable yet. Blocks go back to `pool` after `observer` was told what became
    /// of their rows.
    ///
    /// # Errors
    /// [`Class::Settings`] for settings that cannot work, [`Class::Other`] when a thread cannot be started.
    pub fn start(
        client: &client::Settings,
        settings: &Settings,
        counters: Arc<Counters>,
        pool: Arc<Pool>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, Error> {
        // Found out now rather than on the threads.
        Client::new(client)?;
        let bound = Bound { rows: settings.pending_rows, bytes: settings.pending_bytes };
        if bound.rows == 0 || bound.bytes == 0 {
            let message = "no row may wait for ClickHouse: give pending_rows and pending_bytes more than 0";
            return Err(Error::new(Class::Settings, message));
        }
        let (stop_at, stopping) = watch::channel(None);
        let mut sink = Self {
            queue: Arc::new(Queue::new(bound, pool, Arc::clone(&counters), observer)),
            counters: Arc::clone(&counters),
            stop_at,
            inserters: Vec::new(),
        };
        let complaint = Arc::new(Mutex::new(Complaint::default()));
        for number in 0..settings.inserters.max(1) {
            let inserter = Inserter {
                client: Client::new(client)?,
                queue: Arc::clone(&sink.queue),
                counters: Arc::clone(&counters),
                stopping: stopping.clone(),
                complaint: Arc::clone(&complaint),
                scratch: BytesMut::new(),
                failing: false,
            };
            let cannot_start =
                |error: std::io::Error| Error::new(Class::Other, format!("cannot start an inserting thread: {error}"));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
            let thread = std::thread::Builder::new()
                .name(format!("insert-{number}"))
                .spawn(move || runtime.block_on(inserter.run()))
                .map_err(cannot_start)?;
            sink.inserters.push(thread);
        }
        Ok(sink)
    }

    /// A way to hand batches over.
    #[must_use]
    pub fn sender(&self) -> BatchSender {
        BatchSender { queue: Arc::clone(&self.queue) }
    }

    /// Whether every inserting thread runs. One that panicked keeps its batch from being stored, and is not replaced.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.inserters.iter().all(|inserter| !inserter.is_finished())
    }

    /// Inserts what waits until `deadline` has passed and gives the rest up, under way or not: when this returns, what became of
    /// all rows sent before is known. Batches are taken all the while and afterwards.
    pub fn drain(&self, deadline: Duration) -> Drained {
        let begun = Drained::so_far(&self.counters);
        let stop_at = Instant::now() + deadline;
        self.stop_at.send_replace(Some(stop_at));
        while !self.queue.wait_until_empty(DRAIN_ROUND) {
            // A thread that panicked never gives back what it had.
            if !self.is_healthy() && Instant::now() >= stop_at {
                self.queue.give_up_rest();
                break;
            }
        }
        self.stop_at.send_replace(None);
        begun.until(&self.counters)
    }

    /// Takes no more batches, inserts what waits until `deadline` has passed, gives the rest up and counts it.
    #[must_use]
    pub fn stop(mut self, deadline: Duration) -> Drained {
        self.shut(deadline)
    }

    fn shut(&mut self, deadline: Duration) -> Drained {
        let begun = Drained::so_far(&self.counters);
        self.queue.close();
        self.stop_at.send_replace(Some(Instant::now() + deadline));
        for inserter in self.inserters.drain(..) {
            if inserter.join().is_err() {
                tracing::error!("an inserting thread has panicked");
            }
        }
        self.queue.give_up_rest();
        begun.until(&self.counters)
    }
}

impl Drained {
    fn so_far(counters: &Counters) -> Self {
        Self { rows_inserted: counters.rows_inserted.get(), rows_given_up: counters.rows_given_up_total() }
    }

    fn until(self, counters: &Counters) -> Self {
        let now = Self::so_far(counters);
        Self {
            rows_inserted: now.rows_inserted - self.rows_inserted,
            rows_given_up: now.rows_given_up - self.rows_given_up,
        }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.inserters.is_empty() {
            self.shut(Duration::ZERO);
        }
    }
}

/// One inserting thread.
struct Inserter {
    client: Client,
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    stopping: watch::Receiver<Option<Instant>>,
    complaint: Arc<Mutex<Complaint>>,
    scratch: BytesMut,
    failing: bool,
}

impl Inserter {
    async fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        while let Some(mut waiting) = queue.next().await {
            // A deadline cuts the work off; what is left is accounted for all the same.
            tokio::select! {
                biased;
                () = passed(self.stopping.clone()) => {}
                () = self.insert_all(&mut waiting) => {}
            }
            queue.done(waiting, Loss::Stopped);
        }
    }

    /// Inserts each table's rows that are not stored yet.
    async fn insert_all(&mut self, waiting: &mut Waiting) {
        let queue = Arc::clone(&self.queue);
        while let Some(part) = waiting.next() {
            let loss =
                if part.is_empty() { None } else { self.insert(part, &waiting.batch.token_of(part)).await.err() };
            queue.settle(waiting, loss);
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
struct Complaint {
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
