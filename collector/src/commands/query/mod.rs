//! `collector query`: asks the stored flows a question and prints the answer. What is asked of ClickHouse is the business of `query`.

/// The flags, and what they ask for.
mod args;
/// The flags that narrow a question down.
mod filters;
/// CSV and JSON.
mod formats;
/// Columns that fit a terminal.
mod table;
/// Why the answer is what it is, in words.
mod told;
/// Numbers as people read them.
mod units;

use std::io::Write as _;

use std::path::Path;

use anyhow::Context as _;

use self::args::Format;
pub use self::args::QueryArgs;
use super::output::Output;
use super::{Cli, password_of_environment};
use crate::clickhouse::{self, Client, client::Compression};
use crate::config::Config;
use crate::query::{self, Plan, Request};
use crate::store;

/// Asks and prints.
pub(super) fn run(args: &QueryArgs, cli: &Cli) -> anyhow::Result<()> {
    let common = args.common();
    let (mut request, named) = args.request()?;
    let mut written = cli.written()?;
    cli.start_log(&written.log)?;
    let password = common.clickhouse.stand_above(&mut written, password_of_environment());
    let config = Config::resolve(written, password)?;
    let limits = common.limits();
    let settings = clickhouse::Settings {
        compression: Compression::None,
        // The server stops what takes too long, and says so; this is for when it does not.
        request_timeout: std::time::Duration::from_secs(limits.seconds.saturating_add(5)),
        ..config.client()
    };
    let is_embedded = config.clickhouse.url.is_none();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting tokio")?;
    let answered = runtime.block_on(async {
        let client = Client::new(&settings)?;
        query::resolve(&client, &mut request, &named, limits).await?;
        let plan = query::plan(&client, &request, config.rollups).await?;
        if common.explain {
            return Ok((plan, None, Vec::new()));
        }
        let answer = query::ask(&client, &plan.statement, limits).await?;
        // Who waits for a template may have sent nothing else, and is no stranger.
        let waiting = query::waiting(&client, &request, plan.choice.span, plan.names, limits).await?;
        if waiting.is_empty() {
            query::check(&client, &request, &answer, limits).await?;
        }
        Ok::<_, query::Error>((plan, Some(answer), waiting))
    });
    let (plan, answer, waiting) = answered.map_err(|error| helpful(error, is_embedded, &config.state_dir))?;
    let mut out = Output::new();
    match (&answer, common.format) {
        (None, _) => explain(&request, &plan, &mut out)?,
        (Some(answer), Format::Table) => {
            table::print(answer, &request, &mut out)?;
            writeln!(out)?;
            for line in told::lines(&request, &plan, answer, &waiting) {
                writeln!(out, "{line}")?;
            }
        }
        (Some(answer), Format::Json) => formats::json(answer, &request, &plan, &waiting, &mut out)?,
        (Some(answer), Format::Csv) => {
            formats::csv(answer, &mut out)?;
            for line in told::lines(&request, &plan, answer, &waiting) {
                eprintln!("{line}");
            }
        }
    }
    out.flush()?;
    Ok(())
}

/// The error with what is likely where no server was named.
fn helpful(error: query::Error, is_embedded: bool, state_dir: &Path) -> anyhow::Error {
    let is_denied = matches!(&error, query::Error::ClickHouse(cause) if cause.class == clickhouse::Class::Denied);
    if is_embedded && is_denied {
        return anyhow::anyhow!(
            "{error}: the embedded store's password is in {}: ask as root or as the collector's user, or name another by \
             --password-file",
            store::credential::file(state_dir).display()
        );
    }
    let is_away = matches!(&error, query::Error::ClickHouse(cause) if cause.class == clickhouse::Class::Unreachable);
    if is_embedded && is_away {
        return anyhow::anyhow!(
            "{error}: the embedded store answers while `collector run` runs; for a ClickHouse server name it by --clickhouse-url or in \
             the configuration"
        );
    }
    error.into()
}

/// The SQL with its parameters, and why it is asked of this table.
fn explain(request: &Request, plan: &Plan, out: &mut Output) -> std::io::Result<()> {
    for line in told::choice(request, plan) {
        writeln!(out, "-- {line}")?;
    }
    writeln!(out, "{};", plan.statement.sql)?;
    writeln!(out, "\n-- Parameters, as clickhouse-client takes them:")?;
    for parameter in &plan.statement.parameters {
        let value = parameter.escaped().replace('\'', "'\\''");
        writeln!(out, "--   --param_{}='{}'", parameter.name, table::visible(&value))?;
    }
    Ok(())
}
