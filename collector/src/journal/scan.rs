//! Finding the records of a segment that another run of the program left.
//!
//! Records are checked one after the other. Where one is broken, the next whole one is looked for, and what lies between is
//! counted; where there is none, the rest is what was never written, or half written when the program ended.

use super::Position;
use super::record::{self, ALIGN, Found};
use super::segment::FIRST_RECORD;

/// What a scan found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Whole records.
    pub(super) records: u64,
    /// End of the last of them.
    pub(super) used: usize,
    /// Gaps between whole records: each lost at least one.
    pub(super) gaps: u64,
    /// Bytes in the gaps.
    pub(super) gap_bytes: u64,
}

/// Scans the bytes of a segment whose first byte is at `start`; `found` hears of each whole record's offset.
pub(super) fn scan(bytes: &[u8], start: Position, mut found: impl FnMut(usize)) -> Scanned {
    let at = |offset: usize| record::read(bytes.get(offset..).unwrap_or(&[]), Position(start.0 + offset as u64));
    let mut scanned = Scanned { used: FIRST_RECORD, ..Scanned::default() };
    let mut offset = FIRST_RECORD;
    while offset < bytes.len() {
        match at(offset) {
            Found::Record(_, size) => {
                if scanned.used < offset {
                    scanned.gaps += 1;
                    scanned.gap_bytes += (offset - scanned.used) as u64;
                }
                found(offset);
                scanned.records += 1;
                offset += size;
                scanned.used = offset;
            }
            Found::End if offset == scanned.used => break,
            Found::End | Found::Nothing => offset += ALIGN,
        }
    }
    scanned
}
