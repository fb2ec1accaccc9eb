//! Memory that is about to be written, brought near the processor ahead of time.
//!
//! Appending goes once through each segment, so every cache line of it comes from memory and every page's address has to be looked
//! up. The processor's own prefetching ends at a page's end; asking for the lines one page ahead takes both out of the way.
#![expect(unsafe_code, reason = "asks the processor for cache lines, which no safe function does")]

/// How far ahead of what is written: a page, so that its address is known when it is reached.
const AHEAD_BYTES: usize = 4096;
#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Asks for the lines that are written a page after `from..to`; those beyond the end of `bytes` are left out.
pub(super) fn ahead(bytes: &[u8], from: usize, to: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};

        let lines = bytes.get(from.saturating_add(AHEAD_BYTES)..).unwrap_or_default();
        let lines = lines.get(..to.saturating_sub(from)).unwrap_or(lines);
        for line in lines.chunks(LINE_BYTES) {
            // SAFETY: the address is inside a slice; the instruction reads nothing and meets no fault.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (bytes, from, to, AHEAD_BYTES);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_asked_for_beyond_the_end() {
        let bytes = [0; 3 * AHEAD_BYTES];
        for (from, to) in
            [(0, 1440), (2 * AHEAD_BYTES, 3 * AHEAD_BYTES), (bytes.len(), bytes.len()), (9, 3), (usize::MAX, 0)]
        {
            ahead(&bytes, from, to);
        }
    }
}
