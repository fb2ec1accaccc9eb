//! Cells that are about to be written, brought near the processor ahead of time.
//!
//! Some thirty columns grow at once, each by a few lines of cache in every set: more streams than the processor's own prefetching
//! follows. The one place of this crate with unsafe code: no safe function asks for a line.
#![expect(unsafe_code, reason = "asks the processor for cache lines, which no safe function does")]

#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;
/// How many rows ahead: time enough for memory to answer, and not so many that what was asked for is gone again.
const ROWS: usize = 64;
/// Most that is asked for at once: sets have few rows, and whoever writes many one after the other needs no help.
#[cfg(target_arch = "x86_64")]
const MOST_BYTES: usize = 4096;

/// Asks for the cells that are written [`ROWS`] rows after those from `first` to `end`, be they there or not.
#[inline]
pub(crate) fn ask<T>(cells: &[T], first: usize, end: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};

        let mut line = cells.as_ptr().wrapping_add(first.wrapping_add(ROWS)).cast::<i8>();
        let mut left = end.saturating_sub(first).saturating_mul(size_of::<T>()).min(MOST_BYTES);
        while left > 0 {
            // SAFETY: the instruction reads nothing and meets no fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line) };
            line = line.wrapping_add(LINE_BYTES);
            left = left.saturating_sub(LINE_BYTES);
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (cells, first, end, ROWS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_may_be_asked_for() {
        let cells = [[0_u8; 16]; 3 * ROWS];
        for (first, end) in [(0, 24), (2 * ROWS - 1, 2 * ROWS), (3 * ROWS, 4 * ROWS), (usize::MAX, usize::MAX)] {
            ask(&cells, first, end);
        }
        ask::<u64>(&[], 0, 100);
    }
}
