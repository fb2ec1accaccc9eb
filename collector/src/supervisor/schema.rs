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
    /// Applies the schema on every endpoint; where that cannot be now, goes on trying on a thread of its own. What somebody must see
    /// to meanwhile is an alarm in `counters`.
    ///
    /// # Errors
    /// What only another start can mend: settings that make no sense, a schema newer than this program.
    pub(super) fn start(
        settings: Vec<Vec<clickhouse::Settings>>,
        counters: &Arc<clickhouse::Counters>,
    ) -> Result<Self, Error> {
        let (ready, stop) = (Ready::default(), Arc::<AtomicBool>::default());
        let Err(error) = apply(&settings) else {
            ready.set();
            return Ok(Self { ready, stop, thread: None });
        };
        let Error::ClickHouse(refusal) = &error else { return Err(error) };
        if is_final(refusal) {
            return Err(error);
        }
        let said = tell(refusal, None, counters);
        let (is_ready, is_stopped, counters) = (ready.clone(), Arc::clone(&stop), Arc::clone(counters));
        let thread = std::thread::Builder::new()
            .name("schema".to_owned())
            .spawn(move || apply_later(&settings, said, &is_ready, &is_stopped, &counters))
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

/// Whether this passes by itself.
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

/// Whether trying again is in vain: found here and not by the server, in what does not change while this program runs.
fn is_final(error: &clickhouse::Error) -> bool {
    matches!(error.class, Class::Schema | Class::Settings) && error.code.is_none()
}

/// Says why the schema is not there yet, once for each reason in a row, and raises the alarm where somebody must see to it.
fn tell(error: &clickhouse::Error, said: Option<Class>, counters: &clickhouse::Counters) -> Option<Class> {
    counters.alarm_of_schema(!is_away(error));
    if said == Some(error.class) {
        return said;
    }
    if is_away(error) {
        tracing::warn!("ClickHouse is away: datagrams are kept in the journal until it answers: {error}");
    } else {
        tracing::error!("ClickHouse takes no rows, datagrams are kept in the journal until it does: {error}");
    }
    Some(error.class)
}

fn apply_later(
    settings: &[Vec<clickhouse::Settings>],
    mut said: Option<Class>,
    ready: &Ready,
    stop: &AtomicBool,
    counters: &clickhouse::Counters,
) {
    let mut pause = AGAIN;
    loop {
        let again = Instant::now() + pause;
        while Instant::now() < again {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            std::thread::sleep(ROUND);
        }
        pause = match apply(settings) {
            Ok(()) => {
                counters.alarm_of_schema(false);
                ready.set();
                tracing::info!("ClickHouse answers: what waits in the journal is stored");
                return;
            }
            Err(Error::ClickHouse(error)) => {
                said = tell(&error, said, counters);
                if is_away(&error) { AGAIN } else { AGAIN_REFUSED }
            }
            Err(error) => {
                tracing::error!(%error, "the schema cannot be applied");
                AGAIN_REFUSED
            }
        };
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
    fn the_start_goes_on_with_whatever_can_be_mended_meanwhile() {
        let error = |class, code| clickhouse::Error { code, ..clickhouse::Error::new(class, "") };
        for (class, code, is_alarm, ends_the_start) in [
            (Class::Unreachable, None, false, false),
            (Class::Unavailable, None, false, false),
            (Class::Other, None, false, false),
            (Class::DiskFull, Some(243), true, false),
            (Class::Other, Some(64_000), true, false),
            (Class::NotClickHouse, None, true, false),
            (Class::Denied, Some(516), true, false),
            (Class::Tls, None, true, false),
            (Class::Schema, Some(60), true, false),
            (Class::Schema, None, true, true),
            (Class::Settings, None, true, true),
        ] {
            let (error, counters) = (error(class, code), clickhouse::Counters::default());
            assert_eq!(is_final(&error), ends_the_start, "{} {code:?}", class.label());
            assert_eq!(tell(&error, None, &counters), Some(class));
            assert_eq!(counters.alarms(), u64::from(is_alarm), "{} {code:?}", class.label());
        }
    }
}
