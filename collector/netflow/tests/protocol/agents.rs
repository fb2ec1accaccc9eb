//! The device that a record comes from, where a mediator or a proxy stands between it and the collector.

use netflow::columns::Address;
use netflow::{Datagram, Tables, decode_part};

use crate::encoder::{EXPORTER, RECEIVED_MS};
use crate::{Decoded, FieldSpec, encoder, iana, ipfix_of, v4};

/// An IPv6 address of documentation.
const V6: Address = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

#[track_caller]
fn check(name: &str, fields: &[FieldSpec], data: &[u8], expected: &[Address]) {
    let decoded = Decoded::of_fields(fields, data);
    assert_eq!(decoded.tables.flows.agents(), expected, "{name}");
    assert!(decoded.tables.flows.exporter.iter().all(|exporter| *exporter == EXPORTER), "{name}: the sender stays");
}

#[test]
fn each_record_tells_its_own() {
    let (four, six) = (v4(198, 51, 100, 7), V6);
    check("none", &[iana(1, 1)], &[1, 2], &[EXPORTER; 2]);
    check("exporter", &[iana(130, 4), iana(1, 1)], &[198, 51, 100, 7, 1, 0, 0, 0, 0, 2], &[four, EXPORTER]);
    check("exporter of IPv6", &[iana(1, 1), iana(131, 16)], &[&[1][..], &V6].concat(), &[six]);
    let both = [iana(130, 4), iana(131, 16)];
    let data = [&[198, 51, 100, 7][..], &[0; 16], &[0; 4], &V6, &[0; 20]].concat();
    check("one of the two", &both, &data, &[four, six, EXPORTER]);
    let proxied = [iana(130, 4), iana(403, 4)];
    check("the original one", &proxied, &[192, 0, 2, 99, 198, 51, 100, 7], &[four]);
    check("the original one of IPv6", &[iana(404, 16), iana(130, 4)], &[&V6[..], &[192, 0, 2, 99]].concat(), &[six]);
    check("of a length that cannot be", &[iana(130, 2), iana(1, 1)], &[198, 51, 1], &[EXPORTER]);
}

#[test]
fn netflow_9_tells_it_too_and_so_does_the_other_direction() {
    let decoded = Decoded::of_v9(&[(130, 4), (1, 1)], &[198, 51, 100, 7, 1]);
    assert_eq!(decoded.tables.flows.agents(), [v4(198, 51, 100, 7)]);
    let decoded = Decoded::of_fields(&[iana(130, 4), iana(231, 1), iana(232, 1)], &[198, 51, 100, 7, 1, 2]);
    assert_eq!(decoded.tables.flows.agents(), [v4(198, 51, 100, 7); 2]);
    let decoded = Decoded::of_fields(&[iana(231, 1), iana(232, 1)], &[1, 2]);
    assert_eq!(decoded.tables.flows.agents(), [EXPORTER; 2]);
}

#[test]
fn translations_tell_it() {
    let fields = [iana(130, 4), iana(230, 1), iana(8, 4), iana(225, 4)];
    let record = |agent: [u8; 4]| [&agent[..], &[4, 10, 0, 0, 1, 203, 0, 113, 1]].concat();
    let decoded = Decoded::of_fields(&fields, &[record([198, 51, 100, 7]), record([0; 4])].concat());
    assert_eq!(decoded.tables.nat_events.agent, [v4(198, 51, 100, 7), EXPORTER]);
}

/// Datagrams of a block in any order, completed at any time: each row has its own agent, also in memory that was used before.
#[test]
fn rows_of_a_block_keep_their_own() {
    let relay = ipfix_of(&[iana(130, 4), iana(1, 1)], &[198, 51, 100, 7, 1, 198, 51, 100, 8, 1]);
    let plain = encoder::v5(0, &[[0; 48]; 2]);
    let other = v4(192, 0, 2, 200);
    let mut tables = Tables::default();
    let mut decoded = Decoded::default();
    for (order, completed) in [("pr", 0), ("rp", 1), ("prpp", 2), ("pp", 1), ("prp", 9), ("p", 0), ("ppprr", 3)] {
        tables.clear();
        let mut expected = Vec::new();
        for (place, kind) in order.chars().enumerate() {
            let (payload, exporter) = if kind == 'r' { (&relay, EXPORTER) } else { (&plain, other) };
            let datagram = Datagram { payload, exporter, received_ms: RECEIVED_MS };
            decode_part(&datagram, &mut decoded.store, &mut tables, &mut decoded.report);
            expected.extend(match kind {
                'r' => [v4(198, 51, 100, 7), v4(198, 51, 100, 8)],
                _ => [other; 2],
            });
            if place == completed {
                tables.complete();
                assert_eq!(tables.flows.agents(), expected, "{order} at {place}");
            }
        }
        tables.complete();
        assert_eq!(tables.flows.agents(), expected, "{order}");
    }
}
