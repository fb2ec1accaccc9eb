//! Decodes a period that the journal retains again, as of today, and replaces its rows.
//!
//! What changes: sampling rates, GeoIP, names and networks are those of today's configuration; templates, and the rates and names
//! that exporters announce, are those of the time. Rows of other times and of other exporters stay as they are.
//!
//! The steps: decode the period into tables beside the real ones; wait until the collector has stored all that was read; then for each
//! table and partition put together what it is to hold and exchange it in one step; then add to the rollups what the exchange of
//! flows makes the difference. Cut off at any point, a partition is the old one or the new one, and the next repair finishes or
//! removes what is left. Not here: the command line.

/// What the saved templates know, as datagrams and values.
mod announcing;
/// Who repaired what.
mod audit;
/// What must be so before anything is changed.
mod conditions;
/// ClickHouse.
mod database;
/// From datagrams to rows.
mod decoding;
/// Why a period was not repaired.
mod error;
/// One partition.
mod exchange;
/// Datagrams of all workers.
mod journals;
/// Which rows.
mod period;
/// The tables of a repair.
mod staging;
/// What is added to the rollups.
mod sums;
/// What an earlier repair left.
mod unfinished;

pub use error::Error;
pub use period::Period;

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::batch::{DECODED, Table};
use crate::clickhouse;
use crate::clickhouse::lock::InsertLock;
use crate::enrich::Enricher;
use crate::templates::{self, Snapshot, snapshot};

use crate::utc::{Utc, now_ms};
use audit::Audit;
use database::Database;
use decoding::{Decoding, Unresolved};
use exchange::Exchange;
use journals::{Journals, Needed};
use staging::Staging;

/// Before the period, so much of the journal is read for its templates.
const WARM_UP_MS: i64 = 60 * 60 * 1000;
/// How long the collector may take to store what was read.
const STORE_PATIENCE: Duration = Duration::from_secs(60);
/// Between two lines about how far it is.
const PROGRESS: Duration = Duration::from_secs(5);
/// Between two looks at the progress of the journals.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What a repair needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the rows are.
    pub clickhouse: clickhouse::Settings,
    /// Directory of the workers' journals.
    pub journals: PathBuf,
    /// The collector's directory, for the locks.
    pub state_dir: PathBuf,
    /// The snapshot of the templates.
    pub snapshot: PathBuf,
    /// How many templates are kept, and for how long data sets wait for theirs.
    pub templates: templates::Settings,
    /// Rows of an insert.
    pub block_rows: usize,
    /// Whether fields that no column takes are kept.
    pub keeps_unknown: bool,
    /// Beyond what counts are implausible.
    pub limits: netflow::plausible::Limits,
}

/// What is to be repaired, and how.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Which rows.
    pub period: Period,
    /// Whether a part of the period is enough.
    pub is_partial: bool,
    /// Whether rows may be lost that the journal does not give.
    pub allows_fewer: bool,
    /// Whether nothing is to be changed.
    pub is_dry_run: bool,
}

/// What a repair did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows of each table.
    pub tables: Vec<OfTable>,
    /// Partitions that were exchanged, or would be: table and partition.
    pub partitions: Vec<String>,
    /// Datagrams of the period.
    pub datagrams: u64,
    /// Datagrams before it that were read for their templates.
    pub warm_up_datagrams: u64,
    /// Templates known when the period began.
    pub warm_up_templates: u64,
    /// Templates that only the saved snapshot knew.
    pub snapshot_templates: u64,
    /// Damaged places in the journal.
    pub gaps: u64,
    /// Data sets of the period that could not be decoded for want of a template.
    pub sets_unresolved: u64,
    /// How long inserts were kept off, in all.
    pub kept_off: Duration,
}

/// Rows of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfTable {
    /// Its name.
    pub name: &'static str,
    /// Rows of the period before.
    pub rows_before: u64,
    /// And after; in a dry run, as before.
    pub rows_after: u64,
}

/// Repairs a period. `tell` hears how far it is, line by line.
///
/// # Errors
/// See [`Error`]: one line with the remedy.
pub fn run(settings: &Settings, enricher: Enricher, request: &Request, tell: &dyn Fn(&str)) -> Result<Report, Error> {
    let _alone = conditions::alone(&settings.state_dir.join("repair.lock"))?;
    let mut request = *request;
    conditions::wait_until_over(&request.period)?;
    let mut database = Database::open(&settings.clickhouse)?;
    database.check_schema()?;
    conditions::check_engines(&database)?;
    let journals = Journals::find(&settings.journals)?;
    conditions::restrict_to_retained(&journals, &mut request, tell)?;
    if request.is_dry_run {
        return look(&database, &journals, &request.period);
    }
    for line in unfinished::settle_all(&database, &settings.state_dir)? {
        tell(&line);
    }
    let staging = Staging::new(new_id());
    let audit = Audit::begin(&database, staging.id(), &request.period, &settings.state_dir)?;
    let mut repair =
        Repair { settings, request: &request, journals: &journals, staging: &staging, tell, report: Report::default() };
    let done = repair.run(&mut database, enricher);
    let report = repair.report;
    // What was begun is finished, and the tables go, however it ended; where that fails too, the next repair does it.
    let done = done.and(unfinished::finish(&database, &staging).map(drop));
    // Before the tables go: without them the next repair takes a row that says `running` for one that changed nothing.
    let ended = audit.end(&database, &report, done.as_ref().err());
    let removed = staging.remove(&database);
    done.and(ended).and(removed).map(|()| report)
}

/// A repair under way.
struct Repair<'a> {
    settings: &'a Settings,
    request: &'a Request,
    journals: &'a Journals,
    staging: &'a Staging,
    tell: &'a dyn Fn(&str),
    report: Report,
}

impl Repair<'_> {
    fn run(&mut self, database: &mut Database, enricher: Enricher) -> Result<(), Error> {
        self.staging.make(database)?;
        let needed = self.decode(database, enricher)?;
        self.check_rows(database)?;
        self.wait_until_stored(&needed)?;
        let lock = InsertLock::open(&self.settings.state_dir.join("inserting.lock"));
        let lock = lock.map_err(Error::system("open inserting.lock in state_dir"))?;
        for table in exchanged() {
            self.exchange(database, &lock, table)?;
        }
        Ok(())
    }

    /// Decodes the period into the tables of the repair; where its rows come from.
    fn decode(&mut self, database: &mut Database, enricher: Enricher) -> Result<Needed, Error> {
        let Period { from_ms, to_ms, .. } = self.request.period;
        let hold_ms = i64::try_from(self.settings.templates.held.age.as_millis()).unwrap_or(i64::MAX);
        let snapshot = self.snapshot();
        let period = &self.request.period;
        let mut decoding = Decoding::new(self.settings, enricher, period, self.staging, database, snapshot.as_ref());
        let mut reading =
            self.journals.read(from_ms.saturating_sub(WARM_UP_MS), to_ms.saturating_add(hold_ms), period)?;
        let mut needed = self.journals.nothing_needed();
        let mut told = Instant::now();
        while let Some(found) = reading.next()? {
            let received_ms = found.received_ms();
            if received_ms < from_ms {
                self.report.warm_up_datagrams += 1;
            } else if received_ms < to_ms {
                if self.report.datagrams == 0 {
                    self.report.warm_up_templates = decoding.templates() as u64;
                }
                self.report.datagrams += 1;
            } else if !decoding.is_waiting() {
                break;
            }
            if decoding.datagram(found.exporter, &found.payload, received_ms)? {
                needed.note(&found);
            }
            if told.elapsed() >= PROGRESS {
                told = Instant::now();
                (self.tell)(&format!("{} datagrams of the period decoded", self.report.datagrams));
            }
        }
        self.report.gaps = reading.gaps();
        if let Some(snapshot) = snapshot.filter(|_| decoding.is_waiting()) {
            self.report.snapshot_templates = decoding.resolve(&snapshot)?;
        }
        let unresolved = decoding.finish()?;
        self.report.sets_unresolved = unresolved.sets;
        self.check_held(unresolved, hold_ms)?;
        Ok(needed)
    }

    /// The saved templates, if there are any that can be read.
    fn snapshot(&self) -> Option<Snapshot> {
        match snapshot::read(&self.settings.snapshot) {
            Ok(snapshot) => Some(snapshot),
            Err(error) => {
                (self.tell)(&format!("going on without saved templates: {error}"));
                None
            }
        }
    }

    /// What the collector may still decode late is not replaced behind its back.
    fn check_held(&self, unresolved: Unresolved, hold_ms: i64) -> Result<(), Error> {
        let until_ms = unresolved.latest_ms.saturating_add(hold_ms);
        if unresolved.sets == 0 || until_ms < now_ms() || self.request.is_partial {
            return Ok(());
        }
        Err(Error::Held { sets: unresolved.sets, until: Utc(until_ms).to_string() })
    }

    /// The journal gives at least as many rows of each exporter as there are.
    fn check_rows(&self, database: &Database) -> Result<(), Error> {
        let condition = self.request.period.condition();
        for table in DECODED.iter().filter(|_| !self.request.allows_fewer) {
            let decoded = self.staging.decoded(table);
            let fewer = database.rows(&format!(
                "SELECT toString(exporter_address), sum(is_stored) AS stored, sum(1 - is_stored) AS decoded FROM \
                 (SELECT exporter_address, toInt64(1) AS is_stored FROM {} WHERE {condition} UNION ALL \
                 SELECT exporter_address, toInt64(0) AS is_stored FROM {decoded} WHERE {condition}) \
                 GROUP BY exporter_address HAVING decoded < stored ORDER BY stored - decoded DESC LIMIT 1",
                table.name
            ))?;
            if let Some([exporter, stored, decoded]) = fewer.first().map(Vec::as_slice) {
                let exporter = exporter.trim_start_matches("::ffff:").to_owned();
                let [stored, decoded] = [stored, decoded].map(|count| count.parse().unwrap_or(0));
                return Err(Error::Fewer { table: table.name, exporter, stored, decoded });
            }
        }
        Ok(())
    }

    /// Waits until the collector has stored all that rows of the period came from, so that none of them come after the exchange.
    fn wait_until_stored(&self, needed: &Needed) -> Result<(), Error> {
        let since = Instant::now();
        while !self.journals.is_stored(needed)? {
            if since.elapsed() >= STORE_PATIENCE {
                return Err(Error::Waiting(STORE_PATIENCE));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn exchange(&mut self, database: &Database, lock: &InsertLock, table: &'static Table) -> Result<(), Error> {
        let (period, decoded) = (&self.request.period, self.staging.decoded(table));
        let mut of_table = OfTable { name: table.name, rows_before: 0, rows_after: 0 };
        for partition in partitions(database, period, &[table.name, &decoded])? {
            if unfinished::is_same(database, table, &decoded, period, &partition)? {
                let rows = database.number(&format!(
                    "SELECT count() FROM {decoded} WHERE {} AND _partition_id = '{partition}'",
                    period.condition()
                ))?;
                of_table.rows_before += rows;
                of_table.rows_after += rows;
                continue;
            }
            let staging = self.staging;
            let exchange = Exchange { database, staging, period, lock, table, partition: &partition };
            let exchanged = exchange.run().map_err(|error| self.midway(error))?;
            (self.tell)(&format!(
                "{} {partition}: {} rows replaced by {}, inserts kept off for {} ms",
                table.name,
                exchanged.rows_before,
                exchanged.rows_after,
                exchanged.kept_off.as_millis()
            ));
            of_table.rows_before += exchanged.rows_before;
            of_table.rows_after += exchanged.rows_after;
            self.report.kept_off += exchanged.kept_off;
            self.report.partitions.push(format!("{} {partition}", table.name));
        }
        self.report.tables.push(of_table);
        Ok(())
    }

    /// An error that came after something was exchanged says so.
    fn midway(&self, error: Error) -> Error {
        if self.report.partitions.is_empty() { error } else { Error::Midway(Box::new(error)) }
    }
}

/// The tables in the order of their exchange: flows last, since their rollups follow them.
fn exchanged() -> impl Iterator<Item = &'static Table> {
    DECODED.into_iter().rev()
}

/// The partitions in which tables have rows of the period.
fn partitions(database: &Database, period: &Period, tables: &[&str]) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for table in tables {
        let condition = period.condition();
        found.extend(database.column(&format!("SELECT DISTINCT _partition_id FROM {table} WHERE {condition}"))?);
    }
    Ok(found)
}

/// What a repair would replace.
fn look(database: &Database, journals: &Journals, period: &Period) -> Result<Report, Error> {
    let mut report = Report::default();
    let mut reading = journals.read(period.from_ms, period.to_ms, period)?;
    while reading.next()?.is_some() {
        report.datagrams += 1;
    }
    report.gaps = reading.gaps();
    for table in exchanged() {
        let rows = database.number(&format!("SELECT count() FROM {} WHERE {}", table.name, period.condition()))?;
        report.tables.push(OfTable { name: table.name, rows_before: rows, rows_after: rows });
        let partitions = partitions(database, period, &[table.name])?;
        report.partitions.extend(partitions.iter().map(|partition| format!("{} {partition}", table.name)));
    }
    Ok(report)
}

/// A name that no other repair has.
fn new_id() -> String {
    format!("{:016x}", RandomState::new().hash_one((now_ms(), std::process::id())))
}
