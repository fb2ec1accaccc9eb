//! Batches that wait for their insert, shard by shard, within a bound of rows and of memory.
//!
//! Handing over never waits. Batches with a receipt are never given up: whoever makes them looks first whether there is room. Of
//! those without, the oldest waiting one is given up past the bound and counted. Batches under way count against the bound too,
//! but are not given up, because ClickHouse may have stored them already.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::batch::{Batch, Outcome, Waiting, datagram_rows};
use super::block_size::BlockSize;
use super::counters::{Counters, Loss};
use super::observer::Observer;
use crate::batch::Pool;

/// The bound of what waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Bound {
    fn is_passed_by(self, held: Held) -> bool {
        held.rows > self.rows || held.bytes > self.bytes
    }

    fn has_room_for_more(self, held: Held) -> bool {
        held.rows < self.rows && held.bytes < self.bytes
    }
}

/// Rows and bytes of what waits and what is under way.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    rows: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Shard {
    waiting: VecDeque<Waiting>,
    held: Held,
}

#[derive(Debug)]
struct State {
    shards: Vec<Shard>,
    /// Batches that were taken and are not done.
    under_way: usize,
    held: Held,
    /// Of these, what has no receipt.
    loose: Held,
    /// Rows held that were made of datagrams.
    datagram_rows: u64,
    closed: bool,
}

impl State {
    fn add(&mut self, shard: usize, waiting: &Waiting) {
        let loose = (!waiting.batch.has_receipt()).then_some(&mut self.loose);
        for held in [&mut self.held, &mut self.shards[shard].held].into_iter().chain(loose) {
            held.rows += waiting.rows;
            held.bytes += waiting.bytes;
        }
    }

    /// `rows` and `bytes` of a batch are no longer held.
    fn subtract(&mut self, waiting: &mut Waiting, rows: u64, bytes: u64) {
        let (rows, bytes) = (rows.min(waiting.rows), bytes.min(waiting.bytes));
        waiting.rows -= rows;
        waiting.bytes -= bytes;
        let shard = usize::from(waiting.batch.shard()) % self.shards.len();
        let loose = (!waiting.batch.has_receipt()).then_some(&mut self.loose);
        for held in [&mut self.held, &mut self.shards[shard].held].into_iter().chain(loose) {
            held.rows -= rows;
            held.bytes -= bytes;
        }
    }

    /// Takes the oldest batch without a receipt from the shard that has waited with most of them.
    fn take_loose(&mut self) -> Option<Waiting> {
        let loose = |shard: &Shard| shard.waiting.iter().filter(|waiting| !waiting.batch.has_receipt()).count();
        let shard = self.shards.iter_mut().max_by_key(|shard| loose(shard))?;
        let oldest = shard.waiting.iter().position(|waiting| !waiting.batch.has_receipt())?;
        shard.waiting.remove(oldest)
    }

    fn is_idle(&self) -> bool {
        self.under_way == 0 && self.shards.iter().all(|shard| shard.waiting.is_empty())
    }
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// One for each shard: a batch came, or the queue was closed.
    changed: Box<[Notify]>,
    done: Condvar,
    has_room: AtomicBool,
    pub(super) block_size: BlockSize,
    bound: Bound,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    observer: Arc<dyn Observer>,
}

impl Queue {
    /// For at least one shard.
    pub(super) fn new(
        shards: u16,
        bound: Bound,
        pool: Arc<Pool>,
        counters: Arc<Counters>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let numbers = 0..shards.max(1);
        let state = State {
            shards: numbers.clone().map(|_| Shard::default()).collect(),
            under_way: 0,
            held: Held::default(),
            loose: Held::default(),
            datagram_rows: 0,
            closed: false,
        };
        let changed = numbers.map(|_| Notify::new()).collect();
        let (state, done, has_room) = (Mutex::new(state), Condvar::new(), AtomicBool::new(true));
        let block_size = BlockSize::default();
        Self { state, changed, done, has_room, block_size, bound, pool, counters, observer }
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> u16 {
        self.changed.len() as u16
    }

    /// Whether rows and bytes held are below the bound.
    pub(super) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Relaxed)
    }

    /// The shard that holds the fewest bytes, so that one that fails gets no more than the others leave it; of several the first
    /// from number `turn` on, modulo how many there are.
    pub(super) fn least_loaded_shard(&self, turn: u64) -> u16 {
        let state = self.lock();
        let count = state.shards.len();
        let first = (turn % count as u64) as usize;
        let order = (0..count).map(|step| (first + step) % count);
        order.min_by_key(|shard| state.shards[*shard].held.bytes).map_or(0, |shard| shard as u16)
    }

    /// Takes a batch over. A batch without rows goes straight back to the pool.
    pub(super) fn push(&self, mut batch: Batch) {
        if batch.rows() == 0 {
            batch.call_receipt();
            batch.recycle(&self.pool);
            return;
        }
        let datagram_rows = batch.datagram_rows();
        self.counters.rows_received.add(datagram_rows);
        let shard = usize::from(batch.shard()) % self.changed.len();
        if !self.lock().shards[shard].waiting.is_empty() {
            // While many wait, the room of blocks that were sealed early would be most of the memory.
            batch = batch.compact(&self.pool);
        }
        let waiting = Waiting::new(batch);

        let mut state = self.lock();
        state.add(shard, &waiting);
        state.datagram_rows += datagram_rows;
        let mut let_go = Vec::new();
        let loss = if state.closed { Loss::Stopped } else { Loss::Bound };
        if state.closed {
            let_go.push(waiting);
        } else {
            state.shards[shard].waiting.push_back(waiting);
        }
        while self.bound.is_passed_by(state.loose) {
            let Some(mut oldest) = state.take_loose() else { break };
            // Not when it is done: another thread that sends meanwhile would give up too much.
            state.subtract(&mut oldest, u64::MAX, u64::MAX);
            let_go.push(oldest);
        }
        state.under_way += let_go.len();
        self.publish(&state);
        drop(state);

        self.changed[shard].notify_one();
        for waiting in let_go {
            self.done(waiting, loss);
        }
    }

    /// The oldest batch of a shard, when there is one; `None` once the queue is closed and empty. Whoever takes it calls
    /// [`Queue::done`].
    pub(super) async fn next(&self, shard: u16) -> Option<Waiting> {
        loop {
            let changed = self.changed[usize::from(shard)].notified();
            tokio::pin!(changed);
            // Registered before looking, so that what comes in between is not missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(oldest) = state.shards[usize::from(shard)].waiting.pop_front() {
                    state.under_way += 1;
                    return Some(oldest);
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// Puts a batch that was taken behind those that wait.
    pub(super) fn put_back(&self, waiting: Waiting) {
        let mut state = self.lock();
        let shard = usize::from(waiting.batch.shard()) % state.shards.len();
        state.shards[shard].waiting.push_back(waiting);
        state.under_way -= 1;
        drop(state);
        self.changed[shard].notify_one();
    }

    /// Whether batches of a shard wait.
    pub(super) fn has_waiting(&self, shard: u16) -> bool {
        !self.lock().shards[usize::from(shard)].waiting.is_empty()
    }

    /// It is known what became of the rows of a batch's next table.
    pub(super) fn settle(&self, waiting: &mut Waiting, outcome: Outcome) {
        let Some(part) = waiting.next() else { return };
        let (table, rows, datagram_rows) = (part.table().name, part.len() as u64, datagram_rows(part));
        waiting.settled.push(outcome);
        let mut state = self.lock();
        state.subtract(waiting, rows, 0);
        state.datagram_rows -= datagram_rows;
        self.publish(&state);
        drop(state);
        match outcome {
            _ if rows == 0 => {}
            Outcome::Stored => self.counters.inserted(table, rows, datagram_rows),
            Outcome::Discarded => self.counters.discarded(table, rows, datagram_rows),
            Outcome::Lost(loss) => self.counters.gave_up(table, loss, rows, datagram_rows),
        }
    }

    /// Nothing more is done about a batch. What is not settled is given up, or, of a batch with a receipt, let go.
    pub(super) fn done(&self, mut waiting: Waiting, loss: Loss) {
        while waiting.next().is_some() && !waiting.batch.has_receipt() {
            self.settle(&mut waiting, Outcome::Lost(loss));
        }
        let is_settled = waiting.next().is_none();
        if is_settled {
            self.tell(&waiting);
        }
        let unsettled = waiting.batch.parts().skip(waiting.settled.len());
        let datagram_rows: u64 = unsettled.map(datagram_rows).sum();
        self.counters.rows_kept.add(datagram_rows);

        let mut state = self.lock();
        state.subtract(&mut waiting, u64::MAX, u64::MAX);
        state.datagram_rows -= datagram_rows;
        self.publish(&state);
        drop(state);
        if is_settled {
            waiting.batch.call_receipt();
        }
        waiting.batch.recycle(&self.pool);

        self.lock().under_way -= 1;
        self.done.notify_all();
    }

    /// Tells the observer what became of the rows.
    fn tell(&self, waiting: &Waiting) {
        for (part, outcome) in waiting.batch.parts().zip(&waiting.settled) {
            match outcome {
                _ if part.is_empty() => {}
                Outcome::Stored => self.observer.stored(part),
                Outcome::Discarded => self.observer.discarded(part),
                Outcome::Lost(loss) => self.observer.lost(part, *loss),
            }
        }
    }

    /// Waits up to `patience` until no batch waits or is under way; whether that is so.
    pub(super) fn wait_until_empty(&self, patience: Duration) -> bool {
        let waited = self.done.wait_timeout_while(self.lock(), patience, |state| !state.is_idle());
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Takes no more batches; what waits may still be taken.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        for changed in &self.changed {
            changed.notify_waiters();
        }
    }

    /// Gives up all that waits, or lets it go.
    pub(super) fn give_up_rest(&self) {
        let mut state = self.lock();
        let rest: Vec<Waiting> = state.shards.iter_mut().flat_map(|shard| shard.waiting.drain(..)).collect();
        state.under_way += rest.len();
        drop(state);
        for waiting in rest {
            self.done(waiting, Loss::Stopped);
        }
    }

    fn publish(&self, state: &State) {
        self.counters.waiting(state.datagram_rows, state.held.bytes);
        self.has_room.store(self.bound.has_room_for_more(state.held), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the numbers would still be consistent enough to go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
