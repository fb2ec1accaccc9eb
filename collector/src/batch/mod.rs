//! Blocks: decoded rows with what enrichment adds, on their way from a worker to ClickHouse.
//!
//! A block is a struct of arrays in the layout of ClickHouse's Native format. [`Table`]s are the one list of tables and columns:
//! the DDL, the Native encoder and the JSON rows are all made from it.

/// One column's cells.
pub mod cells;
/// The table of flows.
pub mod flows;
/// The table of interface counters.
pub mod interface_counters;
/// Rows as JSON objects.
pub mod json;
/// The table of address translations.
pub mod nat_events;
/// Blocks for reuse.
pub mod pool;
/// The rollup tables.
pub mod rollups;
/// What a table is, and rows for tables.
pub mod table;

pub use cells::Cells;
pub use pool::Pool;
pub use rollups::Rollups;
pub use table::{Column, Lent, Part, Provenance, Rows, Table};

use std::sync::Arc;

use netflow::{Flat, Tables, Text};

/// The tables that a block has rows for, in the order of their numbers: those of decoded rows, then the rollups.
pub static TABLES: [&Table; 9] = {
    let [interface_1m, as_5m, country_5m, service_5m, network_5m, hosts_1h] = rollups::TABLES;
    let [flows, nat_events, interface_counters] = DECODED;
    [flows, nat_events, interface_counters, interface_1m, as_5m, country_5m, service_5m, network_5m, hosts_1h]
};

/// The tables of what exporters said, in the order of their numbers.
pub static DECODED: [&Table; 3] = [&flows::TABLE, &nat_events::TABLE, &interface_counters::TABLE];

/// Rows of several tables: what was decoded, and what was added. All columns of a table are of one length once enriched.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// What the exporter said, table by table.
    pub decoded: Tables,
    /// Name of the flow records' exporter; empty where none is configured.
    pub exporter_name: Text,
    /// Places and autonomous system of the source address.
    pub src: Origin,
    /// Places and autonomous system of the destination address.
    pub dst: Origin,
    /// Name of the address translations' exporter.
    pub nat_exporter_name: Text,
    /// Name of the interface counters' exporter.
    pub counters_exporter_name: Text,
    /// Sums of the flow records, once they are complete.
    pub rollups: Rollups,
}

/// What is known about one end of the flows. GeoIP's columns are `unknown` (or 0) where the files say nothing, the network's
/// empty outside of all configured ones.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// ISO 3166-1 alpha-2 country code.
    pub country: Text,
    /// City, English name.
    pub city: Text,
    /// Autonomous system number by address.
    pub asn: Flat<u32>,
    /// Name of that autonomous system.
    pub as_name: Text,
    /// The network that holds the address.
    pub network: Text,
    /// Whose network that is.
    pub customer: Text,
}

impl Block {
    /// Decoded rows in the block, of all tables; those of rollups are none of them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decoded.rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows, table by table.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        Part::all(self)
    }

    /// The decoded rows, table by table.
    pub fn decoded_parts(&self) -> impl Iterator<Item = Part<'_>> {
        Part::all(self).take(DECODED.len())
    }

    /// Makes room for `rows` flow records in all; the other tables have few rows and grow as they come. `pulse` is called again and
    /// again meanwhile.
    pub fn reserve_meanwhile(&mut self, rows: usize, pulse: &mut dyn FnMut()) {
        self.decoded.flows.reserve_meanwhile(rows, pulse);
        for asn in [&mut self.src.asn, &mut self.dst.asn] {
            asn.reserve(rows);
        }
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.decoded.clear();
        self.exporter_name.clear();
        self.src.clear();
        self.dst.clear();
        self.nat_exporter_name.clear();
        self.counters_exporter_name.clear();
        self.rollups.clear();
    }

    /// Of a table of decoded rows.
    fn received_ms(&self, table: usize) -> Option<&[i64]> {
        match table {
            0 => Some(&self.decoded.flows.received_ms),
            1 => Some(&self.decoded.nat_events.received_ms),
            2 => Some(&self.decoded.interface_counters.received_ms),
            _ => None,
        }
    }

    fn rollup_time(&self, table: usize) -> &Vec<u32> {
        &self.rollups.sums(table - DECODED.len()).time
    }
}

impl Rows for Block {
    fn tables(&self) -> &'static [&'static Table] {
        &TABLES
    }

    fn count(&self, table: usize) -> usize {
        self.received_ms(table).map_or_else(|| self.rollup_time(table).len(), <[i64]>::len)
    }

    fn room(&self, table: usize) -> usize {
        match table {
            0 => self.decoded.flows.received_ms.room(),
            1 => self.decoded.nat_events.received_ms.capacity(),
            2 => self.decoded.interface_counters.received_ms.capacity(),
            _ => self.rollup_time(table).capacity(),
        }
    }

    fn cells(&self, table: usize, column: usize) -> Cells<'_> {
        let columns = match table {
            0 => flows::CELLS,
            1 => nat_events::CELLS,
            2 => interface_counters::CELLS,
            _ => rollups::CELLS[table - DECODED.len()],
        };
        columns[column](self)
    }

    fn block(self: Arc<Self>) -> Option<Arc<Block>> {
        Some(self)
    }

    fn provenance(&self, table: usize) -> Option<Provenance<'_>> {
        let Tables { flows, nat_events, interface_counters, .. } = &self.decoded;
        let (exporters, agents, domains) = match table {
            0 => (&flows.exporter[..], flows.agents(), &flows.domain[..]),
            1 => (&nat_events.exporter[..], &nat_events.agent[..], &nat_events.domain[..]),
            _ => {
                let counters = interface_counters;
                (&counters.exporter[..], &counters.agent[..], &counters.domain[..])
            }
        };
        Some(Provenance { exporters, agents, domains, received_ms: self.received_ms(table)? })
    }
}

impl Origin {
    fn clear(&mut self) {
        self.country.clear();
        self.city.clear();
        self.asn.clear();
        self.as_name.clear();
        self.network.clear();
        self.customer.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_an_enum_type_are_those_of_its_cells() {
        for (column, cells) in Block::default().parts().flat_map(|part| part.columns().collect::<Vec<_>>()) {
            if let Cells::Enum(_, names) = cells {
                let values: Vec<String> =
                    names.iter().enumerate().map(|(value, name)| format!("'{name}' = {value}")).collect();
                assert_eq!(column.kind, format!("Enum8({})", values.join(", ")), "{}", column.name);
            }
        }
    }

    #[test]
    fn column_names_are_distinct() {
        for table in TABLES {
            let names: std::collections::BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), table.columns.len(), "{}", table.name);
        }
    }

    #[test]
    fn every_table_counts_its_own_rows() {
        let mut block = Block::default();
        block.decoded.flows.resize(3);
        block.decoded.nat_events.resize(2);
        block.decoded.interface_counters.resize(1);
        block.decoded.nat_events.domain[1] = 7;
        block.rollups.as_5m.sums.time.push(0);
        assert_eq!(block.len(), 6);
        assert_eq!(block.parts().map(|part| part.len()).sum::<usize>(), 7);
        let parts: Vec<(&str, usize)> = block.decoded_parts().map(|part| (part.table().name, part.len())).collect();
        assert_eq!(parts, [("flows", 3), ("nat_events", 2), ("interface_counters", 1)]);
        let domains: Vec<&[u32]> = block.parts().filter_map(|part| Some(part.provenance()?.domains)).collect();
        assert_eq!(domains, [&[0, 0, 0][..], &[0, 7], &[0]]);
    }
}
