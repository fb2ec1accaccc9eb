//! The running collector: every part that was started, looked after, and stopped in reverse.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::batch::Pool;
use crate::clickhouse::client::Compression;
use crate::clickhouse::retention::Retention;
use crate::clickhouse::{self, Sink};
use crate::config::{CaptureMode, Config, StdoutFormat};
use crate::dictionaries;
use crate::enrich::{self, Enricher, Geo, Published, PublishedRates, Watcher};
use crate::exporters::News;
use crate::front_door::FrontDoor;
use crate::journal::{self, Durability, Position, Progress};
use crate::metrics::Counter;
use crate::metrics::server::{Pages, Server};
use crate::store;
use crate::templates::Templates;
use crate::utc::now_ms;
use crate::worker::Worker;
use crate::worker::pipeline::{self, Books, Pipeline};

use super::bookkeeping::{Bookkeeping, RowsOfAccount};
use super::capture;
use super::follow::Follower;
use super::handover::Handover;
use super::hints;
use super::journals::{self, Orphan};
use super::keeper::{self, Keeper};
use super::lag::Lag;
use super::observe::{self, Observed};
use super::passing_by;
use super::receiving::{Begun, Kept, Receiving};
use super::reload::Live;
use super::replay::{Gated, Replay, Source};
use super::schema::Schema;
use super::{Error, Reload, stdout};

/// How often the supervisor looks after everything.
const ROUND: Duration = Duration::from_millis(100);
/// How often the kernel's counters are read.
const KERNEL_COUNTERS: Duration = Duration::from_secs(1);
/// How often the log is told what is new of exporters.
const NEWS: Duration = Duration::from_secs(2);
/// How often idle templates are looked for: a walk through all of them.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long the last blocks may take into ClickHouse after a stop was asked for.
const STORE_DEADLINE: Duration = Duration::from_secs(20);
/// How much longer the workers may take to say how far they decoded: they look after every few datagrams.
const DECODERS: Duration = Duration::from_secs(2);
/// How long the last rows of the ledger may take after that.
const LEDGER_DEADLINE: Duration = Duration::from_secs(5);
/// Idle blocks kept for reuse: one being filled and one on its way for each worker and inserter.
const IDLE_BLOCKS_EACH: usize = 2;

/// Every part in the order of its start. Dropping it detaches and stops without waiting for ClickHouse.
pub(super) struct Running {
    receiving: Receiving,
    follower: Follower,
    /// Until what was not stored before the last end was sent again.
    replay: Option<Replay>,
    keeper: Keeper,
    orphans: Vec<Orphan>,
    lag: Lag,
    passing_by: passing_by::Watch,
    news: News,
    schema: Schema,
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
    /// Starts everything, unless `stop` is raised while the store starts, which may take minutes. What comes meanwhile is kept.
    pub(super) fn start(config: &Config, handed_over: Handover, stop: &AtomicBool) -> Result<Self, Error> {
        capture::ensure_usable(&config.capture, &handed_over)?;
        let listener = config.metrics.listen.map(listen_for_metrics).transpose()?;
        let front_door = FrontDoor::new(config.rules(), config.front_door.exporters as usize);
        let (receiving, Kept { journals, orphans }) = Receiving::start(config, &front_door, handed_over)?;
        let (account, exporters) = (receiving.account.clone(), receiving.exporters.clone());

        let geo = Geo::open(&config.geoip.files)?;
        log_geoip(&geo);
        let published = Published::new(geo);
        let watcher = Watcher::start(enrich::watcher::Settings::new(config.geoip.files.clone()), published.clone())?;
        let names = Published::new(config.names());
        let networks = Published::new(config.networks.clone());
        let rates = PublishedRates::new(config.sampling_rates());
        let (templates, restored) = keeper::restore(&config.templates);
        exporters.put_back(&keeper::sequences_of(&restored), receiving.since_ms);

        let counters = Arc::new(clickhouse::Counters::default());
        let discards = config.clickhouse.discard;
        let store = match config.clickhouse.url {
            None if discards => None,
            None => Some(store::Child::start(&config.embedded(), stop)?),
            Some(_) => None,
        };
        let client = clickhouse::Settings {
            // On the same machine compressing costs more than it saves.
            compression: if store.is_some() { Compression::None } else { config.client().compression },
            ..config.client()
        };
        let schema = if discards { Schema::not_needed() } else { Schema::start(config.clients(), &counters)? };
        let keeps = Keeps { client: &client, schema: &schema, templates: &templates, published: &published };
        let (dictionaries, retention) = if discards { (None, None) } else { keeps.start(config)? };
        let blocks = (receiving.workers.len() + config.clickhouse.inserters) * IDLE_BLOCKS_EACH;
        let pool = Pool::new(blocks, config.clickhouse.block_rows).keep_unknown(config.decode.keep_unknown);
        let pool = Arc::new(pool.limits(config.decode.limits));
        let rows_observer = Arc::new(RowsOfAccount(account.clone()));
        let sink = Sink::start(&client, &config.sink(), Arc::clone(&counters), Arc::clone(&pool), rows_observer)?;
        let stdout = match config.stdout {
            None => None,
            Some(StdoutFormat::Json) => {
                Some(stdout::Writer::start().map_err(Error::system("start the thread of standard output"))?)
            }
        };

        let pipeline = |id: journal::Id, progress: &Progress, segment_bytes: u64| {
            let tap = stdout.as_ref().map(stdout::Writer::tap);
            Pipeline::new(pipeline::Parts {
                settings: pipeline::Settings {
                    block_rows: config.clickhouse.block_rows,
                    block_age: config.clickhouse.block_age,
                    segment_bytes,
                    rollups: config.rollups,
                },
                door: front_door.door(),
                templates: templates.cache(),
                enricher: Enricher::new(&published, &names).with_rates(&rates).with_networks(&networks),
                pool: Arc::clone(&pool),
                outlet: journals::outlet(id, progress.clone(), sink.sender(), schema.ready(), tap),
                progress: progress.clone(),
                books: Books::new(account.clone(), exporters.clone()),
            })
        };
        let (mut sources, mut gates, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        for Begun { id, progress, segment_bytes, past, gate } in journals {
            let from = keeper::position_of(&restored, id).unwrap_or_else(|| progress.replay_from());
            let pipeline = || pipeline(id, &progress, segment_bytes);
            sources.push(Source {
                past,
                progress: progress.clone(),
                pipeline: pipeline(),
                from,
                goes_on: gate.is_some(),
            });
            gates.extend(gate.clone().map(|gate| Gated {
                gate,
                progress: progress.clone(),
                pipeline: Box::new(pipeline()),
            }));
            kept.push(keeper::Kept { id, progress, gate });
        }
        let replay = Replay::start(sources, gates)?;

        let observed = Arc::new(Observed {
            mode: Mutex::new(receiving.mode.clone()),
            durability: match config.journal.durability {
                Durability::Process => "process",
                Durability::Disk { .. } => "disk",
            },
            tallies: receiving.workers.iter().map(|worker| Arc::clone(worker.shared())).collect(),
            verdicts: match config.capture.mode {
                CaptureMode::Udp => Vec::new(),
                CaptureMode::Auto | CaptureMode::Xdp => {
                    config.capture.interfaces.iter().map(|name| (name.clone(), Default::default())).collect()
                }
            },
            standings: Mutex::new(observe::standings(&receiving.interfaces, &receiving.refused)),
            clickhouse: Arc::clone(&counters),
            names: names.clone(),
            account: account.clone(),
            exporters: exporters.clone(),
            templates: templates.clone(),
            published,
            watcher,
            retention,
            discards,
            stdout_skipped: stdout.as_ref().map(stdout::Writer::skipped),
            store_restarts: store.as_ref().map(|_| Counter::default()),
        });
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        tracing::info!(
            capture = receiving.mode,
            ports = ?config.capture.ports,
            workers = receiving.workers.len(),
            clickhouse = if discards { "nowhere" } else { &client.url },
            database = client.database,
            metrics = address.map(|address| address.to_string()),
            "collecting"
        );
        hints::log(config);
        if discards {
            tracing::warn!(
                "NOTHING IS STORED: rows are thrown away once they are encoded (--discard or clickhouse.discard)"
            );
        }
        // At last: whoever gets an answer finds the whole start in the log.
        let server = listener.map(|listener| serve_metrics(listener, &observed)).transpose()?;
        let bookkeeping =
            Bookkeeping::new(account, exporters, templates.clone(), sink.sender(), schema.ready(), counters);
        let keeper = Keeper::new(templates.clone(), receiving.exporters.clone(), config.templates.clone(), kept);
        Ok(Self {
            follower: Follower::new(&receiving.refused, receiving.interfaces.len()),
            receiving,
            replay: Some(replay),
            keeper,
            orphans,
            lag: Lag::new(),
            passing_by: passing_by::Watch::new(),
            news: News::default(),
            schema,
            server,
            observed,
            stdout,
            bookkeeping,
            sink,
            templates,
            store,
            live: Live { front_door, names, networks, rates, dictionaries },
        })
    }

    /// Looks after everything until a stop is asked for or something ended on its own.
    pub(super) fn watch(&mut self, config: &Config, stop: &AtomicBool, reload: &Reload<'_>) -> Result<(), Error> {
        let mut config = config.clone();
        let mut counted = Instant::now();
        let mut expired = Instant::now();
        let mut told = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            std::thread::sleep(ROUND);
            if let Some(ended) = self.receiving.workers.iter().find(|worker| worker.is_finished()) {
                return Err(Error::Worker(ended.index()));
            }
            if !self.sink.is_healthy() {
                return Err(Error::Inserter);
            }
            if reload.asked.swap(false, Ordering::Relaxed) {
                self.live.reload(reload.reread, &mut config, &mut self.receiving.interfaces);
            }
            self.follow_addresses();
            if counted.elapsed() >= KERNEL_COUNTERS {
                counted = Instant::now();
                self.look_after_programs(config.front_door.exporters);
                let Receiving { interfaces, workers, .. } = &mut self.receiving;
                self.follower.tick(&config, interfaces, workers, &self.bookkeeping, &self.observed);
                self.observed.read_verdicts(&self.receiving.interfaces);
                self.passing_by.tick(self.observed.passing_by());
                self.observed.read_store(self.store.as_ref());
                // Before the replay is through it is not known what is too old.
                let decoded = self.replay.is_none().then(|| self.observed.decoded_seconds());
                self.bookkeeping.tick(&mut self.receiving.interfaces, decoded);
                self.remove_orphans();
            }
            if told.elapsed() >= NEWS {
                told = Instant::now();
                let names = self.observed.names.load();
                self.news.tick(
                    &self.observed.exporters,
                    &|of| names.of_exporter(&of.sender, &of.agent).to_owned(),
                    now_ms(),
                );
            }
            self.lag.tick(&self.observed.tallies);
            if self.replay.as_ref().is_some_and(Replay::is_finished)
                && self.replay.take().and_then(Replay::join) != Some(true)
            {
                return Err(Error::Replay);
            }
            if self.replay.is_some() {
                continue;
            }
            if expired.elapsed() >= EXPIRY {
                expired = Instant::now();
                self.templates.expire(self.observed.decoded_seconds());
            }
            self.keeper.tick(self.observed.decoded_seconds());
        }
        tracing::info!(
            "stopping: what was received is stored; what comes meanwhile is kept for the next start. A second signal ends at once"
        );
        Ok(())
    }

    /// Has the programs follow this machine's addresses.
    fn follow_addresses(&mut self) {
        for interface in &mut self.receiving.interfaces {
            let name = &interface.name;
            match interface.steering.follow() {
                Ok(false) => {}
                Ok(true) => tracing::debug!(interface = name, "this machine's addresses changed: followed them"),
                Err(error) => {
                    tracing::error!(interface = name, %error, "this machine's addresses could not be followed")
                }
            }
        }
    }

    /// Keeps the programs' clocks in step, and tells them which exporters proved to be some.
    fn look_after_programs(&mut self, exporters_most: u32) {
        let vouched = self.live.front_door.take_vouched();
        self.follower.admitted(&vouched, exporters_most);
        for interface in &mut self.receiving.interfaces {
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

    /// Removes the journals of workers that run no more, once nothing in them is wanted.
    fn remove_orphans(&mut self) {
        if self.replay.is_some() {
            return;
        }
        for mut orphan in std::mem::take(&mut self.orphans) {
            if orphan.is_done() {
                self.keeper.forget(&orphan.journal.id());
                orphan.remove();
            } else {
                self.orphans.push(orphan);
            }
        }
    }

    /// Stores what was received, as far as ClickHouse takes it in time, and saves the state of decoding, while what comes still is kept
    /// in the journals; then stops receiving, and ends the store.
    pub(super) fn stop(mut self) -> Result<(), Error> {
        // Where ClickHouse was never there, there is nothing to wait for.
        let patience = if self.schema.ready().is_ready() { STORE_DEADLINE } else { Duration::ZERO };
        let stop_at = Instant::now() + patience;
        self.receiving.stop().end_decoding(stop_at);
        if let Some(replay) = self.replay.take() {
            replay.stop_by(stop_at);
        }
        let positions = self.wait_for_decoders(stop_at);
        let decoded = self.observed.decoded_seconds();
        // Before the copy: what expires now must not expire once more after the next start.
        self.bookkeeping.take_given_up(decoded);
        self.keeper.take_last(&positions, decoded);
        self.sink.drain(stop_at.saturating_duration_since(Instant::now()));
        self.keeper.write();

        // From here on what comes is lost, but for what systemd keeps the sockets for: nothing below may take long.
        self.observed.read_verdicts(&self.receiving.interfaces);
        self.bookkeeping.take_last_minutes(&mut self.receiving.interfaces);
        let left = self.receiving.end();
        // The flows came first: what became of them belongs into the ledger.
        self.bookkeeping.settle_all();
        self.bookkeeping.write();
        let _ = self.sink.stop(LEDGER_DEADLINE);
        if let Some(stdout) = self.stdout {
            stdout.stop();
        }
        self.observed.log_totals();
        journals::log_waiting(left.iter().flatten().chain(self.orphans.iter().map(|orphan| &orphan.journal)));
        drop(self.server);
        drop(self.live);
        // The tables are left alone before their store ends.
        drop(self.observed);
        let store_ended = self.store.map_or(Ok(()), store::Child::stop);
        if let Some(index) = left.iter().position(Option::is_none) {
            return Err(Error::Worker(index));
        }
        Ok(store_ended?)
    }

    /// Waits until the workers have decoded what they had, or time is up; up to where each did.
    fn wait_for_decoders(&self, stop_at: Instant) -> Vec<Option<Position>> {
        let give_up = stop_at + DECODERS;
        let is_through = |worker: &Worker| worker.decoded().is_some() || worker.is_finished();
        while !self.receiving.workers.iter().all(is_through) && Instant::now() < give_up {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.receiving.workers.iter().map(|worker| worker.decoded().flatten()).collect()
    }
}

/// What keeps tables beside the flows.
struct Keeps<'k> {
    client: &'k clickhouse::Settings,
    schema: &'k Schema,
    templates: &'k Templates,
    published: &'k Published,
}

impl Keeps<'_> {
    fn start(&self, config: &Config) -> Result<(Option<dictionaries::Keeper>, Option<Retention>), Error> {
        let announcing = self.templates.clone();
        let announced = Box::new(move || announcing.interface_names());
        let ready = self.schema.ready();
        let is_ready = Box::new(move || ready.is_ready());
        let (client, published) = (self.client.clone(), self.published.clone());
        let dictionaries = dictionaries::Keeper::start(client, config.dictionaries(), published, announced, is_ready)
            .map_err(Error::system("start the thread of dictionaries"))?;
        let ready = self.schema.ready();
        let retention = Retention::start(self.client, config.retention, move || ready.is_ready())
            .map_err(Error::system("start retention"))?;
        Ok((Some(dictionaries), Some(retention)))
    }
}

fn log_geoip(geo: &Geo) {
    for file in geo.files() {
        tracing::info!(file = %file.path.display(), kind = file.kind, gives = %file.gives, "read a GeoIP file");
    }
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
