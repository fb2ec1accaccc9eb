//! What flows have reported so far, for exporters that tell running totals: one account for each exporter, bounded for each and in
//! all. Not here: what a total means ([`netflow::totals`]).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netflow::columns::Address;
pub use netflow::totals::Bounds;
use netflow::totals::{AGE_MS, Room, Totals};

use super::Map;
use super::saved_totals::SavedTotals;
use crate::metrics::Exposition;

/// Most exporters with an account.
const EXPORTERS_MAX: usize = 16_384;

/// The accounts of all exporters.
#[derive(Debug)]
pub(super) struct Accounts {
    bounds: Bounds,
    room: Arc<Room>,
    by_exporter: Map<Address, Arc<Mutex<Totals>>>,
    exporters: AtomicUsize,
}

impl Accounts {
    pub(super) fn new(bounds: Bounds) -> Self {
        let room = Room::new(bounds.total);
        Self { bounds, room, by_exporter: Map::default(), exporters: AtomicUsize::new(0) }
    }

    /// An exporter's account, which is made at `received_ms` if there is none; `None` if there is no room for one.
    pub(super) fn of(&self, exporter: &Address, received_ms: i64) -> Option<Arc<Mutex<Totals>>> {
        let known = self.by_exporter.pin().get(exporter).cloned();
        let totals = known.or_else(|| self.add(exporter, || Totals::new(received_ms, self.bounds, &self.room)))?;
        lock(&totals).limit(self.share());
        Some(totals)
    }

    /// How many flows an exporter may have, so that there is room for all, and for one that is new.
    fn share(&self) -> usize {
        let exporters = self.exporters.load(Ordering::Relaxed);
        self.bounds.per_exporter.min(self.bounds.total / (exporters + 1))
    }

    fn add(&self, exporter: &Address, make: impl FnOnce() -> Totals) -> Option<Arc<Mutex<Totals>>> {
        if self.exporters.load(Ordering::Relaxed) >= EXPORTERS_MAX {
            return None;
        }
        let made = Arc::new(Mutex::new(make()));
        let accounts = self.by_exporter.pin();
        // Two workers may meet a new exporter at once.
        match accounts.try_insert(*exporter, Arc::clone(&made)) {
            Ok(_) => {
                self.exporters.fetch_add(1, Ordering::Relaxed);
                Some(made)
            }
            Err(there) => Some(Arc::clone(there.current)),
        }
    }

    /// Forgets the accounts of exporters that have told no total for so long that nothing of them counts any more, as of `now`
    /// (seconds since 1970).
    pub(super) fn expire(&self, now: u64) {
        let now_ms = i64::try_from(now.saturating_mul(1000)).unwrap_or(i64::MAX);
        let accounts = self.by_exporter.pin();
        let is_idle = |totals: &Totals| now_ms.saturating_sub(totals.latest_ms()) >= 2 * AGE_MS;
        let idle: Vec<Address> =
            accounts.iter().filter(|(_, totals)| is_idle(&lock(totals))).map(|(exporter, _)| *exporter).collect();
        for exporter in idle {
            if accounts.remove(&exporter).is_some() {
                self.exporters.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Copies of all, sorted by exporter.
    pub(super) fn all(&self) -> Vec<SavedTotals> {
        let accounts = self.by_exporter.pin();
        let mut all: Vec<SavedTotals> =
            accounts.iter().map(|(exporter, totals)| SavedTotals::of(*exporter, &lock(totals).state())).collect();
        all.sort_unstable_by_key(|saved| saved.exporter);
        all
    }

    /// Takes saved accounts up, of exporters that have none.
    pub(super) fn put_back(&self, saved: &[SavedTotals]) {
        for saved in saved {
            if self.by_exporter.pin().contains_key(&saved.exporter) {
                continue;
            }
            self.add(&saved.exporter, || Totals::put_back(&saved.state(), self.bounds, &self.room));
        }
    }

    /// Writes the fill levels.
    pub(super) fn write(&self, out: &mut Exposition) {
        let help = "Flows remembered for what they have reported so far, as their exporter tells running totals.";
        out.gauge("collector_totals_flows", help, &[], self.room.flows());
        let help = "Exporters that tell running totals.";
        out.gauge("collector_totals_exporters", help, &[], self.exporters.load(Ordering::Relaxed));
    }
}

fn lock(totals: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    totals.lock().unwrap_or_else(PoisonError::into_inner)
}
