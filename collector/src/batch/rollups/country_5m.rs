//! Traffic between countries per 5 minutes.

use crate::batch::table::block_table;

block_table! {
    "country_5m"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.country_5m.sums.time) "Start of the 5 minutes";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.country_5m.sums.exporter) "Address the datagrams came from";
    "src_country" "LowCardinality(String)" "ZSTD(1)" Text(rollups.country_5m.src) "Country of the source addresses";
    "dst_country" "LowCardinality(String)" "ZSTD(1)" Text(rollups.country_5m.dst) "Country of the destination addresses";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.country_5m.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.country_5m.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.country_5m.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.country_5m.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.country_5m.sums.flows) "Flows, each in the first 5 minutes it lived in";
}
