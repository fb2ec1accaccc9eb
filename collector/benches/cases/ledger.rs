//! The account of datagrams: what a worker's book and its hand-over cost.

use std::net::Ipv4Addr;

use collector::ledger::{Account, Arrival, Book, RingDrops};
use netflow::columns::Address;
use netflow::outcome::Outcome;

use super::{Case, Size};

const EXPORTERS: u32 = 100;
/// Datagrams that come from one exporter after the other.
const TRAIN: usize = 4;
const DATAGRAMS: usize = 4096;
const NOW_MS: i64 = 1_767_312_000_000;

/// Datagrams counted as received and as decoded, and the book handed over.
pub(crate) struct Booked {
    account: Account,
    book: Book,
    exporters: Vec<Address>,
}

impl Booked {
    pub(crate) fn new(_: Size) -> Self {
        let address = |number: u32| Ipv4Addr::from(0x0a00_0000 + number).to_ipv6_mapped().octets();
        Self { account: Account::new(1), book: Book::default(), exporters: (0..EXPORTERS).map(address).collect() }
    }
}

impl Case for Booked {
    fn round(&mut self) -> usize {
        let outcome = Outcome { flow_records: 24, ..Outcome::default() };
        for number in 0..DATAGRAMS {
            let exporter = self.exporters[number / TRAIN % self.exporters.len()];
            self.book.received(Arrival::Ring, exporter, 1400, NOW_MS);
            self.book.decoded(exporter, exporter, NOW_MS, std::hint::black_box(&outcome));
        }
        self.account.take_received(0, &mut self.book, NOW_MS, RingDrops::default());
        DATAGRAMS
    }
}
