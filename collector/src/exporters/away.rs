//! What an exporter sent while the collector was not running, by its sequence numbers: how much of a gap is believed, and in which
//! minutes it is counted.

/// Minutes that a gap is spread over; longer ones come in as many equal steps.
const MINUTES_MAX: i64 = 1_440;
const MINUTE_MS: i64 = 60_000;
/// By how much an exporter may have sent more than it did before, so that a gap is believed and no counter that began anew.
const TIMES_MORE: f64 = 10.0;
/// And how much is believed of one that sent hardly anything.
const UNITS_ANYWAY: f64 = 1_000.0;

/// The time for which nothing is known of a sequence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Away {
    /// When its last datagram was received before, milliseconds since 1970.
    pub(super) from_ms: i64,
    /// When the collector received again.
    pub(super) until_ms: i64,
    /// How many units it counted a second before, at most.
    pub(super) per_second: f64,
}

/// A gap of that time, and what is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// When the last datagram before was received, milliseconds since 1970.
    pub(super) from_ms: i64,
    /// When the first one after was.
    pub(super) to_ms: i64,
    /// Units that did not come.
    pub(super) units: i64,
}

impl Away {
    /// Whether so many units may have been sent until `now_ms`.
    pub(super) fn is_plausible(&self, units: u32, now_ms: i64) -> bool {
        let seconds = (now_ms - self.from_ms).max(0) as f64 / 1_000.0;
        f64::from(units) <= TIMES_MORE * self.per_second * (seconds + 1.0) + UNITS_ANYWAY
    }

    /// A gap of `units`, as it is spread evenly over the minutes until `now_ms`: minute and units, none of them empty.
    pub(super) fn spread(&self, units: u32, now_ms: i64) -> Vec<(u32, u32)> {
        let (from_ms, to_ms) = (self.from_ms.min(now_ms), now_ms);
        let (first, last) = (from_ms.div_euclid(MINUTE_MS), to_ms.div_euclid(MINUTE_MS));
        let step = (last - first) / MINUTES_MAX + 1;
        let whole = i128::from((to_ms - from_ms).max(1));
        let mut before = 0;
        let mut pieces = Vec::new();
        for minute in (first..=last).step_by(usize::try_from(step).unwrap_or(1)) {
            let end_ms = ((minute + step) * MINUTE_MS).min(to_ms);
            let until = if end_ms == to_ms {
                i128::from(units)
            } else {
                i128::from(units) * i128::from(end_ms - from_ms) / whole
            };
            let piece = u32::try_from(until - before).unwrap_or(0);
            before = until;
            if piece > 0 {
                pieces.push((u32::try_from(minute).unwrap_or(0), piece));
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn away(from_ms: i64) -> Away {
        Away { from_ms, until_ms: from_ms, per_second: 100.0 }
    }

    #[test]
    fn a_gap_is_spread_over_the_minutes_of_the_outage() {
        let spread = |from_ms, now_ms, units| away(from_ms).spread(units, now_ms);
        assert_eq!(spread(600_000, 600_500, 7), [(10, 7)]);
        assert_eq!(spread(630_000, 750_000, 40), [(10, 10), (11, 20), (12, 10)]);
        assert_eq!(spread(630_000, 750_000, 1), [(12, 1)]);
        // A clock that was set back.
        assert_eq!(spread(900_000, 660_000, 5), [(11, 5)]);
        assert_eq!(spread(0, 0, 0), []);
        for (minutes, units) in [(3, 1_000_000), (1_439, 99), (100_000, 4_000_000_000)] {
            let pieces = spread(12_345, 12_345 + minutes * MINUTE_MS, units);
            assert_eq!(pieces.iter().map(|(_, units)| u64::from(*units)).sum::<u64>(), u64::from(units), "{minutes}");
            assert!(pieces.len() as i64 <= MINUTES_MAX + 1, "{}", pieces.len());
        }
    }

    #[test]
    fn a_counter_that_began_anew_is_not_believed() {
        let away = away(0);
        assert!(away.is_plausible(11_000, 10_000));
        assert!(!away.is_plausible(12_001, 10_000));
        assert!(away.is_plausible(1_000, -5));
        assert!(!away.is_plausible(u32::MAX, 3_600_000));
    }
}
