-- The collector's tables, as `collector schema print` prints them and `collector schema apply` makes them.
-- To make them by hand: clickhouse-client --database DATABASE --multiquery < schema.sql

CREATE TABLE IF NOT EXISTS schema_version
(
    `version` UInt32 COMMENT 'Version of the schema after the migration',
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied',
    `binary_version` LowCardinality(String) COMMENT 'Version of the collector that applied it'
)
ENGINE = MergeTree
ORDER BY version
COMMENT 'Migrations that were applied to this database by the collector';

CREATE TABLE IF NOT EXISTS flows
(
    `time_received` DateTime64(3, 'UTC') COMMENT 'When the datagram was received' CODEC(ZSTD(1)),
    `time_start` DateTime64(3, 'UTC') COMMENT 'Start of the flow' CODEC(T64, ZSTD(1)),
    `time_end` DateTime64(3, 'UTC') COMMENT 'End of the flow' CODEC(T64, ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagram came from' CODEC(ZSTD(1)),
    `exporter_name` LowCardinality(String) COMMENT 'Name of the exporter, from the configuration' CODEC(ZSTD(1)),
    `observation_domain` UInt32 COMMENT 'Observation domain (IPFIX), source id (v9), engine (v5), sub-agent (sFlow)' CODEC(ZSTD(1)),
    `version` UInt8 COMMENT '1, 5, 7, 9: NetFlow; 10: IPFIX; 105: sFlow v5' CODEC(ZSTD(1)),
    `template_id` UInt16 COMMENT 'Template the record was decoded with; 0 where there are none' CODEC(T64, ZSTD(1)),
    `src_addr` IPv6 COMMENT 'Source address, IPv4 mapped' CODEC(ZSTD(1)),
    `dst_addr` IPv6 COMMENT 'Destination address, IPv4 mapped' CODEC(ZSTD(1)),
    `src_port` UInt16 COMMENT 'Source port' CODEC(ZSTD(1)),
    `dst_port` UInt16 COMMENT 'Destination port' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `tos` UInt8 COMMENT 'TOS or traffic class byte' CODEC(ZSTD(1)),
    `tcp_flags` UInt16 COMMENT 'TCP flags seen, ORed' CODEC(ZSTD(1)),
    `icmp_type` UInt8 COMMENT 'ICMP type' CODEC(ZSTD(1)),
    `icmp_code` UInt8 COMMENT 'ICMP code' CODEC(ZSTD(1)),
    `next_hop` IPv6 COMMENT 'Next hop' CODEC(ZSTD(1)),
    `bgp_next_hop` IPv6 COMMENT 'BGP next hop' CODEC(ZSTD(1)),
    `in_if` UInt32 COMMENT 'Input ifIndex' CODEC(T64, ZSTD(1)),
    `out_if` UInt32 COMMENT 'Output ifIndex' CODEC(T64, ZSTD(1)),
    `src_as` UInt32 COMMENT 'Source AS, as the exporter says' CODEC(T64, ZSTD(1)),
    `dst_as` UInt32 COMMENT 'Destination AS, as the exporter says' CODEC(T64, ZSTD(1)),
    `src_prefix_len` UInt8 COMMENT 'Source prefix length' CODEC(ZSTD(1)),
    `dst_prefix_len` UInt8 COMMENT 'Destination prefix length' CODEC(ZSTD(1)),
    `src_vlan` UInt16 COMMENT 'VLAN of the incoming frame' CODEC(ZSTD(1)),
    `dst_vlan` UInt16 COMMENT 'VLAN of the outgoing frame' CODEC(ZSTD(1)),
    `src_mac` UInt64 COMMENT 'Source MAC address (MACNumToString)' CODEC(ZSTD(1)),
    `dst_mac` UInt64 COMMENT 'Destination MAC address (MACNumToString)' CODEC(ZSTD(1)),
    `direction` Enum8('unknown' = 0, 'ingress' = 1, 'egress' = 2) COMMENT 'Where the exporter metered the flow' CODEC(ZSTD(1)),
    `forwarding_status` UInt8 COMMENT 'Forwarding status, RFC 7270 4.12' CODEC(ZSTD(1)),
    `flow_end_reason` UInt8 COMMENT 'Flow end reason, information element 136' CODEC(T64, ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `sampling_rate` UInt64 COMMENT 'One packet in this many was looked at' CODEC(T64, ZSTD(1)),
    `sampling_source` Enum8('none' = 0, 'record' = 1, 'option' = 2, 'header' = 3, 'configuration' = 4) COMMENT 'Where the sampling rate came from' CODEC(ZSTD(1)),
    `mpls_labels` Array(UInt32) COMMENT 'MPLS labels, top first' CODEC(ZSTD(1)),
    `application_id` UInt64 COMMENT 'Application id, information element 95' CODEC(ZSTD(1)),
    `application_name` LowCardinality(String) COMMENT 'Application name, as the exporter says' CODEC(ZSTD(1)),
    `post_nat_src_addr` IPv6 COMMENT 'Source address after NAT' CODEC(ZSTD(1)),
    `post_nat_dst_addr` IPv6 COMMENT 'Destination address after NAT' CODEC(ZSTD(1)),
    `post_nat_src_port` UInt16 COMMENT 'Source port after NAPT' CODEC(ZSTD(1)),
    `post_nat_dst_port` UInt16 COMMENT 'Destination port after NAPT' CODEC(ZSTD(1)),
    `ingress_vrf` UInt32 COMMENT 'VRF id of the incoming side' CODEC(ZSTD(1)),
    `egress_vrf` UInt32 COMMENT 'VRF id of the outgoing side' CODEC(ZSTD(1)),
    `src_country` LowCardinality(String) COMMENT 'Country of the source address' CODEC(ZSTD(1)),
    `dst_country` LowCardinality(String) COMMENT 'Country of the destination address' CODEC(ZSTD(1)),
    `src_city` LowCardinality(String) COMMENT 'City of the source address' CODEC(ZSTD(1)),
    `dst_city` LowCardinality(String) COMMENT 'City of the destination address' CODEC(ZSTD(1)),
    `src_geo_as` UInt32 COMMENT 'AS of the source address, by GeoIP' CODEC(T64, ZSTD(1)),
    `dst_geo_as` UInt32 COMMENT 'AS of the destination address, by GeoIP' CODEC(T64, ZSTD(1)),
    `src_as_name` LowCardinality(String) COMMENT 'Name of the source AS, by GeoIP' CODEC(ZSTD(1)),
    `dst_as_name` LowCardinality(String) COMMENT 'Name of the destination AS, by GeoIP' CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY toDate(time_received)
ORDER BY (toStartOfMinute(time_received), exporter_address, src_addr, dst_addr)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
COMMENT 'Flow records as exporters sent them, with what the collector knows about them';

INSERT INTO schema_version (version, binary_version) VALUES (1, '0.1.0');

INSERT INTO schema_version (version, binary_version) VALUES (2, '0.1.0');
