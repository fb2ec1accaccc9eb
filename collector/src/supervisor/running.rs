//! The running collector: every part that was started, looked after, and stopped in reverse.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::batch::Pool;
use crate::clickhouse::client::Compression;
use crate::clickhouse::{self, Batch, BatchSender, Sink};
use crate::config::{self, Config, StdoutFormat};
use crate::enrich::{self, Enricher, Geo, Published, PublishedRates, Watcher};
use crate::exporters;
use crate::front_door::FrontDoor;
use crate::ledger::Account;
use crate::metrics::Counter;
use crate::metrics::server::{Pages, Server};
use crate::store;
use crate::templates::Templates;
use crate::worker::pipeline::{self, Books, HandOn, Pipeline};
use crate::worker::{Sources, Worker, pin};

use super::bookkeeping::{Bookkeeping, RowsOfAccount};
use super::capture;
use super::observe::Observed;
use super::reload::Live;
use super::tokens::Tokens;
use super::{Error, Reload, stdout};

/// How often the supervisor looks after everything.
const ROUND: Duration = Duration::from_millis(100);
/// How often the kernel's counters are read.
const KERNEL_COUNTERS: Duration = Duration::from_secs(1);
/// How often idle templates are looked for: a walk through all of them.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long the last blocks may take into ClickHouse after a stop was asked for.
const STORE_DEADLINE: Duration = Duration::from_secs(20);
/// How long the last rows of the ledger may take after that.
const LEDGER_DEADLINE: Duration = Duration::from_secs(5);
/// Idle blocks kept for reuse: one being filled and one on its way for each worker and inserter.
const IDLE_BLOCKS_EACH: usize = 2;

/// Every part in the order of its start. Dropping it detaches and stops without waiting for ClickHouse.
pub(super) struct Running {
    captured: Vec<capture::Interface>,
    workers: Vec<Worker>,
    stop_workers: Arc<AtomicBool>,
    server: Option<Server>,
    observed: Arc<Observed>,
    stdout: Option<stdout::Writer>,
    sink: Sink,
    bookkeeping: Bookkeeping,
    templates: Templates,
    store: Option<store::Child>,
    live: Live,
}

impl Running {
    /// Starts everything, unless `stop` is raised while the store starts, which may take minutes.
    pub(super) fn start(config: &Config, stop: &AtomicBool) -> Result<Self, Error> {
        capture::ensure_usable(&config.capture)?;
        let listener = config.metrics.listen.map(listen_for_metrics).transpose()?;
        let published = Published::new(Geo::open(&config.geoip.files)?);
        let watcher = Watcher::start(enrich::watcher::Settings::new(config.geoip.files.clone()), published.clone())?;
        let names = Published::new(config.names());
        let networks = Published::new(config.networks.clone());
        let rates = PublishedRates::new(config.sampling_rates());
        let front_door = FrontDoor::new(config.rules(), config.front_door.exporters as usize);
        let templates = restore_templates(&config.templates);

        let store = match config.clickhouse.url {
            None => Some(store::Child::start(&config.embedded(), stop)?),
            Some(_) => None,
        };
        let client = clickhouse::Settings {
            // On the same machine compressing costs more than it saves.
            compression: if store.is_some() { Compression::None } else { config.client().compression },
            ..config.client()
        };
        apply_schema(&config.clients())?;
        let mut captured = capture::open(
            &config.capture,
            &capture::DoorSettings { rules: config.rules(), exporters: config.front_door.exporters },
        )?;
        let counters = Arc::new(clickhouse::Counters::default());
        let blocks = (captured.sources.len() + config.clickhouse.inserters) * IDLE_BLOCKS_EACH;
        let pool = Arc::new(Pool::new(blocks, config.clickhouse.block_rows).keep_unknown(config.decode.keep_unknown));
        let account = Account::new(captured.sources.len());
        let exporters = exporters::Directory::default();
        let rows_observer = Arc::new(RowsOfAccount(account.clone()));
        let sink = Sink::start(&client, &config.sink(), Arc::clone(&counters), Arc::clone(&pool), rows_observer)?;
        let stdout = match config.stdout {
            None => None,
            Some(StdoutFormat::Json) => {
                Some(stdout::Writer::start().map_err(Error::system("start the thread of standard output"))?)
            }
        };

        let mode = captured.describe();
        let tokens = Tokens::new();
        let settings =
            pipeline::Settings { block_rows: config.clickhouse.block_rows, block_age: config.clickhouse.block_age };
        let pipelines = std::mem::take(&mut captured.sources).into_iter().enumerate().map(|(index, sources)| {
            let enricher = Enricher::new(&published, &names).with_rates(&rates).with_networks(&networks);
            let hand_on = hand_on(stdout.as_ref().map(stdout::Writer::tap), tokens.clone(), sink.sender());
            let books = Books::new(index, account.clone(), exporters.clone());
            let (templates, pool) = (templates.cache(), Arc::clone(&pool));
            (sources, Pipeline::new(settings, front_door.door(), templates, enricher, pool, hand_on, books))
        });
        let stop_workers = Arc::new(AtomicBool::new(false));
        let workers = start_workers(pipelines.collect(), config.capture.pin, &stop_workers)?;

        let observed = Arc::new(Observed {
            mode: mode.clone(),
            tallies: workers.iter().map(|worker| Arc::clone(worker.shared())).collect(),
            verdicts: captured
                .interfaces
                .iter()
                .map(|interface| (interface.name.clone(), Default::default()))
                .collect(),
            clickhouse: counters,
            names: names.clone(),
            account: account.clone(),
            exporters: exporters.clone(),
            templates: templates.clone(),
            published,
            watcher,
            stdout_skipped: stdout.as_ref().map(stdout::Writer::skipped),
            store_restarts: store.as_ref().map(|_| Counter::default()),
        });
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        tracing::info!(
            capture = mode,
            ports = ?config.capture.ports,
            workers = workers.len(),
            clickhouse = client.url,
            database = client.database,
            metrics = address.map(|address| address.to_string()),
            "collecting"
        );
        // At last: whoever gets an answer finds the whole start in the log.
        let server = listener.map(|listener| serve_metrics(listener, &observed)).transpose()?;
        Ok(Self {
            captured: captured.interfaces,
            workers,
            stop_workers,
            server,
            observed,
            stdout,
            bookkeeping: Bookkeeping::new(account, exporters, templates.clone(), sink.sender(), tokens),
            sink,
            templates,
            store,
            live: Live { front_door, names, networks, rates },
        })
    }

    /// Looks after everything until a stop is asked for or something ended on its own.
    pub(super) fn watch(&mut self, config: &Config, stop: &AtomicBool, reload: &Reload<'_>) -> Result<(), Error> {
        let mut config = config.clone();
        let mut counted = Instant::now();
        let mut expired = Instant::now();
        let mut saved = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(ROUND);
            if let Some(ended) = self.workers.iter().find(|worker| worker.is_finished()) {
                return Err(Error::Worker(ended.index()));
            }
            if !self.sink.is_healthy() {
                return Err(Error::Inserter);
            }
            if reload.asked.swap(false, Ordering::Relaxed) {
                self.live.reload(reload.reread, &mut config, &mut self.captured);
            }
            if counted.elapsed() >= KERNEL_COUNTERS {
                counted = Instant::now();
                self.look_after_programs();
                self.observed.read_verdicts(&self.captured);
                self.observed.read_store(self.store.as_ref());
                self.bookkeeping.tick(&mut self.captured);
            }
            if expired.elapsed() >= EXPIRY {
                expired = Instant::now();
                self.templates.expire(now_seconds());
            }
            if saved.elapsed() >= config.templates.snapshot_interval {
                saved = Instant::now();
                save_templates(&self.templates, &config.templates);
            }
        }
        tracing::info!(
            "stopping: no more datagrams are received; what is here is stored. A second signal ends at once"
        );
        Ok(())
    }

    /// Keeps the programs' clocks in step, and tells them which exporters proved to be some.
    fn look_after_programs(&mut self) {
        let vouched = self.live.front_door.take_vouched();
        for interface in &mut self.captured {
            match interface.steering.keep_time() {
                Ok(false) => {}
                Ok(true) => {
                    self.bookkeeping.clock_was_set();
                    tracing::warn!(interface = interface.name, "the system's clock was set: followed it");
                }
                Err(error) => tracing::error!(%error, "the program's clock could not be kept in step"),
            }
            match interface.steering.admit(&vouched) {
                Ok(0) => {}
                Ok(exporters) => tracing::warn!(
                    interface = interface.name,
                    exporters,
                    "more exporters than are kept apart: raise front_door.exporters"
                ),
                Err(error) => tracing::error!(%error, "exporters could not be given accounts of their own"),
            }
        }
    }

    /// Stops receiving, stores what is held, saves templates, ends the store.
    pub(super) fn stop(mut self, config: &Config) -> Result<(), Error> {
        // The programs go first: what comes from now on takes the UDP sockets, so the workers find the end of their rings.
        self.observed.read_verdicts(&self.captured);
        self.bookkeeping.take_last_minutes(&mut self.captured);
        drop(self.captured);
        self.stop_workers.store(true, Ordering::Relaxed);
        let mut panicked = None;
        for worker in self.workers {
            let index = worker.index();
            if !worker.join() {
                panicked = Some(index);
            }
        }
        self.bookkeeping.settle_all();
        // The flows come first: what became of them belongs into the ledger.
        let drained = self.sink.drain(STORE_DEADLINE);
        self.bookkeeping.write();
        let written = self.sink.stop(LEDGER_DEADLINE);
        save_templates(&self.templates, &config.templates);
        if let Some(stdout) = self.stdout {
            stdout.stop();
        }
        self.observed.log_totals();
        drop(self.server);
        let store_ended = self.store.map_or(Ok(()), store::Child::stop);
        if let Some(index) = panicked {
            return Err(Error::Worker(index));
        }
        let given_up = drained.rows_given_up + written.rows_given_up;
        if given_up > 0 {
            return Err(Error::GivenUp(given_up));
        }
        Ok(store_ended?)
    }
}

fn restore_templates(settings: &config::Templates) -> Templates {
    let templates = Templates::new(settings.store());
    match templates.restore(&settings.snapshot, now_seconds()) {
        Ok(restored) => tracing::info!(
            templates = restored.templates,
            option_values = restored.option_values,
            expired = restored.expired,
            "took up the templates of the last run"
        ),
        Err(error) => {
            tracing::warn!(%error, "starting without templates: data sets wait for the exporters to repeat them")
        }
    }
    templates
}

fn save_templates(templates: &Templates, settings: &config::Templates) {
    if let Err(error) = templates.save(&settings.snapshot, now_seconds()) {
        tracing::error!(%error, "the templates were not saved");
    }
}

fn apply_schema(shards: &[Vec<clickhouse::Settings>]) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("start a runtime for the schema"))?;
    for (url, applied) in runtime.block_on(clickhouse::rollout::apply(shards))? {
        if applied.from != applied.to {
            tracing::info!(url, from = applied.from, to = applied.to, "brought the schema up to date");
        }
    }
    Ok(())
}

/// What a worker does with a full block: shows it on standard output if asked to, names it, queues it for its insert.
fn hand_on(tap: Option<stdout::Tap>, tokens: Tokens, batches: BatchSender) -> HandOn {
    Box::new(move |block| {
        if let Some(tap) = &tap {
            tap.show(&block);
        }
        batches.send(Batch::of_block(block, tokens.next()));
    })
}

fn start_workers(
    parts: Vec<(Sources, Pipeline)>,
    is_pinned: bool,
    stop: &Arc<AtomicBool>,
) -> Result<Vec<Worker>, Error> {
    let cores = if is_pinned { pin::allowed_cores().unwrap_or_default() } else { Vec::new() };
    let mut workers = Vec::new();
    for (index, (sources, pipeline)) in parts.into_iter().enumerate() {
        let core = pin::core_for(&cores, index);
        let worker = Worker::start(index, core, sources, pipeline, Arc::clone(stop));
        workers.push(worker.map_err(Error::system("start a worker"))?);
    }
    Ok(workers)
}

fn listen_for_metrics(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Metrics { address, source })
}

fn serve_metrics(listener: TcpListener, observed: &Arc<Observed>) -> Result<Server, Error> {
    let observed = Arc::clone(observed);
    let exporters = Arc::clone(&observed);
    let pages = Pages {
        metrics: Arc::new(move || observed.render()),
        exporters: Arc::new(move || exporters.render_exporters()),
    };
    Server::start(listener, pages).map_err(Error::system("start the metrics server"))
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
