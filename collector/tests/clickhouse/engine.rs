//! A real engine behind ClickHouse's HTTP interface: the embedded store, in a directory of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use collector::clickhouse::{Client, Settings};
use collector::store::{self, Child, locate};

const USER: &str = "ada";
const PASSWORD: &str = "pass & word";

/// A running store; ended and its data removed when dropped.
pub(crate) struct Engine {
    url: String,
    child: Option<Child>,
    data_dir: PathBuf,
}

impl Engine {
    /// Nothing, loudly, where the library of the engine is missing; a failure where the environment says that it must be there.
    pub(crate) fn start() -> Option<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    /// The same at an address that was chosen before.
    pub(crate) fn start_at(listen: SocketAddr) -> Option<Self> {
        if let Err(error) = locate::library(None) {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{error}");
            eprintln!("SKIPPED: {error}");
            return None;
        }
        let data_dir = std::env::temp_dir().join(format!("collector-clickhouse-{}-{}", std::process::id(), number()));
        let settings = store::Settings {
            data_dir: data_dir.clone(),
            listen,
            library: None,
            database: "collector".to_owned(),
            user: Some(USER.to_owned()),
            password: Some(PASSWORD.to_owned()),
            connections: 2,
            memory_bytes: None,
            until_stdin_closes: true,
        };
        let mut engine = Self { url: format!("http://{listen}"), child: None, data_dir };
        let child =
            Child::start_program(Path::new(env!("CARGO_BIN_EXE_collector")), &settings, &AtomicBool::new(false))
                .unwrap();
        engine.url = child.url();
        engine.child = Some(child);
        Some(engine)
    }

    /// Settings for a database that does not exist yet.
    pub(crate) fn settings(&self, database: &str) -> Settings {
        settings(&self.url, database)
    }

    /// Where its HTTP interface listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.url.trim_start_matches("http://").parse().unwrap()
    }

    pub(crate) fn client(&self, settings: &Settings) -> Client {
        assert_eq!(settings.url, self.url);
        Client::new(settings).unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            drop(child.stop());
        }
        drop(std::fs::remove_dir_all(&self.data_dir));
    }
}

/// Settings for an engine, running or not.
pub(crate) fn settings(url: &str, database: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        database: database.to_owned(),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
        ..Settings::default()
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn number() -> u32 {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    NUMBER.fetch_add(1, Ordering::Relaxed)
}
