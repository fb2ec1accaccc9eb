//! `perf latency`: how long from a datagram on the wire until its flow can be found in ClickHouse.
//!
//! An exporter of its own sends numbered flows, one a datagram, at a modest rate, beside another load or none; the numbers that the
//! store shows are asked for again and again. A flow counts as visible when the first answer with its number has come, so each
//! delay is too long by up to one question, and never too short.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use perf::Flow;
use perf::classic::{self, Header, Version};
use perf::clock::Clock;
use serde_json::{Value, json};

use crate::machine;
use crate::rig::{self, Collector, Counters, Load, Pair, Run, pause};

/// The exporter of numbered flows: an address that no other exporter has.
const EXPORTER: Ipv4Addr = Ipv4Addr::new(198, 18, 254, 254);
/// Between two questions to the store.
const QUESTION_INTERVAL: Duration = Duration::from_millis(15);
/// After the last flow the store has so long to show it.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `perf latency` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector under measurement; the one beside this program if none is named.
    #[arg(long, value_name = "PROGRAM")]
    collector: Option<PathBuf>,
    /// How datagrams are taken off the wire: udp, generic or native XDP.
    #[arg(long, value_enum, default_value_t = Capture::Native)]
    capture: Capture,
    /// Numbered flows a second.
    #[arg(long, value_name = "N", default_value_t = 100)]
    probes: u32,
    /// Datagrams a second of the load beside; 0 for none. Each is measured.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "0,2000")]
    background: Vec<u64>,
    /// Ages in milliseconds at which the collector stores a block that is not full; its default is 1000. Each is measured.
    #[arg(long, value_name = "MS", value_delimiter = ',', default_value = "1000,100")]
    block_age_ms: Vec<u32>,
    /// Seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 15.0)]
    seconds: f64,
    /// Directory on whose disk journal and store are.
    #[arg(long, value_name = "DIRECTORY")]
    state_under: Option<PathBuf>,
    /// Short measurements.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    load: Load,
}

/// Where datagrams are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Capture {
    /// Plain UDP sockets.
    Udp,
    /// AF_XDP behind generic XDP.
    Generic,
    /// AF_XDP behind native XDP, copying.
    Native,
}

impl Capture {
    /// The run with this way of capturing.
    pub(crate) fn of(self, run: Run) -> Run {
        match self {
            Self::Udp => run.capture_udp(),
            Self::Generic => run.capture_xdp("generic", "copy"),
            Self::Native => run.capture_xdp("native", "copy"),
        }
    }
}

/// When flows were sent, by number, and how long those took that were seen.
#[derive(Debug, Default)]
struct Probes {
    waiting: BTreeMap<u64, Instant>,
    delays_ms: Vec<f64>,
}

/// Measures each setting under each load and prints one JSON document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("latency")?;
    ensure!(arguments.probes > 0 && arguments.seconds > 0.0, "no flow is sent");
    let pair = Pair::with_queues("latency", 1)?;
    let mut measured = Vec::new();
    for &block_age_ms in &arguments.block_age_ms {
        let run = Run::new(arguments.collector.as_deref())?.state_under(arguments.state_under.as_deref()).set(
            "clickhouse",
            "block_age_ms",
            block_age_ms,
        );
        let run = arguments.capture.of(run);
        let mut collector = run.start(&pair.receiver)?;
        collector.wait_for_store()?;
        // Whatever the first block of all costs is not measured.
        measure(arguments, &pair, &mut collector, 0, Duration::from_secs(2), 0)?;
        let mut first = 1_000_000;
        for &background in &arguments.background {
            let seconds = if arguments.quick { arguments.seconds.min(4.0) } else { arguments.seconds };
            let mut told =
                measure(arguments, &pair, &mut collector, background, Duration::from_secs_f64(seconds), first)?;
            first += 1_000_000;
            told["block_age_ms"] = json!(block_age_ms);
            told["settings"] = run.told();
            told["in_force"] = json!(collector.mode_in_force()?);
            eprintln!("{told}");
            measured.push(told);
        }
        collector.stop()?;
    }
    let document = json!({
        "measurement": "latency",
        "machine": machine::describe(),
        "counted": "from the moment before a datagram is handed to the sender's kernel until an answer of the store with its flow has come",
        "load": arguments.load.told(),
        "probes_per_second": arguments.probes,
        "results": measured,
    });
    println!("{document:#}");
    Ok(())
}

/// Sends numbered flows, from `first` on, beside a load, until all are visible.
fn measure(
    arguments: &Arguments,
    pair: &Pair,
    collector: &mut Collector<'_>,
    background: u64,
    time: Duration,
    first: u64,
) -> Result<Value> {
    let before = Counters::read(pair, collector)?;
    let sending = if background == 0 {
        None
    } else {
        let sending = arguments.load.start(pair, background, time + Duration::from_secs(2))?;
        // The sender encodes before it sends.
        rig::wait_for("the load", PATIENCE, || {
            let now = Counters::read(pair, collector)?;
            Ok((now.received() - before.received() > background as f64 / 2.0).then_some(()))
        })?;
        Some(sending)
    };
    let socket = pair.sender.enter(|| UdpSocket::bind((EXPORTER, 0)))?.context("cannot bind the numbered exporter")?;
    socket.connect(Collector::address()).context("no way to the collector")?;
    let probes = Mutex::new(Probes::default());
    let (is_sent, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut gaps_ms = Vec::new();
    let interval = Duration::from_secs_f64(1.0 / f64::from(arguments.probes));
    let outcome = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let sent = send(&socket, first, interval, time, &probes, &is_over);
            is_sent.store(true, Ordering::Release);
            sent
        });
        let watched = watch(collector, &probes, &is_sent, &mut gaps_ms);
        is_over.store(true, Ordering::Relaxed);
        let sent = sender.join().map_err(|_| anyhow::anyhow!("the sending thread panicked"))?;
        watched.and(sent)
    });
    outcome?;
    let achieved = sending.map(|sending| sending.finish()).transpose()?;
    let Probes { waiting, mut delays_ms } = probes.into_inner().unwrap_or_else(PoisonError::into_inner);
    delays_ms.sort_by(f64::total_cmp);
    gaps_ms.sort_by(f64::total_cmp);
    let settled = achieved.map(|sent| rig::settle(pair, collector, &before, &sent, PATIENCE)).transpose()?;
    Ok(json!({
        "background_datagrams_per_second": achieved.map_or(0.0, |sent| sent.rate().round()),
        "background_flows_per_second": achieved.map_or(0.0, |sent| (sent.flows as f64 / sent.seconds).round()),
        "background_settled_after_seconds": settled.map(|settled| settled.took.as_secs_f64()),
        "flows": delays_ms.len() + waiting.len(), "never_visible": waiting.len(),
        "p50_ms": percentile(&delays_ms, 0.5), "p90_ms": percentile(&delays_ms, 0.9),
        "p99_ms": percentile(&delays_ms, 0.99), "max_ms": percentile(&delays_ms, 1.0),
        "questions": gaps_ms.len(),
        "resolution_ms": { "p50": percentile(&gaps_ms, 0.5), "p99": percentile(&gaps_ms, 0.99) },
    }))
}

/// Sends flow after flow, each with its number as its packets.
fn send(
    socket: &UdpSocket,
    first: u64,
    interval: Duration,
    time: Duration,
    probes: &Mutex<Probes>,
    is_over: &AtomicBool,
) -> Result<()> {
    let begun = Instant::now();
    for number in 0_u32.. {
        let due = interval * number;
        if due >= time || is_over.load(Ordering::Relaxed) {
            break;
        }
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        let packets = first + u64::from(number);
        let datagram = probe(packets, number)?;
        probes.lock().unwrap_or_else(PoisonError::into_inner).waiting.insert(packets, Instant::now());
        socket.send(&datagram).context("cannot send a numbered flow")?;
    }
    Ok(())
}

/// A NetFlow v5 datagram with one flow of so many packets.
fn probe(packets: u64, sequence: u32) -> Result<Vec<u8>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    let export_ms = i64::try_from(now.as_millis()).context("the clock is beyond reason")?;
    let clock = Clock { export_ms, uptime_ms: 86_400_000 };
    let address = |last| Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
    let flow = Flow {
        start_ms: Some(export_ms - 1000),
        end_ms: Some(export_ms),
        source: address(1),
        destination: address(2),
        source_port: 40_000,
        destination_port: 443,
        protocol: 6,
        packets,
        octets: packets * 100,
        ..Flow::default()
    };
    let header = Header { clock, sequence, engine: [0, 0], sampling: 0 };
    Ok(classic::datagram(Version::V5, &header, &[flow]))
}

/// Asks for numbers until the sender has ended and all are seen, or too long has passed.
fn watch(
    collector: &mut Collector<'_>,
    probes: &Mutex<Probes>,
    is_sent: &AtomicBool,
    gaps_ms: &mut Vec<f64>,
) -> Result<()> {
    let mut ended: Option<Instant> = None;
    let mut last = Instant::now();
    loop {
        let lowest = probes.lock().unwrap_or_else(PoisonError::into_inner).waiting.keys().next().copied();
        if is_sent.load(Ordering::Acquire) {
            let ended = *ended.get_or_insert_with(Instant::now);
            if lowest.is_none() || ended.elapsed() > PATIENCE {
                return collector.check();
            }
        }
        let Some(lowest) = lowest else {
            pause(QUESTION_INTERVAL)?;
            continue;
        };
        let answer = collector.sql(&format!(
            "SELECT packets FROM collector.flows WHERE exporter_address = toIPv6('::ffff:{EXPORTER}') AND packets >= {lowest} \
             AND time_received > now() - INTERVAL 5 MINUTE FORMAT TSV"
        ))?;
        let now = Instant::now();
        gaps_ms.push((now - last).as_secs_f64() * 1e3);
        last = now;
        let numbers = answer.lines().filter_map(|line| line.parse().ok());
        probes.lock().unwrap_or_else(PoisonError::into_inner).saw(numbers, now);
        pause(QUESTION_INTERVAL)?;
    }
}

impl Probes {
    fn saw(&mut self, numbers: impl Iterator<Item = u64>, now: Instant) {
        for sent in numbers.filter_map(|number| self.waiting.remove(&number)) {
            self.delays_ms.push(now.duration_since(sent).as_secs_f64() * 1e3);
        }
    }
}

/// The value that this share of sorted values does not exceed, with one digit behind the point; `None` of none.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil().max(1.0) as usize - 1;
    sorted.get(rank).map(|value| (value * 10.0).round() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let sorted: Vec<f64> = (1..=200).map(f64::from).collect();
        let check = |share, expected| assert_eq!(percentile(&sorted, share), Some(expected), "{share}");
        check(0.0, 1.0);
        check(0.5, 100.0);
        check(0.99, 198.0);
        check(1.0, 200.0);
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn a_flow_is_seen_once_and_a_foreign_one_never() {
        let begun = Instant::now();
        let mut probes = Probes::default();
        probes.waiting.extend([(7, begun), (8, begun)]);
        probes.saw([7, 9].into_iter(), begun + Duration::from_millis(250));
        probes.saw([7].into_iter(), begun + Duration::from_millis(500));
        assert_eq!((probes.delays_ms.as_slice(), probes.waiting.len()), (&[250.0][..], 1));
    }

    #[test]
    fn a_numbered_flow_carries_its_number() {
        let datagram = probe(0x0001_0203, 9).expect("the clock is right");
        assert_eq!(datagram.len(), 24 + 48);
        assert_eq!(datagram[24 + 16..24 + 20], [0, 1, 2, 3]);
    }
}
