//! A worker's view of the template store: a direct-mapped cache of what this worker's exporters use, which grows with them.
//!
//! A cached answer holds as long as the generation of its exporter's shard stands. That a template is missing is not cached,
//! so learning a new one invalidates nothing; that a domain announced nothing is, since nearly every data set asks for it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use netflow::columns::Address;
use netflow::header::Header;
use netflow::options::{OptionKey, OptionValue, Options};
use netflow::skew::ClockSkew;
use netflow::store::{DomainKey, Held, Learned, Store, TemplateKey};
use netflow::template::{Kind, Template};
use netflow::totals::Totals;

use super::announced::Announced;
use super::{Entry, Shared, touch};
use crate::slots::Slots;

/// The most slots, for templates and for domains; powers of two. There may be more keys: they share slots then.
const TEMPLATE_SLOTS_MAX: usize = 1 << 19;
const DOMAIN_SLOTS_MAX: usize = 1 << 16;

/// One worker's view of the store. Each worker has its own; they see each other's templates.
#[derive(Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    /// Seconds since 1970.
    now: u64,
    templates: Slots<TemplateKey, Answer<Arc<Entry>>>,
    domains: Slots<DomainKey, Answer<Option<Arc<Announced>>>>,
}

/// What the store answered, and when.
#[derive(Debug)]
struct Answer<T> {
    generation: u64,
    value: T,
}

impl Cache {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, now: 0, templates: Slots::new(TEMPLATE_SLOTS_MAX), domains: Slots::new(DOMAIN_SLOTS_MAX) }
    }

    /// Says what time it is, seconds since 1970: for the age of what is learned and used from here on.
    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }

    fn entry(&mut self, key: &TemplateKey) -> Option<&Entry> {
        // Read before the map: see `Shard::changed`.
        let generation = self.shared.shard(&key.domain.exporter).generation.load(Ordering::Acquire);
        let shared = &self.shared;
        let find = || shared.find(key).map(|value| Answer { generation, value });
        self.templates.value(key, |answer| answer.generation == generation, find).map(|answer| &*answer.value)
    }

    fn announced(&mut self, domain: &DomainKey) -> Option<&Announced> {
        let generation = self.shared.shard(&domain.exporter).generation.load(Ordering::Acquire);
        let shared = &self.shared;
        let find = || Some(Answer { generation, value: shared.find_options(domain) });
        self.domains.value(domain, |answer| answer.generation == generation, find)?.value.as_deref()
    }
}

impl Store for Cache {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        let now = self.now;
        let entry = self.entry(key)?;
        touch(&entry.used_at, now);
        Some(Arc::clone(&entry.template))
    }

    fn known(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        let now = self.now;
        let entry = self.entry(key)?;
        touch(&entry.repeated_at, now);
        Some(Arc::clone(&entry.template))
    }

    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        self.shared.learn(key, template, self.now)
    }

    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.shared.withdraw(key)
    }

    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        self.shared.withdraw_all(domain, kind)
    }

    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.announced(domain).map(|announced| Arc::clone(&announced.options))
    }

    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        self.shared.announce(domain, values.iter().map(|value| (value, self.now)));
    }

    fn repeated(&mut self, domain: &DomainKey, key: OptionKey) {
        let now = self.now;
        if let Some(announced) = self.announced(domain) {
            announced.repeat(key, now);
        }
    }

    fn clock_skew(&mut self, domain: &DomainKey, skew_ms: i64, received_ms: i64) -> ClockSkew {
        self.shared.measure_clock(domain, skew_ms, received_ms)
    }

    fn hold(&mut self, key: &TemplateKey, header: &Header, set: &[u8]) -> bool {
        let is_proven = self.shared.knows(&key.domain.exporter);
        self.shared.held.hold(key, header, set, is_proven)
    }

    fn is_held(&mut self, key: &TemplateKey) -> bool {
        self.shared.held.is_held(key)
    }

    fn release(&mut self, key: &TemplateKey) -> Vec<Held> {
        self.shared.held.release(key, self.now)
    }

    fn totals(&mut self, exporter: &Address, received_ms: i64) -> Option<Arc<Mutex<Totals>>> {
        self.shared.totals.of(exporter, received_ms)
    }

    fn decoded(&mut self, key: &TemplateKey, _: &Header, records: usize, _: bool) {
        if let Some(entry) = self.entry(key) {
            entry.decoded.fetch_add(records as u64, Ordering::Relaxed);
        }
    }
}
