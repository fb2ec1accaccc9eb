//! A worker's view of the template store: a small direct-mapped cache of what this worker's exporters use.
//!
//! A cached answer holds as long as the generation of its exporter's shard stands. That a template is missing is not cached,
//! so learning a new one invalidates nothing; that a domain announced nothing is, since nearly every data set asks for it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow::options::{OptionValue, Options};
use netflow::store::{DomainKey, Learned, Store, TemplateKey};
use netflow::template::{Kind, Template};

use super::{Announced, Entry, Shared};

/// Slots for templates; a power of two.
const TEMPLATE_SLOTS: usize = 4096;
/// Slots for domains; a power of two.
const DOMAIN_SLOTS: usize = 1024;

/// One worker's view of the store. Each worker has its own; they see each other's templates.
#[derive(Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    /// Seconds since 1970.
    now: u64,
    templates: Slots<TemplateKey, Arc<Entry>>,
    domains: Slots<DomainKey, Option<Arc<Announced>>>,
}

/// A direct-mapped table: a new entry takes the place of the one in its slot.
#[derive(Debug)]
struct Slots<K, V>(Box<[Option<Slot<K, V>>]>);

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    generation: u64,
    value: V,
}

impl Cache {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, now: 0, templates: Slots::new(TEMPLATE_SLOTS), domains: Slots::new(DOMAIN_SLOTS) }
    }

    /// Says what time it is, seconds since 1970: for the age of what is learned and used from here on.
    pub fn set_now(&mut self, now: u64) {
        self.now = now;
    }
}

impl Store for Cache {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        // Read before the map: see `Shard::changed`.
        let generation = self.shared.shard(&key.domain.exporter).generation.load(Ordering::Acquire);
        let slot = self.templates.slot(key, &self.shared.hasher);
        if let Some(slot) = slot
            && slot.generation == generation
            && slot.key == *key
        {
            touch(&slot.value.seen_at, self.now);
            return Some(Arc::clone(&slot.value.template));
        }
        let entry = self.shared.find(key)?;
        touch(&entry.seen_at, self.now);
        let template = Arc::clone(&entry.template);
        *slot = Some(Slot { key: *key, generation, value: entry });
        Some(template)
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
        let generation = self.shared.shard(&domain.exporter).generation.load(Ordering::Acquire);
        let slot = self.domains.slot(domain, &self.shared.hasher);
        let known = match slot {
            Some(slot) if slot.generation == generation && slot.key == *domain => &slot.value,
            stale => {
                let value = self.shared.find_options(domain);
                &stale.insert(Slot { key: *domain, generation, value }).value
            }
        };
        let announced = known.as_ref()?;
        touch(&announced.seen_at, self.now);
        Some(Arc::clone(&announced.options))
    }

    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        self.shared.announce(domain, values, self.now);
    }
}

impl<K: std::hash::Hash, V> Slots<K, V> {
    fn new(count: usize) -> Self {
        Self((0..count).map(|_| None).collect())
    }

    fn slot(&mut self, key: &K, hasher: &foldhash::fast::RandomState) -> &mut Option<Slot<K, V>> {
        let hash = hasher.hash_one(key);
        let index = usize::try_from(hash & (self.0.len() as u64 - 1)).unwrap_or(0);
        &mut self.0[index]
    }
}

/// Notes a use. Written at most once a second, so that the line stays shared between workers.
fn touch(seen_at: &AtomicU64, now: u64) {
    if seen_at.load(Ordering::Relaxed) < now {
        seen_at.store(now, Ordering::Relaxed);
    }
}
