//! Counts since a flow began: what is new of them, whatever became of the datagrams, and when that cannot be known.

use netflow::columns::{FlowColumns, flags};
use netflow::totals::AGE_MS;
use netflow::{Datagram, Event, decode};

use crate::encoder::{self, EXPORTER, FieldOf, RECEIVED_MS, set, template};
use crate::{Decoded, FieldSpec, REVERSED, iana, template_of};

const START_MS: u64 = 1_699_999_950_000;

/// A message of IPFIX or NetFlow v9 exported so many seconds after the first.
fn message(version: u8, seconds: u32, sequence: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = if version == 10 { encoder::ipfix(sets) } else { encoder::v9(sets) };
    let (export, sequence_at) = if version == 10 { (4, 8) } else { (8, 12) };
    payload[export..export + 4].copy_from_slice(&(encoder::EXPORT_S + seconds).to_be_bytes());
    payload[sequence_at..sequence_at + 4].copy_from_slice(&sequence.to_be_bytes());
    if version == 9 {
        payload[4..8].copy_from_slice(&(encoder::UPTIME_MS + seconds * 1000).to_be_bytes());
    }
    payload
}

/// Decodes a datagram that came so long after the first.
fn feed_at(decoded: &mut Decoded, payload: &[u8], after_ms: i64) {
    let datagram = Datagram { payload, exporter: EXPORTER, received_ms: RECEIVED_MS + after_ms };
    decode(&datagram, &mut decoded.store, &mut decoded.tables, &mut decoded.report);
}

/// One report of a flow: (source port, start after the first start, end after it, octets, packets, end reason); seconds.
type Report = (u16, u64, u64, u64, u64, u8);

const FIELDS: [FieldOf; 8] = [(7, 2), (11, 2), (4, 1), (85, 8), (86, 8), (152, 8), (153, 8), (136, 1)];

fn record((port, start, end, octets, packets, reason): Report) -> Vec<u8> {
    let at = |seconds: u64| (START_MS + seconds * 1000).to_be_bytes();
    [
        &port.to_be_bytes()[..],
        &[1, 187, 6],
        &octets.to_be_bytes(),
        &packets.to_be_bytes(),
        &at(start),
        &at(end),
        &[reason],
    ]
    .concat()
}

/// What became of reports, each in a datagram of its own, sent in this order and a second apart.
fn of(reports: &[Report]) -> (Vec<u64>, Vec<bool>) {
    let mut decoded = Decoded::default();
    for (report, seconds) in reports.iter().zip(0..) {
        let sets = [set(2, &template(256, &FIELDS)), set(256, &record(*report))];
        feed_at(&mut decoded, &message(10, seconds, seconds, &sets), i64::from(seconds) * 1000);
    }
    told(&decoded.tables.flows)
}

fn told(flows: &FlowColumns) -> (Vec<u64>, Vec<bool>) {
    (flows.bytes.to_vec(), flows.flags.iter().map(|bits| bits & flags::TOTAL != 0).collect())
}

#[test]
fn a_total_counts_once() {
    // The first flow that is heard of began before; its total may have been told before.
    let cases: &[(&str, &[Report], &[u64])] = &[
        ("two reports", &[(1, 0, 60, 1000, 10, 0), (1, 0, 120, 2500, 25, 0)], &[1000, 1500]),
        ("nothing new", &[(1, 0, 60, 1000, 10, 0), (1, 0, 60, 1000, 10, 0)], &[1000, 0]),
        ("two flows", &[(1, 0, 60, 1000, 1, 0), (2, 0, 60, 300, 1, 0), (1, 0, 70, 1500, 1, 0)], &[1000, 300, 500]),
        ("another flow of the same ends", &[(1, 0, 60, 1000, 9, 0), (1, 70, 80, 1500, 9, 0)], &[1000, 1500]),
        ("counted anew", &[(1, 0, 60, 1000, 9, 0), (1, 0, 80, 400, 4, 0), (1, 0, 90, 500, 5, 0)], &[1000, 400, 100]),
        ("reports that changed places", &[(1, 0, 120, 2500, 25, 0), (1, 0, 60, 1000, 10, 0)], &[2500, 0]),
        ("an active timeout", &[(1, 0, 60, 1000, 9, 2), (1, 0, 80, 1400, 9, 2)], &[1000, 400]),
        ("the end, and its repetition", &[(1, 0, 60, 1000, 9, 3), (1, 0, 60, 1000, 9, 3)], &[1000, 0]),
        ("behind the end", &[(1, 0, 60, 1000, 9, 3), (1, 0, 50, 900, 8, 0)], &[1000, 0]),
        ("no end after all", &[(1, 0, 60, 1000, 9, 3), (1, 0, 70, 1200, 9, 0)], &[1000, 200]),
        ("the same ends again", &[(1, 0, 60, 1000, 9, 3), (1, 61, 62, 1200, 9, 3)], &[1000, 1200]),
        ("the clock goes back", &[(1, 0, 60, 1000, 9, 0), (1, 0, 30, 1200, 10, 0)], &[1000, 200]),
        ("no octet too many", &[(1, 0, 1, u64::MAX, 9, 0), (1, 0, 2, u64::MAX, 9, 0)], &[u64::MAX, 0]),
    ];
    for (name, reports, expected) in cases {
        assert_eq!(of(reports).0, *expected, "{name}");
    }
}

#[test]
fn a_row_says_when_what_is_new_is_not_known() {
    // The first datagram came 51 s after the first start.
    let first = (9, 0, 50, 70, 1, 0);
    let of = |reports: &[Report]| {
        let (bytes, is_unknown) = of(&[&[first][..], reports].concat());
        (bytes[1..].to_vec(), is_unknown[1..].to_vec())
    };
    assert_eq!(of(&[(1, 40, 60, 1000, 1, 0), (1, 40, 70, 1500, 1, 0)]), (vec![1000, 500], vec![true, false]));
    assert_eq!(of(&[(1, 52, 60, 1000, 1, 0), (1, 52, 70, 1500, 1, 0)]), (vec![1000, 500], vec![false, false]));
    assert_eq!(of(&[(1, 40, 60, 1000, 1, 3)]), (vec![1000], vec![true]), "one that ends");
    let octets_back = [(1, 52, 60, 1000, 5, 0), (1, 52, 58, 900, 9, 0)];
    assert_eq!(of(&octets_back), (vec![1000, 900], vec![false, true]), "an earlier report with more packets");
}

/// NetFlow v9 tells times as uptimes, of which the header's rounding makes another time in each datagram.
#[test]
fn flows_are_known_again_by_the_uptime_they_began_at() {
    let fields = [(7, 2), (85, 4), (86, 4), (22, 4), (21, 4)];
    let mut decoded = Decoded::default();
    for (seconds, octets, shift) in [(0_u32, 1000_u32, 0), (60, 2500, 700), (120, 2600, 100)] {
        let data = [&[0, 9][..], &octets.to_be_bytes(), &[0, 0, 0, 1], &[0, 0, 1, 0], &(seconds * 1000).to_be_bytes()];
        let mut payload = message(9, seconds, seconds, &[set(0, &template(256, &fields)), set(256, &data.concat())]);
        let uptime = (encoder::UPTIME_MS + seconds * 1000 + shift).to_be_bytes();
        payload[4..8].copy_from_slice(&uptime);
        feed_at(&mut decoded, &payload, i64::from(seconds) * 1000);
    }
    assert_eq!(decoded.tables.flows.bytes, [1000, 1500, 100]);
}

#[test]
fn every_element_that_is_a_total_is_one() {
    // Fields beside the port, and the reports' counts; each counts 100 and then 350.
    let both_ways = [iana(85, 8), iana(86, 8), (REVERSED, 85, 8), (REVERSED, 86, 8)];
    let cases: [(&str, &[FieldSpec], &[u64]); 9] = [
        ("octets and packets", &[iana(85, 8), iana(86, 8)], &[100, 250]),
        ("after the metering point", &[iana(171, 8), iana(172, 8)], &[100, 250]),
        ("layer 2", &[iana(353, 8), iana(431, 8)], &[100, 250]),
        ("layer 2 after the metering point", &[iana(420, 8), iana(86, 8)], &[100, 250]),
        ("octets that are new beside packets that are not", &[iana(1, 8), iana(86, 8)], &[100, 350]),
        ("what is new beside the total", &[iana(85, 8), iana(1, 8)], &[100, 350]),
        ("both directions", &both_ways, &[100, 100, 250, 250]),
        ("a connection without events", &[iana(231, 8), iana(232, 8)], &[100, 100, 350, 350]),
        ("layer 2 that is new", &[iana(352, 8), iana(430, 8)], &[100, 350]),
    ];
    for (name, counts, expected) in cases {
        let fields = [&[iana(7, 2)][..], counts].concat();
        let mut decoded = Decoded::default();
        for (count, seconds) in [100_u64, 350].into_iter().zip(0..) {
            let data = [&[0, 9][..], &count.to_be_bytes().repeat(counts.len())].concat();
            let sets = [set(2, &template_of(256, &fields)), set(256, &data)];
            feed_at(&mut decoded, &message(10, seconds, seconds, &sets), 0);
        }
        let bytes = decoded.tables.flows.bytes.to_vec();
        assert_eq!(bytes, expected, "{name}");
        let packets = decoded.tables.flows.packets.to_vec();
        if counts.iter().any(|(_, element, _)| [86, 172, 431].contains(element)) && name != "both directions" {
            assert_eq!(packets, [100, 250], "{name}");
        }
    }
}

#[test]
fn a_total_of_four_bytes_may_wrap() {
    let fields = [(7, 2), (85, 4)];
    let of = |totals: &[u32]| {
        let mut decoded = Decoded::default();
        for (total, seconds) in totals.iter().zip(0..) {
            let data = [&[0, 9][..], &total.to_be_bytes()].concat();
            let sets = [set(2, &template(256, &fields)), set(256, &data)];
            feed_at(&mut decoded, &message(10, seconds, seconds, &sets), 0);
        }
        decoded.tables.flows.bytes.to_vec()
    };
    assert_eq!(of(&[u32::MAX - 9, 90]), [u64::from(u32::MAX - 9), 100]);
    assert_eq!(of(&[3000, 90]), [3000, 90], "far from the wrap it was counted anew");
}

#[test]
fn what_is_too_long_ago_is_not_known() {
    let report = |decoded: &mut Decoded, octets: u64, start: u64, after_ms: i64| {
        let sets = [set(2, &template(256, &FIELDS)), set(256, &record((1, start, 60, octets, 1, 0)))];
        let seconds = u32::try_from(after_ms / 1000).expect("not negative");
        feed_at(decoded, &message(10, seconds, 1, &sets), after_ms);
    };
    for (ages, bytes, is_unknown) in [(0, 500, false), (1, 500, false), (3, 1500, true)] {
        let mut decoded = Decoded::default();
        report(&mut decoded, 1000, 0, 0);
        // Somebody else is heard of in the meantime.
        for age in 0..ages {
            report(&mut decoded, 5, 500, age * AGE_MS + AGE_MS / 2);
        }
        decoded.tables.flows.clear();
        report(&mut decoded, 1500, 0, ages * AGE_MS + 1);
        assert_eq!(told(&decoded.tables.flows), (vec![bytes], vec![is_unknown]), "{ages} hours");
        let unknown = decoded.report.get(Event::TotalUnknown);
        assert!(unknown >= u64::from(is_unknown), "it is counted: {unknown}");
    }
}

#[test]
fn of_in_and_out_the_one_that_has_something_counts() {
    let cases: [(&str, [FieldOf; 2]); 6] = [
        ("octets", [(1, 1), (23, 1)]),
        ("OUT stands first", [(23, 1), (1, 1)]),
        ("totals", [(85, 1), (171, 1)]),
        ("layer 2", [(352, 1), (417, 1)]),
        ("totals of layer 2", [(353, 1), (420, 1)]),
        ("packets", [(2, 1), (24, 1)]),
    ];
    for (name, fields) in cases {
        let is_out = |element: u16| [23, 171, 417, 420, 24].contains(&element);
        let data: Vec<u8> = [(7, 0), (0, 8), (5, 6), (0, 0)]
            .iter()
            .flat_map(|(inside, outside)| fields.map(|(element, _)| if is_out(element) { *outside } else { *inside }))
            .collect();
        let ports = [1_u8, 2, 3, 4];
        let data: Vec<u8> = data.chunks(2).zip(ports).flat_map(|(counts, port)| [&[port], counts].concat()).collect();
        let fields = [&[(7, 1)][..], &fields].concat();
        let flows = Decoded::of_ipfix(&fields, &data).tables.flows;
        let counts = if name == "packets" { &flows.packets } else { &flows.bytes };
        assert_eq!(*counts, [7, 8, 5, 0], "{name}");
    }
    let alone = Decoded::of_ipfix(&[(85, 1), (23, 1)], &[0, 9]).tables.flows;
    assert_eq!(alone.bytes, [0], "what came in since the beginning is not completed by what went out lately");
}
