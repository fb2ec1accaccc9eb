//! The tables that hold traffic: what each tells apart, and how finely.

use super::dimension::Dimension;

/// Which flows a table has twice, once for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sides {
    /// None: each flow is there once.
    One,
    /// All, under the interface that they came in by and the one that they went out by.
    Interfaces,
    /// All, under the host that sent and the one that received.
    Hosts,
}

/// A table of traffic.
#[derive(Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Length of its buckets; 1 ms for `flows`, which knows the share of any span.
    pub bucket_ms: i64,
    /// What its rows tell apart.
    pub(super) dimensions: &'static [Dimension],
    /// Whether flows are there twice.
    pub(super) sides: Sides,
    /// The column with its time.
    pub(super) time: &'static str,
    /// Whether it holds all traffic; otherwise what it says of a host is a lower bound.
    pub is_exact: bool,
}

/// One row for each flow record.
pub(super) static FLOWS: Table = {
    use Dimension::*;
    Table {
        name: "flows",
        bucket_ms: 1,
        dimensions: &[
            Exporter,
            Interface,
            InInterface,
            OutInterface,
            Host,
            SrcAddress,
            DstAddress,
            SrcPort,
            DstPort,
            Protocol,
            ServicePort,
            SrcAs,
            DstAs,
            SrcCountry,
            DstCountry,
            SrcNetwork,
            DstNetwork,
            SrcCustomer,
            DstCustomer,
        ],
        sides: Sides::One,
        time: "time_received",
        is_exact: true,
    }
};

/// Translations of addresses; no traffic. Its time is that of receipt, the least of which ClickHouse knows without reading rows.
pub(super) static NAT_EVENTS: Table = Table { name: "nat_events", dimensions: &[Dimension::Exporter], ..FLOWS };

/// Every table of traffic, the smaller one first.
pub static TABLES: [&Table; 7] = {
    use Dimension::*;
    const FIVE_MINUTES_MS: i64 = 300_000;
    const fn rollup(name: &'static str, bucket_ms: i64, dimensions: &'static [Dimension]) -> Table {
        Table { name, bucket_ms, dimensions, sides: Sides::One, time: "time", is_exact: true }
    }
    static COUNTRY: Table = rollup("country_5m", FIVE_MINUTES_MS, &[Exporter, SrcCountry, DstCountry]);
    static NETWORK: Table =
        rollup("network_5m", FIVE_MINUTES_MS, &[Exporter, SrcNetwork, DstNetwork, SrcCustomer, DstCustomer]);
    static SERVICE: Table = rollup("service_5m", FIVE_MINUTES_MS, &[Exporter, Protocol, ServicePort]);
    static AS: Table = rollup("as_5m", FIVE_MINUTES_MS, &[Exporter, SrcAs, DstAs]);
    static INTERFACE: Table = Table {
        sides: Sides::Interfaces,
        ..rollup("interface_1m", super::question::MINUTE_MS, &[Exporter, Interface])
    };
    static HOSTS: Table = Table {
        is_exact: false,
        sides: Sides::Hosts,
        ..rollup("hosts_1h", 3_600_000, &[Exporter, Host, SrcAddress, DstAddress])
    };
    [&COUNTRY, &NETWORK, &SERVICE, &AS, &INTERFACE, &HOSTS, &FLOWS]
};

impl Table {
    /// Whether this is `flows`.
    #[must_use]
    pub fn is_flows(&self) -> bool {
        self.name == FLOWS.name
    }

    /// The first of these that it does not tell apart.
    pub(super) fn lacks(&self, dimensions: &[Dimension]) -> Option<Dimension> {
        dimensions.iter().copied().find(|dimension| !self.dimensions.contains(dimension))
    }
}
