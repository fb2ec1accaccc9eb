//! What is told of address translation, in logs and in flows.

use netflow::Event;
use netflow::tables::NatEvents;

use crate::encoder::{EXPORT_S, RECEIVED_MS};
use crate::{Decoded, FieldSpec, iana, v4};

const EXPORT_MS: i64 = EXPORT_S as i64 * 1000;

/// Elements of two bytes with their values.
type Fields<'a> = &'a [(u16, u16)];
/// Inside and outside address and port of a NAT event.
type Source = (netflow::columns::Address, netflow::columns::Address, u16, u16);

fn source(events: &NatEvents, row: usize) -> Source {
    (events.src_addr[row], events.post_nat_src_addr[row], events.src_port[row], events.post_nat_src_port[row])
}

fn check_rows(name: &str, decoded: &Decoded, flows: usize, events: usize) {
    assert_eq!((decoded.tables.flows.len(), decoded.tables.nat_events.len()), (flows, events), "{name}");
    let told = decoded.report.get(Event::NatEvent) + decoded.report.get(Event::Translation);
    assert_eq!((decoded.report.flow_rows(), told), (flows as u64, events as u64), "{name}");
}

#[test]
fn sessions() {
    // A session of RFC 8158 section 5.1 (NAT44 session create).
    let fields = [
        iana(323, 8),
        iana(230, 1),
        iana(8, 4),
        iana(225, 4),
        iana(4, 1),
        iana(7, 2),
        iana(227, 2),
        iana(12, 4),
        iana(226, 4),
        iana(11, 2),
        iana(228, 2),
        iana(234, 4),
        iana(283, 4),
        iana(284, 4),
    ];
    let event = EXPORT_MS - 3000;
    let data = [
        &event.to_be_bytes()[..],
        &[4, 10, 0, 0, 1, 203, 0, 113, 1, 6, 4, 1, 8, 1],
        &[192, 0, 2, 2, 192, 0, 2, 3, 0, 80, 31, 144],
        &[0, 0, 0, 5, 0, 0, 0, 6],
        b"pool",
    ];
    let decoded = Decoded::of_fields(&fields, &data.concat());
    check_rows("session", &decoded, 0, 1);
    assert_eq!(decoded.report.get(Event::NatEvent), 1);
    let events = &decoded.tables.nat_events;
    assert_eq!(source(events, 0), (v4(10, 0, 0, 1), v4(203, 0, 113, 1), 1025, 2049));
    assert_eq!((events.dst_addr[0], events.post_nat_dst_addr[0]), (v4(192, 0, 2, 2), v4(192, 0, 2, 3)));
    assert_eq!((events.dst_port[0], events.post_nat_dst_port[0], events.protocol[0]), (80, 8080, 6));
    assert_eq!((events.event[0], events.event_ms[0], events.received_ms[0]), (4, event, RECEIVED_MS));
    assert_eq!((events.ingress_vrf[0], events.pool_id[0], events.pool_name.get(0)), (5, 6, "pool"));
    assert_eq!((events.port_block_start[0], events.port_block_end[0], events.port_block_step[0]), (2049, 2049, 1));
}

#[test]
fn times_of_events() {
    let check = |name: &str, fields: &[FieldSpec], data: &[u8], expected: i64| {
        let decoded = Decoded::of_fields(&[&[iana(230, 1)], fields].concat(), &[&[5], data].concat());
        assert_eq!(decoded.tables.nat_events.event_ms, [expected], "{name}");
    };
    let ntp = (u64::from(EXPORT_S) + 2_208_988_800) << 32;
    check("not told", &[iana(4, 1)], &[6], RECEIVED_MS);
    check("microseconds", &[iana(324, 8)], &ntp.to_be_bytes(), EXPORT_MS);
    check("nanoseconds", &[iana(325, 8)], &ntp.to_be_bytes(), EXPORT_MS);
    check("seconds", &[iana(322, 4)], &EXPORT_S.to_be_bytes(), EXPORT_MS);
    check("by another collector", &[iana(258, 8)], &EXPORT_MS.to_be_bytes(), EXPORT_MS);
    check("the end of the flow", &[iana(153, 8)], &(EXPORT_MS - 9).to_be_bytes(), EXPORT_MS - 9);
    check("in a hundred years", &[iana(323, 8)], &(EXPORT_MS * 3).to_be_bytes(), RECEIVED_MS);
}

#[test]
fn blocks_of_ports() {
    // Element and value of each field; first and last port, and their distance.
    let cases: [(&str, Fields<'_>, [u16; 3]); 6] = [
        ("first and last", &[(361, 1024), (362, 2047)], [1024, 2047, 1]),
        ("first and number", &[(361, 1024), (364, 512)], [1024, 1535, 1]),
        ("with steps", &[(361, 1024), (363, 8), (364, 4)], [1024, 1048, 8]),
        ("last, and number too", &[(361, 1024), (362, 1100), (364, 512)], [1024, 1100, 1]),
        ("past all ports", &[(361, 65_000), (364, 60_000)], [65_000, 65_535, 1]),
        ("one port", &[(230, 4), (227, 999)], [999, 999, 1]),
    ];
    for (name, fields, [first, last, step]) in cases {
        let specifiers: Vec<FieldSpec> = fields.iter().map(|(element, _)| iana(*element, 2)).collect();
        let data: Vec<u8> = fields.iter().flat_map(|(_, value)| value.to_be_bytes()).collect();
        let decoded = Decoded::of_fields(&specifiers, &data);
        check_rows(name, &decoded, 0, 1);
        let events = &decoded.tables.nat_events;
        let found = [events.port_block_start[0], events.port_block_end[0], events.port_block_step[0]];
        assert_eq!(found, [first, last, step], "{name}");
    }
}

#[test]
fn flows_that_were_translated() {
    let fields = [iana(8, 4), iana(225, 4), iana(7, 2), iana(227, 2), iana(1, 1)];
    let of = |outside: [u8; 4], port: u8| {
        let data = [&[10, 0, 0, 1][..], &outside, &[0, 9, 0, port, 100]].concat();
        Decoded::of_fields(&fields, &data)
    };
    check_rows("to itself", &of([10, 0, 0, 1], 9), 1, 0);
    check_rows("not at all", &of([0; 4], 0), 1, 0);
    check_rows("port alone", &of([10, 0, 0, 1], 8), 1, 1);
    let decoded = of([203, 0, 113, 1], 8);
    check_rows("address and port", &decoded, 1, 1);
    let events = &decoded.tables.nat_events;
    assert_eq!((events.event[0], events.event_ms[0]), (0, RECEIVED_MS));
    assert_eq!(source(events, 0), (v4(10, 0, 0, 1), v4(203, 0, 113, 1), 9, 8));
    // A firewall's creation of a connection has no octets, and is a flow's event all the same.
    let created = Decoded::of_fields(&[iana(8, 4), iana(225, 4), iana(233, 1)], &[10, 0, 0, 1, 203, 0, 113, 1, 1]);
    check_rows("a firewall's", &created, 1, 1);
    let counted = Decoded::of_fields(&[iana(230, 1), iana(1, 1)], &[4, 9]);
    check_rows("an event with octets", &counted, 1, 1);
    assert_eq!(counted.tables.nat_events.event, [4]);
    // Huawei's logs have neither event nor octets.
    let log = Decoded::of_fields(&[iana(8, 4), iana(225, 4)], &[10, 0, 0, 1, 203, 0, 113, 1]);
    check_rows("a log", &log, 0, 1);
}

/// Both formats of Nokia's SR OS: the inside address is in the subscriber string.
#[test]
fn nokia() {
    let tail = [iana(4, 1), (637, 91, 2), (637, 92, 2), (637, 93, 65_535)];
    let tail_data = [&[6, 0, 10, 0, 20, 17][..], b"LSN-Host@10.0.0.1"].concat();
    let time = (EXPORT_MS - 7000).to_be_bytes();
    let first = [&[iana(8, 4), iana(7, 2), iana(152, 8)][..], &tail].concat();
    let decoded = Decoded::of_fields(&first, &[&[203, 0, 113, 1, 0, 9][..], &time, &tail_data].concat());
    check_rows("format 1", &decoded, 0, 1);
    let events = &decoded.tables.nat_events;
    assert_eq!(source(events, 0), (v4(10, 0, 0, 1), v4(203, 0, 113, 1), 9, 0));
    assert_eq!((events.event[0], events.event_ms[0]), (4, EXPORT_MS - 7000));
    assert_eq!((events.ingress_vrf[0], events.egress_vrf[0]), (10, 20));
    assert_eq!(events.user_name.get(0), "LSN-Host@10.0.0.1");

    let second = [&[iana(225, 4), iana(7, 2), iana(227, 2), iana(153, 8)][..], &tail].concat();
    let decoded = Decoded::of_fields(&second, &[&[203, 0, 113, 1, 0, 9, 0, 8][..], &time, &tail_data].concat());
    check_rows("format 2", &decoded, 0, 1);
    let events = &decoded.tables.nat_events;
    assert_eq!(source(events, 0), (v4(10, 0, 0, 1), v4(203, 0, 113, 1), 9, 8));
    assert_eq!((events.event[0], events.event_ms[0]), (5, EXPORT_MS - 7000));
}
