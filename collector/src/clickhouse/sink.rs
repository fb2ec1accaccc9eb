//! The sink: takes batches, hands them to the threads of their shard, and stops.
//!
//! Not here: making batches and tokens, and inserting (see [`super::inserter`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::sync::watch;

use super::batch::Batch;
use super::client::{self, Client};
use super::counters::Counters;
use super::endpoints::Endpoints;
use super::error::{Class, Error};
use super::inserter::{Complaint, Inserter};
use super::lock::InsertLock;
use super::observer::Observer;
use super::prober::Prober;
use super::queue::{Bound, Queue};
use crate::batch::Pool;

/// How often a drain looks whether there is still somebody to insert.
const DRAIN_ROUND: Duration = Duration::from_millis(100);
/// What is done with batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Destination {
    /// They are inserted.
    #[default]
    ClickHouse,
    /// They are encoded and compressed as for an insert, thrown away and acknowledged: for measurements.
    Nowhere,
}

/// How much waits and how many insert.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Rows that may be in memory unacknowledged. Must hold some batches, or everything without a receipt is given up.
    pub pending_rows: u64,
    /// Bytes of memory they may take.
    pub pending_bytes: u64,
    /// Threads that insert into each shard; at least one.
    pub inserters: usize,
    /// What is done with batches.
    pub destination: Destination,
    /// The shards, each the URLs of its replicas; none for one shard at the client's URL.
    pub shards: Vec<Vec<String>>,
    /// File that is locked, shared, while a batch is inserted; see [`InsertLock`].
    pub lock_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pending_rows: 524_288,
            pending_bytes: 256 << 20,
            inserters: 2,
            destination: Destination::ClickHouse,
            shards: Vec::new(),
            lock_file: None,
        }
    }
}

/// What became of rows since a drain or a stop began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Rows acknowledged.
    pub rows_inserted: u64,
    /// Rows given up.
    pub rows_given_up: u64,
    /// Rows let go unstored whose receipt was not called.
    pub rows_kept: u64,
}

/// The inserting threads. Dropping it stops them at once.
pub struct Sink {
    queue: Arc<Queue>,
    counters: Arc<Counters>,
    stop_at: watch::Sender<Option<Instant>>,
    inserters: Vec<JoinHandle<()>>,
    prober: Option<Prober>,
}

/// Hands batches to a [`Sink`].
#[derive(Clone)]
pub struct BatchSender {
    queue: Arc<Queue>,
}

impl BatchSender {
    /// Hands a batch over; never waits. Past the bound the oldest waiting batches without a receipt are given up and counted;
    /// for those with one, look first whether there [is room](Self::has_room).
    pub fn send(&self, batch: Batch) {
        self.queue.push(batch);
    }

    /// Whether the rows and bytes that wait are below the bound. Reads one flag.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.has_room()
    }

    /// How many shards there are; at least one.
    #[must_use]
    pub fn shards(&self) -> u16 {
        self.queue.shards()
    }

    /// Rows at which the next block is to be handed on: `configured`, or less after ClickHouse had no memory for a batch. What was
    /// sent once is never split, so it is the next blocks that are smaller.
    #[must_use]
    pub fn block_rows(&self, configured: usize) -> usize {
        self.queue.block_size.rows(configured)
    }

    /// The shard with the least that waits: the one for the next batch. A shard that fails is given nothing more while others
    /// insert; where several have the least, they take turns by `turn`, which counts batches.
    #[must_use]
    pub fn least_loaded_shard(&self, turn: u64) -> u16 {
        self.queue.least_loaded_shard(turn)
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
        let bound = Bound { rows: settings.pending_rows, bytes: settings.pending_bytes };
        if bound.rows == 0 || bound.bytes == 0 {
            let message = "no row may wait for ClickHouse: give pending_rows and pending_bytes more than 0";
            return Err(Error::new(Class::Settings, message));
        }
        let shards = if settings.shards.is_empty() { vec![vec![client.url.clone()]] } else { settings.shards.clone() };
        if shards.iter().any(Vec::is_empty) {
            return Err(Error::new(Class::Settings, "a shard without a URL: name one of its servers"));
        }
        let count = u16::try_from(shards.len()).map_err(|_| Error::new(Class::Settings, "more than 65535 shards"))?;
        let (stop_at, stopping) = watch::channel(None);
        let mut sink = Self {
            queue: Arc::new(Queue::new(count, bound, pool, Arc::clone(&counters), observer)),
            counters: Arc::clone(&counters),
            stop_at,
            inserters: Vec::new(),
            prober: None,
        };
        let shards: Vec<Arc<Endpoints>> =
            (0..count).zip(&shards).map(|(shard, urls)| Arc::new(Endpoints::new(shard, urls))).collect();
        counters.watch(&shards);
        for (shard, endpoints) in (0..count).zip(&shards) {
            let complaint = Arc::new(Mutex::new(Complaint::default()));
            for number in 0..settings.inserters.max(1) {
                let one = |url: &str| Client::new(&client::Settings { url: url.to_owned(), ..client.clone() });
                let inserter = Inserter {
                    clients: endpoints.urls().map(one).collect::<Result<_, _>>()?,
                    endpoints: Arc::clone(endpoints),
                    shard,
                    destination: settings.destination,
                    queue: Arc::clone(&sink.queue),
                    counters: Arc::clone(&counters),
                    stopping: stopping.clone(),
                    complaint: Arc::clone(&complaint),
                    lock: settings.lock_file.as_deref().map(open_lock).transpose()?.map(Arc::new),
                    scratch: BytesMut::new(),
                    failing: false,
                };
                sink.inserters.push(spawn(inserter, shard, number)?);
            }
        }
        if shards.iter().any(|shard| shard.urls().count() > 1) {
            sink.prober = Some(Prober::start(client, &shards)?);
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

    /// Inserts what waits until `deadline` has passed and gives the rest up, under way or not, or lets it go where it has a
    /// receipt: when this returns, what became of all rows sent before is known. Batches are taken all the while and afterwards.
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

    /// Takes no more batches, inserts what waits until `deadline` has passed, gives the rest up or lets it go, and counts it.
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
        drop(self.prober.take());
        begun.until(&self.counters)
    }
}

fn open_lock(path: &Path) -> Result<InsertLock, Error> {
    InsertLock::open(path).map_err(|error| {
        let message = format!("cannot open the lock of inserts {}: {error}; make it writable", path.display());
        Error::new(Class::Settings, message)
    })
}

fn spawn(inserter: Inserter, shard: u16, number: usize) -> Result<JoinHandle<()>, Error> {
    let cannot_start =
        |error: std::io::Error| Error::new(Class::Other, format!("cannot start an inserting thread: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
    std::thread::Builder::new()
        .name(format!("insert-{shard}-{number}"))
        .spawn(move || runtime.block_on(inserter.run()))
        .map_err(cannot_start)
}

impl Drained {
    fn so_far(counters: &Counters) -> Self {
        Self {
            rows_inserted: counters.rows_inserted.get(),
            rows_given_up: counters.rows_given_up_total(),
            rows_kept: counters.rows_kept.get(),
        }
    }

    fn until(self, counters: &Counters) -> Self {
        let now = Self::so_far(counters);
        Self {
            rows_inserted: now.rows_inserted - self.rows_inserted,
            rows_given_up: now.rows_given_up - self.rows_given_up,
            rows_kept: now.rows_kept - self.rows_kept,
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
