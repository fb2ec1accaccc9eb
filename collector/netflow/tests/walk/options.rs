//! What options data records announce.

use netflow::Event;
use netflow::options::{OptionValue, Options, SamplingScope};
use netflow::store::Store;

use crate::encoder::{self, FieldOf, ipfix, set, v9};
use crate::{Decoded, ipfix_options_template, v9_options_template};

/// What was announced for the tests' domain.
fn options_of(decoded: &mut Decoded, version: u8) -> Options {
    let domain = netflow::store::DomainKey { exporter: encoder::EXPORTER, version, domain: encoder::DOMAIN };
    decoded.store.options(&domain).map(|options| Options::clone(&options)).unwrap_or_default()
}

/// Options data of one IPFIX template: its scope fields are the first `scope` ones.
fn of_ipfix(scope: u16, fields: &[FieldOf], data: &[u8]) -> Options {
    let mut decoded = Decoded::default();
    decoded.feed(&ipfix(&[ipfix_options_template(300, scope, fields), set(300, data)]));
    assert_eq!(decoded.report.malformed(), 0);
    options_of(&mut decoded, 10)
}

/// As [`of_ipfix`], in NetFlow v9.
fn of_v9(scope: &[FieldOf], fields: &[FieldOf], data: &[u8]) -> Options {
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[v9_options_template(300, scope, fields), set(300, data)]));
    assert_eq!(decoded.report.malformed(), 0);
    options_of(&mut decoded, 9)
}

#[test]
fn interface_names() {
    let check = |case: &str, options: &Options, expected: &[(u32, &str)]| {
        let mut found: Vec<(u32, &str)> =
            options.interface_names.iter().map(|(index, name)| (*index, &**name)).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{case}");
    };
    let table = b"\0\0\0\0\0\0\0\x05Gi0/0\0\0\0uplink\0\0\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\0spare\0\0\0";
    let of_system = of_v9(&[(1, 4)], &[(10, 4), (82, 8), (83, 8)], table);
    check("Cisco's interface table", &of_system, &[(5, "Gi0/0"), (6, "spare")]);
    check("v9 scope interface", &of_v9(&[(2, 2)], &[(82, 4)], b"\0\x07eth7"), &[(7, "eth7")]);
    for element in [10, 14, 252, 253] {
        check("a scope of IPFIX", &of_ipfix(1, &[(element, 4), (82, 65_535)], b"\0\0\0\x09\x02po"), &[(9, "po")]);
    }
    check("interface 0 is none", &of_ipfix(1, &[(10, 4), (82, 2)], b"\0\0\0\0lo"), &[]);
    check("no name", &of_ipfix(1, &[(10, 4), (82, 2)], b"\0\0\0\x01\0\0"), &[]);
    check("no interface", &of_ipfix(1, &[(149, 4), (82, 2)], b"\0\0\0\x01lo"), &[]);
}

#[test]
fn vrf_names() {
    let names = |options: &Options| {
        let mut names: Vec<(u32, String)> =
            options.vrf_names.iter().map(|(id, name)| (*id, name.to_string())).collect();
        names.sort_unstable();
        names
    };
    let table = of_v9(&[(1, 2)], &[(234, 4), (236, 6)], b"\0\0\0\0\0\x01mgmt\0\0\0\0\0\0\0\x02guests");
    assert_eq!(names(&table), [(1, "mgmt".to_owned()), (2, "guests".to_owned())]);
    let egress = of_ipfix(1, &[(235, 4), (236, 65_535)], b"\0\0\0\x03\x04blue");
    assert_eq!(names(&egress), [(3, "blue".to_owned())]);
}

#[test]
fn sampler_tables_and_selectors() {
    use SamplingScope::{Domain, Sampler, SelectionSequence};
    let check = |case: &str, options: &Options, expected: &[(SamplingScope, u64)]| {
        let mut found: Vec<_> = options.sampling.iter().collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{case}");
    };
    let sampler = of_v9(&[(1, 2)], &[(48, 1), (84, 4), (49, 1), (50, 2)], b"\0\0\x03slow\x02\x03\xe8");
    check("Cisco's sampler table", &sampler, &[(Sampler(3), 1000)]);
    let selector: &[FieldOf] = &[(302, 1), (304, 2), (305, 2), (306, 2), (309, 2), (310, 2)];
    let of = |data: &[u8]| of_ipfix(1, selector, data);
    check("count-based", &of(&[7, 0, 1, 0, 1, 0, 99, 0, 1, 0, 50]), &[(Sampler(7), 100)]);
    check("n out of N", &of(&[7, 0, 3, 0, 1, 0, 99, 0, 1, 0, 50]), &[(Sampler(7), 50)]);
    check("what is zero is not told", &of(&[7, 0, 1, 0, 0, 0, 0, 0, 1, 0, 50]), &[(Sampler(7), 50)]);
    let times: &[FieldOf] = &[(302, 1), (304, 2), (307, 2), (308, 2)];
    check("time-based", &of_ipfix(1, times, &[7, 0, 2, 0, 10, 0, 90]), &[(Sampler(7), 10)]);
    let probability = [&[0, 4][..], &0.5_f32.to_be_bytes()].concat();
    check("by probability", &of_ipfix(1, &[(304, 2), (311, 4)], &probability), &[(Domain, 2)]);
    check("zero is refused", &of(&[7, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), &[]);

    // RFC 5476 section 6.5.1: a sequence names its selectors; 9 is a filter.
    let mut decoded = Decoded::default();
    let selectors = ipfix_options_template(300, 1, &[(302, 1), (305, 1), (306, 1)]);
    let sequences = ipfix_options_template(301, 1, &[(301, 1), (10, 1), (302, 1), (302, 1), (302, 1)]);
    decoded.feed(&ipfix(&[selectors, set(300, &[7, 1, 9, 8, 1, 3]), sequences, set(301, &[1, 5, 7, 9, 8])]));
    let expected = [(Sampler(7), 10), (Sampler(8), 4), (SelectionSequence(1), 40)];
    check("a sequence of selectors", &options_of(&mut decoded, 10), &expected);
    assert_eq!(decoded.report.get(Event::SamplingRateZero), 0);
}

#[test]
fn a_change_of_rate_is_counted_once() {
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[v9_options_template(300, &[(1, 1)], &[(48, 1), (50, 1)])]));
    let mut changes = |data: &[u8]| decoded.feed(&v9(&[set(300, data)])).report.get(Event::SamplingRateChanged);
    assert_eq!(changes(&[0, 1, 100, 0, 2, 200]), 0, "the first ones");
    assert_eq!(changes(&[0, 1, 100]), 0, "a repetition");
    assert_eq!(changes(&[0, 1, 50]), 1);
    assert_eq!(changes(&[0, 1, 50, 0, 2, 200]), 1);
    assert_eq!(changes(&[0, 1, 100, 0, 2, 0]), 2, "zero is refused");
}

#[test]
fn names_are_bounded() {
    let mut options = Options::default();
    let interface = |index, name: &str| OptionValue::InterfaceName { index, name: name.into() };
    let vrf = |id, name: &str| OptionValue::VrfName { id, name: name.into() };
    for id in 1..20_000 {
        options.apply(&interface(id, "a"));
        options.apply(&vrf(id, "a"));
    }
    assert_eq!(options.interface_names.len(), netflow::options::INTERFACE_LIMIT);
    assert_eq!(options.vrf_names.len(), netflow::options::VRF_LIMIT);
    assert_eq!(options.len(), netflow::options::INTERFACE_LIMIT + netflow::options::VRF_LIMIT);
    assert!(options.apply(&interface(1, "b")) && options.apply(&vrf(1, "b")), "a change takes no room");
    assert!(!options.apply(&vrf(1, "b")));
}
