//! From columns to bytes for ClickHouse: enrichment of decoded rows, Native encoding, and both behind decoding.

use bytes::BytesMut;
use collector::batch::Block;
use collector::clickhouse::native;
use collector::enrich::{Enricher, Names, Published};

use super::decode::Decoded;
use super::traffic::Traffic;
use super::{Case, Size, load, places};

/// Decoded rows whose enriched columns are filled.
pub(crate) struct Enriched {
    enricher: Enricher,
    block: Block,
}

/// An enriched block as ClickHouse takes it.
pub(crate) struct Encoded {
    block: Block,
    out: BytesMut,
}

/// All of it: datagrams in, bytes out.
pub(crate) struct Whole {
    decoded: Decoded,
    enriched: Enriched,
    out: BytesMut,
}

impl Enriched {
    pub(crate) fn new(size: Size) -> Self {
        let mut enriched = Self::empty(size);
        std::mem::swap(&mut enriched.block.decoded, Decoded::new(load::vyos(24), size).tables());
        enriched
    }

    fn empty(size: Size) -> Self {
        let names = Published::new(Names::new([]));
        Self { enricher: Enricher::new(&places::geo(size), &names), block: Block::default() }
    }

    fn fill(&mut self) {
        forget(&mut self.block);
        self.enricher.enrich(&mut self.block);
    }
}

impl Encoded {
    pub(crate) fn new(size: Size) -> Self {
        let mut traffic = Traffic::new(size.rows() as u64);
        Self { block: traffic.block(size.rows()), out: BytesMut::new() }
    }
}

impl Whole {
    pub(crate) fn new(size: Size) -> Self {
        Self { decoded: Decoded::new(load::vyos(24), size), enriched: Enriched::empty(size), out: BytesMut::new() }
    }
}

impl Case for Enriched {
    fn round(&mut self) -> usize {
        self.fill();
        self.block.decoded.flows.len()
    }
}

impl Case for Encoded {
    fn round(&mut self) -> usize {
        encode(&self.block, &mut self.out);
        self.block.decoded.flows.len()
    }
}

impl Case for Whole {
    fn round(&mut self) -> usize {
        let flows = self.decoded.fill();
        std::mem::swap(self.decoded.tables(), &mut self.enriched.block.decoded);
        self.enriched.fill();
        encode(&self.enriched.block, &mut self.out);
        std::mem::swap(self.decoded.tables(), &mut self.enriched.block.decoded);
        flows
    }
}

/// Empties the enriched columns, as a block's are that comes from the pool.
fn forget(block: &mut Block) {
    let decoded = std::mem::take(&mut block.decoded);
    block.clear();
    block.decoded = decoded;
}

fn encode(block: &Block, out: &mut BytesMut) {
    out.clear();
    let flows = block.parts().next().expect("the first table is that of flows");
    native::encode(flows, out).expect("the block is complete");
    std::hint::black_box(out.len());
}
