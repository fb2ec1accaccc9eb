//! `collector schema`: prints or applies the tables, or tells how large they are. What the tables are is the business of
//! `clickhouse::schema`, how long rows stay that of `clickhouse::retention`.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::output::Output;
use super::run::ClickHouseFlags;
use super::{Cli, password_of_environment};
use crate::clickhouse::retention::Status;
use crate::clickhouse::{Client, Cluster, Error, cluster, rollout, schema, system_logs};
use crate::config::Config;

/// Print or apply the tables in ClickHouse, or show how large they are
///
/// `collector run` applies them by itself when it starts. These commands are for those who want to see the tables first, or
/// whose collector may not make tables.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct SchemaArgs {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  collector schema print
  collector schema apply --dry-run --clickhouse-url http://clickhouse:8123
  collector schema apply --clickhouse-url http://clickhouse:8123 --database flows
  collector schema status --json | jq '.days_left'";

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the statements that make the tables, as SQL
    ///
    /// For a cluster, if one is named here or in the configuration.
    Print(PrintArgs),
    /// Make the tables, or raise them to this collector's version
    ///
    /// Makes the database where it is missing. A schema that is newer than this collector, and tables that are not as its
    /// version made them, are left as they are and are an error.
    Apply(ApplyArgs),
    /// Show rows, bytes and age of each table, and how many days the room lasts
    Status(StatusArgs),
}

#[derive(Debug, Args)]
struct PrintArgs {
    /// Print the statements that keep ClickHouse's logs about itself small instead
    #[arg(long)]
    system_logs: bool,

    /// Name of the cluster, as system.clusters has it
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,

    /// Database of the tables, which statements for a cluster name [default: collector]
    #[arg(long, value_name = "NAME")]
    database: Option<String>,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    #[command(flatten)]
    clickhouse: ClickHouseFlags,

    /// Print the statements that would be run, and run none
    #[arg(long, conflicts_with = "system_logs")]
    dry_run: bool,

    /// Also have the server keep its logs about itself for three days only
    ///
    /// These are tables of the server, not of the collector: whoever else uses the server loses the older lines too.
    #[arg(long)]
    system_logs: bool,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    clickhouse: ClickHouseFlags,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what is asked for.
pub(super) fn run(args: &SchemaArgs, cli: &Cli) -> anyhow::Result<()> {
    let mut out = Output::new();
    match &args.action {
        Action::Print(args) if args.system_logs => out.write_all(system_logs::print().as_bytes())?,
        Action::Print(args) => print(args, cli, &mut out)?,
        Action::Apply(args) => apply(args, cli, &mut out)?,
        Action::Status(args) => status(args, cli, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn print(args: &PrintArgs, cli: &Cli, out: &mut Output) -> anyhow::Result<()> {
    let mut written = cli.written()?;
    if args.cluster.is_some() {
        written.clickhouse.cluster.clone_from(&args.cluster);
    }
    if let Some(database) = &args.database {
        written.clickhouse.database.clone_from(database);
    }
    let script = match written.clickhouse.cluster.as_deref() {
        Some(name) => cluster::print(&Cluster::new(name)?, &written.clickhouse.database)?,
        None => schema::print(),
    };
    out.write_all(script.as_bytes())?;
    Ok(())
}

fn apply(args: &ApplyArgs, cli: &Cli, out: &mut Output) -> anyhow::Result<()> {
    let config = configured(&args.clickhouse, cli)?;
    let settings = config.client();
    let (url, database) = (&settings.url, &settings.database);
    if args.dry_run {
        let plan = block_on(async { schema::plan(&Client::new(&settings)?).await })?;
        return print_plan(&plan, url, database, out);
    }
    for (url, applied) in block_on(rollout::apply(&config.clients()))? {
        if applied.from == applied.to {
            writeln!(out, "{url}: database {database} has schema version {} already", applied.to)?;
        } else {
            writeln!(out, "{url}: database {database} went from schema version {} to {}", applied.from, applied.to)?;
        }
    }
    if args.system_logs {
        let changed = block_on(async { system_logs::apply(&Client::new(&settings)?).await })?;
        writeln!(out, "{url}: {} logs of the server are kept for three days: {}", changed.len(), changed.join(", "))?;
    }
    Ok(())
}

fn print_plan(plan: &schema::Plan, url: &str, database: &str, out: &mut Output) -> anyhow::Result<()> {
    if plan.from == plan.to {
        writeln!(out, "-- {url}: database {database} has schema version {} already: nothing would be run", plan.to)?;
        return Ok(());
    }
    writeln!(out, "-- {url}: database {database}, from schema version {} to {}; nothing was run", plan.from, plan.to)?;
    if plan.makes_database {
        writeln!(out, "CREATE DATABASE IF NOT EXISTS `{database}`;\n")?;
    }
    for statement in &plan.statements {
        writeln!(out, "{statement};\n")?;
    }
    Ok(())
}

fn status(args: &StatusArgs, cli: &Cli, out: &mut Output) -> anyhow::Result<()> {
    let config = configured(&args.clickhouse, cli)?;
    let settings = config.client();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let status = block_on(async {
        let client = Client::new(&settings)?;
        let asked = Status::ask(&client, &config.retention, now).await;
        asked.map_err(|error| client.explain(error))
    })?;
    if args.json {
        serde_json::to_writer(&mut *out, &status)?;
        writeln!(out)?;
        return Ok(());
    }
    print_status(&status, out)
}

fn print_status(status: &Status, out: &mut Output) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:<20} {:>16} {:>10} {:>8}  {:<10}  {:<10}  KEPT",
        "TABLE", "ROWS", "BYTES", "A ROW", "OLDEST", "NEWEST"
    )?;
    for table in &status.tables {
        let a_row = table.bytes.checked_div(table.rows).unwrap_or(0);
        let kept = if table.days == 0 { "for ever".to_owned() } else { format!("{} days", table.days) };
        writeln!(
            out,
            "{:<20} {:>16} {:>10} {:>8}  {:<10}  {:<10}  {kept}",
            table.table,
            table.rows,
            readable(table.bytes),
            a_row,
            table.oldest,
            table.newest
        )?;
    }
    writeln!(out, "{:<20} {:>16} {:>10}", "all", status.rows, readable(status.bytes))?;
    let free = readable(status.disk_free_bytes);
    match status.budget_bytes {
        0 => writeln!(out, "No budget; {free} are free on ClickHouse's disks.")?,
        budget => writeln!(out, "Budget {}; {free} are free on ClickHouse's disks.", readable(budget))?,
    }
    match status.days_left {
        None => {
            writeln!(out, "By the growth of the last days the room suffices: rows leave by age before it is used up.")?
        }
        Some(days) => writeln!(out, "By the growth of the last days the room is used up in {days} days.")?,
    }
    Ok(())
}

/// Bytes in the largest unit that leaves a digit before the point.
fn readable(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

fn configured(flags: &ClickHouseFlags, cli: &Cli) -> anyhow::Result<Config> {
    let mut written = cli.written()?;
    cli.start_log(&written.log)?;
    let password = flags.stand_above(&mut written, password_of_environment());
    Ok(Config::resolve(written, password)?)
}

fn block_on<T>(work: impl Future<Output = Result<T, Error>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    Ok(runtime.block_on(work)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        for (bytes, expected) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1_550_000, "1.6 MB"), (u64::MAX, "18446.7 PB")]
        {
            assert_eq!(readable(bytes), expected);
        }
    }
}
