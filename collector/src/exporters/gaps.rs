//! Numbers that were passed over and may still come, with where they were counted missing.

use super::sequence::Place;

/// How many gaps of a stream are remembered; what is in older ones can no longer be taken back. Where workers take turns, all that
/// one of them has not looked at yet is a gap for each datagram.
const GAPS_MAX: usize = 256;

/// Gaps in a sequence, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Gaps(Vec<Gap>);

#[derive(Debug, Clone, Copy)]
struct Gap {
    start: u32,
    length: u32,
    place: Place,
    /// Whether they were sent while the collector was not running.
    is_down: bool,
}

impl Gaps {
    /// Remembers that `length` numbers from `start` on did not come.
    pub(super) fn push(&mut self, start: u32, length: u32, place: Place) {
        self.add(Gap { start, length, place, is_down: false });
    }

    /// The same for numbers that were sent while the collector was not running.
    pub(super) fn push_down(&mut self, start: u32, length: u32, place: Place) {
        self.add(Gap { start, length, place, is_down: true });
    }

    fn add(&mut self, gap: Gap) {
        if self.0.len() >= GAPS_MAX {
            self.0.remove(0);
        }
        self.0.push(gap);
    }

    /// Takes `units` numbers from `sequence` on out of the gap they are in, all that is left of it where nobody knows how many;
    /// where they were counted, how many of them were, and whether they were sent while the collector was not running.
    pub(super) fn fill(&mut self, sequence: u32, units: Option<u32>) -> Option<(Place, u32, bool)> {
        let index = self.find(sequence)?;
        let gap = self.0[index];
        let before = sequence.wrapping_sub(gap.start);
        let filled = units.unwrap_or(u32::MAX).min(gap.length - before);
        let after = gap.length - before - filled;
        let rest = [Gap { length: before, ..gap }, Gap { start: sequence.wrapping_add(filled), length: after, ..gap }];
        self.0.splice(index..=index, rest.into_iter().filter(|gap| gap.length > 0));
        Some((gap.place, filled, gap.is_down))
    }

    /// Whether a number is one of those.
    pub(super) fn holds(&self, sequence: u32) -> bool {
        self.find(sequence).is_some()
    }

    fn find(&self, sequence: u32) -> Option<usize> {
        self.0.iter().rposition(|gap| sequence.wrapping_sub(gap.start) < gap.length)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_in_any_order_and_across_the_wrap() {
        let mut gaps = Gaps::default();
        gaps.push(u32::MAX - 1, 10, Place { minute: 7, by: 1 });
        for (sequence, units, expected) in [
            (0, Some(3), Some((7, 3))),
            (0, Some(3), None),
            (u32::MAX - 1, Some(2), Some((7, 2))),
            (8, Some(1), None),
            (6, None, Some((7, 2))),
            (3, Some(9), Some((7, 3))),
            (5, Some(1), None),
        ] {
            let expected = expected.map(|(minute, filled)| (Place { minute, by: 1 }, filled, false));
            assert_eq!(gaps.holds(sequence), expected.is_some(), "{sequence}");
            assert_eq!(gaps.fill(sequence, units), expected, "{sequence} {units:?}");
        }
        assert!(gaps.0.is_empty());
    }

    #[test]
    fn no_more_gaps_are_remembered_than_the_bound() {
        let mut gaps = Gaps::default();
        for number in 0..1000 {
            gaps.push(number * 10, 5, Place { minute: number, by: 0 });
        }
        assert_eq!(gaps.0.len(), GAPS_MAX);
        assert_eq!(gaps.fill(1, Some(1)), None);
        assert_eq!(gaps.fill(9_991, Some(1)), Some((Place { minute: 999, by: 0 }, 1, false)));
        gaps.push_down(20_000, 2, Place { minute: 7, by: 0 });
        assert_eq!(gaps.fill(20_001, Some(1)), Some((Place { minute: 7, by: 0 }, 1, true)));
    }
}
