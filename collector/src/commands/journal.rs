//! `collector journal`: what the journals of a state directory hold, and whether it is sound. Reads the files; asks nobody.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::moment::Moment;
use super::output::Output;
use super::{Cli, access};
use crate::exporters::advice::duration;
use crate::journal::{Reader, SegmentInfo, Verified, name_of};

/// Show or verify the journal
///
/// The journal holds the datagrams as they were received: those whose flows are not stored yet, and, as far as the configuration
/// says, those that are. It may be read while the collector runs.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct JournalArgs {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  collector journal status
  collector journal status --json | jq '.[].unstored_seconds'
  collector journal verify --state-dir /var/lib/collector

Columns of status: NOT STORED bytes that wait for ClickHouse, SINCE how long the
oldest of them does, UNSETTLED blocks of rows that ClickHouse did not confirm yet.";

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what the journal holds, and how far storing has come
    Status(Place),
    /// Read all of the journal and check every record
    ///
    /// Exit status 1 if anything is broken; each broken place is one line. A record at the very end that is not whole is what a
    /// sudden end of the collector leaves, and no fault.
    Verify(Place),
}

#[derive(Debug, Args)]
struct Place {
    /// State directory of the collector [default: as configured, /var/lib/collector]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One journal in a report.
#[derive(Debug, Serialize)]
struct Status {
    journal: String,
    id: String,
    segments: usize,
    records: u64,
    disk_bytes: u64,
    unstored_bytes: u64,
    /// Between the receive time of the first datagram that is not stored and now; 0 where all are.
    unstored_seconds: i64,
    retained_from: Option<String>,
    retained_to: Option<String>,
    ranges_unsettled: usize,
    stored: u64,
    begun: u64,
}

#[derive(Debug, Serialize)]
struct Check {
    journal: String,
    id: String,
    segments: u64,
    records: u64,
    bytes: u64,
    torn: u64,
    forgotten: u64,
    broken: Vec<String>,
}

/// Does what is asked for.
pub(super) fn run(args: &JournalArgs, cli: &Cli) -> anyhow::Result<()> {
    match &args.action {
        Action::Status(place) => status(place, cli),
        Action::Verify(place) => verify(place, cli),
    }
}

/// The journals of a state directory, or of the configured place, by name.
pub(super) fn journals(state_dir: Option<&Path>, cli: &Cli) -> anyhow::Result<Vec<(String, Reader)>> {
    let directory = match state_dir {
        Some(directory) => directory.join("journal"),
        None => cli.configured()?.journal.directory,
    };
    let none = || {
        let directory = directory.display();
        format!(
            "no journal in {directory}: name the collector's configuration with --config, or its state directory with --state-dir"
        )
    };
    let mut journals =
        opened(&directory, none).map_err(|error| access::explained(error, "the journal in", &directory))?;
    if journals.is_empty() {
        bail!(none());
    }
    // 10 follows 9.
    journals.sort_by(|(a, _), (b, _)| (a.len(), a).cmp(&(b.len(), b)));
    Ok(journals)
}

fn opened(directory: &Path, none: impl FnOnce() -> String) -> anyhow::Result<Vec<(String, Reader)>> {
    let mut journals = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(none)? {
        let path = entry?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            journals.push((name, Reader::open(&path)?));
        }
    }
    Ok(journals)
}

fn status(place: &Place, cli: &Cli) -> anyhow::Result<()> {
    let journals = journals(place.state_dir.as_deref(), cli)?;
    let statuses = journals.iter().map(|(name, reader)| describe(name, reader)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut out = Output::new();
    if place.json {
        serde_json::to_writer(&mut out, &statuses)?;
        writeln!(out)?;
        return Ok(out.flush()?);
    }
    let head = ["JOURNAL", "SEGMENTS", "ON DISK", "NOT STORED", "SINCE", "UNSETTLED", "FROM", "TO"];
    let rows = statuses.iter().map(|status| {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [
            status.journal.clone(),
            status.segments.to_string(),
            bytes(status.disk_bytes),
            bytes(status.unstored_bytes),
            if status.unstored_bytes == 0 { "-".to_owned() } else { duration(status.unstored_seconds * 1000) },
            status.ranges_unsettled.to_string(),
            or_none(&status.retained_from),
            or_none(&status.retained_to),
        ]
    });
    table(head, rows.collect(), &mut out)?;
    Ok(out.flush()?)
}

fn describe(name: &str, reader: &Reader) -> anyhow::Result<Status> {
    let segments = reader.segments();
    // As /metrics has it: what is stored and kept for decoding it again after a sudden end does not wait.
    let stored = reader.settled();
    let since = reader.time_at(stored)?;
    let time = |ns: Option<i64>| ns.map(|ns| Moment::from_ns(ns).to_string());
    Ok(Status {
        journal: name.to_owned(),
        id: name_of(&reader.id()),
        segments: segments.len(),
        records: segments.iter().map(|segment| segment.records).sum(),
        disk_bytes: segments.iter().map(|segment| segment.disk_bytes).sum(),
        unstored_bytes: reader.bytes_behind(stored),
        unstored_seconds: since.map_or(0, |since| Moment::now().ns().saturating_sub(since).max(0) / 1_000_000_000),
        retained_from: time(segments.iter().filter_map(|segment: &SegmentInfo| segment.first_ns).min()),
        retained_to: time(segments.iter().filter_map(|segment| segment.last_ns).max()),
        ranges_unsettled: reader.ranges().iter().filter(|(_, is_settled)| !is_settled).count(),
        stored: stored.0,
        begun: reader.begun().0,
    })
}

fn verify(place: &Place, cli: &Cli) -> anyhow::Result<()> {
    let mut checks = Vec::new();
    for (journal, reader) in journals(place.state_dir.as_deref(), cli)? {
        let Verified { segments, records, bytes, torn, forgotten, broken } = reader.verify()?;
        checks.push(Check { journal, id: name_of(&reader.id()), segments, records, bytes, torn, forgotten, broken });
    }
    let broken: usize = checks.iter().map(|check| check.broken.len()).sum();
    let mut out = Output::new();
    if place.json {
        serde_json::to_writer(&mut out, &checks)?;
        writeln!(out)?;
    } else {
        let head = ["JOURNAL", "ID", "SEGMENTS", "RECORDS", "BYTES", "TORN", "BROKEN"];
        let rows = checks.iter().map(|check| {
            [
                check.journal.clone(),
                check.id.clone(),
                check.segments.to_string(),
                check.records.to_string(),
                bytes(check.bytes),
                check.torn.to_string(),
                check.broken.len().to_string(),
            ]
        });
        table(head, rows.collect(), &mut out)?;
        for line in checks.iter().flat_map(|check| &check.broken) {
            writeln!(out, "{line}")?;
        }
    }
    out.flush()?;
    if broken > 0 {
        bail!("the journal is broken in {broken} places: what is whole is used, the collector counts the rest as lost");
    }
    Ok(())
}

fn table<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: Vec<[String; COLUMNS]>,
    out: &mut Output,
) -> std::io::Result<()> {
    let rows: Vec<[String; COLUMNS]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}

/// Bytes in the unit in which they are easiest to read.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "B" { format!("{count} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_easy_to_read() {
        for (count, expected) in
            [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (67_108_864, "64.0 MiB"), (u64::MAX, "16777216.0 TiB")]
        {
            assert_eq!(bytes(count), expected);
        }
    }
}
