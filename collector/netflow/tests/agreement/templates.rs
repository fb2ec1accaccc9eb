//! One template and one data set: into columns, and record by record.

use netflow::{Datagram, MapStore, Record, Report, dissect};
use perf::clock::Clock;
use perf::random::Random;
use perf::record::{carried, values};
use perf::template::{Header, VARIABLE, data_set, message, template_set};
use perf::{Flow, Protocol, Template, Value};
use proptest::prelude::*;

use crate::generate::{clock, flows, protocol, template};
use crate::rows::{told, without_totals};
use crate::{Decoded, EXPORTER, RECEIVED_MS, config};

const DOMAIN: u32 = 7;

/// The template, then its records; the flows that these tell.
fn encode(
    protocol: Protocol,
    template: &Template,
    clock: Clock,
    flows: &[Flow],
    seed: u64,
) -> (Vec<Flow>, Vec<Vec<Value>>, Vec<u8>) {
    let mut random = Random::new(seed);
    let flows: Vec<Flow> = flows.iter().map(|flow| carried(protocol, template, flow)).collect();
    let records: Vec<Vec<Value>> =
        flows.iter().map(|flow| values(protocol, template, clock, flow, &mut random)).collect();
    let padding = random.below(4).min(template.shortest_record() as u64 - 1) as usize;
    let sets = [template_set(protocol, std::slice::from_ref(template), 0), data_set(template, &records, padding)];
    let header = Header { clock, sequence: 1, domain: DOMAIN };
    (flows, records, message(protocol, &header, 2, &sets))
}

fn cases() -> impl Strategy<Value = (Protocol, Template, Clock, usize, u64)> {
    // More records than the decoder takes in one group, where they fit.
    (protocol(), clock(), prop_oneof![4 => 0_usize..12, 1 => 60_usize..70], any::<u64>()).prop_flat_map(
        |(protocol, clock, count, seed)| {
            (Just(protocol), template(protocol, 256), Just(clock), Just(count), Just(seed))
        },
    )
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn columns_are_the_flows((protocol, template, clock, count, seed) in cases()) {
        let (flows, _, payload) = encode(protocol, &template, clock, &flows(seed, count, clock), seed);
        let mut decoded = Decoded::default();
        decoded.feed(EXPORTER, &payload);
        prop_assert_eq!(decoded.report.malformed(), 0);
        let comparable = |flow: Flow| without_totals(&template, flow);
        let expected: Vec<Flow> = flows.iter().map(|flow| comparable(told(flow, RECEIVED_MS))).collect();
        prop_assert_eq!(decoded.flows().into_iter().map(comparable).collect::<Vec<Flow>>(), expected);
        let columns = &decoded.tables.flows;
        prop_assert!(columns.exporter.iter().all(|exporter| *exporter == EXPORTER));
        prop_assert!(columns.domain.iter().all(|domain| *domain == DOMAIN));
        prop_assert!(columns.version.iter().all(|version| u16::from(*version) == protocol.number()));
        prop_assert!(columns.template_id.iter().all(|id| *id == 256));
    }

    #[test]
    fn records_are_the_bytes((protocol, template, clock, count, seed) in cases()) {
        let (_, records, payload) = encode(protocol, &template, clock, &flows(seed, count, clock), seed);
        let (mut store, mut report, mut found) = (MapStore::default(), Report::default(), Vec::new());
        let datagram = Datagram { payload: &payload, exporter: EXPORTER, received_ms: RECEIVED_MS };
        dissect(&datagram, &mut store, &mut report, &mut |record: Record<'_>| {
            let fields = record.fields().map(|field| {
                let specifier = field.specifier;
                ((specifier.element, specifier.enterprise, specifier.length), field.bytes.to_vec())
            });
            found.push(fields.collect::<Vec<_>>());
        });
        let expected = records.iter().map(|values| {
            let fields = template.fields.iter().zip(values);
            fields.map(|(field, value)| ((field.element, field.enterprise, field.length), value.bytes.clone())).collect::<Vec<_>>()
        });
        prop_assert_eq!(found, expected.collect::<Vec<_>>());
        prop_assert_eq!(report.malformed(), 0);
    }
}

#[test]
fn the_cases_are_of_all_kinds() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut variable, mut empty, mut repeated, mut private) = (0, 0, 0, 0);
    for _ in 0..200 {
        let (_, template, ..) = cases().new_tree(&mut runner).expect("a case").current();
        let fields = &template.fields;
        variable += usize::from(fields.iter().any(|field| field.length == VARIABLE));
        empty += usize::from(fields.iter().any(|field| field.length == 0));
        private += usize::from(fields.iter().any(|field| field.enterprise != 0));
        let is_repeated = |index: usize| fields[..index].iter().any(|field| field.element == fields[index].element);
        repeated += usize::from((0..fields.len()).any(is_repeated));
    }
    assert!(variable.min(empty).min(repeated).min(private) > 20, "{variable} {empty} {repeated} {private}");
}
