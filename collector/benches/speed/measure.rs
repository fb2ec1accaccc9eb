//! Processor time of a thread, and the core that it runs on.

use std::sync::OnceLock;
use std::time::Duration;

use collector::worker::pin::{allowed_cores, core_for, pin_to_core};
use nix::time::{ClockId, clock_gettime};

/// The time that `units` units take of this thread's processor time, from whole rounds of several units each.
pub(crate) fn time_units(units: u64, mut round: impl FnMut() -> usize) -> Duration {
    let begun = processor_time();
    let mut done = 0;
    while done < units {
        done += round() as u64;
    }
    scaled(processor_time() - begun, units, done)
}

/// What `units` of `done` took, of the time that all took.
pub(crate) fn scaled(took: Duration, units: u64, done: u64) -> Duration {
    Duration::from_secs_f64(took.as_secs_f64() * units as f64 / done.max(1) as f64)
}

/// Processor time that this thread has taken so far, of the kernel for it too.
pub(crate) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has this clock").into()
}

/// Keeps the calling thread on one core: the last, or one before it.
pub(crate) fn pin(index: usize) {
    if let Some(core) = core_for(allowed(), index) {
        pin_to_core(core).expect("the core is allowed");
    }
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    allowed().len()
}

/// Asked for once: a pinned thread, and those that it starts, are told of their own core alone.
fn allowed() -> &'static [usize] {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    ALLOWED.get_or_init(|| allowed_cores().unwrap_or_default())
}
