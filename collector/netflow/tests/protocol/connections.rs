//! Cisco's firewalls: updates have what is new, the end has the total, and both may come in any order.

use netflow::columns::flags;
use netflow::{Datagram, decode};

use crate::Decoded;
use crate::encoder::{self, EXPORTER, FieldOf, RECEIVED_MS, set, template};

const FIELDS: [FieldOf; 12] =
    [(148, 4), (8, 4), (7, 2), (12, 4), (11, 2), (4, 1), (233, 1), (323, 8), (152, 8), (231, 4), (232, 4), (33_002, 2)];
/// A second after the tests' datagrams are received for the first time.
const START_MS: u64 = 1_700_000_002_250;

const UPDATE: u8 = 5;
const END: u8 = 2;

/// One event: (connection, source port, event, seconds after the start, octets, octets back).
type Event = (u32, u16, u8, u64, u32, u32);

/// A name, events, and what [`sums`] finds.
type Case<'a> = (&'a str, &'a [Event], (u64, u64, bool));

fn record((connection, port, event, seconds, octets, back): Event) -> Vec<u8> {
    let at_ms = START_MS + seconds * 1000;
    let ends = [&[192, 0, 2, 50][..], &port.to_be_bytes(), &[198, 51, 100, 5], &[12, 56], &[6, event]].concat();
    let times = [at_ms.to_be_bytes(), START_MS.to_be_bytes()].concat();
    [&connection.to_be_bytes()[..], &ends, &times, &octets.to_be_bytes(), &back.to_be_bytes(), &[0, 0]].concat()
}

/// Decodes events, each in a datagram of its own.
fn fed(events: &[Event]) -> Decoded {
    let mut decoded = Decoded::default();
    for event in [&[(1, 9, END, 0, 0, 0)][..], events].concat() {
        let payload = encoder::v9(&[set(0, &template(263, &FIELDS)), set(263, &record(event))]);
        let received_ms = RECEIVED_MS + event.3 as i64 * 1000;
        let datagram = Datagram { payload: &payload, exporter: EXPORTER, received_ms };
        decode(&datagram, &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    }
    decoded
}

/// Octets there and back of all rows, and whether any of them is not sure.
fn sums(events: &[Event]) -> (u64, u64, bool) {
    let flows = fed(events).tables.flows;
    let rows = || flows.bytes.iter().zip(&flows.flags);
    let is_reverse = |bits: u8| bits & flags::REVERSE != 0;
    let there = rows().filter(|(_, bits)| !is_reverse(**bits)).map(|(bytes, _)| bytes).sum();
    let back = rows().filter(|(_, bits)| is_reverse(**bits)).map(|(bytes, _)| bytes).sum();
    (there, back, rows().any(|(_, bits)| bits & flags::TOTAL != 0))
}

#[test]
fn the_sum_over_a_connection_is_its_total() {
    let all = [(7, 1, UPDATE, 60, 2557, 1117), (7, 1, UPDATE, 120, 31, 0), (7, 1, UPDATE, 179, 412, 90)];
    let end = (7, 1, END, 179, 3000, 1207);
    let [first, second, third] = all;
    let cases: &[Case<'_>] = &[
        ("updates and the end", &[first, second, third, end], (3000, 1207, false)),
        ("no update at the end", &[first, second, end], (3000, 1207, false)),
        ("no update at all", &[end], (3000, 1207, false)),
        ("a lost update", &[first, third, end], (3000, 1207, false)),
        ("the last update behind the end", &[first, second, end, third], (3000, 1207, false)),
        ("all updates behind the end", &[end, first, second, third], (3000, 1207, false)),
        ("the end is repeated", &[first, second, third, end, end], (3000, 1207, false)),
        ("another connection with its number", &[first, end, (7, 2, END, 181, 50, 60)], (3050, 1267, false)),
        ("the same ends and number again", &[end, (7, 1, END, 400, 20, 30)], (3020, 1237, false)),
        ("an end that has less than its updates", &[first, (7, 1, END, 179, 500, 1200)], (3057, 1200, true)),
        ("others are not touched", &[(8, 3, 1, 1, 0, 0), (9, 4, 3, 2, 0, 0), (9, 4, 4, 2, 5, 6)], (5, 6, false)),
    ];
    for (name, events, expected) in cases {
        assert_eq!(sums(events), *expected, "{name}");
    }
}

#[test]
fn rows_of_a_connection_are_its_updates_and_the_rest() {
    let flows = fed(&[(7, 1, UPDATE, 60, 100, 0), (7, 1, END, 90, 150, 20)]).tables.flows;
    assert_eq!(flows.bytes, [0, 100, 50, 20]);
    assert_eq!(flows.firewall_event, [END, UPDATE, END, END]);
}

#[test]
fn a_connection_from_before_is_not_sure() {
    // It began before the first datagram came.
    let before = START_MS - 5000;
    let old = |event: u8, seconds: u64, octets: u32| {
        let mut bytes = record((7, 1, event, seconds, octets, 0));
        let start = FIELDS[..8].iter().map(|(_, length)| usize::from(*length)).sum::<usize>();
        bytes[start..start + 8].copy_from_slice(&before.to_be_bytes());
        bytes
    };
    for (update, rest, is_unknown) in [(100, 50, true), (150, 0, false)] {
        let mut decoded = Decoded::default();
        let data = [old(UPDATE, 60, update), old(END, 90, 150)].concat();
        decoded.feed(&encoder::v9(&[set(0, &template(263, &FIELDS)), set(263, &data)]));
        let flows = decoded.tables.flows;
        assert_eq!(flows.bytes, [u64::from(update), rest]);
        assert_eq!(flows.flags[1] & flags::TOTAL != 0, is_unknown, "{update} of 150");
    }
}
