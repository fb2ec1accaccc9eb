//! What is forgotten: stored segments beyond what is to be kept, and, where there is no room, what could not be decoded in time.

use super::log::Journal;
use super::record::Entry;
use super::segment::Segment;
use super::{Position, header};

impl Journal {
    /// Forgets stored segments that are not to be kept any longer; all of them, one after the other, while the disk refuses.
    /// Cheap: call it about once a second. `now_ns` is nanoseconds since 1970.
    pub fn tend(&mut self, now_ns: i64) {
        let stored = self.progress.stored();
        while self.is_oldest_unwanted(stored, now_ns) {
            self.forget(0);
        }
        if self.spares.is_in_need() && self.stored_segments(stored) > 0 {
            self.forget(0);
        }
        let (read, active) = (self.read.get(), self.segments.len().saturating_sub(1));
        let resting = self.segments.iter_mut().take(active).filter(|segment| {
            // Neither written nor read at the moment.
            read < segment.start() || segment.end() <= read
        });
        for mapping in resting.filter_map(Segment::rest) {
            self.spares.unmap(mapping);
        }
    }

    /// Gives up the oldest segment of which nothing is decoded, if more than the budget waits behind `decoded`, or the disk
    /// refuses and nothing stored is left to make room. `lost` sees each of its records. The position behind them: reading goes
    /// on there by itself. Call it again until it gives nothing.
    pub fn give_up_oldest(&mut self, decoded: Position, mut lost: impl FnMut(&Entry<'_>)) -> Option<Position> {
        let is_stuck = self.spares.is_in_need() && !self.spares.has_ready();
        let is_stuck = is_stuck && self.stored_segments(self.progress.stored()) == 0;
        if self.waiting_bytes(decoded) <= self.settings.budget_bytes && !is_stuck {
            return None;
        }
        // What was decoded may be needed again as long as it is not stored, and what is written is no segment to give up.
        let index = self.segments.iter().position(|segment| first_record(segment) >= decoded)?;
        let segment = self.segments.get(index).filter(|_| index + 1 < self.segments.len())?;
        let end = segment.end();
        let mut offset = header::FIRST_RECORD;
        while let Some((entry, _, next)) = segment.read(offset, self.seed) {
            lost(&entry);
            offset = next;
        }
        // What is named as lost must not come back.
        if let Some(segment) = self.segments.get_mut(index) {
            segment.void(&self.id);
        }
        self.forget(index);
        Some(end)
    }

    /// Bytes of records behind `decoded`, without what was given up.
    #[must_use]
    pub fn waiting_bytes(&self, decoded: Position) -> u64 {
        let first = self.segments.partition_point(|segment| segment.end() <= decoded);
        let waiting = self.segments.range(first..).map(|segment| {
            let end = segment.position(segment.content().used);
            end.0.saturating_sub(decoded.max(first_record(segment)).0)
        });
        waiting.sum()
    }

    fn is_oldest_unwanted(&self, stored: Position, now_ns: i64) -> bool {
        let count = self.stored_segments(stored);
        let Some(oldest) = self.segments.front().filter(|_| count > 0) else { return false };
        let age_ns = now_ns.saturating_sub(oldest.content().last_ns);
        let is_old = u128::from(age_ns.max(0).unsigned_abs()) >= self.settings.retain.as_nanos();
        is_old || count as u64 * self.size > self.settings.retain_bytes
    }

    /// Segments all of which is stored, oldest first; never the one that is written.
    fn stored_segments(&self, stored: Position) -> usize {
        let full = self.segments.len().saturating_sub(1);
        self.segments.partition_point(|segment| segment.position(segment.content().used) <= stored).min(full)
    }

    pub(super) fn forget(&mut self, index: usize) {
        let Some(mut segment) = self.segments.remove(index) else { return };
        if let Some(mapping) = segment.rest() {
            self.spares.unmap(mapping);
        }
        self.spares.give(segment.path);
    }
}

fn first_record(segment: &Segment) -> Position {
    segment.position(header::FIRST_RECORD)
}
