//! Two exporters with two domains each in both protocols, all with the same template ids: templates defined, redefined,
//! withdrawn and used in any order.

use std::collections::BTreeMap;
use std::sync::Arc;

use netflow::columns::Address;
use netflow::options::{OptionValue, Options};
use netflow::store::{DomainKey, Learned, TemplateKey};
use netflow::template::Kind;
use netflow::{Datagram, Event, MapStore, Record, Report, Store, dissect};
use perf::clock::Clock;
use perf::random::Random;
use perf::record::{carried, values};
use perf::template::{Header, data_set, message, set, template_set, withdrawal, withdrawal_of_all};
use perf::{Flow, Protocol, Template};
use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::{flows, template};
use crate::rows::{told, without_totals};
use crate::{Decoded, EXPORT_MS, RECEIVED_MS, config};

const CLOCK: Clock = Clock { export_ms: EXPORT_MS, uptime_ms: 10_000_000 };
const IDS: [u16; 3] = [256, 257, 258];

/// Who sends: exporter, protocol, domain.
type Stream = (u8, Protocol, u32);

/// One set.
#[derive(Debug, Clone)]
enum Action {
    Define(Template),
    /// Records of whatever template this id has now.
    Data(u16, usize, u64),
    Withdraw(u16),
    WithdrawAll,
}

/// A store that gives data sets without template up at once.
struct Impatient(MapStore);

impl Store for Impatient {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<netflow::Template>> {
        self.0.template(key)
    }
    fn learn(&mut self, key: TemplateKey, template: Arc<netflow::Template>) -> Learned {
        self.0.learn(key, template)
    }
    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.0.withdraw(key)
    }
    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        self.0.withdraw_all(domain, kind)
    }
    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.0.options(domain)
    }
    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        self.0.announce(domain, values);
    }
}

fn action(protocol: Protocol) -> impl Strategy<Value = Action> {
    let id = select(&IDS[..]);
    let define = id.clone().prop_flat_map(move |id| template(protocol, id)).prop_map(Action::Define);
    let data = (id.clone(), 0..6_usize, any::<u64>()).prop_map(|(id, count, seed)| Action::Data(id, count, seed));
    let is_ipfix = u32::from(protocol == Protocol::Ipfix);
    prop_oneof![
        8 => define,
        12 => data,
        is_ipfix * 2 => id.prop_map(Action::Withdraw),
        is_ipfix => Just(Action::WithdrawAll),
    ]
}

fn datagrams() -> impl Strategy<Value = Vec<(Stream, Vec<Action>)>> {
    let stream = (0..2_u8, select(&[Protocol::V9, Protocol::Ipfix][..]), 1..3_u32);
    let datagram = stream.prop_flat_map(|stream| (Just(stream), prop::collection::vec(action(stream.1), 0..5)));
    prop::collection::vec(datagram, 1..30)
}

/// What the encoders know, and what must come of what they sent.
#[derive(Default)]
struct Model {
    templates: BTreeMap<(Stream, u16), Template>,
    templates_of_rows: Vec<Template>,
    /// The first byte of a record's exporter stands for it.
    rows: Vec<(Address, u32, u16, Flow)>,
    records: Vec<Vec<Vec<u8>>>,
    without_template: u64,
    withdrawn: u64,
    unknown_withdrawals: u64,
}

impl Model {
    fn encode(&mut self, stream: Stream, actions: &[Action]) -> Vec<u8> {
        let sets: Vec<Vec<u8>> = actions.iter().map(|action| self.set(stream, action)).collect();
        message(stream.1, &Header { clock: CLOCK, sequence: 0, domain: stream.2 }, sets.len(), &sets)
    }

    fn set(&mut self, stream: Stream, action: &Action) -> Vec<u8> {
        let protocol = stream.1;
        match action {
            Action::Define(template) => {
                self.templates.insert((stream, template.id), template.clone());
                template_set(protocol, std::slice::from_ref(template), 0)
            }
            Action::Data(id, count, seed) => {
                let Some(template) = self.templates.get(&(stream, *id)) else {
                    self.without_template += 1;
                    return set(*id, &[0xaa; 40]);
                };
                let mut random = Random::new(*seed);
                let mut records = Vec::new();
                for flow in flows(*seed, *count, CLOCK) {
                    let flow = carried(protocol, template, &flow);
                    let values = values(protocol, template, CLOCK, &flow, &mut random);
                    let row = without_totals(template, told(&flow, RECEIVED_MS));
                    self.rows.push((address(stream.0), stream.2, *id, row));
                    self.templates_of_rows.push(template.clone());
                    self.records.push(values.iter().map(|value| value.bytes.clone()).collect());
                    records.push(values);
                }
                data_set(template, &records, 0)
            }
            Action::Withdraw(id) => {
                self.forget(|key| *key == (stream, *id));
                withdrawal(false, &[*id])
            }
            Action::WithdrawAll => {
                self.forget(|(owner, _)| *owner == stream);
                withdrawal_of_all(false)
            }
        }
    }

    fn forget(&mut self, which: impl Fn(&(Stream, u16)) -> bool) {
        let before = self.templates.len();
        self.templates.retain(|key, _| !which(key));
        match before - self.templates.len() {
            0 => self.unknown_withdrawals += 1,
            gone => self.withdrawn += gone as u64,
        }
    }
}

fn address(exporter: u8) -> Address {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, exporter]
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn each_stream_has_its_own_templates(datagrams in datagrams()) {
        let mut model = Model::default();
        let mut decoded = Decoded::with(Impatient(MapStore::default()));
        let (mut row_store, mut row_report, mut records) =
            (Impatient(MapStore::default()), Report::default(), Vec::new());
        for (stream, actions) in &datagrams {
            let payload = model.encode(*stream, actions);
            decoded.feed(address(stream.0), &payload);
            let datagram = Datagram { payload: &payload, exporter: address(stream.0), received_ms: RECEIVED_MS };
            dissect(&datagram, &mut row_store, &mut row_report, &mut |record: Record<'_>| {
                records.push(record.fields().map(|field| field.bytes.to_vec()).collect::<Vec<_>>());
            });
        }
        let columns = &decoded.tables.flows;
        let found: Vec<_> = (0..columns.len())
            .map(|row| (columns.exporter[row], columns.domain[row], columns.template_id[row]))
            .zip(decoded.flows())
            .zip(&model.templates_of_rows)
            .map(|(((exporter, domain, id), flow), template)| (exporter, domain, id, without_totals(template, flow)))
            .collect();
        prop_assert_eq!(found, model.rows);
        prop_assert_eq!(records, model.records);
        for report in [&decoded.report, &row_report] {
            prop_assert_eq!(report.malformed(), 0);
            prop_assert_eq!(report.get(Event::SetWithoutTemplate), model.without_template);
            prop_assert_eq!(report.get(Event::TemplateWithdrawn), model.withdrawn);
            prop_assert_eq!(report.get(Event::WithdrawalUnknown), model.unknown_withdrawals);
        }
    }

    /// Data that comes before its template in the same datagram is decoded, or given up whole and counted: nothing between.
    #[test]
    fn data_before_its_template(protocol in select(&[Protocol::V9, Protocol::Ipfix][..]), count in 1..6_usize, seed in any::<u64>()) {
        let template = Template::data(256, vec![perf::template::iana(8, 4), perf::template::iana(1, 4)]);
        let flows: Vec<Flow> =
            flows(seed, count, CLOCK).iter().map(|flow| carried(protocol, &template, flow)).collect();
        let mut random = Random::new(seed);
        let records: Vec<_> =
            flows.iter().map(|flow| values(protocol, &template, CLOCK, flow, &mut random)).collect();
        let sets = [data_set(&template, &records, 0), template_set(protocol, std::slice::from_ref(&template), 0)];
        let mut decoded = Decoded::default();
        let header = Header { clock: CLOCK, sequence: 0, domain: 1 };
        decoded.feed(address(1), &message(protocol, &header, 2, &sets));
        let expected: Vec<Flow> = flows.iter().map(|flow| told(flow, RECEIVED_MS)).collect();
        if decoded.report.get(Event::SetWithoutTemplate) == 0 {
            prop_assert_eq!(decoded.flows(), expected);
        } else {
            prop_assert_eq!(decoded.flows(), Vec::new());
        }
    }
}
