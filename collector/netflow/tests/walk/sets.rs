//! Sets as exporters send them: in any order, padded, counted wrong, with fields of no length and fields twice.

use netflow::neutral::{self, Names};
use netflow::{Event, MapStore, Record, Report, dissect};

use crate::encoder::{self, FieldOf, ipfix, set, template, v9};
use crate::{Decoded, ipfix_options_template, v9_options_template};

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];
const OCTETS: [FieldOf; 1] = [(1, 4)];
const DATA: [u8; 4] = [0, 1, 0, 2];

/// Every order of four things.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = Vec::new();
    for number in 0..256 {
        let order = [number & 3, number >> 2 & 3, number >> 4 & 3, number >> 6];
        if (0..4).all(|thing| order.contains(&thing)) {
            orders.push(order);
        }
    }
    orders
}

/// Two templates and their data in one datagram: whichever comes first, all records come out, once, and in the columns of
/// their own template.
#[test]
fn templates_and_data_in_any_order() {
    let orders = orders();
    assert_eq!(orders.len(), 24);
    for order in orders {
        for (set_id, message) in [(0, v9 as fn(&[Vec<u8>]) -> Vec<u8>), (2, ipfix)] {
            let sets = [
                set(set_id, &template(256, &PORTS)),
                set(set_id, &template(257, &OCTETS)),
                set(256, &DATA),
                set(257, &[0, 0, 0, 9]),
            ];
            let mut decoded = Decoded::default();
            decoded.feed(&message(&order.map(|at| sets[at].clone())));
            let flows = &decoded.tables.flows;
            let mut rows: Vec<(u16, u64)> = flows.src_port.iter().copied().zip(flows.bytes.iter().copied()).collect();
            rows.sort_unstable();
            assert_eq!(rows, [(0, 9), (1, 0)], "{order:?}");
            let position = |thing| order.iter().position(|at| *at == thing);
            let early = u64::from(position(2) < position(0)) + u64::from(position(3) < position(1));
            let report = &decoded.report;
            assert_eq!((report.get(Event::SetHeld), report.get(Event::SetDecodedLate)), (early, early), "{order:?}");
            assert_eq!((decoded.store.held(), report.malformed()), (0, 0), "{order:?}");
        }
    }
}

#[test]
fn counts_and_paddings_that_lie() {
    let sound = || v9(&[set(0, &template(256, &PORTS)), set(256, &[&DATA[..], &DATA].concat())]);
    let check = |name: &str, payload: &[u8], records: u64, event: Option<Event>| {
        let mut decoded = Decoded::default();
        decoded.feed(payload);
        assert_eq!(decoded.report.flow_records(), records, "{name}");
        assert_eq!(event.map_or(1, |event| decoded.report.get(event)), 1, "{name}");
        assert_eq!(
            decoded.report.malformed(),
            u64::from(event.is_some_and(|event| event != Event::ZeroTail)),
            "{name}"
        );
    };
    for count in [0_u16, 1, 2, 3, 30_000, 65_535] {
        let mut payload = sound();
        payload[2..4].copy_from_slice(&count.to_be_bytes());
        check("the header's count", &payload, 2, None);
    }
    for padding in 0..4 {
        let data = [&DATA[..], &vec![0xee; padding]].concat();
        check("padding in the set's length", &v9(&[set(0, &template(256, &PORTS)), set(256, &data)]), 1, None);
    }
    // Padding that the set's length does not count: zeros where the next set would begin.
    check("padding behind the set", &[sound(), vec![0; 3]].concat(), 2, None);
    check("much padding behind the set", &[sound(), vec![0; 40]].concat(), 2, Some(Event::ZeroTail));
    let padded = [template(256, &PORTS), vec![0; 2]].concat();
    check("a padded template set", &v9(&[set(0, &padded), set(256, &DATA)]), 1, None);
    let sizeless = v9(&[set(0, &template(256, &PORTS)), set(256, &DATA), vec![1, 0, 0, 0, 0, 1, 0, 2]]);
    check("a set of length zero", &sizeless, 1, Some(Event::SetTooShort));
    let field_count = [&256_u16.to_be_bytes()[..], &[0, 3, 0, 7, 0, 2, 0, 11, 0, 2]].concat();
    check(
        "a template with fewer fields than it counts",
        &v9(&[set(0, &field_count)]),
        0,
        Some(Event::TemplateTruncated),
    );
}

/// Names and values of all records of a message.
fn texts(message: &[u8]) -> Vec<String> {
    let (mut store, mut report, mut texts) = (MapStore::default(), Report::default(), Vec::new());
    let mut show = |record: Record<'_>| {
        let fields = neutral::fields(&record, Names::Numbers);
        texts.push(fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
    };
    dissect(&encoder::datagram(message), &mut store, &mut report, &mut show);
    assert_eq!(report.malformed(), 0);
    texts
}

#[test]
fn fields_without_length_and_fields_twice() {
    let of = |fields: &[FieldOf], data: &[u8]| texts(&ipfix(&[set(2, &template(256, fields)), set(256, data)]));
    assert_eq!(
        of(&[(0, 0), (7, 2), (1, 0)], &[0, 1, 0, 2]),
        ["0= sourceTransportPort=1 octetDeltaCount=", "0= sourceTransportPort=2 octetDeltaCount="]
    );
    assert_eq!(of(&[(96, 65_535), (7, 2)], &[0, 0, 1]), ["applicationName= sourceTransportPort=1"]);
    assert_eq!(
        of(&[(7, 2), (11, 2), (7, 2)], &[0, 1, 0, 2, 0, 3]),
        ["sourceTransportPort=1,3 destinationTransportPort=2"]
    );
    // In columns the first of two fields counts.
    let mut decoded = Decoded::default();
    let fields = [(7, 2), (8, 0), (7, 2)];
    decoded.feed(&v9(&[set(0, &template(256, &fields)), set(256, &[0, 1, 0, 2])]));
    assert_eq!(decoded.tables.flows.src_port, [1]);
}

/// Options with each scope of NetFlow v9 (RFC 3954 section 6.1) and scopes of IPFIX, one or several of them.
#[test]
fn scopes_of_every_kind() {
    for (scope, name) in [
        (1, "scopeSystem=7"),
        (2, "scopeInterface=7"),
        (3, "scopeLineCard=7"),
        (4, "scopeCache=0007"),
        (5, "scopeTemplate=7"),
        (9, "9=0007"),
    ] {
        let options = v9_options_template(300, &[(scope, 2)], &[(41, 4)]);
        let found = texts(&v9(&[options, set(300, &[0, 7, 0, 0, 0, 9])]));
        assert_eq!(found, [format!("{name} exportedMessageTotalCount=9")]);
    }
    let none = texts(&v9(&[v9_options_template(300, &[], &[(41, 4)]), set(300, &[0, 0, 0, 9])]));
    assert_eq!(none, ["exportedMessageTotalCount=9"]);
    let empty = texts(&v9(&[v9_options_template(300, &[(1, 0)], &[(41, 4)]), set(300, &[0, 0, 0, 9])]));
    assert_eq!(empty, ["scopeSystem= exportedMessageTotalCount=9"]);
    let two = v9_options_template(300, &[(1, 2), (2, 2)], &[(41, 4)]);
    assert_eq!(
        texts(&v9(&[two, set(300, &[0, 1, 0, 2, 0, 0, 0, 9])])),
        ["scopeSystem=1 scopeInterface=2 exportedMessageTotalCount=9"]
    );
    for (element, length, name) in [
        (149, 4, "observationDomainId"),
        (143, 4, "meteringProcessId"),
        (144, 4, "exportingProcessId"),
        (145, 2, "templateId"),
        (10, 4, "ingressInterface"),
        (141, 4, "lineCardId"),
        (302, 8, "selectorId"),
    ] {
        let options = ipfix_options_template(300, 2, &[(element, length), (130, 4), (41, 4)]);
        let mut data = vec![0; usize::from(length)];
        data.extend([192, 0, 2, 7, 0, 0, 0, 9]);
        *data.get_mut(usize::from(length) - 1).expect("not empty") = 5;
        let found = texts(&ipfix(&[options, set(300, &data)]));
        assert_eq!(found, [format!("{name}=5 exporterIPv4Address=192.0.2.7 exportedMessageTotalCount=9")]);
    }
}

/// A withdrawal takes the template from the data behind it, also in the same message; what is learned again holds again, and
/// brings what waited.
#[test]
fn withdrawn_and_learned_again() {
    let check = |name: &str, withdrawal: &[u8]| {
        let mut decoded = Decoded::default();
        let learn = set(2, &template(256, &PORTS));
        decoded.feed(&ipfix(&[learn.clone(), set(256, &DATA), set(2, withdrawal), set(256, &DATA)]));
        assert_eq!((decoded.report.flow_records(), decoded.store.held()), (1, 1), "{name}");
        decoded.feed(&ipfix(&[learn]));
        assert_eq!((decoded.report.flow_records(), decoded.store.held()), (2, 0), "{name}");
        assert_eq!(decoded.report.get(Event::TemplateWithdrawn), 1, "{name}");
    };
    check("one", &[1, 0, 0, 0]);
    check("all", &[0, 2, 0, 0]);
    // NetFlow v9 knows no withdrawal: a template without fields is broken, and takes the old one away all the same.
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[set(0, &template(256, &PORTS)), set(0, &[1, 0, 0, 0]), set(256, &DATA)]));
    assert_eq!((decoded.report.get(Event::TemplateEmpty), decoded.store.held()), (1, 1));
}
