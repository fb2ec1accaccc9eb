//! `perf curve`: datagrams offered against flows stored, for each way of taking datagrams off the wire and each number of workers, with
//! the loss at each stage, the highest rate without any, the processor time a flow takes, and the workers' system calls a datagram.
//!
//! Sender and collector sit at the two ends of a veth pair with native XDP. The kernel's receive path, the XDP program in it, runs
//! on the sender's core there, in the sender's time; a network card would interrupt another.

/// Ways of taking datagrams off the wire.
mod mode;
/// Rates to try.
mod search;
/// One rate.
mod step;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::machine;
use crate::rig::{self, Collector, Load, Pair, Run};
use mode::Mode;
use search::Search;
use step::Step;

pub(crate) use step::{cpu_told, round};

/// A block is stored when it is so old, so that a step ends soon.
const BLOCK_AGE_MS: u32 = 200;

/// What `perf curve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector under measurement; the one beside this program if none is named.
    #[arg(long, value_name = "PROGRAM")]
    collector: Option<PathBuf>,
    /// Where flows go.
    #[arg(long, value_enum, default_value_t = Sink::Discard)]
    sink: Sink,
    /// Ways of capturing to measure; all if none is named.
    #[arg(long, value_enum)]
    mode: Vec<Mode>,
    /// Numbers of workers to measure.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2")]
    workers: Vec<u32>,
    /// Datagrams a second of the first step.
    #[arg(long, value_name = "N", default_value_t = 25_000)]
    first: u64,
    /// Seconds of one step.
    #[arg(long, value_name = "S", default_value_t = 2.5)]
    seconds: f64,
    /// Steps between the highest rate that went well and the lowest that did not.
    #[arg(long, value_name = "N", default_value_t = 3)]
    bisections: u32,
    /// MaxMind files to look addresses up in.
    #[arg(long, value_name = "FILE")]
    geoip: Vec<PathBuf>,
    /// Directory on whose disk journal and store are.
    #[arg(long, value_name = "DIRECTORY")]
    state_under: Option<PathBuf>,
    /// Few and short steps, and the first number of workers alone.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    load: Load,
}

/// What takes the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Sink {
    /// The collector throws the finished inserts away.
    Discard,
    /// The embedded store.
    Clickhouse,
}

/// One way with one number of workers.
struct Series<'a> {
    mode: Mode,
    workers: u32,
    arguments: &'a Arguments,
}

/// Measures all series and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("curve")?;
    ensure!(arguments.seconds > 0.0, "a step takes some seconds");
    let pair = Pair::with_queues("curve", 1)?;
    let run = configured(arguments)?;
    let (mut series, mut missing) = (Vec::new(), Vec::new());
    let modes = if arguments.mode.is_empty() { &Mode::ALL[..] } else { &arguments.mode };
    for &mode in modes {
        // The driver is asked for zero-copy alone: the others exist on every veth pair, and say so themselves if not.
        if mode == Mode::XdpZeroCopy
            && let Some(reason) = mode.missing(&run, &pair)?
        {
            eprintln!("{mode}: not available here: {reason}");
            missing.push(json!({ "mode": mode.to_string(), "reason": reason }));
            continue;
        }
        for &workers in arguments.workers() {
            series.push(Series { mode, workers, arguments }.measure(&run, &pair)?);
        }
    }
    let document = json!({
        "measurement": "curve",
        "machine": machine::describe(),
        "sink": match arguments.sink { Sink::Discard => "discard", Sink::Clickhouse => "embedded ClickHouse" },
        "wire": "veth pair, one queue, no network card: the kernel's receive path and the XDP program run in the sender's time",
        "load": arguments.load.told(),
        "settings": run.told(),
        "step_seconds": arguments.step().as_secs_f64(),
        "block_age_ms": BLOCK_AGE_MS,
        "counted": "stored: rows that the sink acknowledged, per second of sending, or, where the collector did not keep up, per second until all were; \
            zero loss: every flow sent was stored; kept up: at most 5 % of the bytes sent were not decoded when the last was sent, and all was \
            stored within 0.7 s and 5 % of the sending time after; \
            cpu: the collector's threads by name, from the first datagram until all was stored; machine_busy: all processors, the sender's work too",
        "series": series,
        "not_available": missing,
    });
    println!("{document:#}");
    Ok(())
}

fn configured(arguments: &Arguments) -> Result<Run> {
    let mut run = Run::new(arguments.collector.as_deref())?.state_under(arguments.state_under.as_deref()).set(
        "clickhouse",
        "block_age_ms",
        BLOCK_AGE_MS,
    );
    if arguments.sink == Sink::Discard {
        run = run.argument("--discard");
    }
    for file in &arguments.geoip {
        run = run.argument("--geoip").argument(file.to_string_lossy());
    }
    Ok(run)
}

impl Arguments {
    fn step(&self) -> Duration {
        Duration::from_secs_f64(if self.quick { self.seconds.min(0.7) } else { self.seconds })
    }

    fn workers(&self) -> &[u32] {
        self.workers.get(..if self.quick { 1 } else { self.workers.len() }).unwrap_or_default()
    }

    /// More would take too long.
    fn most_steps(&self) -> usize {
        if self.quick { 6 } else { 20 }
    }

    fn bisections(&self) -> u32 {
        if self.quick { self.bisections.min(1) } else { self.bisections }
    }
}

impl Series<'_> {
    /// All steps of one collector.
    fn measure(&self, run: &Run, pair: &Pair) -> Result<Value> {
        let run = self.mode.of(run.clone()).set("capture", "workers", self.workers);
        let mut collector = run.start(&pair.receiver)?;
        if self.arguments.sink == Sink::Clickhouse {
            collector.wait_for_store()?;
        }
        let load = &self.arguments.load;
        // What only the first datagrams cost (templates, memory, the journal's first file) is not measured.
        Step::run(pair, &mut collector, load, self.arguments.first / 5, Duration::from_millis(500))?;
        let mut steps = Vec::new();
        let mut search = Search::new(self.arguments.first, self.arguments.bisections());
        while let Some(rate) = search.next().filter(|_| steps.len() < self.arguments.most_steps()) {
            let step = Step::run(pair, &mut collector, load, rate, self.arguments.step())?;
            eprintln!("{:20} {} workers: {}", self.mode.to_string(), self.workers, step.line());
            search.record(step.outcome());
            steps.push(step);
        }
        steps.sort_by(|a, b| a.offered().total_cmp(&b.offered()));
        let lossless = steps.iter().rfind(|step| step.is_lossless());
        let kept_up = steps.iter().rfind(|step| step.is_lossless() && step.kept_up());
        let rate = kept_up.map_or(self.arguments.first, |step| step.offered() as u64 / 2);
        let syscalls = self.syscalls(pair, &mut collector, rate)?;
        let best = |step: Option<&Step>| {
            step.map(|step| {
                json!({
                    "datagrams_per_second": step.offered().round(),
                    "flows_per_second": step.offered_flows().round(),
                })
            })
        };
        let told = json!({
            "mode": self.mode.to_string(), "workers": self.workers, "in_force": collector.mode_in_force()?,
            "highest_at_zero_loss": best(lossless),
            "highest_at_zero_loss_keeping_up": best(kept_up),
            "syscalls": syscalls,
            "steps": steps.iter().map(Step::told).collect::<Vec<_>>(),
        });
        collector.stop()?;
        Ok(told)
    }

    /// The workers' system calls at this rate, while the load is on.
    fn syscalls(&self, pair: &Pair, collector: &mut Collector<'_>, rate: u64) -> Result<Value> {
        let time = self.arguments.step();
        let before = collector.metrics()?;
        let sending = self.arguments.load.start(pair, rate, time)?;
        // The sender encodes first, so the load begins when the first datagrams have come.
        let received = |metrics: &std::collections::BTreeMap<String, f64>| -> f64 {
            let lines = metrics.iter().filter(|(name, _)| name.starts_with("collector_datagrams_total"));
            lines.map(|(_, value)| value).sum()
        };
        let start = received(&before) + rate as f64 / 20.0;
        rig::wait_for("the load", Duration::from_secs(60), || {
            Ok((received(&collector.metrics()?) >= start).then_some(()))
        })?;
        let from = received(&collector.metrics()?);
        let counted = rig::count_syscalls(&collector.worker_threads(), time.mul_f64(0.5))?.finish()?;
        let datagrams = received(&collector.metrics()?) - from;
        sending.finish()?;
        rig::wait_for("the end of the load", Duration::from_secs(90), || {
            let metrics = collector.metrics()?;
            let waiting: f64 = metrics
                .iter()
                .filter(|(name, _)| name.starts_with("collector_journal_waiting_bytes"))
                .map(|(_, bytes)| bytes)
                .sum();
            Ok((waiting == 0.0).then_some(()))
        })?;
        Ok(json!({
            "datagrams_per_second": rate, "datagrams": datagrams, "calls_of_workers": counted.calls,
            "syscalls_per_datagram": (counted.calls as f64 / datagrams.max(1.0) * 1e6).round() / 1e6,
            "counted_by": counted.by,
        }))
    }
}
