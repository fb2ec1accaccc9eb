//! Exactly once, whatever is killed: numbered flows over a veth pair while the collector is killed at random moments, also
//! while it starts, and ClickHouse is killed, stopped, delayed, or answers with errors and halves of answers; the disk fills,
//! and dead journals are damaged. At the end every flow that came into a journal is in ClickHouse exactly once, unless its own
//! record was damaged, and the rollups equal the sums over the flows.
//!
//! `COLLECTOR_CHAOS_MINUTES` has it go on for so long; without it the collector is killed 50 times. Needs root and the engine.

/// What is broken in journals that nobody has open.
mod damage;
/// Which datagrams the journals hold.
mod evidence;
/// The store started as the collector does.
#[path = "../common/lifeline.rs"]
mod lifeline;
/// The numbered flows.
mod load;
/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// The running binary.
#[path = "../run/process.rs"]
#[expect(dead_code, reason = "other tests use the rest of it")]
mod process;
/// Between the collector and ClickHouse.
mod proxy;
/// ClickHouse as a process of its own.
mod store;
/// What must hold at the end.
mod verdict;
/// A file system that can be full.
mod volume;

use std::net::IpAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use perf::random::Random;

use evidence::Evidence;
use netns::{COLLECTOR, COLLECTOR_V4, VethPair, privileged};
use process::{Collector, Place};
use proxy::{Fault, Proxy};
use store::Store;
use volume::Volume;

/// How often the collector is killed if no time is given.
const KILLS: u32 = 50;
/// How long the last collector may take to store what the others left.
const DRAIN: Duration = Duration::from_secs(240);
/// How long one thing goes on before the next happens, at least and at most, milliseconds.
const MOMENT_MS: (u64, u64) = (50, 700);

const CONFIG: &str = "block_age_ms = 150\nblock_rows = 1500\nrequest_timeout_seconds = 5\n\
    [templates]\nsnapshot_seconds = 2\nhold_bytes_per_exporter = 16000000\n\
    [journal]\nsegment_bytes = 262144\nbudget_bytes = 1000000000\nretain_bytes = 1500000000\n";
/// What the place's configuration has in the stead of [`CONFIG`].
const REPLACED: &str = "block_age_ms = 60000\n[journal]\nsegment_bytes = 1048576\nbudget_bytes = 67108864\n";

#[test]
fn every_flow_is_stored_exactly_once_whatever_is_killed() {
    let Some(_turn) = privileged("every_flow_is_stored_exactly_once_whatever_is_killed") else { return };
    let pair = VethPair::new("chaos");
    let Some(place) = Place::inside(&pair.collector, "chaos") else { return };
    let (_, listen) = place.tcp_addresses();
    let volume = Volume::mount(&place.directory().join("state/journal"));
    let mut store = Store::start(&pair.collector, place.directory().join("clickhouse"), listen);
    let proxy = Proxy::start(&pair.collector, listen);
    let url = format!("url = \"http://{}\"\n{CONFIG}", proxy.address);
    place.change_config(REPLACED, &url);

    let seed = seed();
    eprintln!("chaos: seed {seed}");
    let stop = AtomicBool::new(false);
    let to: IpAddr = COLLECTOR_V4.parse().expect("an address");
    let port = place.udp_port();
    let mut chaos = Chaos {
        place: &place,
        proxy: &proxy,
        store: &mut store,
        volume: &volume,
        random: Random::new(seed),
        evidence: Evidence::new(volume.path()),
        kills: 0,
        damaged: 0,
    };
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| pair.exporter.enter(|| load::send(to, port, &stop)));
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| chaos.go_on()));
        stop.store(true, Ordering::Relaxed);
        let sent = sender.join().expect("the sender");
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
        sent
    });

    proxy.set(Fault::None);
    let mut collector = Collector::start(&place, WAY);
    pair.exporter.enter(|| load::send_templates(to, port, &sent));
    wait_for_the_journal(&collector);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    chaos.evidence.collect();
    eprintln!("chaos: {} kills, {} damages, connections by fault {:?}", chaos.kills, chaos.damaged, proxy.hits());
    verdict::check(&place, &sent, &chaos.evidence);
}

/// Waits until everything is stored. A journal may have grown all the while that ClickHouse was hindered.
fn wait_for_the_journal(collector: &Collector<'_>) {
    let begun = Instant::now();
    while collector.metric("collector_journal_waiting_bytes") > 0 {
        let told = || {
            let metrics = collector.metrics();
            let journal: Vec<&str> = metrics.lines().filter(|line| line.starts_with("collector_journal_")).collect();
            format!("the journal is not stored: {}\n{}", journal.join("\n"), collector.log())
        };
        assert!(begun.elapsed() < DRAIN, "{}", told());
        std::thread::sleep(Duration::from_millis(200));
    }
}

const WAY: &[&str] = &["--interface", COLLECTOR, "--capture", "xdp", "--workers", "2"];

struct Chaos<'a, 'n> {
    place: &'a Place<'n>,
    proxy: &'a Proxy,
    store: &'a mut Store<'n>,
    volume: &'a Volume,
    random: Random,
    evidence: Evidence,
    kills: u32,
    damaged: u32,
}

impl Chaos<'_, '_> {
    fn go_on(&mut self) {
        let until = minutes().map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
        while until.map_or(self.kills < KILLS, |until| Instant::now() < until) {
            if self.random.below(5) == 0 {
                self.kill_while_it_starts();
            } else {
                self.live_and_die();
            }
            self.kills += 1;
            if let Some(ended) = self.store.revive() {
                eprintln!("chaos: the store ended by itself after {} kills: {ended}", self.kills);
            }
            self.evidence.collect();
            if self.random.below(4) == 0 {
                self.damaged += u32::from(damage::damage(&mut self.evidence, &mut self.random));
            }
        }
    }

    fn kill_while_it_starts(&mut self) {
        let mut child = self.place.command(WAY).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("start");
        self.moment();
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    fn live_and_die(&mut self) {
        let mut collector = Collector::start(self.place, WAY);
        for _ in 0..self.random.below(5) {
            self.do_something();
            self.moment();
        }
        collector.signal(Signal::SIGKILL);
        assert_eq!(collector.wait(), -(Signal::SIGKILL as i32), "it ended by itself: {}", collector.log());
        self.volume.set_full(false);
    }

    fn do_something(&mut self) {
        match self.random.below(16) {
            0 => {
                self.store.kill();
                self.moment();
                self.store.start_again();
            }
            1 => {
                self.store.signal(Signal::SIGSTOP);
                self.moment();
                self.store.signal(Signal::SIGCONT);
            }
            2 => self.volume.set_full(true),
            3 => self.volume.set_full(false),
            4..8 => self.proxy.set(Fault::None),
            _ => {
                let fault = self.random.pick(&Fault::ALL);
                self.proxy.set(fault);
            }
        }
    }

    fn moment(&mut self) {
        let (least, most) = MOMENT_MS;
        std::thread::sleep(Duration::from_millis(least + self.random.below(most - least)));
    }
}

fn minutes() -> Option<u64> {
    std::env::var("COLLECTOR_CHAOS_MINUTES").ok()?.parse().ok()
}

/// The seed of what happens when: given, or another each time.
fn seed() -> u64 {
    let given = std::env::var("COLLECTOR_CHAOS_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos() as u64))
}
