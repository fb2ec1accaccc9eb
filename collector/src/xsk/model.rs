//! The kernel's part for tests: rings and a umem in ordinary memory, and the other end of each ring. Written from the
//! description of the rings in the kernel's document, with raw pointers and atomics, so that Miri sees two parties that
//! share memory.
#![expect(unsafe_code, reason = "plays the kernel, which shares raw memory with the code under test")]

use super::ring::{Descriptor, FillRing, Layout, RxRing};
use super::umem::Umem;
use std::num::Wrapping;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Memory of one ring, or any other array, freed when the last of the parties is gone.
pub(super) struct Memory<E> {
    producer: AtomicU32,
    consumer: AtomicU32,
    flags: AtomicU32,
    entries: NonNull<[E]>,
}

// SAFETY: the cursors are atomic, and the entries are only reached through raw pointers, by whom the cursors allow.
unsafe impl<E: Send> Send for Memory<E> {}
// SAFETY: as above.
unsafe impl<E: Send> Sync for Memory<E> {}

impl<E: Copy + Default> Memory<E> {
    pub(super) fn new(size: usize, cursors: u32) -> Arc<Self> {
        let entries = Box::into_raw(vec![E::default(); size].into_boxed_slice());
        Arc::new(Self {
            producer: AtomicU32::new(cursors),
            consumer: AtomicU32::new(cursors),
            flags: AtomicU32::new(0),
            entries: NonNull::new(entries).expect("a box is not null"),
        })
    }

    fn layout(&self) -> Layout<E> {
        Layout {
            producer: NonNull::from(&self.producer),
            consumer: NonNull::from(&self.consumer),
            flags: NonNull::from(&self.flags),
            entries: self.entries.cast(),
            size: u32::try_from(self.entries.len()).expect("rings are small"),
        }
    }

    fn entry(&self, cursor: Wrapping<u32>) -> NonNull<E> {
        // SAFETY: the remainder is below the number of entries.
        unsafe { self.entries.cast::<E>().add(cursor.0 as usize % self.entries.len()) }
    }

    pub(super) fn set_flags(&self, flags: u32) {
        self.flags.store(flags, Ordering::Relaxed);
    }

    /// Moves a cursor as a broken kernel would.
    pub(super) fn set_producer(&self, cursor: u32) {
        self.producer.store(cursor, Ordering::Release);
    }

    pub(super) fn cursors(&self) -> (u32, u32) {
        (self.producer.load(Ordering::Acquire), self.consumer.load(Ordering::Acquire))
    }

    /// Puts one entry into the ring, unless it is full.
    pub(super) fn produce(&self, value: E) -> bool {
        let producer = Wrapping(self.producer.load(Ordering::Relaxed));
        let consumer = Wrapping(self.consumer.load(Ordering::Acquire));
        if (producer - consumer).0 as usize == self.entries.len() {
            return false;
        }
        // SAFETY: in bounds, and the consumer leaves entries beyond the producer cursor alone.
        unsafe { self.entry(producer).write(value) };
        self.producer.store((producer + Wrapping(1)).0, Ordering::Release);
        true
    }

    /// Takes the oldest entry out of the ring.
    pub(super) fn consume(&self) -> Option<E> {
        let consumer = Wrapping(self.consumer.load(Ordering::Relaxed));
        let producer = Wrapping(self.producer.load(Ordering::Acquire));
        if producer == consumer {
            return None;
        }
        // SAFETY: in bounds, and the producer leaves entries before its cursor alone.
        let value = unsafe { self.entry(consumer).read() };
        self.consumer.store((consumer + Wrapping(1)).0, Ordering::Release);
        Some(value)
    }
}

impl<E> Drop for Memory<E> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from a box, and nobody is left who could use it.
        drop(unsafe { Box::from_raw(self.entries.as_ptr()) });
    }
}

pub(super) fn rx_ring(memory: &Arc<Memory<Descriptor>>) -> RxRing<Arc<Memory<Descriptor>>> {
    // SAFETY: the layout points into the memory that the ring keeps; each test makes one consumer.
    unsafe { RxRing::new(memory.layout(), Arc::clone(memory)) }
}

pub(super) fn fill_ring(memory: &Arc<Memory<u64>>) -> FillRing<Arc<Memory<u64>>> {
    // SAFETY: as for `rx_ring`; each test makes one producer.
    unsafe { FillRing::new(memory.layout(), Arc::clone(memory)) }
}

pub(super) fn umem(memory: &Arc<Memory<u8>>, frames: u32, frame_bytes: u32) -> Umem<Arc<Memory<u8>>> {
    assert_eq!(memory.entries.len(), frames as usize * frame_bytes as usize);
    // SAFETY: the memory is that long and kept by the umem.
    unsafe { Umem::new(memory.entries.cast(), frames, frame_bytes, Arc::clone(memory)) }
}

/// Writes a frame into a umem, as the kernel does before it produces the descriptor.
pub(super) fn write_frame(memory: &Memory<u8>, addr: u64, bytes: &[u8]) {
    let addr = usize::try_from(addr).expect("tests run on 64 bits");
    assert!(addr + bytes.len() <= memory.entries.len());
    // SAFETY: in bounds by the assertion above.
    let start = unsafe { memory.entries.cast::<u8>().add(addr) };
    // SAFETY: the frame was taken from the fill ring, so the code under test does not read it now.
    unsafe { start.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}
