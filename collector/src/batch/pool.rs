//! Blocks for reuse: a worker takes an empty one, whoever is done with it gives it back.
//!
//! The pool bounds only what lies idle. How many blocks are under way is bounded by whoever keeps them waiting.

use crossbeam::queue::ArrayQueue;
use netflow::plausible::Limits;

use super::Block;

/// Flow records in the datagram that fills a block, at most as a rule: a block's columns have room for them beyond its rows, or each
/// of them would be copied to where there is twice as much.
const FILLING: usize = 1024;

/// Empty blocks, their memory kept. Shared by reference; taking and giving never wait.
#[derive(Debug)]
pub struct Pool {
    /// What was given last, and is taken first: the caches may still have some of it.
    last: ArrayQueue<Box<Block>>,
    idle: ArrayQueue<Box<Block>>,
    block_rows: usize,
    keeps_unknown: bool,
    limits: Limits,
}

impl Pool {
    /// A pool that keeps up to `idle_blocks` blocks (at least two) and makes new ones with room for `block_rows` rows and those of
    /// the datagram that fills a block.
    #[must_use]
    pub fn new(idle_blocks: usize, block_rows: usize) -> Self {
        Self {
            last: ArrayQueue::new(1),
            idle: ArrayQueue::new(idle_blocks.saturating_sub(1).max(1)),
            block_rows,
            keeps_unknown: false,
            limits: Limits::default(),
        }
    }

    /// The same pool; its blocks keep the fields that no column takes if `keeps_unknown`.
    #[must_use]
    pub fn keep_unknown(self, keeps_unknown: bool) -> Self {
        Self { keeps_unknown, ..self }
    }

    /// The same pool; in its blocks counts beyond `limits` are implausible.
    #[must_use]
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// An empty block: an idle one, or a new one.
    #[must_use]
    pub fn take(&self) -> Box<Block> {
        self.take_meanwhile(&mut || ())
    }

    /// The same; `pulse` is called again and again while a new one is made, which takes tens of milliseconds.
    #[must_use]
    pub fn take_meanwhile(&self, pulse: &mut dyn FnMut()) -> Box<Block> {
        self.last.pop().or_else(|| self.idle.pop()).unwrap_or_else(|| {
            let mut block = Box::<Block>::default();
            block.reserve_meanwhile(self.block_rows.saturating_add(FILLING), pulse);
            block.decoded.flows.raw.keep = self.keeps_unknown;
            block.decoded.limits = self.limits;
            block
        })
    }

    /// Empties a block and keeps it, unless enough lie idle or it has too little room to be worth keeping.
    pub fn give(&self, mut block: Box<Block>) {
        if block.decoded.flows.received_ms.room() < self.block_rows {
            return;
        }
        block.clear();
        if let Some(before) = self.last.force_push(block) {
            // A full pool hands the block back, and it is freed here.
            drop(self.idle.push(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_block_comes_back_empty_with_its_memory() {
        let pool = Pool::new(1, 100);
        let mut block = pool.take();
        block.decoded.flows.resize(100);
        let column = block.decoded.flows.bytes.as_ptr();
        pool.give(block);
        let again = pool.take();
        assert!(again.is_empty());
        assert_eq!(again.decoded.flows.bytes.as_ptr(), column);
    }

    #[test]
    fn the_datagram_that_fills_a_block_does_not_make_it_grow() {
        let pool = Pool::new(1, 100);
        let mut block = pool.take();
        let column = block.decoded.flows.bytes.as_ptr();
        block.decoded.flows.resize(100 + 400);
        assert_eq!(block.decoded.flows.bytes.as_ptr(), column);
    }

    #[test]
    fn every_block_is_told_what_to_keep() {
        for keeps_unknown in [false, true] {
            let pool = Pool::new(1, 1).keep_unknown(keeps_unknown);
            let block = pool.take();
            assert_eq!(block.decoded.flows.raw.keep, keeps_unknown);
            pool.give(block);
            assert_eq!(pool.take().decoded.flows.raw.keep, keeps_unknown);
        }
    }

    #[test]
    fn no_more_blocks_are_kept_than_asked_for_and_no_small_ones() {
        let pool = Pool::new(1, 100);
        pool.give(Box::default());
        assert!(pool.last.is_empty() && pool.idle.is_empty());
        let three = [pool.take(), pool.take(), pool.take()];
        three.into_iter().for_each(|block| pool.give(block));
        assert_eq!(pool.last.len() + pool.idle.len(), 2);
    }

    #[test]
    fn what_was_given_last_is_taken_first() {
        let pool = Pool::new(3, 100);
        let three = [pool.take(), pool.take(), pool.take()];
        let columns = three.each_ref().map(|block| block.decoded.flows.bytes.as_ptr());
        three.into_iter().for_each(|block| pool.give(block));
        assert_eq!(pool.take().decoded.flows.bytes.as_ptr(), columns[2]);
    }
}
