//! Rollups of many exporters and keys against a plain map of sums: every row, in the order of its table.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use collector::batch::Block;
use collector::batch::rollups::SumColumns;
use collector::rollup::{Roller, Selection};

const NOW_MS: i64 = 1_767_323_045_678;
/// Hosts that a block names for each of bytes, packets and flows.
const KEPT: usize = 1000;

type Sums = [u64; 5];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Flows that each live in one minute: what becomes of others is for the tests of lives.
fn block(rows: usize, exporters: u64, hosts: u64, random: &mut Random) -> Block {
    let mut block = Block::default();
    block.decoded.flows.resize(rows);
    for origin in [&mut block.src, &mut block.dst] {
        for text in [&mut origin.country, &mut origin.network, &mut origin.customer] {
            text.resize(rows);
        }
        origin.asn.extend((0..rows).map(|_| random.below(1 << 20) as u32));
    }
    let flows = &mut block.decoded.flows;
    for row in 0..rows {
        flows.received_ms[row] = NOW_MS;
        flows.end_ms[row] = NOW_MS - random.below(90_000_000) as i64;
        flows.start_ms[row] = flows.end_ms[row];
        flows.exporter[row] = u128::from(random.below(exporters) << 40).to_be_bytes();
        flows.src_addr[row] = u128::from(random.below(hosts)).to_be_bytes();
        flows.dst_addr[row] = (u128::from(random.below(hosts)) << 64).to_be_bytes();
        flows.src_as[row] = random.below(2) as u32 * u32::MAX;
        flows.in_if[row] = random.below(5) as u32;
        flows.out_if[row] = random.below(1 << 30) as u32;
        flows.bytes[row] = random.below(100_000);
        flows.packets[row] = random.below(100);
        flows.sampling_rate[row] = random.below(3);
    }
    block
}

fn sums_of(block: &Block, row: usize) -> Sums {
    let flows = &block.decoded.flows;
    let (bytes, packets, rate) = (flows.bytes[row], flows.packets[row], flows.sampling_rate[row].max(1));
    [bytes * rate, packets * rate, bytes, packets, 1]
}

/// The start of a row's bucket, seconds: it may have ended so long ago that its receipt counts.
fn bucket(block: &Block, row: usize, seconds: i64) -> u32 {
    let flows = &block.decoded.flows;
    let ended_ms = if NOW_MS - flows.end_ms[row] <= 86_400_000 { flows.end_ms[row] } else { flows.received_ms[row] };
    (ended_ms / 1000 / seconds * seconds) as u32
}

fn add(sums: &mut Sums, more: Sums) {
    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
}

fn rows<S>(sums: &SumColumns, subject: impl Fn(usize) -> S) -> Vec<(S, u32, Sums)> {
    let sums_at =
        |row: usize| [sums.bytes[row], sums.packets[row], sums.raw_bytes[row], sums.raw_packets[row], sums.flows[row]];
    (0..sums.time.len()).map(|row| (subject(row), sums.time[row], sums_at(row))).collect()
}

#[test]
fn every_sum_is_that_of_a_map() {
    let mut roller = Roller::default();
    for (rows_of_block, exporters) in [(50, 3), (5000, 1), (5000, 40), (3000, 3000)] {
        let mut block = block(rows_of_block, exporters, 500, &mut Random(exporters));
        roller.roll(&mut block);
        let (mut interfaces, mut systems) = (BTreeMap::new(), BTreeMap::new());
        for row in 0..rows_of_block {
            let (flows, sums) = (&block.decoded.flows, sums_of(&block, row));
            let exporter = flows.exporter[row];
            let minute = bucket(&block, row, 60);
            for (direction, if_index) in [(0, flows.in_if[row]), (1, flows.out_if[row])] {
                let key = (minute / 86_400, exporter, if_index, direction, minute);
                add(interfaces.entry(key).or_default(), sums);
            }
            let src = if flows.src_as[row] == 0 { block.src.asn[row] } else { flows.src_as[row] };
            let minutes = bucket(&block, row, 300);
            add(systems.entry((minutes / 86_400, src, block.dst.asn[row], exporter, minutes)).or_default(), sums);
        }
        let table = &block.rollups.interface_1m;
        let found = rows(&table.sums, |row| (table.sums.exporter[row], table.if_index[row], table.direction[row]));
        let expected =
            interfaces.into_iter().map(|((_, exporter, index, way, time), sums)| ((exporter, index, way), time, sums));
        assert!(found.into_iter().eq(expected), "interfaces of {exporters} exporters");
        let table = &block.rollups.as_5m;
        let found = rows(&table.sums, |row| (table.src[row], table.dst[row], table.sums.exporter[row]));
        let expected =
            systems.into_iter().map(|((_, src, dst, exporter, time), sums)| ((src, dst, exporter), time, sums));
        assert!(found.into_iter().eq(expected), "autonomous systems of {exporters} exporters");
    }
}

#[test]
fn hosts_with_rows_are_the_busiest_and_their_sums_are_exact() {
    let mut roller = Roller::default();
    for (rows_of_block, exporters, hosts) in [(300, 2, 100), (4000, 3, 50), (30_000, 1, 3000), (30_000, 200, 1 << 30)] {
        let mut block = block(rows_of_block, exporters, hosts, &mut Random(hosts));
        roller.roll(&mut block);
        // Sums with the number of their first flow's end: exporter by exporter, of equals the first is kept.
        let mut all: BTreeMap<_, (usize, Sums)> = BTreeMap::new();
        for row in 0..rows_of_block {
            let flows = &block.decoded.flows;
            let hour = bucket(&block, row, 3600);
            for (end, address) in [flows.src_addr[row], flows.dst_addr[row]].into_iter().enumerate() {
                let sums =
                    all.entry((hour, address, flows.exporter[row], end)).or_insert((2 * row + end, Sums::default()));
                add(&mut sums.1, sums_of(&block, row));
            }
        }
        let is_named = |(_, address, ..): &(u32, [u8; 16], [u8; 16], usize)| *address != [0; 16];
        let mut named: Vec<_> = Vec::new();
        for sum in [0, 1, 4] {
            let mut ranking: Vec<_> = all.iter().filter(|(key, _)| is_named(key)).collect();
            ranking.sort_by_key(|(key, (first, sums))| (Reverse(sums[sum]), key.2, *first));
            named.extend(ranking.into_iter().take(KEPT).map(|(key, _)| *key));
        }
        named.sort_unstable();
        named.dedup();
        let mut expected: BTreeMap<_, Sums> = BTreeMap::new();
        for (key, (_, sums)) in &all {
            let (hour, address, exporter, end) = *key;
            let address = if named.binary_search(key).is_ok() { address } else { [0; 16] };
            add(expected.entry((hour / 86_400, address, exporter, end, hour)).or_default(), *sums);
        }
        let table = &block.rollups.hosts_1h;
        let found =
            rows(&table.sums, |row| (table.address[row], table.sums.exporter[row], usize::from(table.direction[row])));
        let expected = expected
            .into_iter()
            .map(|((_, address, exporter, end, hour), sums)| ((address, exporter, end), hour, sums));
        assert!(found.into_iter().eq(expected), "{hosts} hosts");
    }
    assert!(roller.counts().unnamed_hosts > 30_000);
}

#[test]
fn what_is_not_selected_is_not_made() {
    let mut all = block(2000, 5, 5000, &mut Random(1));
    let mut some = all.clone();
    Roller::default().roll(&mut all);
    Roller::new(Selection::of(&["service_5m", "as_5m"]).expect("they are rollups")).roll(&mut some);
    assert_eq!(some.rollups.as_5m.sums.bytes, all.rollups.as_5m.sums.bytes);
    assert_eq!(some.rollups.service_5m.sums.time, all.rollups.service_5m.sums.time);
    for sums in [&some.rollups.interface_1m.sums, &some.rollups.country_5m.sums, &some.rollups.hosts_1h.sums] {
        assert!(sums.time.is_empty());
    }
    Roller::new(Selection::of::<&str>(&[]).expect("none is none")).roll(&mut all);
    assert!(all.parts().skip(3).all(|part| part.is_empty()));
}
