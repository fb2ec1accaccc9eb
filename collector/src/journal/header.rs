//! The front of a segment's file: whose it is, and, once it is full, what it holds. Numbers are little-endian.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 8 | `FLOWJRN1` |
//! | 8 | 16 | id of the journal |
//! | 24 | 8 | number of the segment; all ones: a spare, whose content means nothing |
//! | 32 | 8 | size of a segment |
//! | 40 | 4 | CRC-32C of the 40 bytes before |
//! | 64 | 16 | id of the journal |
//! | 80 | 8 | number of the segment; anything else than at 24: not full yet |
//! | 88 | 8 | end of the last record |
//! | 96 | 8 | records |
//! | 104 | 8 | earliest receive time in it |
//! | 112 | 8 | latest receive time in it |
//! | 120 | 4 | CRC-32C of `FLOWSEAL` and the 56 bytes before |
//! | 128 | | records |

use super::{Id, Position, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};

/// Where the records begin.
pub(super) const FIRST_RECORD: usize = 128;
const MAGIC: [u8; 8] = *b"FLOWJRN1";
const SEAL_MAGIC: [u8; 8] = *b"FLOWSEAL";
/// Length of the header, and where the seal begins.
const SEAL: usize = 64;
const SEAL_CRC: usize = 120;
const SPARE: u64 = u64::MAX;

/// What the front of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Front {
    /// A file to be used.
    Spare,
    /// A segment.
    Segment {
        /// Which journal's.
        id: Id,
        /// Which one.
        number: u64,
        /// Its size in bytes.
        size: u64,
        /// What it holds, if it is full.
        content: Option<Content>,
    },
    /// Neither.
    Stranger,
}

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content {
    /// End of the last record: an offset in the file.
    pub(super) used: usize,
    pub(super) records: u64,
    /// Earliest receive time, nanoseconds since 1970; [`i64::MAX`] without records.
    pub(super) first_ns: i64,
    /// Latest receive time; [`i64::MIN`] without records.
    pub(super) last_ns: i64,
}

impl Content {
    pub(super) const EMPTY: Self = Self { used: FIRST_RECORD, records: 0, first_ns: i64::MAX, last_ns: i64::MIN };

    /// Counts one more record, which ends at `end`.
    pub(super) fn add(&mut self, received_ns: i64, end: usize) {
        self.used = end;
        self.records += 1;
        self.first_ns = self.first_ns.min(received_ns);
        self.last_ns = self.last_ns.max(received_ns);
    }
}

/// The header of a segment; of a spare without `number`.
pub(super) fn header(id: &Id, number: Option<u64>, size: u64) -> [u8; SEAL] {
    let mut bytes = [0; SEAL];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..24].copy_from_slice(id);
    bytes[24..32].copy_from_slice(&number.unwrap_or(SPARE).to_le_bytes());
    bytes[32..40].copy_from_slice(&size.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..40]);
    bytes[40..44].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Writes into the front of a segment what it holds.
pub(super) fn seal(front: &mut [u8; FIRST_RECORD], id: &Id, number: u64, content: &Content) {
    front[64..80].copy_from_slice(id);
    front[80..88].copy_from_slice(&number.to_le_bytes());
    front[88..96].copy_from_slice(&(content.used as u64).to_le_bytes());
    front[96..104].copy_from_slice(&content.records.to_le_bytes());
    front[104..112].copy_from_slice(&content.first_ns.to_le_bytes());
    front[112..SEAL_CRC].copy_from_slice(&content.last_ns.to_le_bytes());
    let crc = seal_checksum(&front[SEAL..SEAL_CRC]);
    front[SEAL_CRC..SEAL_CRC + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Reads the front of a file; what lies beyond its end is zeros.
pub(super) fn read(front: &[u8; FIRST_RECORD]) -> Front {
    if front[..SEAL].iter().all(|byte| *byte == 0) {
        return Front::Spare;
    }
    let is_whole = front[40..44] == crc32c::crc32c(&front[..40]).to_le_bytes() && front[..8] == MAGIC;
    let (number, size) = (number_at(front, 24), number_at(front, 32));
    if !is_whole || !is_size(size) {
        return Front::Stranger;
    }
    if number == SPARE {
        return Front::Spare;
    }
    // A position is this number times the size, and more is to come.
    if number > u64::MAX / 2 / size {
        return Front::Stranger;
    }
    let mut id = [0; 16];
    id.copy_from_slice(&front[8..24]);
    Front::Segment { id, number, size, content: content(front, &id, number, size) }
}

fn content(front: &[u8; FIRST_RECORD], id: &Id, number: u64, size: u64) -> Option<Content> {
    let is_whole = front[SEAL_CRC..SEAL_CRC + 4] == seal_checksum(&front[SEAL..SEAL_CRC]).to_le_bytes();
    let is_of_this = front[64..80] == *id && number_at(front, 80) == number;
    let used = number_at(front, 88);
    if !is_whole || !is_of_this || used < FIRST_RECORD as u64 || used > size {
        return None;
    }
    Some(Content {
        used: usize::try_from(used).ok()?,
        records: number_at(front, 96),
        first_ns: number_at(front, 104).cast_signed(),
        last_ns: number_at(front, 112).cast_signed(),
    })
}

/// Whether a segment may have this many bytes.
pub(super) fn is_size(bytes: u64) -> bool {
    (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&bytes) && bytes.is_multiple_of(4096)
}

/// Where a segment begins.
pub(super) fn start(number: u64, size: u64) -> Position {
    Position(number * size)
}

fn seal_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&SEAL_MAGIC), bytes)
}

fn number_at(front: &[u8; FIRST_RECORD], offset: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&front[offset..offset + 8]);
    u64::from_le_bytes(bytes)
}
