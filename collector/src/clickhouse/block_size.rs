//! How large the next blocks are to be: smaller while ClickHouse has no memory for what it is sent.
//!
//! Not here: what was sent already, which is never split (see [`super::inserter`]).

use std::sync::atomic::{AtomicU32, Ordering};

/// Most halvings: 65536 rows become 1024.
const MOST_HALVINGS: u32 = 6;
/// Fewest rows that are asked for, unless the configuration has fewer.
const FEWEST_ROWS: usize = 1024;
/// Inserts without such a failure after which blocks grow again by one step.
const INSERTS_TO_GROW: u32 = 100;

/// Halvings of the configured size.
#[derive(Debug, Default)]
pub(super) struct BlockSize {
    halvings: AtomicU32,
    inserts: AtomicU32,
}

impl BlockSize {
    /// Rows of the next block where `configured` are wanted.
    pub(super) fn rows(&self, configured: usize) -> usize {
        (configured >> self.halvings.load(Ordering::Relaxed)).max(FEWEST_ROWS.min(configured))
    }

    /// A batch was too much.
    pub(super) fn shrink(&self) {
        self.inserts.store(0, Ordering::Relaxed);
        let more = |halvings: u32| Some((halvings + 1).min(MOST_HALVINGS));
        // Cannot fail: there is always a next value.
        let _ = self.halvings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// An insert was stored.
    pub(super) fn stored(&self) {
        if self.halvings.load(Ordering::Relaxed) == 0 {
            return;
        }
        if (self.inserts.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(INSERTS_TO_GROW) {
            let fewer = |halvings: u32| halvings.checked_sub(1);
            // Fails where another thread was first: then there is nothing to grow.
            let _ = self.halvings.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_shrink_to_a_limit_and_grow_again() {
        let size = BlockSize::default();
        assert_eq!(size.rows(65_536), 65_536);
        size.shrink();
        assert_eq!([65_536, 1500, 10].map(|rows| size.rows(rows)), [32_768, 1024, 10]);
        (0..10).for_each(|_| size.shrink());
        assert_eq!(size.rows(65_536), 1024);
        for _ in 0..INSERTS_TO_GROW - 1 {
            size.stored();
        }
        assert_eq!(size.rows(65_536), 1024);
        (0..10 * INSERTS_TO_GROW).for_each(|_| size.stored());
        assert_eq!(size.rows(65_536), 65_536);
    }
}
