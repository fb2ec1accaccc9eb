//! What is about to be written, asked for ahead of time.
//!
//! Appending goes once through each segment, so every cache line of it comes from memory and every page's address has to be looked
//! up. The processor's own prefetching ends at a page's end; asking for the lines one page ahead takes both out of the way.

use crate::prefetch;

/// How far ahead of what is written: a page, so that its address is known when it is reached.
const AHEAD_BYTES: usize = 4096;

/// Asks for the lines that are written a page after `from..to`; those beyond the end of `bytes` are left out.
pub(super) fn ahead(bytes: &[u8], from: usize, to: usize) {
    let lines = bytes.get(from.saturating_add(AHEAD_BYTES)..).unwrap_or_default();
    prefetch::to_write(lines.get(..to.saturating_sub(from)).unwrap_or(lines));
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
