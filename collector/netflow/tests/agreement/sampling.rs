//! Sampling rates in every form and scope, and what they hold for.

use netflow::columns::SamplingSource;
use perf::announce::{Form, Scope, applications, sampling, system_init};
use perf::clock::Clock;
use perf::random::Random;
use perf::record::{carried, values};
use perf::template::{Header, data_set, iana, message, template_set};
use perf::{Flow, Protocol, Template};

use crate::{Decoded, EXPORT_MS, EXPORTER};

const CLOCK: Clock = Clock { export_ms: EXPORT_MS, uptime_ms: 1_000_000 };
const PROTOCOLS: [Protocol; 2] = [Protocol::V9, Protocol::Ipfix];

fn payload(protocol: Protocol, sets: &[Vec<u8>]) -> Vec<u8> {
    message(protocol, &Header { clock: CLOCK, sequence: 0, domain: 1 }, sets.len(), sets)
}

/// A data set with its template: one flow through interfaces 3 and 4, of sampler `sampler` if the template names it.
fn flow_sets(protocol: Protocol, sampler_element: Option<u16>, sampler: u16) -> [Vec<u8>; 2] {
    let fields =
        [Some(iana(8, 4)), Some(iana(10, 4)), Some(iana(14, 4)), sampler_element.map(|element| iana(element, 2))];
    let template = Template::data(256, fields.into_iter().flatten().collect());
    let flow =
        Flow { source: "10.0.0.1".parse().ok(), input: 3, output: 4, sampler: u64::from(sampler), ..Flow::default() };
    let flow = carried(protocol, &template, &flow);
    let values = values(protocol, &template, CLOCK, &flow, &mut Random::new(1));
    [template_set(protocol, std::slice::from_ref(&template), 0), data_set(&template, &[values], 0)]
}

/// Announces a rate in one message and sends a flow in the next; the flow's rate and where it came from.
fn rate(protocol: Protocol, scope: Scope, form: Form, rate: u32, flow: &[Vec<u8>]) -> (u64, u8) {
    let (template, values) = sampling(protocol, 300, scope, form, rate);
    let announced = [template_set(protocol, std::slice::from_ref(&template), 0), data_set(&template, &[values], 0)];
    let mut decoded = Decoded::default();
    decoded.feed(EXPORTER, &payload(protocol, &announced));
    decoded.feed(EXPORTER, &payload(protocol, flow));
    assert_eq!((decoded.report.malformed(), decoded.report.options_records()), (0, 1));
    let columns = &decoded.tables.flows;
    (columns.sampling_rate[0], columns.sampling_source[0])
}

#[test]
fn every_form_is_understood() {
    const BY_OPTION: u8 = SamplingSource::Option as u8;
    const BY_NOBODY: u8 = SamplingSource::None as u8;
    let forms = [
        Form::Interval,
        Form::Sampler(5),
        Form::Packets(5),
        Form::Population(5),
        Form::PacketsOfAll,
        Form::PopulationOfAll,
    ];
    for protocol in PROTOCOLS {
        for form in forms {
            for one_in in [1, 2, 1000, 16_777_215] {
                let check = |name: &str, scope, flow: &[Vec<u8>], expected: (u64, u8)| {
                    let found = rate(protocol, scope, form, one_in, flow);
                    assert_eq!(found, expected, "{name}: {protocol:?} {form:?} 1 in {one_in}");
                };
                let told = (u64::from(one_in), BY_OPTION);
                check("a flow that names none", Scope::Everything, &flow_sets(protocol, None, 0), told);
                if form.sampler().is_some() {
                    for element in [48, 302] {
                        check("its sampler", Scope::Everything, &flow_sets(protocol, Some(element), 5), told);
                        let other = flow_sets(protocol, Some(element), 6);
                        check("another's sampler", Scope::Everything, &other, (1, BY_NOBODY));
                    }
                } else {
                    check("its interface", Scope::Interface(3), &flow_sets(protocol, None, 0), told);
                    let other = (1, BY_NOBODY);
                    check("another interface", Scope::Interface(9), &flow_sets(protocol, None, 0), other);
                }
            }
        }
    }
}

#[test]
fn application_names_come_from_options() {
    for protocol in PROTOCOLS {
        let (options, records) = applications(protocol, 300, &[(13 << 24 | 79, "webex"), (3 << 24 | 22, "ssh")]);
        let template = Template::data(256, vec![iana(95, 4)]);
        let flow = Flow { application_id: 3 << 24 | 22, ..Flow::default() };
        let values = values(protocol, &template, CLOCK, &flow, &mut Random::new(1));
        let sets = [
            template_set(protocol, std::slice::from_ref(&options), 0),
            data_set(&options, &records, 0),
            template_set(protocol, std::slice::from_ref(&template), 0),
            data_set(&template, &[values], 0),
        ];
        let mut decoded = Decoded::default();
        decoded.feed(EXPORTER, &payload(protocol, &sets));
        assert_eq!(decoded.tables.flows.application_name.get(0), "ssh", "{protocol:?}");
    }
}

#[test]
fn ipfix_uptimes_count_from_the_announced_start() {
    let protocol = Protocol::Ipfix;
    let (options, values) = system_init(protocol, 300, CLOCK.boot_ms());
    let template = Template::data(256, vec![iana(22, 4), iana(21, 4)]);
    let uptime = |ms: i64| CLOCK.uptime_at(ms).to_be_bytes().to_vec().into();
    let record = vec![uptime(EXPORT_MS - 9000), uptime(EXPORT_MS - 1000)];
    let sets = [
        template_set(protocol, std::slice::from_ref(&options), 0),
        data_set(&options, &[values], 0),
        template_set(protocol, std::slice::from_ref(&template), 0),
        data_set(&template, &[record], 0),
    ];
    let mut decoded = Decoded::default();
    decoded.feed(EXPORTER, &payload(protocol, &sets));
    let columns = &decoded.tables.flows;
    assert_eq!((columns.start_ms[0], columns.end_ms[0]), (EXPORT_MS - 9000, EXPORT_MS - 1000));
}
