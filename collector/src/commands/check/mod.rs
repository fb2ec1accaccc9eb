//! `collector check`: whether this machine can do what the configuration asks for, and what to change where it cannot.
//!
//! Tries things the way `collector run` does and undoes them at once. Needs no root: what cannot be found out without is said
//! to be unknown. Not here: changing the machine.

/// Interfaces, XDP, ports.
mod capture;
/// The cluster of ClickHouse servers.
mod cluster;
/// Kernel, rights, limits.
mod host;
/// Memory nodes and interrupts.
mod placement;
/// The collector that runs already.
mod running;
/// The service that the check is about.
mod service;
/// State directory, GeoIP files, ClickHouse.
mod stores;

use std::io::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use self::running::Running;
use self::service::Who;
use super::output::Output;
use super::run::Flags;
use super::{Cli, password_of_environment};
use crate::config::Config;

/// Say whether this machine can do what is asked for
///
/// Takes the flags of `collector run` and looks at the same configuration: kernel, rights, limits, interfaces and which XDP
/// mode they get, ports, state directory, GeoIP files, ClickHouse. Each line is ok, warn, fail, or ? for what could not be
/// found out without more rights; the line below says what to do.
///
/// Where the systemd unit collector.service is installed, rights, memory and the state directory are said of the service's user, not
/// of this shell's. Where a collector runs with this state directory, what it has is not tried out, and no fault.
///
/// XDP is tried out on the interfaces, unless a collector runs: some drivers reset their queues for that and lose frames for a moment.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct CheckArgs {
    #[command(flatten)]
    flags: Flags,

    /// Unit file of the service [default: collector.service where systemd looks for units]
    #[arg(long, value_name = "FILE", conflicts_with = "this_user")]
    unit: Option<PathBuf>,

    /// Check for the user and the rights of this shell, although the service is installed
    #[arg(long)]
    this_user: bool,
}

/// What the machine is looked at for.
struct Case<'c> {
    config: &'c Config,
    who: Who,
    running: Option<Running>,
}

const EXAMPLES: &str = "\
Examples:
  sudo collector check --interface eth0
  collector check --capture udp --clickhouse-url http://clickhouse:8123

Exit status: 0 if no line says fail, 1 otherwise.";

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    /// Works, but not as well as it could.
    Warn,
    /// `collector run` would not do what is asked for.
    Fail,
    /// Cannot be found out with the rights at hand.
    Unknown,
}

/// One line of the answer.
#[derive(Debug)]
struct Finding {
    level: Level,
    subject: String,
    text: String,
    remedy: Option<String>,
}

/// Looks at everything and prints what was found.
pub(super) fn run(args: &CheckArgs, cli: &Cli) -> anyhow::Result<()> {
    let written = cli.written()?;
    cli.start_log(&written.log)?;
    let config = args.flags.resolve(written, password_of_environment())?;

    let mut out = Output::new();
    let mut counts = [0_u32; 4];
    let mut print = |findings: Vec<Finding>| -> std::io::Result<()> {
        for finding in &findings {
            counts[finding.level as usize] += 1;
            finding.print(&mut out)?;
        }
        // What takes time comes last, so what is known by then is shown first.
        out.flush()
    };
    let who = if args.this_user { Who::Shell } else { Who::find(args.unit.as_deref())? };
    let case = Case { config: &config, who, running: Running::find(&config) };
    print(vec![cli.configuration_file()])?;
    print(case.running.iter().map(Running::finding).collect())?;
    print(case.who.findings(&config, cli.configuration_path()))?;
    print(host::findings(&case))?;
    print(capture::findings(&case))?;
    print(stores::findings(&case))?;
    print(cluster::findings(&config))?;

    let [ok, warn, fail, unknown] = counts;
    writeln!(out, "{ok} ok, {warn} warn, {fail} fail, {unknown} unknown")?;
    out.flush()?;
    if fail > 0 {
        bail!(
            "checking this machine: {fail} of {} checks failed: see the lines that say fail",
            counts.iter().sum::<u32>()
        );
    }
    Ok(())
}

impl Cli {
    /// Which file the configuration came from.
    fn configuration_file(&self) -> Finding {
        match self.configuration_path() {
            Some(path) => Finding::ok("configuration", path.display().to_string()),
            None => Finding::ok("configuration", "defaults and flags, no file"),
        }
    }
}

impl Finding {
    fn ok(subject: impl Into<String>, text: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.into(), text: text.into(), remedy: None }
    }

    fn warn(subject: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warn, subject: subject.into(), text: text.into(), remedy: Some(remedy.into()) }
    }

    fn fail(subject: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fail, subject: subject.into(), text: text.into(), remedy: Some(remedy.into()) }
    }

    fn unknown(subject: impl Into<String>, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Unknown, subject: subject.into(), text: text.into(), remedy: Some(remedy.into()) }
    }

    /// A failure whose one-line message says already what to do.
    fn failed(subject: impl Into<String>, error: &dyn std::error::Error) -> Self {
        Self { level: Level::Fail, subject: subject.into(), text: error.to_string(), remedy: None }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
            Level::Unknown => "?",
        };
        writeln!(out, "{level:<5} {:<16} {}", self.subject, self.text)?;
        match &self.remedy {
            Some(remedy) => writeln!(out, "{:<22} -> {remedy}", ""),
            None => Ok(()),
        }
    }
}
