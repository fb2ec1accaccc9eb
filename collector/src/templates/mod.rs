//! Templates and option values of all exporters: one store for all workers, lock-free to read, bounded, saved across restarts.
//!
//! [`Templates`] is the shared truth; every worker reads and writes it through its own [`Cache`], which is what the decoder
//! sees as [`netflow::store::Store`]. Readers never wait: writers of one exporter wait for each other only, behind a lock that
//! no reader takes. Not here: what a template means (`netflow`), and when to save, restore or expire (the supervisor).

/// Questions about announced option values.
mod announced;
/// A worker's view of the store.
mod cache;
/// What the store counts.
mod counters;
/// A snapshot as text.
pub mod print;
/// What each exporter has in the store, and the room that is left.
mod room;
/// The store's contents as a file.
pub mod snapshot;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam::utils::CachePadded;
use netflow::columns::Address;
use netflow::options::{OptionValue, Options};
use netflow::store::{DomainKey, Learned, TemplateKey};
use netflow::template::{Kind, Template};

use announced::{count_values, fits, is_announced};
pub use cache::Cache;
pub use counters::Counters;
pub use room::Bounds;
use room::{Exporters, Room};
pub use snapshot::Snapshot;

/// Generation counters: exporters are spread over these, so that one exporter's changes leave most others' cache entries valid.
const SHARDS: usize = 256;

type Map<K, V> = papaya::HashMap<K, V, foldhash::fast::RandomState>;

/// How much the store keeps, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The most that one exporter may have.
    pub per_exporter: Bounds,
    /// The most that all exporters may have together.
    pub total: Bounds,
    /// What has not been used or repeated for this long is forgotten; `None` keeps it for ever.
    pub idle_expiry: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_exporter: Bounds { templates: 4096, fields: 131_072, option_values: 8192 },
            total: Bounds { templates: 131_072, fields: 4_194_304, option_values: 524_288 },
            idle_expiry: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}

/// The store, shared: cloning gives another handle to the same one.
#[derive(Debug, Clone)]
pub struct Templates(Arc<Shared>);

/// How much of a snapshot was taken up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Templates that are in force now.
    pub templates: usize,
    /// Option values that are in force now.
    pub option_values: usize,
    /// Templates and domains left out: older than the idle expiry.
    pub expired: usize,
    /// Templates and option values left out: no room, or not well-formed.
    pub refused: usize,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    templates: Map<TemplateKey, Arc<Entry>>,
    options: Map<DomainKey, Arc<Announced>>,
    shards: Box<[CachePadded<Shard>]>,
    hasher: foldhash::fast::RandomState,
    room: Room,
    counters: Counters,
}

/// One template in the store.
#[derive(Debug)]
struct Entry {
    template: Arc<Template>,
    /// Seconds since 1970.
    learned_at: u64,
    /// When it was last used or repeated, seconds since 1970.
    seen_at: AtomicU64,
}

/// One domain's option values in the store.
#[derive(Debug)]
struct Announced {
    options: Arc<Options>,
    /// When they were last used or repeated, seconds since 1970.
    seen_at: AtomicU64,
}

#[derive(Debug, Default)]
struct Shard {
    /// Raised after every change that makes a cached answer wrong.
    generation: AtomicU64,
    exporters: Mutex<Exporters>,
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
            counters: Counters::default(),
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
    }

    /// Forgets what has been idle for longer than the settings allow, as of `now` (seconds since 1970); how much that was.
    pub fn expire(&self, now: u64) -> usize {
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

    /// Takes up the snapshot at `path`; nothing that is in the store already is replaced. No file counts as an empty one.
    ///
    /// # Errors
    /// The file is not a whole snapshot of this version: it is kept aside with the ending `.bad` and the store is as it was.
    pub fn restore(&self, path: &Path, now: u64) -> Result<Restored, snapshot::Error> {
        let snapshot = match snapshot::read(path) {
            Ok(snapshot) => snapshot,
            Err(error) if error.is_missing() => return Ok(Restored::default()),
            Err(error) => {
                snapshot::set_aside(path);
                return Err(error);
            }
        };
        Ok(snapshot::put_back(&self.0, &snapshot, now))
    }
}

impl Shared {
    fn shard(&self, exporter: &Address) -> &Shard {
        use std::hash::BuildHasher;
        let hash = self.hasher.hash_one(exporter);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
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
        let Some(learned) = self.keep(key, template, now, now) else { return Learned::New };
        self.counters.count(learned);
        learned
    }

    /// Keeps a template; `None` if the very same one was there. When a different one with this key is in force and there is
    /// no room for its successor, neither is kept: the exporter's data is no longer in the old one's layout.
    fn keep(&self, key: TemplateKey, template: Arc<Template>, learned_at: u64, seen_at: u64) -> Option<Learned> {
        let shard = self.shard(&key.domain.exporter);
        let mut exporters = shard.lock();
        let before = self.find(&key);
        if let Some(before) = &before {
            if same(&before.template, &template) {
                before.seen_at.fetch_max(seen_at, Ordering::Relaxed);
                return None;
            }
            self.forget(&mut exporters, &key);
        }
        let kept = self.room.take_template(&mut exporters, key, template.fields().len());
        if kept {
            let entry = Entry { template, learned_at, seen_at: AtomicU64::new(seen_at) };
            self.templates.pin().insert(key, Arc::new(entry));
        }
        if before.is_some() {
            shard.changed();
        }
        Some(match (kept, before.is_some()) {
            (true, false) => Learned::New,
            (true, true) => Learned::Replaced,
            (false, _) => Learned::Refused,
        })
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

    /// Takes up option values; how many of them are in force afterwards.
    fn announce(&self, domain: &DomainKey, values: &[OptionValue], seen_at: u64) -> usize {
        if let Some(announced) = self.find_options(domain) {
            announced.seen_at.fetch_max(seen_at, Ordering::Relaxed);
            if values.iter().all(|value| announced.options.is_known(value)) {
                return values.len();
            }
        }
        let shard = self.shard(&domain.exporter);
        let mut exporters = shard.lock();
        let mut options = self.find_options(domain).map(|announced| (*announced.options).clone()).unwrap_or_default();
        let mut changed = 0;
        let mut refused = 0;
        for value in values {
            if options.is_known(value) {
                continue;
            }
            let takes_room = !is_announced(&options, value);
            if !fits(value) || takes_room && !self.room.take_value(&mut exporters, *domain) {
                refused += 1;
                continue;
            }
            if options.apply(value) {
                changed += 1;
                continue;
            }
            refused += 1;
            if takes_room {
                self.room.give_back_values(&mut exporters, domain, 1);
            }
        }
        self.counters.options_refused.add(refused as u64);
        if changed == 0 {
            return values.len() - refused;
        }
        let announced = Announced { options: Arc::new(options), seen_at: AtomicU64::new(seen_at) };
        self.options.pin().insert(*domain, Arc::new(announced));
        shard.changed();
        self.counters.options_changed.add(changed);
        values.len() - refused
    }

    fn expire(&self, now: u64) -> usize {
        let Some(idle_expiry) = self.settings.idle_expiry else { return 0 };
        let oldest = now.saturating_sub(idle_expiry.as_secs());
        let mut expired = 0;
        let idle: Vec<TemplateKey> =
            self.templates.pin().iter().filter(|(_, entry)| entry.is_idle(oldest)).map(|(key, _)| *key).collect();
        for key in idle {
            let shard = self.shard(&key.domain.exporter);
            let mut exporters = shard.lock();
            // Looked at again under the lock: it may have been repeated or replaced meanwhile.
            if self.find(&key).is_some_and(|entry| entry.is_idle(oldest)) && self.forget(&mut exporters, &key) {
                shard.changed();
                expired += 1;
            }
        }
        let idle: Vec<DomainKey> =
            self.options.pin().iter().filter(|(_, announced)| announced.is_idle(oldest)).map(|(key, _)| *key).collect();
        for domain in idle {
            let shard = self.shard(&domain.exporter);
            let mut exporters = shard.lock();
            let Some(announced) = self.find_options(&domain).filter(|announced| announced.is_idle(oldest)) else {
                continue;
            };
            self.options.pin().remove(&domain);
            self.room.give_back_values(&mut exporters, &domain, count_values(&announced.options));
            shard.changed();
            expired += 1;
        }
        self.counters.expired.add(expired as u64);
        expired
    }

    /// Removes a template and gives its room back; the caller raises the generation.
    fn forget(&self, exporters: &mut Exporters, key: &TemplateKey) -> bool {
        let templates = self.templates.pin();
        let Some(entry) = templates.remove(key) else { return false };
        self.room.give_back_template(exporters, key, entry.template.fields().len());
        true
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, Exporters> {
        self.exporters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes cached answers about this shard's exporters be asked for again. Called after the maps were changed, so that a
    /// reader who still finds the old value has also read the old generation.
    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

impl Entry {
    fn is_idle(&self, oldest: u64) -> bool {
        self.seen_at.load(Ordering::Relaxed) < oldest
    }
}

impl Announced {
    fn is_idle(&self, oldest: u64) -> bool {
        self.seen_at.load(Ordering::Relaxed) < oldest
    }
}

fn same(one: &Template, other: &Template) -> bool {
    one.kind() == other.kind() && one.fields() == other.fields()
}

fn is_data(kind: Kind) -> bool {
    matches!(kind, Kind::Data)
}
