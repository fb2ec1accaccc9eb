//! What is started first and ended last: interfaces, rings, sockets, journals, and the workers that take datagrams from the ones into
//! the others. All else may take its time meanwhile: nothing that comes is lost for it.
//!
//! Not here: what is made of the datagrams (the workers decode once their gates are opened).

use std::sync::Arc;

use crate::config::Config;
use crate::exporters;
use crate::front_door::FrontDoor;
use crate::journal::{Journal, Past, Position, Progress};
use crate::ledger::Account;
use crate::utc::now_ms;
use crate::worker::gate::Gate;
use crate::worker::intake::Intake;
use crate::worker::{Parts, Stop, Worker, pin};

use super::capture;
use super::handover::Handover;
use super::interface::Interface;
use super::journals::{Journals, Orphan};
use super::{Error, capture::Refused};

/// Everything that receives. Dropping it ends the workers.
pub(super) struct Receiving {
    /// Interfaces with a program.
    pub(super) interfaces: Vec<Interface>,
    /// Interfaces on which XDP cannot run although it is wanted there.
    pub(super) refused: Vec<Refused>,
    pub(super) workers: Vec<Worker>,
    /// In words.
    pub(super) mode: String,
    stop: Stop,
    pub(super) account: Account,
    pub(super) exporters: exporters::Directory,
    /// Since when, milliseconds since 1970.
    pub(super) since_ms: i64,
}

/// A journal as it was when its worker began.
pub(super) struct Begun {
    pub(super) id: crate::journal::Id,
    pub(super) progress: Progress,
    pub(super) segment_bytes: u64,
    /// What was in it already.
    pub(super) past: Past,
    /// The gate of the worker that goes on with it; none for one of a worker that runs no more.
    pub(super) gate: Option<Arc<Gate>>,
}

/// What is received into.
pub(super) struct Kept {
    /// Journals of the workers, then those of workers that there are no more.
    pub(super) journals: Vec<Begun>,
    pub(super) orphans: Vec<Orphan>,
}

impl Receiving {
    /// Opens everything and starts receiving. `handed_over` are sockets of the last run.
    pub(super) fn start(config: &Config, front_door: &FrontDoor, handed_over: Handover) -> Result<(Self, Kept), Error> {
        let since_ms = now_ms();
        let door = capture::DoorSettings { rules: config.rules(), exporters: config.front_door.exporters };
        let mut captured = capture::open(&config.capture, &door, handed_over)?;
        let Journals { of_workers, orphans } = Journals::open(&config.journal, captured.sources.len())?;
        let account = Account::new(captured.sources.len());
        let exporters = exporters::Directory::new(account.agents().clone());
        let mode = captured.describe();
        let sources = std::mem::take(&mut captured.sources);
        let mut receiving = Self {
            interfaces: captured.interfaces,
            refused: captured.refused,
            workers: Vec::new(),
            mode,
            stop: Stop::default(),
            account: account.clone(),
            exporters: exporters.clone(),
            since_ms,
        };
        let cores = if config.capture.pin { pin::allowed_cores().unwrap_or_default() } else { Vec::new() };
        let mut journals = Vec::new();
        for (index, (sources, journal)) in sources.into_iter().zip(of_workers).enumerate() {
            let mut begun = begun(&journal, journal.progress().begun());
            let intake = Intake::new(index, front_door.door(), account.clone(), exporters.clone());
            let parts = Parts { sources, intake, journal, busy_poll: config.capture.busy_poll };
            let worker = Worker::start(index, pin::core_for(&cores, index), parts, receiving.stop.clone());
            let worker = worker.map_err(Error::system("start a worker"))?;
            begun.gate = Some(Arc::clone(worker.gate()));
            journals.push(begun);
            receiving.workers.push(worker);
        }
        journals.extend(orphans.iter().map(|orphan| begun(&orphan.journal, Position(u64::MAX))));
        Ok((receiving, Kept { journals, orphans }))
    }

    /// Takes datagrams no more, and waits for the workers; their journals, in the order of the workers, none for one that panicked.
    pub(super) fn end(&mut self) -> Vec<Option<Journal>> {
        // The programs go first: what comes from now on takes the UDP sockets, so the workers find the end of their rings.
        self.interfaces.clear();
        self.stop.end_receiving();
        std::mem::take(&mut self.workers).into_iter().map(Worker::join).collect()
    }

    /// Says when decoding and receiving end.
    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        self.end();
    }
}

fn begun(journal: &Journal, to: Position) -> Begun {
    let progress = journal.progress();
    Begun {
        id: journal.id(),
        segment_bytes: journal.segment_bytes(),
        // The saved state, which is not read yet, ends there or later.
        past: journal.past(progress.replay_from(), to),
        progress,
        gate: None,
    }
}
