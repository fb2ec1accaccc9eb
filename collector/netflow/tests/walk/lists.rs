//! Structured data (RFC 6313): read by its parts, and never a reason to lose its record.

use netflow::neutral::{self, Names};
use netflow::{Event, MapStore, Record, Report, dissect};

use crate::encoder::{self, FieldOf, ipfix, set, template};

/// Fields of all records of some messages, as text with names.
fn texts(messages: &[Vec<u8>]) -> (Vec<String>, Report) {
    let (mut store, mut report, mut texts) = (MapStore::default(), Report::default(), Vec::new());
    let mut show = |record: Record<'_>| {
        let fields = neutral::fields(&record, Names::Vendors);
        texts.push(fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
    };
    for message in messages {
        dissect(&encoder::datagram(message), &mut store, &mut report, &mut show);
    }
    (texts, report)
}

/// A variable-length value of less than 255 bytes.
fn variable(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).expect("short")], bytes].concat()
}

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];

/// A message with a template of a protocol and one list, its sub-templates 300 (ports) and 301 (a list of its own), and one
/// record.
fn message(element: u16, list: &[u8]) -> Vec<u8> {
    let templates =
        [template(256, &[(4, 1), (element, 65_535)]), template(300, &PORTS), template(301, &[(4, 1), (291, 65_535)])];
    ipfix(&[set(2, &templates.concat()), set(256, &[&[6][..], &variable(list)].concat())])
}

#[test]
fn lists_by_their_parts() {
    let check = |name: &str, element: u16, list: &[u8], expected: &str| {
        let (texts, report) = texts(&[message(element, list)]);
        assert_eq!(texts, [format!("protocolIdentifier=6 {expected}")], "{name}");
        assert_eq!((report.get(Event::ListBroken), report.malformed()), (0, 0), "{name}");
    };
    check("empty field", 291, &[], "basicList=");
    check("ports", 291, &[3, 0, 7, 0, 2, 0, 80, 1, 187], "basicList=semantic=allOf,sourceTransportPort=80,443");
    check("no value", 291, &[0, 0, 7, 0, 2], "basicList=semantic=noneOf");
    let names = [&[4, 0, 96, 255, 255][..], &variable(b"web"), &variable(b"mail")].concat();
    check("texts", 291, &names, "basicList=semantic=ordered,applicationName=web,mail");
    let unnamed = [3, 0xff, 0xfe, 0, 1, 0xee, 0, 0, 1, 7];
    check("an enterprise's", 291, &unnamed, "basicList=semantic=allOf,3992977409/32766=07");
    let records = [&[255, 1, 44][..], &[0, 1, 0, 2, 0, 3, 0, 4]].concat();
    check(
        "records",
        292,
        &records,
        "subTemplateList=semantic=undefined,records=sourceTransportPort=1,destinationTransportPort=2,\
         sourceTransportPort=3,destinationTransportPort=4",
    );
    let inner = [17, 6, 2, 0, 7, 0, 1, 9];
    let several = [&[2, 1, 44, 0, 8, 0, 1, 0, 2, 1, 45, 0, 12][..], &inner].concat();
    check(
        "several templates and a list in a list",
        293,
        &several,
        "subTemplateMultiList=semantic=oneOrMoreOf,records=sourceTransportPort=1,destinationTransportPort=2,\
         protocolIdentifier=17,basicList=semantic=oneOrMoreOf,sourceTransportPort=9",
    );
    check(
        "no such template",
        292,
        &[3, 3, 231, 7, 8],
        "subTemplateList=semantic=allOf,records=template=999,bytes=0708",
    );
}

#[test]
fn a_broken_list_costs_nothing_but_itself() {
    let check = |name: &str, element: u16, list: &[u8], expected: &str| {
        let (texts, report) = texts(&[message(element, list)]);
        assert_eq!(texts, [format!("protocolIdentifier=6 {expected}")], "{name}");
        assert_eq!((report.get(Event::ListBroken), report.flow_records(), report.malformed()), (1, 1, 0), "{name}");
    };
    check("cut header", 291, &[3, 0, 7], "basicList=030007");
    check("half a value", 291, &[3, 0, 7, 0, 2, 1], "basicList=030007000201");
    check("values of no length", 291, &[3, 0, 7, 0, 0, 1], "basicList=030007000001");
    check("half a record", 292, &[3, 1, 44, 0, 1, 0], "subTemplateList=03012c000100");
    check("a length of zero", 293, &[3, 1, 44, 0, 0, 1], "subTemplateMultiList=03012c000001");
    check("a length past the end", 293, &[3, 1, 44, 0, 99, 1], "subTemplateMultiList=03012c006301");
    let deep = (0..20).fold(vec![3, 0, 7, 0, 2], |inner, _| [&[3, 1, 35, 255, 255][..], &variable(&inner)].concat());
    let (texts, report) = texts(&[message(291, &deep)]);
    assert!(texts[0].contains("basicList=semantic=allOf,basicList="), "{texts:?}");
    assert_eq!((texts.len(), report.get(Event::ListBroken)), (1, 1));
}

/// Numbers stay what they are: the bytes of the list.
#[test]
fn without_names_a_list_is_bytes() {
    let (mut store, mut report) = (MapStore::default(), Report::default());
    let mut texts = Vec::new();
    dissect(
        &encoder::datagram(&message(291, &[3, 0, 7, 0, 2, 0, 80])),
        &mut store,
        &mut report,
        &mut |record: Record<'_>| {
            texts.extend(neutral::fields(&record, Names::Numbers).iter().map(|(_, value)| value.to_string()));
        },
    );
    assert_eq!(texts, ["6", "03000700020050"]);
}
