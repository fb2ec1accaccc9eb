//! Running totals: what flows have reported so far outlives a restart, and is bounded whoever sends.

use collector::templates::{Cache, Settings, Templates, TotalsBounds};
use netflow::columns::{Address, flags};
use netflow::{Datagram, Report, Tables, decode};

const NOW_MS: i64 = 1_800_000_000_000;

/// An IPFIX message of so many seconds later, with a template and reports of flows: interface, and octets since the flow began.
fn message(seconds: u32, reports: &[(u32, u64)]) -> Vec<u8> {
    let fields = [(10_u16, 4_u16), (85, 8), (152, 8)];
    let template: Vec<u8> = [2_u16, 20, 256, 3]
        .into_iter()
        .chain(fields.into_iter().flat_map(|(element, length)| [element, length]))
        .flat_map(u16::to_be_bytes)
        .collect();
    let start = (NOW_MS as u64).to_be_bytes();
    let records: Vec<u8> = reports
        .iter()
        .flat_map(|(interface, octets)| [&interface.to_be_bytes()[..], &octets.to_be_bytes(), &start].concat())
        .collect();
    let length = |bytes: usize| u16::try_from(bytes).expect("it fits").to_be_bytes();
    let data = [&256_u16.to_be_bytes()[..], &length(records.len() + 4), &records].concat();
    let export = ((NOW_MS / 1000) as u32 + seconds).to_be_bytes();
    let header = [&[0, 10][..], &length(16 + template.len() + data.len()), &export, &seconds.to_be_bytes(), &[0; 4]];
    [header.concat(), template, data].concat()
}

/// Octets of the rows that a message of so many seconds later gives, and how many of them are not sure.
fn rows(cache: &mut Cache, exporter: u16, seconds: u32, reports: &[(u32, u64)]) -> (Vec<u64>, usize) {
    let mut address: Address = [0; 16];
    address[14..].copy_from_slice(&exporter.to_be_bytes());
    let (mut tables, mut report) = (Tables::default(), Report::default());
    let payload = message(seconds, reports);
    let datagram = Datagram { payload: &payload, exporter: address, received_ms: NOW_MS + i64::from(seconds) * 1000 };
    cache.set_now((NOW_MS / 1000) as u64);
    decode(&datagram, cache, &mut tables, &mut report);
    let flows = tables.flows;
    let unknown = flows.flags.iter().filter(|bits| **bits & flags::TOTAL != 0).count();
    (flows.bytes.to_vec(), unknown)
}

#[test]
fn what_flows_have_reported_outlives_a_restart() {
    let before = Templates::new(Settings::default());
    assert_eq!(rows(&mut before.cache(), 1, 0, &[(1, 1000), (2, 5)]), (vec![1000, 5], 0));
    let path = std::env::temp_dir().join(format!("collector-totals-{}", std::process::id()));
    let saved = before.save(&path, (NOW_MS / 1000) as u64);
    let after = Templates::new(Settings::default());
    let restored = after.restore(&path);
    let _ = std::fs::remove_file(&path);
    assert_eq!((saved.expect("saved").totals.len(), restored.expect("restored").templates), (1, 1));
    // The same datagrams give the same rows, whether the collector was there all the time or not.
    for templates in [before, after] {
        assert_eq!(rows(&mut templates.cache(), 1, 1, &[(1, 2500), (2, 5), (3, 7)]), (vec![1500, 0, 7], 0));
    }
}

#[test]
fn two_workers_know_what_either_has_heard() {
    let templates = Templates::new(Settings::default());
    let (mut one, mut other) = (templates.cache(), templates.cache());
    assert_eq!(rows(&mut one, 1, 1, &[(1, 1000)]).0, [1000]);
    assert_eq!(rows(&mut other, 1, 2, &[(1, 1500)]).0, [500]);
    assert_eq!(rows(&mut other, 2, 2, &[(1, 1500)]).0, [1500], "another exporter");
}

fn flows(templates: &Templates) -> usize {
    let saved = templates.snapshot(0);
    saved.totals.iter().flat_map(|totals| &totals.flows).map(Vec::len).sum()
}

#[test]
fn one_exporter_has_as_many_flows_as_it_may() {
    let totals = TotalsBounds { per_exporter: 1000, total: 100_000 };
    let templates = Templates::new(Settings { totals, ..Settings::default() });
    let mut cache = templates.cache();
    let mut unknown = 0;
    for first in (0..20_000).step_by(1000) {
        let reports: Vec<(u32, u64)> = (first..first + 1000).map(|flow| (flow, 9)).collect();
        for _ in 0..2 {
            // The second time all are refreshed, which must not let there be more.
            unknown += rows(&mut cache, 1, first / 100, &reports).1;
            assert!(flows(&templates) <= 1000, "{first}");
        }
    }
    assert!(unknown > 10_000, "what was forgotten is not sure: {unknown}");
    let last: Vec<(u32, u64)> = (19_600..20_000).map(|flow| (flow, 10)).collect();
    assert_eq!(rows(&mut cache, 1, 300, &last), (vec![1; 400], 0), "half of them are remembered in any case");
}

#[test]
fn all_exporters_share_what_there_is() {
    let totals = TotalsBounds { per_exporter: 1000, total: 2000 };
    let templates = Templates::new(Settings { totals, ..Settings::default() });
    let mut cache = templates.cache();
    let reports: Vec<(u32, u64)> = (0..1000).map(|flow| (flow, 9)).collect();
    for exporter in 0..40 {
        rows(&mut cache, exporter, 0, &reports);
        assert!(flows(&templates) <= 2000, "{exporter}");
    }
    // Those that go on have less, so that there is something for a new one.
    for exporter in 0..40 {
        rows(&mut cache, exporter, 1, &reports);
    }
    assert_eq!(rows(&mut cache, 99, 1, &[(1, 100)]), (vec![100], 1), "it began before anything is known");
    assert_eq!(rows(&mut cache, 99, 2, &[(1, 150)]), (vec![50], 0));
}

#[test]
fn what_is_idle_is_forgotten() {
    let templates = Templates::new(Settings::default());
    rows(&mut templates.cache(), 1, 0, &[(1, 1000)]);
    let now = (NOW_MS / 1000) as u64;
    templates.expire(now + 7199);
    assert_eq!(flows(&templates), 1);
    templates.expire(now + 7200);
    assert_eq!(flows(&templates), 0);
}
