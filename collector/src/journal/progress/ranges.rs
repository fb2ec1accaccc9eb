//! Ranges and what became of them: the plain account, without files.

use std::collections::BTreeMap;

use super::super::Position;

/// The datagrams of one block: from the position of the first to behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// Where it begins.
    pub from: Position,
    /// Behind its last datagram.
    pub to: Position,
    /// Which shard its rows belong to.
    pub shard: u16,
}

/// What is known of ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Ranges {
    /// Those that are not wholly before `keep_from`, or are not settled; the value says whether they are.
    known: BTreeMap<Range, bool>,
    /// Replay never begins before this.
    keep_from: Position,
    /// End of the last range, or `keep_from` if that is later.
    begun: Position,
}

impl Ranges {
    /// Takes up a range that is about to be stored. One that is known stays as it is.
    pub(in super::super) fn begin(&mut self, range: Range) {
        self.known.entry(range).or_insert(false);
        self.begun = self.begun.max(range.to);
    }

    /// Forgets a range that could not be written down.
    pub(in super::super) fn withdraw(&mut self, range: Range, begun_before: Position) {
        self.known.remove(&range);
        self.begun = begun_before;
    }

    pub(in super::super) fn is_known(&self, range: Range) -> bool {
        self.known.contains_key(&range)
    }

    /// Notes that a range is stored. Settled neighbours become one range, so that what is kept does not grow with time.
    pub(in super::super) fn settle(&mut self, range: Range) {
        let Some(is_settled) = self.known.get_mut(&range) else { return };
        *is_settled = true;
        let before = self.known.range(..range).next_back();
        let joins = |(other, is_settled): (&Range, &bool)| (*is_settled).then_some(*other);
        let before = before.and_then(joins).filter(|other| other.to == range.from);
        let after = self.known.range(range..).nth(1).and_then(joins).filter(|other| other.from == range.to);
        let mut joined = range;
        for other in [before, after].into_iter().flatten() {
            self.known.remove(&joined);
            self.known.remove(&other);
            joined = Range { from: joined.from.min(other.from), to: joined.to.max(other.to), shard: joined.shard };
            self.known.insert(joined, true);
        }
        self.forget();
    }

    /// Notes that nothing before `position` is needed for replay.
    pub(in super::super) fn keep_from(&mut self, position: Position) {
        self.keep_from = self.keep_from.max(position);
        self.begun = self.begun.max(position);
        self.forget();
    }

    /// Notes how far ranges had begun.
    pub(super) fn begun_until(&mut self, position: Position) {
        self.begun = self.begun.max(position);
    }

    /// Takes what lies between two ranges for one that was begun. Ranges are begun without gaps, so where a record of them is
    /// broken, what lies between its neighbours, or before the end of all of them, is what it said.
    pub(super) fn fill_gaps(&mut self) {
        let mut end = self.keep_from;
        let mut gaps = Vec::new();
        for range in self.known.keys() {
            if range.from > end {
                gaps.push(Range { from: end, to: range.from, shard: range.shard });
            }
            end = end.max(range.to);
        }
        if self.begun > end {
            let shard = self.known.keys().next_back().map_or(0, |range| range.shard);
            gaps.push(Range { from: end, to: self.begun, shard });
        }
        for gap in gaps {
            self.begin(gap);
        }
    }

    /// All that are known, ascending, and whether they are settled.
    pub(in super::super) fn all(&self) -> Vec<(Range, bool)> {
        self.known.iter().map(|(range, is_settled)| (*range, *is_settled)).collect()
    }

    pub(in super::super) fn replay_from(&self) -> Position {
        self.keep_from
    }

    pub(in super::super) fn begun(&self) -> Position {
        self.begun
    }

    /// Everything before is settled and not needed for replay.
    pub(in super::super) fn stored(&self) -> Position {
        let unsettled = self.known.iter().find(|(_, is_settled)| !**is_settled);
        unsettled.map_or(self.keep_from, |(range, _)| range.from.min(self.keep_from))
    }

    /// Everything before is stored, or lost for good and named; some of it may still be needed for replay.
    pub(in super::super) fn settled(&self) -> Position {
        let unsettled = self.known.iter().find(|(_, is_settled)| !**is_settled);
        unsettled.map_or(self.begun, |(range, _)| range.from)
    }

    fn forget(&mut self) {
        let keep_from = self.keep_from;
        self.known.retain(|range, is_settled| !*is_settled || range.to > keep_from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn range(from: u64, to: u64) -> Range {
        Range { from: Position(from), to: Position(to), shard: 0 }
    }

    /// Begins `begun`, settles `settled`, keeps from `keep_from`.
    #[track_caller]
    fn check(begun: &[Range], settled: &[Range], keep_from: u64, known: &[(Range, bool)], stored: u64, end: u64) {
        let mut ranges = Ranges::default();
        begun.iter().for_each(|range| ranges.begin(*range));
        settled.iter().for_each(|range| ranges.settle(*range));
        ranges.keep_from(Position(keep_from));
        assert_eq!(ranges.all(), known, "{begun:?} {settled:?} {keep_from}");
        assert_eq!((ranges.stored(), ranges.begun()), (Position(stored), Position(end)), "{begun:?} {settled:?}");
        // What is stored is settled, and only what is to be replayed lies between.
        let unsettled = known.iter().find(|(_, is_settled)| !is_settled).map_or(Position(end), |(range, _)| range.from);
        assert_eq!(ranges.settled(), unsettled, "{begun:?} {settled:?}");
    }

    #[test]
    fn what_is_stored_is_settled_and_not_needed() {
        let [a, b, c] = [range(64, 100), range(100, 200), range(200, 300)];
        check(&[], &[], 0, &[], 0, 0);
        check(&[], &[], 50, &[], 50, 50);
        check(&[a], &[], 0, &[(a, false)], 0, 100);
        check(&[a], &[], 100, &[(a, false)], 64, 100);
        check(&[a], &[a], 0, &[(a, true)], 0, 100);
        check(&[a], &[a], 100, &[], 100, 100);
        check(&[a, b, c], &[b], 0, &[(a, false), (b, true), (c, false)], 0, 300);
        check(&[a, b, c], &[c, a], 250, &[(b, false), (c, true)], 100, 300);
        check(&[a, b, c], &[a, c, b], 0, &[(range(64, 300), true)], 0, 300);
        check(&[a, b, c], &[c, b], 0, &[(a, false), (range(100, 300), true)], 0, 300);
        check(&[a, b, c], &[a, b, c], 150, &[(range(64, 300), true)], 150, 300);
        check(&[a, a], &[a, a], 80, &[(a, true)], 80, 100);
        check(&[a], &[b], 80, &[(a, false)], 64, 100);
    }

    #[test]
    fn gaps_are_what_a_broken_record_said() {
        let mut ranges = Ranges::default();
        ranges.keep_from(Position(100));
        ranges.begin(range(100, 200));
        ranges.begin(range(300, 400));
        ranges.fill_gaps();
        assert_eq!(ranges.all(), [(range(100, 200), false), (range(200, 300), false), (range(300, 400), false)]);
        ranges.begun_until(Position(450));
        ranges.fill_gaps();
        assert_eq!(ranges.all().last(), Some(&(range(400, 450), false)));
    }
}
