//! The ledger: what became of every datagram, per exporter, device, observation domain and minute of receipt (UTC).
//!
//! Two equations hold for each exporter and minute once the minute is settled and its rows are stored or lost:
//!
//! * seen = decoded + given up: `seen_xdp + seen_udp` = `decoded` + `not_allowed` + `rate_limited` + `ring_full` +
//!   `fill_ring_empty` + `ring_other` + `socket_overflow` + `truncated` + `bad_checksum` + `journal_refused` + `journal_given_up` + `malformed`,
//!   and + those that wait in the journal;
//! * `rows_decoded` = `rows_stored` + every `rows_lost_*`.
//!
//! So does `sets_held` = `sets_decoded_late` + `sets_expired` + `sets_evicted`, once none waits any more.
//!
//! What happens before a datagram is read has no observation domain and stands under domain 0, and so do datagrams without a
//! readable header; and it stands under the sender itself, whatever device it is of, as all does where no device is told. What is told
//! of devices is a claim: see [`Agents`]. Every count stands in one row alone, so sums over domains and sums over exporters are both right. What
//! cannot be put to one exporter (a socket's overflow, exporters past a bound) stands under the exporter `::`, as seen and as
//! what became of it.
//!
//! Not here: sequence numbers (see `crate::exporters`), and how rows come into ClickHouse.

/// The account of all workers.
mod account;
/// Which devices each sender speaks for.
mod agents;
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
pub use agents::Agents;
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
    /// Exporter address: source of the datagrams.
    pub exporter: Address,
    /// The device that they are of; the exporter itself where none is told.
    pub agent: Address,
    /// Observation domain; 0 for what has none.
    pub domain: u32,
    /// Minute of receipt, in minutes since 1970.
    pub minute: u32,
}

impl Key {
    /// The row of what is the sender's own.
    #[must_use]
    pub fn of_sender(exporter: Address, domain: u32, minute: u32) -> Self {
        Self { exporter, agent: exporter, domain, minute }
    }

    /// The row that this is counted in where the exporter's own has no room.
    #[must_use]
    pub fn of_nobody(self) -> Self {
        Self::of_sender(NOBODY, 0, self.minute)
    }
}
