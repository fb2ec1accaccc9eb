//! Names for batches: what makes a repeated insert store nothing twice.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Makes the deduplication tokens of this run: no two batches ever share one, in this run or another.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    run: Arc<str>,
    next: Arc<AtomicU64>,
}

impl Tokens {
    /// Tokens of a run that starts now.
    pub(super) fn new() -> Self {
        let started_ns = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let run = format!("{started_ns:x}-{:x}", RandomState::new().hash_one(std::process::id()));
        Self { run: run.into(), next: Arc::default() }
    }

    pub(super) fn next(&self) -> String {
        format!("{}-{}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_comes_twice_within_a_run_or_between_runs() {
        let (one, other) = (Tokens::new(), Tokens::new());
        let tokens = [one.next(), one.next(), one.clone().next(), other.next(), other.next()];
        let distinct: std::collections::HashSet<&String> = tokens.iter().collect();
        assert_eq!(distinct.len(), tokens.len(), "{tokens:?}");
    }
}
