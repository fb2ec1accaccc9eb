//! Datagrams that break the protocol: each costs a counter with its name, and never what is sound beside it.

use netflow::report::Class;
use netflow::{Event, MapStore, Record, Report, Tables, decode, dissect};

use crate::Decoded;
use crate::encoder::{FieldOf, datagram, ipfix, set, template, v1, v5, v7, v9};

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];
const DATA: [u8; 4] = [0, 1, 0, 2];

fn check(name: &str, payload: &[u8], event: Event, records: u64) {
    let decoded = Decoded::of(payload.to_vec());
    assert_eq!(decoded.report.get(event), 1, "{name}: {:?}", decoded.report);
    assert_eq!(decoded.report.flow_records(), records, "{name}");
}

fn with_length(mut payload: Vec<u8>, length: u16) -> Vec<u8> {
    payload[2..4].copy_from_slice(&length.to_be_bytes());
    payload
}

#[test]
fn each_fault_has_its_name() {
    let sound = || vec![set(0, &template(256, &PORTS)), set(256, &DATA)];
    let after = |mut sets: Vec<Vec<u8>>, bytes: &[u8]| {
        sets.push(bytes.to_vec());
        v9(&sets)
    };
    let ipfix_sound = || vec![set(2, &template(256, &PORTS)), set(256, &DATA)];
    check("nothing", &[], Event::HeaderTruncated, 0);
    check("half a header", &v9(&[])[..12], Event::HeaderTruncated, 0);
    check("version 8", &[0, 8, 0, 0], Event::VersionUnknown, 0);
    check("set shorter than its header", &after(sound(), &[1, 0, 0, 3]), Event::SetTooShort, 1);
    check("set past the end", &after(sound(), &[1, 0, 0, 9, 0, 0, 0, 0]), Event::SetTruncated, 1);
    check("zeros to the end", &after(sound(), &[0; 64]), Event::ZeroTail, 1);
    check("reserved set", &after(sound(), &set(7, &[1, 2])), Event::SetReserved, 1);
    check("IPFIX set 0", &ipfix(&[vec![set(0, &DATA)], ipfix_sound()].concat()), Event::SetReserved, 1);
    check("no template", &after(sound(), &set(999, &DATA)), Event::SetHeld, 1);
    check("template past its set", &after(sound(), &set(0, &[1, 1, 0, 9, 0, 7, 0, 2])), Event::TemplateTruncated, 1);
    check("template of 65535 fields", &after(sound(), &set(0, &[1, 1, 0xff, 0xff])), Event::TemplateTruncated, 1);
    check("template 5", &after(sound(), &set(0, &template(5, &PORTS))), Event::TemplateIdReserved, 1);
    let scope = [1, 4, 0, 1, 0, 2, 0, 34, 0, 4];
    check("more scope than fields", &ipfix(&[ipfix_sound(), vec![set(3, &scope)]].concat()), Event::TemplateScope, 1);
    check("message longer than the datagram", &with_length(ipfix(&ipfix_sound()), 999), Event::MessageTruncated, 1);
    let short = with_length(ipfix(&[ipfix_sound(), vec![set(256, &DATA)]].concat()), 40);
    check("message shorter than the datagram", &short, Event::TrailingBytes, 1);
    check("v5 with more records counted", &with_length(v5(0, &[[0; 48]]), 9), Event::RecordsMissing, 1);
    check("v5 with fewer records counted", &with_length(v5(0, &[[0; 48]; 3]), 2), Event::TrailingBytes, 2);
    check("v1 with more records counted", &with_length(v1(&[[0; 48]]), 9), Event::RecordsMissing, 1);
    check("v7 with a record of 48 bytes", &v7(&[[0; 52]])[..72], Event::RecordsMissing, 0);
    check("v5 with six bytes more", &[v5(0, &[[0; 48]]), vec![0; 6]].concat(), Event::TrailingBytes, 1);
    let moving = vec![set(2, &template(256, &[(96, 65_535), (7, 2)])), set(256, &[1, b'a', 0, 1, 9, b'b', 0])];
    check("record past its set", &ipfix(&moving), Event::RecordTruncated, 1);
}

#[test]
fn padding_is_quiet() {
    let check = |name: &str, payload: Vec<u8>, records: u64| {
        let decoded = Decoded::of(payload);
        assert_eq!(decoded.report.flow_records(), records, "{name}");
        let faults: Vec<Event> =
            decoded.report.iter().filter(|(e, n)| *n > 0 && e.class() != Class::Ordinary).map(|(e, _)| e).collect();
        assert!(faults.is_empty(), "{name}: {faults:?}");
    };
    let padded = |padding: &[u8]| [&DATA[..], padding].concat();
    let of = |padding: &[u8]| v9(&[set(0, &template(256, &PORTS)), set(256, &padded(padding))]);
    check("data", of(&[0, 0, 0]), 1);
    check("data, not zero", of(&[0xde, 0xad, 1]), 1);
    let templates = [template(256, &PORTS), vec![0; 6]].concat();
    check("template set", v9(&[set(0, &templates), set(256, &DATA)]), 1);
    check("IPFIX template set", ipfix(&[set(2, &templates), set(256, &DATA)]), 1);
    check("a tail of two bytes", [v9(&[set(0, &template(256, &PORTS)), set(256, &DATA)]), vec![0, 0]].concat(), 1);
}

/// Every datagram cut at every byte, and with every byte changed: the decoder ends, and both ways agree.
#[test]
fn cut_and_changed_anywhere() {
    let fields = [(8, 4), (96, 65_535), (1, 8), (70, 3), (95, 65_535), (48, 1)];
    let moving = [&[10, 0, 0, 1][..], &[2, b'a', b'b'], &[0; 8], &[1, 2, 3], &[4, 13, 0, 0, 80], &[1]].concat();
    let options = [&300_u16.to_be_bytes()[..], &[0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 1, 0, 50, 0, 2]].concat();
    let datagrams = [
        v5(0x4064, &[[7; 48]; 3]),
        v1(&[[7; 48]; 2]),
        v7(&[[7; 52]; 2]),
        v9(&[set(0, &template(256, &PORTS)), set(1, &options), set(256, &DATA.repeat(3)), set(300, &[1; 14])]),
        ipfix(&[set(2, &template(256, &fields)), set(256, &moving.repeat(3)), set(2, &[0, 2, 0, 0])]),
    ];
    for payload in &datagrams {
        for length in 0..payload.len() {
            agree(&payload[..length]);
        }
        for index in 0..payload.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = payload.clone();
                changed[index] = value;
                agree(&changed);
            }
        }
    }
}

fn agree(payload: &[u8]) {
    let (mut columns, mut column_report, mut row_report) = (Tables::default(), Report::default(), Report::default());
    decode(&datagram(payload), &mut MapStore::default(), &mut columns, &mut column_report);
    dissect(&datagram(payload), &mut MapStore::default(), &mut row_report, &mut |record: Record<'_>| {
        assert_eq!(record.fields().count(), record.template().fields().len(), "a record has all its fields");
    });
    assert_eq!(column_report.without_rows(), row_report.without_rows(), "{payload:02x?}");
    assert_eq!(u64::try_from(columns.flows.len()).expect("few rows"), column_report.flow_rows());
    assert_eq!(columns.flows.src_addr.len(), columns.flows.len());
    assert_eq!(columns.flows.application_name.keys().len(), columns.flows.len());
    assert_eq!(columns.flows.mpls_labels.ends.len(), columns.flows.len());
}

#[test]
fn output_is_bounded_by_the_datagram() {
    let body = vec![0; 65_000];
    let decoded = Decoded::of(v9(&[set(0, &template(256, &[(4, 1)])), set(256, &body)]));
    assert_eq!(decoded.tables.flows.len(), body.len(), "at most one row for each byte");
    let decoded = Decoded::of_ipfix(&[(96, 65_535), (82, 65_535)], &body);
    assert_eq!(decoded.tables.flows.len(), body.len() / 2);
    let sets: Vec<Vec<u8>> = (0..16_000).map(|_| set(256, &[])).collect();
    assert!(Decoded::of(v9(&sets)).tables.flows.is_empty());
}

#[test]
fn every_event_has_its_own_label() {
    let mut labels: Vec<&str> = Event::ALL.iter().map(|event| event.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), Event::ALL.len());
    let mut report = Report::default();
    for (number, event) in (1..).zip(Event::ALL) {
        report.add(*event, number);
    }
    let mut double = report;
    double.merge(&report);
    assert!(double.iter().zip(report.iter()).all(|((_, two), (_, one))| two == 2 * one && one > 0));
}
