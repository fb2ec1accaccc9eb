//! Traffic of services per 5 minutes: protocols, and ports where the protocol has some.

use crate::batch::table::block_table;

block_table! {
    "service_5m"
    "time" "DateTime('UTC')" "Delta(4), ZSTD(1)" Seconds(rollups.service_5m.sums.time) "Start of the 5 minutes";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(rollups.service_5m.sums.exporter) "Address the datagrams came from";
    "protocol" "UInt8" "ZSTD(1)" U8(rollups.service_5m.protocol) "IP protocol number";
    "port" "UInt16" "ZSTD(1)" U16(rollups.service_5m.port) "The lower port of both ends that is not 0, for TCP, UDP, DCCP, SCTP and UDP-Lite; else 0";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.service_5m.sums.bytes) "Octets, multiplied by the sampling rate";
    "packets" "UInt64" "T64, ZSTD(1)" U64(rollups.service_5m.sums.packets) "Packets, multiplied by the sampling rate";
    "raw_bytes" "UInt64" "T64, ZSTD(1)" U64(rollups.service_5m.sums.raw_bytes) "Octets as counted by the exporter";
    "raw_packets" "UInt64" "T64, ZSTD(1)" U64(rollups.service_5m.sums.raw_packets) "Packets as counted by the exporter";
    "flows" "UInt64" "T64, ZSTD(1)" U64(rollups.service_5m.sums.flows) "Flows, each in the first 5 minutes it lived in";
}
