//! Templates and option values of all exporters: one store for all workers, lock-free to read, bounded, saved across restarts.
//!
//! [`Templates`] is the shared truth; every worker reads and writes it through its own [`Cache`], which is what the decoder
//! sees as [`netflow::store::Store`]. Readers never wait: writers of one exporter wait for each other only, behind a lock that
//! no reader takes. Not here: what a template means (`netflow`), and when to save, restore or expire (the supervisor).

/// One domain's option values in the store.
mod announced;
/// A worker's view of the store.
mod cache;
/// Changes of sampling rates in the log.
mod changes;
/// What the store counts.
mod counters;
/// One template in the store.
mod entry;
/// Data sets that wait for their template.
mod held;
/// Names of interfaces that exporters announced.
mod interfaces;
/// Templates that many exporters have alike.
mod kinds;
/// A snapshot as text.
pub mod print;
/// What each exporter has in the store, and the room that is left.
mod room;
/// What a snapshot holds.
mod saved;
/// What a snapshot holds of running totals.
mod saved_totals;
/// The store's contents as a file.
pub mod snapshot;
/// What the store has of each exporter.
mod summary;
/// What flows have reported so far.
mod totals;
/// Elements that no table names.
mod unknown;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::utils::CachePadded;
use netflow::columns::Address;
use netflow::skew::{Clock, ClockSkew, Clocks};
use netflow::store::{DomainKey, Learned, TemplateKey};
use netflow::template::{Kind, Template};

use announced::Announced;
pub use cache::Cache;
use changes::Changes;
pub use counters::Counters;
use entry::Entry;
use held::Held;
pub use held::{Bounds as HeldBounds, GivenUp, Reason};
use kinds::Kinds;
pub use room::Bounds;
use room::{Exporters, Room};
pub use snapshot::{SavedPosition, SavedSequence, Snapshot};
pub use summary::{OfDomain, OfExporter};
use totals::Accounts;
pub use totals::Bounds as TotalsBounds;
pub use unknown::UnknownElement;

/// Generation counters: exporters are spread over these, so that one exporter's changes leave most others' cache entries valid.
const SHARDS: usize = 256;
/// Most exporters of a shard whose clock is off.
const CLOCKS_PER_SHARD: usize = 1024;

type Map<K, V> = papaya::HashMap<K, V, foldhash::fast::RandomState>;

/// How much the store keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The most that one exporter may have.
    pub per_exporter: Bounds,
    /// The most that all exporters may have together.
    pub total: Bounds,
    /// Templates neither used nor repeated and option values not repeated for this long are forgotten; `None` keeps them for
    /// ever.
    pub idle_expiry: Option<Duration>,
    /// How much of data sets without a template is held.
    pub held: HeldBounds,
    /// How many flows are remembered for what they have reported so far.
    pub totals: TotalsBounds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_exporter: Bounds { templates: 4096, fields: 131_072, option_values: 8192 },
            total: Bounds { templates: 131_072, fields: 4_194_304, option_values: 524_288 },
            idle_expiry: Some(Duration::from_secs(24 * 60 * 60)),
            held: HeldBounds::default(),
            totals: TotalsBounds::default(),
        }
    }
}

/// The store, shared: cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct Templates(Arc<Shared>);

/// How much of a snapshot was taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Templates that are in force now.
    pub templates: usize,
    /// Option values that are in force now.
    pub option_values: usize,
    /// Templates and option values left out: older than the idle expiry.
    pub expired: usize,
    /// Templates and option values left out: no room, or not well-formed.
    pub refused: usize,
    /// Data sets that wait for their template again.
    pub held: usize,
    /// How far each journal was decoded into all this.
    pub journals: Vec<SavedPosition>,
    /// Where the sequences of exporters stood.
    pub sequences: Vec<SavedSequence>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    templates: Map<TemplateKey, Arc<Entry>>,
    options: Map<DomainKey, Arc<Announced>>,
    shards: Box<[CachePadded<Shard>]>,
    hasher: foldhash::fast::RandomState,
    room: Room,
    kinds: Kinds,
    /// When a full store was last looked through for what may go, seconds since 1970.
    made_room_at: AtomicU64,
    counters: Counters,
    changes: Changes,
    held: Held,
    totals: Accounts,
    /// What templates that are gone counted of elements that no table names.
    past: unknown::Past,
}

#[derive(Debug, Default)]
struct Shard {
    /// Raised after every change that makes a cached answer wrong.
    generation: AtomicU64,
    exporters: Mutex<Exporters>,
    /// Those of exporters that are off.
    clocks: Mutex<Clocks>,
}

impl Templates {
    /// An empty store.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Shared {
            settings,
            templates: Map::default(),
            options: Map::default(),
            shards: (0..SHARDS).map(|_| CachePadded::default()).collect(),
            hasher: foldhash::fast::RandomState::default(),
            room: Room::new(settings.per_exporter, settings.total),
            kinds: Kinds::default(),
            made_room_at: AtomicU64::new(0),
            counters: Counters::default(),
            changes: Changes::default(),
            held: Held::new(settings.held),
            totals: Accounts::new(settings.totals),
            past: unknown::Past::default(),
        }))
    }

    /// A view for one worker.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::new(Arc::clone(&self.0))
    }

    /// Templates in the store.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.templates.len()
    }

    /// Whether it holds no template.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.templates.is_empty()
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.0.counters
    }

    /// Writes counters and fill levels.
    pub fn write(&self, out: &mut crate::metrics::Exposition) {
        self.0.counters.write(out);
        self.0.room.write(out);
        self.0.held.write(out);
        self.0.totals.write(out);
        unknown::write(self.unknown_elements(), out);
    }

    /// The data sets given up since the last call, those that have waited too long at `now` (seconds since 1970) included:
    /// those of a domain, a minute and a reason in one.
    #[must_use]
    pub fn held_given_up(&self, now: u64) -> Vec<GivenUp> {
        self.0.held.given_up(now)
    }

    /// Data sets that wait for their template.
    #[must_use]
    pub fn held_sets(&self) -> usize {
        self.0.held.len()
    }

    /// Elements in the templates of each exporter that no table names, with the number of data records that had them.
    #[must_use]
    pub fn unknown_elements(&self) -> Vec<UnknownElement> {
        let templates = self.0.templates.pin();
        let current = templates.iter().filter(|(_, entry)| !entry.unknown.is_empty() && entry.decoded() > 0);
        self.0.past.with(current.map(|(key, entry)| (key.domain.exporter, entry.unknown.clone(), entry.decoded())))
    }

    /// Forgets what has been idle for longer than the settings allow, as of `now` (seconds since 1970); how much that was.
    pub fn expire(&self, now: u64) -> usize {
        self.0.totals.expire(now);
        self.0.expire(now)
    }

    /// A copy of everything, sorted, as of `now` (seconds since 1970).
    #[must_use]
    pub fn snapshot(&self, now: u64) -> Snapshot {
        snapshot::take(&self.0, now)
    }

    /// Saves a snapshot, replacing the file at `path` in one step.
    ///
    /// # Errors
    /// The operation that failed and its file; the file that was there before is untouched then.
    pub fn save(&self, path: &Path, now: u64) -> Result<Snapshot, snapshot::Error> {
        let snapshot = self.snapshot(now);
        snapshot::write(path, &snapshot)?;
        Ok(snapshot)
    }

    /// Takes up the snapshot at `path`, as of the time when it was taken; nothing that is in the store already is replaced. No file
    /// counts as an empty one.
    ///
    /// # Errors
    /// The file is not a whole snapshot of this version: it is kept aside with the ending `.bad` and the store is as it was.
    pub fn restore(&self, path: &Path) -> Result<Restored, snapshot::Error> {
        let snapshot = match snapshot::read(path) {
            Ok(snapshot) => snapshot,
            Err(error) if error.is_missing() => return Ok(Restored::default()),
            Err(error) => {
                snapshot::set_aside(path);
                return Err(error);
            }
        };
        Ok(snapshot::put_back(&self.0, &snapshot))
    }
}

impl Shared {
    fn shard(&self, exporter: &Address) -> &Shard {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(exporter);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }

    /// Whether any template or option value of an exporter is in the store.
    fn knows(&self, exporter: &Address) -> bool {
        self.shard(exporter).lock().knows(exporter)
    }

    /// Takes the measure of a domain's clock; see [`netflow::Store::clock_skew`].
    fn measure_clock(&self, domain: &DomainKey, skew_ms: i64, received_ms: i64) -> ClockSkew {
        self.shard(&domain.exporter).clocks().measure(domain, skew_ms, received_ms, CLOCKS_PER_SHARD)
    }

    /// The clocks that are off, sorted.
    fn clocks(&self) -> Vec<(DomainKey, Clock)> {
        let of_shard = |shard: &CachePadded<Shard>| shard.clocks().iter().copied().collect::<Vec<_>>();
        let mut clocks: Vec<(DomainKey, Clock)> = self.shards.iter().flat_map(of_shard).collect();
        clocks.sort_unstable_by_key(|(domain, _)| *domain);
        clocks
    }

    fn find(&self, key: &TemplateKey) -> Option<Arc<Entry>> {
        self.templates.pin().get(key).cloned()
    }

    fn find_options(&self, domain: &DomainKey) -> Option<Arc<Announced>> {
        self.options.pin().get(domain).cloned()
    }

    /// Keeps a template and counts what became of it. Two workers may meet the same new template at once: to the second one
    /// it is as new as to the first.
    fn learn(&self, key: TemplateKey, template: Arc<Template>, now: u64) -> Learned {
        let fields = template.fields().len();
        let mut kept = self.keep(key, Entry::new(key.domain.version, Arc::clone(&template), now));
        if kept == Some(Learned::Refused) && self.room.is_full(fields) && self.make_room(now) {
            kept = self.keep(key, Entry::new(key.domain.version, template, now));
        }
        let Some(learned) = kept else { return Learned::New };
        self.counters.count(learned);
        learned
    }

    /// Keeps a template; `None` if the very same one was there. When a different one with this key is in force and there is
    /// no room for its successor, neither is kept: the exporter's data is no longer in the old one's layout.
    fn keep(&self, key: TemplateKey, mut entry: Entry) -> Option<Learned> {
        entry.template = self.kinds.one(key.domain.version, entry.template);
        let shard = self.shard(&key.domain.exporter);
        let mut exporters = shard.lock();
        let fields = entry.template.fields().len();
        let Some(before) = self.find(&key) else {
            if !self.room.take_template(&mut exporters, key, fields) {
                return Some(Learned::Refused);
            }
            self.templates.pin().insert(key, Arc::new(entry));
            return Some(Learned::New);
        };
        if same(&before.template, &entry.template) {
            touch(&before.repeated_at, *entry.repeated_at.get_mut());
            return None;
        }
        let has_room = self.room.resize_template(&mut exporters, &key, before.template.fields().len(), fields);
        if has_room {
            self.past.take(key.domain.exporter, &before.unknown, before.decoded());
            // In one step: a reader finds the old one or the new one, never none.
            self.templates.pin().insert(key, Arc::new(entry));
        } else {
            self.forget(&mut exporters, &key);
        }
        shard.changed();
        Some(if has_room { Learned::Replaced } else { Learned::Refused })
    }

    /// Makes room when all exporters together have as much as they may, so that forged ones cannot keep new ones out until
    /// the idle expiry. Looks through the whole store, hence at most once a second; whether anything was forgotten.
    fn make_room(&self, now: u64) -> bool {
        if self.made_room_at.swap(now, Ordering::Relaxed) == now {
            return false;
        }
        let evicted = self.forget_all(|entry| entry.is_dispensable(now));
        self.counters.evicted.add(evicted as u64);
        evicted > 0
    }

    fn withdraw(&self, key: &TemplateKey) -> bool {
        let shard = self.shard(&key.domain.exporter);
        let mut exporters = shard.lock();
        let found = self.forget(&mut exporters, key);
        if found {
            shard.changed();
            self.counters.withdrawn.add(1);
        }
        found
    }

    fn withdraw_all(&self, domain: &DomainKey, kind: Kind) -> usize {
        let shard = self.shard(&domain.exporter);
        let mut exporters = shard.lock();
        let of_kind = |key: &TemplateKey| {
            key.domain == *domain && self.find(key).is_some_and(|entry| is_data(entry.template.kind()) == is_data(kind))
        };
        let keys: Vec<TemplateKey> = exporters.templates(&domain.exporter).copied().filter(of_kind).collect();
        for key in &keys {
            self.forget(&mut exporters, key);
        }
        if !keys.is_empty() {
            shard.changed();
            self.counters.withdrawn.add(keys.len() as u64);
        }
        keys.len()
    }

    fn expire(&self, now: u64) -> usize {
        let Some(idle_expiry) = self.settings.idle_expiry else { return 0 };
        let oldest = now.saturating_sub(idle_expiry.as_secs());
        for shard in &self.shards {
            shard.clocks().forget_before(oldest.saturating_mul(1000).cast_signed());
        }
        let expired = self.forget_all(|entry| entry.seen_at() < oldest) + self.expire_values(oldest);
        self.counters.expired.add(expired as u64);
        expired
    }

    /// Forgets every template of which `which` holds; how many.
    fn forget_all(&self, which: impl Fn(&Entry) -> bool) -> usize {
        let keys: Vec<TemplateKey> =
            self.templates.pin().iter().filter(|(_, entry)| which(entry)).map(|(key, _)| *key).collect();
        let mut forgotten = 0;
        for key in keys {
            let shard = self.shard(&key.domain.exporter);
            let mut exporters = shard.lock();
            // Looked at again under the lock: it may have been repeated or replaced meanwhile.
            if self.find(&key).is_some_and(|entry| which(&entry)) && self.forget(&mut exporters, &key) {
                shard.changed();
                forgotten += 1;
            }
        }
        forgotten
    }

    /// Removes a template and gives its room back; the caller raises the generation.
    fn forget(&self, exporters: &mut Exporters, key: &TemplateKey) -> bool {
        let templates = self.templates.pin();
        let Some(entry) = templates.remove(key) else { return false };
        self.room.give_back_template(exporters, key, entry.template.fields().len());
        self.past.take(key.domain.exporter, &entry.unknown, entry.decoded());
        true
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Exporters> {
        self.exporters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clocks(&self) -> MutexGuard<'_, Clocks> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes cached answers about this shard's exporters be asked for again. Called after the maps were changed, so that a
    /// reader who still finds the old value has also read the old generation.
    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

/// Notes a time. Written at most once a second, so that the line stays shared between workers.
fn touch(at: &AtomicU64, now: u64) {
    if at.load(Ordering::Relaxed) < now {
        at.store(now, Ordering::Relaxed);
    }
}

fn same(one: &Template, other: &Template) -> bool {
    one.kind() == other.kind() && one.fields() == other.fields()
}

fn is_data(kind: Kind) -> bool {
    matches!(kind, Kind::Data)
}
