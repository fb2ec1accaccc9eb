//! The account of all workers: takes over their books, the kernel's counts and what became of rows, and gives out the changes
//! for the table.
//!
//! A lock for those who count, taken a few times a second by each worker and once for each block, never for a datagram; and one for
//! those who read, who hold the other only for as long as it takes to take the changes away.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netflow::columns::Address;

use super::book::Book;
use super::cell::{Cell, Cells};
use super::rings::RingDrops;
use super::rows::{Run, runs};
use super::settle::{Quantity, Sides, settle};
use super::sums::{Changes, Sums};
use super::{Agents, Key, MINUTE_MS, NOBODY, minute_of};
use crate::batch::Provenance;

/// What the XDP program counted for an exporter in a minute that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelMinute {
    /// Whose datagrams; `::` for exporters without a lasting account.
    pub exporter: Address,
    /// Minutes since 1970.
    pub minute: u32,
    /// Redirected to rings.
    pub steered: Quantity,
    /// Refused: in no allowed prefix.
    pub not_allowed: Quantity,
    /// Refused: faster than allowed.
    pub rate_limited: Quantity,
}

/// The account, shared by all who count.
#[derive(Debug, Clone)]
pub struct Account(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    agents: Agents,
    state: Mutex<State>,
    sums: Mutex<Sums>,
}

#[derive(Debug)]
struct State {
    /// What is not summed up yet.
    fresh: Changes,
    /// What came out of the rings and what went in, by minute, until the minute is settled.
    rings: BTreeMap<u32, HashMap<Address, Sides, foldhash::fast::RandomState>>,
    /// Until when each worker has taken everything out of its rings, milliseconds since 1970.
    horizons: Vec<i64>,
    /// What the sockets have dropped and no minute was settled with yet, and each worker's totals.
    drops: RingDrops,
    drops_read: Vec<RingDrops>,
}

impl Account {
    /// An empty account of so many workers.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        let state = State {
            fresh: Changes::default(),
            rings: BTreeMap::new(),
            horizons: vec![0; workers],
            drops: RingDrops::default(),
            drops_read: vec![RingDrops::default(); workers],
        };
        Self(Arc::new(Shared { agents: Agents::default(), state: Mutex::new(state), sums: Mutex::default() }))
    }

    /// The devices that have rows of their own.
    #[must_use]
    pub fn agents(&self) -> &Agents {
        &self.0.agents
    }

    /// Takes over what a worker received. Every frame of its rings that was received before `horizon_ms` is in it; `drops` is
    /// what its rings have lost since they were opened.
    pub fn take_received(&self, worker: usize, book: &mut Book, horizon_ms: i64, drops: RingDrops) {
        let mut state = self.lock();
        state.fresh.folded += book.take_folded();
        state.take_drops(worker, drops);
        for (key, cells) in book.drain() {
            state.take_row(key, cells);
        }
        // Taken as it is, though earlier than the last one: where the clock was set back, minutes come again.
        if let Some(horizon) = state.horizons.get_mut(worker) {
            *horizon = horizon_ms;
        }
    }

    /// Takes over what became of the datagrams that a worker decoded.
    pub fn take_decoded(&self, book: &mut Book) {
        let mut state = self.lock();
        state.fresh.folded += book.take_folded();
        for (key, cells) in book.drain() {
            state.fresh.count(key, &cells);
        }
    }

    /// Adds to one cell.
    pub fn add(&self, key: Key, cell: Cell, count: i64) {
        let mut cells = Cells::default();
        cells.add(cell, count);
        self.lock().fresh.count(key, &cells);
    }

    /// Counts datagrams that were lost in a UDP socket, whoever sent them.
    pub fn lost_in_socket(&self, cell: Cell, datagrams: u64, now_ms: i64) {
        let mut cells = Cells::default();
        cells.add(Cell::SeenUdp, datagrams.cast_signed());
        cells.add(cell, datagrams.cast_signed());
        self.lock().fresh.count(Key::of_sender(NOBODY, 0, minute_of(now_ms)), &cells);
    }

    /// Counts every row of a table in `cell`, which says what became of it. A row counts as decoded when that is known: until then
    /// it may be made again of the journal.
    pub fn rows(&self, provenance: Provenance<'_>, cell: Cell) {
        self.decoded_rows(provenance, Some(cell));
    }

    /// Counts every row of a table as decoded, and as nothing more: rows that are thrown away on purpose are neither stored nor lost.
    pub fn rows_discarded(&self, provenance: Provenance<'_>) {
        self.decoded_rows(provenance, None);
    }

    fn decoded_rows(&self, provenance: Provenance<'_>, became: Option<Cell>) {
        let mut state = self.lock();
        runs(provenance, &[], &mut |Run { key, rows, .. }| {
            let mut cells = Cells::default();
            cells.add(Cell::RowsDecoded, rows.cast_signed());
            if let Some(cell) = became {
                cells.add(cell, rows.cast_signed());
            }
            let agent = self.0.agents.of(&key.exporter, &key.agent, i64::from(key.minute) * MINUTE_MS);
            let key = Key { agent, ..key };
            state.fresh.count(key, &cells);
        });
    }

    /// Takes what the kernel counted for minutes that are over.
    pub fn steered(&self, minutes: &[KernelMinute]) {
        let mut state = self.lock();
        for counted in minutes {
            let mut cells = Cells::default();
            for (refused, cell, bytes_cell) in [
                (counted.not_allowed, Cell::NotAllowed, Cell::NotAllowedBytes),
                (counted.rate_limited, Cell::RateLimited, Cell::RateLimitedBytes),
            ] {
                cells.add(cell, refused.datagrams.cast_signed());
                cells.add(bytes_cell, refused.bytes.cast_signed());
                cells.see_xdp(refused);
            }
            state.fresh.count(Key::of_sender(counted.exporter, 0, counted.minute), &cells);
            let sides = state.rings.entry(counted.minute).or_default().entry(counted.exporter).or_default();
            sides.steered.datagrams += counted.steered.datagrams;
            sides.steered.bytes += counted.steered.bytes;
        }
    }

    /// Settles the minutes before `end_minute`, as far as every worker has emptied its rings of them: what went in and did not
    /// come out is lost. The kernel's counts of these minutes must have been taken.
    pub fn settle(&self, end_minute: u32) {
        let mut state = self.lock();
        let horizon = state.horizons.iter().copied().min().map_or(end_minute, minute_of);
        state.settle_before(end_minute.min(horizon));
    }

    /// Settles every minute: nothing comes out of the rings any more.
    pub fn settle_all(&self) {
        self.lock().settle_before(u32::MAX);
    }

    /// The changes since they were last taken, in the order of their keys.
    #[must_use]
    pub fn take_changes(&self) -> Vec<(Key, Cells)> {
        self.sums().take_pending()
    }

    /// The sums over everything, and how often something was counted under `::` for want of room.
    #[must_use]
    pub fn totals(&self) -> (Cells, u64) {
        self.sums().totals()
    }

    /// The sums of the exporters with the most datagrams.
    #[must_use]
    pub fn of_exporters(&self, most: usize) -> Vec<(Address, Cells)> {
        self.sums().of_exporters(most)
    }

    /// The sums of one exporter.
    #[must_use]
    pub fn of_exporter(&self, exporter: &Address) -> Option<Cells> {
        self.sums().of_exporter(exporter)
    }

    /// The sums, of everything that was counted until now.
    fn sums(&self) -> MutexGuard<'_, Sums> {
        let mut sums = self.0.sums.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = std::mem::take(&mut sums.spare);
        let fresh = std::mem::replace(&mut self.lock().fresh, spare);
        sums.take(fresh);
        sums
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if it did, the counts would still be consistent enough to go on with.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a row of a worker's book: what a UDP socket gave is seen by that, what a ring gave is set against the kernel's count.
    fn take_row(&mut self, key: Key, mut cells: Cells) {
        // What was received has no domain yet, so that all of the row is of one key.
        let (datagrams, bytes) = (cells.get(Cell::ReceivedUdp), cells.get(Cell::ReceivedUdpBytes));
        if key.domain == 0 {
            cells.add(Cell::SeenUdp, datagrams);
            cells.add(Cell::SeenUdpBytes, bytes);
        } else if datagrams != 0 {
            let mut seen = Cells::default();
            seen.add(Cell::SeenUdp, datagrams);
            seen.add(Cell::SeenUdpBytes, bytes);
            self.fresh.count(Key::of_sender(key.exporter, 0, key.minute), &seen);
        }
        let received = Quantity {
            datagrams: cells.get(Cell::ReceivedXdp).cast_unsigned(),
            bytes: cells.get(Cell::ReceivedXdpBytes).cast_unsigned(),
        };
        if received.datagrams > 0 {
            let sides = self.rings.entry(key.minute).or_default().entry(key.exporter).or_default();
            sides.received.datagrams += received.datagrams;
            sides.received.bytes += received.bytes;
        }
        self.fresh.count(key, &cells);
    }

    fn take_drops(&mut self, worker: usize, total: RingDrops) {
        let Some(read) = self.drops_read.get_mut(worker) else { return };
        let before = std::mem::replace(read, total);
        self.drops.ring_full += total.ring_full.saturating_sub(before.ring_full);
        self.drops.fill_ring_empty += total.fill_ring_empty.saturating_sub(before.fill_ring_empty);
    }

    /// What comes of a minute after it was settled, or once more because the clock was set back, is settled by itself: the
    /// kernel's count of it, or what came out of the rings without one and so was counted as lost.
    fn settle_before(&mut self, end_minute: u32) {
        let later = self.rings.split_off(&end_minute);
        for (minute, exporters) in std::mem::replace(&mut self.rings, later) {
            for (exporter, cells) in settle(exporters.into_iter().collect(), &mut self.drops) {
                self.fresh.count(Key::of_sender(exporter, 0, minute), &cells);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use netflow::{Event, Message, Outcome};

    use super::super::Arrival;
    use super::*;

    const EXPORTER: Address = [1; 16];
    const MINUTE: u32 = 100;
    const MS: i64 = 60_000 * MINUTE as i64;

    fn heard(domain: u32) -> Outcome {
        let message = Message {
            exporter: EXPORTER,
            agent: EXPORTER,
            version: 9,
            domain,
            sequence: 0,
            export_ms: None,
            uptime_ms: None,
            skew: Default::default(),
        };
        Outcome { message: Some(message), flow_records: 3, ..Outcome::default() }
    }

    fn hear(book: &mut Book, arrival: Arrival, exporter: Address, received_ms: i64, outcome: &Outcome) {
        book.received(arrival, exporter, 100, received_ms);
        book.decoded(exporter, exporter, received_ms, outcome);
    }

    fn minute(exporter: Address, steered: u64, not_allowed: u64) -> KernelMinute {
        let quantity = |datagrams| Quantity { datagrams, bytes: 100 * datagrams };
        KernelMinute {
            exporter,
            minute: MINUTE,
            steered: quantity(steered),
            not_allowed: quantity(not_allowed),
            rate_limited: quantity(2),
        }
    }

    #[test]
    fn what_went_in_and_did_not_come_out_is_lost_for_a_reason() {
        let account = Account::new(1);
        let mut book = Book::default();
        for _ in 0..7 {
            hear(&mut book, Arrival::Ring, EXPORTER, MS, &heard(5));
        }
        hear(&mut book, Arrival::Ring, EXPORTER, MS, &Outcome { fault: Some(Event::VersionUnknown), ..heard(0) });
        hear(&mut book, Arrival::Ring, EXPORTER, MS + 60_000, &heard(5));
        let drops = RingDrops { ring_full: 1, fill_ring_empty: 1 };
        account.steered(&[minute(EXPORTER, 11, 4), minute(NOBODY, 0, 0)]);
        account.take_received(0, &mut book, MS + 59_999, drops);
        account.settle(MINUTE + 1);
        assert_eq!(account.totals().0.get(Cell::RingFull), 0, "the worker may have frames of this minute yet");
        account.take_received(0, &mut book, MS + 60_000, drops);
        account.settle(MINUTE + 1);
        let cells = account.of_exporter(&EXPORTER).expect("known");
        for (cell, count) in [
            (Cell::SeenXdp, 17),
            (Cell::ReceivedXdp, 9),
            (Cell::NotAllowed, 4),
            (Cell::RateLimited, 2),
            (Cell::RingFull, 1),
            (Cell::FillRingEmpty, 1),
            (Cell::RingOther, 1),
            (Cell::Malformed, 1),
            (Cell::Decoded, 8),
        ] {
            assert_eq!(cells.get(cell), count, "{cell:?}");
        }
        assert_eq!(cells.unaccounted_datagrams(), -1, "the next minute is not settled");
        account.settle_all();
        for (key, cells) in sum_by_exporter(&account.take_changes()) {
            assert_eq!(cells.unaccounted_datagrams(), 0, "{key:?}");
        }
        assert!(account.take_changes().is_empty());
    }

    #[test]
    fn exporters_without_a_lasting_account_are_taken_off_the_sum() {
        let account = Account::new(1);
        let mut book = Book::default();
        for number in 1..=10 {
            hear(&mut book, Arrival::Ring, [number; 16], MS, &heard(0));
        }
        account.take_received(0, &mut book, i64::MAX, RingDrops::default());
        account.steered(&[minute(NOBODY, 12, 0)]);
        account.settle_all();
        let (totals, _) = account.totals();
        assert_eq!((totals.get(Cell::SeenXdp), totals.get(Cell::RingOther)), (14, 2));
        assert_eq!(totals.unaccounted_datagrams(), 0);
        assert_eq!(account.of_exporter(&NOBODY).expect("the sum").get(Cell::RingOther), 2);
    }

    #[test]
    fn what_sockets_give_and_lose_is_seen() {
        let account = Account::new(2);
        let mut book = Book::default();
        hear(&mut book, Arrival::Socket, EXPORTER, MS, &heard(7));
        book.refused(EXPORTER, 50, MS, Cell::NotAllowed, Cell::NotAllowedBytes);
        account.take_received(1, &mut book, MS, RingDrops::default());
        account.lost_in_socket(Cell::SocketOverflow, 5, MS);
        let changes = account.take_changes();
        let found: Vec<_> = changes.iter().map(|(key, cells)| (key.domain, cells.get(Cell::SeenUdp))).collect();
        assert_eq!(found, [(0, 5), (0, 2), (7, 0)], "{changes:?}");
        for (key, cells) in sum_by_exporter(&changes) {
            assert_eq!(cells.unaccounted_datagrams(), 0, "{key:?}");
        }
        assert_eq!(account.totals().0.get(Cell::SeenUdpBytes), 150);
    }

    #[test]
    fn a_minute_that_comes_again_is_settled_by_itself() {
        let account = Account::new(1);
        let mut book = Book::default();
        let mut play = |frames: u64, now_ms: i64| {
            for _ in 0..frames {
                hear(&mut book, Arrival::Ring, EXPORTER, MS, &heard(5));
            }
            account.take_received(0, &mut book, now_ms, RingDrops::default());
        };
        let steered = |steered| KernelMinute { rate_limited: Quantity::default(), ..minute(EXPORTER, steered, 0) };
        play(5, MS + 2 * 60_000);
        account.steered(&[steered(5)]);
        account.settle(MINUTE + 2);
        // The clock is set back by two minutes.
        play(7, MS + 1_000);
        account.settle(MINUTE);
        play(1, MS + 60_000);
        account.steered(&[steered(9)]);
        account.settle(MINUTE + 1);
        let found = |cell| account.of_exporter(&EXPORTER).expect("known").get(cell);
        let cells = [Cell::SeenXdp, Cell::ReceivedXdp, Cell::RingOther];
        assert_eq!(cells.map(found), [14, 13, 1]);
        account.settle_all();
        assert_eq!(cells.map(found), [14, 13, 1]);
    }

    fn sum_by_exporter(changes: &[(Key, Cells)]) -> BTreeMap<(Address, u32), Cells> {
        let mut sums = BTreeMap::<_, Cells>::new();
        for (key, cells) in changes {
            sums.entry((key.exporter, key.minute)).or_default().merge(cells);
        }
        sums
    }
}
