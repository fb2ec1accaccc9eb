//! Which batches wait, are given up, or are let go.

use std::sync::atomic::AtomicU32;

use super::*;
use crate::batch::Block;

fn batch(token: &str, rows: usize, room: usize) -> Batch {
    let mut block = Box::<Block>::default();
    block.reserve_meanwhile(room, &mut || ());
    block.decoded.flows.resize(rows);
    Batch::of_block(block, token.to_owned())
}

fn queue(rows: u64, bytes: u64) -> Queue {
    Queue::new(2, Bound { rows, bytes }, Arc::new(Pool::new(4, 1000)), Arc::default(), Arc::new(()))
}

fn token(waiting: &Waiting) -> String {
    let token = waiting.batch.token_of(waiting.next().unwrap());
    token.strip_suffix("-flows").unwrap().to_owned()
}

fn tokens(queue: &Queue) -> Vec<String> {
    queue.lock().shards[0].waiting.iter().map(token).collect()
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
    let under_way = runtime.block_on(queue.next(0)).unwrap();
    queue.push(batch("b", 10, 10));
    queue.push(batch("c", 10, 10));
    assert_eq!((token(&under_way), tokens(&queue)), ("a".to_owned(), vec!["c".to_owned()]));
    assert!(!queue.wait_until_empty(Duration::ZERO));
    let mut under_way = under_way;
    queue.settle(&mut under_way, Outcome::Stored);
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
    let [first, second] = [&state.shards[0].waiting[0], &state.shards[0].waiting[1]];
    assert!(first.bytes > 50 * second.bytes, "{} {}", first.bytes, second.bytes);
    assert!(queue.pool.take().decoded.flows.bytes.room() >= 1000);
}

#[test]
fn a_closed_queue_empties_and_ends() {
    let queue = queue(100, u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    queue.push(batch("a", 10, 10));
    queue.close();
    queue.push(batch("late", 5, 5));
    assert_eq!(queue.counters.rows_given_up(Loss::Stopped), 5);
    let first = runtime.block_on(queue.next(0)).unwrap();
    assert_eq!(token(&first), "a");
    queue.done(first, Loss::Stopped);
    assert_eq!(queue.counters.rows_given_up(Loss::Stopped), 15);
    assert!(runtime.block_on(queue.next(0)).is_none());
    assert!(queue.wait_until_empty(Duration::ZERO));
}

/// A batch whose receipt counts.
fn receipted(token: &str, rows: usize, receipts: &Arc<AtomicU32>) -> Batch {
    let receipts = Arc::clone(receipts);
    batch(token, rows, rows).with_receipt(Box::new(move || {
        receipts.fetch_add(1, Ordering::Relaxed);
    }))
}

#[test]
fn a_batch_with_a_receipt_is_neither_given_up_nor_the_reason_for_it() {
    let queue = queue(20, u64::MAX);
    let receipts = Arc::new(AtomicU32::new(0));
    assert!(queue.has_room());
    for token in ["a", "b", "c"] {
        queue.push(receipted(token, 10, &receipts));
    }
    queue.push(batch("loose", 20, 20));
    assert!(!queue.has_room());
    assert_eq!(tokens(&queue), ["a", "b", "c", "loose"]);
    queue.push(batch("more", 1, 1));
    assert_eq!(tokens(&queue), ["a", "b", "c", "more"]);
    assert_eq!(queue.counters.rows_given_up(Loss::Bound), 20);
    queue.close();
    queue.push(receipted("late", 7, &receipts));
    queue.give_up_rest();
    assert_eq!((queue.counters.rows_kept.get(), queue.counters.rows_given_up(Loss::Stopped)), (37, 1));
    assert_eq!((queue.counters.rows_waiting(), receipts.load(Ordering::Relaxed)), (0, 0));
    assert!(queue.has_room());
}

#[test]
fn a_receipt_is_called_once_all_rows_are_settled() {
    let queue = queue(100, u64::MAX);
    let receipts = Arc::new(AtomicU32::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    queue.push(receipted("nothing to store", 0, &receipts));
    assert_eq!(receipts.load(Ordering::Relaxed), 1);
    for outcome in [Outcome::Stored, Outcome::Lost(Loss::Rejected)] {
        queue.push(receipted("a", 10, &receipts));
        let mut under_way = runtime.block_on(queue.next(0)).unwrap();
        while under_way.next().is_some() {
            queue.settle(&mut under_way, outcome);
        }
        let before = receipts.load(Ordering::Relaxed);
        queue.done(under_way, Loss::Stopped);
        assert_eq!(receipts.load(Ordering::Relaxed), before + 1);
    }
    queue.push(receipted("half", 10, &receipts));
    let mut under_way = runtime.block_on(queue.next(0)).unwrap();
    queue.settle(&mut under_way, Outcome::Stored);
    queue.done(under_way, Loss::Stopped);
    assert_eq!(receipts.load(Ordering::Relaxed), 3);
    assert_eq!((queue.counters.rows_inserted.get(), queue.counters.rows_kept.get()), (20, 0));
}

#[test]
fn each_shard_has_its_own_line_and_the_emptiest_is_chosen() {
    let queue = queue(100, u64::MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(queue.shards(), 2);
    assert_eq!([0, 1, 2].map(|turn| queue.least_loaded_shard(turn)), [0, 1, 0], "where none has less, they take turns");
    queue.push(batch("a", 10, 10));
    assert_eq!(queue.least_loaded_shard(0), 1);
    queue.push(batch("b", 20, 20).on_shard(1));
    queue.push(batch("c", 1, 1).on_shard(3));
    assert_eq!(queue.least_loaded_shard(0), 0);
    for (shard, expected) in [(1, "b"), (1, "c"), (0, "a")] {
        assert_eq!(token(&runtime.block_on(queue.next(shard)).unwrap()), expected);
    }
}
