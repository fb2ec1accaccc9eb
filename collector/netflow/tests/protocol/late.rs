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
    let mut late = Decoded::of(ipfix(std::slice::from_ref(&data)));
    assert_eq!(late.tables.rows(), 0, "{name}");
    late.feed(&ipfix(&[template]));
    assert_eq!(rows(&late.tables), rows(&in_time.tables), "{name}");
    assert_eq!(counts(&late.report), counts(&in_time.report), "{name}");
    assert!(late.tables.flows.flags.iter().all(|flags| flags & HELD != 0), "{name}");
    assert!(in_time.tables.flows.flags.iter().all(|flags| flags & HELD == 0), "{name}");
    late.feed(&ipfix(std::slice::from_ref(&data)));
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

/// Columns that some templates write and others do not.
#[test]
fn parts_of_a_block_are_the_whole() {
    let templates: [(&[FieldSpec], &[u8]); 9] = [
        (&[iana(8, 4), iana(1, 1)], &[10, 0, 0, 1, 9]),
        (&[iana(4, 1), iana(11, 2), iana(15, 4)], &[1, 8, 0, 192, 0, 2, 1]),
        (&[iana(70, 3), iana(58, 2)], &[0, 1, 1, 0, 100]),
        (&[iana(96, 65_535), iana(14, 1)], b"\x03ssl\x05\x03dns\x06"),
        (&[iana(7, 1), iana(1, 1), (REVERSED, 1, 1)], &[1, 9, 8]),
        (&[iana(230, 1), iana(8, 4)], &[4, 10, 0, 0, 1]),
        (&[iana(311, 4), iana(82, 2)], &[0x3f, 0, 0, 0, b'e', b'0']),
        (&[iana(316, 4), iana(233, 1)], &[0, 1, 1, 64, 2]),
        (&[iana(56, 6), iana(95, 4), iana(136, 1)], &[2, 0, 0, 0, 0, 1, 13, 0, 0, 80, 3]),
    ];
    let payload = |number: usize| {
        let (fields, data) = templates[number % templates.len()];
        crate::ipfix_of(fields, data)
    };
    let (mut whole, mut part) = (Decoded::default(), Decoded::default());
    // Every template follows every other.
    let orders = (0..templates.len()).flat_map(|step| (0..=templates.len()).map(move |turn| turn * (step + 1)));
    let payloads: Vec<Vec<u8>> = orders.map(payload).chain([crate::encoder::v5(0, &[[7; 48]])]).collect();
    for payload in &payloads {
        whole.feed(payload);
        netflow::decode_part(&crate::encoder::datagram(payload), &mut part.store, &mut part.tables, &mut part.report);
    }
    part.tables.complete();
    assert_eq!(rows(&part.tables), rows(&whole.tables));
    let rest = |tables: &Tables| {
        let flows = &tables.flows;
        let columns = (&flows.next_hop, &flows.icmp_type, &flows.src_vlan, &flows.src_mac, &flows.application_id);
        let more =
            (&flows.flow_end_reason, &flows.firewall_event, &flows.protocol, &flows.tcp_flags, &flows.egress_vrf);
        format!("{columns:?} {more:?} {:?} {:?}", flows.application_name.keys(), flows.raw.ends)
    };
    assert_eq!(rest(&part.tables), rest(&whole.tables));
    assert_eq!(part.report, whole.report);
}
