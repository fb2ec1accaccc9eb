//! `collector exporters`: asks the running collector and prints the table.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use super::Cli;
use super::output::Output;
use crate::enrich::names::Prefix;
use crate::exporters::advice::{Weight, advice, duration};
use crate::exporters::remedies::Remedy;
use crate::exporters::status::{Report, Status};
use crate::query::ExporterName;

/// How long the collector may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Show the exporters that send to the running collector, and what is wrong with each
///
/// Asks the collector at the address of its metrics. Below an exporter stands what is wrong with it (!) or may be as it should be (?),
/// with the lines that mend it: of the usual platforms, and of the collector's configuration, which takes them up on SIGHUP
/// (systemctl reload collector). An exporter that has an entry there gets the keys into that entry.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ExportersArgs {
    /// Address of the collector's metrics [default: as configured, 127.0.0.1:9105]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,

    /// Only the exporters of this name, or that send from this address or prefix, or that call themselves by it
    #[arg(long, value_name = "EXPORTER")]
    pub exporter: Option<ExporterName>,

    /// Print JSON, the answer of GET /exporters
    #[arg(long)]
    pub json: bool,
}

const EXAMPLES: &str = "\
Examples:
  collector exporters
  collector exporters --exporter 192.0.2.0/24
  collector exporters --json | jq '.exporters[] | select(.loss_per_mille > 1)'

A line for each device: behind a relay or address translation several share the
address that they send from, and AGENT is what a device calls itself. A relay's
own line counts all that it sends.

Columns: LOSS in per mille of what was sent, by sequence numbers over the last
quarter of an hour; CLOCK the exporter's clock less the collector's.";

/// Asks and prints.
pub(super) fn run(args: &ExportersArgs, cli: &Cli) -> anyhow::Result<()> {
    let address = match args.metrics {
        Some(address) => address,
        None => cli.configured()?.metrics.listen.context(
            "the collector is configured without metrics, which answer this: set metrics.listen in the configuration",
        )?,
    };
    let mut report = ask(address)?;
    match &args.exporter {
        None => {}
        Some(ExporterName::Prefix(prefix)) => {
            report.exporters.retain(|status| prefix.holds(status.exporter) || prefix.holds(status.agent));
        }
        Some(name @ ExporterName::Name(text)) => {
            let of = |status: &Status| (Prefix::from(status.exporter), status.name.clone());
            name.among(&report.exporters.iter().map(of).collect::<Vec<_>>())?;
            report.exporters.retain(|status| status.name.eq_ignore_ascii_case(text));
        }
    }
    let mut out = Output::new();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        print(&report, &mut out)?;
    }
    out.flush()?;
    Ok(())
}

fn ask(address: SocketAddr) -> anyhow::Result<Report> {
    let nobody = || {
        format!("no collector answers at {address}: start `collector run`, or name its metrics address with --metrics")
    };
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE).with_context(nobody)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0 is answered in one piece.
    write!(stream, "GET /exporters HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").with_context(nobody)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(nobody)?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!(nobody()) };
    if head.split_whitespace().nth(1) != Some("200") {
        let status = head.lines().next().unwrap_or_default();
        bail!("{address} answers, but not as this version of the collector ({status}): is --metrics right?");
    }
    serde_json::from_str(body).with_context(|| format!("{address} answers, but not as this version of the collector"))
}

/// A collector that listens on all addresses is reached over loopback.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn print(report: &Report, out: &mut impl std::io::Write) -> std::io::Result<()> {
    for found in &report.passing_by {
        writeln!(out, "! {}", found.fault())?;
        writeln!(out, "    {}", found.remedy())?;
    }
    if report.exporters.is_empty() {
        return writeln!(out, "No exporter has sent anything yet.");
    }
    let head = [
        "EXPORTER",
        "AGENT",
        "NAME",
        "VERSION",
        "DATAGRAMS/S",
        "FLOWS/S",
        "LAST SEEN",
        "TEMPLATES",
        "SAMPLING",
        "LOSS",
        "CLOCK",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(report.exporters.iter().map(|status| row(status, report.now_ms)));
    let widths: Vec<usize> =
        (0..head.len()).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let faults = report.exporters.iter().map(|status| advice(status, report.now_ms));
    for (row, faults) in rows.iter().zip(std::iter::once(Vec::new()).chain(faults)) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
        for (index, found) in faults.iter().enumerate() {
            let mark = match found.weight {
                Weight::Fault => '!',
                Weight::Question => '?',
            };
            writeln!(out, "  {mark} {}", found.fault)?;
            // Faults that the same lines mend stand together above them.
            if faults.get(index + 1).is_some_and(|next| next.remedies == found.remedies) {
                continue;
            }
            found.remedies.iter().try_for_each(|remedy| print_remedy(remedy, out))?;
        }
    }
    Ok(())
}

fn print_remedy(remedy: &Remedy, out: &mut impl std::io::Write) -> std::io::Result<()> {
    match remedy {
        Remedy::Line(platform, line) => writeln!(out, "      {platform}: {line}"),
        Remedy::Configuration(when, block) => {
            writeln!(out, "      collector: {when}:")?;
            block.lines().try_for_each(|line| writeln!(out, "          {line}"))
        }
    }
}

fn row(status: &Status, now_ms: i64) -> [String; 11] {
    let mut versions: Vec<&str> = status.domains.iter().map(|domain| domain.version.as_str()).collect();
    versions.sort_unstable();
    versions.dedup();
    let sampling: Vec<String> = status.sampling.iter().map(|one| format!("1:{} {}", one.rate, one.source)).collect();
    let or_none = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    [
        status.exporter.to_string(),
        if status.agent == status.exporter { "-".to_owned() } else { status.agent.to_string() },
        or_none(printable(&status.name)),
        or_none(versions.join(", ")),
        format!("{:.1}", status.datagrams_per_second),
        format!("{:.1}", status.flows_per_second),
        format!("{} ago", duration((now_ms - status.last_seen_ms).max(0))),
        status.templates.to_string(),
        or_none(sampling.join(", ")),
        status.loss_per_mille.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.1} ‰")),
        status.clock_skew_ms.map_or_else(|| "-".to_owned(), clock),
    ]
}

/// The exporter's clock less the collector's.
fn clock(skew_ms: i64) -> String {
    match skew_ms.abs() {
        ..120_000 => format!("{:+.1} s", skew_ms as f64 / 1000.0),
        off_ms => format!("{}{}", if skew_ms < 0 { '-' } else { '+' }, duration(off_ms)),
    }
}

/// A text that cannot move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}
