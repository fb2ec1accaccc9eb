//! One domain's option values in the store: taking them up, and forgetting what is no longer announced.
//!
//! Only an announcement keeps a value in force, not its use: a sampler that the operator removed must not scale volumes for
//! ever because flows keep coming. Each sampling rate has its own age; the names of applications have one
//! together, and so have those of interfaces and of VRFs.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow::options::{OptionKey, OptionValue, Options, SamplingScope};
use netflow::store::DomainKey;

use super::{Shared, touch};

/// Longest name kept, in bytes; a longer one is refused, so that a count of values bounds their memory.
const MAX_NAME_BYTES: usize = 256;

/// One domain's option values in the store.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) options: Arc<Options>,
    ages: Ages,
}

/// When values were last announced, seconds since 1970.
#[derive(Debug, Default)]
struct Ages {
    sampling: Arc<HashMap<SamplingScope, AtomicU64, foldhash::fast::RandomState>>,
    applications: AtomicU64,
    interface_names: AtomicU64,
    vrf_names: AtomicU64,
    system_init: AtomicU64,
}

impl Announced {
    /// Notes that the exporter announced a known value once more, `now` in seconds since 1970.
    pub(super) fn repeat(&self, key: OptionKey, now: u64) {
        if let Some(seen_at) = self.ages.of(key) {
            touch(seen_at, now);
        }
    }

    /// When a value was last announced, seconds since 1970.
    pub(super) fn seen_at(&self, key: OptionKey) -> u64 {
        self.ages.of(key).map_or(0, |seen_at| seen_at.load(Ordering::Relaxed))
    }

    /// The values that were announced at `oldest` or later, seconds since 1970.
    fn since(&self, oldest: u64) -> Options {
        let mut options = Options::clone(&self.options);
        let is_idle = |key| self.seen_at(key) < oldest;
        if options.sampling.iter().any(|(scope, _)| is_idle(OptionKey::Sampling(scope))) {
            let rates = options.sampling.iter().filter(|(scope, _)| !is_idle(OptionKey::Sampling(*scope)));
            options.sampling = Arc::new(rates.collect());
        }
        // All names have the same age, whatever the id.
        if is_idle(OptionKey::Application(0)) {
            options.applications = Arc::default();
        }
        if is_idle(OptionKey::InterfaceName(0)) {
            options.interface_names = Arc::default();
        }
        if is_idle(OptionKey::VrfName(0)) {
            options.vrf_names = Arc::default();
        }
        options.system_init_ms = options.system_init_ms.filter(|_| !is_idle(OptionKey::SystemInit));
        options
    }
}

impl Ages {
    fn of(&self, key: OptionKey) -> Option<&AtomicU64> {
        match key {
            OptionKey::Sampling(scope) => self.sampling.get(&scope),
            OptionKey::Application(_) => Some(&self.applications),
            OptionKey::InterfaceName(_) => Some(&self.interface_names),
            OptionKey::VrfName(_) => Some(&self.vrf_names),
            OptionKey::SystemInit => Some(&self.system_init),
        }
    }

    /// The same ages for other values.
    fn with_scopes_of(&self, options: &Options) -> Self {
        let copy = |seen_at: &AtomicU64| AtomicU64::new(seen_at.load(Ordering::Relaxed));
        let scopes = || options.sampling.iter().map(|(scope, _)| scope);
        let is_same =
            options.sampling.len() == self.sampling.len() && scopes().all(|scope| self.sampling.contains_key(&scope));
        let sampling = match is_same {
            true => Arc::clone(&self.sampling),
            false => Arc::new(
                scopes()
                    .map(|scope| (scope, self.sampling.get(&scope).map_or_else(AtomicU64::default, copy)))
                    .collect(),
            ),
        };
        Self {
            sampling,
            applications: copy(&self.applications),
            interface_names: copy(&self.interface_names),
            vrf_names: copy(&self.vrf_names),
            system_init: copy(&self.system_init),
        }
    }
}

impl Shared {
    /// Takes up option values, each with the time when it was announced; how many of them are in force afterwards.
    pub(super) fn announce<'a>(
        &self,
        domain: &DomainKey,
        values: impl Iterator<Item = (&'a OptionValue, u64)> + Clone,
    ) -> usize {
        let shard = self.shard(&domain.exporter);
        let mut exporters = shard.lock();
        let before = self.find_options(domain);
        // A copy shares its parts with the original until one of them changes.
        let mut options = before.as_ref().map(|before| Options::clone(&before.options)).unwrap_or_default();
        let (mut kept, mut changed, mut refused) = (0, 0, 0);
        for (value, seen_at) in values.clone() {
            if options.is_known(value) {
                kept += 1;
                continue;
            }
            let takes_room = !options.has(&value.key());
            let is_possible = fits(value) && options.has_room(value);
            if !is_possible || takes_room && !self.room.take_value(&mut exporters, *domain) {
                refused += 1;
                continue;
            }
            if let OptionValue::Sampling { scope, rate } = value
                && let Some(before) = options.sampling.get(scope)
            {
                self.counters.sampling_changed.add(1);
                self.changes.log(domain, *scope, before, *rate, seen_at);
            }
            let most = options.len() + usize::from(takes_room);
            options.apply(value);
            // Another start of the exporter makes rates of its processes void.
            self.room.give_back_values(&mut exporters, domain, most - options.len());
            changed += 1;
        }
        self.counters.options_refused.add(refused);
        let in_force =
            values.filter(|(value, _)| options.is_known(value)).map(|(value, seen_at)| (value.key(), seen_at));
        if changed == 0 {
            for (key, seen_at) in in_force {
                before.iter().for_each(|before| before.repeat(key, seen_at));
            }
            return kept;
        }
        let none = Ages::default();
        let ages = before.as_ref().map_or(&none, |before| &before.ages).with_scopes_of(&options);
        for (key, seen_at) in in_force {
            ages.of(key).into_iter().for_each(|age| touch(age, seen_at));
        }
        self.options.pin().insert(*domain, Arc::new(Announced { options: Arc::new(options), ages }));
        shard.changed();
        self.counters.options_changed.add(changed);
        kept + usize::try_from(changed).unwrap_or(usize::MAX)
    }

    /// Forgets option values not announced since `oldest`, seconds since 1970; how many.
    pub(super) fn expire_values(&self, oldest: u64) -> usize {
        let forgotten = |before: &Announced, options: &Options| before.options.len() - options.len();
        let is_idle = |announced: &Announced| forgotten(announced, &announced.since(oldest)) > 0;
        let idle: Vec<DomainKey> =
            self.options.pin().iter().filter(|(_, announced)| is_idle(announced)).map(|(key, _)| *key).collect();
        let mut expired = 0;
        for domain in idle {
            let shard = self.shard(&domain.exporter);
            let mut exporters = shard.lock();
            // Looked at again under the lock: they may have been announced meanwhile.
            let Some(before) = self.find_options(&domain) else { continue };
            let options = before.since(oldest);
            let count = forgotten(&before, &options);
            if count == 0 {
                continue;
            }
            if options.is_empty() {
                self.options.pin().remove(&domain);
            } else {
                let ages = before.ages.with_scopes_of(&options);
                self.options.pin().insert(domain, Arc::new(Announced { options: Arc::new(options), ages }));
            }
            self.room.give_back_values(&mut exporters, &domain, count);
            shard.changed();
            expired += count;
        }
        expired
    }
}

/// Whether a value is one that may be kept and takes no more memory than any value may.
fn fits(value: &OptionValue) -> bool {
    match value {
        OptionValue::Sampling { rate, .. } => *rate > 0,
        OptionValue::SystemInit { .. } => true,
        OptionValue::Application { name, .. }
        | OptionValue::InterfaceName { name, .. }
        | OptionValue::VrfName { name, .. } => name.len() <= MAX_NAME_BYTES,
    }
}
