//! The table `ledger`: changes of the account as rows.
//!
//! Each row is a change since the last one, so sums over any part of the table are right however often the background merges
//! have added rows up (`SummingMergeTree`); queries always say `sum`. An insert repeated under its token counts once.

use netflow::Text;
use netflow::columns::Address;

use super::Key;
use super::cell::{COLUMNS, Cell, Cells as Counts};
use crate::batch::{Cells, Column, Rows, Table};

/// Columns in front of the counts.
const HEAD: usize = 5;
/// Seconds in a minute.
const MINUTE_SECONDS: u32 = 60;

/// The table.
pub static TABLE: Table = Table { name: "ledger", columns: &ALL };

static TABLES: [&Table; 1] = [&TABLE];

const ALL: [Column; HEAD + Cell::ALL.len()] = {
    let mut all = [COLUMNS[0]; HEAD + Cell::ALL.len()];
    all[0] = head("minute", "DateTime('UTC')", "Minute of receipt");
    all[1] = head(
        "exporter_address",
        "IPv6",
        "Address the datagrams came from; :: where that is not known or too many sent",
    );
    all[2] = head(
        "agent_address",
        "IPv6",
        "Address of the device: what it calls itself, else exporter_address; exporter_address before a datagram is read",
    );
    all[3] = head(
        "observation_domain",
        "UInt32",
        "Observation domain (IPFIX), source id (v9), engine (v5), sub-agent (sFlow); 0 before a datagram is read",
    );
    all[4] =
        head("fault", "LowCardinality(String)", "What malformed datagrams break first; empty for all other counts");
    let mut index = 0;
    while index < COLUMNS.len() {
        all[HEAD + index] = COLUMNS[index];
        index += 1;
    }
    all
};

const fn head(name: &'static str, kind: &'static str, comment: &'static str) -> Column {
    Column { name, kind, codec: "ZSTD(1)", comment }
}

/// Changes as rows.
#[derive(Debug, Default)]
pub struct LedgerRows {
    minutes: Vec<u32>,
    exporters: Vec<Address>,
    agents: Vec<Address>,
    domains: Vec<u32>,
    faults: Text,
    counts: Vec<Vec<u64>>,
}

impl LedgerRows {
    /// Rows of some changes; malformed datagrams have a row for each of their kinds.
    #[must_use]
    pub fn new(changes: &[(Key, Counts)]) -> Self {
        let mut rows = Self { counts: vec![Vec::new(); Cell::ALL.len()], ..Self::default() };
        for (key, counts) in changes {
            let of_all = |cell| if cell == Cell::Malformed { 0 } else { counts.get(cell) };
            if Cell::ALL.iter().any(|cell| of_all(*cell) != 0) {
                rows.push(key, "", of_all);
            }
            for (fault, count) in counts.faults() {
                rows.push(key, fault.label(), |cell| if cell == Cell::Malformed { count.cast_signed() } else { 0 });
            }
        }
        rows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.minutes.is_empty()
    }

    fn push(&mut self, key: &Key, fault: &str, count: impl Fn(Cell) -> i64) {
        self.minutes.push(key.minute.saturating_mul(MINUTE_SECONDS));
        self.exporters.push(key.exporter);
        self.agents.push(key.agent);
        self.domains.push(key.domain);
        let fault = self.faults.key(fault);
        self.faults.push(fault);
        for (column, cell) in self.counts.iter_mut().zip(Cell::ALL) {
            column.push(count(*cell).cast_unsigned());
        }
    }
}

impl Rows for LedgerRows {
    fn tables(&self) -> &'static [&'static Table] {
        &TABLES
    }

    fn count(&self, _table: usize) -> usize {
        self.minutes.len()
    }

    fn cells(&self, _table: usize, column: usize) -> Cells<'_> {
        match column {
            0 => Cells::Seconds(&self.minutes),
            1 => Cells::Addr(&self.exporters),
            2 => Cells::Addr(&self.agents),
            3 => Cells::U32(&self.domains),
            4 => Cells::Text(&self.faults),
            _ => {
                let counts = &self.counts[column - HEAD];
                if Cell::ALL[column - HEAD].is_signed() {
                    return Cells::I64(bytemuck::cast_slice(counts));
                }
                Cells::U64(counts)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netflow::Event;

    use super::*;

    #[test]
    fn kinds_of_malformed_datagrams_have_rows_of_their_own() {
        let key = Key::of_sender([1; 16], 7, 100);
        let mut counts = Counts::default();
        counts.add(Cell::MissingRecords, -3);
        counts.malformed(Event::SetTruncated);
        counts.malformed(Event::SetTruncated);
        let rows = LedgerRows::new(&[(key, counts), (key, Counts::default())]);
        assert_eq!((rows.minutes.as_slice(), rows.faults.values().len()), (&[6000, 6000][..], 2));
        let column = |cell: Cell| {
            let cells = rows.cells(0, HEAD + cell as usize);
            assert_eq!(matches!(cells, Cells::I64(_)), cell.is_signed(), "{cell:?}");
            rows.counts[cell as usize].iter().map(|count| count.cast_signed()).collect::<Vec<i64>>()
        };
        assert_eq!(column(Cell::MissingRecords), [-3, 0]);
        assert_eq!(column(Cell::Malformed), [0, 2]);
        crate::clickhouse::native::check(crate::batch::Part::all(&rows).next().expect("one table")).expect("sound");
    }
}
