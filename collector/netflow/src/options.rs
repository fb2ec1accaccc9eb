//! What exporters announce in options data records: sampling rates, application names.

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

/// All that one observation domain announced; bounded.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Sampling rates by scope.
    pub sampling: HashMap<SamplingScope, u64>,
    /// Application names by id.
    pub applications: HashMap<u64, Box<str>>,
}

impl Options {
    /// Takes up one value; false if it was known already or there is no room.
    pub fn apply(&mut self, value: &OptionValue) -> bool {
        let _ = value;
        false
    }
}
