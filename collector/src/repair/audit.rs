//! The table `repairs`: who repaired what, when, and what came of it. Not here: the repair.

use std::path::Path;
use std::time::Duration;

use super::database::Database;
use super::period::Period;
use super::{Error, Report};
use crate::utc::now_ms;

/// The row of one repair. It is written when the repair begins and again when it ends; the later one counts.
#[derive(Debug, Clone)]
pub(super) struct Audit {
    id: String,
    started_ms: i64,
    period: Period,
    state_dir: String,
}

impl Audit {
    /// Writes down that a repair begins.
    pub(super) fn begin(database: &Database, id: &str, period: &Period, state_dir: &Path) -> Result<Self, Error> {
        let state_dir = state_dir.display().to_string();
        let audit = Self { id: id.to_owned(), started_ms: now_ms(), period: *period, state_dir };
        audit.write(database, "running", "", &Report::default(), Duration::ZERO)?;
        Ok(audit)
    }

    /// Writes down how it ended.
    pub(super) fn end(&self, database: &Database, report: &Report, error: Option<&Error>) -> Result<(), Error> {
        let duration = Duration::from_millis(u64::try_from(now_ms() - self.started_ms).unwrap_or(0));
        let reason = error.map(ToString::to_string).unwrap_or_default();
        self.write(database, if error.is_none() { "done" } else { "failed" }, &reason, report, duration)
    }

    /// Whether a repair that left tables is one of another collector, which may be under way.
    pub(super) fn is_of_others(database: &Database, id: &str, state_dir: &Path) -> Result<bool, Error> {
        let others = database.number(&format!(
            "SELECT count() FROM repairs WHERE id = '{id}' AND NOT (host = {} AND state_dir = {})",
            quoted(&host()),
            quoted(&state_dir.display().to_string())
        ))?;
        Ok(others > 0)
    }

    /// Which rows an earlier repair was about, if there is a row of it.
    pub(super) fn period_of(database: &Database, id: &str) -> Result<Option<Period>, Error> {
        let rows = database.rows(&format!(
            "SELECT toUnixTimestamp64Milli(period_from), toUnixTimestamp64Milli(period_to), exporters \
             FROM repairs WHERE id = '{id}' LIMIT 1"
        ))?;
        let Some([from, to, exporters]) = rows.first().map(Vec::as_slice) else { return Ok(None) };
        let exporters = if exporters.is_empty() { Ok(None) } else { exporters.parse().map(Some) };
        let (Ok(from_ms), Ok(to_ms), Ok(exporters)) = (from.parse(), to.parse(), exporters) else { return Ok(None) };
        Ok(Some(Period { from_ms, to_ms, exporters }))
    }

    /// Writes down that a repair which was cut off has been seen to; not of one that came to its end but for its tables.
    pub(super) fn settle(database: &Database, id: &str, outcome: &str) -> Result<(), Error> {
        database.execute(&format!(
            "INSERT INTO repairs SELECT * REPLACE ('{outcome}' AS outcome, now64(3, 'UTC') AS updated_at) \
             FROM (SELECT * FROM repairs FINAL WHERE id = '{id}' AND outcome = 'running')"
        ))
    }

    /// The collector's repairs that never came to their end, by their names. None of them is under way for who has the lock.
    pub(super) fn running(database: &Database, state_dir: &Path) -> Result<Vec<String>, Error> {
        database.column(&format!(
            "SELECT id FROM repairs FINAL WHERE outcome = 'running' AND host = {} AND state_dir = {}",
            quoted(&host()),
            quoted(&state_dir.display().to_string())
        ))
    }

    fn write(
        &self,
        database: &Database,
        outcome: &str,
        reason: &str,
        report: &Report,
        duration: Duration,
    ) -> Result<(), Error> {
        let map = |count: &dyn Fn(&super::OfTable) -> u64| {
            let cells = report.tables.iter().map(|table| format!("'{}', {}", table.name, count(table)));
            format!("map({})", cells.collect::<Vec<_>>().join(", "))
        };
        let partitions = report.partitions.iter().map(|partition| quoted(partition)).collect::<Vec<_>>().join(", ");
        let moment = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
        database.execute(&format!(
            "INSERT INTO repairs SELECT {id} AS id, {started} AS started_at, now64(3, 'UTC') AS updated_at, \
             {outcome} AS outcome, {reason} AS reason, {who} AS who, {host} AS host, {state_dir} AS state_dir, {version} AS collector_version, \
             {from} AS period_from, {to} AS period_to, {exporters} AS exporters, \
             CAST([{partitions}], 'Array(String)') AS partitions, \
             CAST({before}, 'Map(LowCardinality(String), UInt64)') AS rows_before, \
             CAST({after}, 'Map(LowCardinality(String), UInt64)') AS rows_after, \
             {datagrams} AS datagrams, {warm_up} AS warm_up_datagrams, {templates} AS warm_up_templates, \
             {from_snapshot} AS snapshot_templates, {gaps} AS gaps, {sets} AS sets_unresolved, \
             {kept_off} AS kept_off_ms, {duration} AS duration_ms",
            id = quoted(&self.id),
            started = moment(self.started_ms),
            outcome = quoted(outcome),
            reason = quoted(reason),
            who = quoted(&who()),
            host = quoted(&host()),
            state_dir = quoted(&self.state_dir),
            version = quoted(env!("CARGO_PKG_VERSION")),
            from = moment(self.period.from_ms),
            to = moment(self.period.to_ms),
            exporters = quoted(&self.period.prefix_text()),
            before = map(&|table| table.rows_before),
            after = map(&|table| table.rows_after),
            datagrams = report.datagrams,
            warm_up = report.warm_up_datagrams,
            templates = report.warm_up_templates,
            from_snapshot = report.snapshot_templates,
            gaps = report.gaps,
            sets = report.sets_unresolved,
            kept_off = report.kept_off.as_millis(),
            duration = duration.as_millis(),
        ))
    }
}

/// Who asked for it, as far as the environment tells.
fn who() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| format!("uid {}", nix::unistd::getuid()))
}

/// The name of this machine.
fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// A text as SQL writes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', " "))
}
