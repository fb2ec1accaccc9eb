//! What the store tells of its exporters: elements that no table names, and numbers.

use std::sync::Arc;

use collector::metrics::Exposition;
use collector::templates::{Cache, Settings, Templates};
use netflow::header::Header;
use netflow::options::{OptionValue, SamplingScope};
use netflow::store::{Store, TemplateKey};
use netflow::template::{FieldSpecifier, Kind, Template};

use crate::{key, marked};

/// A private enterprise number that nobody has.
const NOBODY: u32 = 4_000_000_000;

fn template_of(version: u8, kind: Kind, fields: &[(u32, u16)]) -> Arc<Template> {
    let field =
        |(enterprise, element): &(u32, u16)| FieldSpecifier { element: *element, enterprise: *enterprise, length: 4 };
    Arc::new(Template::new(version, kind, fields.iter().map(field).collect()))
}

fn decoded(cache: &mut Cache, of: &TemplateKey, records: usize) {
    let header = Header {
        exporter: of.domain.exporter,
        received_ms: 0,
        version: of.domain.version,
        domain: of.domain.domain,
        sequence: 0,
        export_ms: 0,
        uptime_ms: None,
        count: None,
        sampling: None,
        skew: netflow::skew::ClockSkew::Small,
    };
    cache.decoded(of, &header, records, false);
}

fn unknown(templates: &Templates) -> Vec<(u8, u32, u16, u64)> {
    let of = |unknown: &collector::templates::UnknownElement| {
        (unknown.exporter[15], unknown.enterprise, unknown.element, unknown.records)
    };
    templates.unknown_elements().iter().map(of).collect()
}

#[test]
fn unknown_elements_are_counted_by_exporter() {
    let templates = Templates::new(Settings::default());
    let mut cache = templates.cache();
    let (flows, v9, options) = (key(1, 10, 1, 256), key(2, 9, 1, 256), key(2, 9, 1, 257));
    cache.learn(flows, template_of(10, Kind::Data, &[(0, 1), (NOBODY, 5), (NOBODY, 5), (0, 32_000), (29_305, 1)]));
    // 33002 is Cisco's; scope 1 is the system and no element.
    cache.learn(v9, template_of(9, Kind::Data, &[(0, 33_002), (0, 31_999)]));
    cache.learn(options, template_of(9, Kind::Options { scope_fields: 1 }, &[(0, 31_998), (0, 34)]));
    assert_eq!(unknown(&templates), [], "no record has had one yet");
    decoded(&mut cache, &flows, 7);
    decoded(&mut cache, &v9, 2);
    decoded(&mut cache, &options, 9);
    decoded(&mut cache, &flows, 3);
    let expected = [(1, 0, 32_000, 10), (1, NOBODY, 5, 10), (2, 0, 31_999, 2)];
    assert_eq!(unknown(&templates), expected);
    // Counts outlive their templates.
    cache.learn(flows, template_of(10, Kind::Data, &[(NOBODY, 5)]));
    decoded(&mut cache, &flows, 1);
    assert!(cache.withdraw(&v9));
    assert_eq!(unknown(&templates), [(1, 0, 32_000, 10), (1, NOBODY, 5, 11), (2, 0, 31_999, 2)]);
    let mut out = Exposition::default();
    templates.write(&mut out);
    let text = out.finish();
    let line = format!("collector_unknown_elements_total{{exporter=\"::1\",element=\"{NOBODY}/5\"}} 11");
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("element=\"31999\"} 2"), "{text}");
}

#[test]
fn metrics_have_so_many_elements_and_no_more() {
    let templates = Templates::new(Settings::default());
    let mut cache = templates.cache();
    for id in 256..1500 {
        let of = key(1, 10, 1, id);
        cache.learn(of, template_of(10, Kind::Data, &[(NOBODY, id)]));
        decoded(&mut cache, &of, usize::from(id));
    }
    let mut out = Exposition::default();
    templates.write(&mut out);
    let text = out.finish();
    assert_eq!(text.lines().filter(|line| line.starts_with("collector_unknown_elements_total")).count(), 1000);
    assert!(text.contains("/1499\"} 1499") && !text.contains("/256\"} 256"), "those with the most records");
    assert_eq!(templates.unknown_elements().len(), 1244);
}

#[test]
fn a_summary_of_each_exporter() {
    let templates = Templates::new(Settings::default());
    let mut cache = templates.cache();
    for of in [key(2, 9, 1, 256), key(1, 10, 5, 256), key(1, 10, 5, 257), key(1, 9, 7, 256)] {
        cache.learn(of, marked(&of, 0, 2));
        decoded(&mut cache, &of, 4);
    }
    let values = [
        OptionValue::Sampling { scope: SamplingScope::Sampler(2), rate: 20 },
        OptionValue::Sampling { scope: SamplingScope::Domain, rate: 10 },
        OptionValue::InterfaceName { index: 1, name: "eth0".into() },
        OptionValue::VrfName { id: 1, name: "blue".into() },
    ];
    cache.announce(&key(1, 10, 5, 0).domain, &values);
    let exporters = templates.of_exporters();
    let domains: Vec<(u8, u8, u32, usize, u64)> = exporters
        .iter()
        .flat_map(|of| of.domains.iter().map(|domain| (of.exporter[15], domain)))
        .map(|(exporter, of)| (exporter, of.version, of.domain, of.templates, of.records))
        .collect();
    assert_eq!(domains, [(1, 9, 7, 1, 4), (1, 10, 5, 2, 8), (2, 9, 1, 1, 4)]);
    let announced = &exporters[0].domains[1];
    assert_eq!(announced.option_values, 4);
    assert_eq!(announced.sampling, [(SamplingScope::Domain, 10), (SamplingScope::Sampler(2), 20)]);
}

#[test]
fn a_changed_sampling_rate_is_counted_once() {
    let templates = Templates::new(Settings::default());
    let (mut one, mut other) = (templates.cache(), templates.cache());
    let of = key(1, 9, 1, 256).domain;
    let rate = |rate| [OptionValue::Sampling { scope: SamplingScope::Domain, rate }];
    let mut changes = |rates: [u64; 2]| {
        one.announce(&of, &rate(rates[0]));
        other.announce(&of, &rate(rates[1]));
        templates.counters().sampling_changed.get()
    };
    assert_eq!(changes([10, 10]), 0, "the first one is no change");
    assert_eq!(changes([20, 20]), 1, "two workers hear of the same change");
    assert_eq!(changes([20, 10]), 2);
}
