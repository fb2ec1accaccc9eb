//! The table of flows: what exporters said about traffic, with what the collector knows about it.

use super::table::block_table;

/// Names of the `direction` enumeration, by value.
pub const DIRECTIONS: [&str; 3] = ["unknown", "ingress", "egress"];
/// Names of the `sampling_source` enumeration, by value.
pub const SAMPLING_SOURCES: [&str; 5] = ["none", "record", "option", "header", "configuration"];

block_table! {
    "flows"
    "time_received" "DateTime64(3, 'UTC')" "ZSTD(1)" Millis(decoded.flows.received_ms) "When the datagram was received";
    "time_start" "DateTime64(3, 'UTC')" "T64, ZSTD(1)" Millis(decoded.flows.start_ms) "Start of the flow";
    "time_end" "DateTime64(3, 'UTC')" "T64, ZSTD(1)" Millis(decoded.flows.end_ms) "End of the flow";
    "clock_skew" "Int64" "T64, ZSTD(1)" I64(decoded.flows.clock_skew) "Seconds taken off both times, as the exporter's clock is so far ahead; negative: behind. Told were time_start + clock_skew and time_end + clock_skew";
    "exporter_address" "IPv6" "ZSTD(1)" Addr(decoded.flows.exporter) "Address the datagram came from";
    "exporter_name" "LowCardinality(String)" "ZSTD(1)" Text(exporter_name) "Name of the exporter, from the configuration";
    "agent_address" "IPv6" "ZSTD(1)" agents(decoded.flows) "Address of the device: what it calls itself (sFlow agent; elements 403, 404, 130, 131), else exporter_address";
    "observation_domain" "UInt32" "ZSTD(1)" U32(decoded.flows.domain) "Observation domain (IPFIX), source id (v9), engine (v5), sub-agent (sFlow)";
    "version" "UInt8" "ZSTD(1)" U8(decoded.flows.version) "1, 5, 7, 9: NetFlow; 10: IPFIX; 102, 104, 105: sFlow v2, v4, v5";
    "template_id" "UInt16" "T64, ZSTD(1)" U16(decoded.flows.template_id) "Template the record was decoded with; 0 where there are none";
    "flags" "UInt8" "ZSTD(1)" U8(decoded.flows.flags) "Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew, 128 octets and packets cannot be: in no sum";
    "src_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.src_addr) "Source address, IPv4 mapped";
    "dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.dst_addr) "Destination address, IPv4 mapped";
    "src_port" "UInt16" "ZSTD(1)" U16(decoded.flows.src_port) "Source port";
    "dst_port" "UInt16" "ZSTD(1)" U16(decoded.flows.dst_port) "Destination port";
    "protocol" "UInt8" "ZSTD(1)" U8(decoded.flows.protocol) "IP protocol number";
    "tos" "UInt8" "ZSTD(1)" U8(decoded.flows.tos) "TOS or traffic class byte";
    "tcp_flags" "UInt16" "ZSTD(1)" U16(decoded.flows.tcp_flags) "TCP flags seen, ORed";
    "icmp_type" "UInt8" "ZSTD(1)" U8(decoded.flows.icmp_type) "ICMP type";
    "icmp_code" "UInt8" "ZSTD(1)" U8(decoded.flows.icmp_code) "ICMP code";
    "next_hop" "IPv6" "ZSTD(1)" Addr(decoded.flows.next_hop) "Next hop";
    "bgp_next_hop" "IPv6" "ZSTD(1)" Addr(decoded.flows.bgp_next_hop) "BGP next hop";
    "in_if" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.in_if) "Input ifIndex";
    "out_if" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.out_if) "Output ifIndex";
    "in_if_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.in_if_name) "Name of the input interface, as the exporter says";
    "out_if_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.out_if_name) "Name of the output interface, as the exporter says";
    "src_as" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.src_as) "Source AS, as the exporter says";
    "dst_as" "UInt32" "T64, ZSTD(1)" U32(decoded.flows.dst_as) "Destination AS, as the exporter says";
    "src_prefix_len" "UInt8" "ZSTD(1)" U8(decoded.flows.src_prefix_len) "Source prefix length";
    "dst_prefix_len" "UInt8" "ZSTD(1)" U8(decoded.flows.dst_prefix_len) "Destination prefix length";
    "src_vlan" "UInt16" "ZSTD(1)" U16(decoded.flows.src_vlan) "VLAN of the incoming frame";
    "dst_vlan" "UInt16" "ZSTD(1)" U16(decoded.flows.dst_vlan) "VLAN of the outgoing frame";
    "src_mac" "UInt64" "ZSTD(1)" Mac(decoded.flows.src_mac) "Source MAC address (MACNumToString)";
    "dst_mac" "UInt64" "ZSTD(1)" Mac(decoded.flows.dst_mac) "Destination MAC address (MACNumToString)";
    "direction" "Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2)" "ZSTD(1)" Enum(decoded.flows.direction, DIRECTIONS) "Where the exporter metered the flow";
    "forwarding_status" "UInt8" "ZSTD(1)" U8(decoded.flows.forwarding_status) "Forwarding status, RFC 7270 4.12";
    "flow_end_reason" "UInt8" "T64, ZSTD(1)" U8(decoded.flows.flow_end_reason) "Flow end reason, information element 136";
    "firewall_event" "UInt8" "ZSTD(1)" U8(decoded.flows.firewall_event) "What a firewall did: 0 not told, 1 created, 2 deleted, 3 denied, 4 alert, 5 update";
    "firewall_ext_event" "UInt16" "ZSTD(1)" U16(decoded.flows.firewall_ext_event) "Why, as Cisco numbers extended events";
    "bytes" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.bytes) "Octets as counted by the exporter";
    "packets" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.packets) "Packets as counted by the exporter";
    "sampling_rate" "UInt64" "T64, ZSTD(1)" U64(decoded.flows.sampling_rate) "One packet in this many was looked at";
    "sampling_source" "Enum8('none' = 0, 'record' = 1, 'option' = 2, 'header' = 3, 'configuration' = 4)" "ZSTD(1)" Enum(decoded.flows.sampling_source, SAMPLING_SOURCES) "Where the sampling rate came from";
    "mpls_labels" "Array(UInt32)" "ZSTD(1)" Labels(decoded.flows.mpls_labels) "MPLS labels, top first";
    "application_id" "UInt64" "ZSTD(1)" U64(decoded.flows.application_id) "Application id, information element 95";
    "application_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.application_name) "Application name, as the exporter says";
    "user_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.user_name) "User, as a firewall says";
    "post_nat_src_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.post_nat_src_addr) "Source address after NAT";
    "post_nat_dst_addr" "IPv6" "ZSTD(1)" Addr(decoded.flows.post_nat_dst_addr) "Destination address after NAT";
    "post_nat_src_port" "UInt16" "ZSTD(1)" U16(decoded.flows.post_nat_src_port) "Source port after NAPT";
    "post_nat_dst_port" "UInt16" "ZSTD(1)" U16(decoded.flows.post_nat_dst_port) "Destination port after NAPT";
    "ingress_vrf" "UInt32" "ZSTD(1)" U32(decoded.flows.ingress_vrf) "VRF id of the incoming side";
    "egress_vrf" "UInt32" "ZSTD(1)" U32(decoded.flows.egress_vrf) "VRF id of the outgoing side";
    "ingress_vrf_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.ingress_vrf_name) "VRF name of the incoming side, as the exporter says";
    "egress_vrf_name" "LowCardinality(String)" "ZSTD(1)" Text(decoded.flows.egress_vrf_name) "VRF name of the outgoing side, as the exporter says";
    "src_country" "LowCardinality(String)" "ZSTD(1)" Text(src.country) "Country of the source address";
    "dst_country" "LowCardinality(String)" "ZSTD(1)" Text(dst.country) "Country of the destination address";
    "src_city" "LowCardinality(String)" "ZSTD(1)" Text(src.city) "City of the source address";
    "dst_city" "LowCardinality(String)" "ZSTD(1)" Text(dst.city) "City of the destination address";
    "src_geo_as" "UInt32" "T64, ZSTD(1)" U32(src.asn) "AS of the source address, by GeoIP";
    "dst_geo_as" "UInt32" "T64, ZSTD(1)" U32(dst.asn) "AS of the destination address, by GeoIP";
    "src_as_name" "LowCardinality(String)" "ZSTD(1)" Text(src.as_name) "Name of the source AS, by GeoIP";
    "dst_as_name" "LowCardinality(String)" "ZSTD(1)" Text(dst.as_name) "Name of the destination AS, by GeoIP";
    "src_network" "LowCardinality(String)" "ZSTD(1)" Text(src.network) "Network of the source address, from the configuration";
    "dst_network" "LowCardinality(String)" "ZSTD(1)" Text(dst.network) "Network of the destination address, from the configuration";
    "src_customer" "LowCardinality(String)" "ZSTD(1)" Text(src.customer) "Customer of the source address, from the configuration";
    "dst_customer" "LowCardinality(String)" "ZSTD(1)" Text(dst.customer) "Customer of the destination address, from the configuration";
    "raw" "Map(LowCardinality(String), String)" "ZSTD(1)" Map(decoded.flows.raw) "Fields that no other column takes, if they are kept (keep_unknown)";
}
