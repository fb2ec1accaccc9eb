//! Sequence numbers against a model of exporters behind a bad network: what is counted missing, late, double and anew is what
//! the model knows to be so.

use collector::exporters::Unit;
use collector::exporters::sequence::{Change, Heard, Place, Stream};
use netflow::{Datagram, MapStore, Report, Tables};
use perf::faults::Sent;
use perf::{Device, Exported, Exporter, Fate, Faults, Path, Settings};
use proptest::prelude::*;

const DEVICES: [Device; 7] = [
    Device::NetFlow5,
    Device::NetFlow7,
    Device::Vyos,
    Device::CiscoFnf,
    Device::Juniper,
    Device::SixtyFields,
    Device::Sflow,
];
const START_MS: i64 = 1_700_000_000_000;

/// What a stream came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Found {
    missing: i64,
    reordered: i64,
    duplicates: i64,
    restarts: i64,
}

/// Follows what arrives.
struct Follower {
    stream: Option<Stream>,
    store: MapStore,
    tables: Tables,
    found: Found,
}

impl Follower {
    fn new() -> Self {
        Self { stream: None, store: MapStore::default(), tables: Tables::default(), found: Found::default() }
    }

    fn take(&mut self, exported: &Exported) {
        let received_ms = exported.clock.export_ms;
        let datagram = Datagram { payload: &exported.payload, exporter: [1; 16], received_ms };
        let outcome = netflow::decode(&datagram, &mut self.store, &mut self.tables, &mut Report::default());
        self.tables.clear();
        let message = outcome.message.expect("the model sends sound datagrams");
        let heard = Heard {
            sequence: message.sequence,
            records: outcome.records,
            flow_records: outcome.flow_records,
            is_complete: outcome.is_complete,
            export_ms: message.export_ms,
            uptime_ms: message.uptime_ms,
            received_ms,
        };
        let unit = Unit::of_version(message.version).expect("a version with sequence numbers");
        let found = &mut self.found;
        self.stream.get_or_insert_with(|| Stream::new(unit)).take(&heard, Place::default(), &mut |_, change, count| {
            match change {
                Change::Missing(_) | Change::Down(_) => found.missing += count,
                Change::Reordered => found.reordered += count,
                Change::Duplicate => found.duplicates += count,
                Change::Restart => found.restarts += count,
            }
        });
    }
}

/// What can be known of what was sent: a loss shows only between datagrams of the same run that arrive.
fn expected(sent: &[Sent]) -> Found {
    let mut expected = Found::default();
    for run in sent.chunk_by(|one, other| one.exported.restarts == other.exported.restarts) {
        let arrives = |sent: &Sent| sent.fate != Fate::Lost;
        let (Some(first), Some(last)) = (run.iter().position(arrives), run.iter().rposition(arrives)) else { continue };
        for sent in &run[first..=last] {
            match sent.fate {
                Fate::Lost => expected.missing += i64::from(sent.exported.counts),
                Fate::Twice => expected.duplicates += 1,
                Fate::Late => expected.reordered += 1,
                Fate::InTurn => {}
            }
        }
    }
    expected.restarts = sent.last().map_or(0, |last| i64::from(last.exported.restarts));
    expected
}

fn settings(device: Device, seed: u64, records: usize) -> Settings {
    Settings {
        address: std::net::Ipv4Addr::new(192, 0, 2, 1).into(),
        domain: 7,
        device,
        seed,
        records,
        template_every: 20,
        sampling: 1,
        start_ms: START_MS,
        // IPFIX tells no uptime: its restart shows by the time of the export, in whole seconds.
        step_ms: if matches!(device, Device::Juniper | Device::SixtyFields) { 1_000 } else { 200 },
        uptime_ms: 3_600_000,
    }
}

fn check(device: Device, seed: u64, records: usize, faults: Faults, datagrams: usize) -> Result<(), TestCaseError> {
    let mut path = Path::new(Exporter::new(settings(device, seed, records)), faults, seed);
    let mut follower = Follower::new();
    // The first datagram brings the templates without which records cannot be counted.
    let sent: Vec<Sent> = (0..datagrams).map(|_| path.send(|exported| follower.take(exported))).collect();
    let is_quiet = |sent: &Sent| sent.fate == Fate::InTurn;
    let starts: Vec<usize> =
        (0..sent.len()).filter(|n| *n == 0 || sent[*n].exported.restarts != sent[n - 1].exported.restarts).collect();
    // What is late over a restart, or lost or late at the very end, leaves several right answers.
    prop_assume!(starts.iter().all(|start| is_quiet(&sent[*start]) && (*start == 0 || is_quiet(&sent[start - 1]))));
    prop_assume!(sent.last().is_some_and(is_quiet));
    prop_assert_eq!(follower.found, expected(&sent), "{:?}", device);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn loss_reordering_duplicates_and_restarts_are_told_apart(
        device in prop::sample::select(&DEVICES[..]),
        seed in any::<u64>(),
        records in 2_usize..12,
        loss_per_mille in 0_u32..150,
        duplicate_per_mille in 0_u32..100,
        reorder_per_mille in 0_u32..100,
        restart_after in prop::option::of(30_u64..200),
    ) {
        let faults = Faults { loss_per_mille, duplicate_per_mille, reorder_per_mille, restart_after };
        check(device, seed, records, faults, 300)?;
    }
}

#[test]
fn a_sequence_that_counts_something_else_is_recognised() {
    for (name, standard, step, unit) in [
        ("v9 by records", Unit::Datagrams, 7, Unit::Records),
        ("IPFIX by datagrams", Unit::Records, 1, Unit::Datagrams),
        ("IPFIX by flow records", Unit::Records, 6, Unit::FlowRecords),
        ("v5 that never moves", Unit::Records, 0, Unit::Nothing),
        ("IPFIX as it should be", Unit::Records, 7, Unit::Records),
    ] {
        let mut stream = Stream::new(standard);
        let mut sum = 0;
        for number in 0..100_u32 {
            let heard = Heard {
                sequence: (u32::MAX - 50).wrapping_add(number * step),
                records: 7,
                flow_records: 6,
                is_complete: true,
                export_ms: Some(START_MS + i64::from(number) * 1000),
                uptime_ms: Some(number * 1000),
                received_ms: START_MS,
            };
            stream.take(&heard, Place::default(), &mut |_, _, count| sum += count.abs() * i64::from(number > 40));
        }
        assert_eq!(stream.unit(), (unit, unit == standard), "{name}");
        assert_eq!(sum, 0, "{name}: nothing is amiss once it is recognised");
    }
}

#[test]
fn what_cannot_be_counted_is_not_missing() {
    let mut stream = Stream::new(Unit::Records);
    let mut found = Vec::new();
    for (sequence, records, is_complete) in [(0, 5, true), (5, 0, false), (25, 5, true), (30, 5, true), (45, 5, true)] {
        let heard = Heard {
            sequence,
            records,
            flow_records: records,
            is_complete,
            export_ms: Some(START_MS),
            uptime_ms: None,
            received_ms: START_MS,
        };
        let place = Place { minute: 3, by: 1 };
        stream.take(&heard, place, &mut |place, change, count| found.push((place.minute, change, count)));
    }
    assert_eq!(found, [(3, Change::Missing(Unit::Records), 10)]);
}

#[test]
fn datagrams_from_before_the_first_are_late() {
    let mut stream = Stream::new(Unit::Datagrams);
    let mut found = Found::default();
    // At a start the rings may be read before what had waited in a UDP socket since before the program hung on the interface.
    for (after_ms, sequence) in
        (20..30).chain(10..20).chain(30..40).map(|sequence| (0, sequence)).chain((2..9).map(|n| (60_000, n)))
    {
        let heard = Heard {
            sequence,
            records: 7,
            flow_records: 7,
            is_complete: true,
            export_ms: Some(START_MS),
            uptime_ms: None,
            received_ms: START_MS + after_ms,
        };
        stream.take(&heard, Place::default(), &mut |_, change, count| match change {
            Change::Missing(_) | Change::Down(_) => found.missing += count,
            Change::Reordered => found.reordered += count,
            Change::Duplicate => found.duplicates += count,
            Change::Restart => found.restarts += count,
        });
    }
    // Long after the start, a run of earlier numbers is a counter that began anew.
    assert_eq!(found, Found { missing: 0, reordered: 10, duplicates: 0, restarts: 1 });
}
