//! The state of decoding on disk: templates, option values, sets that wait, and how far each journal was decoded into them.
//!
//! The copy is made while no worker decodes; they go on receiving. It is written once everything before these positions is stored,
//! since what is not would have to be decoded with the state before it. Until then the file from before holds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config;
use crate::exporters::sequence::Stand;
use crate::exporters::{self, KeptSequence};
use crate::journal::{Id, Position, Progress};
use crate::templates::{Restored, SavedPosition, SavedSequence, Snapshot, Templates, snapshot};
use crate::utc::now_ms;
use crate::worker::gate::Gate;

/// How long workers may take to stand at their gates: they come by after every few datagrams.
const PATIENCE: Duration = Duration::from_secs(2);
/// How soon after the start the state is saved for the first time, if not at the usual interval.
const FIRST: Duration = Duration::from_secs(2);

/// One journal whose position is part of the state.
pub(super) struct Kept {
    pub(super) id: Id,
    pub(super) progress: Progress,
    /// The gate of the worker that decodes it; without one, all that it will ever be is decoded.
    pub(super) gate: Option<Arc<Gate>>,
}

/// Saves the state.
pub(super) struct Keeper {
    templates: Templates,
    exporters: exporters::Directory,
    settings: config::Templates,
    journals: Vec<Kept>,
    due: Instant,
    taken: Option<Taken>,
}

/// A copy that is not on disk yet.
struct Taken {
    snapshot: Snapshot,
    /// The position in each journal.
    positions: Vec<Position>,
}

impl Keeper {
    pub(super) fn new(
        templates: Templates,
        exporters: exporters::Directory,
        settings: config::Templates,
        journals: Vec<Kept>,
    ) -> Self {
        let due = Instant::now() + settings.snapshot_interval.min(FIRST);
        Self { templates, exporters, settings, journals, due, taken: None }
    }

    /// Copies the state if that is due, and writes a copy that may be written. `now` is the time up to which everything is decoded,
    /// seconds since 1970.
    pub(super) fn tick(&mut self, now: u64) {
        if self.taken.is_none() && Instant::now() >= self.due {
            self.due = Instant::now() + self.settings.snapshot_interval;
            self.taken = self.take(now);
        }
        self.write();
    }

    /// Copies the state once more, after the workers have ended at these positions, unless one of them did not decode to its end. The
    /// copy is written when [`Keeper::write`] finds everything stored.
    pub(super) fn take_last(&mut self, positions: &[Option<Position>], now: u64) {
        self.write();
        let mut of_workers = positions.iter().copied();
        let positions = self.journals.iter().map(|journal| match journal.gate {
            Some(_) => of_workers.next().flatten(),
            None => Some(journal.progress.begun()),
        });
        if let Some(positions) = positions.collect::<Option<Vec<Position>>>() {
            self.taken = Some(self.copy(positions, now));
        }
    }

    /// Writes the copy if everything before its positions is stored; true when there is nothing left to write.
    pub(super) fn write(&mut self) -> bool {
        let Some(Taken { snapshot, positions }) = &self.taken else { return true };
        let is_stored = |progress: &Progress, position: Position| {
            progress.ranges().iter().all(|(range, is_settled)| *is_settled || range.from >= position)
        };
        let at = || self.journals.iter().zip(positions);
        if !at().all(|(journal, position)| is_stored(&journal.progress, *position)) {
            return false;
        }
        match snapshot::write(&self.settings.snapshot, snapshot) {
            Ok(()) => at().for_each(|(journal, position)| journal.progress.keep_from(*position)),
            Err(error) => tracing::error!(%error, "the templates were not saved"),
        }
        self.taken = None;
        true
    }

    /// Forgets a journal that is gone.
    pub(super) fn forget(&mut self, id: &Id) {
        // A copy that is under way is made anew: it has one position too many.
        self.taken = None;
        self.journals.retain(|journal| journal.id != *id);
    }

    fn take(&self, now: u64) -> Option<Taken> {
        let gates = || self.journals.iter().filter_map(|journal| journal.gate.as_ref());
        gates().for_each(|gate| gate.close());
        let positions = self.journals.iter().map(|journal| match &journal.gate {
            Some(gate) => gate.wait(PATIENCE),
            None => Some(journal.progress.begun()),
        });
        let positions: Option<Vec<Position>> = positions.collect();
        let taken = positions.map(|positions| self.copy(positions, now));
        gates().for_each(|gate| gate.open());
        if taken.is_none() {
            tracing::warn!("the templates were not saved: a worker did not pause in time");
        }
        taken
    }

    fn copy(&self, positions: Vec<Position>, now: u64) -> Taken {
        let saved =
            |(journal, position): (&Kept, &Position)| SavedPosition { journal: journal.id, decoded: position.0 };
        let journals = self.journals.iter().zip(&positions).map(saved).collect();
        let sequences = self.exporters.sequences(now_ms()).iter().map(saved_sequence).collect();
        Taken { snapshot: Snapshot { journals, sequences, ..self.templates.snapshot(now) }, positions }
    }
}

/// The state of the last run, or an empty one.
pub(super) fn restore(settings: &config::Templates) -> (Templates, Restored) {
    let templates = Templates::new(settings.store());
    let restored = match templates.restore(&settings.snapshot) {
        Ok(restored) => {
            tracing::info!(
                templates = restored.templates,
                option_values = restored.option_values,
                held = restored.held,
                expired = restored.expired,
                "took up the templates of the last run"
            );
            restored
        }
        Err(error) => {
            tracing::warn!(%error, "starting without templates: data sets wait for the exporters to repeat them");
            Restored::default()
        }
    };
    (templates, restored)
}

fn saved_sequence(kept: &KeptSequence) -> SavedSequence {
    let KeptSequence { sender, agent, version, domain, source, drops, stand, last_ms, per_second } = *kept;
    let Stand { unit, next, is_loose, newest_export_ms, boot_ms } = stand;
    SavedSequence {
        sender,
        agent,
        version,
        domain,
        source,
        drops,
        unit,
        next,
        is_loose,
        newest_export_ms,
        boot_ms,
        last_ms,
        per_1000_seconds: (per_second * 1000.0) as u64,
    }
}

/// Where the sequences of the last run stood.
pub(super) fn sequences_of(restored: &Restored) -> Vec<KeptSequence> {
    let kept = |saved: &SavedSequence| KeptSequence {
        sender: saved.sender,
        agent: saved.agent,
        version: saved.version,
        domain: saved.domain,
        source: saved.source,
        drops: saved.drops,
        stand: Stand {
            unit: saved.unit,
            next: saved.next,
            is_loose: saved.is_loose,
            newest_export_ms: saved.newest_export_ms,
            boot_ms: saved.boot_ms,
        },
        last_ms: saved.last_ms,
        per_second: saved.per_1000_seconds as f64 / 1000.0,
    };
    restored.sequences.iter().map(kept).collect()
}

/// Up to where a journal was decoded into the restored state.
pub(super) fn position_of(restored: &Restored, id: Id) -> Option<Position> {
    let saved = restored.journals.iter().find(|saved| saved.journal == id)?;
    Some(Position(saved.decoded))
}
