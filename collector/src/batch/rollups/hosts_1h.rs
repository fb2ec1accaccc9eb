//! Traffic of hosts per hour: the busiest of each block by name, the others together. A host that was not among the busiest of every
//! block had more traffic than its rows say; the sum over all rows is exact.

use crate::batch::table::block_table;

/// Names of the `direction` enumeration, by value.
pub const DIRECTIONS: [&str; 2] = ["sent", "received"];

block_table! {
    "hosts_1h"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.hosts_1h.sums.time) "Start of the hour";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.hosts_1h.sums.exporter) "Address the datagrams came from";
    "address" "IPv6" "ZSTD(1)" Addr(rollups.hosts_1h.address) "The host, IPv4 mapped; :: for all that were not among the busiest of their block";
    "direction" "Enum8('sent' = 0, 'received' = 1)" "ZSTD(1)" Enum(rollups.hosts_1h.direction, DIRECTIONS) "sent: flows whose source it is; received: whose destination it is";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.hosts_1h.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.hosts_1h.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.hosts_1h.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.hosts_1h.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.hosts_1h.sums.flows) "Flows, each in the first hour it lived in";
}
