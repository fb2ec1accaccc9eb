//! The thread that keeps the tables up to date: at start, when the configuration is read again, and when GeoIP files were replaced or
//! exporters announced other names.
//!
//! What did not change is not written. What ClickHouse did not take is tried again.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender};

use super::Settings;
use super::content::{Content, Rows};
use super::fill::fill;
use crate::clickhouse::{self, Client};
use crate::enrich::{Geo, Published};

/// How often news is looked for that nobody tells.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// How long ClickHouse may take for one statement: at a stop somebody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon what failed is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);
/// How soon a schema that is not there is looked for again.
const WAIT: Duration = Duration::from_secs(1);

/// Tells the names of interfaces that exporters announced.
pub type Announced = Box<dyn Fn() -> Vec<(IpAddr, u32, String)> + Send>;

/// Tells whether the tables are there.
pub type IsReady = Box<dyn Fn() -> bool + Send>;

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Keeper {
    settings: Option<Sender<Settings>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Keeping {
    client: clickhouse::Settings,
    settings: Settings,
    geo: Published<Geo>,
    announced: Announced,
    is_ready: IsReady,
    stored: HashMap<&'static str, Rows>,
    /// Whether what is wrong with the files was logged.
    is_told: bool,
    stop: Arc<AtomicBool>,
}

impl Keeper {
    /// Starts keeping the tables of a database, once its schema is up to date.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        client: clickhouse::Settings,
        settings: Settings,
        geo: Published<Geo>,
        announced: Announced,
        is_ready: IsReady,
    ) -> io::Result<Self> {
        let (sender, receiver) = channel::unbounded();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let stop = Arc::new(AtomicBool::new(false));
        let client = clickhouse::Settings { connect_timeout: PATIENCE, request_timeout: PATIENCE, ..client };
        let stored = HashMap::new();
        let (is_told, stopped) = (false, Arc::clone(&stop));
        let keeping = Keeping { client, settings, geo, announced, is_ready, stored, is_told, stop: stopped };
        let thread =
            thread::Builder::new().name("dictionaries".to_owned()).spawn(move || keeping.run(&runtime, &receiver))?;
        Ok(Self { settings: Some(sender), stop, thread: Some(thread) })
    }

    /// Has the files read again, by new settings.
    pub fn replace(&self, settings: Settings) {
        if let Some(sender) = &self.settings {
            // The thread ends with this alone.
            let _ = sender.send(settings);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.settings = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Keeping {
    fn run(mut self, runtime: &tokio::runtime::Runtime, news: &Receiver<Settings>) {
        loop {
            let next = match (self.is_ready)() {
                false => WAIT,
                true if runtime.block_on(self.store()) => LOOK_EVERY,
                true => TRY_AGAIN,
            };
            match news.recv_timeout(next) {
                Ok(settings) => {
                    self.settings = settings;
                    self.is_told = false;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Stores what changed. Says whether ClickHouse took it.
    async fn store(&mut self) -> bool {
        let client = match Client::new(&self.client) {
            Ok(client) => client,
            Err(error) => {
                tracing::error!(%error, "names cannot be stored");
                return true;
            }
        };
        let geo = self.geo.load();
        let content = Content::read(&self.settings, geo.autonomous_systems(), (self.announced)());
        for (table, rows) in content.tables {
            let rows = match rows {
                Ok(rows) => rows,
                Err(error) => {
                    if !self.is_told {
                        tracing::error!(%error, table, "a file of names was not taken up");
                    }
                    continue;
                }
            };
            if self.stored.get(table) == Some(&rows) {
                continue;
            }
            if self.stop.load(Ordering::Relaxed) {
                return true;
            }
            match fill(&client, table, &rows).await {
                Ok(loaded) => {
                    tracing::debug!(table, rows = rows.count, "stored names");
                    if let Err(error) = loaded {
                        tracing::warn!(
                            %error,
                            table,
                            "ClickHouse does not load the dictionary of this table, `collector query` reads the table itself: \
                             dictionaries need the user default without a password"
                        );
                    }
                    self.stored.insert(table, rows);
                }
                Err(error) => {
                    tracing::warn!(error = %client.explain(error), table, "names were not stored and will be tried again");
                    return false;
                }
            }
        }
        self.is_told = true;
        true
    }
}
