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

pub use collector_ebpf::Limit;
pub use door::{Door, FrontDoor};
pub use rules::{Rules, Ruling, Settings};

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
