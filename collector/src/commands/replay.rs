//! `collector replay`: sends the UDP datagrams of a capture again, with exact counts of what was sent.
//!
//! Only payloads are sent, from one socket of this machine, so the receiver sees this machine as the exporter. Not here:
//! load generation, which is for the measurements.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _};

use super::capture_file::{self, STANDARD_INPUT};
use super::output::Output;
use crate::pcap::Ports;

/// How often a long replay says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// Waits are cut into pieces of this length, so that an interrupt is noticed.
const WAIT: Duration = Duration::from_millis(100);

/// Send the datagrams of a capture again
///
/// Sends the UDP payloads of a pcap or pcapng file to a collector, at the pace at which they were captured. The receiver
/// sees them come from this machine. Says at the end how many were sent, exactly.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ReplayArgs {
    /// Capture file, pcap or pcapng, compressed or not; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Where to send
    #[arg(long, value_name = "HOST:PORT")]
    pub to: String,

    /// This many times as fast as captured [default: 1]
    #[arg(long, value_name = "FACTOR", conflicts_with = "rate", value_parser = factor)]
    pub speed: Option<f64>,

    /// This many datagrams a second whatever the capture's pace; 0 is as fast as it goes
    #[arg(long, value_name = "DATAGRAMS")]
    pub rate: Option<u32>,

    /// Send the whole file this many times
    #[arg(long = "loop", value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,

    /// Only datagrams that were captured on their way to this port (repeatable) [default: all]
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,
}

const EXAMPLES: &str = "\
Examples:
  collector replay flows.pcap --to 127.0.0.1:2055
  collector replay flows.pcapng --to collector.example.net:2055 --port 2055 --speed 10
  collector replay flows.pcap --to '[::1]:2055' --rate 5000 --loop 100";

/// What was sent so far.
#[derive(Debug, Default)]
struct Sent {
    datagrams: u64,
    bytes: u64,
    failed: u64,
    /// What the system said to the first one that failed.
    first_failure: Option<std::io::Error>,
}

/// Sends, and prints what was sent.
pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<()> {
    if args.rounds > 1 && args.file.as_os_str() == STANDARD_INPUT {
        let message = "standard input can be sent once only: write the capture to a file for --loop";
        return Err(super::Cli::command().error(ErrorKind::ArgumentConflict, message).into());
    }
    let target = resolve(&args.to)?;
    let any: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).context("opening a UDP socket")?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).context("setting up signals")?;
    }

    let started = Instant::now();
    let mut sent = Sent::default();
    let mut schedule = Schedule::new(args, started);
    for round in 1..=args.rounds {
        send_file(args, target, &socket, &mut schedule, &mut sent, &interrupted, round == 1)?;
        if interrupted.load(Ordering::Relaxed) {
            break;
        }
    }
    summary(&sent, target, started.elapsed())?;
    if let Some(error) = sent.first_failure {
        bail!(
            "sending to {target}: {} datagrams could not be sent: {error}: check the address and the route",
            sent.failed
        );
    }
    if interrupted.load(Ordering::Relaxed) {
        bail!("replaying {}: interrupted before the end: start it again", args.file.display());
    }
    Ok(())
}

/// One round; the first one tells what of the file is not sent.
fn send_file(
    args: &ReplayArgs,
    target: SocketAddr,
    socket: &UdpSocket,
    schedule: &mut Schedule,
    sent: &mut Sent,
    interrupted: &AtomicBool,
    first: bool,
) -> anyhow::Result<()> {
    let ports = if args.port.is_empty() { Ports::All } else { Ports::Only(args.port.clone()) };
    let mut capture = capture_file::open(&args.file, ports)?;
    schedule.begin_round();
    while let Some(datagram) = capture.next_datagram().map_err(|error| capture_file::reading(&args.file, &error))? {
        schedule.wait(datagram.time_ns, sent, interrupted);
        if interrupted.load(Ordering::Relaxed) {
            return Ok(());
        }
        match socket.send_to(capture.payload(), target) {
            Ok(bytes) => {
                sent.datagrams += 1;
                sent.bytes += bytes as u64;
            }
            Err(error) => {
                sent.failed += 1;
                sent.first_failure.get_or_insert(error);
            }
        }
    }
    if first {
        capture_file::tell("replay", &args.file, &capture);
    }
    if capture.found() == 0 {
        bail!("replaying {}: nothing to send: {}", args.file.display(), capture_file::why_none(&capture));
    }
    Ok(())
}

fn summary(sent: &Sent, target: SocketAddr, elapsed: Duration) -> std::io::Result<()> {
    let seconds = elapsed.as_secs_f64();
    let rate = if seconds > 0.0 { sent.datagrams as f64 / seconds } else { 0.0 };
    let mut out = Output::new();
    writeln!(
        out,
        "sent {} datagrams, {} bytes, to {target} in {seconds:.3} s ({rate:.0} a second); {} failed",
        sent.datagrams, sent.bytes, sent.failed
    )?;
    out.flush()
}

fn resolve(to: &str) -> anyhow::Result<SocketAddr> {
    let remedy = "write HOST:PORT, such as 127.0.0.1:2055 or [::1]:2055";
    let mut addresses = to.to_socket_addrs().map_err(|error| anyhow!("resolving --to {to}: {error}: {remedy}"))?;
    addresses.next().ok_or_else(|| anyhow!("resolving --to {to}: no address: {remedy}"))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if factor.is_finite() && factor > 0.0 { Ok(factor) } else { Err("must be more than 0".to_owned()) }
}

/// When the next datagram is due.
#[derive(Debug)]
struct Schedule {
    pace: Pace,
    started: Instant,
    /// When the round began: its first datagram is due then.
    round_started: Instant,
    /// Capture time of the round's first datagram.
    first_ns: Option<i64>,
    told: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Pace {
    /// As captured, so many times as fast.
    Captured(f64),
    /// So many a second.
    Rate(u32),
    /// Without waiting.
    Unlimited,
}

impl Schedule {
    fn new(args: &ReplayArgs, now: Instant) -> Self {
        let pace = match args.rate {
            Some(0) => Pace::Unlimited,
            Some(rate) => Pace::Rate(rate),
            None => Pace::Captured(args.speed.unwrap_or(1.0)),
        };
        Self { pace, started: now, round_started: now, first_ns: None, told: now }
    }

    fn begin_round(&mut self) {
        self.round_started = Instant::now();
        self.first_ns = None;
    }

    /// Returns when a datagram captured at `time_ns` is due, or at an interrupt; says now and then how far the work is.
    fn wait(&mut self, time_ns: i64, sent: &Sent, interrupted: &AtomicBool) {
        let due = self.due(time_ns, sent.datagrams + sent.failed);
        loop {
            let now = Instant::now();
            if now.duration_since(self.told) >= PROGRESS_INTERVAL {
                self.told = now;
                let seconds = now.duration_since(self.started).as_secs();
                eprintln!("replay: {} datagrams, {} bytes after {seconds} s", sent.datagrams, sent.bytes);
            }
            let left = due.saturating_duration_since(now);
            if left.is_zero() || interrupted.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(left.min(WAIT));
        }
    }

    fn due(&mut self, time_ns: i64, before: u64) -> Instant {
        match self.pace {
            Pace::Unlimited => self.started,
            Pace::Rate(rate) => self.started + Duration::from_secs_f64(before as f64 / f64::from(rate)),
            Pace::Captured(speed) => {
                let first_ns = *self.first_ns.get_or_insert(time_ns);
                // Captures are not always in order; what was captured before the first one is due at once.
                let after_ns = time_ns.saturating_sub(first_ns).max(0);
                let after = Duration::try_from_secs_f64(after_ns as f64 / 1e9 / speed).unwrap_or(Duration::MAX);
                self.round_started.checked_add(after).unwrap_or(self.round_started)
            }
        }
    }
}
