//! Sums of flows: all rollup tables from enriched blocks of an access network.

use collector::batch::Block;
use collector::rollup::Roller;

use super::traffic::Traffic;
use super::{Case, Size};

/// A block, summed up again and again.
pub(crate) struct Rolled {
    roller: Roller,
    block: Block,
}

impl Rolled {
    pub(crate) fn new(size: Size) -> Self {
        let rows = size.rows();
        Self { roller: Roller::default(), block: Traffic::new(rows as u64).block(rows) }
    }
}

impl Case for Rolled {
    fn round(&mut self) -> usize {
        self.roller.roll(&mut self.block);
        self.block.decoded.flows.len()
    }
}
