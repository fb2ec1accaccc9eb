//! Batches that wait for their insert, within a bound of rows and of memory.
//!
//! Handing over never waits: past the bound the oldest waiting batch is given up and counted. Batches under way count
//! against the bound too, but are not given up, because ClickHouse may have stored them already.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::batch::{Batch, Waiting};
use super::counters::{Counters, Loss};
use super::observer::Observer;
use crate::batch::Pool;

/// The bound of what waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Batches that were taken and are not done.
    under_way: usize,
    /// Rows and bytes of what waits and what is under way.
    rows: u64,
    bytes: u64,
    closed: bool,
}

pub(super) struct Queue {
    state: Mutex<State>,
    changed: Notify,
    done: Condvar,
    bound: Bound,
    pool: Arc<Pool>,
    counters: Arc<Counters>,
    observer: Arc<dyn Observer>,
}

impl Queue {
    pub(super) fn new(bound: Bound, pool: Arc<Pool>, counters: Arc<Counters>, observer: Arc<dyn Observer>) -> Self {
        let (state, changed, done) = Default::default();
        Self { state, changed, done, bound, pool, counters, observer }
    }

    /// Takes a batch over. A batch without rows goes straight back to the pool.
    pub(super) fn push(&self, mut batch: Batch) {
        let rows = batch.rows();
        if rows == 0 {
            batch.recycle(&self.pool);
            return;
        }
        self.counters.rows_received.add(rows);
        if !self.lock().waiting.is_empty() {
            // While many wait, the room of blocks that were sealed early would be most of the memory.
            batch = batch.compact(&self.pool);
        }
        let waiting = Waiting::new(batch);

        let mut state = self.lock();
        state.rows += waiting.rows;
        state.bytes += waiting.bytes;
        state.waiting.push_back(waiting);
        let mut given_up = Vec::new();
        while state.closed || state.rows > self.bound.rows || state.bytes > self.bound.bytes {
            let Some(mut oldest) = state.waiting.pop_front() else { break };
            // Not when it is done: another thread that sends meanwhile would give up too much.
            state.rows -= std::mem::take(&mut oldest.rows);
            state.bytes -= std::mem::take(&mut oldest.bytes);
            state.under_way += 1;
            given_up.push(oldest);
        }
        self.counters.waiting(state.rows, state.bytes);
        let loss = if state.closed { Loss::Stopped } else { Loss::Bound };
        drop(state);

        self.changed.notify_one();
        for oldest in given_up {
            self.done(oldest, loss);
        }
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

    /// The rows of a batch's next table are stored or, with a loss, given up.
    pub(super) fn settle(&self, waiting: &mut Waiting, loss: Option<Loss>) {
        let Some(part) = waiting.next() else { return };
        let (table, rows) = (part.table().name, part.len() as u64);
        let counted = rows.min(waiting.rows);
        let mut state = self.lock();
        state.rows -= counted;
        self.counters.waiting(state.rows, state.bytes);
        drop(state);
        match loss {
            _ if rows == 0 => {}
            None => {
                self.counters.inserted(table, rows);
                self.observer.stored(part);
            }
            Some(loss) => {
                self.counters.gave_up(table, loss, rows);
                self.observer.lost(part, loss);
            }
        }
        waiting.rows -= counted;
        waiting.settled += 1;
    }

    /// Nothing more is done about a batch; what is not settled is given up.
    pub(super) fn done(&self, mut waiting: Waiting, loss: Loss) {
        while waiting.next().is_some() {
            self.settle(&mut waiting, Some(loss));
        }
        let mut state = self.lock();
        state.bytes -= waiting.bytes;
        state.under_way -= 1;
        self.counters.waiting(state.rows, state.bytes);
        drop(state);
        self.done.notify_all();
        waiting.batch.recycle(&self.pool);
    }

    /// Waits up to `patience` until no batch waits or is under way; whether that is so.
    pub(super) fn wait_until_empty(&self, patience: Duration) -> bool {
        let is_busy = |state: &mut State| state.under_way > 0 || !state.waiting.is_empty();
        let waited = self.done.wait_timeout_while(self.lock(), patience, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
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
        let mut state = self.lock();
        let rest = std::mem::take(&mut state.waiting);
        state.under_way += rest.len();
        drop(state);
        for waiting in rest {
            self.done(waiting, Loss::Stopped);
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
    use crate::batch::Block;

    fn batch(token: &str, rows: usize, room: usize) -> Batch {
        let mut block = Box::<Block>::default();
        block.reserve(room);
        block.decoded.flows.resize(rows);
        Batch::of_block(block, token.to_owned())
    }

    fn queue(rows: u64, bytes: u64) -> Queue {
        Queue::new(Bound { rows, bytes }, Arc::new(Pool::new(4, 1000)), Arc::default(), Arc::new(()))
    }

    fn token(waiting: &Waiting) -> String {
        let token = waiting.batch.token_of(waiting.next().unwrap());
        token.strip_suffix("-flows").unwrap().to_owned()
    }

    fn tokens(queue: &Queue) -> Vec<String> {
        queue.lock().waiting.iter().map(token).collect()
    }

    #[test]
    fn past_the_bound_the_oldest_is_given_up() {
        let batch_bytes = batch("", 10, 10).memory_bytes();
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
        assert_eq!((token(&under_way), tokens(&queue)), ("a".to_owned(), vec!["c".to_owned()]));
        assert!(!queue.wait_until_empty(Duration::ZERO));
        let mut under_way = under_way;
        queue.settle(&mut under_way, None);
        queue.done(under_way, Loss::Stopped);
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
