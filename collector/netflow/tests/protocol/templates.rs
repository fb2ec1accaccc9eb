//! Templates over their life: learned, repeated, replaced, withdrawn, refused.

use netflow::template::{FieldSpecifier, Kind, VARIABLE};
use netflow::{Event, Template};

use crate::Decoded;
use crate::encoder::{self, FieldOf, ipfix, set, template, v9};

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];
const OCTETS: [FieldOf; 1] = [(1, 4)];
const DATA: [u8; 4] = [0, 1, 0, 2];

#[test]
fn a_repetition_changes_nothing() {
    let payload = v9(&[set(0, &template(256, &PORTS)), set(256, &DATA)]);
    let mut decoded = Decoded::default();
    decoded.feed(&payload).feed(&payload).feed(&payload);
    let report = &decoded.report;
    assert_eq!((report.get(Event::TemplateLearned), report.get(Event::TemplateRepeated)), (1, 2));
    assert_eq!(report.flow_records(), 3);
}

#[test]
fn the_newest_definition_holds() {
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[set(0, &template(256, &PORTS)), set(256, &DATA)]));
    decoded.feed(&v9(&[set(0, &template(256, &OCTETS)), set(256, &DATA)]));
    assert_eq!(decoded.report.get(Event::TemplateReplaced), 1);
    assert_eq!((&decoded.tables.flows.dst_port[..], &decoded.tables.flows.bytes[..]), (&[2, 0][..], &[0, 0x10002][..]));
}

#[test]
fn templates_of_versions_domains_and_exporters_are_apart() {
    let mut decoded = Decoded::of(v9(&[set(0, &template(256, &PORTS))]));
    decoded.feed(&ipfix(&[set(256, &DATA)]));
    let mut other_domain = v9(&[set(256, &DATA)]);
    other_domain[19] ^= 1;
    decoded.feed(&other_domain);
    let mine = v9(&[set(256, &DATA)]);
    let mut other = encoder::datagram(&mine);
    other.exporter[15] ^= 1;
    netflow::decode(&other, &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    assert_eq!(decoded.report.get(Event::SetHeld), 3);
    decoded.feed(&mine);
    assert_eq!(decoded.report.flow_records(), 1);
}

#[test]
fn withdrawals() {
    let data_templates = set(2, &[template(256, &PORTS), template(257, &OCTETS)].concat());
    let options = set(3, &[&258_u16.to_be_bytes()[..], &[0, 2, 0, 1, 0, 143, 0, 2, 0, 34, 0, 2]].concat());
    let all = [set(256, &DATA), set(257, &DATA), set(258, &DATA)];
    let check = |name: &str, withdrawal: Vec<u8>, withdrawn: u64, unknown: u64, sets_left: u64| {
        let mut decoded = Decoded::of(ipfix(&[data_templates.clone(), options.clone()]));
        decoded.feed(&ipfix(&[withdrawal])).feed(&ipfix(&all));
        let report = &decoded.report;
        assert_eq!(report.get(Event::TemplateWithdrawn), withdrawn, "{name}");
        assert_eq!(report.get(Event::WithdrawalUnknown), unknown, "{name}");
        assert_eq!(3 - report.get(Event::SetHeld), sets_left, "{name}");
    };
    check("one", set(2, &[1, 0, 0, 0]), 1, 0, 2);
    check("an options template", set(3, &[1, 2, 0, 0]), 1, 0, 2);
    check("two at once", set(2, &[1, 0, 0, 0, 1, 1, 0, 0]), 2, 0, 1);
    check("all data templates", set(2, &[0, 2, 0, 0]), 2, 0, 1);
    check("all options templates", set(3, &[0, 3, 0, 0]), 1, 0, 2);
    check("unknown", set(2, &[2, 0, 0, 0]), 0, 1, 3);
    check("padding is none", set(2, &[0, 0, 0, 0]), 0, 0, 3);
}

#[test]
fn an_absurd_template_is_refused_and_the_old_one_no_longer_holds() {
    let check = |name: &str, fields: &[FieldOf], event: Event| {
        let mut decoded = Decoded::of(v9(&[set(0, &template(256, &PORTS))]));
        decoded.feed(&v9(&[set(0, &template(256, fields)), set(256, &DATA)]));
        assert_eq!(decoded.report.get(event), 1, "{name}");
        assert_eq!(decoded.report.get(Event::SetHeld), 1, "{name}");
        assert_eq!(decoded.tables.flows.len(), 0, "{name}");
    };
    check("no field", &[], Event::TemplateEmpty);
    check("only fields of length zero", &[(0, 0), (0, 0), (1, 0)], Event::TemplateEmpty);
    check("too many fields", &[(1, 1); 1025], Event::TemplateFields);
    check("too many fields without a byte", &hollow(33), Event::TemplateFields);
    check("longer than a datagram", &[(1, 40_000), (2, 40_000)], Event::TemplateLength);
}

/// A field of one byte behind so many of none.
fn hollow(empty: usize) -> Vec<FieldOf> {
    [&vec![(82, 0); empty][..], &[(1, 1)]].concat()
}

#[test]
fn fields_of_length_zero_are_few() {
    let decoded = Decoded::of_v9(&hollow(32), &DATA);
    assert_eq!(decoded.report.flow_records(), DATA.len() as u64);
}

#[test]
fn a_refused_template_does_not_cost_the_next() {
    let both = [template(256, &[]), template(257, &PORTS)].concat();
    let decoded = Decoded::of(v9(&[set(0, &both), set(257, &DATA)]));
    assert_eq!(decoded.report.flow_records(), 1);
}

#[test]
fn the_keeper_may_refuse() {
    let mut decoded = Decoded::default();
    for start in (256..=65_535_u16).step_by(1000) {
        let many: Vec<u8> = (start..=start.saturating_add(999)).flat_map(|id| template(id, &PORTS)).collect();
        decoded.feed(&v9(&[set(0, &many)]));
    }
    let report = &decoded.report;
    assert_eq!(decoded.store.templates().count(), netflow::map_store::TEMPLATE_LIMIT);
    assert_eq!(report.get(Event::TemplateLearned) + report.get(Event::TemplateRefused), 65_536 - 256);
}

#[test]
fn enterprise_fields_are_skipped_by_length() {
    let fields = [&256_u16.to_be_bytes()[..], &[0, 3], &[0x80, 1, 0, 3], &9_u32.to_be_bytes(), &[0, 7, 0, 2]].concat();
    let fields = [&fields[..], &[0x80, 1, 0xff, 0xff], &9_u32.to_be_bytes()].concat();
    let data = [9, 9, 9, 1, 0xbb, 2, 8, 8, 9, 9, 9, 0, 53, 0];
    let decoded = Decoded::of(ipfix(&[set(2, &fields), set(256, &data)]));
    assert_eq!(decoded.tables.flows.src_port, [443, 53]);
    assert_eq!(decoded.tables.flows.bytes, [0, 0], "element 1 of an enterprise is not IANA's");
}

#[test]
fn lengths_of_a_template() {
    let field = |element, length| FieldSpecifier { element, enterprise: 0, length };
    let fixed = Template::new(9, Kind::Data, Box::from([field(1, 4), field(0, 0), field(7, 2)]));
    assert_eq!((fixed.record_length(), fixed.min_length()), (Some(6), 6));
    let moving = Template::new(10, Kind::Options { scope_fields: 1 }, Box::from([field(1, 4), field(96, VARIABLE)]));
    assert_eq!((moving.record_length(), moving.min_length(), moving.scope_fields()), (None, 5, 1));
}
