//! What a rollup sums up.

/// Sums of flows, modulo 2^64: as ClickHouse multiplies and sums, so that both always agree.
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
            bytes: bytes.wrapping_mul(rate),
            packets: packets.wrapping_mul(rate),
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
        self.bytes = self.bytes.wrapping_add(other.bytes);
        self.packets = self.packets.wrapping_add(other.packets);
        self.raw_bytes = self.raw_bytes.wrapping_add(other.raw_bytes);
        self.raw_packets = self.raw_packets.wrapping_add(other.raw_packets);
        self.flows = self.flows.wrapping_add(other.flows);
    }
}
