//! One template in the store: when it was learned, used and repeated, and what was decoded by it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use netflow::template::Template;

use super::unknown;

/// When the store is full, a template that no data set has used for this long after it was learned may go.
const FIRST_USE_SECONDS: u64 = 60;
/// When the store is full, a template that no data set has used for this long may go.
const NEXT_USE_SECONDS: u64 = 600;

/// One template in the store; times in seconds since 1970.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) template: Arc<Template>,
    pub(super) learned_at: u64,
    /// When its exporter last sent it.
    pub(super) repeated_at: AtomicU64,
    /// When a data set was last decoded by it; 0 if none was.
    pub(super) used_at: AtomicU64,
    /// Records decoded by it since it was learned or restored.
    pub(super) decoded: AtomicU64,
    /// Its elements that no table names: (enterprise, element).
    pub(super) unknown: Box<[(u32, u16)]>,
}

impl Entry {
    pub(super) fn new(version: u8, template: Arc<Template>, now: u64) -> Self {
        Self {
            unknown: unknown::of_template(version, &template),
            template,
            learned_at: now,
            repeated_at: AtomicU64::new(now),
            used_at: AtomicU64::new(0),
            decoded: AtomicU64::new(0),
        }
    }

    /// Records decoded by it so far.
    pub(super) fn decoded(&self) -> u64 {
        self.decoded.load(Ordering::Relaxed)
    }

    /// When it was last used or repeated, seconds since 1970.
    pub(super) fn seen_at(&self) -> u64 {
        self.repeated_at.load(Ordering::Relaxed).max(self.used_at.load(Ordering::Relaxed))
    }

    /// Whether it may go when there is no room. Repetitions do not count: they are as cheap to forge as the template was.
    pub(super) fn is_dispensable(&self, now: u64) -> bool {
        match self.used_at.load(Ordering::Relaxed) {
            0 => self.learned_at.saturating_add(FIRST_USE_SECONDS) < now,
            used_at => used_at.saturating_add(NEXT_USE_SECONDS) < now,
        }
    }
}
