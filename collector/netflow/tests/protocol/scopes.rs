//! Which flows an announced sampling rate is for: those that its scope names, and no others.

use netflow::Event;
use netflow::columns::SamplingSource::{self, None as Nobody, Option as Announced, Record};

use crate::Decoded;
use crate::encoder::{self, FieldOf, set, template};
use crate::sampling::{ipfix_options_template, v9_options_template};

type Rate = (u64, SamplingSource);

fn rates(decoded: &Decoded) -> Vec<(u64, u8)> {
    let flows = &decoded.tables.flows;
    flows.sampling_rate.iter().copied().zip(flows.sampling_source.iter().copied()).collect()
}

fn expected(rates: &[Rate]) -> Vec<(u64, u8)> {
    rates.iter().map(|(rate, source)| (*rate, *source as u8)).collect()
}

#[test]
fn flows_selected_by_rfc_7014() {
    // Fields behind the selector, their values, and the rate.
    let cases: [(&str, &[FieldOf], &[u8], Rate); 9] = [
        ("one flow, 99 not", &[(390, 1), (396, 1), (397, 2)], &[1, 1, 0, 99], (100, Announced)),
        ("two of ten", &[(390, 1), (396, 8), (397, 1)], &[1, 0, 0, 0, 0, 0, 0, 0, 2, 8], (5, Announced)),
        ("without the algorithm", &[(396, 1), (397, 1)], &[1, 9], (10, Announced)),
        ("by time", &[(390, 1), (398, 1), (399, 1)], &[2, 5, 45], (10, Announced)),
        ("at random", &[(390, 1), (309, 1), (310, 1)], &[3, 1, 64], (64, Announced)),
        ("by a hash", &[(390, 1), (309, 1), (310, 1)], &[6, 1, 32], (32, Announced)),
        ("packets first", &[(304, 1), (305, 1), (306, 1), (396, 1), (397, 1)], &[1, 1, 9, 1, 4], (50, Announced)),
        ("all flows", &[(390, 1), (396, 1), (397, 1)], &[1, 1, 0], (1, Announced)),
        ("no interval", &[(390, 1), (396, 1), (397, 1)], &[1, 0, 9], (1, Nobody)),
    ];
    for (name, fields, values, rate) in cases {
        let options = ipfix_options_template(259, 1, &[&[(149, 4), (302, 1)], fields].concat());
        let told = [&[0, 0, 0, 0, 1][..], values].concat();
        let flows = set(2, &template(260, &[(4, 1), (302, 1)]));
        let mut decoded = Decoded::default();
        decoded.feed(&encoder::ipfix(&[options, set(259, &told), flows, set(260, &[6, 1, 6, 2])]));
        assert_eq!(rates(&decoded), expected(&[rate, (1, Nobody)]), "{name}");
    }
    let of = |fields: &[FieldOf], values: &[u8]| rates(&Decoded::of_ipfix(fields, values));
    assert_eq!(of(&[(396, 1), (397, 1)], &[1, 99, 2, 8]), expected(&[(100, Record), (5, Record)]));
    assert_eq!(of(&[(398, 1), (399, 1)], &[1, 3]), expected(&[(4, Record)]));
}

/// Options for two of a kind, with rates 10 and 20; then flows that name the first, the second, a third, and none.
fn check_parts(name: &str, version: u8, scope: FieldOf, element: Option<u16>) {
    let options = match version {
        9 => v9_options_template(300, &[scope], &[(34, 1)]),
        _ => ipfix_options_template(300, 1, &[scope, (34, 1)]),
    };
    let message = |sets: &[Vec<u8>]| if version == 9 { encoder::v9(sets) } else { encoder::ipfix(sets) };
    let templates = set(if version == 9 { 0 } else { 2 }, &template(257, &[(4, 1)]));
    let mut decoded = Decoded::default();
    decoded.feed(&message(&[options, templates]));
    decoded.feed(&message(&[set(300, &[1, 10])])).feed(&message(&[set(257, &[6])]));
    assert_eq!(rates(&decoded), expected(&[(10, Announced)]), "{name}: all there are agree");
    decoded.tables.flows.clear();
    decoded.feed(&message(&[set(300, &[2, 20])])).feed(&message(&[set(257, &[6])]));
    assert_eq!(rates(&decoded), expected(&[(1, Nobody)]), "{name}: nobody knows which");
    assert_eq!(decoded.report.get(Event::SamplingRateUnplaced), 1, "{name}");
    let Some(element) = element else { return };
    decoded.tables.flows.clear();
    let named = template(258, &[(4, 1), (element, 1)]);
    decoded.feed(&message(&[set(if version == 9 { 0 } else { 2 }, &named), set(258, &[6, 1, 6, 2, 6, 3])]));
    assert_eq!(rates(&decoded), expected(&[(10, Announced), (20, Announced), (1, Nobody)]), "{name}: named");
    let wide = set(if version == 9 { 0 } else { 2 }, &template(259, &[(element, 4)]));
    decoded.tables.flows.clear();
    decoded.feed(&message(&[wide, set(259, &[0, 0, 0, 2])]));
    assert_eq!(rates(&decoded), expected(&[(20, Announced)]), "{name}: by its number, whatever its length");
}

#[test]
fn parts_of_an_exporter_have_rates_of_their_own() {
    check_parts("line card", 10, (141, 1), Some(141));
    check_parts("line card of NetFlow v9", 9, (3, 1), Some(141));
    check_parts("cache of NetFlow v9", 9, (4, 1), None);
    check_parts("metering process", 10, (143, 1), Some(143));
    check_parts("exporting process", 10, (144, 1), Some(144));
    check_parts("port", 10, (142, 1), Some(142));
    check_parts("observation point", 10, (138, 1), Some(138));
}

#[test]
fn a_template_has_a_rate_of_its_own() {
    for version in [9, 10] {
        let options = match version {
            9 => v9_options_template(300, &[(5, 2)], &[(34, 1)]),
            _ => ipfix_options_template(300, 1, &[(145, 2), (34, 1)]),
        };
        let message = |sets: &[Vec<u8>]| if version == 9 { encoder::v9(sets) } else { encoder::ipfix(sets) };
        let templates = [template(257, &[(4, 1)]), template(258, &[(4, 1)])].concat();
        let mut decoded = Decoded::default();
        decoded.feed(&message(&[options, set(if version == 9 { 0 } else { 2 }, &templates), set(300, &[1, 1, 64])]));
        decoded.feed(&message(&[set(257, &[6]), set(258, &[6])]));
        assert_eq!(rates(&decoded), expected(&[(64, Announced), (1, Nobody)]), "NetFlow {version}");
    }
}

#[test]
fn an_observation_domain_has_the_rate_that_is_told_of_it() {
    let of_domain = |mut message: Vec<u8>, domain: u8| {
        message[12..16].copy_from_slice(&[0, 0, 0, domain]);
        message
    };
    let flows = |domain| of_domain(encoder::ipfix(&[set(2, &template(257, &[(4, 1)])), set(257, &[6])]), domain);
    let options = ipfix_options_template(300, 1, &[(149, 4), (34, 1)]);
    // What domain 1 tells of domain 5, and of none in particular.
    let mut decoded = Decoded::default();
    let told = of_domain(encoder::ipfix(&[options.clone(), set(300, &[0, 0, 0, 5, 50])]), 1);
    decoded.feed(&told).feed(&told).feed(&flows(1)).feed(&flows(5)).feed(&flows(6));
    assert_eq!(rates(&decoded), expected(&[(1, Nobody), (50, Announced), (1, Nobody)]));
    assert_eq!(decoded.report.get(Event::OptionLearned), 1, "the second time it is known");
    decoded.tables.flows.clear();
    decoded.feed(&of_domain(encoder::ipfix(&[options, set(300, &[0, 0, 0, 0, 9])]), 1)).feed(&flows(1)).feed(&flows(5));
    assert_eq!(rates(&decoded), expected(&[(9, Announced), (50, Announced)]));
}

#[test]
fn samplers_of_line_cards_are_numbered_apart() {
    let options = ipfix_options_template(300, 1, &[(141, 1), (302, 1), (34, 1)]);
    let of_both = template(257, &[(141, 1), (302, 1)]);
    let of_sampler = template(258, &[(302, 1)]);
    let of_card = template(259, &[(141, 1)]);
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::ipfix(&[options, set(2, &[of_both, of_sampler, of_card].concat())]));
    // Card, sampler, rate.
    decoded.feed(&encoder::ipfix(&[set(300, &[1, 1, 10, 1, 2, 10, 2, 1, 20, 2, 3, 30])]));
    decoded.feed(&encoder::ipfix(&[set(257, &[1, 1, 2, 1, 2, 2, 3, 1])]));
    assert_eq!(rates(&decoded), expected(&[(10, Announced), (20, Announced), (1, Nobody), (1, Nobody)]));
    decoded.tables.flows.clear();
    decoded.feed(&encoder::ipfix(&[set(258, &[1, 2, 3, 4])]));
    let samplers = [(1, Nobody), (10, Announced), (30, Announced), (1, Nobody)];
    assert_eq!(rates(&decoded), expected(&samplers), "where one card alone has the sampler");
    decoded.tables.flows.clear();
    decoded.feed(&encoder::ipfix(&[set(259, &[1, 2])]));
    assert_eq!(rates(&decoded), expected(&[(10, Announced), (1, Nobody)]), "where all samplers of the card agree");
}

#[test]
fn the_narrower_scope_counts() {
    let of_domain = ipfix_options_template(300, 1, &[(149, 4), (34, 1)]);
    let of_card = ipfix_options_template(301, 1, &[(141, 1), (34, 1)]);
    let of_interface = ipfix_options_template(302, 1, &[(10, 1), (34, 1)]);
    let flows = template(257, &[(141, 1), (10, 1)]);
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::ipfix(&[of_domain, of_card, of_interface, set(2, &flows)]));
    decoded.feed(&encoder::ipfix(&[set(300, &[0, 0, 0, 0, 9]), set(301, &[1, 10]), set(302, &[5, 50])]));
    decoded.feed(&encoder::ipfix(&[set(257, &[1, 5, 1, 6, 2, 6])]));
    assert_eq!(rates(&decoded), expected(&[(50, Announced), (10, Announced), (9, Announced)]));
}

/// softflowd tells its process id as the metering process, and its start beside.
#[test]
fn processes_of_before_a_restart_are_forgotten() {
    let options = ipfix_options_template(300, 1, &[(143, 4), (160, 8), (305, 4), (306, 4)]);
    let told = |process: u32, start_ms: u64, space: u32| {
        let record =
            [&process.to_be_bytes()[..], &start_ms.to_be_bytes(), &[0, 0, 0, 1], &space.to_be_bytes()].concat();
        encoder::ipfix(&[set(300, &record)])
    };
    let flow = encoder::ipfix(&[set(257, &[6])]);
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::ipfix(&[options, set(2, &template(257, &[(4, 1)]))]));
    decoded.feed(&told(4711, 1_699_000_000_000, 99)).feed(&flow);
    decoded.feed(&told(4711, 1_699_000_000_900, 99)).feed(&flow);
    decoded.feed(&told(815, 1_699_999_000_000, 9)).feed(&flow);
    decoded.feed(&told(815, 1_699_999_000_000, 9)).feed(&flow);
    let all = [(100, Announced), (100, Announced), (10, Announced), (10, Announced)];
    assert_eq!(rates(&decoded), expected(&all));
}
