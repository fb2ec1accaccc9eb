//! A real engine behind ClickHouse's HTTP interface.

use std::sync::atomic::{AtomicU32, Ordering};

use collector::clickhouse::{Client, Settings};

pub(crate) struct Engine {
    url: String,
}

impl Engine {
    pub(crate) fn start() -> Option<Self> {
        let url = std::env::var("COLLECTOR_TEST_CLICKHOUSE_URL").ok()?;
        Some(Self { url })
    }

    /// Settings for a database of its own, which does not exist yet.
    pub(crate) fn settings(&self, name: &str) -> Settings {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Settings {
            url: self.url.clone(),
            database: format!("{name}_{}_{number}", std::process::id()),
            ..Settings::default()
        }
    }

    pub(crate) fn client(&self, settings: &Settings) -> Client {
        Client::new(settings).unwrap()
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
