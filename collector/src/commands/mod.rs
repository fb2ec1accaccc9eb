//! The subcommands of the command line: what can be asked for, and who does it.
//!
//! One file for each subcommand: its arguments and the call into the part that does the work. Not here: the work itself
//! (but for `decode`, `replay`, `check`, `journal` and `export`, which exist for the command line alone), and exit codes.

/// Files that this user may not read.
mod access;
/// Capture files named on the command line.
mod capture_file;
/// `collector check`.
pub mod check;
/// `collector decode`.
pub mod decode;
/// `collector export`.
pub mod export;
/// `collector exporters`.
pub mod exporters;
/// `collector journal`.
pub mod journal;
/// Log lines on standard error.
mod logging;
/// Points in time.
pub mod moment;
/// Standard output that may be closed by its reader.
mod output;
/// `collector query`.
pub mod query;
/// `collector repair`.
pub mod repair;
/// `collector replay`.
pub mod replay;
/// `collector run`.
pub mod run;
/// `collector schema`.
pub mod schema;
/// `collector templates`.
pub mod templates;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::config::{self, Config, LogFormat, Secret, Written};
use crate::store::{self, StoreArgs};

/// Takes flow datagrams (NetFlow, IPFIX, sFlow) off the wire and streams them into ClickHouse.
///
/// Point your exporters (routers, firewalls) at UDP port 2055 of this machine and start `collector run`. Without a
/// ClickHouse server it keeps the flows in a store of its own.
#[derive(Debug, Parser)]
#[command(name = "collector", version, propagate_version = true, max_term_width = 110, after_long_help = EXAMPLES)]
pub struct Cli {
    /// Configuration file [default: /etc/collector/collector.toml if it exists]
    #[arg(
        long,
        value_name = "FILE",
        global = true,
        env = "COLLECTOR_CONFIG",
        help_heading = "Options of every command"
    )]
    config: Option<PathBuf>,

    /// error, warn, info, debug, trace, or a filter such as info,collector::xsk=debug [default: info]
    #[arg(long, value_name = "LEVEL", global = true, env = "COLLECTOR_LOG", help_heading = "Options of every command")]
    log_level: Option<String>,

    /// How log lines on standard error look [default: auto]
    #[arg(
        long,
        value_name = "FORMAT",
        global = true,
        env = "COLLECTOR_LOG_FORMAT",
        help_heading = "Options of every command"
    )]
    log_format: Option<LogFormat>,

    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  collector check --interface eth0         can this machine do it, and how well?
  sudo collector run --interface eth0      collect over XDP into the embedded store
  collector run --capture udp --clickhouse-url http://clickhouse:8123
                                           collect without root into a ClickHouse server
  collector exporters                      who sends, and what is wrong with each
  collector query top --from -2h           which hosts had most traffic
  collector decode flows.pcap              see the flows in a capture, no database, no root
  collector replay flows.pcap --to 127.0.0.1:2055
                                           send the datagrams of a capture again
  collector journal status                 what waits to be stored, what is kept as evidence
  collector export --from '2h ago' -o evidence.pcapng
                                           the datagrams themselves, as a capture
  collector repair --from -6h --to -1h     decode what is in the journal again, after the
                                           configuration was corrected

Settings come from flags, then the environment, then the configuration file,
then defaults. deploy/collector.toml documents every setting; it belongs to
/etc/collector/collector.toml. The environment variable
COLLECTOR_CLICKHOUSE_PASSWORD holds ClickHouse's password.

Exit status: 0 done; 1 failed, one line on standard error says why and what to
do; 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Check(check::CheckArgs),
    Store(StoreArgs),
    Schema(schema::SchemaArgs),
    Decode(decode::DecodeArgs),
    Replay(replay::ReplayArgs),
    Repair(repair::RepairArgs),
    Exporters(exporters::ExportersArgs),
    Templates(templates::TemplatesArgs),
    Journal(journal::JournalArgs),
    Export(export::ExportArgs),
    Query(Box<query::QueryArgs>),
}

/// Why the program ends without having done what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong, or asks for help.
    Usage(clap::Error),
    /// Something failed.
    Failed(anyhow::Error),
}

/// Does what the command line asks for.
///
/// # Errors
/// See [`Failure`].
pub fn run() -> Result<(), Failure> {
    let cli = Cli::try_parse().map_err(Failure::Usage)?;
    match dispatch(cli) {
        Ok(()) => Ok(()),
        Err(error) if output::reader_is_gone(&error) => Ok(()),
        Err(error) => Err(match error.downcast::<clap::Error>() {
            Ok(usage) => Failure::Usage(usage),
            Err(error) => Failure::Failed(error),
        }),
    }
}

/// An error with its causes, in one line, without what a cause repeats.
#[must_use]
pub fn one_line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn dispatch(cli: Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Run(args) => run::run(args, &cli),
        Command::Check(args) => check::run(args, &cli),
        Command::Store(args) => serve_store(args, &cli),
        Command::Schema(args) => schema::run(args, &cli),
        Command::Decode(args) => {
            cli.start_log(&config::written::Log::default())?;
            decode::run(args)
        }
        Command::Replay(args) => {
            cli.start_log(&config::written::Log::default())?;
            replay::run(args)
        }
        Command::Repair(args) => repair::run(args, &cli),
        Command::Exporters(args) => exporters::run(args, &cli),
        Command::Templates(args) => templates::run(args, &cli),
        Command::Journal(args) => journal::run(args, &cli),
        Command::Export(args) => export::run(args, &cli),
        Command::Query(args) => query::run(args, &cli),
    }
}

/// Serves the embedded store as the configuration says, or, for the collector that started it, as its flags alone say.
fn serve_store(args: &StoreArgs, cli: &Cli) -> anyhow::Result<()> {
    let (written, password) = match args.until_stdin_closes {
        true => (Written::default(), None),
        false => (cli.written()?, password_of_environment()),
    };
    cli.start_log(&written.log)?;
    let mut config = Config::resolve(written, password)?;
    let has_own_data = args.data_dir.is_none() && !args.until_stdin_closes;
    if has_own_data && config.clickhouse.password.reveal().is_empty() {
        config.clickhouse.password = Secret::new(store::credential::kept(&config.state_dir).unwrap_or_default());
    }
    if let Some(server) = &config.clickhouse.url {
        tracing::warn!(%server, "the configuration names a ClickHouse server: `collector run` stores there, not in this store");
    }
    Ok(store::serve(&args.clone().settings(config.embedded())?)?)
}

impl Cli {
    /// The configuration file: the one that was named, or the usual one if it exists.
    fn configuration_path(&self) -> Option<&Path> {
        let usual = Path::new(config::DEFAULT_PATH);
        self.config.as_deref().or_else(|| usual.exists().then_some(usual))
    }

    /// The configuration file as it was written, or the defaults where there is none.
    fn written(&self) -> Result<Written, config::ConfigError> {
        self.configuration_path().map_or_else(|| Ok(Written::default()), Written::read)
    }

    /// The configuration without flags of a subcommand.
    fn configured(&self) -> anyhow::Result<Config> {
        Ok(Config::resolve(self.written()?, password_of_environment())?)
    }

    /// Starts logging by `configured`, with the flags above it.
    fn start_log(&self, configured: &config::written::Log) -> anyhow::Result<()> {
        logging::start(
            self.log_level.as_deref().unwrap_or(&configured.level),
            self.log_format.unwrap_or(configured.format),
        )
    }
}

fn password_of_environment() -> Option<Secret> {
    std::env::var(config::PASSWORD_VARIABLE).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn errors_are_one_line() {
        let error = anyhow::anyhow!("inner\n  cause").context("outer");
        assert_eq!(one_line(&error), "outer: inner cause");
    }
}
