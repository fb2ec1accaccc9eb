//! Batches that wait for their insert, within a bound of rows and of memory.
//!
//! Handing over never waits: past the bound the oldest waiting batch is given up and counted. Batches under way count
//! against the bound too, but are not given up, because ClickHouse may have stored them already.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::counters::{Counters, Loss};
use crate::batch::{Block, Pool};

/// The rows of one insert.
#[derive(Debug)]
pub struct Batch {
    /// The rows.
    pub block: Box<Block>,
    /// Names the insert: repeated under the same token, it stores nothing twice. Never used for other rows.
    pub token: String,
}

/// The bound of what waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

/// A batch with what it counts for.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) batch: Batch,
    pub(super) rows: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Rows and bytes of what waits and what is under way.
    rows: u64,
    bytes: u64,
    closed: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    bound: Bound,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
}

impl Queue {
    pub(super) fn new(bound: Bound, pool: Arc<Pool>, counters: Arc<Counters>) -> Self {
        Self { state: Mutex::default(), changed: Notify::new(), bound, pool, counters }
    }

    /// Takes a batch over. A batch without rows goes straight back to the pool.
    pub(super) fn push(&self, mut batch: Batch) {
        if batch.block.is_empty() {
            self.pool.give(batch.block);
            return;
        }
        let rows = batch.block.len() as u64;
        self.counters.rows_received.add(rows);
        if !self.lock().waiting.is_empty() {
            batch.block = self.compact(batch.block);
        }
        let bytes = batch.block.memory_bytes() as u64;

        let mut state = self.lock();
        state.rows += rows;
        state.bytes += bytes;
        state.waiting.push_back(Waiting { batch, rows, bytes });
        let mut given_up = Vec::new();
        while state.closed || state.rows > self.bound.rows || state.bytes > self.bound.bytes {
            let Some(oldest) = state.waiting.pop_front() else { break };
            state.rows -= oldest.rows;
            state.bytes -= oldest.bytes;
            given_up.push(oldest);
        }
        self.counters.waiting(state.rows, state.bytes);
        let loss = if state.closed { Loss::Stopped } else { Loss::Bound };
        drop(state);

        self.changed.notify_one();
        for oldest in given_up {
            self.counters.gave_up(loss, oldest.rows);
            self.pool.give(oldest.batch.block);
        }
    }

    /// A block that was sealed early has room for many more rows; while many wait, that room would be most of the memory.
    fn compact(&self, block: Box<Block>) -> Box<Block> {
        if block.memory_bytes() <= 2 * block.row_bytes() {
            return block;
        }
        let small = block.clone();
        self.pool.give(block);
        small
    }

    /// The oldest batch, when there is one; `None` once the queue is closed and empty. Whoever takes it calls [`Queue::done`].
    pub(super) async fn next(&self) -> Option<Waiting> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that what comes in between is not missed.
            changed.as_mut().enable();
            {
                let mut state = self.lock();
                if let Some(oldest) = state.waiting.pop_front() {
                    return Some(oldest);
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// A batch is inserted or, with a loss, given up.
    pub(super) fn done(&self, waiting: Waiting, loss: Option<Loss>) {
        let mut state = self.lock();
        state.rows -= waiting.rows;
        state.bytes -= waiting.bytes;
        self.counters.waiting(state.rows, state.bytes);
        drop(state);
        if let Some(loss) = loss {
            self.counters.gave_up(loss, waiting.rows);
        }
        self.pool.give(waiting.batch.block);
    }

    /// Takes no more batches; what waits may still be taken.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Gives up all that waits.
    pub(super) fn give_up_rest(&self) {
        let rest = std::mem::take(&mut self.lock().waiting);
        for waiting in rest {
            self.done(waiting, Some(Loss::Stopped));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the numbers would still be consistent enough to go on with.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(token: &str, rows: usize, room: usize) -> Batch {
        let mut block = Box::<Block>::default();
        block.reserve(room);
        block.decoded.flows.resize(rows);
        Batch { block, token: token.to_owned() }
    }

    fn queue(rows: u64, bytes: u64) -> Queue {
        Queue::new(Bound { rows, bytes }, Arc::new(Pool::new(4, 1000)), Arc::default())
    }

    fn tokens(queue: &Queue) -> Vec<String> {
        queue.lock().waiting.iter().map(|waiting| waiting.batch.token.clone()).collect()
    }

    #[test]
    fn past_the_bound_the_oldest_is_given_up() {
        let batch_bytes = batch("", 10, 10).block.memory_bytes() as u64;
        for (bound_rows, bound_bytes, left) in [
            (30, u64::MAX, &["a", "b", "c"][..]),
            (29, u64::MAX, &["b", "c"]),
            (10, u64::MAX, &["c"]),
            (9, u64::MAX, &[]),
            (u64::MAX, 2 * batch_bytes, &["b", "c"]),
        ] {
            let queue = queue(bound_rows, bound_bytes);
            for token in ["a", "b", "c"] {
                queue.push(batch(token, 10, 10));
            }
            assert_eq!(tokens(&queue), left);
            let waiting = 10 * left.len() as u64;
            assert_eq!(queue.counters.rows_received.get(), 30);
            assert_eq!(queue.counters.rows_waiting(), waiting);
            assert_eq!(queue.counters.rows_given_up(Loss::Bound), 30 - waiting);
        }
    }

    #[test]
    fn what_is_under_way_counts_but_stays() {
        let queue = queue(20, u64::MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        queue.push(batch("a", 10, 10));
        let under_way = runtime.block_on(queue.next()).unwrap();
        queue.push(batch("b", 10, 10));
        queue.push(batch("c", 10, 10));
        assert_eq!((under_way.batch.token.as_str(), tokens(&queue)), ("a", vec!["c".to_owned()]));
        queue.done(under_way, None);
        assert_eq!(queue.counters.rows_waiting(), 10);
        assert_eq!(queue.counters.rows_given_up_total(), 10);
    }

    #[test]
    fn early_sealed_blocks_give_their_room_back_while_others_wait() {
        let queue = queue(u64::MAX, u64::MAX);
        queue.push(batch("a", 10, 1000));
        queue.push(batch("b", 10, 1000));
        let state = queue.lock();
        let [first, second] = [&state.waiting[0], &state.waiting[1]];
        assert!(first.bytes > 50 * second.bytes, "{} {}", first.bytes, second.bytes);
        assert!(queue.pool.take().decoded.flows.bytes.capacity() >= 1000);
    }

    #[test]
    fn a_closed_queue_empties_and_ends() {
        let queue = queue(100, u64::MAX);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        queue.push(batch("a", 10, 10));
        queue.close();
        queue.push(batch("late", 5, 5));
        assert_eq!(queue.counters.rows_given_up(Loss::Stopped), 15);
        assert!(runtime.block_on(queue.next()).is_none());
    }
}
