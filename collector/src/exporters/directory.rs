//! All exporters, shared by the workers: bounded, and so that those that decode are not pushed out by those that do not.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use netflow::columns::Address;

use super::exporter::Exporter;
use super::identity::Identity;
use super::routes::Routes;
use crate::front_door::Refusal;
use crate::ledger::Agents;
use crate::metrics::{Counter, Exposition};

/// Parts with a lock each, so that workers seldom meet.
const SHARDS: usize = 16;
/// Exporters of a part that have sent something that decodes; 65,536 in all.
const ESTABLISHED_MAX: usize = 4_096;
/// Others of a part: of these the oldest makes room.
const STRANGERS_MAX: usize = 256;
/// An exporter that was not heard for this long makes room for another: a day.
const IDLE_MS: i64 = 86_400_000;
/// How often a full part looks for idle exporters.
const LOOK_INTERVAL_MS: i64 = 60_000;

/// The exporters. Clones are handles to the same directory.
#[derive(Debug, Clone, Default)]
pub struct Directory(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    agents: Agents,
    routes: Routes,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    evicted: Counter,
    refused: Counter,
    sampling_changes: Counter,
    /// Since when this process receives, milliseconds since 1970.
    since_ms: AtomicI64,
}

#[derive(Debug, Default)]
struct Shard {
    entries: HashMap<Identity, Arc<Entry>, RandomState>,
    established: usize,
    /// Strangers in the order in which they came; some have become established since.
    strangers: VecDeque<Identity>,
    /// When idle exporters may be looked for again: it is a walk through all of them.
    look_again_ms: i64,
}

/// One exporter in the directory.
#[derive(Debug, Default)]
pub(super) struct Entry {
    exporter: Mutex<Exporter>,
    is_established: AtomicBool,
    is_gone: AtomicBool,
}

impl Entry {
    pub(super) fn lock(&self) -> MutexGuard<'_, Exporter> {
        self.exporter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_established(&self) -> bool {
        self.is_established.load(Ordering::Relaxed)
    }

    /// Whether another has taken its place.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }
}

impl Directory {
    /// An empty directory of exporters, which speak for these devices.
    #[must_use]
    pub fn new(agents: Agents) -> Self {
        Self(Arc::new(Inner { agents, ..Inner::default() }))
    }

    pub(super) fn agents(&self) -> &Agents {
        &self.0.agents
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.0.routes
    }

    /// The entry of an exporter, made where there is none.
    pub(super) fn entry(&self, exporter: &Identity) -> Arc<Entry> {
        let mut shard = self.shard(exporter);
        if let Some(entry) = shard.entries.get(exporter) {
            return Arc::clone(entry);
        }
        while shard.entries.len() >= shard.established + STRANGERS_MAX
            && let Some(oldest) = shard.strangers.pop_front()
        {
            self.0.evicted.add(u64::from(shard.remove_stranger(&oldest)));
        }
        let entry = Arc::<Entry>::default();
        shard.entries.insert(*exporter, Arc::clone(&entry));
        shard.strangers.push_back(*exporter);
        entry
    }

    /// The exporter has sent something that decodes: it keeps its place. `now_ms` is the time, milliseconds since 1970.
    pub(super) fn establish(&self, exporter: &Identity, now_ms: i64) {
        let mut shard = self.shard(exporter);
        if shard.established >= ESTABLISHED_MAX && now_ms >= shard.look_again_ms {
            shard.look_again_ms = now_ms + LOOK_INTERVAL_MS;
            self.0.evicted.add(shard.remove_idle(now_ms - IDLE_MS));
        }
        if shard.established >= ESTABLISHED_MAX {
            return self.0.refused.add(1);
        }
        let Some(entry) = shard.entries.get(exporter) else { return };
        if entry.is_established.swap(true, Ordering::Relaxed) {
            return;
        }
        shard.established += 1;
        shard.strangers.retain(|stranger| stranger != exporter);
    }

    /// Datagrams that the front door refused in the kernel.
    pub fn refused(&self, exporter: &Address, refusal: Refusal, count: u64, now_ms: i64) {
        if count > 0 && *exporter != crate::ledger::NOBODY {
            self.entry(&Identity::of_sender(*exporter)).lock().refused(refusal, count, now_ms);
        }
    }

    pub(super) fn set_since(&self, since_ms: i64) {
        self.0.since_ms.store(since_ms, Ordering::Relaxed);
    }

    pub(super) fn since_ms(&self) -> i64 {
        self.0.since_ms.load(Ordering::Relaxed)
    }

    pub(super) fn sampling_changed(&self, changes: u64) {
        self.0.sampling_changes.add(changes);
    }

    /// All exporters, by sender and device.
    pub(super) fn all(&self) -> Vec<(Identity, Arc<Entry>)> {
        let shards = self.0.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner));
        let mut all: Vec<_> = shards
            .flat_map(|shard| shard.entries.iter().map(|(of, entry)| (*of, Arc::clone(entry))).collect::<Vec<_>>())
            .collect();
        all.sort_unstable_by_key(|(of, _)| *of);
        all
    }

    /// Writes what is counted.
    pub fn write(&self, out: &mut Exposition) {
        let (mut established, mut strangers) = (0, 0);
        for shard in &self.0.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            established += shard.established;
            strangers += shard.entries.len() - shard.established;
        }
        let help = "Exporters in the directory, by whether anything that they sent decodes.";
        out.gauge("collector_exporters", help, &[("decodes", "yes")], established);
        out.gauge("collector_exporters", help, &[("decodes", "no")], strangers);
        let help = "Exporters that made room for others in the directory.";
        out.counter("collector_exporters_evicted_total", help, &[], self.0.evicted.get());
        let help = "Times that an exporter that decodes found no lasting place in the directory.";
        out.counter("collector_exporters_refused_total", help, &[], self.0.refused.get());
        let help = "Changes of an exporter's sampling rate.";
        out.counter("collector_sampling_changes_total", help, &[], self.0.sampling_changes.get());
    }

    fn shard(&self, exporter: &Identity) -> MutexGuard<'_, Shard> {
        let number = self.0.hasher.hash_one(exporter.sender) as usize % SHARDS;
        self.0.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    fn remove_stranger(&mut self, of: &Identity) -> bool {
        if self.entries.get(of).is_none_or(|entry| entry.is_established()) {
            return false;
        }
        self.remove(of);
        true
    }

    fn remove_idle(&mut self, oldest_ms: i64) -> u64 {
        let is_idle = |entry: &Entry| entry.is_established() && entry.lock().last_ms < oldest_ms;
        let idle: Vec<Identity> = self.entries.iter().filter(|(_, entry)| is_idle(entry)).map(|(of, _)| *of).collect();
        for of in &idle {
            self.remove(of);
        }
        self.established -= idle.len();
        idle.len() as u64
    }

    fn remove(&mut self, of: &Identity) {
        if let Some(entry) = self.entries.remove(of) {
            entry.is_gone.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u32) -> Identity {
        let mut address = [0xfd; 16];
        address[..4].copy_from_slice(&number.to_be_bytes());
        Identity::of_sender(address)
    }

    #[test]
    fn newcomers_do_not_push_out_who_decodes() {
        let directory = Directory::default();
        for number in 0..100 {
            directory.entry(&address(number)).lock().datagrams = 1;
            directory.establish(&address(number), 0);
        }
        let stranger = directory.entry(&address(1_000));
        for number in 2_000..20_000 {
            directory.entry(&address(number));
        }
        assert!(stranger.is_gone());
        assert!((0..100).all(|number| directory.entry(&address(number)).lock().datagrams == 1));
        let all = directory.all().len();
        assert!((100..=100 + SHARDS * STRANGERS_MAX).contains(&all), "{all}");
    }

    #[test]
    fn idle_exporters_make_room_when_all_places_are_taken() {
        let directory = Directory::default();
        for number in 0..80_000 {
            directory.entry(&address(number));
            directory.establish(&address(number), 0);
        }
        let full = directory.all().iter().filter(|(_, entry)| entry.is_established()).count();
        assert_eq!(full, SHARDS * ESTABLISHED_MAX);
        assert!(directory.0.refused.get() > 0);
        directory.entry(&address(1_000_000));
        directory.establish(&address(1_000_000), IDLE_MS + 1);
        assert!(directory.entry(&address(1_000_000)).is_established());
    }
}
