//! The journal: an append-only log of datagrams in memory-mapped segments, one for each worker.
//!
//! It is the only queue between receiving and storing: a datagram is written here before anything is made of it, and its
//! place is given up only when its rows are acknowledged. It survives the end of the process at any moment (the pages belong
//! to the kernel), and power loss as far as [`Durability`] says. What a datagram means, and who asks for it again, is not
//! known here; this module imports nothing of ours.
//!
//! On disk a journal is a directory of segments of equal size, numbered upwards for ever, and of two small files that say what
//! of it is stored ([`Progress`]). A position is a segment's number times its size plus an offset, so positions only grow. A
//! file whose data is no longer wanted is used again under a new number; its old records cannot be mistaken for new ones, since
//! a record's checksum covers its position. The files have names of their own, so that this takes no renaming.

/// Files whose blocks are all there.
mod allocate;
/// The checksum of records.
mod crc;
/// What goes wrong.
mod error;
/// What is forgotten.
mod forget;
/// The front of a segment's file.
mod header;
/// The log itself.
mod log;
/// Mapped files.
mod mapping;
/// What an earlier run left.
mod open;
/// What was in a journal when it was opened, for another thread.
mod past;
/// Memory that is written soon.
mod prefetch;
/// How far storing has come.
mod progress;
/// Reading from outside.
mod reader;
/// Records: layout and checksum.
mod record;
/// Finding records among bytes that cannot be trusted.
mod scan;
/// Segments: files of records.
mod segment;
/// Getting files ready before they are needed.
mod spare;
/// The bytes of a file, a part at a time.
mod window;

pub use error::{Error, Refused};
pub use log::{Journal, Status};
pub use open::Recovered;
pub use past::Past;
pub use progress::{Progress, Range};
pub use reader::{Reader, SegmentInfo, Verified, Walked};
pub use record::Entry;

use std::path::PathBuf;
use std::time::Duration;

/// A place in a journal: bytes since its first segment. Grows for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

/// The random name of a journal.
pub type Id = [u8; 16];

/// A journal's name as text.
#[must_use]
pub fn name_of(id: &Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a journal survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process, however sudden.
    Process,
    /// Power loss too, but for what came since the last synchronisation.
    Disk {
        /// Between two synchronisations. What came in this time, and while the one before was under way, may be lost.
        every: Duration,
    },
}

/// How large, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Directory of this journal's files; made if missing.
    pub directory: PathBuf,
    /// Size of a segment in bytes: a multiple of 4096, from [`SEGMENT_BYTES_MIN`] to [`SEGMENT_BYTES_MAX`].
    pub segment_bytes: u64,
    /// Bytes that may wait to be decoded; past it the oldest segment is given up.
    pub budget_bytes: u64,
    /// Bytes of stored data that are kept, for repair and as evidence.
    pub retain_bytes: u64,
    /// How long stored data is kept; it goes when it is older, or more than `retain_bytes`.
    pub retain: Duration,
    /// What it survives.
    pub durability: Durability,
}

/// Smallest segment: room for the largest datagram, header and all.
pub const SEGMENT_BYTES_MIN: u64 = 128 << 10;
/// Largest segment.
pub const SEGMENT_BYTES_MAX: u64 = 16 << 30;
