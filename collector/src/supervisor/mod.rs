//! Starts everything in order and stops it in reverse.
//!
//! Start: state directory, capture, journals, the workers that receive into them; then, while datagrams are kept already, templates,
//! GeoIP, ClickHouse (or the embedded one), schema, sink, the replay of what was not stored, decoding, metrics. ClickHouse itself may be
//! away: then what comes waits in the journals.
//! Whatever fails on the way ends the start with one line; what was started is stopped by its drop.

/// The ledger's upkeep.
mod bookkeeping;
/// Interfaces, XDP programs, rings and sockets.
mod capture;
/// Interfaces that change, go and come back.
mod follow;
/// UDP sockets that outlive a restart.
mod handover;
/// What to do next, in the log of a start.
mod hints;
/// An interface with its program and rings.
mod interface;
/// The journals of all workers.
mod journals;
/// The state of decoding on disk.
mod keeper;
/// How far storing is behind.
mod lag;
/// The text of `/metrics`, and the line that a person reads.
mod observe;
/// Datagrams to our ports that only pass by.
mod passing_by;
/// What receives: started first, ended last.
mod receiving;
/// What changes while running.
mod reload;
/// What was not stored before the last end.
mod replay;
/// Every part that was started.
mod running;
/// The schema at the start.
mod schema;
/// The state directory: made when missing, held by one collector at a time.
mod state;
/// Rows on standard output: `--stdout json`.
mod stdout;
/// Names for batches.
mod tokens;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::config::Config;

use self::handover::Handover;
pub use self::reload::Reread;
use self::running::Running;
use self::state::StateDir;

/// Why the collector did not start, or did not end well. Each is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state directory.
    #[error(transparent)]
    State(#[from] state::Error),
    /// GeoIP files or names.
    #[error(transparent)]
    Enrich(#[from] crate::enrich::Error),
    /// ClickHouse, or its schema.
    #[error(transparent)]
    ClickHouse(#[from] crate::clickhouse::Error),
    /// The embedded store.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// Interfaces, rings, sockets.
    #[error(transparent)]
    Capture(#[from] capture::Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] crate::journal::Error),
    /// The metrics server.
    #[error("metrics on {address}: {source}: choose another address with --metrics")]
    Metrics {
        /// What it should listen on.
        address: std::net::SocketAddr,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The system refused a thread or a signal handler.
    #[error("{operation}: {source}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// A worker ended although nobody asked it to.
    #[error("worker {0} ended unexpectedly: everything was stopped; the log has the reason")]
    Worker(usize),
    /// An inserting thread ended although nobody asked it to.
    #[error("an inserting thread ended unexpectedly: everything was stopped; the log has the reason")]
    Inserter,
    /// The replay ended although nobody asked it to.
    #[error("the replay of the journal ended unexpectedly: everything was stopped; the log has the reason")]
    Replay,
}

impl Error {
    fn system(operation: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { operation, source }
    }
}

/// Runs the collector until SIGTERM or SIGINT, then stores what it holds, as far as ClickHouse takes it; the rest stays in the journal. A second signal ends the process at once. SIGHUP has the
/// configuration read again by `reread`.
///
/// # Errors
/// When something could not be started or ended on its own.
pub fn run(config: &Config, reread: Reread<'_>) -> Result<(), Error> {
    let stop = stop_on_signals()?;
    let reload = Arc::new(AtomicBool::new(false));
    let registered = signal_hook::flag::register(SIGHUP, Arc::clone(&reload));
    registered.map_err(Error::system("install a signal handler"))?;
    let _state = StateDir::hold(&config.state_dir)?;
    let mut running = match Running::start(config, Handover::take(), &stop) {
        Err(Error::Store(crate::store::Error::Stopped)) => return Ok(()),
        started => started?,
    };
    let watched = running.watch(config, &stop, &Reload { asked: &reload, reread });
    let stopped = running.stop();
    watched.and(stopped)
}

/// How the configuration is reloaded.
struct Reload<'r> {
    /// Raised by SIGHUP.
    asked: &'r AtomicBool,
    reread: Reread<'r>,
}

/// A flag that the first SIGTERM or SIGINT raises; the second ends the process with the signal's conventional status.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        let registered = signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
        registered.map_err(Error::system("install a signal handler"))?;
    }
    Ok(stop)
}
