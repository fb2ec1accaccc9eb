//! The gate between a worker's journal and its decoder: closed at the start, until what was decoded before is known again, and for
//! the moment in which the state of decoding is copied. Receiving goes on all the while.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::pipeline::Pipeline;
use crate::journal::Position;

/// The gate of one worker.
#[derive(Default)]
pub struct Gate {
    /// What `State::is_open` says, to be read without the lock.
    is_open: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    /// What decodes, and where it begins, as long as the worker does not have it.
    begin: Option<(Position, Box<Pipeline>)>,
    /// Where the worker stands, as long as it waits at the closed gate.
    stands_at: Option<Position>,
}

impl Gate {
    /// Opens the gate for the first time: decoding begins at `from`, by `pipeline`.
    pub fn open_at(&self, from: Position, pipeline: Box<Pipeline>) {
        self.change(|state| (state.is_open, state.begin) = (true, Some((from, pipeline))));
    }

    /// Opens the gate again.
    pub fn open(&self) {
        self.change(|state| (state.is_open, state.stands_at) = (true, None));
    }

    /// Closes the gate.
    pub fn close(&self) {
        self.change(|state| (state.is_open, state.stands_at) = (false, None));
    }

    /// Waits until the worker stands at the closed gate, up to `patience`; up to where everything is decoded and handed on then.
    #[must_use]
    pub fn wait(&self, patience: Duration) -> Option<Position> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.stands_at.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.stands_at
    }

    /// Whether the worker may decode.
    #[must_use]
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Where decoding begins and what decodes, handed over once.
    pub(super) fn take_begin(&self) -> Option<(Position, Box<Pipeline>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).begin.take()
    }

    /// Says that everything before `position` is decoded and handed on, and that nothing more is until the gate is open.
    pub(super) fn stand_at(&self, position: Position) {
        self.change(|state| {
            if !state.is_open {
                state.stands_at = Some(position);
            }
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        self.is_open.store(state.is_open, Ordering::Release);
        self.changed.notify_all();
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Gate").field("is_open", &self.is_open).finish_non_exhaustive()
    }
}
