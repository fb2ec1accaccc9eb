//! What became of each exporter's datagrams in a minute, as the program counted it.

use std::collections::BTreeMap;

use netflow::columns::Address;

/// Whom datagrams are counted under that belong to an account which was evicted, or was never opened for want of room.
pub(super) const NOBODY: Address = [0; 16];

/// Datagrams, and the bytes of their payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Datagrams.
    pub datagrams: u64,
    /// Payload bytes.
    pub bytes: u64,
}

/// A count for each [`collector_ebpf::Fate`].
pub(super) type Counts = [Count; 3];

impl Count {
    /// What two words of a map grew by.
    pub(super) fn grown(now: [u64; 2], before: [u64; 2]) -> Self {
        Self { datagrams: now[0].saturating_sub(before[0]), bytes: now[1].saturating_sub(before[1]) }
    }

    /// The sum of two counts.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { datagrams: self.datagrams + other.datagrams, bytes: self.bytes + other.bytes }
    }

    pub(super) fn least(self, other: Self) -> Self {
        Self { datagrams: self.datagrams.min(other.datagrams), bytes: self.bytes.min(other.bytes) }
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self { datagrams: self.datagrams - other.datagrams, bytes: self.bytes - other.bytes }
    }
}

/// What became of an exporter's datagrams in a minute, as far as the program took or dropped them. What it left to the kernel is
/// not in here: that comes by the UDP sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExporterMinute {
    /// The exporter; `::` for exporters whose accounts were evicted by too many others.
    pub exporter: Address,
    /// Minutes since 1970, UTC, by the program's clock: the receive time that a steered datagram carries is in it.
    pub minute: u32,
    /// Redirected to a ring. What a worker did not get of them was lost there.
    pub steered: Count,
    /// Dropped: the exporter is not allowed.
    pub not_allowed: Count,
    /// Dropped: the exporter sent too fast.
    pub rate_limited: Count,
}

/// Minutes in the making.
#[derive(Debug, Default)]
pub(super) struct Minutes(BTreeMap<(u64, Address), Counts>);

impl Minutes {
    /// Adds to what is there of this exporter and minute.
    pub(super) fn add(&mut self, exporter: Address, minute: u64, counts: Counts) {
        if counts == Counts::default() {
            return;
        }
        let sums = self.0.entry((minute, exporter)).or_default();
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum = sum.plus(count);
        }
    }

    /// All of them, oldest minute first.
    pub(super) fn finish(self) -> Vec<ExporterMinute> {
        let minute = |((minute, exporter), [steered, not_allowed, rate_limited]): ((u64, Address), Counts)| {
            let minute = u32::try_from(minute).unwrap_or(u32::MAX);
            ExporterMinute { exporter, minute, steered, not_allowed, rate_limited }
        };
        self.0.into_iter().map(minute).collect()
    }
}
