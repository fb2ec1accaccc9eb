//! The table of address translations: who had which public address and port, and when.

use super::table::block_table;

/// Names of the `event_name` enumeration: natEvent (element 230) in IANA's registry, `natEvent` values. What the registry has no
/// name for, and 0 of a translation that a flow record tells of, is `other`; the number is in `event`.
pub const NAT_EVENTS: [&str; 19] = [
    "other",
    "NAT translation create",
    "NAT translation delete",
    "NAT addresses exhausted",
    "NAT44 session create",
    "NAT44 session delete",
    "NAT64 session create",
    "NAT64 session delete",
    "NAT44 BIB create",
    "NAT44 BIB delete",
    "NAT64 BIB create",
    "NAT64 BIB delete",
    "NAT ports exhausted",
    "quota exceeded",
    "address binding create",
    "address binding delete",
    "port block allocation",
    "port block de-allocation",
    "threshold reached",
];

block_table! {
    "nat_events"
    "time_received" "DateTime64(3, 'UTC')" "ZSTD(1)" Millis(decoded.nat_events.received_ms) "When the datagram was received";
    "time_event" "DateTime64(3, 'UTC')" "T64, ZSTD(1)" Millis(decoded.nat_events.event_ms) "When it happened; when it was received where the exporter does not say";
    "clock_skew" "Int64" "T64, ZSTD(1)" I64(decoded.nat_events.clock_skew) "Seconds taken off time_event, as the exporter's clock is so far ahead; negative: behind. Told was time_event + clock_skew";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.exporter) "Address the datagram came from";
    "exporter_name" "LowCardinality(String)" "ZSTD(1)" Text(nat_exporter_name) "Name of the exporter, from the configuration";
    "agent_address" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.agent) "Address of the device: what it calls itself (elements 403, 404, 130, 131), else exporter_address";
    "observation_domain" "UInt32" "ZSTD(1)" U32(decoded.nat_events.domain) "Observation domain (IPFIX), source id (v9)";
    "event" "UInt8" "ZSTD(1)" U8(decoded.nat_events.event) "What happened: natEvent, information element 230; 0 for a translation that a flow record tells of";
    "event_name" "Enum8('other' = 0, 'NAT translation create' = 1, 'NAT translation delete' = 2, 'NAT addresses exhausted' = 3, 'NAT44 session create' = 4, 'NAT44 session delete' = 5, 'NAT64 session create' = 6, 'NAT64 session delete' = 7, 'NAT44 BIB create' = 8, 'NAT44 BIB delete' = 9, 'NAT64 BIB create' = 10, 'NAT64 BIB delete' = 11, 'NAT ports exhausted' = 12, 'quota exceeded' = 13, 'address binding create' = 14, 'address binding delete' = 15, 'port block allocation' = 16, 'port block de-allocation' = 17, 'threshold reached' = 18)" "ZSTD(1)" Enum(decoded.nat_events.event, NAT_EVENTS) "The same by its name in the registry";
    "protocol" "UInt8" "ZSTD(1)" U8(decoded.nat_events.protocol) "IP protocol number";
    "src_addr" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.src_addr) "Inside address, IPv4 mapped";
    "post_nat_src_addr" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.post_nat_src_addr) "Outside address, IPv4 mapped";
    "src_port" "UInt16" "ZSTD(1)" U16(decoded.nat_events.src_port) "Inside port";
    "post_nat_src_port" "UInt16" "ZSTD(1)" U16(decoded.nat_events.post_nat_src_port) "Outside port";
    "dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.dst_addr) "Destination address as the inside host wrote it";
    "post_nat_dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.nat_events.post_nat_dst_addr) "Destination address after translation";
    "dst_port" "UInt16" "ZSTD(1)" U16(decoded.nat_events.dst_port) "Destination port as the inside host wrote it";
    "post_nat_dst_port" "UInt16" "ZSTD(1)" U16(decoded.nat_events.post_nat_dst_port) "Destination port after translation";
    "ingress_vrf" "UInt32" "ZSTD(1)" U32(decoded.nat_events.ingress_vrf) "VRF id of the inside";
    "egress_vrf" "UInt32" "ZSTD(1)" U32(decoded.nat_events.egress_vrf) "VRF id of the outside";
    "port_block_start" "UInt16" "ZSTD(1)" U16(decoded.nat_events.port_block_start) "First outside port of an allocated block; of a single port, that port";
    "port_block_end" "UInt16" "ZSTD(1)" U16(decoded.nat_events.port_block_end) "Last outside port of an allocated block; of a single port, that port";
    "port_block_step" "UInt16" "ZSTD(1)" U16(decoded.nat_events.port_block_step) "Distance between the ports of a block";
    "pool_id" "UInt32" "ZSTD(1)" U32(decoded.nat_events.pool_id) "NAT pool id";
    "pool_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.nat_events.pool_name) "NAT pool name";
    "user_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.nat_events.user_name) "Subscriber or user, where the exporter says";
}
