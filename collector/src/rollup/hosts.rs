//! The busiest hosts of a block, and the sum of all others.

use std::cmp::Reverse;

use netflow::FlowColumns;
use netflow::columns::Address;

use super::groups::Groups;
use super::roller::{SPARE_BUCKETS, Shared};
use super::sums::Sums;
use crate::batch::rollups::HostColumns;

/// Sums of a block that are kept for each of bytes, packets and flows: the sums of a host, exporter, direction and hour.
pub(super) const KEPT: usize = 1000;

const HOUR_MS: u64 = 3_600_000;
const HOURS_A_DAY: u64 = 24;
const SENT: u64 = 0;
const RECEIVED: u64 = 1;

/// A host's sums. The order of the fields is the order of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// Days since 1970.
    day: u16,
    /// The upper and the lower half of the address.
    address: (u64, u64),
    /// The exporter's rank in the upper 32 bits, the direction in bit 5, then the hour of the day.
    rest: u64,
}

impl std::hash::Hash for Key {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        state.write_u64(self.address.0);
        state.write_u64(self.address.1);
        state.write_u64(self.rest | u64::from(self.day) << 6);
    }
}

/// Memory of the hosts.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    all: Groups<Key>,
    kept: Groups<Key>,
    is_kept: Vec<bool>,
    /// A number to be the greatest by, and the place of its sums.
    ranking: Vec<(u64, Reverse<u32>)>,
}

impl Hosts {
    pub(super) fn fill(&mut self, shared: &Shared, flows: &FlowColumns, out: &mut HostColumns) {
        let mut spare = SPARE_BUCKETS;
        for (row, flow) in shared.flows.iter().enumerate() {
            let ends = [(halves(&flows.src_addr[row]), SENT), (halves(&flows.dst_addr[row]), RECEIVED)];
            let exporter = u64::from(shared.exporter[row]) << 32;
            spare -= flow.spread(HOUR_MS, spare, |hour, sums| {
                let (day, hour) = ((hour / HOURS_A_DAY) as u16, hour % HOURS_A_DAY);
                for (address, direction) in ends {
                    self.all.add(Key { day, address, rest: exporter | direction << 5 | hour }, sums);
                }
            });
        }
        self.keep_busiest();
        self.kept.drain(|key, sums| {
            let hours = u64::from(key.day) * HOURS_A_DAY + (key.rest & 0x1f);
            out.sums.time.push((hours * (HOUR_MS / 1000)) as u32);
            out.sums.exporter.push(*shared.exporters.value((key.rest >> 32) as u32));
            out.address.push((u128::from(key.address.0) << 64 | u128::from(key.address.1)).to_be_bytes());
            out.direction.push((key.rest >> 5) as u8 & 1);
            sums.push(&mut out.sums);
        });
    }

    /// Moves the busiest hosts to `kept`, and the others there under the address `::`.
    fn keep_busiest(&mut self) {
        self.is_kept.clear();
        self.is_kept.resize(self.all.sums().len(), self.all.sums().len() <= KEPT);
        if self.all.sums().len() > KEPT {
            for number in [|sums: &Sums| sums.bytes, |sums: &Sums| sums.packets, |sums: &Sums| sums.flows] {
                self.mark_greatest(number);
            }
        }
        for ((key, sums), is_kept) in self.all.iter().zip(&self.is_kept) {
            let address = if *is_kept { key.address } else { (0, 0) };
            self.kept.add(Key { address, ..key }, sums);
        }
        self.all.clear();
    }

    /// Of equals those that came first.
    fn mark_greatest(&mut self, number: impl Fn(&Sums) -> u64) {
        self.ranking.clear();
        self.ranking.extend(self.all.sums().iter().zip(0..).map(|(sums, place)| (number(sums), Reverse(place))));
        self.ranking.select_nth_unstable_by(KEPT - 1, |a, b| b.cmp(a));
        for (_, Reverse(place)) in &self.ranking[..KEPT] {
            self.is_kept[*place as usize] = true;
        }
    }
}

fn halves(address: &Address) -> (u64, u64) {
    let address = u128::from_be_bytes(*address);
    ((address >> 64) as u64, address as u64)
}
