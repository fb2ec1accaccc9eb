//! `perf sustain`: what the collector stores a second in its embedded ClickHouse, beside what that ClickHouse takes when the same rows
//! come as blocks that are ready. Both alternate; the ratio of the medians is the answer.
//!
//! The ready blocks are the collector's own inserts into all tables, rollups too, recorded by a proxy with their tokens and settings, and
//! are sent as many at once as the collector sends.

/// The collector with a backlog.
mod end_to_end;
/// Speeds from readings.
mod progress;
/// The store with ready blocks.
mod ready_made;
/// The proxy that keeps inserts.
mod recorder;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::curve::{cpu_told, round};
use crate::latency::Capture;
use crate::machine;
use crate::rig::{self, Load, Pair, Run, ThreadCpu};
pub(crate) use end_to_end::{Fill, drain};
pub(crate) use progress::median;

/// What `perf sustain` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector under measurement; the one beside this program if none is named.
    #[arg(long, value_name = "PROGRAM")]
    collector: Option<PathBuf>,
    /// How datagrams are taken off the wire while the journal is filled.
    #[arg(long, value_enum, default_value_t = Capture::Native)]
    capture: Capture,
    /// Flows of one run.
    #[arg(long, value_name = "N", default_value_t = 2_500_000)]
    flows: u64,
    /// Datagrams a second while the journal is filled.
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    fill_rate: u64,
    /// Runs of each kind.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Directory on whose disk journal and store are.
    #[arg(long, value_name = "DIRECTORY")]
    state_under: Option<PathBuf>,
    /// One short run of each kind.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    load: Load,
}

/// One run.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Flows a second in the middle of the run.
    pub(crate) rate: f64,
    /// Flows a second over all of it.
    pub(crate) whole_rate: f64,
    pub(crate) flows: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu: Vec<ThreadCpu>,
}

/// Measures both in turn and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("sustain")?;
    ensure!(arguments.flows > 0 && arguments.fill_rate > 0, "no flow is sent");
    let (flows, rounds) =
        if arguments.quick { (arguments.flows.min(600_000), 1) } else { (arguments.flows, arguments.rounds) };
    let fill = Fill { flows, datagrams_per_second: arguments.fill_rate };
    let pair = Pair::with_queues("sustain", 1)?;
    let run = Run::new(arguments.collector.as_deref())?.state_under(arguments.state_under.as_deref());
    let run = arguments.capture.of(run);
    let recording = ready_made::record(&pair, &run, &arguments.load, fill)?;
    eprintln!("recorded {} inserts of {} flows", recording.inserts.len(), recording.flows);
    let (mut ready, mut whole) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (name, runs) in [("ready blocks", &mut ready), ("end to end", &mut whole)] {
            let measured = if name == "end to end" {
                drain(&pair, &run, &arguments.load, fill)?
            } else {
                ready_made::replay(&pair.receiver, &run, &recording)?
            };
            eprintln!("round {round}, {name}: {:.0} flows/s, {:.0} over all", measured.rate, measured.whole_rate);
            runs.push(measured);
        }
    }
    let middle = |runs: &[Measured], of: fn(&Measured) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
    let (ready_rate, whole_rate) = (middle(&ready, |run| run.rate), middle(&whole, |run| run.rate));
    let pairs: Vec<f64> = whole.iter().zip(&ready).map(|(whole, ready)| round(whole.rate / ready.rate)).collect();
    let document = json!({
        "measurement": "sustain",
        "machine": machine::describe(),
        "load": arguments.load.told(),
        "settings": run.told(),
        "flows_of_a_run": flows,
        "counted": "rows of the table of flows acknowledged a second, between a fifth and four fifths of the run; whole: over all of it, where the \
            collector begins with decoded blocks in memory; both include the inserts into the rollups",
        "recording": recorded(&recording),
        "ready_blocks": { "flows_per_second": ready_rate.round(), "runs": ready.iter().map(Measured::told).collect::<Vec<_>>() },
        "end_to_end": { "flows_per_second": whole_rate.round(), "runs": whole.iter().map(Measured::told).collect::<Vec<_>>() },
        "ratio": round(whole_rate / ready_rate),
        "ratio_of_each_round": pairs,
        "ratio_over_all": round(middle(&whole, |run| run.whole_rate) / middle(&ready, |run| run.whole_rate)),
    });
    println!("{document:#}");
    Ok(())
}

fn recorded(recording: &ready_made::Recording) -> Value {
    let mut tables: BTreeMap<&str, (u64, usize)> = BTreeMap::new();
    for insert in &recording.inserts {
        let table = tables.entry(&insert.table).or_default();
        table.0 += 1;
        table.1 += insert.request.body.len();
    }
    let tables: Vec<Value> = tables
        .iter()
        .map(|(table, (inserts, bytes))| json!({ "table": table, "inserts": inserts, "bytes": bytes }))
        .collect();
    json!({ "flows": recording.flows, "inserts_at_once": recording.at_once, "tables": tables })
}

impl Measured {
    fn told(&self) -> Value {
        json!({
            "flows_per_second": self.rate.round(), "flows_per_second_over_all": self.whole_rate.round(),
            "flows": self.flows, "seconds": round(self.seconds), "cpu": cpu_told(&self.cpu, self.flows),
        })
    }
}
