//! The running collector: every part that was started, looked after, and stopped in reverse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::batch::Pool;
use crate::clickhouse::client::Compression;
use crate::clickhouse::{self, Sink};
use crate::config::{self, Config, StdoutFormat};
use crate::enrich::{self, Enricher, Geo, Published, Watcher};
use crate::metrics::Counter;
use crate::metrics::server::Server;
use crate::store;
use crate::templates::Templates;
use crate::worker::pipeline::{self, Pipeline, Tokens};
use crate::worker::{Sources, Worker, pin};

use super::capture;
use super::observe::Observed;
use super::{Error, stdout};

/// How often the supervisor looks after everything.
const ROUND: Duration = Duration::from_millis(100);
/// How often the kernel's counters are read.
const KERNEL_COUNTERS: Duration = Duration::from_secs(1);
/// How often idle templates are looked for: a walk through all of them.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long the last blocks may take into ClickHouse after a stop was asked for.
const STORE_DEADLINE: Duration = Duration::from_secs(20);
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
    templates: Templates,
    store: Option<store::Child>,
}

impl Running {
    /// Starts everything.
    pub(super) fn start(config: &Config) -> Result<Self, Error> {
        capture::ensure_usable(&config.capture)?;
        let published = Published::new(Geo::open(&config.geoip.files)?);
        let watcher = Watcher::start(enrich::watcher::Settings::new(config.geoip.files.clone()), published.clone())?;
        let names = Arc::new(config.names());
        let templates = restore_templates(&config.templates);

        let store = match config.clickhouse.url {
            None => Some(store::Child::start(&config.embedded())?),
            Some(_) => None,
        };
        let client = clickhouse::Settings {
            // On the same machine compressing costs more than it saves.
            compression: if store.is_some() { Compression::None } else { config.client().compression },
            ..config.client()
        };
        apply_schema(&client)?;
        let mut captured = capture::open(&config.capture)?;
        let counters = Arc::new(clickhouse::Counters::default());
        let blocks = (captured.sources.len() + config.clickhouse.inserters) * IDLE_BLOCKS_EACH;
        let pool = Arc::new(Pool::new(blocks, config.clickhouse.block_rows));
        let sink = Sink::start(&client, &config.clickhouse.sink(), Arc::clone(&counters), Arc::clone(&pool))?;
        let stdout = match config.stdout {
            None => None,
            Some(StdoutFormat::Json) => {
                Some(stdout::Writer::start().map_err(Error::system("start the thread of standard output"))?)
            }
        };

        let mode = captured.describe();
        let tap = stdout.as_ref().map(stdout::Writer::tap);
        let tokens = Tokens::new();
        let pipelines = std::mem::take(&mut captured.sources).into_iter().map(|sources| {
            let settings =
                pipeline::Settings { block_rows: config.clickhouse.block_rows, block_age: config.clickhouse.block_age };
            let enricher = Enricher::new(&published, Arc::clone(&names));
            let batches = sink.sender();
            let pipeline = Pipeline::new(
                settings,
                templates.cache(),
                enricher,
                Arc::clone(&pool),
                batches,
                tokens.clone(),
                tap.clone(),
            );
            (sources, pipeline)
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
            templates: templates.clone(),
            published,
            watcher,
            stdout_skipped: stdout.as_ref().map(stdout::Writer::skipped),
            store_restarts: store.as_ref().map(|_| Counter::default()),
        });
        let server = config.metrics.listen.map(|listen| serve_metrics(listen, &observed)).transpose()?;
        tracing::info!(
            capture = mode,
            ports = ?config.capture.ports,
            workers = workers.len(),
            clickhouse = client.url,
            database = client.database,
            metrics = server.as_ref().map(|server| server.address().to_string()),
            "collecting"
        );
        Ok(Self {
            captured: captured.interfaces,
            workers,
            stop_workers,
            server,
            observed,
            stdout,
            sink,
            templates,
            store,
        })
    }

    /// Looks after everything until a stop is asked for or something ended on its own.
    pub(super) fn watch(&mut self, config: &Config, stop: &AtomicBool) -> Result<(), Error> {
        let mut counted = Instant::now();
        let mut expired = Instant::now();
        let mut saved = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(ROUND);
            if let Some(ended) = self.workers.iter().find(|worker| worker.is_finished()) {
                return Err(Error::Worker(ended.index()));
            }
            if counted.elapsed() >= KERNEL_COUNTERS {
                counted = Instant::now();
                self.observed.read_verdicts(&self.captured);
                self.observed.read_store(self.store.as_ref());
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

    /// Stops receiving, stores what is held, saves templates, ends the store.
    pub(super) fn stop(self, config: &Config) -> Result<(), Error> {
        self.stop_workers.store(true, Ordering::Relaxed);
        let mut panicked = None;
        for worker in self.workers {
            let index = worker.index();
            if !worker.join() {
                panicked = Some(index);
            }
        }
        self.observed.read_verdicts(&self.captured);
        drop(self.captured);
        let drained = self.sink.stop(STORE_DEADLINE);
        save_templates(&self.templates, &config.templates);
        if let Some(stdout) = self.stdout {
            stdout.stop();
        }
        self.observed.log_totals();
        drop(self.server);
        if let Some(store) = self.store {
            store.stop()?;
        }
        if let Some(index) = panicked {
            return Err(Error::Worker(index));
        }
        if drained.rows_given_up > 0 {
            return Err(Error::GivenUp(drained.rows_given_up));
        }
        Ok(())
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

fn apply_schema(settings: &clickhouse::Settings) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::system("start a runtime for the schema"))?;
    let applied = runtime.block_on(async { clickhouse::schema::apply(&clickhouse::Client::new(settings)?).await })?;
    if applied.from != applied.to {
        tracing::info!(from = applied.from, to = applied.to, "brought the schema up to date");
    }
    Ok(())
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

fn serve_metrics(listen: std::net::SocketAddr, observed: &Arc<Observed>) -> Result<Server, Error> {
    let observed = Arc::clone(observed);
    let render = Arc::new(move || observed.render());
    Server::start(listen, render).map_err(|source| Error::Metrics { address: listen, source })
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
