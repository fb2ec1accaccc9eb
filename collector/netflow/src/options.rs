//! What exporters announce in options data records: sampling rates, application names, when the exporter started.

use std::collections::HashMap;
use std::sync::Arc;

/// One announced value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionValue {
    /// A sampling rate.
    Sampling {
        /// For what.
        scope: SamplingScope,
        /// One packet in this many; never 0.
        rate: u64,
    },
    /// The name of an application id.
    Application {
        /// Application id in the form of the flow column.
        id: u64,
        /// Its name.
        name: Box<str>,
    },
    /// When the exporter started (systemInitTimeMilliseconds): IPFIX flows may tell their times relative to it.
    SystemInit {
        /// Milliseconds since 1970.
        milliseconds: i64,
    },
}

impl OptionValue {
    /// What the value is about.
    #[must_use]
    pub fn key(&self) -> OptionKey {
        match self {
            Self::Sampling { scope, .. } => OptionKey::Sampling(*scope),
            Self::Application { id, .. } => OptionKey::Application(*id),
            Self::SystemInit { .. } => OptionKey::SystemInit,
        }
    }
}

/// What an announced value is about: there is one value for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OptionKey {
    /// The sampling rate for these flows.
    Sampling(SamplingScope),
    /// The name of this application id.
    Application(u64),
    /// When the exporter started.
    SystemInit,
}

/// For which flows of a domain an announced sampling rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SamplingScope {
    /// All of the domain.
    Domain,
    /// Flows with this sampler (48) or selector (302) id.
    Sampler(u64),
    /// Flows metered at this interface: as they came in, or, where the flow record says so, as they went out.
    Interface(u32),
    /// Flows that went out by this interface.
    EgressInterface(u32),
}

/// Most sampling rates kept for one domain.
pub const SAMPLING_LIMIT: usize = 4096;
/// Most application names kept for one domain. Cisco's NBAR2 has about 1500.
pub const APPLICATION_LIMIT: usize = 8192;
/// Longest application name kept, in bytes.
pub(crate) const NAME_LIMIT: usize = 255;

/// All that one observation domain announced; bounded. The parts are shared: a copy is cheap, and a change copies the part
/// it changes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sampling rates by scope.
    pub sampling: Arc<SamplingRates>,
    /// Application names by id.
    pub applications: Arc<HashMap<u64, Arc<str>>>,
    /// When the exporter started, milliseconds since 1970.
    pub system_init_ms: Option<i64>,
}

impl Options {
    /// Takes up one value; false if it was known already or there is no room.
    pub fn apply(&mut self, value: &OptionValue) -> bool {
        if self.is_known(value) || !self.has_room(value) {
            return false;
        }
        match value {
            OptionValue::Sampling { rate: 0, .. } => return false,
            OptionValue::Sampling { scope, rate } => Arc::make_mut(&mut self.sampling).insert(*scope, *rate),
            OptionValue::Application { id, name } => {
                Arc::make_mut(&mut self.applications).insert(*id, Arc::from(&**name));
            }
            OptionValue::SystemInit { milliseconds } => self.system_init_ms = Some(*milliseconds),
        }
        true
    }

    /// Whether this very value is in force.
    #[must_use]
    pub fn is_known(&self, value: &OptionValue) -> bool {
        match value {
            OptionValue::Sampling { scope, rate } => self.sampling.get(scope) == Some(*rate),
            OptionValue::Application { id, name } => self.applications.get(id).is_some_and(|known| **known == **name),
            OptionValue::SystemInit { milliseconds } => self.system_init_ms == Some(*milliseconds),
        }
    }

    /// Whether [`Options::apply`] can keep a value: its key is known, or the limit is not reached.
    #[must_use]
    pub fn has_room(&self, value: &OptionValue) -> bool {
        match value {
            OptionValue::Sampling { scope, .. } => {
                self.sampling.len() < SAMPLING_LIMIT || self.sampling.get(scope).is_some()
            }
            OptionValue::Application { id, .. } => {
                self.applications.len() < APPLICATION_LIMIT || self.applications.contains_key(id)
            }
            OptionValue::SystemInit { .. } => true,
        }
    }
}

/// Sampling rates by scope, and what all samplers have in common.
#[derive(Debug, Clone, Default)]
pub struct SamplingRates {
    by_scope: HashMap<SamplingScope, u64>,
    /// How many samplers have each rate: kept so that a change need not look at all of them.
    samplers_by_rate: HashMap<u64, usize>,
}

impl SamplingRates {
    /// The rate announced for a scope.
    #[must_use]
    pub fn get(&self, scope: &SamplingScope) -> Option<u64> {
        self.by_scope.get(scope).copied()
    }

    /// The rate of all samplers, if they agree: it holds for flows that do not say which sampler took them.
    #[must_use]
    pub fn of_every_sampler(&self) -> Option<u64> {
        self.samplers_by_rate.keys().next().copied().filter(|_| self.samplers_by_rate.len() == 1)
    }

    /// Every scope with its rate, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SamplingScope, u64)> {
        self.by_scope.iter().map(|(scope, rate)| (*scope, *rate))
    }

    /// Number of scopes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_scope.len()
    }

    /// Whether nothing was announced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_scope.is_empty()
    }

    fn insert(&mut self, scope: SamplingScope, rate: u64) {
        let before = self.by_scope.insert(scope, rate);
        if !matches!(scope, SamplingScope::Sampler(_)) {
            return;
        }
        if let Some(before) = before
            && let Some(samplers) = self.samplers_by_rate.get_mut(&before)
        {
            *samplers = samplers.saturating_sub(1);
            if *samplers == 0 {
                self.samplers_by_rate.remove(&before);
            }
        }
        let samplers = self.samplers_by_rate.entry(rate).or_default();
        *samplers = samplers.saturating_add(1);
    }
}

impl FromIterator<(SamplingScope, u64)> for SamplingRates {
    fn from_iter<T: IntoIterator<Item = (SamplingScope, u64)>>(rates: T) -> Self {
        let mut all = Self::default();
        for (scope, rate) in rates {
            all.insert(scope, rate);
        }
        all
    }
}

/// Rate of a sampler that takes `interval` packets in a row and then skips `space` (elements 305 and 306, RFC 5477
/// section 8.2); 0 if it says nothing.
pub(crate) fn rate_of_intervals(interval: u64, space: u64) -> u64 {
    rate_of_sizes(interval, interval.saturating_add(space))
}

/// Rate of a sampler that takes `size` packets of `population` (elements 309 and 310), rounded; 0 if it says nothing.
pub(crate) fn rate_of_sizes(size: u64, population: u64) -> u64 {
    population.saturating_add(size / 2).checked_div(size).unwrap_or(0)
}
