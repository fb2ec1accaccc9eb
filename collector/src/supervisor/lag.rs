//! How far storing is behind, in the log: when it begins to matter, while it does, and when it is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::worker::tally::Shared;

/// A lag of this many seconds is worth a line.
const MATTERS_SECONDS: u64 = 60;
/// One below this is none.
const GONE_SECONDS: u64 = 10;
/// How often the journals are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// How often a lag that lasts is told again.
const TELL_AGAIN: Duration = Duration::from_secs(300);

/// Watches the lag.
#[derive(Debug)]
pub(super) struct Lag {
    look_at: Instant,
    /// When a lag that lasts is told next.
    tell_at: Option<Instant>,
}

impl Lag {
    pub(super) fn new() -> Self {
        Self { look_at: Instant::now() + LOOK, tell_at: None }
    }

    /// Looks at the journals of all workers, if it is time.
    pub(super) fn tick(&mut self, workers: &[Arc<Shared>]) {
        let now = Instant::now();
        if now < self.look_at {
            return;
        }
        self.look_at = now + LOOK;
        let standings = || workers.iter().map(|worker| worker.read().journal);
        let seconds = standings().map(|standing| standing.lag_seconds()).max().unwrap_or(0);
        let bytes: u64 = standings().map(|standing| standing.waiting_bytes).sum();
        if seconds >= MATTERS_SECONDS && self.tell_at.is_none_or(|tell_at| now >= tell_at) {
            self.tell_at = Some(now + TELL_AGAIN);
            tracing::warn!(seconds, bytes, "storing is behind: datagrams wait in the journal");
        }
        if seconds < GONE_SECONDS && self.tell_at.take().is_some() {
            tracing::info!("storing has caught up");
        }
    }
}
