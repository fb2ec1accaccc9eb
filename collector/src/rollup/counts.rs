//! What rollups do not tell apart, counted.

use crate::metrics::Exposition;

/// Labels of the lengths of buckets.
const LENGTHS: [&str; 3] = ["1m", "5m", "1h"];

/// What went together in rollups although a table has rows to tell it apart. Nothing of it is missing in the sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Flows that count whole in the bucket they ended in, as their block had no room for more buckets; in buckets of a minute, of five
    /// minutes and of an hour.
    pub whole_flows: [u64; 3],
    /// Sums of a host, exporter, direction and hour that went to `::`, as the host was not among the busiest of its block.
    pub unnamed_hosts: u64,
}

impl Counts {
    /// Adds another worker's.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in self.whole_flows.iter_mut().zip(other.whole_flows) {
            *sum += count;
        }
        self.unnamed_hosts += other.unnamed_hosts;
    }

    /// Writes a worker's counters.
    pub fn write(&self, out: &mut Exposition, worker: &str) {
        for (length, count) in LENGTHS.into_iter().zip(self.whole_flows) {
            out.counter(
                "collector_rollup_whole_flows_total",
                "Flows that rollups count whole in the bucket they ended in, as their block had no room for more buckets.",
                &[("worker", worker), ("bucket", length)],
                count,
            );
        }
        out.counter(
            "collector_rollup_unnamed_hosts_total",
            "Sums of hosts that hosts_1h has under ::, as the host was not among the busiest of its block.",
            &[("worker", worker)],
            self.unnamed_hosts,
        );
    }
}
