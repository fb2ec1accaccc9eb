//! Rollups of any flows: nothing is lost or invented on the way, and every bucket is one the flow lived in.

use collector::batch::{Block, Cells, Part};
use collector::rollup::{Roller, SPARE_BUCKETS};
use proptest::prelude::*;

const NOW_MS: i64 = 1_767_323_045_678;
const DAY_S: u32 = 86_400;
/// The largest number of a flow whose product with another and the sum over all flows of a test stay below 2^64, where sums end.
const MOST: u64 = 1 << 28;

/// What of a flow the rollups look at most.
#[derive(Debug, Clone)]
struct Flow {
    received_ms: i64,
    lived_ms: i64,
    behind_ms: i64,
    bytes: u64,
    packets: u64,
    rate: u64,
    key: u8,
}

fn flow() -> impl Strategy<Value = Flow> {
    let any_number = || prop_oneof![Just(0), Just(1), Just(MOST), 0..1_000_000_u64, 0..=MOST];
    let lived_ms = prop_oneof![Just(0), 0..60_000_i64, 0..4_000_000_i64, 0..200_000_000_i64, -5..5_i64];
    let behind_ms = prop_oneof![0..10_000_i64, -100_000_000..100_000_000_i64, Just(NOW_MS)];
    let times = (NOW_MS..NOW_MS + 100_000_000, lived_ms, behind_ms);
    (times, any_number(), any_number(), prop_oneof![0..3_u64, any_number()], 0..8_u8).prop_map(
        |((received_ms, lived_ms, behind_ms), bytes, packets, rate, key)| Flow {
            received_ms,
            lived_ms,
            behind_ms,
            bytes,
            packets,
            rate,
            key,
        },
    )
}

fn block(flows: &[Flow]) -> Block {
    let mut block = Block::default();
    block.decoded.flows.resize(flows.len());
    for origin in [&mut block.src, &mut block.dst] {
        origin.asn.resize(flows.len());
        for text in [&mut origin.country, &mut origin.network, &mut origin.customer] {
            let names = ["", "b", "a"].map(|name| text.key(name));
            flows.iter().for_each(|flow| text.push(names[usize::from(flow.key) % 3]));
        }
    }
    let columns = &mut block.decoded.flows;
    for (row, flow) in flows.iter().enumerate() {
        columns.received_ms[row] = flow.received_ms;
        columns.end_ms[row] = flow.received_ms - flow.behind_ms;
        columns.start_ms[row] = columns.end_ms[row] - flow.lived_ms;
        (columns.bytes[row], columns.packets[row], columns.sampling_rate[row]) = (flow.bytes, flow.packets, flow.rate);
        columns.exporter[row] = [flow.key & 1; 16];
        columns.src_addr[row] = [flow.key; 16];
        columns.in_if[row] = u32::from(flow.key);
        columns.src_as[row] = u32::from(flow.key) << 29;
    }
    block
}

/// Sums of bytes, packets, raw bytes, raw packets and flows.
fn totals(part: Part<'_>) -> [u64; 5] {
    let columns: Vec<_> = part.columns().collect();
    std::array::from_fn(|sum| {
        let (column, cells) = columns[columns.len() - 5 + sum];
        let Cells::U64(values) = cells else { panic!("{} is no sum", column.name) };
        values.iter().sum()
    })
}

fn times(part: Part<'_>) -> &[u32] {
    let Some((_, Cells::Seconds(times))) = part.columns().next() else { panic!("no times") };
    times
}

fn expected(flows: &[Flow]) -> [u64; 5] {
    flows.iter().fold([0_u64; 5], |totals, flow| {
        let rate = flow.rate.max(1);
        let of = [flow.bytes * rate, flow.packets * rate, flow.bytes, flow.packets, 1];
        std::array::from_fn(|sum| totals[sum] + of[sum])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_over_every_rollup_are_the_sums_over_the_flows(flows in prop::collection::vec(flow(), 0..20)) {
        let mut block = block(&flows);
        let mut roller = Roller::default();
        roller.roll(&mut block);
        let first = block.clone();
        roller.roll(&mut block);
        for (part, again) in first.parts().zip(block.parts()).skip(3) {
            let name = part.table().name;
            // Interfaces and hosts have every flow twice, once for each end.
            let ends = if matches!(name, "interface_1m" | "hosts_1h") { 2 } else { 1 };
            prop_assert_eq!(totals(part), expected(&flows).map(|total| total * ends), "{}", name);
            prop_assert_eq!(totals(again), totals(part), "{} is made anew", name);
            prop_assert!(part.columns().all(|(_, cells)| cells.len() == part.len()), "{}", name);
        }
    }

    #[test]
    fn every_bucket_is_one_that_the_flow_lived_in(flow in flow()) {
        let mut block = block(std::slice::from_ref(&flow));
        Roller::default().roll(&mut block);
        let (start_ms, end_ms) = (block.decoded.flows.start_ms[0], block.decoded.flows.end_ms[0]);
        let is_told = end_ms.abs_diff(flow.received_ms) <= u64::from(DAY_S) * 1000;
        let last_ms = if is_told { end_ms } else { flow.received_ms };
        let first_ms = last_ms - (end_ms - start_ms).clamp(0, i64::from(DAY_S) * 1000);
        for (part, bucket_s) in block.parts().skip(3).zip([60, 300, 300, 300, 300, 3600]) {
            for time in times(part) {
                let begins_ms = i64::from(*time) * 1000;
                prop_assert!(time % bucket_s == 0 && begins_ms <= last_ms, "{} {}", part.table().name, time);
                prop_assert!(begins_ms + i64::from(bucket_s) * 1000 > first_ms, "{} {}", part.table().name, time);
            }
        }
    }
}

#[test]
fn a_block_of_endless_flows_does_not_fill_the_memory() {
    let endless = |row: usize| Flow {
        received_ms: NOW_MS,
        lived_ms: 90_000_000,
        behind_ms: 0,
        bytes: MOST,
        packets: 1 << 20,
        rate: 1,
        key: row as u8,
    };
    let flows: Vec<Flow> = (0..2000).map(endless).collect();
    let mut block = block(&flows);
    for (row, as_number) in (0..).zip(&mut block.decoded.flows.dst_as) {
        *as_number = row;
    }
    for (row, if_index) in (0..).zip(&mut block.decoded.flows.in_if) {
        *if_index = row;
    }
    Roller::default().roll(&mut block);
    for (part, ends) in block.parts().skip(3).zip([2, 1, 1, 1, 1, 2]) {
        assert!(part.len() <= ends * (SPARE_BUCKETS + flows.len()), "{} {}", part.table().name, part.len());
        assert_eq!(totals(part), expected(&flows).map(|total| total * ends as u64), "{}", part.table().name);
    }
    // Those for which there was no room are where they ended, whole.
    let interfaces = &block.rollups.interface_1m;
    assert!(interfaces.sums.time.len() < 2 * SPARE_BUCKETS);
    let last = (NOW_MS / 60_000 * 60) as u32;
    assert!(interfaces.sums.time.iter().zip(&interfaces.sums.raw_bytes).any(|found| found == (&last, &MOST)));
}

#[test]
fn what_is_more_than_64_bits_is_the_most_that_they_hold() {
    let large = Flow {
        received_ms: NOW_MS,
        lived_ms: 0,
        behind_ms: 0,
        bytes: u64::MAX - 1,
        packets: 1 << 40,
        rate: 1 << 30,
        key: 1,
    };
    let mut block = block(&[large.clone(), large]);
    Roller::default().roll(&mut block);
    for part in block.parts().skip(3) {
        for sum in 0..4 {
            let columns: Vec<_> = part.columns().collect();
            let (column, cells) = columns[columns.len() - 5 + sum];
            let Cells::U64(values) = cells else { panic!("{} is no sum", column.name) };
            let expected = [u64::MAX, u64::MAX, u64::MAX, 2 << 40][sum];
            let found = values.iter().max();
            assert_eq!(found, Some(&expected), "{} {}", part.table().name, column.name);
        }
    }
}
