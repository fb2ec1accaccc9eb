//! A data set that waited for its template gives the same rows as one that did not.

use netflow::columns::flags::HELD;
use netflow::{Event, Report, Tables};

use crate::encoder::{ipfix, set};
use crate::{Decoded, FieldSpec, REVERSED, iana, template_of};

/// What is compared: each row's flags apart from the one that tells them apart, and what is beside the flow's own columns.
fn rows(tables: &Tables) -> String {
    let mut flows = tables.flows.clone();
    flows.flags.iter_mut().for_each(|flags| *flags &= !HELD);
    let ends = (&flows.src_addr, &flows.dst_addr, &flows.src_port, &flows.dst_port, &flows.in_if, &flows.out_if);
    let counters = (&flows.bytes, &flows.packets, &flows.sampling_rate, &flows.start_ms, &flows.end_ms, &flows.flags);
    let names = (flows.user_name.keys(), flows.user_name.values(), flows.in_if_name.keys(), &flows.mpls_labels);
    let events = (&tables.nat_events.src_addr, &tables.nat_events.post_nat_src_addr, &tables.nat_events.event_ms);
    format!("{ends:?} {counters:?} {names:?} {events:?}")
}

fn counts(report: &Report) -> [u64; 5] {
    [Event::FlowRecord, Event::ReverseRow, Event::NatEvent, Event::Translation, Event::TimeClamped]
        .map(|event| report.get(event))
}

fn check(name: &str, fields: &[FieldSpec], data: &[u8]) {
    let (template, data) = (set(2, &template_of(256, fields)), set(256, data));
    let mut in_time = Decoded::of(ipfix(&[template.clone(), data.clone()]));
    let mut late = Decoded::of(ipfix(&[data.clone()]));
    assert_eq!(late.tables.rows(), 0, "{name}");
    late.feed(&ipfix(&[template]));
    assert_eq!(rows(&late.tables), rows(&in_time.tables), "{name}");
    assert_eq!(counts(&late.report), counts(&in_time.report), "{name}");
    assert!(late.tables.flows.flags.iter().all(|flags| flags & HELD != 0), "{name}");
    assert!(in_time.tables.flows.flags.iter().all(|flags| flags & HELD == 0), "{name}");
    late.feed(&ipfix(&[data.clone()]));
    in_time.feed(&ipfix(&[data]));
    assert_eq!(rows(&late.tables), rows(&in_time.tables), "{name}, once more");
}

#[test]
fn late_rows_are_the_same() {
    check("plain", &[iana(8, 4), iana(1, 1), iana(2, 1)], &[10, 0, 0, 1, 9, 2, 10, 0, 0, 2, 8, 1]);
    check("both directions", &[iana(7, 1), iana(1, 1), (REVERSED, 1, 1)], &[1, 9, 8, 2, 7, 0]);
    check("a log", &[iana(230, 1), iana(8, 4), iana(225, 4)], &[4, 10, 0, 0, 1, 203, 0, 113, 1]);
    check("a translation", &[iana(8, 4), iana(225, 4), iana(1, 1)], &[10, 0, 0, 1, 203, 0, 113, 1, 9]);
    check("a name", &[iana(371, 65_535), iana(10, 1)], b"\x03bob\x05\x05alice\x06");
    check("a stack", &[iana(316, 4), iana(4, 1)], &[0, 1, 1, 64, 6]);
    check("a wrong time", &[iana(150, 4), iana(151, 4)], &[0x60, 0, 0, 1, 0x60, 0, 0, 0]);
}
