//! The GeoIP tables in force: replaced in one step, read without waiting.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::geo::Geo;

/// The tables in force, shared: cloning gives another handle to the same ones.
#[derive(Debug, Clone)]
pub struct Published(Arc<ArcSwap<Geo>>);

/// One thread's view of the tables in force.
#[derive(Debug)]
pub(super) struct Current(arc_swap::Cache<Arc<ArcSwap<Geo>>, Arc<Geo>>);

impl Published {
    /// Puts the first tables in force.
    #[must_use]
    pub fn new(geo: Geo) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(geo)))
    }

    /// The tables in force now; they stay as they are while this is held.
    #[must_use]
    pub fn load(&self) -> Arc<Geo> {
        self.0.load_full()
    }

    /// Puts other tables in force. The old ones are freed by the last thread that lets go of them.
    pub fn replace(&self, geo: Geo) {
        self.0.store(Arc::new(geo));
    }

    pub(super) fn current(&self) -> Current {
        Current(arc_swap::Cache::new(Arc::clone(&self.0)))
    }
}

impl Current {
    /// The tables in force now: one atomic load where they did not change.
    pub(super) fn load(&mut self) -> &Geo {
        self.0.load()
    }
}
