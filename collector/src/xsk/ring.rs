//! The two rings of the receive path over plain pointers: the RX ring, which the kernel fills and we empty, and the
//! fill ring, which we fill and the kernel empties. Cursors, ordering, bounds; no system calls, so that the tests run
//! the same code in ordinary memory, also under Miri.
//!
//! Ring memory is shared with the kernel: it is only ever read and written through raw pointers and atomics, never
//! through references to it. The kernel is trusted to follow the protocol but not to be free of bugs: no value in
//! shared memory can make this code read or write outside the ring.
#![expect(unsafe_code, reason = "memory shared with the kernel has no safe face")]

use std::num::Wrapping;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

/// `XDP_RING_NEED_WAKEUP` of `linux/if_xdp.h`.
pub(super) const NEED_WAKEUP: u32 = 1;

/// One received frame, `struct xdp_desc` of `linux/if_xdp.h`. Native byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Where the frame starts, in bytes from the start of the umem.
    pub(super) addr: u64,
    /// Bytes in the frame.
    pub(super) len: u32,
    /// `XDP_PKT_CONTD` and the like.
    pub(super) options: u32,
}

/// Where the parts of a ring are, as `XDP_MMAP_OFFSETS` says.
#[derive(Clone, Copy)]
pub(super) struct Layout<E> {
    pub(super) producer: NonNull<AtomicU32>,
    pub(super) consumer: NonNull<AtomicU32>,
    pub(super) flags: NonNull<AtomicU32>,
    pub(super) entries: NonNull<E>,
    /// Number of entries: a power of two.
    pub(super) size: u32,
}

impl<E: Copy> Layout<E> {
    fn producer(&self) -> &AtomicU32 {
        // SAFETY: `RxRing::new` and `FillRing::new` demand a pointer that is valid and aligned while the ring lives,
        // and all users of the word, the kernel included, access it atomically.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as for `producer`.
        unsafe { self.consumer.as_ref() }
    }

    fn flags(&self) -> &AtomicU32 {
        // SAFETY: as for `producer`.
        unsafe { self.flags.as_ref() }
    }

    /// The entry that a cursor points at. The mask keeps it inside the ring whatever the cursor is.
    fn entry(&self, cursor: Wrapping<u32>) -> NonNull<E> {
        let index = cursor.0 & (self.size - 1);
        // SAFETY: `size` is a power of two, so `index < size`, and `entries` is valid for `size` entries.
        unsafe { self.entries.add(index as usize) }
    }
}

/// The consumer's side of an RX ring. `M` owns the memory that the layout points into.
pub(super) struct RxRing<M> {
    layout: Layout<Descriptor>,
    /// Our copy of the consumer cursor; nobody else writes it.
    consumer: Wrapping<u32>,
    _memory: M,
}

// SAFETY: a ring has no tie to the thread that made it: the pointers go to memory that `M` owns and that moves with it.
unsafe impl<M: Send> Send for RxRing<M> {}

impl<M> RxRing<M> {
    /// # Safety
    ///
    /// `layout`'s pointers must be aligned and, while `memory` lives, valid for reads and writes (`entries` for `size`
    /// of them). `size` must be a power of two. Nobody but this ring consumes.
    pub(super) unsafe fn new(layout: Layout<Descriptor>, memory: M) -> Self {
        let consumer = Wrapping(layout.consumer().load(Ordering::Relaxed));
        Self { layout, consumer, _memory: memory }
    }

    /// Copies the oldest waiting descriptors into `batch` and returns how many; [`RxRing::release`] hands them back.
    pub(super) fn peek(&self, batch: &mut [Descriptor]) -> usize {
        // Acquire: the kernel writes descriptors, then the cursor with release (`xskq_prod_submit`).
        let producer = Wrapping(self.layout.producer().load(Ordering::Acquire));
        // The minimum matters only if the cursor is nonsense: the ring cannot hold more than its size.
        let waiting = (producer - self.consumer).0.min(self.layout.size) as usize;
        for (offset, descriptor) in (0..).zip(batch.iter_mut().take(waiting)) {
            let entry = self.layout.entry(self.consumer + Wrapping(offset));
            // SAFETY: `entry` is in bounds, and the kernel leaves descriptors before the producer cursor alone.
            *descriptor = unsafe { entry.read() };
        }
        waiting.min(batch.len())
    }

    /// Hands the oldest `count` entries back to the kernel.
    pub(super) fn release(&mut self, count: u32) {
        self.consumer += count;
        // Release: our reads of the entries are done before the kernel may write them again.
        self.layout.consumer().store(self.consumer.0, Ordering::Release);
    }
}

/// The producer's side of a fill ring. `M` owns the memory that the layout points into.
pub(super) struct FillRing<M> {
    layout: Layout<u64>,
    /// Our copy of the producer cursor; nobody else writes it.
    producer: Wrapping<u32>,
    _memory: M,
}

// SAFETY: as for `RxRing`.
unsafe impl<M: Send> Send for FillRing<M> {}

impl<M> FillRing<M> {
    /// # Safety
    ///
    /// As for [`RxRing::new`]; nobody but this ring produces.
    pub(super) unsafe fn new(layout: Layout<u64>, memory: M) -> Self {
        let producer = Wrapping(layout.producer().load(Ordering::Relaxed));
        Self { layout, producer, _memory: memory }
    }

    /// Gives frames, named by their umem offset, to the kernel. Returns how many found room: fewer than all only if
    /// more frames are given than the umem has, because the ring is made to hold every one.
    pub(super) fn push(&mut self, frames: &[u64]) -> usize {
        let mut taken = 0;
        for (&frame, _) in frames.iter().zip(0..self.room()) {
            let entry = self.layout.entry(self.producer);
            // SAFETY: `entry` is in bounds, and the kernel leaves entries beyond the producer cursor alone.
            unsafe { entry.write(frame) };
            self.producer += 1;
            taken += 1;
        }
        // Release: the kernel sees the entries before the cursor that covers them (`xskq_cons_get_entries` acquires).
        self.layout.producer().store(self.producer.0, Ordering::Release);
        taken
    }

    /// Whether the kernel waits for a system call before it takes frames from this ring.
    pub(super) fn needs_wakeup(&self) -> bool {
        self.layout.flags().load(Ordering::Relaxed) & NEED_WAKEUP != 0
    }

    fn room(&self) -> u32 {
        // Acquire: the kernel has read the entries before it moves the cursor (`xskq_cons_release`).
        let consumer = Wrapping(self.layout.consumer().load(Ordering::Acquire));
        self.layout.size.saturating_sub((self.producer - consumer).0)
    }
}

#[cfg(test)]
#[path = "ring_tests.rs"]
mod tests;
