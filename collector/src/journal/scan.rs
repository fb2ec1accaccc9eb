//! Finding the records of a segment whose bytes cannot be trusted.
//!
//! Records are checked one after the other. Where one is broken, the next whole one is looked for, and what lies between is
//! counted; where there is none, the rest is what was never written, or half written when the program ended.

use std::io;
use std::ops::ControlFlow;

use super::Position;
use super::header::{Content, FIRST_RECORD};
use super::record::{self, ALIGN, Entry, Found, Seed};

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The whole records.
    pub(super) content: Content,
    /// Gaps between whole records: each lost at least one.
    pub(super) gaps: u64,
    /// Bytes in the gaps.
    pub(super) gap_bytes: u64,
    /// Records behind the last whole one that were begun and not ended.
    pub(super) torn: u64,
}

impl Scanned {
    pub(super) const EMPTY: Self = Self { content: Content::EMPTY, gaps: 0, gap_bytes: 0, torn: 0 };
}

/// Bytes of a segment, wherever they lie.
pub(super) trait Source {
    /// The bytes from `offset` on: at least a longest record's where there are so many, none behind the end.
    fn at(&mut self, offset: usize) -> io::Result<&[u8]>;

    /// Whether what was read at `offset` may have been half written then, and is worth another look.
    fn is_news(&mut self, offset: usize) -> bool;
}

impl Source for &[u8] {
    fn at(&mut self, offset: usize) -> io::Result<&[u8]> {
        Ok(self.get(offset..).unwrap_or(&[]))
    }

    fn is_news(&mut self, _offset: usize) -> bool {
        false
    }
}

/// Scans a segment that begins at `start`, up to the offset `end`; `visit` sees each whole record with its offset and may stop.
pub(super) fn scan(
    source: &mut impl Source,
    seed: Seed,
    start: Position,
    end: usize,
    mut visit: impl FnMut(&Entry<'_>, usize) -> ControlFlow<()>,
) -> io::Result<Scanned> {
    let mut scanned = Scanned::EMPTY;
    let mut offset = FIRST_RECORD;
    let mut torn = 0;
    let mut confirmed = offset;
    while offset < end {
        let bytes = source.at(offset)?;
        if bytes.is_empty() {
            break;
        }
        let found = record::read(bytes, seed, Position(start.0 + offset as u64));
        if offset > scanned.content.used && offset != confirmed && matches!(found, Found::Record(..)) {
            confirmed = offset;
            // The search may have gone past a record that was being written when it was looked at.
            if source.is_news(scanned.content.used) {
                (offset, torn) = (scanned.content.used, 0);
            }
            continue;
        }
        match found {
            Found::Record(entry, size) => {
                let gap = offset - scanned.content.used;
                scanned.gaps += u64::from(gap > 0);
                scanned.gap_bytes += gap as u64;
                torn = 0;
                let stop = visit(&entry, offset);
                scanned.content.add(entry.received_ns, offset + size);
                offset += size;
                if stop.is_break() {
                    return Ok(scanned);
                }
            }
            Found::Torn => {
                torn += 1;
                offset += ALIGN;
            }
            Found::Nothing => offset += ALIGN,
        }
    }
    scanned.torn = torn;
    Ok(scanned)
}
