//! Traffic between autonomous systems per 5 minutes.

use crate::batch::table::block_table;

block_table! {
    "as_5m"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.as_5m.sums.time) "Start of the 5 minutes";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.as_5m.sums.exporter) "Address the datagrams came from";
    "src_as" "UInt32" "T64, ZSTD(1)" U32(rollups.as_5m.src) "Source AS: what the exporter says, or GeoIP where it says 0";
    "dst_as" "UInt32" "T64, ZSTD(1)" U32(rollups.as_5m.dst) "Destination AS: what the exporter says, or GeoIP where it says 0";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.as_5m.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.as_5m.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.as_5m.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.as_5m.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.as_5m.sums.flows) "Flows, each in the first 5 minutes it lived in";
}
