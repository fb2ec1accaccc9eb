//! `perf burst`: two seconds at ten times what the collector can store, and whether anything is lost; then how long the backlog
//! takes to drain.
//!
//! What it can store is measured first, as `perf sustain` does: a backlog in the journal, and nothing else.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::curve::{cpu_told, round};
use crate::latency::Capture;
use crate::machine;
use crate::rig::{self, Account, Collector, Counters, Load, Pair, Run, Sent};
use crate::sustain::{Fill, drain};

/// Between two readings of the backlog.
const INTERVAL: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(300);

/// What `perf burst` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector under measurement; the one beside this program if none is named.
    #[arg(long, value_name = "PROGRAM")]
    collector: Option<PathBuf>,
    /// How datagrams are taken off the wire.
    #[arg(long, value_enum, default_value_t = Capture::Native)]
    capture: Capture,
    /// Flows a second that the store can take; measured if not told.
    #[arg(long, value_name = "N")]
    sustainable: Option<u64>,
    /// Flows with which it is measured.
    #[arg(long, value_name = "N", default_value_t = 2_000_000)]
    flows: u64,
    /// Datagrams a second while the journal is filled for that.
    #[arg(long, value_name = "N", default_value_t = 40_000)]
    fill_rate: u64,
    /// The burst's rate is so many times the sustainable one.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    times: f64,
    /// Seconds of the burst.
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
    /// Directory on whose disk journal and store are.
    #[arg(long, value_name = "DIRECTORY")]
    state_under: Option<PathBuf>,
    /// A small measurement of what is sustainable, and a burst of half a second.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    load: Load,
}

/// A burst and its end.
struct Burst {
    sent: Sent,
    account: Account,
    /// Seconds from the last datagram until all was decoded, and until all was stored.
    decoded_after: f64,
    stored_after: f64,
    /// Rows that the store shows.
    counted: u64,
    /// Seconds from the first datagram, bytes that wait in the journal, flows stored.
    readings: Vec<Value>,
    most_waiting: f64,
    cpu: Value,
}

/// Measures and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("burst")?;
    ensure!(arguments.times > 0.0 && arguments.seconds > 0.0, "no flow is sent");
    let pair = Pair::with_queues("burst", 1)?;
    let run = Run::new(arguments.collector.as_deref())?.state_under(arguments.state_under.as_deref());
    let run = arguments.capture.of(run);
    let (flows, seconds) = if arguments.quick {
        (arguments.flows.min(300_000), arguments.seconds.min(0.5))
    } else {
        (arguments.flows, arguments.seconds)
    };
    let sustainable = match arguments.sustainable {
        Some(rate) => rate as f64,
        None => {
            let fill = Fill { flows, datagrams_per_second: arguments.fill_rate };
            drain(&pair, &run, &arguments.load, fill)?.rate
        }
    };
    eprintln!("{sustainable:.0} flows/s can be stored");
    let mut collector = run.start(&pair.receiver)?;
    collector.wait_for_store()?;
    let load = &arguments.load;
    // Templates, memory and the journal's first file are there before; its flows tell how many a datagram has.
    let settled_in = burst(&pair, &mut collector, load, 1000, Duration::from_millis(500))?;
    ensure!(settled_in.sent.datagrams > 0, "the sender sent nothing");
    let flows_per_datagram = settled_in.sent.flows as f64 / settled_in.sent.datagrams as f64;
    let asked = sustainable * arguments.times / flows_per_datagram;
    let burst = burst(&pair, &mut collector, load, asked as u64, Duration::from_secs_f64(seconds))?;
    let mode = collector.mode_in_force()?;
    collector.stop()?;
    let offered = burst.sent.flows as f64 / burst.sent.seconds;
    let is_whole = burst.account.is_whole(&burst.sent) && burst.counted == burst.sent.flows;
    let document = json!({
        "measurement": "burst",
        "machine": machine::describe(),
        "load": arguments.load.told(),
        "settings": run.told(),
        "in_force": mode,
        "sustainable_flows_per_second": sustainable.round(),
        "asked_times_sustainable": arguments.times,
        "offered_times_sustainable": round(offered / sustainable),
        "offered_flows_per_second": offered.round(),
        "offered_datagrams_per_second": burst.sent.rate().round(),
        "seconds": round(burst.sent.seconds),
        "account": burst.account.told(&burst.sent),
        "journaled_datagrams": (burst.account.received - burst.account.refused_by_journal()) as i64,
        "flows_in_clickhouse": burst.counted,
        "nothing_lost": is_whole,
        "drain": { "decoded_after_seconds": round(burst.decoded_after), "stored_after_seconds": round(burst.stored_after),
            "most_bytes_waiting": burst.most_waiting, "readings": burst.readings },
        "cpu": burst.cpu,
    });
    eprintln!("{offered:.0} flows/s offered, nothing lost: {is_whole}, drained after {:.1} s", burst.stored_after);
    println!("{document:#}");
    Ok(())
}

/// Sends for a time and watches until all is stored.
fn burst(pair: &Pair, collector: &mut Collector<'_>, load: &Load, rate: u64, time: Duration) -> Result<Burst> {
    let before = Counters::read(pair, collector)?;
    let counted_before = count(collector)?;
    let cpu_before = collector.cpu()?;
    let sent = load.start(pair, rate, time)?.finish()?;
    let ended = Instant::now();
    let (mut readings, mut most_waiting, mut decoded_after) = (Vec::new(), 0.0_f64, None);
    let mut last = (Duration::ZERO, (0.0, 0.0));
    let (after, stored_after) = rig::wait_for("the end of the backlog", PATIENCE, || {
        collector.check()?;
        let now = Counters::read(pair, collector)?;
        let (since, (undecoded, waiting)) = (ended.elapsed(), now.backlog());
        let stored = now.stored_flows() - before.stored_flows();
        most_waiting = most_waiting.max(waiting);
        if undecoded == 0.0 {
            decoded_after.get_or_insert(since.as_secs_f64());
        }
        readings.push(json!({ "seconds": round(sent.seconds + since.as_secs_f64()), "waiting_bytes": waiting, "stored_flows": stored }));
        let state = (now.received(), stored);
        if state != last.1 {
            last = (since, state);
        }
        // What the kernel dropped is counted a little later.
        let is_all = now.received() - before.received() >= sent.datagrams as f64;
        if waiting == 0.0 && undecoded == 0.0 && (is_all || since - last.0 > Duration::from_millis(1500)) {
            return Ok(Some((now, last.0.as_secs_f64())));
        }
        rig::pause(INTERVAL)?;
        Ok(None)
    })?;
    let cpu = rig::between(&cpu_before, &collector.cpu()?);
    let account = Account::between(&before, &after);
    let cpu = cpu_told(&cpu, account.stored_flows);
    let counted = count(collector)? - counted_before;
    let decoded_after = decoded_after.unwrap_or_default();
    Ok(Burst { sent, account, decoded_after, stored_after, counted, readings, most_waiting, cpu })
}

fn count(collector: &Collector<'_>) -> Result<u64> {
    collector.sql("SELECT count() FROM collector.flows")?.trim().parse().context("no number of rows")
}
