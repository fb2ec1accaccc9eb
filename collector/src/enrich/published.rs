//! Tables in force, of GeoIP or of names: replaced in one step, read without waiting.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::geo::Geo;

/// The tables in force, shared: cloning gives another handle to the same ones.
#[derive(Debug)]
pub struct Published<T = Geo>(Arc<ArcSwap<T>>);

/// One thread's view of the tables in force.
#[derive(Debug)]
pub(super) struct Current<T = Geo>(arc_swap::Cache<Arc<ArcSwap<T>>, Arc<T>>);

impl<T> Clone for Published<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Published<T> {
    /// Puts the first tables in force.
    #[must_use]
    pub fn new(tables: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(tables)))
    }

    /// The tables in force now; they stay as they are while this is held.
    #[must_use]
    pub fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts other tables in force. The old ones are freed by the last thread that lets go of them.
    pub fn replace(&self, tables: T) {
        self.0.store(Arc::new(tables));
    }

    pub(super) fn current(&self) -> Current<T> {
        Current(arc_swap::Cache::new(Arc::clone(&self.0)))
    }
}

impl<T> Current<T> {
    /// The tables in force now: one atomic load where they did not change.
    pub(super) fn load(&mut self) -> &T {
        self.0.load()
    }
}
