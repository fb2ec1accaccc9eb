//! `perf peers`: the collector beside other collectors, and beside loops that only count. Same datagrams, same core, taking turns.
//!
//! Each contender gets a network namespace's end of a veth pair and one core, with all of its processes; the sender has the other end and another core.
//! Processor time is that of the contender's processes, the ended ones too. A run counts only where everything that was sent is
//! stored, as read back from the contender's own files or counters, and where it kept up.
//!
//! What the kernel does to bring a datagram to a socket or a ring happens on a veth pair on the sender's core. It is shown beside,
//! and in ratios of its own.

/// Processor time of all processes of a contender.
mod account;
/// The collector.
mod collector;
/// Who takes part.
mod contender;
/// Time of whole cores.
mod cores;
/// Loops that count.
mod floor;
/// What is sent.
mod load;
/// pmacct's collector.
mod nfacctd;
/// nfdump's collector.
mod nfcapd;
/// The highest rate without loss.
mod search;
/// UDP sockets as the kernel shows them.
mod sockets;
/// Medians, ratios, claims.
mod summary;
/// One run.
mod trial;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use serde_json::{Value, json};

use self::contender::{Contender, Place, ensure_installed};
use self::load::Load;
use self::search::Search;
use self::sockets::BufferLimit;
use self::summary::{Rounds, claims, of_contender, ratios};
use self::trial::Trial;
use crate::machine;
use crate::rig::{self, Pair};

/// How often a rate that was not held is lowered within a round, and by how much.
const RETRIES: u32 = 3;
const LOWERED: f64 = 0.85;
/// Share of the highest rate that a contender is measured at, so that most runs hold.
const BELOW_HIGHEST: f64 = 0.9;
const HOW: &str = "ns_per_flow: processor time of all processes of the contender, from before the first datagram until all is written (to their \
    end, where that writes something), for each flow stored; a short run at a low rate counts idle time too; \
    flows_per_second_per_core is its inverse. at_same_rate: every contender gets the same rate, which the slowest holds; at_own_rate: each \
    gets 90 % of the highest rate that it held. A run holds if everything sent was stored (read back) and nothing waited for longer than a \
    twentieth of the run after its end. Ratios are of runs of one round; median, least and most over rounds. On a veth pair the kernel's receive \
    path (for sockets IP, UDP and the socket's queue; for AF_XDP the XDP program and the copy into the ring) runs in soft interrupts \
    on the sender's core and in no process's account: interrupts_of_sender_core has it, whole, counted by the kernel's tick.";

/// What `perf peers` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The collector's program [default: `collector` beside this one].
    #[arg(long, value_name = "PATH")]
    collector: Option<PathBuf>,
    /// Who takes part, separated by commas [default: all].
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = Contender::named)]
    only: Vec<Contender>,
    /// What exporters send, separated by commas, each measured by itself: as `perf send --version` takes it.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "vyos")]
    versions: Vec<String>,
    #[arg(long, value_name = "N", default_value_t = 10)]
    exporters: u32,
    /// Most flow records in a datagram; fewer where no more fit a frame.
    #[arg(long, value_name = "N", default_value_t = 24)]
    records: u16,
    /// Different datagrams, sent over and over.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    preload: u64,
    /// Seconds of load in each run.
    #[arg(long, value_name = "S", default_value_t = 4.0)]
    seconds: f64,
    /// Rounds of each kind.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Steps of the search for the highest rate; 0 leaves it out, and takes --rate.
    #[arg(long, value_name = "N", default_value_t = 6)]
    steps: u32,
    /// Datagrams a second where all get the same, if no search says what the slowest holds.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    rate: u64,
    /// How datagrams get on the wire, as `perf send --via` takes it.
    #[arg(long, value_name = "WAY", default_value = "packet")]
    via: String,
    /// Receive buffer of each socket.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    buffer: u64,
    /// Directory on a file system in memory, for what the contenders write.
    #[arg(long, value_name = "DIRECTORY", default_value = "/dev/shm")]
    directory: PathBuf,
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    receiver_core: usize,
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    sender_core: usize,
    /// Write the document to this file instead of printing it.
    #[arg(long, value_name = "FILE.json")]
    out: Option<PathBuf>,
    /// Less than a minute: few contenders, one round at --rate, no search.
    #[arg(long)]
    quick: bool,
}

/// What was measured with one load.
struct Measured {
    searched: Vec<(Contender, Search)>,
    search_trials: Vec<Trial>,
    same_rate: Rounds,
    own_rate: Rounds,
}

/// Measures, and prints the document.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    rig::prepare("peers")?;
    ensure!(arguments.receiver_core != arguments.sender_core, "sender and receiver need a core each");
    ensure!(arguments.seconds > 0.0 && arguments.rounds > 0, "nothing is measured");
    let contenders = match arguments.only.as_slice() {
        [] if arguments.quick => Contender::FEW.to_vec(),
        [] => Contender::ALL.to_vec(),
        only => only.to_vec(),
    };
    ensure_installed(&contenders)?;
    // As it is before the measurement makes it busy.
    let machine = machine::describe();
    keep_off(arguments.receiver_core, arguments.sender_core)?;
    let _limit = BufferLimit::raise(arguments.buffer)?;
    let place = Place {
        pair: Pair::with_queues("peers", 1)?,
        core: arguments.receiver_core,
        directory: arguments.directory.clone(),
        buffer_bytes: arguments.buffer,
        collector: arguments.collector.clone(),
    };
    let (mut loads, mut claimed) = (Vec::new(), Vec::new());
    for version in &arguments.versions {
        let load = arguments.load(version);
        let measured = Measured::measure(arguments, &contenders, &place, &load)?;
        claimed.extend(claims(measured.best(), version));
        loads.push(measured.told(&contenders, &load));
    }
    let document = json!({
        "measurement": "peers",
        "what": "the collector and its peers: processor time per flow, and the highest rate without loss",
        "machine": machine, "how": HOW, "versions": versions(&contenders, &place),
        "receiver_core": arguments.receiver_core, "sender_core": arguments.sender_core,
        "socket_buffer_bytes": arguments.buffer, "loads": loads, "claims": claimed,
    });
    let Some(file) = &arguments.out else {
        println!("{document:#}");
        return Ok(());
    };
    std::fs::write(file, format!("{document:#}\n")).with_context(|| format!("cannot write {}", file.display()))
}

/// Runs this thread, and those that it starts, on the sender's core: what looks after a measurement does not take part in it.
fn keep_off(receiver_core: usize, sender_core: usize) -> Result<()> {
    let mut core = CpuSet::new();
    core.set(sender_core).with_context(|| format!("there is no core {sender_core}"))?;
    sched_setaffinity(Pid::from_raw(0), &core)
        .with_context(|| format!("cannot keep off core {receiver_core}: is there a core {sender_core}?"))
}

impl Arguments {
    fn load(&self, version: &str) -> Load {
        Load {
            version: version.to_owned(),
            exporters: self.exporters,
            records: self.records,
            preload: if self.quick { self.preload.min(2_000) } else { self.preload },
            seconds: if self.quick { self.seconds.min(1.5) } else { self.seconds },
            via: self.via.clone(),
            core: self.sender_core,
        }
    }

    const fn steps(&self) -> u32 {
        if self.quick { 0 } else { self.steps }
    }

    const fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }
}

impl Measured {
    fn measure(arguments: &Arguments, contenders: &[Contender], place: &Place, load: &Load) -> Result<Self> {
        let attempt = |contender, rate: f64| {
            let trial = Trial::run(contender, place, load, rate as u64).with_context(|| format!("{contender}"))?;
            eprintln!(
                "{} {contender}: {:.0} datagrams/s, {:.1} ns per flow{}",
                load.version,
                trial.sent.datagrams_per_second(),
                trial.ns_per_flow(),
                if trial.holds() { "" } else { ", not held" }
            );
            anyhow::Ok(trial)
        };
        let mut measured = Self {
            searched: contenders.iter().map(|&contender| (contender, Search::new())).collect(),
            search_trials: Vec::new(),
            same_rate: Vec::new(),
            own_rate: Vec::new(),
        };
        for _ in 0..arguments.steps() {
            for (contender, search) in &mut measured.searched {
                let Some(rate) = search.next() else { continue };
                let trial = attempt(*contender, rate)?;
                let stored_rate =
                    trial.flows() as f64 / trial.sent.flows_per_datagram() / (trial.sent.seconds + trial.lag_s);
                search.take(trial.sent.datagrams_per_second(), stored_rate, trial.holds());
                measured.search_trials.push(trial);
            }
        }
        let highest = |search: &Search| search.highest().map(|rate| rate * BELOW_HIGHEST);
        let rates: Vec<(Contender, f64)> =
            measured.searched.iter().filter_map(|(contender, search)| Some((*contender, highest(search)?))).collect();
        let mut same = rates.iter().map(|(_, rate)| *rate).min_by(f64::total_cmp).unwrap_or(arguments.rate as f64);
        let mut own = rates;
        for _ in 0..arguments.rounds() {
            let mut round = Vec::new();
            for &contender in contenders {
                round.push(Self::until_held(&mut same, |rate| attempt(contender, rate))?);
            }
            measured.same_rate.push(round);
            let mut round = Vec::new();
            for (contender, rate) in &mut own {
                round.push(Self::until_held(rate, |rate| attempt(*contender, rate))?);
            }
            measured.own_rate.push(round);
        }
        Ok(measured)
    }

    /// Runs until a rate is held, lowered each time, for this run and those after it.
    fn until_held(rate: &mut f64, attempt: impl Fn(f64) -> Result<Trial>) -> Result<Trial> {
        let mut trial = attempt(*rate)?;
        for _ in 0..RETRIES {
            if trial.holds() {
                break;
            }
            *rate *= LOWERED;
            trial = attempt(*rate)?;
        }
        Ok(trial)
    }

    /// The rounds that claims rest on: each at its own pace, if these were made.
    fn best(&self) -> &Rounds {
        if self.own_rate.iter().all(Vec::is_empty) { &self.same_rate } else { &self.own_rate }
    }

    fn told(&self, contenders: &[Contender], load: &Load) -> Value {
        let every = || self.search_trials.iter().chain(self.same_rate.iter().flatten());
        let flows_per_datagram = every().next().map(|trial| trial.sent.flows_per_datagram());
        let of_each = |&contender: &Contender| {
            let search = self.searched.iter().find(|(searched, _)| *searched == contender);
            let highest = search.and_then(|(_, search)| search.highest());
            json!({
                "name": contender.to_string(), "stores": contender.stores(),
                "highest_rate_at_zero_loss": highest.map(|rate| json!({
                    "datagrams_per_second": rate, "flows_per_second": flows_per_datagram.map(|flows| flows * rate),
                })),
                "at_same_rate": of_contender(&self.same_rate, contender),
                "at_own_rate": of_contender(&self.own_rate, contender),
            })
        };
        let runs = |trials: &[Trial]| trials.iter().map(Trial::told).collect::<Vec<_>>();
        json!({
            "load": load.told(), "flows_per_datagram": flows_per_datagram, "contenders": contenders.iter().map(of_each).collect::<Vec<_>>(),
            "ratios_at_same_rate": ratios(&self.same_rate), "ratios_at_own_rate": ratios(&self.own_rate),
            "runs": {
                "search": runs(&self.search_trials),
                "same_rate": self.same_rate.iter().map(|round| runs(round)).collect::<Vec<_>>(),
                "own_rate": self.own_rate.iter().map(|round| runs(round)).collect::<Vec<_>>(),
            },
        })
    }
}

/// What each program says it is.
fn versions(contenders: &[Contender], place: &Place) -> Value {
    let is_there = |wanted: fn(&Contender) -> bool| contenders.iter().any(wanted);
    let first_line = |command: &mut Command| {
        let output = command.output().ok()?;
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    };
    let beside = || Some(std::env::current_exe().ok()?.with_file_name("collector"));
    let collector = || first_line(Command::new(place.collector.clone().or_else(beside)?).arg("--version"));
    json!({
        "collector": is_there(|one| matches!(one, Contender::Collector(_))).then(collector),
        "nfcapd": is_there(|one| matches!(one, Contender::Nfcapd(_))).then(|| first_line(Command::new("nfcapd").arg("-V"))),
        "nfacctd": is_there(|one| *one == Contender::Nfacctd).then(|| first_line(Command::new("nfacctd").arg("-V"))),
    })
}
