//! What the store has of each exporter, in numbers.

use std::collections::BTreeMap;

use netflow::columns::Address;
use netflow::options::SamplingScope;
use netflow::store::DomainKey;

use super::{Shared, Templates};

/// What the store has of one exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfExporter {
    /// Its address.
    pub exporter: Address,
    /// Its observation domains, sorted by version and number.
    pub domains: Vec<OfDomain>,
}

/// What the store has of one observation domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfDomain {
    /// 9 or 10.
    pub version: u8,
    /// Observation domain or source id.
    pub domain: u32,
    /// Templates and options templates.
    pub templates: usize,
    /// Option values: sampling rates, names.
    pub option_values: usize,
    /// Sampling rates that were announced, sorted by scope.
    pub sampling: Vec<(SamplingScope, u64)>,
    /// Data records and options data records decoded by the templates that are there.
    pub records: u64,
}

impl Templates {
    /// What the store has of each exporter.
    #[must_use]
    pub fn of_exporters(&self) -> Vec<OfExporter> {
        of_exporters(&self.0)
    }
}

/// All exporters, sorted by address.
fn of_exporters(shared: &Shared) -> Vec<OfExporter> {
    let mut domains: BTreeMap<DomainKey, OfDomain> = BTreeMap::new();
    for (key, entry) in &shared.templates.pin() {
        let of = domains.entry(key.domain).or_default();
        of.templates += 1;
        of.records += entry.decoded();
    }
    for (key, announced) in &shared.options.pin() {
        let of = domains.entry(*key).or_default();
        of.option_values = announced.options.len();
        of.sampling = announced.options.sampling.iter().collect();
        of.sampling.sort_unstable();
    }
    let mut exporters: Vec<OfExporter> = Vec::new();
    for (key, of) in domains {
        let of = OfDomain { version: key.version, domain: key.domain, ..of };
        match exporters.last_mut().filter(|last| last.exporter == key.exporter) {
            Some(last) => last.domains.push(of),
            None => exporters.push(OfExporter { exporter: key.exporter, domains: vec![of] }),
        }
    }
    exporters
}
