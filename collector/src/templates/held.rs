//! Data sets that wait for their template: shared by all workers, bounded for each exporter and in all by bytes and by age.
//!
//! What is given up first is the oldest: of the exporter itself when it has as much as it may; otherwise, when there is no
//! room at all, of exporters of which no template is known, since these may be forged; only then of the others. An exporter
//! without a template never displaces one with a template. Each set that was held is decoded late, expired, evicted, or waits.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netflow::columns::Address;
use netflow::header::Header;
use netflow::store::{DomainKey, Held as Set, TemplateKey};

use super::saved::SavedSet;
use crate::metrics::{Counter, Exposition};

/// What a held set takes beside its own bytes, bookkeeping for a template and an exporter of its own included.
const OVERHEAD_BYTES: usize = 640;
/// Hints whether anything waits for a template: a power of two.
const HINTS: usize = 4096;
/// Most entries of the list of what was given up; what does not fit is put together under the key of nobody.
const GIVEN_UP_LIMIT: usize = 16_384;
/// Whose entry takes what does not fit the list.
const NOBODY: DomainKey = DomainKey { exporter: [0; 16], version: 0, domain: 0 };

/// How much is held, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes for each exporter, bookkeeping included.
    pub bytes_per_exporter: usize,
    /// Bytes in all, bookkeeping included.
    pub bytes_total: usize,
    /// For how long after it was received.
    pub age: Duration,
}

impl Default for Bounds {
    /// Routers may repeat their templates as rarely as every half hour.
    fn default() -> Self {
        Self { bytes_per_exporter: 256 << 10, bytes_total: 64 << 20, age: Duration::from_secs(30 * 60) }
    }
}

/// Why a set was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Its template did not come in time.
    Expired,
    /// It gave way to a newer one.
    Evicted,
}

impl Reason {
    /// The name for metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Evicted => "evicted",
        }
    }
}

/// Data sets of one domain, received in the same minute, that were given up for the same reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenUp {
    /// Whose; all zero for what is more than the list has room for.
    pub domain: DomainKey,
    /// When the first of them was received, milliseconds since 1970.
    pub received_ms: i64,
    /// How many.
    pub sets: u32,
    /// Their bytes without set headers.
    pub bytes: u64,
    /// Why.
    pub reason: Reason,
}

/// The waiting room.
#[derive(Debug)]
pub(super) struct Held {
    bounds: Bounds,
    waiting: Mutex<Waiting>,
    /// How many sets wait for the templates of a hash: read without the lock.
    hints: Box<[AtomicU32]>,
    hasher: foldhash::fast::RandomState,
    held: Counter,
    decoded_late: Counter,
    expired: Counter,
    evicted: Counter,
}

/// What waits, by number in the order in which it came.
#[derive(Debug, Default)]
struct Waiting {
    sets: BTreeMap<u64, Waits>,
    /// Those of exporters without a template.
    unproven: BTreeSet<u64>,
    by_key: HashMap<TemplateKey, VecDeque<u64>, foldhash::fast::RandomState>,
    by_exporter: HashMap<Address, OfExporter, foldhash::fast::RandomState>,
    bytes: usize,
    next: u64,
    given_up: HashMap<(DomainKey, i64, Reason), GivenUp, foldhash::fast::RandomState>,
}

/// One set and what it waits for.
#[derive(Debug)]
struct Waits {
    key: TemplateKey,
    set: Set,
}

#[derive(Debug, Default)]
struct OfExporter {
    sets: BTreeSet<u64>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            waiting: Mutex::default(),
            hints: (0..HINTS).map(|_| AtomicU32::new(0)).collect(),
            hasher: foldhash::fast::RandomState::default(),
            held: Counter::default(),
            decoded_late: Counter::default(),
            expired: Counter::default(),
            evicted: Counter::default(),
        }
    }

    /// Keeps a set; false if there is no room. `is_proven` says that a template of its exporter is known.
    pub(super) fn hold(&self, key: &TemplateKey, header: &Header, bytes: &[u8], is_proven: bool) -> bool {
        let cost = bytes.len() + OVERHEAD_BYTES;
        let mut waiting = self.lock();
        if cost > self.bounds.bytes_per_exporter.min(self.bounds.bytes_total) {
            return false;
        }
        let exporter = key.domain.exporter;
        while waiting.bytes_of(&exporter) + cost > self.bounds.bytes_per_exporter {
            let Some(oldest) = waiting.oldest_of(&exporter) else { return false };
            self.give_up(&mut waiting, oldest, Reason::Evicted);
        }
        while waiting.bytes + cost > self.bounds.bytes_total {
            let oldest = || waiting.sets.keys().next().copied().filter(|_| is_proven);
            let Some(victim) = waiting.unproven.first().copied().or_else(oldest) else { return false };
            self.give_up(&mut waiting, victim, Reason::Evicted);
        }
        waiting.insert(*key, Set { header: *header, bytes: bytes.into() }, is_proven);
        self.held.add(1);
        self.hint(key).fetch_add(1, Ordering::SeqCst);
        true
    }

    /// Sets that wait.
    pub(super) fn len(&self) -> usize {
        self.lock().sets.len()
    }

    /// Whether sets may wait for this template; certain if it says no. The fence makes it so that of two workers, one that
    /// has just held a set and looks for its template, and one that has just learned the template and asks here, at least
    /// one finds what the other did.
    pub(super) fn is_held(&self, key: &TemplateKey) -> bool {
        fence(Ordering::SeqCst);
        self.hint(key).load(Ordering::SeqCst) > 0
    }

    /// The sets that wait for a template and are not too old at `now` (seconds since 1970), oldest first; they wait no longer.
    /// Those that are too old are given up, whenever somebody last looked for such: so it does not matter how late this is.
    pub(super) fn release(&self, key: &TemplateKey, now: u64) -> Vec<Set> {
        let oldest_ms = self.oldest_ms(now);
        let mut waiting = self.lock();
        let numbers = waiting.by_key.get(key).cloned().unwrap_or_default();
        let mut released = Vec::new();
        for number in numbers {
            let is_old = waiting.sets.get(&number).is_some_and(|waits| waits.set.header.received_ms < oldest_ms);
            if is_old {
                self.give_up(&mut waiting, number, Reason::Expired);
            } else if let Some((_, set)) = self.take(&mut waiting, number) {
                released.push(set);
            }
        }
        self.decoded_late.add(released.len() as u64);
        released
    }

    /// Copies of all that wait, in the order in which they came.
    pub(super) fn all(&self) -> Vec<SavedSet> {
        let waiting = self.lock();
        let saved = waiting.sets.iter().map(|(number, Waits { key, set })| SavedSet {
            domain: key.domain.into(),
            id: key.id,
            is_proven: !waiting.unproven.contains(number),
            received_ms: set.header.received_ms,
            sequence: set.header.sequence,
            export_ms: set.header.export_ms,
            uptime_ms: set.header.uptime_ms,
            count: set.header.count,
            skew: set.header.skew.into(),
            bytes: set.bytes.to_vec(),
        });
        saved.collect()
    }

    /// Sets of messages received before this are too old at `now`, seconds since 1970.
    fn oldest_ms(&self, now: u64) -> i64 {
        let now_ms = i64::try_from(now.saturating_mul(1000)).unwrap_or(i64::MAX);
        now_ms.saturating_sub(i64::try_from(self.bounds.age.as_millis()).unwrap_or(i64::MAX))
    }

    /// What was given up since the last call, what is too old at `now` (seconds since 1970) included.
    pub(super) fn given_up(&self, now: u64) -> Vec<GivenUp> {
        let oldest_ms = self.oldest_ms(now);
        let mut waiting = self.lock();
        let is_old = |set: &Set| set.header.received_ms < oldest_ms;
        let old: Vec<u64> =
            waiting.sets.iter().filter(|(_, waits)| is_old(&waits.set)).map(|(number, _)| *number).collect();
        for number in old {
            self.give_up(&mut waiting, number, Reason::Expired);
        }
        waiting.given_up.drain().map(|(_, given_up)| given_up).collect()
    }

    /// Writes counters and fill levels, of one moment.
    pub(super) fn write(&self, out: &mut Exposition) {
        let waiting = self.lock();
        out.gauge("collector_held_sets", "Data sets that wait for their template.", &[], waiting.sets.len());
        let help = "Memory of data sets that wait for their template, bookkeeping included.";
        out.gauge("collector_held_bytes", help, &[], waiting.bytes);
        let events = [
            ("held", &self.held),
            ("decoded_late", &self.decoded_late),
            (Reason::Expired.label(), &self.expired),
            (Reason::Evicted.label(), &self.evicted),
        ];
        for (event, counter) in events {
            let help = "Data sets without a template by what became of them: held = decoded_late + expired + evicted + those that wait.";
            out.counter("collector_held_sets_total", help, &[("event", event)], counter.get());
        }
    }

    fn give_up(&self, waiting: &mut Waiting, number: u64, reason: Reason) {
        let Some((key, set)) = self.take(waiting, number) else { return };
        match reason {
            Reason::Expired => self.expired.add(1),
            Reason::Evicted => self.evicted.add(1),
        }
        waiting.note(key.domain, &set, reason);
    }

    fn take(&self, waiting: &mut Waiting, number: u64) -> Option<(TemplateKey, Set)> {
        let (key, set) = waiting.remove(number)?;
        self.hint(&key).fetch_sub(1, Ordering::SeqCst);
        Some((key, set))
    }

    fn hint(&self, key: &TemplateKey) -> &AtomicU32 {
        let hash = self.hasher.hash_one(key);
        &self.hints[usize::try_from(hash % HINTS as u64).unwrap_or(0)]
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn bytes_of(&self, exporter: &Address) -> usize {
        self.by_exporter.get(exporter).map_or(0, |exporter| exporter.bytes)
    }

    fn oldest_of(&self, exporter: &Address) -> Option<u64> {
        self.by_exporter.get(exporter)?.sets.first().copied()
    }

    fn insert(&mut self, key: TemplateKey, set: Set, is_proven: bool) {
        let number = self.next;
        self.next += 1;
        let cost = set.bytes.len() + OVERHEAD_BYTES;
        self.bytes += cost;
        let exporter = self.by_exporter.entry(key.domain.exporter).or_default();
        exporter.bytes += cost;
        exporter.sets.insert(number);
        self.by_key.entry(key).or_default().push_back(number);
        if !is_proven {
            self.unproven.insert(number);
        }
        self.sets.insert(number, Waits { key, set });
    }

    fn remove(&mut self, number: u64) -> Option<(TemplateKey, Set)> {
        let Waits { key, set } = self.sets.remove(&number)?;
        let cost = set.bytes.len() + OVERHEAD_BYTES;
        self.bytes -= cost;
        self.unproven.remove(&number);
        if let Some(exporter) = self.by_exporter.get_mut(&key.domain.exporter) {
            exporter.bytes -= cost;
            exporter.sets.remove(&number);
            if exporter.sets.is_empty() {
                self.by_exporter.remove(&key.domain.exporter);
            }
        }
        if let Some(numbers) = self.by_key.get_mut(&key) {
            // Nearly always the first: sets go in the order in which they came.
            if let Some(at) = numbers.iter().position(|waiting| *waiting == number) {
                numbers.remove(at);
            }
            if numbers.is_empty() {
                self.by_key.remove(&key);
            }
        }
        Some((key, set))
    }

    fn note(&mut self, domain: DomainKey, set: &Set, reason: Reason) {
        let received_ms = set.header.received_ms;
        let mut key = (domain, received_ms.div_euclid(60_000), reason);
        if self.given_up.len() >= GIVEN_UP_LIMIT && !self.given_up.contains_key(&key) {
            key = (NOBODY, 0, reason);
        }
        let none = GivenUp { domain: key.0, received_ms, sets: 0, bytes: 0, reason };
        let given_up = self.given_up.entry(key).or_insert(none);
        given_up.sets = given_up.sets.saturating_add(1);
        given_up.bytes += set.bytes.len() as u64;
    }
}
