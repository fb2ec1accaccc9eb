//! Datagrams of the journal on their way to rows: decoded with the templates of their time and enriched as of today.
//!
//! Templates are learned from the journal itself, in a store apart from the running collector's. Datagrams outside of the period
//! are decoded too, for their templates and for data sets of the period that waited for them; of their rows only those are kept
//! that belong to the period.

use std::time::Duration;

use netflow::columns::Address;
use netflow::store::{Store as _, TemplateKey};
use netflow::{Datagram, Report, decode_part};

use super::database::Database;
use super::period::Period;
use super::staging::{Renamed, Staging};
use super::{Error, Settings, announcing};
use crate::batch::{Block, DECODED, Part, Pool, Table};
use crate::enrich::Enricher;
use crate::templates::{self, Cache, HeldBounds, Snapshot, Templates};

/// Room for data sets that wait for their template: no exporter keeps others out of it here, the journal bounds them all.
const HELD: HeldBounds =
    HeldBounds { bytes_per_exporter: 1 << 30, bytes_total: 1 << 30, age: Duration::from_secs(366 * 24 * 60 * 60) };

/// The decoder of one repair.
pub(super) struct Decoding<'a> {
    period: &'a Period,
    database: &'a mut Database,
    templates: Templates,
    cache: Cache,
    enricher: Enricher,
    /// Rows of the period's datagrams.
    inside: Box<Block>,
    /// Rows of one datagram outside.
    outside: Box<Block>,
    block_rows: usize,
    id: String,
    tables: &'static [&'static Table],
    report: Report,
    blocks: u64,
}

/// Data sets that could not be decoded for want of a template.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Unresolved {
    /// How many.
    pub(super) sets: u64,
    /// When the latest of them was received, milliseconds since 1970.
    pub(super) latest_ms: i64,
}

impl<'a> Decoding<'a> {
    /// A decoder that knows no template yet, and of option values those of `snapshot`, which stand until the journal tells others.
    pub(super) fn new(
        settings: &Settings,
        enricher: Enricher,
        period: &'a Period,
        staging: &Staging,
        database: &'a mut Database,
        snapshot: Option<&Snapshot>,
    ) -> Self {
        let templates = Templates::new(templates::Settings { held: HELD, idle_expiry: None, ..settings.templates });
        let mut cache = templates.cache();
        for options in snapshot.map_or(&[][..], |snapshot| &snapshot.options) {
            cache.announce(&options.domain.into(), &announcing::values(options));
        }
        let pool = Pool::new(2, settings.block_rows).keep_unknown(settings.keeps_unknown).limits(settings.limits);
        Self {
            period,
            database,
            templates,
            cache,
            enricher,
            inside: pool.take(),
            outside: pool.take(),
            block_rows: settings.block_rows,
            id: staging.id().to_owned(),
            tables: staging.decoded_tables(),
            report: Report::default(),
            blocks: 0,
        }
    }

    /// Takes a datagram; whether rows of the period came from it.
    pub(super) fn datagram(&mut self, exporter: Address, payload: &[u8], received_ms: i64) -> Result<bool, Error> {
        self.cache.set_now(u64::try_from(received_ms.div_euclid(1000)).unwrap_or(0));
        let datagram = Datagram { payload, exporter, received_ms };
        if self.period.holds_ms(received_ms) {
            let rows = self.inside.len();
            decode_part(&datagram, &mut self.cache, &mut self.inside.decoded, &mut self.report);
            let has_rows = self.inside.len() > rows;
            if self.inside.len() >= self.block_rows {
                self.store_inside()?;
            }
            return Ok(has_rows);
        }
        decode_part(&datagram, &mut self.cache, &mut self.outside.decoded, &mut self.report);
        let has_rows = has_rows_of(&self.outside, self.period);
        if has_rows {
            self.store_outside()?;
        }
        self.outside.clear();
        Ok(has_rows)
    }

    /// Templates known by now.
    pub(super) fn templates(&self) -> usize {
        self.templates.len()
    }

    /// Whether data sets wait for their template.
    pub(super) fn is_waiting(&self) -> bool {
        self.templates.held_sets() > 0
    }

    /// Decodes what still waits with the templates of `snapshot`, where the journal told none; how many of them were of use.
    pub(super) fn resolve(&mut self, snapshot: &Snapshot) -> Result<u64, Error> {
        let mut used = 0;
        for saved in &snapshot.templates {
            let key = TemplateKey { domain: saved.domain.into(), id: saved.id };
            if !self.period.is_of(&key.domain.exporter)
                || !self.cache.is_held(&key)
                || self.cache.template(&key).is_some()
            {
                continue;
            }
            let waiting = self.templates.held_sets();
            self.datagram(key.domain.exporter, &announcing::template(saved), self.period.to_ms)?;
            used += u64::from(self.templates.held_sets() < waiting);
        }
        Ok(used)
    }

    /// Stores the last rows; what was given up for want of a template.
    pub(super) fn finish(mut self) -> Result<Unresolved, Error> {
        self.store_inside()?;
        let mut unresolved = Unresolved::default();
        for given_up in self.templates.held_given_up(u64::MAX) {
            if self.period.holds_ms(given_up.received_ms) {
                unresolved.sets += u64::from(given_up.sets);
                unresolved.latest_ms = unresolved.latest_ms.max(given_up.received_ms);
            }
        }
        Ok(unresolved)
    }

    fn store_inside(&mut self) -> Result<(), Error> {
        let mut block = std::mem::take(&mut self.inside);
        let stored = self.store(&mut block);
        block.clear();
        self.inside = block;
        stored
    }

    fn store_outside(&mut self) -> Result<(), Error> {
        let mut block = std::mem::take(&mut self.outside);
        let stored = self.store(&mut block);
        self.outside = block;
        stored
    }

    /// Enriches a block and stores its rows beside the tables.
    fn store(&mut self, block: &mut Block) -> Result<(), Error> {
        block.decoded.complete();
        self.enricher.enrich(block);
        let renamed = Renamed::new(block, self.tables);
        for part in Part::all(&renamed).filter(|part| !part.is_empty()) {
            let token = format!("repair-{}-{}-{}", self.id, self.blocks, part.table().name);
            self.database.insert(part, &token)?;
        }
        self.blocks += 1;
        Ok(())
    }
}

fn has_rows_of(block: &Block, period: &Period) -> bool {
    let received =
        (0..DECODED.len()).filter_map(|table| Some(block.decoded_parts().nth(table)?.provenance()?.received_ms));
    received.flatten().any(|ms| period.holds_ms(*ms))
}
