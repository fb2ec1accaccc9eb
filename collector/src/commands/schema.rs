//! `collector schema`: prints or applies the tables. What the tables are is the business of `clickhouse::schema`.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::output::Output;
use super::run::ClickHouseFlags;
use super::{Cli, password_of_environment};
use crate::clickhouse::{rollout, schema};
use crate::config::Config;

/// Print or apply the tables in ClickHouse
///
/// `collector run` does this by itself when it starts. These commands are for those who want to see the tables first, or
/// whose collector may not make tables.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Print the statements that make the tables, as SQL
    Print,
    /// Make the tables, or raise them to this collector's version
    ///
    /// Makes the database where it is missing. A schema that is newer than this collector is left as it is and is an error.
    Apply(ClickHouseFlags),
}

/// Does what is asked for.
pub(super) fn run(args: &SchemaArgs, cli: &Cli) -> anyhow::Result<()> {
    let mut out = Output::new();
    match &args.action {
        Action::Print => out.write_all(schema::print().as_bytes())?,
        Action::Apply(flags) => apply(flags, cli, &mut out)?,
    }
    out.flush()?;
    Ok(())
}

fn apply(flags: &ClickHouseFlags, cli: &Cli, out: &mut Output) -> anyhow::Result<()> {
    let mut written = cli.written()?;
    cli.start_log(&written.log)?;
    let password = flags.stand_above(&mut written, password_of_environment());
    let config = Config::resolve(written, password)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    let database = &config.clickhouse.database;
    for (url, applied) in runtime.block_on(rollout::apply(&config.clients()))? {
        if applied.from == applied.to {
            writeln!(out, "{url}: database {database} has schema version {} already", applied.to)?;
        } else {
            writeln!(out, "{url}: database {database} went from schema version {} to {}", applied.from, applied.to)?;
        }
    }
    Ok(())
}
