//! One rollup's sums, exporter by exporter, and its rows in the order of its table.

use netflow::Text;

use super::groups::{Entry, Groups, Short};
use super::order::Order;
use super::parts::Parts;
use super::pieces::{Length, Pieces};
use super::sums::Sums;
use crate::batch::Block;
use crate::batch::rollups::{Rollups, SumColumns};

/// Rows whose sums are looked up at a time: they stay in the nearest cache while the columns take theirs.
const AT_A_TIME: usize = 128;

/// A rollup that is made exporter by exporter.
pub(super) trait Rollup: std::fmt::Debug + Send {
    /// Forgets all that was summed up.
    fn begin_block(&mut self);

    /// Begins the part of the next exporter, which has so many rows.
    fn begin_part(&mut self, rows: usize);

    /// Adds pieces of that exporter's flows.
    fn add(&mut self, pieces: &Pieces, block: &Block);

    /// Ends the part of the exporter, whose rank this is.
    fn end_part(&mut self, exporter: u32);

    /// Makes the rows, in the order of the table.
    fn drain(&mut self, block: &Block, parts: &Parts, out: &mut Rollups);

    /// Hosts so far that have no row of their own.
    fn unnamed_hosts(&self) -> u64 {
        0
    }
}

/// Sums and sorted rows: `N` numbers each, the bucket of the day, what the table is about with the exporter at place `EXPORTER`, the day.
#[derive(Debug)]
pub(super) struct Table<const N: usize, const EXPORTER: usize> {
    pub(super) groups: Groups<Short>,
    /// Where the entries of each exporter end.
    ends: Vec<usize>,
    order: Order<N>,
}

impl<const N: usize, const EXPORTER: usize> Default for Table<N, EXPORTER> {
    fn default() -> Self {
        Self { groups: Groups::default(), ends: Vec::new(), order: Order::default() }
    }
}

impl<const N: usize, const EXPORTER: usize> Table<N, EXPORTER> {
    pub(super) fn begin_block(&mut self) {
        self.groups.clear();
        self.ends.clear();
    }

    pub(super) fn end_part(&mut self) {
        self.ends.push(self.groups.entries().len());
    }

    /// Sorts the rows. `subject` gives the bucket of an entry and what it is about, its number that varies fastest first.
    pub(super) fn sort<const SUBJECT: usize>(
        &mut self,
        length: Length,
        subject: impl Fn(&Short) -> (u32, [u32; SUBJECT]),
    ) {
        const { assert!(N == SUBJECT + 3, "bucket, exporter and day") };
        let Self { groups, ends, order } = self;
        let buckets_a_day = 86_400 / length.seconds();
        let entries = groups.entries();
        let mut begin = 0;
        let parts = (0..).zip(&*ends).map(|(exporter, end)| (exporter, std::mem::replace(&mut begin, *end)..*end));
        let rows = parts.flat_map(|(exporter, part)| entries[part].iter().map(move |entry| (exporter, entry)));
        let rows = rows.map(|(exporter, entry)| {
            let (bucket, numbers) = subject(&entry.key);
            let mut row = [0; N];
            (row[0], row[EXPORTER], row[N - 1]) = (bucket % buckets_a_day, exporter, bucket / buckets_a_day);
            for (number, value) in numbers.into_iter().enumerate() {
                row[Self::place(number)] = value;
            }
            row
        });
        let is_something = |(_, entry): &(u32, &Entry<Short>)| !entry.sums.is_nothing();
        order.take(rows, (0..).zip(entries).filter(is_something).map(|(place, _)| place));
        order.sort();
    }

    /// Appends when, whose and how much, row by row.
    pub(super) fn push(&self, length: Length, parts: &Parts, out: &mut SumColumns) {
        out.time.extend(self.rows().map(|row| row[N - 1] * 86_400 + row[0] * length.seconds()));
        out.exporter.extend(self.rows().map(|row| *parts.exporter(row[EXPORTER])));
        let entries = self.groups.entries();
        for places in self.order.places().chunks(AT_A_TIME) {
            push_sums(places.iter().map(|place| &entries[*place as usize].sums), out);
        }
    }

    /// One of the numbers of what the table is about, row by row.
    pub(super) fn subject(&self, number: usize) -> impl ExactSizeIterator<Item = u32> {
        self.rows().map(move |row| row[Self::place(number)])
    }

    /// The same as a column of texts: the number is a rank, which is a key.
    pub(super) fn push_text(&self, number: usize, out: &mut Text) {
        out.resize(self.order.places().len());
        for (key, rank) in out.keys_mut().iter_mut().zip(self.subject(number)) {
            *key = rank;
        }
    }

    /// Where a number of what the table is about stands in a row.
    const fn place(number: usize) -> usize {
        if number + 1 < EXPORTER { number + 1 } else { number + 2 }
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = &[u32; N]> {
        self.order.places().iter().map(|place| self.order.row(*place))
    }
}

/// Appends sums, row by row.
pub(super) fn push_sums<'a>(sums: impl Iterator<Item = &'a Sums> + Clone, out: &mut SumColumns) {
    out.bytes.extend(sums.clone().map(|sums| sums.bytes));
    out.packets.extend(sums.clone().map(|sums| sums.packets));
    out.raw_bytes.extend(sums.clone().map(|sums| sums.raw_bytes));
    out.raw_packets.extend(sums.clone().map(|sums| sums.raw_packets));
    out.flows.extend(sums.map(|sums| sums.flows));
}
