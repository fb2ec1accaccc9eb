//! What a rollup sums up.

/// Sums of flows. What does not fit 64 bits is the largest number that does: it is never a small one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Octets, multiplied by the sampling rate.
    pub(super) bytes: u64,
    /// Packets, multiplied by the sampling rate.
    pub(super) packets: u64,
    /// Octets as counted.
    pub(super) raw_bytes: u64,
    /// Packets as counted.
    pub(super) raw_packets: u64,
    /// Flows.
    pub(super) flows: u64,
}

impl Sums {
    /// Those of one flow. A rate of 0 counts as 1.
    pub(super) fn of(bytes: u64, packets: u64, sampling_rate: u64) -> Self {
        let rate = sampling_rate.max(1);
        Self {
            bytes: bytes.saturating_mul(rate),
            packets: packets.saturating_mul(rate),
            raw_bytes: bytes,
            raw_packets: packets,
            flows: 1,
        }
    }

    /// Whether there is nothing to store: ClickHouse's `SummingMergeTree` drops such rows too.
    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    #[inline]
    pub(super) fn add(&mut self, other: &Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.packets = self.packets.saturating_add(other.packets);
        self.raw_bytes = self.raw_bytes.saturating_add(other.raw_bytes);
        self.raw_packets = self.raw_packets.saturating_add(other.raw_packets);
        self.flows = self.flows.saturating_add(other.flows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_most_that_does() {
        let mut sums = Sums::of(1 << 40, 1 << 20, 1 << 30);
        assert_eq!((sums.bytes, sums.packets, sums.raw_bytes), (u64::MAX, 1 << 50, 1 << 40));
        sums.add(&Sums::of(u64::MAX, u64::MAX, 1));
        assert_eq!((sums.bytes, sums.packets, sums.raw_bytes, sums.flows), (u64::MAX, u64::MAX, u64::MAX, 2));
    }
}
