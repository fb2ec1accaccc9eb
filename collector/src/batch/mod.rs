//! Blocks: decoded flow records with what enrichment adds, on their way from a worker to ClickHouse.
//!
//! A block is a struct of arrays in the layout of ClickHouse's Native format. [`columns::COLUMNS`] is the one list of the
//! flows table's columns: the table's DDL, the Native encoder and the JSON rows are all made from it.

/// The columns of the flows table.
pub mod columns;
/// Rows as JSON objects.
pub mod json;
/// Blocks for reuse.
pub mod pool;

pub use pool::Pool;

use netflow::{Tables, Text};

/// Rows of the flows table: what was decoded, and what was added. All columns are [`Block::len`] long once enriched.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// What the exporter said, table by table.
    pub decoded: Tables,
    /// Name of the exporter; empty where none is configured.
    pub exporter_name: Text,
    /// Places and autonomous system of the source address.
    pub src: Origin,
    /// Places and autonomous system of the destination address.
    pub dst: Origin,
}

/// What the GeoIP files say about one end of the flows; `unknown` (or 0) where they say nothing.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// ISO 3166-1 alpha-2 country code.
    pub country: Text,
    /// City, English name.
    pub city: Text,
    /// Autonomous system number by address.
    pub asn: Vec<u32>,
    /// Name of that autonomous system.
    pub as_name: Text,
}

impl Block {
    /// Rows in the block.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decoded.flows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.decoded.flows.is_empty()
    }

    /// Makes room for `rows` in all.
    pub fn reserve(&mut self, rows: usize) {
        self.decoded.flows.reserve(rows);
        for asn in [&mut self.src.asn, &mut self.dst.asn] {
            asn.reserve(rows.saturating_sub(asn.len()));
        }
    }

    /// Bytes of memory the rows take.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.bytes_for(self.len())
    }

    /// Bytes of memory the block holds, rows and room together.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.bytes_for(self.decoded.flows.received_ms.capacity())
    }

    fn bytes_for(&self, rows: usize) -> usize {
        columns::COLUMNS
            .iter()
            .map(|column| {
                let cells = (column.cells)(self);
                cells.width_bytes() * rows + cells.heap_bytes()
            })
            .sum()
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.decoded.clear();
        self.exporter_name.clear();
        self.src.clear();
        self.dst.clear();
    }
}

impl Origin {
    fn clear(&mut self) {
        self.country.clear();
        self.city.clear();
        self.asn.clear();
        self.as_name.clear();
    }
}
