//! A journal's past: what it had at some moment, to be read beside the thread that goes on writing it.

use super::Position;
use super::record::{Entry, Seed};
use super::segment::Segment;

/// Records of a journal, as far as they were there when this was made. The journal must not forget them meanwhile: it does not,
/// as long as they are not stored.
#[derive(Debug)]
pub struct Past {
    /// Ascending.
    segments: Vec<Segment>,
    seed: Seed,
}

impl Past {
    pub(super) fn new(segments: Vec<Segment>, seed: Seed) -> Self {
        Self { segments, seed }
    }

    /// The first record at or behind `position`, where it begins, and where it ends; `None` at the end.
    #[must_use]
    pub fn read(&self, position: Position) -> Option<(Entry<'_>, Position, Position)> {
        let first = self.segments.partition_point(|segment| segment.end() <= position);
        self.segments.get(first..)?.iter().find_map(|segment| {
            let wanted = position.0.saturating_sub(segment.start().0) as usize;
            let (entry, offset, end) = segment.read(wanted, self.seed)?;
            Some((entry, segment.position(offset), segment.position(end)))
        })
    }
}
