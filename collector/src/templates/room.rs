//! What each exporter has in the store, and the room that is left for it and for all.
//!
//! An exporter's memory is bounded by what its entries hold: templates, their fields, option values. Callers hold the lock
//! of the exporter's shard; the totals are shared by all shards.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use netflow::columns::Address;
use netflow::store::{DomainKey, TemplateKey};

use crate::metrics::Exposition;

/// The most of each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Templates and options templates.
    pub templates: usize,
    /// Fields of all these templates together.
    pub fields: usize,
    /// Option values: sampling rates, application names.
    pub option_values: usize,
}

/// The bounds, and what all exporters have together.
#[derive(Debug)]
pub(super) struct Room {
    per_exporter: Bounds,
    total: Bounds,
    templates: AtomicUsize,
    fields: AtomicUsize,
    option_values: AtomicUsize,
    exporters: AtomicUsize,
}

/// The exporters of one shard.
#[derive(Debug, Default)]
pub(super) struct Exporters(HashMap<Address, Exporter, foldhash::fast::RandomState>);

#[derive(Debug, Default)]
struct Exporter {
    templates: HashSet<TemplateKey, foldhash::fast::RandomState>,
    fields: usize,
    option_values: usize,
}

impl Exporters {
    /// Whether an exporter has templates or option values.
    pub(super) fn knows(&self, exporter: &Address) -> bool {
        self.0.contains_key(exporter)
    }

    /// Keys of an exporter's templates.
    pub(super) fn templates(&self, exporter: &Address) -> impl Iterator<Item = &TemplateKey> {
        self.0.get(exporter).into_iter().flat_map(|exporter| exporter.templates.iter())
    }
}

impl Room {
    pub(super) fn new(per_exporter: Bounds, total: Bounds) -> Self {
        Self {
            per_exporter,
            total,
            templates: AtomicUsize::new(0),
            fields: AtomicUsize::new(0),
            option_values: AtomicUsize::new(0),
            exporters: AtomicUsize::new(0),
        }
    }

    /// Takes room for a template that is not there; false if there is none.
    pub(super) fn take_template(&self, exporters: &mut Exporters, key: TemplateKey, fields: usize) -> bool {
        self.with(exporters, key.domain.exporter, |room, exporter| {
            let fits_exporter = exporter.templates.len() < room.per_exporter.templates
                && exporter.fields + fields <= room.per_exporter.fields;
            if !fits_exporter || !take(&room.templates, 1, room.total.templates) {
                return false;
            }
            if !take(&room.fields, fields, room.total.fields) {
                room.templates.fetch_sub(1, Ordering::Relaxed);
                return false;
            }
            exporter.templates.insert(key);
            exporter.fields += fields;
            true
        })
    }

    /// Takes or gives back the difference when a template that is there is replaced; false, and nothing changed, if there is
    /// no room for its successor.
    pub(super) fn resize_template(
        &self,
        exporters: &mut Exporters,
        key: &TemplateKey,
        before: usize,
        fields: usize,
    ) -> bool {
        self.with(exporters, key.domain.exporter, |room, exporter| {
            let more = fields.saturating_sub(before);
            let fits_exporter = exporter.fields - before + fields <= room.per_exporter.fields;
            if !fits_exporter || !take(&room.fields, more, room.total.fields) {
                return false;
            }
            room.fields.fetch_sub(before.saturating_sub(fields), Ordering::Relaxed);
            exporter.fields = exporter.fields - before + fields;
            true
        })
    }

    /// Whether all exporters together leave no room for a template of so many fields.
    pub(super) fn is_full(&self, fields: usize) -> bool {
        self.templates.load(Ordering::Relaxed) >= self.total.templates
            || self.fields.load(Ordering::Relaxed) + fields > self.total.fields
    }

    /// Gives back the room of a template that is there.
    pub(super) fn give_back_template(&self, exporters: &mut Exporters, key: &TemplateKey, fields: usize) {
        self.with(exporters, key.domain.exporter, |room, exporter| {
            if exporter.templates.remove(key) {
                exporter.fields -= fields;
                room.templates.fetch_sub(1, Ordering::Relaxed);
                room.fields.fetch_sub(fields, Ordering::Relaxed);
            }
        });
    }

    /// Takes room for one option value; false if there is none.
    pub(super) fn take_value(&self, exporters: &mut Exporters, domain: DomainKey) -> bool {
        self.with(exporters, domain.exporter, |room, exporter| {
            let fits = exporter.option_values < room.per_exporter.option_values
                && take(&room.option_values, 1, room.total.option_values);
            exporter.option_values += usize::from(fits);
            fits
        })
    }

    /// Gives back the room of `count` option values.
    pub(super) fn give_back_values(&self, exporters: &mut Exporters, domain: &DomainKey, count: usize) {
        self.with(exporters, domain.exporter, |room, exporter| {
            exporter.option_values -= count;
            room.option_values.fetch_sub(count, Ordering::Relaxed);
        });
    }

    /// Writes the fill levels.
    pub(super) fn write(&self, out: &mut Exposition) {
        let gauges = [
            ("collector_templates", "Templates in the store.", &self.templates),
            ("collector_template_fields", "Fields of all templates in the store.", &self.fields),
            ("collector_option_values", "Option values in the store.", &self.option_values),
            ("collector_template_exporters", "Exporters with templates or option values.", &self.exporters),
        ];
        for (name, help, gauge) in gauges {
            out.gauge(name, help, &[], gauge.load(Ordering::Relaxed));
        }
    }

    /// Lets `change` work on an exporter's account; an account that is empty afterwards is closed.
    fn with<T>(
        &self,
        exporters: &mut Exporters,
        address: Address,
        change: impl FnOnce(&Self, &mut Exporter) -> T,
    ) -> T {
        let exporter = exporters.0.entry(address).or_insert_with(|| {
            self.exporters.fetch_add(1, Ordering::Relaxed);
            Exporter::default()
        });
        let result = change(self, exporter);
        if exporter.templates.is_empty() && exporter.option_values == 0 {
            exporters.0.remove(&address);
            self.exporters.fetch_sub(1, Ordering::Relaxed);
        }
        result
    }
}

/// Adds `count` unless that goes over `most`.
fn take(total: &AtomicUsize, count: usize, most: usize) -> bool {
    let sum = |before: usize| before.checked_add(count).filter(|sum| *sum <= most);
    total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
}
