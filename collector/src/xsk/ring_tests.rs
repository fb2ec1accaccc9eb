//! Rings in ordinary memory, with cursors that wrap. Run under Miri too.

use super::super::model::{Memory, fill_ring, rx_ring};
use super::{Descriptor, NEED_WAKEUP};
use std::thread;

/// Cursors from which a few steps pass `u32::MAX`, and some from which they do not.
const STARTS: [u32; 6] = [0, 1, u32::MAX / 2, u32::MAX - 9, u32::MAX - 1, u32::MAX];
const SIZE: usize = 8;

fn descriptor(number: u32) -> Descriptor {
    Descriptor { addr: u64::from(number) * 2048, len: number, options: 0 }
}

#[test]
fn received_descriptors_come_in_order_across_the_wrap() {
    for start in STARTS {
        for batch_size in [1, 3, SIZE, 3 * SIZE] {
            check_receive(start, batch_size);
        }
    }
}

fn check_receive(start: u32, batch_size: usize) {
    let kernel = Memory::new(SIZE, start);
    let mut ring = rx_ring(&kernel);
    let mut batch = vec![Descriptor::default(); batch_size];
    assert_eq!(ring.peek(&mut batch), 0, "empty at {start}");

    let (mut produced, mut seen) = (0, 0);
    while seen < 40 {
        while kernel.produce(descriptor(produced)) {
            produced += 1;
        }
        let peeked = ring.peek(&mut batch);
        assert_eq!(peeked, batch_size.min(SIZE), "full at {start}");
        for &received in &batch[..peeked] {
            assert_eq!(received, descriptor(seen), "start {start} batch {batch_size}");
            seen += 1;
        }
        assert!(!kernel.produce(descriptor(produced)), "an entry was free before its release, start {start}");
        ring.release(u32::try_from(peeked).expect("batches are small"));
    }
    assert_eq!(kernel.cursors().1, start.wrapping_add(seen));
}

#[test]
fn a_fill_ring_takes_what_fits_across_the_wrap() {
    for start in STARTS {
        check_fill(start);
    }
}

fn check_fill(start: u32) {
    let kernel = Memory::<u64>::new(SIZE, start);
    let mut ring = fill_ring(&kernel);
    assert_eq!(ring.push(&[]), 0, "start {start}");
    let (mut given, mut taken) = (0_u64, 0_u64);
    for count in [SIZE, 5, 1, 7, SIZE + 3, 2, SIZE] {
        let frames: Vec<u64> = (given..).take(count).collect();
        let pushed = ring.push(&frames);
        assert_eq!(pushed, count.min(SIZE), "start {start} count {count}");
        given += pushed as u64;
        assert_eq!(ring.push(&vec![u64::MAX; SIZE - pushed + 1]), SIZE - pushed, "start {start}");
        for _ in 0..pushed {
            assert_eq!(kernel.consume(), Some(taken), "start {start}");
            taken += 1;
        }
        while kernel.consume() == Some(u64::MAX) {}
    }
    assert_eq!(given, taken);
    assert_eq!(kernel.consume(), None);
}

#[test]
fn nonsense_in_the_cursors_stays_inside_the_ring() {
    for start in STARTS {
        for nonsense in [start.wrapping_sub(1), start.wrapping_add(SIZE as u32 + 1), start.wrapping_add(1 << 31)] {
            let kernel = Memory::new(SIZE, start);
            let ring = rx_ring(&kernel);
            kernel.set_producer(nonsense);
            assert_eq!(ring.peek(&mut [Descriptor::default(); 3 * SIZE]), SIZE, "start {start}");

            let kernel = Memory::<u64>::new(SIZE, nonsense);
            kernel.set_producer(start);
            let mut ring = fill_ring(&kernel);
            let room = SIZE.saturating_sub(start.wrapping_sub(nonsense) as usize);
            assert_eq!(ring.push(&[7; 3 * SIZE]), room, "start {start} nonsense {nonsense}");
        }
    }
}

#[test]
fn the_wakeup_flag_is_read_each_time() {
    let kernel = Memory::<u64>::new(SIZE, 0);
    let ring = fill_ring(&kernel);
    for (flags, expected) in [(0, false), (NEED_WAKEUP, true), (!NEED_WAKEUP, false), (u32::MAX, true), (0, false)] {
        kernel.set_flags(flags);
        assert_eq!(ring.needs_wakeup(), expected, "{flags:#x}");
    }
}

#[test]
fn two_threads_pass_descriptors_without_tearing() {
    const COUNT: u32 = if cfg!(miri) { 200 } else { 200_000 };
    let kernel = Memory::new(SIZE, u32::MAX - 50);
    let mut ring = rx_ring(&kernel);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..COUNT {
                while !kernel.produce(descriptor(number)) {
                    thread::yield_now();
                }
            }
        });
        let mut seen = 0;
        let mut batch = [Descriptor::default(); 3];
        while seen < COUNT {
            let peeked = ring.peek(&mut batch);
            for &received in &batch[..peeked] {
                assert_eq!(received, descriptor(seen));
                seen += 1;
            }
            ring.release(u32::try_from(peeked).expect("batches are small"));
            thread::yield_now();
        }
    });
}
