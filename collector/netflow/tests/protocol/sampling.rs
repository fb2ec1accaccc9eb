//! Where a flow's sampling rate and application name come from.

use netflow::columns::SamplingSource::{self, Header, None as Nobody, Option as Announced, Record};
use netflow::options::{APPLICATION_LIMIT, OptionKey, OptionValue, Options, SamplingScope};
use netflow::{Event, Report};

use crate::Decoded;
use crate::encoder::{self, FieldOf, set, template};

/// A row's sampling rate and where it came from.
type Rate = (u64, SamplingSource);
/// Options data records of three bytes, or what they are made of.
type Announcements<'a> = &'a [[u8; 3]];

fn check(name: &str, decoded: &Decoded, rates: &[Rate]) {
    let columns = &decoded.tables.flows;
    let found: Vec<(u64, u8)> =
        columns.sampling_rate.iter().copied().zip(columns.sampling_source.iter().copied()).collect();
    let expected: Vec<(u64, u8)> = rates.iter().map(|(rate, source)| (*rate, *source as u8)).collect();
    assert_eq!(found, expected, "{name}");
}

/// A NetFlow v9 options template set: scope fields, then the others.
pub(crate) fn v9_options_template(id: u16, scope: &[FieldOf], fields: &[FieldOf]) -> Vec<u8> {
    let length = |fields: &[FieldOf]| u16::try_from(fields.len() * 4).expect("few fields").to_be_bytes();
    let specifiers = template(0, &[scope, fields].concat());
    set(1, &[&id.to_be_bytes()[..], &length(scope), &length(fields), &specifiers[4..]].concat())
}

/// An IPFIX options template set.
pub(crate) fn ipfix_options_template(id: u16, scope: u16, fields: &[FieldOf]) -> Vec<u8> {
    let body = template(id, fields);
    set(3, &[&body[..4], &scope.to_be_bytes(), &body[4..]].concat())
}

#[test]
fn v5_header() {
    let record = [[0; 48]];
    check("mode and interval", &Decoded::of(encoder::v5(0x4064, &record)), &[(100, Header)]);
    check("interval without mode", &Decoded::of(encoder::v5(1000, &record)), &[(1000, Header)]);
    check("no interval", &Decoded::of(encoder::v5(0x4000, &record)), &[(1, Nobody)]);
}

#[test]
fn in_the_record() {
    let of = |fields: &[FieldOf], data: &[u8]| Decoded::of_ipfix(fields, data);
    check("34", &of(&[(34, 4)], &[0, 0, 1, 0]), &[(256, Record)]);
    check("34 is zero", &of(&[(34, 4)], &[0; 4]), &[(1, Nobody)]);
    check("50 where 34 is zero", &of(&[(34, 2), (50, 2)], &[0, 0, 0, 8]), &[(8, Record)]);
    check("305 and 306", &of(&[(305, 4), (306, 4)], &[0, 0, 0, 1, 0, 0, 0, 99]), &[(100, Record)]);
    check("305 is zero", &of(&[(305, 4), (306, 4)], &[0, 0, 0, 0, 0, 0, 0, 99]), &[(1, Nobody)]);
    check("305 alone", &of(&[(305, 4)], &[0, 0, 0, 1]), &[(1, Nobody)]);
    check("309 and 310", &of(&[(309, 1), (310, 2)], &[2, 0, 128]), &[(64, Record)]);
    let probability = &0.01_f32.to_be_bytes();
    check("311", &of(&[(311, 4)], probability), &[(100, Record)]);
    check("34 before 311", &of(&[(311, 4), (34, 1)], &[&probability[..], &[5]].concat()), &[(5, Record)]);
    check("none", &of(&[(4, 1)], &[6]), &[(1, Nobody)]);
    let zeros: [(&[FieldOf], &[u8], u64); 5] = [
        (&[(34, 1)], &[0, 0, 7], 2),
        (&[(305, 1), (306, 1)], &[0, 9, 1, 9], 1),
        (&[(305, 1)], &[1], 0),
        (&[(309, 1), (310, 1)], &[0, 0], 1),
        (&[(4, 1)], &[6], 0),
    ];
    for (fields, data, number) in zeros {
        assert_eq!(of(fields, data).report.get(Event::RecordRateZero), number, "{fields:?}");
    }
}

#[test]
fn announced_in_v9() {
    let flows = |sampler: u8, interface: u8| {
        let fields = template(256, &[(48, 1), (10, 1)]);
        encoder::v9(&[set(0, &fields), set(256, &[sampler, interface])])
    };
    let mut decoded = Decoded::default();
    decoded.feed(&flows(1, 5));
    check("before any announcement", &decoded, &[(1, Nobody)]);

    let of_system = v9_options_template(300, &[(1, 4)], &[(34, 4), (35, 1)]);
    let of_sampler = v9_options_template(301, &[(1, 4)], &[(48, 1), (49, 1), (50, 2)]);
    let of_interface = v9_options_template(302, &[(2, 4)], &[(34, 4)]);
    decoded.feed(&encoder::v9(&[of_system, of_sampler, of_interface]));
    decoded.feed(&encoder::v9(&[set(300, &[0, 0, 0, 0, 0, 0, 0, 100, 2])])).feed(&flows(1, 5));
    check("for the domain", &decoded, &[(1, Nobody), (100, Announced)]);

    decoded.tables.flows.clear();
    let samplers = [[0, 0, 0, 0, 1, 2, 0, 200], [0, 0, 0, 0, 2, 2, 1, 0]].concat();
    decoded.feed(&encoder::v9(&[set(301, &samplers), set(302, &[0, 0, 0, 5, 0, 0, 0, 50])]));
    decoded.feed(&flows(1, 5)).feed(&flows(2, 5)).feed(&flows(3, 5)).feed(&flows(3, 6));
    check(
        "sampler, interface, domain",
        &decoded,
        &[(200, Announced), (256, Announced), (50, Announced), (100, Announced)],
    );

    decoded.feed(&encoder::v9(&[set(300, &[0, 0, 0, 0, 0, 0, 0, 0, 2])]));
    assert_eq!(decoded.report.get(Event::SamplingRateZero), 1);
    decoded.tables.flows.clear();
    decoded.feed(&flows(9, 9));
    check("a rate of zero is refused", &decoded, &[(100, Announced)]);
    assert_eq!(decoded.report.get(Event::OptionLearned), 4);
}

#[test]
fn announced_in_ipfix() {
    let flows =
        |selector: u8| encoder::ipfix(&[set(2, &template(256, &[(302, 1), (10, 1)])), set(256, &[selector, 5])]);
    let mut decoded = Decoded::default();
    let selectors = ipfix_options_template(300, 1, &[(302, 8), (304, 2), (305, 4), (306, 4)]);
    let selector = [&7_u64.to_be_bytes()[..], &[0, 1], &1_u32.to_be_bytes(), &511_u32.to_be_bytes()].concat();
    decoded.feed(&encoder::ipfix(&[selectors, set(300, &selector)])).feed(&flows(7)).feed(&flows(8));
    check("by selector", &decoded, &[(512, Announced), (1, Nobody)]);

    decoded.tables.flows.clear();
    let interfaces = ipfix_options_template(301, 1, &[(10, 4), (34, 4)]);
    let process = ipfix_options_template(302, 1, &[(144, 4), (311, 8)]);
    let probability = [&[0, 0, 0, 1][..], &0.001_f64.to_be_bytes()].concat();
    decoded.feed(&encoder::ipfix(&[interfaces, process, set(301, &[0, 0, 0, 5, 0, 0, 0, 64]), set(302, &probability)]));
    decoded.feed(&flows(8));
    check("by interface", &decoded, &[(64, Announced)]);
    decoded.feed(&encoder::ipfix(&[set(2, &template(256, &[(10, 1)])), set(256, &[6])]));
    check("by probability for the domain", &decoded, &[(64, Announced), (1000, Announced)]);
}

/// Flow records that do not name the sampler that took them, after a table of samplers.
#[test]
fn announced_for_samplers_alone() {
    let cases: [(&str, Announcements<'_>, FieldOf, u8, Rate); 6] = [
        ("one sampler", &[[1, 3, 232]], (10, 1), 5, (1000, Announced)),
        ("all agree", &[[1, 3, 232], [2, 3, 232]], (10, 1), 5, (1000, Announced)),
        ("they disagree", &[[1, 3, 232], [2, 0, 100]], (10, 1), 5, (1, Nobody)),
        ("they come to agree", &[[1, 3, 232], [2, 0, 100], [1, 0, 100]], (10, 1), 5, (100, Announced)),
        ("the record says it", &[[1, 3, 232]], (34, 1), 5, (5, Record)),
        ("the record names another", &[[1, 3, 232]], (48, 1), 5, (1, Nobody)),
    ];
    for (name, samplers, field, value, expected) in cases {
        let mut decoded = Decoded::default();
        let table = v9_options_template(300, &[(1, 1)], &[(48, 1), (50, 2)]);
        decoded.feed(&encoder::v9(&[table, set(0, &template(256, &[field]))]));
        for sampler in samplers {
            decoded.feed(&encoder::v9(&[set(300, &[&[0][..], sampler].concat())]));
        }
        decoded.feed(&encoder::v9(&[set(256, &[value])]));
        check(name, &decoded, &[expected]);
    }
}

/// Input interface 5 and output interface 6; the direction says where the flow was metered.
#[test]
fn announced_for_interfaces() {
    const INGRESS: u8 = 0;
    const EGRESS: u8 = 1;
    const UNKNOWN: u8 = 9;
    // Rates as (scope element, interface, rate).
    let cases: [(&str, Announcements<'_>, u8, Rate); 9] = [
        ("ingress", &[[10, 5, 50], [10, 6, 60]], INGRESS, (50, Announced)),
        ("egress", &[[10, 5, 50], [10, 6, 60]], EGRESS, (60, Announced)),
        ("unknown is ingress", &[[10, 5, 50], [10, 6, 60]], UNKNOWN, (50, Announced)),
        ("egress has its own", &[[10, 6, 60], [14, 6, 61]], EGRESS, (61, Announced)),
        ("egress rate, ingress flow", &[[14, 5, 50], [14, 6, 60]], INGRESS, (1, Nobody)),
        ("ingress rate, egress flow", &[[10, 5, 50]], EGRESS, (1, Nobody)),
        ("egress rate, flow of unknown direction", &[[14, 6, 60]], UNKNOWN, (60, Announced)),
        ("egress rate of another interface", &[[14, 5, 50]], UNKNOWN, (1, Nobody)),
        ("both for unknown", &[[10, 5, 50], [14, 6, 60]], UNKNOWN, (50, Announced)),
    ];
    for (name, rates, direction, expected) in cases {
        let mut decoded = Decoded::default();
        let by_ingress = ipfix_options_template(310, 1, &[(10, 1), (34, 1)]);
        let by_egress = ipfix_options_template(314, 1, &[(14, 1), (34, 1)]);
        let flows = set(2, &template(256, &[(10, 1), (14, 1), (61, 1)]));
        decoded.feed(&encoder::ipfix(&[by_ingress, by_egress, flows]));
        for [scope, interface, rate] in rates {
            decoded.feed(&encoder::ipfix(&[set(300 + u16::from(*scope), &[*interface, *rate])]));
        }
        decoded.feed(&encoder::ipfix(&[set(256, &[5, 6, direction])]));
        check(name, &decoded, &[expected]);
    }
}

#[test]
fn a_repetition_is_not_announced() {
    struct Counting(netflow::MapStore, usize, Vec<OptionKey>);
    impl netflow::Store for Counting {
        fn template(&mut self, key: &netflow::store::TemplateKey) -> Option<std::sync::Arc<netflow::Template>> {
            self.0.template(key)
        }
        fn learn(
            &mut self,
            key: netflow::store::TemplateKey,
            template: std::sync::Arc<netflow::Template>,
        ) -> netflow::store::Learned {
            self.0.learn(key, template)
        }
        fn withdraw(&mut self, key: &netflow::store::TemplateKey) -> bool {
            self.0.withdraw(key)
        }
        fn withdraw_all(&mut self, domain: &netflow::store::DomainKey, kind: netflow::template::Kind) -> usize {
            self.0.withdraw_all(domain, kind)
        }
        fn options(&mut self, domain: &netflow::store::DomainKey) -> Option<std::sync::Arc<Options>> {
            self.0.options(domain)
        }
        fn announce(&mut self, domain: &netflow::store::DomainKey, values: &[OptionValue]) {
            self.1 += 1;
            self.0.announce(domain, values);
        }
        fn repeated(&mut self, _domain: &netflow::store::DomainKey, key: OptionKey) {
            self.2.push(key);
        }
    }
    let mut store = Counting(netflow::MapStore::default(), 0, Vec::new());
    let mut report = Report::default();
    let mut columns = netflow::Tables::default();
    let payload = encoder::v9(&[
        v9_options_template(300, &[(1, 4)], &[(48, 1), (50, 1)]),
        set(300, &[0, 0, 0, 0, 1, 10, 0, 0, 0, 0, 2, 20]),
    ]);
    for _ in 0..3 {
        netflow::decode(&encoder::datagram(&payload), &mut store, &mut columns, &mut report);
    }
    assert_eq!(store.1, 1, "both values in one announcement, once");
    let both = [1, 2].map(|sampler| OptionKey::Sampling(SamplingScope::Sampler(sampler)));
    assert_eq!(store.2, [both, both].concat(), "the store hears of each repetition");
    assert_eq!(report.options_records(), 6);
}

#[test]
fn application_names() {
    let options = v9_options_template(300, &[(1, 4)], &[(95, 4), (96, 8), (94, 8)]);
    let ids = [[13, 0, 0, 80], [13, 0, 0, 53]];
    let name = |id: [u8; 4], name: &[u8; 8], description: &[u8; 8]| [&[0; 4][..], &id, name, description].concat();
    let table = [name(ids[0], b"http\0\0\0\0", b"the web\0"), name(ids[1], &[0; 8], b"names\0\0\0")].concat();
    let mut decoded = Decoded::default();
    decoded.feed(&encoder::v9(&[options, set(300, &table), set(0, &template(256, &[(95, 4)]))]));
    decoded.feed(&encoder::v9(&[set(256, &[&ids[0][..], &ids[1], &[13, 0, 0, 9], &[0; 4], &ids[0]].concat())]));
    let names: Vec<&str> = (0..5).map(|row| decoded.tables.flows.application_name.get(row)).collect();
    assert_eq!(names, ["http", "names", "", "", "http"]);
    assert_eq!(decoded.tables.flows.application_id[..2], [0x0d00_0050, 0x0d00_0035]);
}

#[test]
fn options_are_bounded() {
    let mut options = Options::default();
    let application = |id: u64, name: &str| OptionValue::Application { id, name: Box::from(name) };
    for id in 0..20_000 {
        let is_kept = options.apply(&application(id, "a"));
        assert_eq!(is_kept, usize::try_from(id).expect("small") < APPLICATION_LIMIT, "{id}");
    }
    assert_eq!(options.applications.len(), APPLICATION_LIMIT);
    assert!(!options.apply(&application(5, "a")), "known");
    assert!(options.apply(&application(5, "b")), "changed");
    let rate = |rate| OptionValue::Sampling { scope: SamplingScope::Domain, rate };
    assert!(!options.apply(&rate(0)), "a rate of zero");
    assert!(options.apply(&rate(5)) && !options.apply(&rate(5)));

    let mut decoded = Decoded::of(encoder::v9(&[v9_options_template(300, &[(1, 1)], &[(48, 4), (50, 1)])]));
    for start in (0..6000_u32).step_by(1000) {
        let data: Vec<u8> = (start..start + 1000).flat_map(|id| [&[0], &id.to_be_bytes()[..], &[9]].concat()).collect();
        decoded.feed(&encoder::v9(&[set(300, &data)]));
    }
    assert!(decoded.report.get(Event::OptionRefused) > 0, "what has no room is counted");
}
