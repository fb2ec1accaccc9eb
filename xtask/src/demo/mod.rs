//! `cargo xtask demo`: the main job on a fresh machine. Real exporters, real traffic, XDP, ClickHouse, top talkers.
//!
//! This file is the order of events; what takes part in them is in the modules. Everything made is gone when it ends,
//! also by Ctrl-C and by an error: the parts clean up when dropped, in reverse order.

mod account;
mod exporters;
mod folder;
pub mod netns;
mod network;
mod samples;
mod screen;
mod service;
mod traffic;
#[cfg(test)]
mod witness;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{libchdb, packages, programs};
use account::Account;
use exporters::{Exporter, Place, Sent};
use folder::Folder;
use network::{Network, Wire};
use screen::Screen;
use service::{Plan, Service};
use traffic::Traffic;

/// What `cargo xtask demo` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run for a while, check that every flow sent was stored, exit 0 or 1.
    #[arg(long)]
    once: bool,
    /// With `--once`: how long traffic runs.
    #[arg(long, value_name = "N", default_value_t = 30, requires = "once")]
    seconds: u64,
    /// How the collector receives: auto, xdp or udp.
    #[arg(long, value_name = "MODE", default_value = "xdp", value_parser = ["auto", "xdp", "udp"])]
    capture: String,
    /// In what the exporters' datagrams travel.
    #[arg(long, value_enum, default_value_t = Wire::Ipv4)]
    wire: Wire,
    /// Use this `collector` instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
}

impl Arguments {
    /// What CI runs.
    pub fn once() -> Self {
        Self { once: true, seconds: 30, capture: "xdp".to_owned(), wire: Wire::Ipv4, binary: None }
    }
}

const REFRESH: Duration = Duration::from_secs(3);
/// Longest time from a datagram's arrival to its rows in ClickHouse, on a busy machine.
const STORE_PATIENCE: Duration = Duration::from_secs(30);

const TOP_TALKERS: &str = "SELECT replaceOne(toString(src_addr), '::ffff:', '') AS source, \
    formatReadableSize(sum(bytes)), count(), sum(packets) \
    FROM collector.flows GROUP BY source ORDER BY sum(bytes) DESC LIMIT 10";

/// Runs the demo.
///
/// # Errors
///
/// When a part is missing or ends, or with `--once` when flows sent and stored differ.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !programs::is_root() {
        bail!("the demo makes network namespaces and loads an XDP program; run: {}", programs::sudo_line("demo"));
    }
    packages::ensure(packages::DEMO)?;
    let engine = libchdb::ensure()?;
    let binary = match &arguments.binary {
        Some(binary) => binary.clone(),
        None => {
            programs::run(programs::cargo().args(["build", "--release", "--package", "collector"]))?;
            programs::target_folder().join("release/collector")
        }
    };

    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stopped)).context("cannot watch for signals")?;
    }
    netns::remove_leftovers();
    folder::remove_leftovers();
    let folder = Folder::create()?;
    let network = Network::create(arguments.wire)?;
    let plan = Plan {
        namespace: &network.collector,
        interface: network::COLLECTOR_INTERFACE,
        capture: &arguments.capture,
        binary: &binary,
        engine: &engine,
        folder: folder.path(),
    };
    let mut service = Service::start(plan, &stopped)?;
    let mut exporters = start_exporters(&network, &folder)?;
    let mut traffic = Traffic::start(&network.exporters, &network.servers)?;

    let until = arguments.once.then(|| Instant::now() + Duration::from_secs(arguments.seconds));
    watch(&mut service, &mut exporters, until, &stopped)?;
    if stopped.load(Ordering::Relaxed) {
        eprintln!("stopping");
        drop(traffic);
        service.stop()?;
        if arguments.once {
            bail!("interrupted before the check");
        }
        return Ok(());
    }

    traffic.stop();
    let mut sent = Vec::new();
    for exporter in &mut exporters {
        sent.push(exporter.finish()?);
    }
    let account = settle(&service, &exporters, &sent)?;
    service.stop()?;
    let left = network.collector.ip(&["link", "show", "dev", network::COLLECTOR_INTERFACE])?;
    if left.contains("xdp") {
        bail!("the collector left its XDP program on the interface: {left}");
    }
    account.judge(&arguments.capture)
}

fn start_exporters(network: &Network, folder: &Folder) -> Result<[Exporter; 2]> {
    let place = |way: network::Way| Place {
        namespace: &network.exporters,
        interface: network::METERED_INTERFACE,
        address: way.exporter,
        collector: SocketAddr::new(way.collector, network::PORT),
        folder: folder.path(),
    };
    let [softflowd, pmacctd] = network.wire.ways();
    Ok([Exporter::softflowd(place(softflowd))?, Exporter::pmacctd(place(pmacctd))?])
}

/// Shows top talkers and counts until it is time, or a signal came.
fn watch(
    service: &mut Service<'_>,
    exporters: &mut [Exporter],
    until: Option<Instant>,
    stopped: &AtomicBool,
) -> Result<()> {
    let screen = Screen::new();
    let start = Instant::now();
    let mut next = start + REFRESH;
    let over = |now| stopped.load(Ordering::Relaxed) || until.is_some_and(|until| now >= until);
    while !over(Instant::now()) {
        thread::sleep(Duration::from_millis(100));
        if Instant::now() < next {
            continue;
        }
        next += REFRESH;
        service.check()?;
        for exporter in exporters.iter_mut() {
            exporter.check()?;
        }
        let sent: Vec<Sent> = exporters.iter().map(Exporter::sent).collect();
        let account = Account::take(service, exporters, &sent)?;
        let mut talkers = vec![["source", "bytes", "flows", "packets"].map(str::to_owned).to_vec()];
        talkers.extend(screen::cells(&service.query(TOP_TALKERS)?));
        let text = format!(
            "{} s, Ctrl-C ends\n\n{}\nTop talkers, read back from ClickHouse (both exporters watch the same traffic, so it counts twice)\n\n{}",
            start.elapsed().as_secs(),
            account.text(),
            screen::table(&talkers)
        );
        if screen.show(&text).is_err() {
            // Nobody reads any more, as after `| head`: an end like any other.
            stopped.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Waits until as many flows are stored as were sent, or it makes no sense to wait longer.
fn settle(service: &Service<'_>, exporters: &[Exporter], sent: &[Sent]) -> Result<Account> {
    let start = Instant::now();
    loop {
        let account = Account::take(service, exporters, sent)?;
        if account.is_even() || start.elapsed() > STORE_PATIENCE {
            return Ok(account);
        }
        thread::sleep(Duration::from_millis(250));
    }
}
