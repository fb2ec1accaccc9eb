//! One worker's rollups: what all tables need of a block, then table by table.

use std::time::{Duration, Instant};

use netflow::FlowColumns;
use netflow::columns::Address;

use super::hosts::Hosts;
use super::life::Flow;
use super::linear::Linear;
use super::ranks::Ranks;
use super::sums::Sums;
use crate::batch::{Block, Rollups};

/// Buckets that the flows of one block may have in one table beyond one for each flow.
pub const SPARE_BUCKETS: usize = 1 << 19;

/// Computes the rollups of blocks. Nothing is allocated for a row once blocks of this kind were seen.
#[derive(Debug, Default)]
pub struct Roller {
    shared: Shared,
    linear: Linear,
    hosts: Hosts,
    spent: Spent,
}

/// Time that rollups have taken, all blocks together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// On what every table needs.
    pub shared: Duration,
    /// On each table, in the order of [`super::TABLES`].
    pub tables: [Duration; 6],
}

/// What every table needs of each flow.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Life and sums, row by row.
    pub(super) flows: Vec<Flow>,
    /// The exporter's rank, row by row.
    pub(super) exporter: Vec<u32>,
    pub(super) exporters: Ranks<Address>,
}

impl Roller {
    /// Fills the rollups of a block from its flow records, which must be complete and enriched.
    pub fn roll(&mut self, block: &mut Block) {
        block.rollups.clear();
        if block.decoded.flows.is_empty() {
            return;
        }
        let mut rollups = std::mem::take(&mut block.rollups);
        self.roll_into(block, &mut rollups);
        block.rollups = rollups;
    }

    /// Time that was taken so far.
    #[must_use]
    pub fn spent(&self) -> Spent {
        self.spent
    }

    fn roll_into(&mut self, block: &Block, rollups: &mut Rollups) {
        let Self { shared, linear, hosts, spent } = self;
        let flows = &block.decoded.flows;
        let mut begun = Instant::now();
        let mut lap = |spent: &mut Duration| {
            let now = Instant::now();
            *spent += now.duration_since(std::mem::replace(&mut begun, now));
        };
        shared.take(flows);
        lap(&mut spent.shared);
        linear.interfaces(shared, flows, &mut rollups.interface_1m);
        lap(&mut spent.tables[0]);
        linear.autonomous_systems(shared, block, &mut rollups.as_5m);
        lap(&mut spent.tables[1]);
        linear.countries(shared, block, &mut rollups.country_5m);
        lap(&mut spent.tables[2]);
        linear.services(shared, flows, &mut rollups.service_5m);
        lap(&mut spent.tables[3]);
        linear.networks(shared, block, &mut rollups.network_5m);
        lap(&mut spent.tables[4]);
        hosts.fill(shared, flows, &mut rollups.hosts_1h);
        lap(&mut spent.tables[5]);
    }
}

impl Shared {
    fn take(&mut self, flows: &FlowColumns) {
        self.flows.clear();
        let times = flows.received_ms.iter().zip(&flows.start_ms).zip(&flows.end_ms);
        let counts = flows.bytes.iter().zip(&flows.packets).zip(&flows.sampling_rate);
        self.flows.extend(times.zip(counts).map(|(((received_ms, start_ms), end_ms), ((bytes, packets), rate))| {
            Flow::new(*received_ms, *start_ms, *end_ms, Sums::of(*bytes, *packets, *rate))
        }));
        self.exporters.clear();
        self.exporter.clear();
        // The records of a datagram follow each other.
        let mut last = None;
        self.exporter.extend(flows.exporter.iter().map(|exporter| match last {
            Some((known, number)) if known == exporter => number,
            _ => {
                let number = self.exporters.number(exporter);
                last = Some((exporter, number));
                number
            }
        }));
        self.exporters.sort();
        for number in &mut self.exporter {
            *number = self.exporters.rank(*number);
        }
    }
}
