//! A worker's view of the template store: a direct-mapped cache of what this worker's exporters use, which grows with them.
//!
//! A cached answer holds as long as the generation of its exporter's shard stands. That a template is missing is not cached,
//! so learning a new one invalidates nothing; that a domain announced nothing is, since nearly every data set asks for it.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use foldhash::fast::RandomState;
use netflow::header::Header;
use netflow::options::{OptionKey, OptionValue, Options};
use netflow::store::{DomainKey, Held, Learned, Store, TemplateKey};
use netflow::template::{Kind, Template};

use super::announced::Announced;
use super::{Entry, Shared, touch};

/// Slots to begin with; a power of two.
const FIRST_SLOTS: usize = 1024;
/// The most slots, for templates and for domains; powers of two. There may be more keys: they share slots then.
const TEMPLATE_SLOTS_MAX: usize = 1 << 19;
const DOMAIN_SLOTS_MAX: usize = 1 << 16;

/// One worker's view of the store. Each worker has its own; they see each other's templates.
#[derive(Debug)]
pub struct Cache {
    shared: Arc<Shared>,
    /// Seconds since 1970.
    now: u64,
    templates: Slots<TemplateKey, Arc<Entry>>,
    domains: Slots<DomainKey, Option<Arc<Announced>>>,
}

/// A direct-mapped table: a new entry takes the place of the one in its slot. Where that happens often the table grows.
#[derive(Debug)]
struct Slots<K, V> {
    slots: Box<[Option<Slot<K, V>>]>,
    most: usize,
    /// Entries that took an empty place or another's since the table last grew.
    taken: usize,
}

#[derive(Debug)]
struct Slot<K, V> {
    key: K,
    generation: u64,
    value: V,
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
        self.templates.value(key, generation, &shared.hasher, || shared.find(key)).map(|entry| &**entry)
    }

    fn announced(&mut self, domain: &DomainKey) -> Option<&Announced> {
        let generation = self.shared.shard(&domain.exporter).generation.load(Ordering::Acquire);
        let shared = &self.shared;
        let found = self.domains.value(domain, generation, &shared.hasher, || Some(shared.find_options(domain)));
        found?.as_deref()
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

    fn decoded(&mut self, key: &TemplateKey, _: &Header, records: usize, _: bool) {
        if let Some(entry) = self.entry(key) {
            entry.decoded.fetch_add(records as u64, Ordering::Relaxed);
        }
    }
}

impl<K: Copy + Eq + Hash, V> Slots<K, V> {
    fn new(most: usize) -> Self {
        Self { slots: (0..FIRST_SLOTS).map(|_| None).collect(), most, taken: 0 }
    }

    /// The value of a key, as of `generation`; found anew where it is not cached.
    #[inline]
    fn value(
        &mut self,
        key: &K,
        generation: u64,
        hasher: &RandomState,
        find: impl FnOnce() -> Option<V>,
    ) -> Option<&V> {
        let hash = hasher.hash_one(key);
        let mut place = self.place(hash);
        let is_cached = |slot: &Slot<K, V>| slot.generation == generation && slot.key == *key;
        if !self.slots[place].as_ref().is_some_and(is_cached) {
            let value = find()?;
            if self.slots[place].as_ref().is_none_or(|slot| slot.key != *key) {
                self.taken += 1;
                if self.taken > self.slots.len() / 2 && self.slots.len() < self.most {
                    self.grow(hasher);
                    place = self.place(hash);
                }
            }
            self.slots[place] = Some(Slot { key: *key, generation, value });
        }
        self.slots[place].as_ref().map(|slot| &slot.value)
    }

    #[cold]
    fn grow(&mut self, hasher: &RandomState) {
        let slots = (0..2 * self.slots.len()).map(|_| None).collect();
        self.taken = 0;
        for slot in std::mem::replace(&mut self.slots, slots).into_iter().flatten() {
            let place = self.place(hasher.hash_one(slot.key));
            self.slots[place] = Some(slot);
        }
    }

    fn place(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_grows_until_its_keys_have_room_and_no_further() {
        let hasher = RandomState::default();
        for (keys, most, expected) in
            [(500_u64, FIRST_SLOTS, FIRST_SLOTS), (6000, 1 << 14, 1 << 14), (6000, 2048, 2048)]
        {
            let mut slots = Slots::new(most);
            let mut found = 0;
            for round in 0..50 {
                found = 0;
                for key in 0..keys {
                    let value = slots.value(&key, round / 25, &hasher, || {
                        found += 1;
                        Some(key + round / 25)
                    });
                    assert_eq!(value, Some(&(key + round / 25)), "round {round}");
                }
            }
            assert_eq!(slots.slots.len(), expected, "{keys} keys");
            assert!(most < 4096 || found < keys / 2, "{found} of {keys} were not cached");
        }
    }
}
