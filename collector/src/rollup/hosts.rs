//! The busiest hosts of a block, and the sum of all others.

use netflow::columns::Address;

use super::busiest::{Busiest, Candidate};
use super::groups::{Entry, Groups, Long, Short};
use super::order::Order;
use super::parts::Parts;
use super::pieces::{Length, Pieces};
use super::table::{Rollup, push_sums};
use crate::batch::{Block, Rollups};

const HOURS_A_DAY: u32 = 24;
/// The direction is the lowest bit of a key's bucket.
const SENT: u32 = 0;
const RECEIVED: u32 = 1;
/// All hosts that are not named.
const UNNAMED: [u64; 2] = [0, 0];

/// Memory of the hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Of one exporter.
    all: Groups<Long>,
    busiest: Busiest,
    /// What the other hosts sum up to, by their exporter's rank.
    others: Groups<Short>,
    /// How many went there so far.
    unnamed: u64,
    rows: Vec<Candidate>,
    /// Hour of the day, direction, exporter, address from its end, day.
    order: Order<8>,
}

impl Rollup for Hosts {
    fn begin_block(&mut self) {
        self.busiest.clear();
        self.others.clear();
        self.others.begin_part(0);
    }

    fn begin_part(&mut self, rows: usize) {
        self.all.clear();
        self.all.begin_part(rows);
    }

    fn add(&mut self, pieces: &Pieces, block: &Block) {
        let flows = &block.decoded.flows;
        pieces.each(Length::Hour, |piece, sums| {
            let (row, bucket) = (piece.row as usize, piece.bucket << 1);
            self.all.add(Long { address: halves(&flows.src_addr[row]), bucket: bucket | SENT }, sums);
            self.all.add(Long { address: halves(&flows.dst_addr[row]), bucket: bucket | RECEIVED }, sums);
        });
    }

    fn end_part(&mut self, exporter: u32) {
        let Self { all, busiest, others, unnamed, .. } = self;
        let mut other = |candidate: &Candidate| {
            *unnamed += 1;
            put_aside(others, candidate);
        };
        for entry in all.entries() {
            if entry.key.address == UNNAMED {
                other(&(exporter, *entry));
            } else {
                busiest.offer((exporter, *entry), &mut other);
            }
        }
    }

    fn drain(&mut self, _block: &Block, parts: &Parts, out: &mut Rollups) {
        let out = &mut out.hosts_1h;
        let Self { busiest, others, unnamed, rows, order, .. } = self;
        busiest.choose(|other| {
            *unnamed += 1;
            put_aside(others, other);
        });
        rows.clear();
        rows.extend_from_slice(busiest.candidates());
        rows.extend(others.entries().iter().map(|entry| {
            let Short { subject, bucket } = entry.key;
            (subject as u32, Entry { key: Long { address: UNNAMED, bucket }, sums: entry.sums })
        }));
        let numbers = rows.iter().map(|(exporter, entry)| {
            let Long { address: [upper, lower], bucket } = entry.key;
            let (hour, direction) = (bucket >> 1, bucket & 1);
            let words = [lower as u32, (lower >> 32) as u32, upper as u32, (upper >> 32) as u32];
            let (day, hour) = (hour / HOURS_A_DAY, hour % HOURS_A_DAY);
            [hour, direction, *exporter, words[0], words[1], words[2], words[3], day]
        });
        let is_something = |(_, (_, entry)): &(u32, &Candidate)| !entry.sums.is_nothing();
        order.take(numbers, (0..).zip(&*rows).filter(is_something).map(|(place, _)| place));
        order.sort();
        let rows = order.places().iter().map(|place| &rows[*place as usize]);
        out.address.extend(rows.clone().map(|(_, entry)| whole(entry.key.address)));
        out.direction.extend(rows.clone().map(|(_, entry)| entry.key.bucket as u8 & 1));
        out.sums.exporter.extend(rows.clone().map(|(exporter, _)| *parts.exporter(*exporter)));
        out.sums.time.extend(rows.clone().map(|(_, entry)| (entry.key.bucket >> 1) * Length::Hour.seconds()));
        push_sums(rows.map(|(_, entry)| &entry.sums), &mut out.sums);
    }

    fn unnamed_hosts(&self) -> u64 {
        self.unnamed
    }
}

fn put_aside(others: &mut Groups<Short>, (exporter, entry): &Candidate) {
    others.add(Short { subject: u64::from(*exporter), bucket: entry.key.bucket }, &entry.sums);
}

#[inline]
fn halves(address: &Address) -> [u64; 2] {
    let address = u128::from_be_bytes(*address);
    [(address >> 64) as u64, address as u64]
}

fn whole([upper, lower]: [u64; 2]) -> Address {
    (u128::from(upper) << 64 | u128::from(lower)).to_be_bytes()
}
