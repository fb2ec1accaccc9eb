//! From columns to bytes for ClickHouse: enrichment of decoded rows, Native encoding, and both behind decoding.

use std::sync::Arc;

use bytes::BytesMut;
use collector::batch::{Block, Part, Rows};
use collector::clickhouse::native;
use collector::clickhouse::pieces::Pieces;
use collector::enrich::{Enricher, Names, Published};

use super::decode::Decoded;
use super::traffic::Traffic;
use super::{Case, Size, load, places};

/// Flow records that a worker enriches together, at least.
const ENRICHED_AT_ONCE: usize = 4096;

/// Decoded rows whose enriched columns are filled.
pub(crate) struct Enriched {
    enricher: Enricher,
    block: Block,
}

/// An enriched block as ClickHouse takes it, in the pieces that are sent. Columns that are sent from where they are cost the system a
/// copy, which is not in it.
pub(crate) struct Encoded {
    block: Arc<dyn Rows>,
    scratch: BytesMut,
}

/// All of it: datagrams in, pieces out. As in a worker, rows are enriched some thousands at a time.
pub(crate) struct Whole {
    decoded: Decoded,
    enriched: Enriched,
    scratch: BytesMut,
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
        Self { block: Arc::new(traffic.block(size.rows())), scratch: BytesMut::new() }
    }
}

impl Whole {
    pub(crate) fn new(size: Size) -> Self {
        Self { decoded: Decoded::new(load::vyos(24), size), enriched: Enriched::empty(size), scratch: BytesMut::new() }
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
        encode(&self.block, &mut self.scratch)
    }
}

impl Case for Whole {
    fn round(&mut self) -> usize {
        let mut block = std::mem::take(&mut self.enriched.block);
        block.clear();
        let mut flows = 0;
        while flows < self.decoded.rows() {
            flows += self.decoded.more(&mut block.decoded, ENRICHED_AT_ONCE);
            self.enriched.enricher.enrich(&mut block);
        }
        let rows: Arc<dyn Rows> = Arc::new(block);
        encode(&rows, &mut self.scratch);
        let block = rows.block().and_then(Arc::into_inner);
        self.enriched.block = block.expect("the pieces are gone");
        flows
    }
}

/// Empties the enriched columns, as a block's are that comes from the pool.
fn forget(block: &mut Block) {
    let decoded = std::mem::take(&mut block.decoded);
    block.clear();
    block.decoded = decoded;
}

/// Makes the pieces of the flows; how many flows.
fn encode(block: &Arc<dyn Rows>, scratch: &mut BytesMut) -> usize {
    let flows = Part::all_shared(block).next().expect("the first table is that of flows");
    native::check(flows).expect("the block is complete");
    for piece in Pieces::new(flows, scratch) {
        std::hint::black_box(piece.len());
    }
    flows.len()
}
