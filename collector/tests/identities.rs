//! Exporters told apart by sender and device: sFlow behind one address, sFlow over several, and who only claims to be another's.

use std::collections::BTreeMap;

use collector::exporters::{Directory, View};
use collector::ledger::{Account, Book, Cell};
use netflow::columns::Address;
use netflow::{Datagram, MapStore, Report, Sample, Store, Tables, decode};

const START_MS: i64 = 1_700_000_000_000;
const NAT: Address = v4([203, 0, 113, 9]);
const OTHER: Address = v4([203, 0, 113, 10]);
const FIRST: Address = v4([192, 0, 2, 101]);
const SECOND: Address = v4([192, 0, 2, 102]);

const fn v4([a, b, c, d]: [u8; 4]) -> Address {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// A switch that sends sFlow: each datagram has one flow sample of interface 1.
#[derive(Clone)]
struct Switch {
    agent: Address,
    sub_agent: u32,
    sequence: u32,
    uptime_ms: u32,
}

impl Switch {
    fn new(agent: Address, sequence: u32, uptime_ms: u32) -> Self {
        Self { agent, sub_agent: 0, sequence, uptime_ms }
    }

    /// The next datagram, a second after the last.
    fn next(&mut self) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        self.uptime_ms = self.uptime_ms.wrapping_add(1000);
        let words = |words: &[u32]| words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>();
        let sample = words(&[self.sequence, 1, 512, 512, 0, 1, 2, 0]);
        let head =
            [&words(&[5, 1])[..], &self.agent[12..], &words(&[self.sub_agent, self.sequence, self.uptime_ms, 1])];
        [head.concat(), words(&[1, sample.len() as u32]), sample].concat()
    }

    /// It starts anew.
    fn reboot(&mut self) {
        (self.sequence, self.uptime_ms) = (0, 0);
    }
}

/// What the worker does with datagrams, as far as exporters go.
struct Worker {
    view: View,
    book: Book,
    store: Heard,
    now_ms: i64,
}

/// Tells samples to the view, as the worker's keeper of templates does.
#[derive(Default)]
struct Heard {
    templates: MapStore,
    heard: collector::exporters::Heard,
}

impl Store for Heard {
    fn template(&mut self, key: &netflow::store::TemplateKey) -> Option<std::sync::Arc<netflow::Template>> {
        self.templates.template(key)
    }
    fn learn(
        &mut self,
        key: netflow::store::TemplateKey,
        template: std::sync::Arc<netflow::Template>,
    ) -> netflow::store::Learned {
        self.templates.learn(key, template)
    }
    fn withdraw(&mut self, key: &netflow::store::TemplateKey) -> bool {
        self.templates.withdraw(key)
    }
    fn withdraw_all(&mut self, domain: &netflow::store::DomainKey, kind: netflow::template::Kind) -> usize {
        self.templates.withdraw_all(domain, kind)
    }
    fn options(&mut self, domain: &netflow::store::DomainKey) -> Option<std::sync::Arc<netflow::options::Options>> {
        self.templates.options(domain)
    }
    fn announce(&mut self, domain: &netflow::store::DomainKey, values: &[netflow::options::OptionValue]) {
        self.templates.announce(domain, values);
    }
    fn sampled(&mut self, sample: &Sample<'_>) {
        self.heard.sample(sample);
    }
}

impl Worker {
    fn new(directory: &Directory) -> Self {
        let view = View::new(directory.clone());
        Self { view, book: Book::default(), store: Heard::default(), now_ms: START_MS }
    }

    fn take(&mut self, sender: Address, payload: &[u8]) {
        let datagram = Datagram { payload, exporter: sender, received_ms: self.now_ms };
        let outcome = decode(&datagram, &mut self.store, &mut Tables::default(), &mut Report::default());
        let agent = outcome.message.map_or(sender, |message| message.agent);
        let of = self.view.identity(sender, agent, self.now_ms);
        std::mem::swap(&mut self.view.heard, &mut self.store.heard);
        self.book.decoded(sender, of.agent, self.now_ms, &outcome);
        self.view.datagram(of, payload.len(), self.now_ms, &outcome, &mut self.book);
        std::mem::swap(&mut self.view.heard, &mut self.store.heard);
    }

    /// A second passes.
    fn wait(&mut self) {
        self.now_ms += 1000;
    }

    /// What was counted, by sender and device: missing datagrams, missing samples, duplicates, restarts, reordered.
    fn counted(&mut self) -> BTreeMap<(Address, Address), [i64; 5]> {
        let account = Account::new(1);
        account.take_decoded(&mut self.book);
        let mut all: BTreeMap<_, [i64; 5]> = BTreeMap::new();
        for (key, cells) in account.take_changes() {
            let of = all.entry((key.exporter, key.agent)).or_default();
            let cells =
                [Cell::MissingDatagrams, Cell::MissingSamples, Cell::Duplicates, Cell::Restarts, Cell::Reordered]
                    .map(|cell| cells.get(cell));
            of.iter_mut().zip(cells).for_each(|(sum, count)| *sum += count);
        }
        all
    }
}

const NOTHING: [i64; 5] = [0; 5];

#[test]
fn two_switches_behind_one_address_have_no_loss_and_a_line_each() {
    let directory = Directory::default();
    let mut worker = Worker::new(&directory);
    let (mut first, mut second) = (Switch::new(FIRST, 1000, 5_000_000), Switch::new(SECOND, 77, 9_000));
    for _ in 0..20 {
        worker.take(NAT, &first.next());
        worker.take(NAT, &second.next());
        worker.wait();
    }
    assert_eq!(worker.counted(), BTreeMap::from([((NAT, FIRST), NOTHING), ((NAT, SECOND), NOTHING)]));
    let report = directory.report(worker.now_ms);
    let lines: Vec<_> =
        report.exporters.iter().map(|one| (one.exporter.to_string(), one.agent.to_string(), one.datagrams)).collect();
    let line = |agent: &str| ("203.0.113.9".to_owned(), agent.to_owned(), 20);
    assert_eq!(lines, [line("192.0.2.101"), line("192.0.2.102")]);
    assert!(report.exporters.iter().all(|one| one.loss_per_mille == Some(0.0)));
    // What one of them loses is its own.
    first.next();
    worker.take(NAT, &first.next());
    worker.take(NAT, &second.next());
    assert_eq!(worker.counted()[&(NAT, FIRST)][..2], [1, 1]);
    let report = directory.report(worker.now_ms);
    assert!(report.exporters[0].loss_per_mille > Some(0.0) && report.exporters[1].loss_per_mille == Some(0.0));
}

/// Which route the datagram of this number takes.
#[track_caller]
fn check_routes(name: &str, route: impl Fn(u32) -> Address) {
    let directory = Directory::default();
    let mut worker = Worker::new(&directory);
    let mut switch = Switch::new(FIRST, 1000, 5_000_000);
    for number in 0..200 {
        worker.take(route(number), &switch.next());
        worker.wait();
    }
    for (of, counts) in worker.counted() {
        assert_eq!(counts, NOTHING, "{name}: {of:?}");
    }
    // What is lost is missing once, whoever tells it.
    switch.next();
    switch.next();
    worker.take(route(200), &switch.next());
    worker.take(route(201), &switch.next());
    let missing: i64 = worker.counted().values().map(|counts| counts[0]).sum();
    assert_eq!(missing, 2, "{name}");
    // And so is a restart.
    switch.reboot();
    worker.wait();
    for number in 0..10 {
        worker.take(route(number), &switch.next());
        worker.wait();
    }
    let sums = worker.counted().into_values().reduce(|sum, more| std::array::from_fn(|cell| sum[cell] + more[cell]));
    assert_eq!(sums, Some([0, 0, 0, 1, 0]), "{name}");
}

#[test]
fn a_switch_that_sends_over_two_routes_has_no_loss() {
    check_routes("one", |_| NAT);
    check_routes("its own address", |_| FIRST);
    check_routes("in turns", |number| if number % 2 == 0 { NAT } else { OTHER });
    check_routes("its own and another", |number| if number % 2 == 0 { FIRST } else { OTHER });
    check_routes("by some hash", |number| if number.wrapping_mul(2_654_435_761) >> 31 == 0 { NAT } else { OTHER });
    check_routes("changed once", |number| if number < 100 { NAT } else { OTHER });
    check_routes("three", |number| [NAT, OTHER, SECOND][number as usize % 3]);
}

#[test]
fn what_comes_late_by_the_other_route_is_taken_back_where_it_was_counted() {
    let directory = Directory::default();
    let mut worker = Worker::new(&directory);
    let mut switch = Switch::new(FIRST, 1000, 5_000_000);
    let datagrams: Vec<Vec<u8>> = (0..8).map(|_| switch.next()).collect();
    for (number, sender) in [(0, NAT), (1, OTHER), (2, NAT), (5, NAT)] {
        worker.take(sender, &datagrams[number]);
    }
    assert_eq!(worker.counted()[&(NAT, FIRST)][..2], [2, 2]);
    for (number, sender) in [(4, OTHER), (3, OTHER), (6, NAT), (7, OTHER)] {
        worker.take(sender, &datagrams[number]);
    }
    let counted = worker.counted();
    assert_eq!(counted[&(NAT, FIRST)][..2], [-2, -2], "where it was counted");
    assert_eq!(counted[&(OTHER, FIRST)], [0, 0, 0, 0, 2]);
}

#[test]
fn who_claims_to_be_another_device_disturbs_nobody() {
    let directory = Directory::default();
    let mut worker = Worker::new(&directory);
    let mut switch = Switch::new(FIRST, 1000, 5_000_000);
    // Its start is known, its numbers are not; its numbers are near, its start is not.
    let mut forged = [Switch::new(FIRST, 5_000_000, 5_000_000), Switch::new(FIRST, 1000, 900_000)];
    for _ in 0..100 {
        worker.take(NAT, &switch.next());
        for (sender, forger) in (10..).zip(&mut forged) {
            worker.take(v4([198, 51, 100, sender]), &forger.next());
        }
        worker.wait();
    }
    assert_eq!(worker.counted()[&(NAT, FIRST)], NOTHING);
    // It knows both, and does not go on.
    let mut forged = [switch.clone()];
    for number in 0..100_u32 {
        worker.take(NAT, &switch.next());
        for (sender, forger) in (20..).zip(&mut forged) {
            forger.sequence = forger.sequence.wrapping_add(number.wrapping_mul(7_919) % 1000);
            worker.take(v4([198, 51, 100, sender]), &forger.next());
        }
        worker.wait();
    }
    let counted = worker.counted();
    let [missing, samples, duplicates, restarts, _] = counted[&(NAT, FIRST)];
    // The one that knows both is found out when it does not go on: until then it can tell no more than this.
    assert!(missing <= 1000 && samples <= 1000 && duplicates <= 4 && restarts <= 1, "{counted:?}");
    let mut alone = Worker::new(&directory);
    alone.now_ms = worker.now_ms;
    for _ in 0..100 {
        alone.take(NAT, &switch.next());
        alone.wait();
    }
    assert_eq!(alone.counted()[&(NAT, FIRST)], NOTHING, "nothing of it stays");
}

#[test]
fn devices_beyond_the_bound_count_as_their_sender() {
    let directory = Directory::default();
    let mut worker = Worker::new(&directory);
    let device = |number: u32| {
        let [_, b, c, d] = number.to_be_bytes();
        Switch::new(v4([10, b, c, d]), 7, 1_000_000)
    };
    for number in 0..3000 {
        worker.take(NAT, &device(number).next());
    }
    worker.take(OTHER, &device(2999).next());
    let report = directory.report(worker.now_ms);
    let of_nat = report.exporters.iter().filter(|one| one.exporter.to_string() == "203.0.113.9");
    assert_eq!(of_nat.clone().count(), 1024 + 1);
    let own = of_nat.clone().find(|one| one.agent == one.exporter).expect("it is there for those beyond");
    assert_eq!((own.datagrams, own.agents_refused), (3000 - 1024, 3000 - 1024));
    assert!(
        report
            .exporters
            .iter()
            .any(|one| one.exporter.to_string() == "203.0.113.10" && one.agent.to_string() == "10.0.11.183")
    );
    assert!(worker.counted().len() <= 1024 + 2, "the ledger is bounded alike");
}
