//! The ledger: what became of every datagram, per exporter, observation domain and minute of receipt (UTC).
//!
//! Two equations hold for each exporter and minute once the minute is settled and its rows are stored or lost:
//!
//! * seen = decoded + given up: `seen_xdp + seen_udp` = `decoded` + `not_allowed` + `rate_limited` + `ring_full` +
//!   `fill_ring_empty` + `ring_other` + `socket_overflow` + `truncated` + `journal_refused` + `journal_given_up` + `malformed`,
//!   and + those that wait in the journal;
//! * `rows_decoded` = `rows_stored` + every `rows_lost_*`.
//!
//! So does `sets_held` = `sets_decoded_late` + `sets_expired` + `sets_evicted`, once none waits any more.
//!
//! What happens before a datagram is read has no observation domain and stands under domain 0, and so do datagrams without a
//! readable header. Every count stands in one row alone, so sums over domains and sums over exporters are both right. What
//! cannot be put to one exporter (a socket's overflow, exporters past a bound) stands under the exporter `::`, as seen and as
//! what became of it.
//!
//! Not here: sequence numbers (see `crate::exporters`), and how rows come into ClickHouse.

/// The account of all workers.
mod account;
/// A worker's account in plain integers.
mod book;
/// What is counted, by name.
mod cell;
/// The text of `/metrics`.
mod expose;
/// What was lost between the XDP program and the workers.
mod rings;
/// Rows of blocks, by exporter and minute.
mod rows;
/// Settling a minute.
mod settle;
/// The sums of all.
mod sums;
/// The table.
pub mod table;

pub use account::{Account, KernelMinute};
pub use book::{Arrival, Book};
pub use cell::{Cell, Cells};
pub use rings::RingDrops;
pub use rows::{Run, runs};
pub use settle::Quantity;
pub use table::LedgerRows;

use netflow::columns::Address;

/// The exporter `::`: counts that cannot be put to one exporter.
pub const NOBODY: Address = [0; 16];

/// Milliseconds in a minute.
const MINUTE_MS: i64 = 60_000;

/// The minute of a moment in milliseconds since 1970, in minutes since 1970; times outside of what fits are moved to its ends.
#[must_use]
pub fn minute_of(ms: i64) -> u32 {
    u32::try_from(ms.div_euclid(MINUTE_MS).max(0)).unwrap_or(u32::MAX)
}

/// One row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Exporter address.
    pub exporter: Address,
    /// Observation domain; 0 for what has none.
    pub domain: u32,
    /// Minute of receipt, in minutes since 1970.
    pub minute: u32,
}

impl Key {
    /// The row that this is counted in where the exporter's own has no room.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        Self { exporter: NOBODY, domain: 0, ..self }
    }
}
