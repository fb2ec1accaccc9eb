//! The rows of a block, exporter by exporter.

use netflow::columns::Address;

use super::ranks::Ranks;

/// Which rows each exporter has.
#[derive(Debug, Default)]
pub(super) struct Parts {
    exporters: Ranks<Address>,
    /// The exporter's number, the first and the number of each run of rows: the records of a datagram follow each other.
    runs: Vec<(u32, u32, u32)>,
    /// Rows, by the exporter's rank.
    rows: Vec<u32>,
    /// Where the rows of each rank end.
    ends: Vec<usize>,
}

impl Parts {
    /// Takes the exporter of each row.
    pub(super) fn take(&mut self, exporters: &[Address]) {
        self.exporters.clear();
        self.runs.clear();
        self.ends.clear();
        let mut first = 0;
        for run in exporters.chunk_by(|one, next| one == next) {
            let number = self.exporters.number(&run[0]);
            let rows = run.len() as u32;
            self.runs.push((number, first, rows));
            first += rows;
        }
        self.exporters.sort();
        self.ends.resize(self.exporters.len(), 0);
        for (number, _, rows) in &self.runs {
            self.ends[self.exporters.rank(*number) as usize] += *rows as usize;
        }
        let mut begin = 0;
        for end in &mut self.ends {
            begin += std::mem::replace(end, begin);
        }
        self.rows.resize(exporters.len(), 0);
        for (number, first, rows) in &self.runs {
            let end = &mut self.ends[self.exporters.rank(*number) as usize];
            let begin = *end;
            *end += *rows as usize;
            for (row, place) in (*first..).zip(&mut self.rows[begin..*end]) {
                *place = row;
            }
        }
    }

    /// The rows of each exporter, by its rank: in the order of addresses, ascending rows each.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u32]> {
        let mut begin = 0;
        self.ends.iter().map(move |end| &self.rows[std::mem::replace(&mut begin, *end)..*end])
    }

    /// The address of an exporter's rank.
    #[inline]
    pub(super) fn exporter(&self, rank: u32) -> &Address {
        self.exporters.value(rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_under_their_exporter() {
        let mut parts = Parts::default();
        for numbers in [&[][..], &[7], &[3, 3, 1, 3, 2, 2, 1], &[1, 2, 3, 1, 2, 3], &[9; 100]] {
            let exporters: Vec<Address> = numbers.iter().map(|number| [*number; 16]).collect();
            parts.take(&exporters);
            let found: Vec<(Address, u32)> = (0..)
                .zip(parts.each())
                .flat_map(|(rank, rows)| rows.iter().map(move |row| (rank, *row)))
                .map(|(rank, row)| (*parts.exporter(rank), row))
                .collect();
            let mut expected: Vec<(Address, u32)> = exporters.into_iter().zip(0..).collect();
            expected.sort_unstable();
            assert_eq!(found, expected, "{numbers:?}");
        }
    }
}
