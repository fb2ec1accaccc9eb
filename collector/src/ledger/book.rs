//! A worker's account in plain integers, handed over a few times a second.
//!
//! Datagrams come in trains of one exporter, so the row of the last one is remembered and most datagrams cost a comparison and
//! a few additions.

use std::collections::HashMap;

use netflow::Outcome;
use netflow::columns::Address;

use super::cell::{Cell, Cells};
use super::{Key, minute_of};

/// Rows that a book may have between two times it is handed over; what comes beyond stands under the exporter `::`.
const KEYS_MAX: usize = 65_536;

/// By which way a datagram came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// From a ring.
    Ring,
    /// From a UDP socket.
    Socket,
}

/// What a worker counted since it handed its book over.
#[derive(Debug)]
pub struct Book {
    index: HashMap<Key, usize, foldhash::fast::RandomState>,
    rows: Vec<(Key, Cells)>,
    last: usize,
    keys_max: usize,
    folded: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self { index: HashMap::default(), rows: Vec::new(), last: 0, keys_max: KEYS_MAX, folded: 0 }
    }
}

impl Book {
    /// Counts a datagram that was received and is to be decoded. Nobody has read it yet, so its domain is 0.
    pub fn received(&mut self, arrival: Arrival, exporter: Address, bytes: usize, received_ms: i64) {
        let (received, received_bytes) = match arrival {
            Arrival::Ring => (Cell::ReceivedXdp, Cell::ReceivedXdpBytes),
            Arrival::Socket => (Cell::ReceivedUdp, Cell::ReceivedUdpBytes),
        };
        let cells = self.row(Key::of_sender(exporter, 0, minute_of(received_ms)));
        cells.add(received, 1);
        cells.add(received_bytes, bytes as i64);
    }

    /// Counts a datagram of a device that was decoded, as well as it could be.
    pub fn decoded(&mut self, exporter: Address, agent: Address, received_ms: i64, outcome: &Outcome) {
        let domain = outcome.message.map_or(0, |message| message.domain);
        let cells = self.row(Key { exporter, agent, domain, minute: minute_of(received_ms) });
        match outcome.fault {
            None => cells.add(Cell::Decoded, 1),
            Some(fault) => cells.malformed(fault),
        }
        cells.add(Cell::FlowRecords, i64::from(outcome.flow_records));
        cells.add(Cell::SetsHeld, i64::from(outcome.sets_held));
        cells.add(Cell::SetsRefused, i64::from(outcome.sets_refused));
    }

    /// Counts a datagram of a UDP socket that the front door refuses: `cell` is its count, `bytes_cell` that of its bytes.
    pub fn refused(&mut self, exporter: Address, bytes: usize, received_ms: i64, cell: Cell, bytes_cell: Cell) {
        let cells = self.row(Key::of_sender(exporter, 0, minute_of(received_ms)));
        cells.add(Cell::SeenUdp, 1);
        cells.add(Cell::SeenUdpBytes, bytes as i64);
        cells.add(cell, 1);
        cells.add(bytes_cell, bytes as i64);
    }

    /// Adds to any cell.
    pub fn add(&mut self, key: Key, cell: Cell, count: i64) {
        if count != 0 {
            self.row(key).add(cell, count);
        }
    }

    fn row(&mut self, key: Key) -> &mut Cells {
        if self.rows.get(self.last).is_none_or(|(last, _)| *last != key) {
            self.last = self.find(key);
        }
        &mut self.rows[self.last].1
    }

    fn find(&mut self, mut key: Key) -> usize {
        if let Some(index) = self.index.get(&key) {
            return *index;
        }
        if self.rows.len() >= self.keys_max {
            // One row for each minute goes beyond the bound; there are few minutes.
            self.folded += 1;
            key = key.of_nobody();
            if let Some(index) = self.index.get(&key) {
                return *index;
            }
        }
        self.rows.push((key, Cells::default()));
        self.index.insert(key, self.rows.len() - 1);
        self.rows.len() - 1
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.index.clear();
        self.rows.clear();
        self.folded = 0;
    }

    /// The rows; the book is empty afterwards and keeps its memory.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (Key, Cells)> + '_ {
        self.index.clear();
        self.rows.drain(..)
    }

    /// How often something was counted under `::` for want of room; starts anew.
    pub(super) fn take_folded(&mut self) -> u64 {
        std::mem::take(&mut self.folded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::NOBODY;
    use super::*;

    #[test]
    fn past_the_bound_counts_stand_under_nobody() {
        let mut book = Book { keys_max: 2, ..Book::default() };
        for number in [1, 2, 3, 4, 1, 3] {
            book.decoded([number; 16], [number; 16], 60_000, &Outcome::default());
        }
        assert_eq!(book.take_folded(), 3);
        let rows: Vec<_> =
            book.drain().map(|(key, cells)| (key.exporter, key.minute, cells.get(Cell::Decoded))).collect();
        assert_eq!(rows, [([1; 16], 1, 2), ([2; 16], 1, 1), (NOBODY, 1, 3)]);
        assert_eq!(book.drain().count(), 0);
    }
}
