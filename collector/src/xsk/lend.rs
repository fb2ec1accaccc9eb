//! One batch: takes descriptors from an RX ring, lends their frames, gives the frames back to the fill ring and the
//! entries back to the RX ring. Pointers and arithmetic only, no system calls.
#![expect(unsafe_code, reason = "lends memory that the kernel wrote")]

use super::Metadata;
use super::ring::{Descriptor, FillRing, RxRing};
use super::umem::{BadDescriptor, Umem};
use std::sync::{Mutex, PoisonError};

/// Frames per batch: enough to make the lock and the cursor stores cheap, few enough to stay in the first-level cache.
pub const BATCH: usize = 64;

/// What happened to the frames of a socket since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames lent.
    pub frames: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Descriptors that start outside the umem. Each also costs a frame for good.
    pub outside_umem: u64,
    /// Descriptors that end outside their frame.
    pub crosses_frame: u64,
    /// Descriptors of packets in several parts.
    pub continued: u64,
    /// Frames that the fill ring had no room for: lost to the umem. Zero unless the kernel returns a frame twice.
    pub not_returned: u64,
    /// System calls made because the fill ring asked for one.
    pub wakeups: u64,
    /// System calls made to take frames from the driver in the place of sleeping.
    pub polls: u64,
    /// Of the wake-ups, the ones that failed; each is tried again with the next batch.
    pub wakeups_failed: u64,
}

impl Counters {
    /// Descriptors that were not followed, whatever the reason.
    #[must_use]
    pub const fn bad_descriptors(&self) -> u64 {
        self.outside_umem + self.crosses_frame + self.continued
    }

    fn count_bad(&mut self, reason: BadDescriptor) {
        let counter = match reason {
            BadDescriptor::OutsideUmem => &mut self.outside_umem,
            BadDescriptor::CrossesFrame => &mut self.crosses_frame,
            BadDescriptor::Continued => &mut self.continued,
        };
        *counter += 1;
    }
}

/// Whether the kernel waits for a system call before it takes the frames given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refill {
    Taken,
    NeedsWakeup,
}

/// Lends the waiting frames of one batch to `frame`, oldest first, and gives them all back. Returns the descriptors
/// consumed, bad ones included: zero means that the ring was empty.
///
/// The frames go back before the entries: a fill ring that runs empty stalls the whole queue, a full RX ring only this
/// socket. If `frame` panics, the batch stays in the ring.
pub(super) fn lend<R, F, U>(
    rx: &mut RxRing<R>,
    fill: &Mutex<FillRing<F>>,
    umem: &Umem<U>,
    counters: &mut Counters,
    mut frame: impl FnMut(&[u8], Metadata),
) -> (usize, Refill) {
    let mut batch = [Descriptor::default(); BATCH];
    let waiting = rx.peek(&mut batch);

    let mut returned = [0; BATCH];
    let mut returning = 0;
    for &descriptor in &batch[..waiting] {
        // SAFETY: the descriptor comes from the RX ring; its frame and entry go back after the loop; nothing of it is lent yet.
        let metadata = unsafe { umem.take_metadata(descriptor) };
        // SAFETY: the descriptor comes from the RX ring; its frame and entry go back after the loop.
        match unsafe { umem.lend(descriptor) } {
            Ok(bytes) => {
                frame(bytes, metadata);
                counters.frames += 1;
                counters.bytes += bytes.len() as u64;
            }
            Err(reason) => counters.count_bad(reason),
        }
        if let Some(start) = umem.frame_of(descriptor) {
            returned[returning] = start;
            returning += 1;
        }
    }

    let refill = {
        // The ring is consistent between any two statements that hold the lock, so a poisoned lock is as good as any.
        let mut fill = fill.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = if returning == 0 { 0 } else { fill.push(&returned[..returning]) };
        counters.not_returned += (returning - taken) as u64;
        if fill.needs_wakeup() { Refill::NeedsWakeup } else { Refill::Taken }
    };
    if waiting > 0 {
        rx.release(waiting as u32);
    }
    (waiting, refill)
}

#[cfg(test)]
#[path = "lend_tests.rs"]
mod tests;
