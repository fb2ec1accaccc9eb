//! How fast something grows that is read now and then, in the middle of the way: neither its beginning nor its end counts.

/// The part of the way that counts.
const FROM: f64 = 0.2;
const TO: f64 = 0.8;

/// Readings of a number that grows to a known end.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Seconds, and the number then.
    readings: Vec<(f64, f64)>,
}

impl Progress {
    /// Adds a reading; those that say the same as the one before are left out, but for the time.
    pub(crate) fn read(&mut self, seconds: f64, value: f64) {
        if self.readings.last().is_none_or(|last| last.1 != value) {
            self.readings.push((seconds, value));
        }
    }

    /// What it grows by in a second: the slope of the straight line that fits best (least squares) through the readings between a fifth
    /// and four fifths of `end`. The whole's, where those are too few.
    pub(crate) fn rate(&self, end: f64) -> f64 {
        let middle: Vec<(f64, f64)> =
            self.readings.iter().copied().filter(|(_, value)| (end * FROM..=end * TO).contains(value)).collect();
        if middle.len() < 4 {
            let seconds = self.readings.last().map_or(0.0, |last| last.0);
            return if seconds > 0.0 { end / seconds } else { 0.0 };
        }
        let count = middle.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| middle.iter().map(of).sum::<f64>() / count;
        let (seconds, value) = (mean(|reading| reading.0), mean(|reading| reading.1));
        let above: f64 = middle.iter().map(|reading| (reading.0 - seconds) * (reading.1 - value)).sum();
        let below: f64 = middle.iter().map(|reading| (reading.0 - seconds).powi(2)).sum();
        above / below
    }
}

/// The middle of some values; of an even number the mean of both in the middle. 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), middle.checked_sub(1).and_then(|below| sorted.get(below))) {
        (Some(above), Some(below)) if sorted.len().is_multiple_of(2) => f64::midpoint(*above, *below),
        (Some(value), _) => *value,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginning_and_end_do_not_count() {
        let mut progress = Progress::default();
        progress.read(0.0, 0.0);
        // A long start, ten a second in the middle, and a long end.
        for step in 1..=10 {
            progress.read(100.0 + f64::from(step), f64::from(step) * 10.0);
        }
        progress.read(500.0, 100.0);
        assert!((progress.rate(100.0) - 10.0).abs() < 1e-9, "{}", progress.rate(100.0));
    }

    #[test]
    fn a_few_readings_give_the_whole() {
        let mut progress = Progress::default();
        for (seconds, value) in [(1.0, 0.0), (2.0, 0.0), (4.0, 100.0)] {
            progress.read(seconds, value);
        }
        assert!((progress.rate(100.0) - 25.0).abs() < 1e-9);
        assert!(Progress::default().rate(1.0).abs() < 1e-9);
    }

    #[test]
    fn medians_are_in_the_middle() {
        let check = |values: &[f64], expected: f64| assert!((median(values) - expected).abs() < 1e-9, "{values:?}");
        check(&[], 0.0);
        check(&[3.0], 3.0);
        check(&[9.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 9.0], 3.0);
    }
}
