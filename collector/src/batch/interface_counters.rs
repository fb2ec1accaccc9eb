//! The table of interface counters: what interfaces have counted since their exporter started, sample by sample.

use super::table::block_table;

/// Names of the `if_duplex` enumeration: `ifDirection` of sFlow version 5, section 5.4.
pub const DUPLEX: [&str; 5] = ["unknown", "full", "half", "in", "out"];

block_table! {
    "interface_counters"
    "time_received" "DateTime64(3, 'UTC')" "Delta(8), ZSTD(1)" Millis(decoded.interface_counters.received_ms) "When the datagram was received";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(decoded.interface_counters.exporter) "Address the datagram came from";
    "exporter_name" "LowCardinality(String)" "ZSTD(1)" Text(counters_exporter_name) "Name of the exporter, from the configuration";
    "agent_address" "IPv6" "ZSTD(1)" Addr(decoded.interface_counters.agent) "Address that the exporter gives itself";
    "observation_domain" "UInt32" "ZSTD(1)" U32(decoded.interface_counters.domain) "Sub-agent id (sFlow)";
    "if_index" "UInt32" "ZSTD(1)" U32(decoded.interface_counters.if_index) "ifIndex";
    "if_type" "UInt32" "ZSTD(1)" U32(decoded.interface_counters.if_type) "ifType, IANA's numbers";
    "if_speed" "UInt64" "ZSTD(1)" U64(decoded.interface_counters.if_speed) "Bits per second";
    "if_duplex" "Enum8('unknown' = 0, 'full' = 1, 'half' = 2, 'in' = 3, 'out' = 4)" "ZSTD(1)" Enum(decoded.interface_counters.if_duplex, DUPLEX) "Duplex, or the one direction there is";
    "if_admin_up" "Bool" "ZSTD(1)" Bool(decoded.interface_counters.if_admin_up) "ifAdminStatus is up";
    "if_oper_up" "Bool" "ZSTD(1)" Bool(decoded.interface_counters.if_oper_up) "ifOperStatus is up";
    "in_octets" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_octets) "Octets received";
    "in_unicast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_unicast) "Unicast packets received";
    "in_multicast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_multicast) "Multicast packets received";
    "in_broadcast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_broadcast) "Broadcast packets received";
    "in_discards" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_discards) "Packets received and discarded";
    "in_errors" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_errors) "Packets received with errors";
    "in_unknown_protocols" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.in_unknown_protocols) "Packets received of an unknown protocol";
    "out_octets" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_octets) "Octets sent";
    "out_unicast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_unicast) "Unicast packets sent";
    "out_multicast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_multicast) "Multicast packets sent";
    "out_broadcast" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_broadcast) "Broadcast packets sent";
    "out_discards" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_discards) "Packets discarded instead of sent";
    "out_errors" "UInt64" "Delta(8), ZSTD(1)" U64(decoded.interface_counters.out_errors) "Packets not sent for errors";
    "promiscuous" "Bool" "ZSTD(1)" Bool(decoded.interface_counters.promiscuous) "The interface is promiscuous";
}
