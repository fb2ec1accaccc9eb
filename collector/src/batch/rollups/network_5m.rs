//! Traffic between configured networks per 5 minutes.

use crate::batch::table::block_table;

block_table! {
    "network_5m"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.network_5m.sums.time) "Start of the 5 minutes";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.network_5m.sums.exporter) "Address the datagrams came from";
    "src_customer" "LowCardinality(String)" "ZSTD(1)" Text(rollups.network_5m.src_customer) "Customer of the source network; empty outside of all";
    "src_network" "LowCardinality(String)" "ZSTD(1)" Text(rollups.network_5m.src_network) "Source network; empty outside of all";
    "dst_customer" "LowCardinality(String)" "ZSTD(1)" Text(rollups.network_5m.dst_customer) "Customer of the destination network; empty outside of all";
    "dst_network" "LowCardinality(String)" "ZSTD(1)" Text(rollups.network_5m.dst_network) "Destination network; empty outside of all";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.network_5m.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.network_5m.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.network_5m.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.network_5m.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.network_5m.sums.flows) "Flows, each in the first 5 minutes it lived in";
}
