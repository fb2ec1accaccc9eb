//! What all workers counted, summed up for those who read it. Workers never wait for a reader: they count into fresh changes,
//! which a reader takes away before it sums them up.

use std::collections::HashMap;

use netflow::columns::Address;

use super::cell::{Cell, Cells};
use super::{Key, NOBODY};

/// Rows that may wait for a reader or the table; what comes beyond stands under the exporter `::`.
const CHANGES_MAX: usize = 262_144;
/// Exporters with totals of their own for `/metrics`; what comes beyond stands under `::`.
const EXPORTERS_MAX: usize = 16_384;

/// Rows that there is room for without asking for memory; room for more is given back each time.
const ROOM_KEPT: usize = 32_768;

/// Counts by exporter, domain and minute; so many at most.
#[derive(Debug, Default)]
pub(super) struct Changes {
    rows: HashMap<Key, Cells, foldhash::fast::RandomState>,
    /// How often something was counted under `::` for want of room.
    pub(super) folded: u64,
}

impl Changes {
    /// Adds to the row of a key.
    pub(super) fn count(&mut self, key: Key, cells: &Cells) {
        if cells.is_nothing() {
            return;
        }
        if let Some(known) = self.rows.get_mut(&key) {
            known.merge(cells);
        } else {
            let has_room = self.rows.len() < CHANGES_MAX;
            self.folded += u64::from(!has_room);
            self.rows.entry(if has_room { key } else { key.of_nobody() }).or_default().merge(cells);
        }
    }
}

/// The sums, and what of them is not in the table yet.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pending: Changes,
    totals: Cells,
    of_exporters: HashMap<Address, Cells, foldhash::fast::RandomState>,
    /// Empty, with the memory of the changes that were summed up last.
    pub(super) spare: Changes,
}

impl Sums {
    /// Sums up fresh changes.
    pub(super) fn take(&mut self, mut fresh: Changes) {
        fresh.rows.shrink_to(ROOM_KEPT);
        for (key, cells) in fresh.rows.drain() {
            self.totals.merge(&cells);
            let has_room = self.of_exporters.len() < EXPORTERS_MAX || self.of_exporters.contains_key(&key.exporter);
            self.of_exporters.entry(if has_room { key.exporter } else { NOBODY }).or_default().merge(&cells);
            self.pending.count(key, &cells);
        }
        self.pending.folded += std::mem::take(&mut fresh.folded);
        self.spare = fresh;
    }

    /// The changes since this was last called, in the order of their keys.
    pub(super) fn take_pending(&mut self) -> Vec<(Key, Cells)> {
        let mut changes: Vec<(Key, Cells)> = std::mem::take(&mut self.pending.rows).into_iter().collect();
        changes.sort_unstable_by_key(|(key, _)| (key.minute, key.exporter, key.domain, key.agent));
        changes
    }

    /// The sums over everything, and how often something was counted under `::` for want of room.
    pub(super) fn totals(&self) -> (Cells, u64) {
        (self.totals.clone(), self.pending.folded)
    }

    /// The sums of the exporters with the most datagrams.
    pub(super) fn of_exporters(&self, most: usize) -> Vec<(Address, Cells)> {
        let datagrams =
            |cells: &Cells| cells.get(Cell::SeenXdp).max(cells.get(Cell::ReceivedXdp)) + cells.get(Cell::SeenUdp);
        let mut ranking: Vec<_> = self
            .of_exporters
            .iter()
            .map(|(exporter, cells)| (std::cmp::Reverse(datagrams(cells)), *exporter, cells))
            .collect();
        ranking.sort_unstable_by_key(|(rank, exporter, _)| (*rank, *exporter));
        ranking.into_iter().take(most).map(|(_, exporter, cells)| (exporter, cells.clone())).collect()
    }

    /// The sums of one exporter.
    pub(super) fn of_exporter(&self, exporter: &Address) -> Option<Cells> {
        self.of_exporters.get(exporter).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(cell: Cell) -> Cells {
        let mut cells = Cells::default();
        cells.add(cell, 1);
        cells
    }

    #[test]
    fn changes_are_summed_up_once_and_given_out_once() {
        let key = |exporter, minute| Key::of_sender([exporter; 16], 0, minute);
        let mut sums = Sums::default();
        for exporter in [1, 2] {
            let mut fresh = std::mem::take(&mut sums.spare);
            fresh.count(key(1, 7), &one(Cell::SeenUdp));
            fresh.count(key(exporter, 8), &one(Cell::SeenUdp));
            fresh.count(key(exporter, 9), &Cells::default());
            sums.take(fresh);
        }
        assert_eq!(sums.totals().0.get(Cell::SeenUdp), 4);
        let seen: Vec<_> =
            sums.of_exporters(2).into_iter().map(|(of, cells)| (of[0], cells.get(Cell::SeenUdp))).collect();
        assert_eq!(seen, [(1, 3), (2, 1)]);
        assert_eq!(sums.of_exporters(1).len(), 1);
        let changes: Vec<_> = sums
            .take_pending()
            .into_iter()
            .map(|(key, cells)| (key.exporter[0], key.minute, cells.get(Cell::SeenUdp)))
            .collect();
        assert_eq!(changes, [(1, 7, 2), (1, 8, 1), (2, 8, 1)]);
        assert!(sums.take_pending().is_empty());
        assert_eq!(sums.of_exporter(&[2; 16]).unwrap().get(Cell::SeenUdp), 1);
    }

    #[test]
    fn past_the_bound_exporters_stand_under_nobody() {
        let mut sums = Sums::default();
        let mut fresh = Changes::default();
        for exporter in 0..=EXPORTERS_MAX as u128 {
            fresh.count(Key::of_sender((exporter + 1).to_be_bytes(), 0, 7), &one(Cell::SeenUdp));
        }
        sums.take(fresh);
        assert_eq!(sums.of_exporters.len(), EXPORTERS_MAX + 1);
        assert_eq!(sums.of_exporter(&NOBODY).unwrap().get(Cell::SeenUdp), 1);
        assert_eq!(sums.take_pending().len(), EXPORTERS_MAX + 1, "the table has room for all of them");
    }
}
