//! `perf scale`: what a flow costs when it comes from few exporters, and what when it comes from very many with as many templates each;
//! and the memory of both.
//!
//! The rows are thrown away, so that the collector alone is seen. All templates are learned before anything is counted, and none is
//! repeated while it is: routers send theirs every few minutes. By plain UDP sockets, which have no frames in the collector's memory.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::curve::{cpu_told, round};
use crate::machine;
use crate::rig::{self, Account, Collector, Counters, Load, Pair, Run, Templates};
use crate::sustain::median;

const PATIENCE: Duration = Duration::from_secs(60);
/// After so long everything that was sent is counted.
const STILL: Duration = Duration::from_secs(1);
/// Templates are taught at this many datagrams a second.
const TEACHING_RATE: u64 = 5000;
/// A flow of many exporters may cost so many times one of few.
const MOST_RATIO: f64 = 1.3;
/// Memory that the collector may have then, without the files of its journal.
const MOST_BYTES: u64 = 500_000_000;

/// What `perf scale` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector under measurement; the one beside this program if none is named.
    #[arg(long, value_name = "PROGRAM")]
    collector: Option<PathBuf>,
    /// How many are few,
    #[arg(long, value_name = "N", default_value_t = 10)]
    few: u32,
    /// and how many are many.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    many: u32,
    /// Templates of each exporter.
    #[arg(long, value_name = "N", default_value_t = 10)]
    templates: u16,
    /// Datagrams a second.
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    rate: u64,
    /// Seconds of a run.
    #[arg(long, value_name = "S", default_value_t = 6.0)]
    seconds: f64,
    /// Runs of each, in turn.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Have the collector compute its rollups too, which cost by distinct keys in a block and not by exporters.
    #[arg(long)]
    rollups: bool,
    /// Directory on whose disk the journal is.
    #[arg(long, value_name = "DIRECTORY")]
    state_under: Option<PathBuf>,
    /// One short run of each.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    load: Load,
}

/// One run.
struct Measured {
    /// Of the worker, in the program and in the kernel for it.
    user_ns_per_flow: f64,
    ns_per_flow: f64,
    anonymous_bytes: u64,
    told: Value,
}

/// Measures both in turn and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("scale")?;
    ensure!(
        arguments.seconds > 0.0 && arguments.rate > 0 && arguments.few > 0 && arguments.many > 0,
        "no flow is sent"
    );
    let (seconds, rounds) = if arguments.quick { (2.0, 1) } else { (arguments.seconds, arguments.rounds) };
    let pair = Pair::with_queues("scale", 1)?;
    let run = Run::new(arguments.collector.as_deref())?.state_under(arguments.state_under.as_deref());
    let run = run.capture_udp().set("capture", "workers", 1).argument("--discard");
    let run = if arguments.rollups { run } else { run.set("rollups", "tables", "[]") };
    let (mut few, mut many) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (exporters, runs) in [(arguments.few, &mut few), (arguments.many, &mut many)] {
            let load = arguments.load.clone().of_exporters(exporters, arguments.templates);
            let measured = measure(&pair, &run, &load, arguments.rate, Duration::from_secs_f64(seconds))
                .with_context(|| format!("round {round}, {exporters} exporters"))?;
            eprintln!(
                "round {round}, {exporters} exporters: {:.1} ns per flow, of it {:.1} in the program; {:.0} MB",
                measured.ns_per_flow,
                measured.user_ns_per_flow,
                measured.anonymous_bytes as f64 / 1e6
            );
            runs.push(measured);
        }
    }
    let middle = |runs: &[Measured], of: fn(&Measured) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let ratio = middle(&many, |run| run.ns_per_flow) / middle(&few, |run| run.ns_per_flow);
    let user_ratio = middle(&many, |run| run.user_ns_per_flow) / middle(&few, |run| run.user_ns_per_flow);
    let most_bytes = many.iter().map(|run| run.anonymous_bytes).max().unwrap_or_default();
    let all_templates = u64::from(arguments.many) * u64::from(arguments.templates);
    let document = json!({
        "measurement": "scale",
        "machine": machine::describe(),
        "load": arguments.load.told(),
        "settings": run.told(),
        "counted": "processor time of the worker's thread per flow, in the program (user) and with the kernel's work for it; memory: RssAnon of the \
            process at the end of the run, which leaves out the journal's files",
        "few": { "exporters": arguments.few, "templates_each": arguments.templates, "runs": told(&few) },
        "many": { "exporters": arguments.many, "templates_each": arguments.templates, "runs": told(&many) },
        "ratio": round(ratio),
        "ratio_in_the_program": round(user_ratio),
        "anonymous_bytes_of_many": most_bytes,
        "claims": [
            {
                "claim": format!("a flow of {} exporters with {all_templates} templates, beside one of {} exporters", arguments.many, arguments.few),
                "target": format!("at most {MOST_RATIO} times"),
                "measured": format!("{ratio:.2} times ({user_ratio:.2} without the kernel's part)"),
                "met": ratio <= MOST_RATIO && user_ratio <= MOST_RATIO,
            },
            {
                "claim": "memory then, frames and journal apart",
                "target": format!("under {} MB", MOST_BYTES / 1_000_000),
                "measured": format!("{} MB", most_bytes / 1_000_000),
                "met": most_bytes < MOST_BYTES,
            },
        ],
    });
    println!("{document:#}");
    Ok(())
}

fn told(runs: &[Measured]) -> Vec<&Value> {
    runs.iter().map(|run| &run.told).collect()
}

/// A collector that learns the templates, uses each, then takes the load.
fn measure(pair: &Pair, run: &Run, load: &Load, rate: u64, time: Duration) -> Result<Measured> {
    let mut collector = run.start(&pair.receiver)?;
    let begin = Counters::read(pair, &collector)?;
    // The flows behind them fill blocks and the journal's first files.
    let taught =
        load.clone().announcing(Templates::First).start(pair, TEACHING_RATE, Duration::from_secs(1))?.finish()?;
    rig::settle(pair, &mut collector, &begin, &taught, PATIENCE)?;
    // What was sent does not count the templates: the last of it may be on its way, and counters are published now and then.
    rig::pause(STILL)?;
    // What an exporter's first datagram costs is paid once, not by each flow.
    let begin = Counters::read(pair, &collector)?;
    let data = load.clone().announcing(Templates::Never);
    let used = data.start(pair, rate, Duration::from_secs_f64(data.preloaded() as f64 / rate as f64))?.finish()?;
    rig::settle(pair, &mut collector, &begin, &used, PATIENCE)?;
    let before = Counters::read(pair, &collector)?;
    let cpu_before = collector.cpu()?;
    let sent = data.start(pair, rate, time)?.finish()?;
    let settled = rig::settle(pair, &mut collector, &before, &sent, PATIENCE)?;
    let cpu = rig::between(&cpu_before, &collector.cpu()?);
    let account = Account::between(&before, &settled.counters);
    ensure!(
        account.is_whole(&sent),
        "flows are missing, so what a flow costs is not known; lower --rate: {}",
        account.told(&sent)
    );
    let anonymous_bytes = anonymous_bytes(&collector)?;
    collector.stop()?;
    let worker = cpu.iter().find(|group| group.name.starts_with("worker")).context("there is no worker")?;
    let per_flow = |seconds: f64| seconds * 1e9 / account.stored_flows;
    let (user_ns_per_flow, ns_per_flow) = (per_flow(worker.user_s), per_flow(worker.user_s + worker.kernel_s));
    let told = json!({
        "user_ns_per_flow": round(user_ns_per_flow), "ns_per_flow": round(ns_per_flow), "anonymous_bytes": anonymous_bytes,
        "account": account.told(&sent), "cpu": cpu_told(&cpu, account.stored_flows),
    });
    Ok(Measured { user_ns_per_flow, ns_per_flow, anonymous_bytes, told })
}

/// Memory that is no file's, bytes (`man 5 proc_pid_status`).
fn anonymous_bytes(collector: &Collector<'_>) -> Result<u64> {
    let path = format!("/proc/{}/status", collector.id());
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    parse_anonymous(&status).with_context(|| format!("{path} has no RssAnon"))
}

fn parse_anonymous(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read() {
        assert_eq!(parse_anonymous("Name:\tx\nVmRSS:\t  9 kB\nRssAnon:\t   12 kB\n"), Some(12 * 1024));
        assert_eq!(parse_anonymous("Name:\tx\n"), None);
    }
}
