//! The highest rate that a contender holds: what it did at full speed says where to begin, and the gap between what it held and what it
//! did not is halved from there.

/// A search under way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Search {
    /// Highest rate that was held, datagrams/s.
    held: Option<f64>,
    /// Lowest that was not.
    missed: Option<f64>,
    /// Where the first step goes that is not at full speed.
    guess: Option<f64>,
}

/// Rates nearer than this are the same.
const NEAR: f64 = 1.04;

impl Search {
    pub(super) const fn new() -> Self {
        Self { held: None, missed: None, guess: None }
    }

    /// The next rate to try, 0 for full speed; none when there is nothing left to find.
    pub(super) fn next(&self) -> Option<f64> {
        match (self.held, self.missed) {
            (None, None) => Some(0.0),
            // The sender can no more.
            (Some(_), None) => None,
            (None, Some(missed)) => Some(self.guess.filter(|guess| *guess < missed).unwrap_or(missed / 2.0)),
            (Some(held), Some(missed)) => (missed / held > NEAR).then(|| (held * missed).sqrt()),
        }
    }

    /// Takes what came out: the rate as it was in truth, the rate at which something was stored, and whether all of it held.
    pub(super) fn take(&mut self, rate: f64, stored_rate: f64, holds: bool) {
        if holds {
            self.held = Some(self.held.map_or(rate, |held| held.max(rate)));
            // What was missed below was a mishap.
            self.missed = self.missed.filter(|missed| *missed > rate);
            return;
        }
        if self.missed.is_none() {
            self.guess = Some(stored_rate.min(rate) * 0.95);
        } else {
            self.guess = None;
        }
        self.missed = Some(self.missed.map_or(rate, |missed| missed.min(rate)));
        self.held = self.held.filter(|held| *held < rate);
    }

    /// The highest rate that was held, datagrams/s.
    pub(super) const fn highest(&self) -> Option<f64> {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches where `capacity` is what can be done and `fastest` what the sender can.
    fn search(capacity: f64, fastest: f64, steps: usize) -> Option<f64> {
        let mut search = Search::new();
        for _ in 0..steps {
            let Some(rate) = search.next() else { break };
            let rate = if rate == 0.0 { fastest } else { rate };
            search.take(rate, rate.min(capacity), rate <= capacity);
        }
        search.highest()
    }

    #[test]
    fn the_highest_rate_is_found() {
        for (capacity, fastest, steps) in [(30_000.0, 400_000.0, 6), (399_000.0, 400_000.0, 6), (1_000.0, 400_000.0, 6)]
        {
            let found = search(capacity, fastest, steps).expect("something holds");
            assert!(found <= capacity && found > capacity * 0.9, "{found} of {capacity}");
        }
        assert_eq!(search(500_000.0, 400_000.0, 6), Some(400_000.0));
        assert_eq!(search(0.0, 400_000.0, 6), None);
    }

    #[test]
    fn a_mishap_below_what_holds_is_forgotten() {
        let mut search = Search::new();
        search.take(100.0, 90.0, false);
        search.take(50.0, 50.0, true);
        search.take(60.0, 60.0, false);
        search.take(70.0, 70.0, true);
        assert_eq!((search.highest(), search.missed), (Some(70.0), None));
    }
}
