//! The rollups whose rows add up, however flows are cut into blocks: all but the hosts.
//!
//! A key is one number that sorts as its table does: the day, what the table is about, the bucket of the day. The exporter and texts
//! are in it by their ranks.

use netflow::{FlowColumns, Text};

use super::groups::Groups;
use super::ranks::{Ranks, TextRanks};
use super::roller::{SPARE_BUCKETS, Shared};
use super::sums::Sums;
use crate::batch::Block;
use crate::batch::rollups::{AsColumns, CountryColumns, InterfaceColumns, NetworkColumns, ServiceColumns, SumColumns};

const DAY_MS: u64 = 86_400_000;
const MINUTE_MS: u64 = 60_000;
const FIVE_MINUTES_MS: u64 = 300_000;

/// Bits of a key below the subject: the minutes of a day.
const SLOT_BITS: u32 = 11;
/// Where the day begins in a key; between the two is the subject, of at most 101 bits.
const DAY_SHIFT: u32 = 112;
const SUBJECT_MASK: u128 = (1 << (DAY_SHIFT - SLOT_BITS)) - 1;

/// Protocols with ports: TCP, UDP, DCCP, SCTP, UDP-Lite.
pub(super) const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// Memory of the linear rollups.
#[derive(Debug, Default)]
pub(super) struct Linear {
    groups: Groups<u128>,
    names: TextRanks,
    customers: TextRanks,
    /// Customer and network, by their ranks.
    ends: Ranks<(u32, u32)>,
    src_ends: Vec<u32>,
    dst_ends: Vec<u32>,
}

impl Linear {
    pub(super) fn interfaces(&mut self, shared: &Shared, flows: &FlowColumns, out: &mut InterfaceColumns) {
        self.names.of(&[&flows.in_if_name, &flows.out_if_name]);
        let names = &self.names;
        let (in_names, out_names) = (flows.in_if_name.keys(), flows.out_if_name.keys());
        gather::<MINUTE_MS, 2>(&mut self.groups, shared, |row| {
            let subject = |if_index: u32, direction: u128, name: u32| {
                u128::from(shared.exporter[row]) << 65 | u128::from(if_index) << 33 | direction << 32 | u128::from(name)
            };
            [
                subject(flows.in_if[row], 0, names.rank(0, in_names[row])),
                subject(flows.out_if[row], 1, names.rank(1, out_names[row])),
            ]
        });
        names.fill_dictionary(&mut out.if_name);
        drain::<MINUTE_MS>(&mut self.groups, shared, &mut out.sums, |subject| {
            out.if_index.push((subject >> 33) as u32);
            out.direction.push((subject >> 32) as u8 & 1);
            out.if_name.push(subject as u32);
            (subject >> 65) as u32
        });
    }

    pub(super) fn autonomous_systems(&mut self, shared: &Shared, block: &Block, out: &mut AsColumns) {
        let flows = &block.decoded.flows;
        let known = |told: u32, looked_up: u32| if told == 0 { looked_up } else { told };
        gather::<FIVE_MINUTES_MS, 1>(&mut self.groups, shared, |row| {
            let src = known(flows.src_as[row], block.src.asn[row]);
            let dst = known(flows.dst_as[row], block.dst.asn[row]);
            [pair(src, dst, shared.exporter[row])]
        });
        drain::<FIVE_MINUTES_MS>(&mut self.groups, shared, &mut out.sums, |subject| {
            out.src.push((subject >> 64) as u32);
            out.dst.push((subject >> 32) as u32);
            subject as u32
        });
    }

    pub(super) fn countries(&mut self, shared: &Shared, block: &Block, out: &mut CountryColumns) {
        let (src, dst) = (&block.src.country, &block.dst.country);
        self.names.of(&[src, dst]);
        let names = &self.names;
        gather::<FIVE_MINUTES_MS, 1>(&mut self.groups, shared, |row| {
            [pair(names.rank(0, src.keys()[row]), names.rank(1, dst.keys()[row]), shared.exporter[row])]
        });
        names.fill_dictionary(&mut out.src);
        names.fill_dictionary(&mut out.dst);
        drain::<FIVE_MINUTES_MS>(&mut self.groups, shared, &mut out.sums, |subject| {
            out.src.push((subject >> 64) as u32);
            out.dst.push((subject >> 32) as u32);
            subject as u32
        });
    }

    pub(super) fn services(&mut self, shared: &Shared, flows: &FlowColumns, out: &mut ServiceColumns) {
        gather::<FIVE_MINUTES_MS, 1>(&mut self.groups, shared, |row| {
            let protocol = flows.protocol[row];
            let port = service_port(protocol, flows.src_port[row], flows.dst_port[row]);
            [u128::from(protocol) << 48 | u128::from(port) << 32 | u128::from(shared.exporter[row])]
        });
        drain::<FIVE_MINUTES_MS>(&mut self.groups, shared, &mut out.sums, |subject| {
            out.protocol.push((subject >> 48) as u8);
            out.port.push((subject >> 32) as u16);
            subject as u32
        });
    }

    pub(super) fn networks(&mut self, shared: &Shared, block: &Block, out: &mut NetworkColumns) {
        self.customers.of(&[&block.src.customer, &block.dst.customer]);
        self.names.of(&[&block.src.network, &block.dst.network]);
        self.ends.clear();
        let Self { groups, names, customers, ends, src_ends, dst_ends } = self;
        let ranks = (&*customers, &*names);
        number_ends(0, &block.src.customer, &block.src.network, ranks, ends, src_ends);
        number_ends(1, &block.dst.customer, &block.dst.network, ranks, ends, dst_ends);
        ends.sort();
        gather::<FIVE_MINUTES_MS, 1>(groups, shared, |row| {
            [pair(ends.rank(src_ends[row]), ends.rank(dst_ends[row]), shared.exporter[row])]
        });
        for column in [&mut out.src_customer, &mut out.dst_customer] {
            customers.fill_dictionary(column);
        }
        for column in [&mut out.src_network, &mut out.dst_network] {
            names.fill_dictionary(column);
        }
        drain::<FIVE_MINUTES_MS>(groups, shared, &mut out.sums, |subject| {
            let (customer, network) = *ends.value((subject >> 64) as u32);
            out.src_customer.push(customer);
            out.src_network.push(network);
            let (customer, network) = *ends.value((subject >> 32) as u32);
            out.dst_customer.push(customer);
            out.dst_network.push(network);
            subject as u32
        });
    }
}

/// Numbers the pairs of customer and network of one end, the column `column` of both ranks.
fn number_ends(
    column: usize,
    customer: &Text,
    network: &Text,
    (customers, networks): (&TextRanks, &TextRanks),
    ends: &mut Ranks<(u32, u32)>,
    numbers: &mut Vec<u32>,
) {
    numbers.clear();
    let mut last = None;
    numbers.extend(customer.keys().iter().zip(network.keys()).map(|keys| match last {
        Some((known, number)) if known == keys => number,
        _ => {
            let number = ends.number(&(customers.rank(column, *keys.0), networks.rank(column, *keys.1)));
            last = Some((keys, number));
            number
        }
    }));
}

/// The port that names a flow's service.
fn service_port(protocol: u8, src: u16, dst: u16) -> u16 {
    if !WITH_PORTS.contains(&protocol) {
        return 0;
    }
    let (lower, higher) = (src.min(dst), src.max(dst));
    if lower == 0 { higher } else { lower }
}

fn pair(src: u32, dst: u32, exporter: u32) -> u128 {
    u128::from(src) << 64 | u128::from(dst) << 32 | u128::from(exporter)
}

/// Adds every flow to the sums of its `N` subjects, in each bucket it lived in.
#[inline]
fn gather<const BUCKET_MS: u64, const N: usize>(
    groups: &mut Groups<u128>,
    shared: &Shared,
    subjects: impl Fn(usize) -> [u128; N],
) {
    let mut spare = SPARE_BUCKETS;
    for (row, flow) in shared.flows.iter().enumerate() {
        let subjects = subjects(row);
        spare -= flow.spread(BUCKET_MS, spare, |bucket, sums: &Sums| {
            let (day, slot) = (bucket / (DAY_MS / BUCKET_MS), bucket % (DAY_MS / BUCKET_MS));
            for subject in subjects {
                groups.add(u128::from(day) << DAY_SHIFT | subject << SLOT_BITS | u128::from(slot), sums);
            }
        });
    }
}

/// Empties the sums into rows. `subject` appends what it is given to the columns of the table and returns the exporter's rank.
fn drain<const BUCKET_MS: u64>(
    groups: &mut Groups<u128>,
    shared: &Shared,
    out: &mut SumColumns,
    mut subject: impl FnMut(u128) -> u32,
) {
    groups.drain(|key, sums| {
        let slot = (key & ((1 << SLOT_BITS) - 1)) as u32;
        let day = (key >> DAY_SHIFT) as u32;
        out.time.push(day * (DAY_MS / 1000) as u32 + slot * (BUCKET_MS / 1000) as u32);
        let exporter = subject(key >> SLOT_BITS & SUBJECT_MASK);
        out.exporter.push(*shared.exporters.value(exporter));
        sums.push(out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_the_lower_port_that_is_told() {
        for (protocol, src, dst, expected) in [
            (6, 50_000, 443, 443),
            (17, 53, 53, 53),
            (6, 0, 8080, 8080),
            (132, 8080, 0, 8080),
            (1, 0, 771, 0),
            (50, 7, 8, 0),
            (6, 0, 0, 0),
        ] {
            assert_eq!(service_port(protocol, src, dst), expected, "{protocol} {src} {dst}");
        }
    }
}
