//! The front door: which exporters may send, and how fast.
//!
//! The same rules hold wherever a datagram comes in. The XDP program judges what it would redirect to a ring
//! (`steering` gives it the rules); a worker's [`Door`] judges what comes by a plain UDP socket. Nothing is judged twice. Not
//! here: counting what was refused, and what becomes of it.

/// Token buckets of exporters, in bounded memory.
mod buckets;
/// The door that workers ask.
mod door;
/// From the configuration to one answer for each exporter.
mod rules;

use nix::time::{ClockId, clock_gettime};

pub use collector_ebpf::Limit;
pub use door::{Door, FrontDoor};
pub use rules::{Rules, Ruling, Settings};

/// The time for token buckets: nanoseconds of a clock that never goes back, the one that the XDP program reads (CLOCK_MONOTONIC).
#[must_use]
pub fn now_ns() -> u64 {
    // Every Linux has this clock.
    let Ok(now) = clock_gettime(ClockId::CLOCK_MONOTONIC) else { return 0 };
    now.tv_sec().cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec().cast_unsigned())
}

/// Why a datagram was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its exporter is in none of the allowed prefixes.
    NotAllowed,
    /// Its exporter sends faster than it may.
    RateLimited,
}

impl Refusal {
    /// Every reason, each at the index that is its number.
    pub const ALL: [Self; 2] = [Self::NotAllowed, Self::RateLimited];

    /// The name in metrics and in the ledger: that of the XDP program's verdict.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotAllowed => collector_ebpf::Verdict::NotAllowed.label(),
            Self::RateLimited => collector_ebpf::Verdict::RateLimited.label(),
        }
    }
}
