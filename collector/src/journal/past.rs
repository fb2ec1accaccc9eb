//! A journal's past: what was in it when it was opened, to be read beside the thread that goes on writing it.

use std::num::NonZeroUsize;
use std::path::Path;

use super::Position;
use super::error::Error;
use super::log::files;
use super::record::Entry;
use super::scan::scan;
use super::segment::{FIRST_RECORD, Segment};

/// The records of a journal from some position on, as far as they were there when this was opened. Whoever writes the journal must
/// not forget them meanwhile: they are not stored yet.
#[derive(Debug)]
pub struct Past {
    segments: Vec<Segment>,
    segment_bytes: u64,
}

impl Past {
    /// Opens what the journal of a directory has from `position` to `end`.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn open(
        directory: &Path,
        segment_bytes: NonZeroUsize,
        position: Position,
        end: Position,
    ) -> Result<Self, Error> {
        let mut segments = Vec::new();
        for path in files(directory)? {
            let opened = Segment::open(&path, segment_bytes).map_err(Error::system("open", &path))?;
            let Some((mut segment, _)) = opened else { continue };
            let begin = segment.position(0);
            if begin >= end || begin.0 + segment_bytes.get() as u64 <= position.0 {
                continue;
            }
            let scanned = scan(segment.bytes(), begin, |_| {});
            segment.set_found(scanned.used, scanned.records);
            segments.push(segment);
        }
        segments.sort_by_key(|segment| segment.number);
        Ok(Self { segments, segment_bytes: segment_bytes.get() as u64 })
    }

    /// The first record at or behind `position`, its position, and the position behind it.
    #[must_use]
    pub fn read(&self, position: Position) -> Option<(Entry<'_>, Position, Position)> {
        let number = position.0 / self.segment_bytes;
        let first = self.segments.partition_point(|segment| segment.number < number);
        self.segments.get(first..)?.iter().find_map(|segment| {
            let wanted = if segment.number == number { (position.0 % self.segment_bytes) as usize } else { 0 };
            let (entry, offset, end) = segment.read(wanted.max(FIRST_RECORD))?;
            Some((entry, segment.position(offset), segment.position(end)))
        })
    }
}
