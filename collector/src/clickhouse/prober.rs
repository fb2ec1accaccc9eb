//! The prober: asks endpoints that could not be spoken with whether they are back, so that no insert has to find out.
//!
//! One thread for all shards, and none where no shard has two endpoints. Not here: which endpoint an insert goes to.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::client::{self, Client};
use super::endpoints::Endpoints;
use super::error::{Class, Error};

/// Between two looks at who has to be asked.
const ROUND: Duration = Duration::from_millis(250);

/// The thread. Dropping it ends the thread at once.
pub(super) struct Prober {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Prober {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`Class::Settings`] for settings that cannot work, [`Class::Other`] when the thread cannot be started.
    pub(super) fn start(client: &client::Settings, shards: &[Arc<Endpoints>]) -> Result<Self, Error> {
        let mut probes = Vec::new();
        for shard in shards {
            for (index, url) in shard.urls().enumerate() {
                let client = Client::new(&client::Settings { url: url.to_owned(), ..client.clone() })?;
                probes.push((Arc::clone(shard), index, client));
            }
        }
        let cannot_start =
            |error: std::io::Error| Error::new(Class::Other, format!("cannot start the thread of probes: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(cannot_start)?;
        let (stop, stopped) = oneshot::channel();
        let work = async move {
            tokio::select! {
                _ = stopped => {}
                () = run(probes) => {}
            }
        };
        let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || runtime.block_on(work));
        Ok(Self { stop: Some(stop), thread: Some(thread.map_err(cannot_start)?) })
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of probes has panicked");
        }
    }
}

async fn run(probes: Vec<(Arc<Endpoints>, usize, Client)>) {
    // Side by side: one that does not answer must not keep the others waiting.
    let mut tasks = tokio::task::JoinSet::new();
    for (shard, index, client) in probes {
        tasks.spawn(async move {
            loop {
                if shard.needs_probe(index, Instant::now()) {
                    probe(&shard, index, &client).await;
                }
                tokio::time::sleep(ROUND).await;
            }
        });
    }
    tasks.join_all().await;
}

async fn probe(shard: &Endpoints, index: usize, client: &Client) {
    let outcome = client.probe().await;
    if outcome.is_ok() {
        tracing::info!(url = client.settings().url, "ClickHouse answers again");
    }
    shard.probed(index, outcome.map(drop).map_err(|error| error.class), Instant::now());
}
