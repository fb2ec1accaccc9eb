//! Which rate to try next: up by a factor until something gives, then between the highest that went well and the lowest that did not.
//! Pure; what went well is decided by the caller.

/// From one rate of the climb to the next.
const FACTOR: u64 = 2;
/// Below this many datagrams a second nothing is tried.
const LOWEST: u64 = 500;
/// The two ends are near enough when one is so many times the other.
const NEAR: f64 = 1.06;

/// How a rate went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing lost, and the collector kept up.
    Good,
    /// Something was lost, or the collector fell behind.
    Bad,
    /// The sender could not send as much: there is no use in trying more.
    SenderLimited,
}

/// The search for the highest rate that goes well.
#[derive(Debug)]
pub(super) struct Search {
    next: Option<u64>,
    good: Option<u64>,
    bad: Option<u64>,
    bisections: u32,
}

impl Search {
    /// Starts at `first` datagrams a second; after the climb at most so many steps between the ends.
    pub(super) fn new(first: u64, bisections: u32) -> Self {
        Self { next: Some(first), good: None, bad: None, bisections }
    }

    /// The rate to try, if any is left.
    pub(super) fn next(&self) -> Option<u64> {
        self.next
    }

    /// Takes the outcome of the rate that [`Search::next`] named.
    pub(super) fn record(&mut self, outcome: Outcome) {
        let Some(rate) = self.next else { return };
        let is_climbing = self.bad.is_none();
        match outcome {
            Outcome::Good => self.good = self.good.max(Some(rate)),
            Outcome::Bad => self.bad = Some(self.bad.map_or(rate, |bad| bad.min(rate))),
            Outcome::SenderLimited => {
                self.good = self.good.max(Some(rate));
                self.next = None;
                return;
            }
        }
        self.next = match (self.good, self.bad) {
            (Some(good), None) => Some(good * FACTOR),
            (None, Some(bad)) => Some(bad / (FACTOR * FACTOR)).filter(|rate| *rate >= LOWEST),
            (Some(good), Some(bad)) => self.between(good, bad, is_climbing),
            (None, None) => None,
        };
    }

    fn between(&mut self, good: u64, bad: u64, is_climbing: bool) -> Option<u64> {
        if !is_climbing && self.bisections == 0 || bad as f64 / good as f64 <= NEAR {
            return None;
        }
        self.bisections = self.bisections.checked_sub(1)?;
        Some((good as f64 * bad as f64).sqrt().round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(first: u64, bisections: u32, limit: u64, sender: u64) -> (Vec<u64>, Option<u64>) {
        let mut search = Search::new(first, bisections);
        let mut tried = Vec::new();
        while let Some(rate) = search.next() {
            tried.push(rate);
            assert!(tried.len() < 50, "it does not end: {tried:?}");
            search.record(match rate {
                rate if rate > limit => Outcome::Bad,
                rate if rate > sender => Outcome::SenderLimited,
                _ => Outcome::Good,
            });
        }
        (tried, search.good)
    }

    #[test]
    fn the_limit_is_found() {
        let (rates, good) = tried(10_000, 6, 100_000, u64::MAX);
        assert_eq!(rates[..5], [10_000, 20_000, 40_000, 80_000, 160_000]);
        let good = good.expect("there is a good one");
        assert!((90_000..=100_000).contains(&good) && rates.len() <= 11, "{rates:?}");
        assert_eq!(tried(10_000, 0, 100_000, u64::MAX).1, Some(80_000));
    }

    #[test]
    fn the_first_rate_may_be_too_much() {
        let (rates, good) = tried(100_000, 3, 7_000, u64::MAX);
        assert_eq!(rates[..3], [100_000, 25_000, 6_250]);
        assert!(good.is_some_and(|good| (6_250..=7_000).contains(&good)), "{rates:?}");
        assert_eq!(tried(1000, 3, 10, u64::MAX), (vec![1000], None));
    }

    #[test]
    fn no_more_is_asked_of_the_sender_than_it_can() {
        assert_eq!(tried(10_000, 4, u64::MAX, 30_000), (vec![10_000, 20_000, 40_000], Some(40_000)));
    }
}
