//! Batches through rings and a umem in ordinary memory, the kernel played by a model. Run under Miri too.

use super::super::model::{Memory, fill_ring, rx_ring, umem, write_frame};
use super::{BATCH, Counters, Descriptor, FillRing, Metadata, Refill, RxRing, Umem, lend};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

const FRAME_BYTES: u32 = 2048;
const HEADROOM: u64 = 256;
const START: u32 = u32::MAX - 5;

/// A queue whose frames are all in the fill ring.
struct Queue {
    kernel_fill: Arc<Memory<u64>>,
    kernel_umem: Arc<Memory<u8>>,
    fill: Mutex<FillRing<Shared>>,
    umem: Umem<Arc<Memory<u8>>>,
}

type Shared = Arc<Memory<u64>>;

impl Queue {
    fn new(frames: u32) -> Self {
        let kernel_fill = Memory::new(frames as usize, START);
        let kernel_umem = Memory::new(frames as usize * FRAME_BYTES as usize, 0);
        let umem = umem(&kernel_umem, frames, FRAME_BYTES);
        let mut fill = fill_ring(&kernel_fill);
        for frame in umem.frames() {
            assert_eq!(fill.push(&[frame]), 1);
        }
        Self { kernel_fill, kernel_umem, fill: Mutex::new(fill), umem }
    }

    /// Receives a frame as the kernel does: takes it from the fill ring, writes it, produces its descriptor.
    fn deliver(&self, ring: &Memory<Descriptor>, bytes: &[u8]) -> bool {
        let Some(frame) = self.kernel_fill.consume() else { return false };
        let addr = frame + HEADROOM;
        write_frame(&self.kernel_umem, addr, bytes);
        let len = u32::try_from(bytes.len()).expect("frames are small");
        assert!(ring.produce(Descriptor { addr, len, options: 0 }), "the ring of a test holds all frames");
        true
    }

    fn frames_in_fill_ring(&self) -> BTreeSet<u64> {
        std::iter::from_fn(|| self.kernel_fill.consume()).collect()
    }
}

fn lend_batch<M>(
    queue: &Queue,
    rx: &mut RxRing<M>,
    counters: &mut Counters,
    frame: impl FnMut(&[u8], Metadata),
) -> (usize, Refill) {
    lend(rx, &queue.fill, &queue.umem, counters, frame)
}

#[test]
fn frames_are_lent_in_order_and_all_go_back() {
    let rounds: u32 = if cfg!(miri) { 20 } else { 2_000 };
    let queue = Queue::new(8);
    let kernel_rx = Memory::new(8, START);
    let mut rx = rx_ring(&kernel_rx);
    let mut counters = Counters::default();
    let mut sent = 0_u32;
    let mut seen = 0_u32;
    for _ in 0..rounds {
        while queue.deliver(&kernel_rx, &sent.to_le_bytes()) {
            sent += 1;
        }
        let (consumed, refill) = lend_batch(&queue, &mut rx, &mut counters, |bytes, _| {
            assert_eq!(bytes, seen.to_le_bytes());
            seen += 1;
        });
        assert_eq!((consumed, refill), (8, Refill::Taken));
    }
    assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |_, _| panic!("nothing waits")).0, 0);
    assert_eq!(queue.frames_in_fill_ring(), queue.umem.frames().collect());
    assert_eq!(counters, Counters { frames: u64::from(sent), bytes: u64::from(sent) * 4, ..Counters::default() });
}

#[test]
fn metadata_is_lent_once_and_only_with_the_packet_behind_it() {
    let queue = Queue::new(1);
    let kernel_rx = Memory::new(2, START);
    let mut rx = rx_ring(&kernel_rx);
    let mut counters = Counters::default();
    let written: Metadata = std::array::from_fn(|index| index as u8 + 1);
    // Where the packet starts in the frame, whether metadata is written in front of it, what is lent.
    for (start, is_written, expected) in [
        (HEADROOM, true, written),
        (HEADROOM, false, [0; 16]),
        (16, true, written),
        (16, false, [0; 16]),
        (15, false, [0; 16]),
        (0, false, [0; 16]),
    ] {
        let frame = queue.kernel_fill.consume().expect("the fill ring is full");
        if is_written {
            write_frame(&queue.kernel_umem, frame + start - 16, &written);
        }
        write_frame(&queue.kernel_umem, frame + start, b"data");
        assert!(kernel_rx.produce(Descriptor { addr: frame + start, len: 4, options: 0 }));
        let mut lent = Vec::new();
        lend_batch(&queue, &mut rx, &mut counters, |bytes, metadata| lent.push((bytes.to_vec(), metadata)));
        assert_eq!(lent, [(b"data".to_vec(), expected)], "{start} {is_written}");
    }
}

#[test]
fn a_batch_is_bounded() {
    let queue = Queue::new(256);
    let kernel_rx = Memory::new(256, START);
    let mut rx = rx_ring(&kernel_rx);
    while queue.deliver(&kernel_rx, b"frame") {}
    let mut counters = Counters::default();
    for expected in [BATCH, BATCH, BATCH, 256 - 3 * BATCH, 0] {
        assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |_, _| ()).0, expected);
    }
}

#[test]
fn bad_descriptors_are_counted_and_their_frames_go_back_where_there_is_one() {
    let end = 8 * u64::from(FRAME_BYTES);
    let good = |frame| Descriptor { addr: frame + HEADROOM, len: 4, options: 0 };
    let outside = Counters { outside_umem: 1, ..Counters::default() };
    let crosses = Counters { crosses_frame: 1, ..Counters::default() };
    let continued = Counters { continued: 1, ..Counters::default() };
    check_bad("good", good, Counters { frames: 1, bytes: 4, ..Counters::default() }, 8);
    check_bad("outside", |_| Descriptor { addr: end, len: 4, options: 0 }, outside, 7);
    check_bad("far outside", |_| Descriptor { addr: u64::MAX, len: u32::MAX, options: 0 }, outside, 7);
    check_bad("too long", |frame| Descriptor { len: FRAME_BYTES, ..good(frame) }, crosses, 8);
    check_bad("absurdly long", |frame| Descriptor { len: u32::MAX, ..good(frame) }, crosses, 8);
    check_bad("in parts", |frame| Descriptor { options: 1, ..good(frame) }, continued, 8);
}

fn check_bad(name: &str, descriptor: impl Fn(u64) -> Descriptor, expected: Counters, frames_left: usize) {
    let queue = Queue::new(8);
    let kernel_rx = Memory::new(8, START);
    let mut rx = rx_ring(&kernel_rx);
    let frame = queue.kernel_fill.consume().expect("the fill ring is full");
    assert!(kernel_rx.produce(descriptor(frame)));
    let mut counters = Counters::default();
    assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |_, _| ()).0, 1, "{name}");
    assert_eq!(counters, expected, "{name}");
    assert_eq!(queue.frames_in_fill_ring().len(), frames_left, "{name}");
}

#[test]
fn a_frame_that_the_kernel_returns_twice_is_counted() {
    let queue = Queue::new(8);
    let kernel_rx = Memory::new(8, START);
    let mut rx = rx_ring(&kernel_rx);
    let frame = queue.kernel_fill.consume().expect("the fill ring is full");
    for _ in 0..2 {
        assert!(kernel_rx.produce(Descriptor { addr: frame, len: 1, options: 0 }));
    }
    let mut counters = Counters::default();
    lend_batch(&queue, &mut rx, &mut counters, |_, _| ());
    assert_eq!((counters.frames, counters.not_returned), (2, 1));
}

#[test]
fn a_wakeup_is_asked_for_only_while_the_flag_is_set() {
    let queue = Queue::new(8);
    let kernel_rx = Memory::new(8, START);
    let mut rx = rx_ring(&kernel_rx);
    let mut counters = Counters::default();
    for (flags, expected) in [(0, Refill::Taken), (1, Refill::NeedsWakeup), (0, Refill::Taken)] {
        queue.kernel_fill.set_flags(flags);
        assert!(queue.deliver(&kernel_rx, b"frame"));
        assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |_, _| ()), (1, expected));
        assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |_, _| ()), (0, expected), "the ring is empty");
    }
}

#[test]
fn a_panic_while_lending_leaves_the_batch_in_the_ring() {
    let queue = Queue::new(8);
    let kernel_rx = Memory::new(8, START);
    let mut rx = rx_ring(&kernel_rx);
    assert!(queue.deliver(&kernel_rx, b"frame"));
    let mut counters = Counters::default();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        lend_batch(&queue, &mut rx, &mut counters, |_, _| panic!("on purpose"));
    }));
    assert!(panicked.is_err());
    assert_eq!(lend_batch(&queue, &mut rx, &mut counters, |bytes, _| assert_eq!(bytes, b"frame")).0, 1);
    assert_eq!(queue.frames_in_fill_ring().len(), 8);
}

#[test]
fn workers_share_the_fill_ring_of_a_queue() {
    const WORKERS: usize = 3;
    const FRAMES: u32 = 16;
    let per_worker: u32 = if cfg!(miri) { 40 } else { 20_000 };
    let queue = Queue::new(FRAMES);
    // Frames go back before ring entries do, so for a moment there can be twice as many entries as frames.
    let kernel_rx: Vec<_> = (0..WORKERS).map(|_| Memory::new(2 * FRAMES as usize, START)).collect();
    let failed = AtomicBool::new(false);
    let wait = || {
        assert!(!failed.load(Ordering::Relaxed), "another thread failed");
        thread::yield_now();
    };

    thread::scope(|scope| {
        for ring in &kernel_rx {
            let (queue, failed, wait) = (&queue, &failed, &wait);
            scope.spawn(move || {
                let _tell = TellFailure(failed);
                let mut rx = rx_ring(ring);
                let mut counters = Counters::default();
                let mut seen = 0_u32;
                while seen < per_worker {
                    let (consumed, _) = lend_batch(queue, &mut rx, &mut counters, |bytes, _| {
                        assert_eq!(bytes, seen.to_le_bytes(), "torn, lost or repeated");
                        seen += 1;
                    });
                    if consumed == 0 {
                        wait();
                    }
                }
                assert_eq!(counters.bad_descriptors() + counters.not_returned, 0);
            });
        }
        let _tell = TellFailure(&failed);
        for number in 0..per_worker {
            for ring in &kernel_rx {
                while !queue.deliver(ring, &number.to_le_bytes()) {
                    wait();
                }
            }
        }
    });
    assert_eq!(queue.frames_in_fill_ring(), queue.umem.frames().collect());
}

/// Lets the other threads of a test end when this one panics, instead of waiting for it for ever.
struct TellFailure<'a>(&'a AtomicBool);

impl Drop for TellFailure<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}
