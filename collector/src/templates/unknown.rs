//! Information elements of exporters' templates that no table of ours names, with the number of data records that had them.
//!
//! A template counts its records; the counts of templates that were forgotten or replaced are kept apart, so that a count
//! only grows.

use std::collections::HashMap;
use std::net::Ipv6Addr;
use std::sync::{Mutex, PoisonError};

use netflow::columns::Address;
use netflow::element;
use netflow::template::Template;

use crate::metrics::Exposition;

/// Most counts kept of templates that are gone.
const PAST_LIMIT: usize = 16_384;
/// Most lines on `/metrics`: those with the most records.
const LINES: usize = 1000;

/// An element that no table names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnknownElement {
    /// Who sends it.
    pub exporter: Address,
    /// Private enterprise number; 0 for IANA's numbers and those of NetFlow v9.
    pub enterprise: u32,
    /// Its number.
    pub element: u16,
    /// Data records that had it.
    pub records: u64,
}

/// Counts of templates that are gone.
#[derive(Debug, Default)]
pub(super) struct Past(Mutex<HashMap<(Address, u32, u16), u64, foldhash::fast::RandomState>>);

/// The elements of a template that no table names, each once: (enterprise, element).
pub(super) fn of_template(version: u8, template: &Template) -> Box<[(u32, u16)]> {
    // NetFlow v9 numbers the scopes of options apart from the elements.
    let scope_fields = if version == 9 { template.scope_fields() } else { 0 };
    let is_known = |enterprise, id| element::is_known(version, enterprise, id);
    let fields = template.fields().iter().skip(scope_fields).map(|field| (field.enterprise, field.element));
    let mut unknown: Vec<_> = fields.filter(|(enterprise, id)| !is_known(*enterprise, *id)).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown.into()
}

impl Past {
    /// Takes over the counts of a template that goes.
    pub(super) fn take(&self, exporter: Address, unknown: &[(u32, u16)], records: u64) {
        if unknown.is_empty() || records == 0 {
            return;
        }
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (enterprise, element) in unknown {
            let key = (exporter, *enterprise, *element);
            if past.len() < PAST_LIMIT || past.contains_key(&key) {
                *past.entry(key).or_default() += records;
            }
        }
    }

    /// All counts, those of templates in force added: (exporter, elements, records). Sorted by exporter and element.
    pub(super) fn with(&self, current: impl Iterator<Item = (Address, Box<[(u32, u16)]>, u64)>) -> Vec<UnknownElement> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (exporter, unknown, records) in current {
            for (enterprise, element) in unknown {
                *counts.entry((exporter, enterprise, element)).or_default() += records;
            }
        }
        let mut all: Vec<UnknownElement> = counts
            .into_iter()
            .map(|((exporter, enterprise, element), records)| UnknownElement { exporter, enterprise, element, records })
            .collect();
        all.sort_unstable();
        all
    }
}

/// Writes the elements with the most records.
pub(super) fn write(mut elements: Vec<UnknownElement>, out: &mut Exposition) {
    elements.sort_unstable_by_key(|unknown| std::cmp::Reverse(unknown.records));
    for unknown in elements.iter().take(LINES) {
        let exporter = Ipv6Addr::from(unknown.exporter).to_canonical().to_string();
        let element = match unknown.enterprise {
            0 => unknown.element.to_string(),
            enterprise => format!("{enterprise}/{}", unknown.element),
        };
        let labels = [("exporter", &*exporter), ("element", &*element)];
        let help = "Data records with an information element that no table names.";
        out.counter("collector_unknown_elements_total", help, &labels, unknown.records);
    }
}
