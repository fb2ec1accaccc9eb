//! A plain store: for tests, and for programs that decode a capture from one end to the other.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::columns::Address;
use crate::header::Header;
use crate::options::{OptionValue, Options};
use crate::skew::{ClockSkew, Clocks};
use crate::store::{DomainKey, Held, Learned, Store, TemplateKey};
use crate::template::{Kind, Template};
use crate::totals::{Bounds, Room, Totals};

/// Most templates kept for one observation domain.
pub const TEMPLATE_LIMIT: usize = 4096;

/// Most bytes of data sets held for their template, what it takes to keep account of them included.
pub const HELD_BYTES_LIMIT: usize = 16 << 20;
/// What a held set takes beside its bytes.
const HELD_OVERHEAD: usize = 256;
/// Most exporters whose clock is off.
const CLOCK_LIMIT: usize = 65_536;

/// Templates and options in maps, bounded for each observation domain; they do not age. Data sets are held for their
/// template within a bound, the oldest given up first; they do not age either, since the datagrams of a capture may have been
/// put together from days far apart.
#[derive(Debug)]
pub struct MapStore {
    domains: HashMap<DomainKey, Domain>,
    /// What flows have reported so far, by exporter.
    totals: HashMap<Address, Arc<Mutex<Totals>>>,
    room: Arc<Room>,
    /// Those that wait for each template, by number, in the order in which they came.
    waiting: HashMap<TemplateKey, VecDeque<(u64, Held)>>,
    /// The numbers of all, in the order in which they came; some may be of sets that wait no longer.
    order: VecDeque<(u64, TemplateKey)>,
    /// Number of the next one.
    next: u64,
    held: usize,
    held_bytes: usize,
    given_up: u64,
    clocks: Clocks,
}

impl Default for MapStore {
    fn default() -> Self {
        Self {
            domains: HashMap::new(),
            totals: HashMap::new(),
            room: Room::new(Bounds::default().total),
            waiting: HashMap::new(),
            order: VecDeque::new(),
            next: 0,
            held: 0,
            held_bytes: 0,
            given_up: 0,
            clocks: Clocks::default(),
        }
    }
}

#[derive(Debug, Default)]
struct Domain {
    templates: HashMap<u16, Arc<Template>>,
    options: Arc<Options>,
}

impl MapStore {
    /// Every template kept, in no order.
    pub fn templates(&self) -> impl Iterator<Item = (TemplateKey, &Arc<Template>)> {
        self.domains.iter().flat_map(|(key, domain)| {
            domain.templates.iter().map(|(id, template)| (TemplateKey { domain: *key, id: *id }, template))
        })
    }
}

impl MapStore {
    /// Data sets that wait for their template.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held
    }

    /// Data sets that gave way to newer ones.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// The set that came first of those that wait.
    fn oldest(&mut self) -> Option<&Held> {
        let waiting = &self.waiting;
        let waits = |(number, key): &(u64, TemplateKey)| {
            waiting.get(key).and_then(VecDeque::front).is_some_and(|(first, _)| first == number)
        };
        while self.order.front().is_some_and(|first| !waits(first)) {
            self.order.pop_front();
        }
        let (_, key) = self.order.front()?;
        self.waiting.get(key)?.front().map(|(_, held)| held)
    }

    fn give_up_oldest(&mut self) {
        let Some(bytes) = self.oldest().map(|held| cost(&held.bytes)) else { return };
        let Some((_, key)) = self.order.pop_front() else { return };
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.pop_front();
            if waiting.is_empty() {
                self.waiting.remove(&key);
            }
        }
        self.forget(1, bytes);
        self.given_up = self.given_up.saturating_add(1);
    }

    fn forget(&mut self, sets: usize, bytes: usize) {
        self.held = self.held.saturating_sub(sets);
        self.held_bytes = self.held_bytes.saturating_sub(bytes);
        // Numbers of sets that wait no longer are thrown out now and then, so that they never outnumber the others by much.
        if self.order.len() > self.held.saturating_mul(2).saturating_add(64) {
            let waiting = &self.waiting;
            self.order.retain(|(number, key)| {
                waiting.get(key).and_then(VecDeque::front).is_some_and(|(first, _)| first <= number)
            });
        }
    }
}

fn cost(set: &[u8]) -> usize {
    set.len().saturating_add(HELD_OVERHEAD)
}

impl Store for MapStore {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.domains.get(&key.domain)?.templates.get(&key.id).cloned()
    }

    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        let templates = &mut self.domains.entry(key.domain).or_default().templates;
        if templates.len() >= TEMPLATE_LIMIT && !templates.contains_key(&key.id) {
            return Learned::Refused;
        }
        match templates.insert(key.id, template) {
            Some(_) => Learned::Replaced,
            None => Learned::New,
        }
    }

    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.domains.get_mut(&key.domain).is_some_and(|domain| domain.templates.remove(&key.id).is_some())
    }

    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        let Some(domain) = self.domains.get_mut(domain) else { return 0 };
        let before = domain.templates.len();
        let is_data = kind == Kind::Data;
        domain.templates.retain(|_, template| (template.kind() == Kind::Data) != is_data);
        before.saturating_sub(domain.templates.len())
    }

    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.domains.get(domain).map(|domain| Arc::clone(&domain.options))
    }

    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        let options = Arc::make_mut(&mut self.domains.entry(*domain).or_default().options);
        for value in values {
            options.apply(value);
        }
    }

    fn clock_skew(&mut self, domain: &DomainKey, skew_ms: i64, received_ms: i64) -> ClockSkew {
        self.clocks.measure(domain, skew_ms, received_ms, CLOCK_LIMIT)
    }

    fn totals(&mut self, exporter: &Address, received_ms: i64) -> Option<Arc<Mutex<Totals>>> {
        let new = || Arc::new(Mutex::new(Totals::new(received_ms, Bounds::default(), &self.room)));
        Some(Arc::clone(self.totals.entry(*exporter).or_insert_with(new)))
    }

    fn hold(&mut self, key: &TemplateKey, header: &Header, set: &[u8]) -> bool {
        while self.held > 0 && self.held_bytes.saturating_add(cost(set)) > HELD_BYTES_LIMIT {
            self.give_up_oldest();
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.order.push_back((number, *key));
        let held = Held { header: *header, bytes: set.into() };
        self.waiting.entry(*key).or_default().push_back((number, held));
        self.held = self.held.saturating_add(1);
        self.held_bytes = self.held_bytes.saturating_add(cost(set));
        true
    }

    fn is_held(&mut self, key: &TemplateKey) -> bool {
        !self.waiting.is_empty() && self.waiting.contains_key(key)
    }

    fn release(&mut self, key: &TemplateKey) -> Vec<Held> {
        let Some(released) = self.waiting.remove(key) else { return Vec::new() };
        let bytes = released.iter().map(|(_, held)| cost(&held.bytes)).fold(0, usize::saturating_add);
        self.forget(released.len(), bytes);
        released.into_iter().map(|(_, held)| held).collect()
    }
}
