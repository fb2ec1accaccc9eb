//! Data sets that come before their template.

use std::sync::Arc;

use netflow::columns::flags;
use netflow::header::Header;
use netflow::map_store::HELD_BYTES_LIMIT;
use netflow::options::{OptionValue, Options};
use netflow::skew::ClockSkew;
use netflow::store::{DomainKey, Held, Learned, TemplateKey};
use netflow::template::Kind;
use netflow::{Event, MapStore, Record, Store, Template, Visit, decode, dissect};

use crate::encoder::{self, DOMAIN, EXPORTER, FieldOf, RECEIVED_MS, ipfix, set, template, v9};
use crate::{Decoded, ipfix_options_template, v9_options_template};

const PORTS: [FieldOf; 2] = [(7, 2), (11, 2)];
const DATA: [u8; 4] = [0, 1, 0, 2];

fn counts(decoded: &Decoded) -> [u64; 4] {
    [Event::SetHeld, Event::SetDecodedLate, Event::SetWithoutTemplate, Event::FlowRecord]
        .map(|event| decoded.report.get(event))
}

#[test]
fn decoded_when_the_template_comes() {
    let template_set = |version| set(if version == 9 { 0 } else { 2 }, &template(256, &PORTS));
    for (version, message) in [(9, v9 as fn(&[Vec<u8>]) -> Vec<u8>), (10, ipfix)] {
        let mut decoded = Decoded::default();
        decoded.feed(&message(&[set(256, &DATA)])).feed(&message(&[set(256, &[0, 3, 0, 4])]));
        assert_eq!(counts(&decoded), [2, 0, 0, 0], "{version}");
        decoded.feed(&message(&[set(256, &[0, 5, 0, 6]), template_set(version), set(256, &[0, 7, 0, 8])]));
        assert_eq!(counts(&decoded), [3, 3, 0, 4], "{version}");
        let flows = &decoded.tables.flows;
        assert_eq!((&flows.src_port[..], decoded.store.held()), (&[1, 3, 5, 7][..], 0), "{version}");
        assert_eq!(flows.flags, [flags::HELD, flags::HELD, flags::HELD, 0], "{version}");
    }
}

/// A set's own message says when it was received and exported, whenever it is decoded.
#[test]
fn times_are_those_of_the_datagram_it_came_in() {
    let mut decoded = Decoded::default();
    let early = v9(&[set(256, &5000_u32.to_be_bytes())]);
    decoded.feed(&early);
    let mut late = v9(&[set(0, &template(256, &[(21, 4)])), set(256, &5000_u32.to_be_bytes())]);
    // An hour later: uptime and export time.
    late[4..8].copy_from_slice(&(encoder::UPTIME_MS + 3_600_000).to_be_bytes());
    late[8..12].copy_from_slice(&(encoder::EXPORT_S + 3600).to_be_bytes());
    let datagram = netflow::Datagram { received_ms: RECEIVED_MS + 3_600_000, ..encoder::datagram(&late) };
    decode(&datagram, &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    let flows = &decoded.tables.flows;
    assert_eq!(flows.received_ms, [RECEIVED_MS, RECEIVED_MS + 3_600_000]);
    let end_ms = i64::from(encoder::EXPORT_S) * 1000 - i64::from(encoder::UPTIME_MS) + 5000;
    assert_eq!(flows.end_ms, [end_ms, end_ms], "both count from the same start of the exporter");
}

#[test]
fn options_are_held_too() {
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[set(300, &[0, 1, 50])]));
    decoded.feed(&v9(&[v9_options_template(300, &[(1, 1)], &[(48, 1), (50, 1)])]));
    let key = DomainKey { exporter: EXPORTER, version: 9, domain: DOMAIN };
    assert_eq!(decoded.store.options(&key).map(|options| options.sampling.len()), Some(1));
    assert_eq!((counts(&decoded), decoded.report.options_records()), ([1, 1, 0, 0], 1));

    decoded.feed(&ipfix(&[set(301, &[1, 9])]));
    decoded.feed(&ipfix(&[ipfix_options_template(301, 1, &[(302, 1), (34, 1)])]));
    assert_eq!(decoded.report.options_records(), 2);
}

#[test]
fn only_its_own_template_releases_a_set() {
    let mut decoded = Decoded::default();
    decoded.feed(&v9(&[set(256, &DATA)]));
    decoded.feed(&v9(&[set(0, &template(257, &PORTS))]));
    decoded.feed(&ipfix(&[set(2, &template(256, &PORTS))]));
    let mut other_domain = v9(&[set(0, &template(256, &PORTS))]);
    other_domain[19] ^= 1;
    decoded.feed(&other_domain);
    assert_eq!((counts(&decoded), decoded.store.held()), ([1, 0, 0, 0], 1));
    // A template that cannot be used does not, either.
    decoded.feed(&v9(&[set(0, &template(256, &[(0, 0)]))]));
    assert_eq!(counts(&decoded), [1, 0, 0, 0]);
    decoded.feed(&v9(&[set(0, &template(256, &PORTS))]));
    assert_eq!(counts(&decoded), [1, 1, 0, 1]);
}

/// What is wrong with a held set is counted, and is not the fault of the datagram that brought the template.
#[test]
fn a_broken_set_is_held_and_counted() {
    let mut decoded = Decoded::default();
    decoded.feed(&ipfix(&[set(256, &[1, b'a', 9, b'b'])]));
    let payload = ipfix(&[set(2, &template(256, &[(371, 65_535)]))]);
    let outcome = decode(&encoder::datagram(&payload), &mut decoded.store, &mut decoded.tables, &mut decoded.report);
    assert_eq!(decoded.report.get(Event::RecordTruncated), 1);
    assert_eq!((outcome.fault, outcome.is_complete, outcome.records), (None, true, 0));
    assert_eq!(counts(&decoded), [1, 1, 0, 1]);
}

#[test]
fn rows_tell_late_records_apart() {
    #[derive(Default)]
    struct Seen(Vec<(bool, i64)>);
    impl Visit for Seen {
        fn record(&mut self, record: Record<'_>) {
            self.0.push((false, record.header.received_ms));
        }
        fn late_record(&mut self, record: Record<'_>) {
            self.0.push((true, record.header.received_ms));
        }
    }
    let (mut store, mut report, mut seen) = (MapStore::default(), netflow::Report::default(), Seen::default());
    let early = v9(&[set(256, &DATA)]);
    dissect(&encoder::datagram(&early), &mut store, &mut report, &mut seen);
    let late = v9(&[set(0, &template(256, &PORTS)), set(256, &DATA)]);
    let datagram = netflow::Datagram { received_ms: RECEIVED_MS + 1, ..encoder::datagram(&late) };
    dissect(&datagram, &mut store, &mut report, &mut seen);
    assert_eq!(seen.0, [(true, RECEIVED_MS), (false, RECEIVED_MS + 1)]);
}

#[test]
fn the_oldest_are_given_up() {
    let key = |id| TemplateKey { domain: DomainKey { exporter: EXPORTER, version: 9, domain: 1 }, id };
    let payload = v9(&[]);
    let mut store = MapStore::default();
    let header = |received_ms| header_of(&netflow::Datagram { received_ms, ..encoder::datagram(&payload) });
    let large = vec![0; 60_000];
    let fit = HELD_BYTES_LIMIT / (large.len() + 256);
    for id in 0..u16::try_from(fit + 10).expect("few") {
        assert!(store.hold(&key(256 + id), &header(RECEIVED_MS), &large));
    }
    assert_eq!((store.held(), store.given_up()), (fit, 10));
    assert!(store.release(&key(256)).is_empty() && !store.is_held(&key(256)));
    assert_eq!(store.release(&key(266)).len(), 1);
    // Room that was given back is there again, and a year makes no difference.
    assert!(store.hold(&key(256), &header(RECEIVED_MS + 366 * 86_400_000), &large));
    assert_eq!((store.held(), store.given_up()), (fit, 10));
    assert!(store.hold(&key(257), &header(RECEIVED_MS), &large));
    assert_eq!((store.held(), store.given_up()), (fit, 11));
}

/// Sets that come and go by the million leave nothing behind, and cost no search through those that stay.
#[test]
fn holding_and_releasing_is_cheap() {
    let key = |domain, id| TemplateKey { domain: DomainKey { exporter: EXPORTER, version: 9, domain }, id };
    let payload = v9(&[]);
    let header = header_of(&encoder::datagram(&payload));
    let mut store = MapStore::default();
    for domain in 0..50_000 {
        store.hold(&key(domain, 256), &header, &DATA);
    }
    for round in 0..300_000 {
        let key = key(round % 7, 300);
        store.hold(&key, &header, &DATA);
        assert_eq!(store.release(&key).len(), 1);
    }
    assert_eq!((store.held(), store.given_up()), (50_000, 0));
    for domain in 0..50_000 {
        assert_eq!(store.release(&key(domain, 256)).len(), 1);
    }
    assert_eq!(store.held(), 0);
}

/// The header of a NetFlow v9 datagram, as the decoder reads it.
fn header_of(datagram: &netflow::Datagram<'_>) -> Header {
    Header {
        exporter: datagram.exporter,
        received_ms: datagram.received_ms,
        version: 9,
        domain: 1,
        sequence: 1,
        export_ms: 0,
        uptime_ms: Some(0),
        count: None,
        sampling: None,
        skew: ClockSkew::Unsteady,
    }
}

/// A store that learns the template from another worker while the set is on its way to it.
#[derive(Default)]
struct Racing {
    store: MapStore,
    late: Vec<(usize, bool)>,
}

impl Store for Racing {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.store.template(key)
    }
    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        self.store.learn(key, template)
    }
    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.store.withdraw(key)
    }
    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        self.store.withdraw_all(domain, kind)
    }
    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.store.options(domain)
    }
    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        self.store.announce(domain, values);
    }
    fn hold(&mut self, key: &TemplateKey, header: &Header, set: &[u8]) -> bool {
        let fields =
            PORTS.map(|(element, length)| netflow::template::FieldSpecifier { element, enterprise: 0, length });
        self.store.learn(*key, Arc::new(Template::new(9, Kind::Data, fields.into())));
        self.store.hold(key, header, set)
    }
    fn release(&mut self, key: &TemplateKey) -> Vec<Held> {
        self.store.release(key)
    }
    fn decoded(&mut self, _: &TemplateKey, _: &Header, records: usize, is_late: bool) {
        self.late.push((records, is_late));
    }
}

#[test]
fn a_template_learned_meanwhile_releases_at_once() {
    let (mut store, mut tables, mut report) =
        (Racing::default(), netflow::Tables::default(), netflow::Report::default());
    let payload = v9(&[set(256, &[DATA, DATA].concat()), set(256, &DATA)]);
    let outcome = decode(&encoder::datagram(&payload), &mut store, &mut tables, &mut report);
    assert_eq!(store.late, [(2, true), (1, false)], "the store hears of both sets");
    assert_eq!((outcome.sets_held, outcome.records, tables.flows.len()), (1, 1, 3));
}
