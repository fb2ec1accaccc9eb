//! The schema at the start: applied before anything is stored, at once or as soon as ClickHouse answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clickhouse::{self, Class};

use super::Error;

/// Between two attempts while ClickHouse is away.
const AGAIN: Duration = Duration::from_secs(2);
/// Between two attempts while somebody must see to it.
const AGAIN_REFUSED: Duration = Duration::from_secs(30);
/// How soon a stop is noticed.
const ROUND: Duration = Duration::from_millis(100);

/// Whether the schema is there, so that rows may be sent. Cloning gives another handle.
#[derive(Debug, Clone, Default)]
pub(super) struct Ready(Arc<AtomicBool>);

impl Ready {
    pub(super) fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The schema, applied or waited for.
pub(super) struct Schema {
    ready: Ready,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Schema {
    /// Applies the schema on every endpoint; while ClickHouse is away, goes on trying on a thread of its own.
    ///
    /// # Errors
    /// What does not pass by itself: wrong settings, user, certificate, a newer schema.
    pub(super) fn start(settings: Vec<Vec<clickhouse::Settings>>) -> Result<Self, Error> {
        let (ready, stop) = (Ready::default(), Arc::<AtomicBool>::default());
        let Err(error) = apply(&settings) else {
            ready.set();
            return Ok(Self { ready, stop, thread: None });
        };
        let Error::ClickHouse(away) = &error else { return Err(error) };
        if !is_away(away) {
            return Err(error);
        }
        tracing::warn!("ClickHouse is away: datagrams are kept in the journal until it answers: {away}");
        let (is_ready, is_stopped) = (ready.clone(), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("schema".to_owned())
            .spawn(move || apply_later(&settings, &is_ready, &is_stopped))
            .map_err(Error::system("start the thread of the schema"))?;
        Ok(Self { ready, stop, thread: Some(thread) })
    }

    /// Where nothing is stored, no schema is needed.
    pub(super) fn not_needed() -> Self {
        let ready = Ready::default();
        ready.set();
        Self { ready, stop: Arc::default(), thread: None }
    }

    pub(super) fn ready(&self) -> Ready {
        self.ready.clone()
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // One that waits for an answer is left to itself: the process ends.
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}

/// Whether this passes by itself, so that collecting may begin meanwhile.
fn is_away(error: &clickhouse::Error) -> bool {
    match error.class {
        Class::Unreachable
        | Class::Network
        | Class::Timeout
        | Class::Busy
        | Class::TooManyParts
        | Class::Memory
        | Class::Unavailable => true,
        // Status 500 without a code: what is in front of ClickHouse has failed, not ClickHouse.
        Class::Other => error.code.is_none(),
        Class::Tls
        | Class::NotClickHouse
        | Class::DiskFull
        | Class::Denied
        | Class::NoDatabase
        | Class::Schema
        | Class::TooLarge
        | Class::Rejected
        | Class::Settings => false,
    }
}

fn apply_later(settings: &[Vec<clickhouse::Settings>], ready: &Ready, stop: &AtomicBool) {
    let mut said: Option<Class> = None;
    loop {
        let (class, pause) = match apply(settings) {
            Ok(()) => {
                ready.set();
                tracing::info!("ClickHouse answers: what waits in the journal is stored");
                return;
            }
            Err(Error::ClickHouse(error)) => {
                let pause = if is_away(&error) { AGAIN } else { AGAIN_REFUSED };
                if !is_away(&error) && said != Some(error.class) {
                    tracing::error!("datagrams wait in the journal, ClickHouse does not take their rows: {error}");
                }
                (Some(error.class), pause)
            }
            Err(error) => {
                tracing::error!(%error, "the schema cannot be applied");
                (None, AGAIN_REFUSED)
            }
        };
        said = class;
        let again = Instant::now() + pause;
        while Instant::now() < again {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(ROUND);
        }
    }
}

fn apply(shards: &[Vec<clickhouse::Settings>]) -> Result<(), Error> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_goes_on_without_a_clickhouse_that_will_be_back() {
        let error = |class, code| clickhouse::Error { code, ..clickhouse::Error::new(class, "") };
        for (class, code, goes_on) in [
            (Class::Unreachable, None, true),
            (Class::Unavailable, None, true),
            (Class::DiskFull, Some(243), false),
            (Class::Other, None, true),
            (Class::Other, Some(64_000), false),
            (Class::NotClickHouse, None, false),
            (Class::Denied, Some(516), false),
            (Class::Schema, None, false),
        ] {
            assert_eq!(is_away(&error(class, code)), goes_on, "{} {code:?}", class.label());
        }
    }
}
