//! Flows added up by their keys, whoever read them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Addresses, ports (0 but for TCP and UDP), protocol.
pub(crate) type Key = (IpAddr, IpAddr, u16, u16, u8);

/// Records, packets, octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) records: u64,
    pub(crate) packets: u64,
    pub(crate) octets: u64,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Totals(BTreeMap<Key, Sums>);

impl Totals {
    pub(crate) fn add(&mut self, (source, destination, source_port, destination_port, protocol): Key, more: Sums) {
        let has_ports = protocol == 6 || protocol == 17;
        let port = |port| if has_ports { port } else { 0 };
        let key = (plain(source), plain(destination), port(source_port), port(destination_port), protocol);
        let sums = self.0.entry(key).or_default();
        sums.records += more.records;
        sums.packets += more.packets;
        sums.octets += more.octets;
    }

    /// Of tab-separated lines: the key, records, packets, octets.
    pub(crate) fn of_rows(rows: &str) -> Self {
        let mut totals = Self::default();
        for line in rows.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let [source, destination, source_port, destination_port, protocol, records, packets, octets] = cells[..]
            else {
                panic!("no row of totals: {line}");
            };
            let number = |text: &str| text.parse().unwrap_or_else(|error| panic!("{text} in {line}: {error}"));
            let port = |text: &str| u16::try_from(number(text)).expect("a port");
            let address = |text: &str| text.parse().unwrap_or_else(|error| panic!("{text} in {line}: {error}"));
            let protocol = u8::try_from(number(protocol)).expect("a protocol");
            let key = (address(source), address(destination), port(source_port), port(destination_port), protocol);
            let sums = Sums { records: number(records), packets: number(packets), octets: number(octets) };
            totals.add(key, sums);
        }
        totals
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn records(&self) -> u64 {
        self.0.values().map(|sums| sums.records).sum()
    }

    /// Packets and octets divided by a sampling rate that they were multiplied with.
    pub(crate) fn divided(&self, rate: u64) -> Self {
        let divided = |sums: &Sums| Sums { packets: sums.packets / rate, octets: sums.octets / rate, ..*sums };
        Self(self.0.iter().map(|(key, sums)| (*key, divided(sums))).collect())
    }

    /// As told by who does not count records.
    pub(crate) fn without_records(&self) -> Self {
        Self(self.0.iter().map(|(key, sums)| (*key, Sums { records: 0, ..*sums })).collect())
    }
}

/// Compares two readings; says the first flows that differ.
#[track_caller]
pub(crate) fn compare(what: &str, one: &Totals, other: &Totals) {
    let keys = one.0.keys().chain(other.0.keys());
    let differences: BTreeMap<_, _> =
        keys.map(|key| (key, (one.0.get(key), other.0.get(key)))).filter(|(_, (one, other))| one != other).collect();
    let first: Vec<_> = differences.iter().take(4).collect();
    assert!(
        differences.is_empty(),
        "{what} differ in {} of {} and {} flows: {first:#?}",
        differences.len(),
        one.0.len(),
        other.0.len()
    );
}

/// A mapped address as the IPv4 address that it is.
fn plain(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => Ipv6Addr::to_ipv4_mapped(&six).map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}
