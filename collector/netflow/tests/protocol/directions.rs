//! Records that tell of both directions: a row for each.

use netflow::Event;
use netflow::columns::flags::{END_CLAMPED, REVERSE, START_CLAMPED, TOTAL};

use crate::encoder::EXPORT_S;
use crate::{Decoded, FieldSpec, REVERSED, iana, v4};

const EXPORT_MS: i64 = EXPORT_S as i64 * 1000;

/// 192.0.2.1:1000 to 192.0.2.2:53, UDP.
const ENDS: [FieldSpec; 5] = [iana(8, 4), iana(12, 4), iana(7, 2), iana(11, 2), iana(4, 1)];
const ENDS_DATA: [u8; 13] = [192, 0, 2, 1, 192, 0, 2, 2, 3, 232, 0, 53, 17];

fn decoded(fields: &[FieldSpec], data: &[u8]) -> Decoded {
    Decoded::of_fields(&[&ENDS[..], fields].concat(), &[&ENDS_DATA[..], data].concat())
}

/// Octets and packets of each row; the reverse row, if any, has its ends changed over.
fn check(name: &str, fields: &[FieldSpec], data: &[u8], rows: &[(u64, u64)]) {
    let decoded = decoded(fields, data);
    let flows = &decoded.tables.flows;
    let found: Vec<(u64, u64)> = flows.bytes.iter().copied().zip(flows.packets.iter().copied()).collect();
    assert_eq!(found, rows, "{name}");
    assert_eq!((flows.src_addr[0], flows.dst_addr[0]), (v4(192, 0, 2, 1), v4(192, 0, 2, 2)), "{name}");
    // Whether a first total is new is another question.
    assert_eq!(flows.flags[0] & !TOTAL, 0, "{name}");
    assert_eq!(decoded.report.get(Event::ReverseRow), rows.len() as u64 - 1, "{name}");
    assert_eq!(decoded.report.flow_rows(), rows.len() as u64, "{name}");
    if rows.len() > 1 {
        assert_eq!((flows.src_addr[1], flows.dst_addr[1]), (v4(192, 0, 2, 2), v4(192, 0, 2, 1)), "{name}");
        assert_eq!((flows.src_port[1], flows.dst_port[1], flows.protocol[1]), (53, 1000, 17), "{name}");
        assert_eq!(flows.flags[1] & !TOTAL, REVERSE, "{name}");
    }
}

const fn reverse(element: u16, length: u16) -> FieldSpec {
    (REVERSED, element, length)
}

#[test]
fn which_records_have_two() {
    let both = [iana(1, 1), iana(2, 1), reverse(1, 1), reverse(2, 1)];
    check("both", &both, &[100, 2, 200, 3], &[(100, 2), (200, 3)]);
    check("no answer", &both, &[100, 2, 0, 0], &[(100, 2)]);
    check("an answer alone", &both, &[0, 0, 200, 3], &[(0, 0), (200, 3)]);
    check("totals", &[iana(85, 1), iana(86, 1), reverse(85, 1), reverse(86, 1)], &[90, 1, 80, 2], &[(90, 1), (80, 2)]);
    check("octets alone", &[iana(1, 1), reverse(1, 1)], &[9, 8], &[(9, 0), (8, 0)]);
    check("flags alone", &[iana(1, 1), reverse(6, 1)], &[9, 8], &[(9, 0)]);
    let halves = [iana(231, 1), iana(232, 1), iana(298, 1), iana(299, 1)];
    check("initiator and responder", &halves, &[81, 250, 2, 4], &[(81, 2), (250, 4)]);
    check("a silent initiator", &halves, &[0, 250, 0, 4], &[(0, 0), (250, 4)]);
    check("a responder beside the flow's own octets", &[iana(1, 1), iana(232, 1)], &[9, 8], &[(9, 0)]);
    check("a responder alone", &[iana(232, 1)], &[8], &[(0, 0)]);
    check("octets on the way out are no other direction", &[iana(1, 1), iana(23, 1)], &[9, 8], &[(9, 0)]);
}

#[test]
fn who_began() {
    let halves = [iana(239, 1), iana(231, 1), iana(232, 1)];
    check("the source", &halves, &[1, 81, 250], &[(81, 0), (250, 0)]);
    check("the destination", &halves, &[2, 81, 250], &[(250, 0), (81, 0)]);
    check("told of the flow's own", &[iana(239, 1), iana(1, 1), reverse(1, 1)], &[2, 81, 250], &[(81, 0), (250, 0)]);
}

#[test]
fn what_is_changed_over() {
    let fields = [
        iana(1, 1),
        reverse(1, 1),
        iana(10, 1),
        iana(14, 1),
        iana(16, 1),
        iana(17, 1),
        iana(9, 1),
        iana(13, 1),
        iana(58, 1),
        iana(59, 1),
        iana(61, 1),
        iana(6, 1),
        reverse(6, 1),
        iana(234, 1),
        iana(225, 4),
        iana(15, 4),
        iana(56, 6),
    ];
    let data = [&[9, 8, 1, 2, 3, 4, 24, 16, 5, 6, 0, 2, 18, 7][..], &[203, 0, 113, 1], &[192, 0, 2, 254], &[2; 6]];
    let decoded = decoded(&fields, &data.concat());
    let flows = &decoded.tables.flows;
    assert_eq!((&flows.in_if[..], &flows.out_if[..]), (&[1, 2][..], &[2, 1][..]));
    assert_eq!((&flows.src_as[..], &flows.dst_as[..]), (&[3, 4][..], &[4, 3][..]));
    assert_eq!((&flows.src_prefix_len[..], &flows.dst_prefix_len[..]), (&[24, 16][..], &[16, 24][..]));
    assert_eq!((&flows.src_vlan[..], &flows.dst_vlan[..]), (&[5, 6][..], &[6, 5][..]));
    assert_eq!((&flows.direction[..], &flows.tcp_flags[..]), (&[1, 2][..], &[2, 18][..]));
    assert_eq!((&flows.ingress_vrf[..], &flows.egress_vrf[..]), (&[7, 0][..], &[0, 7][..]));
    assert_eq!((flows.post_nat_src_addr[0], flows.post_nat_dst_addr[1]), (v4(203, 0, 113, 1), v4(203, 0, 113, 1)));
    assert_eq!(flows.next_hop, [v4(192, 0, 2, 254), [0; 16]], "the way back is not known");
    assert_eq!((flows.src_mac[0], flows.dst_mac[1]), (0x0202_0202_0202, 0x0202_0202_0202));
    assert_eq!(flows.sampling_rate, [1, 1]);
    let events = &decoded.tables.nat_events;
    assert_eq!(events.len(), 1, "a translation is told once");
}

#[test]
fn times_of_the_other_direction() {
    let counters = [iana(1, 1), reverse(1, 1)];
    let check = |name: &str, times: &[FieldSpec], values: &[&[u8]], expected: [i64; 4]| {
        let decoded = decoded(&[&counters[..], times].concat(), &[&[9, 8], &values.concat()[..]].concat());
        let flows = &decoded.tables.flows;
        assert_eq!([flows.start_ms[0], flows.end_ms[0], flows.start_ms[1], flows.end_ms[1]], expected, "{name}");
    };
    let (start, end) = ((EXPORT_MS - 5000).to_be_bytes(), (EXPORT_MS - 1000).to_be_bytes());
    let (later, last) = ((EXPORT_MS - 4000).to_be_bytes(), (EXPORT_MS - 2000).to_be_bytes());
    let flow = [iana(152, 8), iana(153, 8)];
    let of_flow = [EXPORT_MS - 5000, EXPORT_MS - 1000];
    let same = [of_flow, of_flow].concat().try_into().expect("four");
    check("not told", &flow, &[&start, &end], same);
    let own = [EXPORT_MS - 5000, EXPORT_MS - 1000, EXPORT_MS - 4000, EXPORT_MS - 2000];
    let told = [&flow[..], &[reverse(152, 8), reverse(153, 8)]].concat();
    check("told", &told, &[&start, &end, &later, &last], own);
    let delayed = [EXPORT_MS - 5000, EXPORT_MS - 1000, EXPORT_MS - 4000, EXPORT_MS - 1000];
    check("YAF's delay", &[&flow[..], &[(6871, 21, 4)]].concat(), &[&start, &end, &1000_u32.to_be_bytes()], delayed);
    let uptimes = [iana(160, 8), iana(22, 4), iana(21, 4), reverse(22, 4), reverse(21, 4)];
    let init = (EXPORT_MS - 100_000).to_be_bytes();
    let uptime = |ms: u32| ms.to_be_bytes();
    check("uptimes", &uptimes, &[&init, &uptime(95_000), &uptime(99_000), &uptime(96_000), &uptime(98_000)], own);
}

#[test]
fn an_echo_is_answered_by_its_reply() {
    let fields = [iana(4, 1), iana(176, 1), iana(1, 1), reverse(1, 1)];
    for (protocol, request, reply) in [(1, 8, 0), (58, 128, 129), (1, 3, 3)] {
        let decoded = Decoded::of_fields(&fields, &[protocol, request, 9, 8]);
        assert_eq!(decoded.tables.flows.icmp_type, [request, reply], "protocol {protocol}, type {request}");
    }
}

/// Type and code in the destination port stay there, and no port of ICMP comes to be a source.
#[test]
fn icmp_in_the_port() {
    let fields = [iana(4, 1), iana(7, 2), iana(11, 2), iana(1, 1), reverse(1, 1)];
    for (protocol, ports, expected) in [
        (1, [0, 0x0800], [(0, 0x0800), (0, 0)]),
        (58, [0, 0x8100], [(0, 0x8100), (0, 0x8000)]),
        (17, [5, 0x0800], [(5, 0x0800), (0x0800, 5)]),
    ] {
        let [source, destination] = ports.map(u16::to_be_bytes);
        let data = [&[protocol][..], &source, &destination, &[9, 8]].concat();
        let flows = Decoded::of_fields(&fields, &data).tables.flows;
        assert_eq!([0, 1].map(|row| (flows.src_port[row], flows.dst_port[row])), expected, "protocol {protocol}");
    }
}

#[test]
fn flags_of_yaf() {
    let fields = [(6871, 14, 1), (6871, 15, 1), iana(1, 1), reverse(1, 1), (6871, 16_398, 1), (6871, 16_399, 1)];
    let decoded = Decoded::of_fields(&fields, &[2, 24, 9, 8, 18, 17]);
    assert_eq!(decoded.tables.flows.tcp_flags, [26, 19]);
}

/// The other direction's own times are held to the same rules as those of the forward one.
#[test]
fn times_that_cannot_be() {
    let fields = [iana(152, 8), iana(153, 8), iana(1, 1), reverse(1, 1), reverse(152, 8), reverse(153, 8)];
    let (start, end, received) = (EXPORT_MS - 2000, EXPORT_MS - 1000, crate::encoder::RECEIVED_MS);
    let check = |name: &str, times: [i64; 4], rows: [(i64, i64, u8); 2]| {
        let [a, b, c, d] = times.map(i64::to_be_bytes);
        let decoded = Decoded::of_fields(&fields, &[&a[..], &b, &[9, 8], &c, &d].concat());
        let flows = &decoded.tables.flows;
        let found = [0, 1].map(|row| (flows.start_ms[row], flows.end_ms[row], flows.flags[row] & !REVERSE));
        assert_eq!(found, rows, "{name}");
        let clamped = rows.iter().filter(|(.., flags)| *flags > 0).count();
        assert_eq!(decoded.report.get(Event::TimeClamped), clamped as u64, "{name}");
    };
    let good = (start, end, 0);
    check("as told", [start, end, start + 5, end + 5], [good, (start + 5, end + 5, 0)]);
    check("an end in 2255", [start, end, start, 9_000_000_000_000], [good, (start, received, END_CLAMPED)]);
    check("a start in 1970", [start, end, 1, end], [good, (end, end, START_CLAMPED)]);
    check("a start behind the end", [start, end, end, start], [good, (start, start, START_CLAMPED)]);
    check("wrong forward alone", [end, start, start, end], [(start, start, START_CLAMPED), good]);
    let both = (received, received, START_CLAMPED | END_CLAMPED);
    check("both in 2255", [start, end, 9_000_000_000_000, 9_000_000_000_001], [good, both]);
}
