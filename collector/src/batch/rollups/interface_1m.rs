//! Traffic of interfaces per minute: each flow once where it came in and once where it went out.

use crate::batch::table::block_table;

/// Names of the `direction` enumeration, by value.
pub const DIRECTIONS: [&str; 2] = ["in", "out"];

block_table! {
    "interface_1m"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.interface_1m.sums.time) "Start of the minute";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.interface_1m.sums.exporter) "Address the datagrams came from";
    "if_index" "UInt32" "ZSTD(1)" U32(rollups.interface_1m.if_index) "ifIndex; 0 where the exporter does not say";
    "if_name" "LowCardinality(String)" "ZSTD(1)" Text(rollups.interface_1m.if_name) "Name of the interface, as the exporter says";
    "direction" "Enum8('in' = 0, 'out' = 1)" "ZSTD(1)" Enum(rollups.interface_1m.direction, DIRECTIONS) "in: flows whose input interface it is; out: whose output interface it is";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.interface_1m.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.interface_1m.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.interface_1m.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.interface_1m.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.interface_1m.sums.flows) "Flows, each in the first minute it lived in";
}
