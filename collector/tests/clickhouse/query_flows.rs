//! Flows that questions are asked about, and what the answers must be by a walk over all of them.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use collector::batch::{Table, rollups};
use collector::clickhouse::{Client, schema};

use crate::rows::Numbers;

const DAY_MS: i64 = 86_400_000;
/// 2026-03-04T05:00:00Z: where the flows begin.
pub(crate) const BEGIN_MS: i64 = 1_772_600_400_000;
/// How long they go on.
pub(crate) const LENGTH_MS: i64 = 2 * 3_600_000;

/// A flow, as far as questions look at it.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) received_ms: i64,
    pub(crate) start_ms: i64,
    pub(crate) end_ms: i64,
    pub(crate) exporter: Ipv4Addr,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) protocol: u8,
    pub(crate) in_if: u32,
    pub(crate) out_if: u32,
    pub(crate) src_as: u32,
    pub(crate) dst_as: u32,
    pub(crate) src_geo_as: u32,
    pub(crate) countries: [&'static str; 2],
    pub(crate) networks: [&'static str; 2],
    bytes: u64,
    packets: u64,
    rate: u64,
}

/// Bytes, packets, flows.
pub(crate) type Sums = [u64; 3];

impl Flow {
    /// What of it falls into a span, by the rules that are told in `query`.
    pub(crate) fn share(&self, from_ms: i64, to_ms: i64) -> Sums {
        let is_told = (self.end_ms - self.received_ms).abs() <= DAY_MS;
        let last = if is_told { self.end_ms } else { self.received_ms };
        let began = last - (self.end_ms - self.start_ms).clamp(0, DAY_MS);
        let ended = last.max(began + 1);
        let passed = |value: u64, moment: i64| {
            let elapsed = (moment.clamp(began, ended) - began) as u128;
            (u128::from(value * self.rate.max(1)) * elapsed / (ended - began) as u128) as u64
        };
        let share = |value| passed(value, to_ms) - passed(value, from_ms);
        [share(self.bytes), share(self.packets), u64::from((from_ms..to_ms).contains(&began))]
    }

    /// Sets what it counts, and one packet in how many was looked at.
    pub(crate) fn count(&mut self, bytes: u64, packets: u64, rate: u64) {
        (self.bytes, self.packets, self.rate) = (bytes, packets, rate);
    }

    fn values(&self) -> String {
        let Self { exporter, src, dst, src_port, dst_port, protocol, in_if, out_if, .. } = self;
        // With its decimals, always: ClickHouse takes a whole number for milliseconds.
        let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let [src_country, dst_country] = self.countries;
        let [src_network, dst_network] = self.networks.map(|name| name.replace('\\', "\\\\").replace('\'', "\\'"));
        format!(
            "({}, {}, {}, '::ffff:{exporter}', '::ffff:{src}', '::ffff:{dst}', {src_port}, {dst_port}, {protocol}, {in_if}, {out_if}, \
             {}, {}, {}, '{src_country}', '{dst_country}', '{src_network}', '{dst_network}', {}, {}, {})",
            seconds(self.received_ms),
            seconds(self.start_ms),
            seconds(self.end_ms),
            self.src_as,
            self.dst_as,
            self.src_geo_as,
            self.bytes,
            self.packets,
            self.rate,
        )
    }
}

/// Flows of every kind: short, long, of wrong clocks, without length, over the ends of buckets; the same in each run.
pub(crate) fn flows() -> Vec<Flow> {
    let mut numbers = Numbers(7);
    let mut flow = || {
        let mut below = |bound: u64| numbers.next() % bound;
        let end_ms = BEGIN_MS + below(LENGTH_MS as u64) as i64;
        let lasted_ms = [0, 1, 999, 59_000, 600_000, 7_200_000, 30 * DAY_MS][below(7) as usize];
        let received_ms = end_ms + [0, 500, 60_000, 3 * DAY_MS][(below(40) % 4 * below(2)) as usize];
        let country = ["DE", "FR", "unknown"];
        let network = ["office", "", "it's \\ \"odd\""];
        Flow {
            received_ms,
            start_ms: end_ms - lasted_ms,
            end_ms,
            exporter: Ipv4Addr::new(192, 0, 2, 1 + below(3) as u8),
            src: Ipv4Addr::new(10, 0, 0, below(20) as u8),
            dst: Ipv4Addr::new(10, 0, 0, below(20) as u8),
            src_port: [53, 443, 0, 50_000, 50_001][below(5) as usize],
            dst_port: [53, 443, 0, 50_002][below(4) as usize],
            protocol: [6, 17, 1][below(3) as usize],
            in_if: below(4) as u32,
            out_if: below(4) as u32,
            src_as: [0, 64_500, 64_501][below(3) as usize],
            dst_as: 64_500 + below(3) as u32,
            src_geo_as: 64_510,
            countries: [country[below(3) as usize], country[below(3) as usize]],
            networks: [network[below(2) as usize], network[below(3) as usize]],
            bytes: below(1_000_000),
            packets: below(1000),
            rate: [0, 1, 100][below(3) as usize],
        }
    };
    (0..1500).map(|_| flow()).collect()
}

/// Makes the schema, and stores the flows with their rollups.
pub(crate) async fn store(client: &Client, flows: &[Flow]) {
    schema::apply(client).await.unwrap();
    let values: Vec<String> = flows.iter().map(Flow::values).collect();
    let columns = "time_received, time_start, time_end, exporter_address, src_addr, dst_addr, src_port, dst_port, protocol, in_if, out_if, \
                   src_as, dst_as, src_geo_as, src_country, dst_country, src_network, dst_network, bytes, packets, sampling_rate";
    client.execute(&format!("INSERT INTO flows ({columns}) VALUES {}", values.join(", "))).await.unwrap();
    fill_rollups(client).await;
}

/// Makes the rollups anew out of the flows.
pub(crate) async fn fill_rollups(client: &Client) {
    for table in rollups::TABLES {
        client.execute(&format!("TRUNCATE TABLE {}", table.name)).await.unwrap();
        client.execute(&fill(table)).await.unwrap();
    }
}

fn fill(table: &Table) -> String {
    format!("INSERT INTO {} {}", table.name, collector::rollup::sql(table, "flows", "1").unwrap())
}

/// Adds up the shares in a span of the flows that `keys` gives keys for; keys without traffic are left out.
pub(crate) fn sums(flows: &[Flow], span: (i64, i64), keys: impl Fn(&Flow) -> Vec<String>) -> BTreeMap<String, Sums> {
    let mut sums: BTreeMap<String, Sums> = BTreeMap::new();
    for flow in flows {
        let share = flow.share(span.0, span.1);
        for key in keys(flow) {
            let sum = sums.entry(key).or_default();
            *sum = std::array::from_fn(|index| sum[index] + share[index]);
        }
    }
    sums.retain(|_, sums| *sums != [0; 3]);
    sums
}
