//! `collector repair`: what to repair, as it is asked for, and what was done. The work is that of [`crate::repair`].

use std::io::Write as _;

use anyhow::bail;
use clap::Args;

use super::moment::Moment;
use super::output::Output;
use super::run::ClickHouseFlags;
use super::{Cli, password_of_environment};
use crate::config::Config;
use crate::enrich::{Enricher, Geo, Published, PublishedRates};
use crate::prefix::Prefix;
use crate::query::{ExporterName, Exporters};
use crate::repair::{self, Period, Report, Request, Settings};

/// Decode a past period again and replace its rows
///
/// Takes the datagrams of the period from the journal, decodes them with the templates of their time and today's sampling
/// rates, GeoIP files, names and networks, and replaces the rows that were received in the period: flows, NAT events and
/// interface counters, each partition in one step. The rollups change with the flows. Rows of other times and exporters stay
/// as they are.
///
/// The collector may be running; what it receives meanwhile waits in its journal for the moment of each exchange. A repair
/// that was cut off leaves nothing half done: the next one finishes it or removes what it left. The table `repairs` tells of
/// every one.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct RepairArgs {
    /// Start of the period, by the time of receipt: 2026-11-23T04:00:00Z, "2026-11-23 04:00" (UTC), 2h ago, ...
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Moment,

    /// End of the period; what was received at this moment is left as it is
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Moment,

    /// Only the rows of these exporters: a name of the configuration, an address or a prefix [default: all]
    #[arg(long, value_name = "PREFIX")]
    exporter: Option<ExporterName>,

    /// Say what would be replaced, and change nothing
    #[arg(long)]
    dry_run: bool,

    /// Repair what the journal retains of the period, and leave to the collector what still waits for its template
    #[arg(long)]
    partial: bool,

    /// Replace rows also where the journal gives fewer than are stored
    #[arg(long)]
    allow_fewer: bool,

    #[command(flatten)]
    clickhouse: ClickHouseFlags,
}

const EXAMPLES: &str = "\
Examples:
  collector repair --from 2026-11-22T08:00Z --to 2026-11-22T12:00Z --dry-run
  collector repair --from '6h ago' --to '1h ago'
  collector repair --from -1d --to now --exporter 192.0.2.0/24

It runs on the machine that collected, as the collector's user or root, with
the collector's configuration: change that first, to what is right. How far
back it can go is up to retain_bytes and retain_hours under [journal].

The last repairs:
  SELECT * FROM repairs FINAL ORDER BY started_at DESC LIMIT 10";

/// The prefix of exporters that have one, and no others within.
fn one_prefix(exporters: &Exporters) -> anyhow::Result<Prefix> {
    match &exporters.of[..] {
        [prefix] if exporters.but.is_empty() => Ok(*prefix),
        _ => {
            bail!("that name is not the one of a whole prefix alone: repair by address or prefix, one after the other")
        }
    }
}

/// Repairs, and prints what was done.
pub(super) fn run(args: &RepairArgs, cli: &Cli) -> anyhow::Result<()> {
    let mut written = cli.written()?;
    cli.start_log(&written.log)?;
    let password = args.clickhouse.stand_above(&mut written, password_of_environment());
    let config = Config::resolve(written, password)?;
    let exporters = match &args.exporter {
        Some(name) => Some(one_prefix(&name.among(&config.exporter_names())?)?),
        None => None,
    };
    let period = Period { from_ms: args.from.ms(), to_ms: args.to.ms(), exporters };
    let request =
        Request { period, is_partial: args.partial, allows_fewer: args.allow_fewer, is_dry_run: args.dry_run };
    let enricher = enricher(&config)?;
    let tell = |line: &str| eprintln!("repair: {line}");
    tell(&format!(
        "{} the rows received from {} to {} of {}",
        if args.dry_run { "looking at" } else { "replacing" },
        args.from,
        args.to,
        exporters.map_or_else(|| "all exporters".to_owned(), |_| format!("exporters in {}", period.prefix_text()))
    ));
    let report = repair::run(&settings(&config), enricher, &request, &tell)?;
    print(&report, args.dry_run)?;
    Ok(())
}

/// Enrichment as the collector would do it if it started now.
fn enricher(config: &Config) -> anyhow::Result<Enricher> {
    let geo = Published::new(Geo::open(&config.geoip.files)?);
    let names = Published::new(config.names());
    let rates = PublishedRates::new(config.sampling_rates());
    let networks = Published::new(config.networks.clone());
    Ok(Enricher::new(&geo, &names).with_rates(&rates).with_networks(&networks))
}

fn settings(config: &Config) -> Settings {
    Settings {
        clickhouse: config.client(),
        journals: config.journal.directory.clone(),
        state_dir: config.state_dir.clone(),
        snapshot: config.templates.snapshot.clone(),
        templates: config.templates.store(),
        block_rows: config.clickhouse.block_rows,
        keeps_unknown: config.decode.keep_unknown,
        limits: config.decode.limits,
    }
}

fn print(report: &Report, is_dry_run: bool) -> std::io::Result<()> {
    let mut out = Output::new();
    writeln!(out, "{} datagrams of the period are in the journal", report.datagrams)?;
    for table in &report.tables {
        match is_dry_run {
            true => writeln!(out, "{}: {} rows would be replaced", table.name, table.rows_before)?,
            false => writeln!(out, "{}: {} rows before, {} after", table.name, table.rows_before, table.rows_after)?,
        }
    }
    let partitions = if report.partitions.is_empty() { "none".to_owned() } else { report.partitions.join(", ") };
    match is_dry_run {
        true => writeln!(out, "partitions that hold them: {partitions}")?,
        false => writeln!(out, "partitions exchanged: {partitions}")?,
    }
    for (count, what) in [
        (report.gaps, "damaged places in the journal"),
        (report.sets_unresolved, "data sets of the period without a template"),
        (report.snapshot_templates, "templates that only the collector's saved ones told"),
    ] {
        if count > 0 {
            writeln!(out, "{count} {what}")?;
        }
    }
    out.flush()
}
