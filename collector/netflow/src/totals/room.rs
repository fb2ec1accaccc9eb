//! The room for flows: of an exporter, and of all exporters together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many flows are remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of each exporter.
    pub per_exporter: usize,
    /// Of all exporters together.
    pub total: usize,
}

impl Default for Bounds {
    /// About 20 MB for an exporter and 80 MB in all.
    fn default() -> Self {
        Self { per_exporter: 131_072, total: 524_288 }
    }
}

/// The room for flows of all exporters together.
#[derive(Debug)]
pub struct Room {
    flows: AtomicUsize,
    most: usize,
}

impl Room {
    /// Room for so many flows.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { flows: AtomicUsize::new(0), most })
    }

    /// Flows that are remembered.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.flows.load(Ordering::Relaxed)
    }

    /// Takes room for one; false if there is none.
    pub(super) fn take(&self) -> bool {
        let one_more = |flows: usize| flows.checked_add(1).filter(|flows| *flows <= self.most);
        self.flows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    pub(super) fn give_back(&self, flows: usize) {
        self.flows.fetch_sub(flows, Ordering::Relaxed);
    }
}
