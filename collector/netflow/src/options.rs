//! What exporters announce in options data records: sampling rates, application names, when the exporter started.

use std::collections::HashMap;

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

/// For which flows of a domain an announced sampling rate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SamplingScope {
    /// All of the domain.
    Domain,
    /// Flows with this sampler (48) or selector (302) id.
    Sampler(u64),
    /// Flows that came in by this interface.
    Interface(u32),
}

/// Most sampling rates kept for one domain.
pub const SAMPLING_LIMIT: usize = 4096;
/// Most application names kept for one domain. Cisco's NBAR2 has about 1500.
pub const APPLICATION_LIMIT: usize = 8192;
/// Longest application name kept, in bytes.
pub(crate) const NAME_LIMIT: usize = 255;

/// All that one observation domain announced; bounded.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sampling rates by scope.
    pub sampling: HashMap<SamplingScope, u64>,
    /// Application names by id.
    pub applications: HashMap<u64, Box<str>>,
    /// When the exporter started, milliseconds since 1970.
    pub system_init_ms: Option<i64>,
}

impl Options {
    /// Takes up one value; false if it was known already or there is no room.
    pub fn apply(&mut self, value: &OptionValue) -> bool {
        if !self.has_room(value) {
            return false;
        }
        match value {
            OptionValue::Sampling { scope, rate } => *rate > 0 && self.sampling.insert(*scope, *rate) != Some(*rate),
            OptionValue::Application { id, name } => {
                let is_new = self.applications.get(id) != Some(name);
                if is_new {
                    self.applications.insert(*id, name.clone());
                }
                is_new
            }
            OptionValue::SystemInit { milliseconds } => {
                self.system_init_ms.replace(*milliseconds) != Some(*milliseconds)
            }
        }
    }

    /// Whether [`Options::apply`] can keep a value: its key is known, or the limit is not reached.
    #[must_use]
    pub fn has_room(&self, value: &OptionValue) -> bool {
        match value {
            OptionValue::Sampling { scope, .. } => {
                self.sampling.len() < SAMPLING_LIMIT || self.sampling.contains_key(scope)
            }
            OptionValue::Application { id, .. } => {
                self.applications.len() < APPLICATION_LIMIT || self.applications.contains_key(id)
            }
            OptionValue::SystemInit { .. } => true,
        }
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
