-- The collector's tables on a cluster, as `collector schema print --cluster flows` prints them.
-- `collector schema apply` runs them where they belong. To make them by hand: run this on one server of each shard, one
-- after the other; what is ON CLUSTER is done by then and does nothing, the rest is for the shard.
-- clickhouse-client --multiquery < schema.sql

CREATE DATABASE IF NOT EXISTS `collector` ON CLUSTER `flows` ENGINE = Atomic;

USE `collector`;

CREATE TABLE IF NOT EXISTS collector.schema_version_local ON CLUSTER `flows`
(
    `version` UInt32 COMMENT 'Version of the schema after the migration',
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied',
    `binary_version` LowCardinality(String) COMMENT 'Version of the collector that applied it'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/schema_version_local', '{replica}')
ORDER BY version
SETTINGS replicated_deduplication_window = 0
COMMENT 'Migrations that were applied to this database by the collector';

CREATE TABLE IF NOT EXISTS collector.schema_version ON CLUSTER `flows` AS collector.schema_version_local
ENGINE = Distributed('flows', 'collector', 'schema_version_local')
COMMENT 'Migrations that were applied to this database by the collector';

CREATE TABLE IF NOT EXISTS collector.flows_local ON CLUSTER `flows`
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
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/flows_local', '{replica}')
PARTITION BY toDate(time_received)
ORDER BY (toStartOfMinute(time_received), exporter_address, src_addr, dst_addr)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Flow records as exporters sent them, with what the collector knows about them';

CREATE TABLE IF NOT EXISTS collector.flows ON CLUSTER `flows` AS collector.flows_local
ENGINE = Distributed('flows', 'collector', 'flows_local')
COMMENT 'Flow records as exporters sent them, with what the collector knows about them';

INSERT INTO schema_version_local (version, binary_version) VALUES (1, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `flags` UInt8 COMMENT 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off by more than a day, 8 reverse direction, 16 waited for its template' CODEC(ZSTD(1)) AFTER `template_id`,
    ADD COLUMN IF NOT EXISTS `in_if_name` LowCardinality(String) COMMENT 'Name of the input interface, as the exporter says' CODEC(ZSTD(1)) AFTER `out_if`,
    ADD COLUMN IF NOT EXISTS `out_if_name` LowCardinality(String) COMMENT 'Name of the output interface, as the exporter says' CODEC(ZSTD(1)) AFTER `in_if_name`,
    ADD COLUMN IF NOT EXISTS `firewall_event` UInt8 COMMENT 'What a firewall did: 0 not told, 1 created, 2 deleted, 3 denied, 4 alert, 5 update' CODEC(ZSTD(1)) AFTER `flow_end_reason`,
    ADD COLUMN IF NOT EXISTS `firewall_ext_event` UInt16 COMMENT 'Why, as Cisco numbers extended events' CODEC(ZSTD(1)) AFTER `firewall_event`,
    ADD COLUMN IF NOT EXISTS `user_name` LowCardinality(String) COMMENT 'User, as a firewall says' CODEC(ZSTD(1)) AFTER `application_name`,
    ADD COLUMN IF NOT EXISTS `ingress_vrf_name` LowCardinality(String) COMMENT 'VRF name of the incoming side, as the exporter says' CODEC(ZSTD(1)) AFTER `egress_vrf`,
    ADD COLUMN IF NOT EXISTS `egress_vrf_name` LowCardinality(String) COMMENT 'VRF name of the outgoing side, as the exporter says' CODEC(ZSTD(1)) AFTER `ingress_vrf_name`,
    ADD COLUMN IF NOT EXISTS `raw` Map(LowCardinality(String), String) COMMENT 'Fields that no other column takes, if they are kept (keep_unknown)' CODEC(ZSTD(1)) AFTER `dst_as_name`;

ALTER TABLE collector.flows ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `flags` UInt8 COMMENT 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off by more than a day, 8 reverse direction, 16 waited for its template' CODEC(ZSTD(1)) AFTER `template_id`,
    ADD COLUMN IF NOT EXISTS `in_if_name` LowCardinality(String) COMMENT 'Name of the input interface, as the exporter says' CODEC(ZSTD(1)) AFTER `out_if`,
    ADD COLUMN IF NOT EXISTS `out_if_name` LowCardinality(String) COMMENT 'Name of the output interface, as the exporter says' CODEC(ZSTD(1)) AFTER `in_if_name`,
    ADD COLUMN IF NOT EXISTS `firewall_event` UInt8 COMMENT 'What a firewall did: 0 not told, 1 created, 2 deleted, 3 denied, 4 alert, 5 update' CODEC(ZSTD(1)) AFTER `flow_end_reason`,
    ADD COLUMN IF NOT EXISTS `firewall_ext_event` UInt16 COMMENT 'Why, as Cisco numbers extended events' CODEC(ZSTD(1)) AFTER `firewall_event`,
    ADD COLUMN IF NOT EXISTS `user_name` LowCardinality(String) COMMENT 'User, as a firewall says' CODEC(ZSTD(1)) AFTER `application_name`,
    ADD COLUMN IF NOT EXISTS `ingress_vrf_name` LowCardinality(String) COMMENT 'VRF name of the incoming side, as the exporter says' CODEC(ZSTD(1)) AFTER `egress_vrf`,
    ADD COLUMN IF NOT EXISTS `egress_vrf_name` LowCardinality(String) COMMENT 'VRF name of the outgoing side, as the exporter says' CODEC(ZSTD(1)) AFTER `ingress_vrf_name`,
    ADD COLUMN IF NOT EXISTS `raw` Map(LowCardinality(String), String) COMMENT 'Fields that no other column takes, if they are kept (keep_unknown)' CODEC(ZSTD(1)) AFTER `dst_as_name`;

CREATE TABLE IF NOT EXISTS collector.nat_events_local ON CLUSTER `flows`
(
    `time_received` DateTime64(3, 'UTC') COMMENT 'When the datagram was received' CODEC(ZSTD(1)),
    `time_event` DateTime64(3, 'UTC') COMMENT 'When it happened; when it was received where the exporter does not say' CODEC(T64, ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagram came from' CODEC(ZSTD(1)),
    `exporter_name` LowCardinality(String) COMMENT 'Name of the exporter, from the configuration' CODEC(ZSTD(1)),
    `observation_domain` UInt32 COMMENT 'Observation domain (IPFIX), source id (v9)' CODEC(ZSTD(1)),
    `event` UInt8 COMMENT 'What happened: natEvent, information element 230; 0 for a translation that a flow record tells of' CODEC(ZSTD(1)),
    `event_name` Enum8('other' = 0, 'NAT translation create' = 1, 'NAT translation delete' = 2, 'NAT addresses exhausted' = 3, 'NAT44 session create' = 4, 'NAT44 session delete' = 5, 'NAT64 session create' = 6, 'NAT64 session delete' = 7, 'NAT44 BIB create' = 8, 'NAT44 BIB delete' = 9, 'NAT64 BIB create' = 10, 'NAT64 BIB delete' = 11, 'NAT ports exhausted' = 12, 'quota exceeded' = 13, 'address binding create' = 14, 'address binding delete' = 15, 'port block allocation' = 16, 'port block de-allocation' = 17, 'threshold reached' = 18) COMMENT 'The same by its name in the registry' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `src_addr` IPv6 COMMENT 'Inside address, IPv4 mapped' CODEC(ZSTD(1)),
    `post_nat_src_addr` IPv6 COMMENT 'Outside address, IPv4 mapped' CODEC(ZSTD(1)),
    `src_port` UInt16 COMMENT 'Inside port' CODEC(ZSTD(1)),
    `post_nat_src_port` UInt16 COMMENT 'Outside port' CODEC(ZSTD(1)),
    `dst_addr` IPv6 COMMENT 'Destination address as the inside host wrote it' CODEC(ZSTD(1)),
    `post_nat_dst_addr` IPv6 COMMENT 'Destination address after translation' CODEC(ZSTD(1)),
    `dst_port` UInt16 COMMENT 'Destination port as the inside host wrote it' CODEC(ZSTD(1)),
    `post_nat_dst_port` UInt16 COMMENT 'Destination port after translation' CODEC(ZSTD(1)),
    `ingress_vrf` UInt32 COMMENT 'VRF id of the inside' CODEC(ZSTD(1)),
    `egress_vrf` UInt32 COMMENT 'VRF id of the outside' CODEC(ZSTD(1)),
    `port_block_start` UInt16 COMMENT 'First outside port of an allocated block; of a single port, that port' CODEC(ZSTD(1)),
    `port_block_end` UInt16 COMMENT 'Last outside port of an allocated block; of a single port, that port' CODEC(ZSTD(1)),
    `port_block_step` UInt16 COMMENT 'Distance between the ports of a block' CODEC(ZSTD(1)),
    `pool_id` UInt32 COMMENT 'NAT pool id' CODEC(ZSTD(1)),
    `pool_name` LowCardinality(String) COMMENT 'NAT pool name' CODEC(ZSTD(1)),
    `user_name` LowCardinality(String) COMMENT 'Subscriber or user, where the exporter says' CODEC(ZSTD(1))
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/nat_events_local', '{replica}')
PARTITION BY toDate(time_received)
ORDER BY (post_nat_src_addr, time_event, port_block_start)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Address translations: who had this outside address and port at this time';

CREATE TABLE IF NOT EXISTS collector.nat_events ON CLUSTER `flows` AS collector.nat_events_local
ENGINE = Distributed('flows', 'collector', 'nat_events_local')
COMMENT 'Address translations: who had this outside address and port at this time';

CREATE TABLE IF NOT EXISTS collector.interface_counters_local ON CLUSTER `flows`
(
    `time_received` DateTime64(3, 'UTC') COMMENT 'When the datagram was received' CODEC(Delta(8), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagram came from' CODEC(ZSTD(1)),
    `exporter_name` LowCardinality(String) COMMENT 'Name of the exporter, from the configuration' CODEC(ZSTD(1)),
    `agent_address` IPv6 COMMENT 'Address that the exporter gives itself' CODEC(ZSTD(1)),
    `observation_domain` UInt32 COMMENT 'Sub-agent id (sFlow)' CODEC(ZSTD(1)),
    `if_index` UInt32 COMMENT 'ifIndex' CODEC(ZSTD(1)),
    `if_type` UInt32 COMMENT 'ifType, IANA\'s numbers' CODEC(ZSTD(1)),
    `if_speed` UInt64 COMMENT 'Bits per second' CODEC(ZSTD(1)),
    `if_duplex` Enum8('unknown' = 0, 'full' = 1, 'half' = 2, 'in' = 3, 'out' = 4) COMMENT 'Duplex, or the one direction there is' CODEC(ZSTD(1)),
    `if_admin_up` Bool COMMENT 'ifAdminStatus is up' CODEC(ZSTD(1)),
    `if_oper_up` Bool COMMENT 'ifOperStatus is up' CODEC(ZSTD(1)),
    `in_octets` UInt64 COMMENT 'Octets received' CODEC(Delta(8), ZSTD(1)),
    `in_unicast` UInt64 COMMENT 'Unicast packets received' CODEC(Delta(8), ZSTD(1)),
    `in_multicast` UInt64 COMMENT 'Multicast packets received' CODEC(Delta(8), ZSTD(1)),
    `in_broadcast` UInt64 COMMENT 'Broadcast packets received' CODEC(Delta(8), ZSTD(1)),
    `in_discards` UInt64 COMMENT 'Packets received and discarded' CODEC(Delta(8), ZSTD(1)),
    `in_errors` UInt64 COMMENT 'Packets received with errors' CODEC(Delta(8), ZSTD(1)),
    `in_unknown_protocols` UInt64 COMMENT 'Packets received of an unknown protocol' CODEC(Delta(8), ZSTD(1)),
    `out_octets` UInt64 COMMENT 'Octets sent' CODEC(Delta(8), ZSTD(1)),
    `out_unicast` UInt64 COMMENT 'Unicast packets sent' CODEC(Delta(8), ZSTD(1)),
    `out_multicast` UInt64 COMMENT 'Multicast packets sent' CODEC(Delta(8), ZSTD(1)),
    `out_broadcast` UInt64 COMMENT 'Broadcast packets sent' CODEC(Delta(8), ZSTD(1)),
    `out_discards` UInt64 COMMENT 'Packets discarded instead of sent' CODEC(Delta(8), ZSTD(1)),
    `out_errors` UInt64 COMMENT 'Packets not sent for errors' CODEC(Delta(8), ZSTD(1)),
    `promiscuous` Bool COMMENT 'The interface is promiscuous' CODEC(ZSTD(1))
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/interface_counters_local', '{replica}')
PARTITION BY toDate(time_received)
ORDER BY (exporter_address, if_index, time_received)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Counters of interfaces as exporters sent them: totals since the exporter started';

CREATE TABLE IF NOT EXISTS collector.interface_counters ON CLUSTER `flows` AS collector.interface_counters_local
ENGINE = Distributed('flows', 'collector', 'interface_counters_local')
COMMENT 'Counters of interfaces as exporters sent them: totals since the exporter started';

INSERT INTO schema_version_local (version, binary_version) VALUES (2, '0.1.0');

CREATE TABLE IF NOT EXISTS collector.ledger_local ON CLUSTER `flows`
(
    `minute` DateTime('UTC') COMMENT 'Minute of receipt' CODEC(ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from; :: where that is not known or too many sent' CODEC(ZSTD(1)),
    `observation_domain` UInt32 COMMENT 'Observation domain (IPFIX), source id (v9), engine (v5), sub-agent (sFlow); 0 before a datagram is read' CODEC(ZSTD(1)),
    `fault` LowCardinality(String) COMMENT 'What malformed datagrams break first; empty for all other counts' CODEC(ZSTD(1)),
    `seen_xdp` UInt64 COMMENT 'Datagrams that the XDP program took or refused' CODEC(ZSTD(1)),
    `seen_xdp_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)),
    `seen_udp` UInt64 COMMENT 'Datagrams that came to the UDP sockets, those that overflowed them too' CODEC(ZSTD(1)),
    `seen_udp_bytes` UInt64 COMMENT 'Payload bytes of these, as far as they were received' CODEC(ZSTD(1)),
    `not_allowed` UInt64 COMMENT 'Datagrams refused because the exporter is in no allowed prefix' CODEC(ZSTD(1)),
    `not_allowed_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)),
    `rate_limited` UInt64 COMMENT 'Datagrams refused because the exporter sent faster than it may' CODEC(ZSTD(1)),
    `rate_limited_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)),
    `ring_full` UInt64 COMMENT 'Datagrams lost because a worker\'s ring was full' CODEC(ZSTD(1)),
    `fill_ring_empty` UInt64 COMMENT 'Datagrams lost because the kernel found no frame for them' CODEC(ZSTD(1)),
    `ring_other` UInt64 COMMENT 'Datagrams that were steered to a ring and never came out, for neither of these reasons' CODEC(ZSTD(1)),
    `socket_overflow` UInt64 COMMENT 'Datagrams lost because a UDP socket\'s buffer was full' CODEC(ZSTD(1)),
    `truncated` UInt64 COMMENT 'Datagrams longer than the receive buffer' CODEC(ZSTD(1)),
    `malformed` UInt64 COMMENT 'Datagrams that break their protocol; what could be read of them was decoded' CODEC(ZSTD(1)),
    `received_xdp` UInt64 COMMENT 'Datagrams that workers took from rings' CODEC(ZSTD(1)),
    `received_xdp_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)),
    `received_udp` UInt64 COMMENT 'Datagrams that workers took from UDP sockets and did not refuse' CODEC(ZSTD(1)),
    `received_udp_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)),
    `decoded` UInt64 COMMENT 'Datagrams decoded without a fault' CODEC(ZSTD(1)),
    `flow_records` UInt64 COMMENT 'Flow records in all datagrams, those decoded late too' CODEC(ZSTD(1)),
    `rows_decoded` UInt64 COMMENT 'Rows made of them, for all tables' CODEC(ZSTD(1)),
    `rows_stored` UInt64 COMMENT 'Rows that ClickHouse acknowledged' CODEC(ZSTD(1)),
    `rows_lost_bound` UInt64 COMMENT 'Rows given up because more waited for ClickHouse than may' CODEC(ZSTD(1)),
    `rows_lost_rejected` UInt64 COMMENT 'Rows given up because ClickHouse refused them' CODEC(ZSTD(1)),
    `rows_lost_block` UInt64 COMMENT 'Rows given up because their block was at fault' CODEC(ZSTD(1)),
    `rows_lost_stopped` UInt64 COMMENT 'Rows given up because the stop could not wait for ClickHouse' CODEC(ZSTD(1)),
    `rows_lost_panic` UInt64 COMMENT 'Rows that went with a worker\'s panic' CODEC(ZSTD(1)),
    `sets_held` UInt64 COMMENT 'Data sets that had to wait for their template' CODEC(ZSTD(1)),
    `sets_decoded_late` UInt64 COMMENT 'Of these, decoded when it came' CODEC(ZSTD(1)),
    `sets_expired` UInt64 COMMENT 'Of these, given up because it did not come in time' CODEC(ZSTD(1)),
    `sets_evicted` UInt64 COMMENT 'Of these, given up for newer ones' CODEC(ZSTD(1)),
    `sets_refused` UInt64 COMMENT 'Data sets without template for which there was no room' CODEC(ZSTD(1)),
    `times_clamped` UInt64 COMMENT 'Rows whose start or end was moved because it cannot be' CODEC(ZSTD(1)),
    `missing_records` Int64 COMMENT 'Data records that never came, by the exporter\'s sequence numbers' CODEC(ZSTD(1)),
    `missing_datagrams` Int64 COMMENT 'Datagrams that never came, by the exporter\'s sequence numbers' CODEC(ZSTD(1)),
    `missing_samples` Int64 COMMENT 'sFlow samples that never came, by the sequence numbers of their data sources' CODEC(ZSTD(1)),
    `exporter_drops` UInt64 COMMENT 'sFlow samples that the exporter says it lost itself' CODEC(ZSTD(1)),
    `reordered` Int64 COMMENT 'Datagrams that came after later ones' CODEC(ZSTD(1)),
    `duplicates` Int64 COMMENT 'Datagrams that came twice' CODEC(ZSTD(1)),
    `restarts` Int64 COMMENT 'Restarts of the exporter or of its sequence' CODEC(ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/ledger_local', '{replica}')
PARTITION BY toYYYYMM(minute)
ORDER BY (minute, exporter_address, observation_domain, fault)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 31536000
COMMENT 'What became of every datagram, per exporter, observation domain and minute of receipt. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.ledger ON CLUSTER `flows` AS collector.ledger_local
ENGINE = Distributed('flows', 'collector', 'ledger_local')
COMMENT 'What became of every datagram, per exporter, observation domain and minute of receipt. Ask for sums';

INSERT INTO schema_version_local (version, binary_version) VALUES (3, '0.1.0');

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `journal_refused` UInt64 COMMENT 'Datagrams that the journal had no room for' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_refused_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_refused`,
    ADD COLUMN IF NOT EXISTS `journal_given_up` UInt64 COMMENT 'Datagrams given up in the journal because more waited for ClickHouse than may' CODEC(ZSTD(1)) AFTER `journal_refused_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_given_up_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_given_up`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt` UInt64 COMMENT 'Places in the journal that a fault of the disk made unreadable before they were decoded: a datagram each, or more' CODEC(ZSTD(1)) AFTER `journal_given_up_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt_bytes` UInt64 COMMENT 'Bytes of the journal there' CODEC(ZSTD(1)) AFTER `journal_corrupt`;

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `journal_refused` UInt64 COMMENT 'Datagrams that the journal had no room for' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_refused_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_refused`,
    ADD COLUMN IF NOT EXISTS `journal_given_up` UInt64 COMMENT 'Datagrams given up in the journal because more waited for ClickHouse than may' CODEC(ZSTD(1)) AFTER `journal_refused_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_given_up_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_given_up`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt` UInt64 COMMENT 'Places in the journal that a fault of the disk made unreadable before they were decoded: a datagram each, or more' CODEC(ZSTD(1)) AFTER `journal_given_up_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt_bytes` UInt64 COMMENT 'Bytes of the journal there' CODEC(ZSTD(1)) AFTER `journal_corrupt`;

INSERT INTO schema_version_local (version, binary_version) VALUES (4, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `src_network` LowCardinality(String) COMMENT 'Network of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_as_name`,
    ADD COLUMN IF NOT EXISTS `dst_network` LowCardinality(String) COMMENT 'Network of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_network`,
    ADD COLUMN IF NOT EXISTS `src_customer` LowCardinality(String) COMMENT 'Customer of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_network`,
    ADD COLUMN IF NOT EXISTS `dst_customer` LowCardinality(String) COMMENT 'Customer of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_customer`;

ALTER TABLE collector.flows ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `src_network` LowCardinality(String) COMMENT 'Network of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_as_name`,
    ADD COLUMN IF NOT EXISTS `dst_network` LowCardinality(String) COMMENT 'Network of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_network`,
    ADD COLUMN IF NOT EXISTS `src_customer` LowCardinality(String) COMMENT 'Customer of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_network`,
    ADD COLUMN IF NOT EXISTS `dst_customer` LowCardinality(String) COMMENT 'Customer of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_customer`;

CREATE TABLE IF NOT EXISTS collector.interface_1m_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the minute' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `if_index` UInt32 COMMENT 'ifIndex; 0 where the exporter does not say' CODEC(ZSTD(1)),
    `if_name` LowCardinality(String) COMMENT 'Name of the interface, as the exporter says' CODEC(ZSTD(1)),
    `direction` Enum8('in' = 0, 'out' = 1) COMMENT 'in: flows whose input interface it is; out: whose output interface it is' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first minute it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/interface_1m_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), exporter_address, if_index, direction, if_name, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic of interfaces per minute. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.interface_1m ON CLUSTER `flows` AS collector.interface_1m_local
ENGINE = Distributed('flows', 'collector', 'interface_1m_local')
COMMENT 'Traffic of interfaces per minute. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.as_5m_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the 5 minutes' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `src_as` UInt32 COMMENT 'Source AS: what the exporter says, or GeoIP where it says 0' CODEC(T64, ZSTD(1)),
    `dst_as` UInt32 COMMENT 'Destination AS: what the exporter says, or GeoIP where it says 0' CODEC(T64, ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first 5 minutes it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/as_5m_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_as, dst_as, exporter_address, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic between autonomous systems per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.as_5m ON CLUSTER `flows` AS collector.as_5m_local
ENGINE = Distributed('flows', 'collector', 'as_5m_local')
COMMENT 'Traffic between autonomous systems per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.country_5m_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the 5 minutes' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `src_country` LowCardinality(String) COMMENT 'Country of the source addresses' CODEC(ZSTD(1)),
    `dst_country` LowCardinality(String) COMMENT 'Country of the destination addresses' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first 5 minutes it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/country_5m_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_country, dst_country, exporter_address, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic between countries per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.country_5m ON CLUSTER `flows` AS collector.country_5m_local
ENGINE = Distributed('flows', 'collector', 'country_5m_local')
COMMENT 'Traffic between countries per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.service_5m_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the 5 minutes' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `protocol` UInt8 COMMENT 'IP protocol number' CODEC(ZSTD(1)),
    `port` UInt16 COMMENT 'The lower port of both ends that is not 0, for TCP, UDP, DCCP, SCTP and UDP-Lite; else 0' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first 5 minutes it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/service_5m_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), protocol, port, exporter_address, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic of protocols and ports per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.service_5m ON CLUSTER `flows` AS collector.service_5m_local
ENGINE = Distributed('flows', 'collector', 'service_5m_local')
COMMENT 'Traffic of protocols and ports per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.network_5m_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the 5 minutes' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `src_customer` LowCardinality(String) COMMENT 'Customer of the source network; empty outside of all' CODEC(ZSTD(1)),
    `src_network` LowCardinality(String) COMMENT 'Source network; empty outside of all' CODEC(ZSTD(1)),
    `dst_customer` LowCardinality(String) COMMENT 'Customer of the destination network; empty outside of all' CODEC(ZSTD(1)),
    `dst_network` LowCardinality(String) COMMENT 'Destination network; empty outside of all' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first 5 minutes it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/network_5m_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_customer, src_network, dst_customer, dst_network, exporter_address, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic between networks and customers per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.network_5m ON CLUSTER `flows` AS collector.network_5m_local
ENGINE = Distributed('flows', 'collector', 'network_5m_local')
COMMENT 'Traffic between networks and customers per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.hosts_1h_local ON CLUSTER `flows`
(
    `time` DateTime('UTC') COMMENT 'Start of the hour' CODEC(Delta(4), ZSTD(1)),
    `exporter_address` IPv6 COMMENT 'Address the datagrams came from' CODEC(ZSTD(1)),
    `address` IPv6 COMMENT 'The host, IPv4 mapped; :: for all that were not among the busiest of their block' CODEC(ZSTD(1)),
    `direction` Enum8('sent' = 0, 'received' = 1) COMMENT 'sent: flows whose source it is; received: whose destination it is' CODEC(ZSTD(1)),
    `bytes` UInt64 COMMENT 'Octets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `packets` UInt64 COMMENT 'Packets, multiplied by the sampling rate' CODEC(T64, ZSTD(1)),
    `raw_bytes` UInt64 COMMENT 'Octets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `raw_packets` UInt64 COMMENT 'Packets as counted by the exporter' CODEC(T64, ZSTD(1)),
    `flows` UInt64 COMMENT 'Flows, each in the first hour it lived in' CODEC(T64, ZSTD(1))
)
ENGINE = ReplicatedSummingMergeTree('/clickhouse/tables/flows/{shard}/collector/hosts_1h_local', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), address, exporter_address, direction, time)
SETTINGS index_granularity = 8192, replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000
COMMENT 'Traffic of hosts per hour: of each block the 1000 with most bytes, packets or flows, the others under ::, so what a host has is a lower bound and the sum of all exact. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS collector.hosts_1h ON CLUSTER `flows` AS collector.hosts_1h_local
ENGINE = Distributed('flows', 'collector', 'hosts_1h_local')
COMMENT 'Traffic of hosts per hour: of each block the 1000 with most bytes, packets or flows, the others under ::, so what a host has is a lower bound and the sum of all exact. A flow is in every bucket it lived in, by time. Ask for sums';

INSERT INTO interface_1m_local (time, exporter_address, if_index, if_name, direction, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 60, 'UTC') AS time, exporter_address, subject_if_index AS if_index, subject_if_name AS if_name, subject_direction AS direction, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, end_if AS subject_if_index, end_name AS subject_if_name, end_direction AS subject_direction, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 60000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 60000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 60000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 60000 + 60000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local ARRAY JOIN [in_if, out_if] AS end_if, [in_if_name, out_if_name] AS end_name, CAST(['in', 'out'], 'Array(Enum8(\'in\' = 0, \'out\' = 1))') AS end_direction WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_if_index, subject_if_name, subject_direction
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO as_5m_local (time, exporter_address, src_as, dst_as, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_as AS src_as, subject_dst_as AS dst_as, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, if(src_as = 0, src_geo_as, src_as) AS subject_src_as, if(dst_as = 0, dst_geo_as, dst_as) AS subject_dst_as, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_as, subject_dst_as
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO country_5m_local (time, exporter_address, src_country, dst_country, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_country AS src_country, subject_dst_country AS dst_country, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, src_country AS subject_src_country, dst_country AS subject_dst_country, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_country, subject_dst_country
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO service_5m_local (time, exporter_address, protocol, port, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_protocol AS protocol, subject_port AS port, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, protocol AS subject_protocol, if(protocol NOT IN (6, 17, 33, 132, 136), 0, if(least(src_port, dst_port) = 0, greatest(src_port, dst_port), least(src_port, dst_port))) AS subject_port, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_protocol, subject_port
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO network_5m_local (time, exporter_address, src_customer, src_network, dst_customer, dst_network, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_customer AS src_customer, subject_src_network AS src_network, subject_dst_customer AS dst_customer, subject_dst_network AS dst_network, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, src_customer AS subject_src_customer, src_network AS subject_src_network, dst_customer AS subject_dst_customer, dst_network AS subject_dst_network, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_customer, subject_src_network, subject_dst_customer, subject_dst_network
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO hosts_1h_local (time, exporter_address, address, direction, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 3600, 'UTC') AS time, exporter_address, subject_address AS address, subject_direction AS direction, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, end_address AS subject_address, end_direction AS subject_direction, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 3600000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 3600000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 3600000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 3600000 + 3600000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows_local ARRAY JOIN [src_addr, dst_addr] AS end_address, CAST(['sent', 'received'], 'Array(Enum8(\'sent\' = 0, \'received\' = 1))') AS end_direction WHERE time_received < (SELECT min(applied_at) FROM schema_version_local WHERE version = (SELECT max(version) FROM schema_version_local WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_address, subject_direction
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO schema_version_local (version, binary_version) VALUES (5, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    MODIFY SETTING replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000, default_compression_codec = 'ZSTD(1)';

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD PROJECTION IF NOT EXISTS host_src (SELECT time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_src_port ORDER BY src_addr, time_received);

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD PROJECTION IF NOT EXISTS host_dst (SELECT time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_src_port ORDER BY dst_addr, time_received);

ALTER TABLE collector.nat_events_local ON CLUSTER `flows`
    MODIFY SETTING replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000;

ALTER TABLE collector.nat_events_local ON CLUSTER `flows`
    ADD INDEX IF NOT EXISTS inside src_addr TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE collector.interface_counters_local ON CLUSTER `flows`
    MODIFY SETTING replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000;

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    MODIFY SETTING replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 31536000;

INSERT INTO schema_version_local (version, binary_version) VALUES (6, '0.1.0');

CREATE TABLE IF NOT EXISTS collector.repairs_local ON CLUSTER `flows`
(
    `id` String COMMENT 'Name of the repair' CODEC(ZSTD(1)),
    `started_at` DateTime64(3, 'UTC') COMMENT 'When it began' CODEC(ZSTD(1)),
    `updated_at` DateTime64(3, 'UTC') COMMENT 'When this was written: at its begin and at its end' CODEC(ZSTD(1)),
    `outcome` LowCardinality(String) COMMENT 'running, done, failed; finished later or taken back by the next one, if it was cut off' CODEC(ZSTD(1)),
    `reason` String COMMENT 'Why it failed' CODEC(ZSTD(1)),
    `who` LowCardinality(String) COMMENT 'The user that asked for it' CODEC(ZSTD(1)),
    `host` LowCardinality(String) COMMENT 'The machine whose journal it read' CODEC(ZSTD(1)),
    `state_dir` LowCardinality(String) COMMENT 'The collector there, by its directory' CODEC(ZSTD(1)),
    `collector_version` LowCardinality(String) COMMENT 'Version of the program' CODEC(ZSTD(1)),
    `period_from` DateTime64(3, 'UTC') COMMENT 'Rows received from then on were replaced' CODEC(ZSTD(1)),
    `period_to` DateTime64(3, 'UTC') COMMENT 'Rows received before then were replaced' CODEC(ZSTD(1)),
    `exporters` String COMMENT 'Prefix of the exporters whose rows were replaced; empty for all' CODEC(ZSTD(1)),
    `partitions` Array(String) COMMENT 'Tables and partitions that were exchanged; those without a difference are not' CODEC(ZSTD(1)),
    `rows_before` Map(LowCardinality(String), UInt64) COMMENT 'Rows of the period before, by table' CODEC(ZSTD(1)),
    `rows_after` Map(LowCardinality(String), UInt64) COMMENT 'Rows of the period after, by table' CODEC(ZSTD(1)),
    `datagrams` UInt64 COMMENT 'Datagrams of the period in the journal' CODEC(ZSTD(1)),
    `warm_up_datagrams` UInt64 COMMENT 'Datagrams before it that were read for their templates' CODEC(ZSTD(1)),
    `warm_up_templates` UInt64 COMMENT 'Templates known when the period began' CODEC(ZSTD(1)),
    `snapshot_templates` UInt64 COMMENT 'Templates that the journal did not tell and the saved ones of the collector did' CODEC(ZSTD(1)),
    `gaps` UInt64 COMMENT 'Damaged places in the journal' CODEC(ZSTD(1)),
    `sets_unresolved` UInt64 COMMENT 'Data sets of the period without a template' CODEC(ZSTD(1)),
    `kept_off_ms` UInt64 COMMENT 'How long inserts were kept off' CODEC(ZSTD(1)),
    `duration_ms` UInt64 COMMENT 'How long it took' CODEC(ZSTD(1))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/flows/{shard}/collector/repairs_local', '{replica}', updated_at)
ORDER BY (started_at, id)
SETTINGS replicated_deduplication_window = 0
COMMENT 'Periods that were decoded again from the journal. Ask with FINAL';

CREATE TABLE IF NOT EXISTS collector.repairs ON CLUSTER `flows` AS collector.repairs_local
ENGINE = Distributed('flows', 'collector', 'repairs_local')
COMMENT 'Periods that were decoded again from the journal. Ask with FINAL';

INSERT INTO schema_version_local (version, binary_version) VALUES (7, '0.1.0');

CREATE TABLE IF NOT EXISTS collector.as_names_local ON CLUSTER `flows`
(
    `asn` UInt32 COMMENT 'Number of the autonomous system',
    `name` String COMMENT 'Its name'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/as_names_local', '{replica}')
ORDER BY asn
SETTINGS replicated_deduplication_window = 0
COMMENT 'Names of autonomous systems, from [names] as_names and the GeoIP files';

CREATE TABLE IF NOT EXISTS collector.as_names ON CLUSTER `flows` AS collector.as_names_local
ENGINE = Distributed('flows', 'collector', 'as_names_local')
COMMENT 'Names of autonomous systems, from [names] as_names and the GeoIP files';

CREATE TABLE IF NOT EXISTS collector.protocols_local ON CLUSTER `flows`
(
    `number` UInt8 COMMENT 'IP protocol number',
    `name` String COMMENT 'Its name'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/protocols_local', '{replica}')
ORDER BY number
SETTINGS replicated_deduplication_window = 0
COMMENT 'Names of IP protocols: IANA\'s, and those of [names] protocols';

CREATE TABLE IF NOT EXISTS collector.protocols ON CLUSTER `flows` AS collector.protocols_local
ENGINE = Distributed('flows', 'collector', 'protocols_local')
COMMENT 'Names of IP protocols: IANA\'s, and those of [names] protocols';

CREATE TABLE IF NOT EXISTS collector.services_local ON CLUSTER `flows`
(
    `protocol` UInt8 COMMENT 'IP protocol number',
    `port` UInt16 COMMENT 'Port',
    `name` String COMMENT 'What usually listens there'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/services_local', '{replica}')
ORDER BY (protocol, port)
SETTINGS replicated_deduplication_window = 0
COMMENT 'Names of ports: well-known ones, and those of [names] ports';

CREATE TABLE IF NOT EXISTS collector.services ON CLUSTER `flows` AS collector.services_local
ENGINE = Distributed('flows', 'collector', 'services_local')
COMMENT 'Names of ports: well-known ones, and those of [names] ports';

CREATE TABLE IF NOT EXISTS collector.exporters_local ON CLUSTER `flows`
(
    `prefix` String COMMENT 'Address or prefix, IPv4 mapped',
    `name` String COMMENT 'Name of the exporters in it',
    `site` String COMMENT 'Where they are'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/exporters_local', '{replica}')
ORDER BY prefix
SETTINGS replicated_deduplication_window = 0
COMMENT 'Names of exporters, from [[exporters]]; the longest prefix holds';

CREATE TABLE IF NOT EXISTS collector.exporters ON CLUSTER `flows` AS collector.exporters_local
ENGINE = Distributed('flows', 'collector', 'exporters_local')
COMMENT 'Names of exporters, from [[exporters]]; the longest prefix holds';

CREATE TABLE IF NOT EXISTS collector.interfaces_local ON CLUSTER `flows`
(
    `exporter_address` IPv6 COMMENT 'Address of the exporter, IPv4 mapped',
    `if_index` UInt32 COMMENT 'ifIndex',
    `name` String COMMENT 'Name of the interface',
    `speed_bps` UInt64 COMMENT 'Bits per second; 0 where not known',
    `told_by` Enum8('configuration' = 0, 'exporter' = 1) COMMENT 'Who says so'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/interfaces_local', '{replica}')
ORDER BY (exporter_address, if_index)
SETTINGS replicated_deduplication_window = 0
COMMENT 'Names and speeds of interfaces, from the configuration and as exporters announce them';

CREATE TABLE IF NOT EXISTS collector.interfaces ON CLUSTER `flows` AS collector.interfaces_local
ENGINE = Distributed('flows', 'collector', 'interfaces_local')
COMMENT 'Names and speeds of interfaces, from the configuration and as exporters announce them';

CREATE TABLE IF NOT EXISTS collector.networks_local ON CLUSTER `flows`
(
    `prefix` String COMMENT 'Address or prefix, IPv4 mapped',
    `network` String COMMENT 'Name of the network',
    `customer` String COMMENT 'Whose it is'
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows/{shard}/collector/networks_local', '{replica}')
ORDER BY prefix
SETTINGS replicated_deduplication_window = 0
COMMENT 'Networks and customers, from [names] networks; the longest prefix holds';

CREATE TABLE IF NOT EXISTS collector.networks ON CLUSTER `flows` AS collector.networks_local
ENGINE = Distributed('flows', 'collector', 'networks_local')
COMMENT 'Networks and customers, from [names] networks; the longest prefix holds';

CREATE DICTIONARY IF NOT EXISTS collector.as_names_dictionary ON CLUSTER `flows`
(
    `asn` UInt64,
    `name` String DEFAULT ''
)
PRIMARY KEY asn
SOURCE(CLICKHOUSE(TABLE 'as_names' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(HASHED())
COMMENT 'dictGet(\'as_names_dictionary\', \'name\', toUInt64(src_as))';

CREATE DICTIONARY IF NOT EXISTS collector.protocols_dictionary ON CLUSTER `flows`
(
    `number` UInt64,
    `name` String DEFAULT ''
)
PRIMARY KEY number
SOURCE(CLICKHOUSE(TABLE 'protocols' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(FLAT())
COMMENT 'dictGet(\'protocols_dictionary\', \'name\', toUInt64(protocol))';

CREATE DICTIONARY IF NOT EXISTS collector.services_dictionary ON CLUSTER `flows`
(
    `protocol` UInt8,
    `port` UInt16,
    `name` String DEFAULT ''
)
PRIMARY KEY protocol, port
SOURCE(CLICKHOUSE(TABLE 'services' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'dictGet(\'services_dictionary\', \'name\', (protocol, dst_port))';

CREATE DICTIONARY IF NOT EXISTS collector.exporters_dictionary ON CLUSTER `flows`
(
    `prefix` String,
    `name` String DEFAULT '',
    `site` String DEFAULT ''
)
PRIMARY KEY prefix
SOURCE(CLICKHOUSE(TABLE 'exporters' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(IP_TRIE())
COMMENT 'dictGet(\'exporters_dictionary\', \'site\', exporter_address)';

CREATE DICTIONARY IF NOT EXISTS collector.interfaces_dictionary ON CLUSTER `flows`
(
    `exporter_address` IPv6,
    `if_index` UInt32,
    `name` String DEFAULT '',
    `speed_bps` UInt64 DEFAULT 0
)
PRIMARY KEY exporter_address, if_index
SOURCE(CLICKHOUSE(TABLE 'interfaces' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'dictGet(\'interfaces_dictionary\', \'name\', (exporter_address, in_if))';

CREATE DICTIONARY IF NOT EXISTS collector.networks_dictionary ON CLUSTER `flows`
(
    `prefix` String,
    `network` String DEFAULT '',
    `customer` String DEFAULT ''
)
PRIMARY KEY prefix
SOURCE(CLICKHOUSE(TABLE 'networks' DB 'collector'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(IP_TRIE())
COMMENT 'dictGet(\'networks_dictionary\', \'customer\', src_addr)';

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD INDEX IF NOT EXISTS lived (time_start, time_end, time_received) TYPE minmax GRANULARITY 1;

INSERT INTO schema_version_local (version, binary_version) VALUES (8, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (sFlow agent; elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE collector.flows ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (sFlow agent; elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE collector.nat_events_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE collector.nat_events ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 COMMENT 'Address of the device: what it calls itself, else exporter_address; exporter_address before a datagram is read' CODEC(ZSTD(1)) AFTER `exporter_address`,
    MODIFY ORDER BY (minute, exporter_address, observation_domain, fault, agent_address);

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 COMMENT 'Address of the device: what it calls itself, else exporter_address; exporter_address before a datagram is read' CODEC(ZSTD(1)) AFTER `exporter_address`;

INSERT INTO schema_version_local (version, binary_version) VALUES (9, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off both times, as the exporter\'s clock is so far ahead; negative: behind. Told were time_start + clock_skew and time_end + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_end`,
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew';

ALTER TABLE collector.flows ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off both times, as the exporter\'s clock is so far ahead; negative: behind. Told were time_start + clock_skew and time_end + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_end`,
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew';

ALTER TABLE collector.nat_events_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off time_event, as the exporter\'s clock is so far ahead; negative: behind. Told was time_event + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_event`;

ALTER TABLE collector.nat_events ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off time_event, as the exporter\'s clock is so far ahead; negative: behind. Told was time_event + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_event`;

INSERT INTO schema_version_local (version, binary_version) VALUES (10, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    DROP PROJECTION IF EXISTS host_src;

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    DROP PROJECTION IF EXISTS host_dst;

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD PROJECTION IF NOT EXISTS host_by_src (SELECT time_received, time_start, time_end, exporter_address, agent_address, exporter_name, flags, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_dst_addr, post_nat_src_port, post_nat_dst_port ORDER BY src_addr, time_received);

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD PROJECTION IF NOT EXISTS host_by_dst (SELECT time_received, time_start, time_end, exporter_address, agent_address, exporter_name, flags, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_dst_addr, post_nat_src_port, post_nat_dst_port ORDER BY dst_addr, time_received);

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD INDEX IF NOT EXISTS host_by_post_nat_src post_nat_src_addr TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD INDEX IF NOT EXISTS host_by_post_nat_dst post_nat_dst_addr TYPE bloom_filter(0.01) GRANULARITY 1;

INSERT INTO schema_version_local (version, binary_version) VALUES (11, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(next_hop), '::ffff:') AND position(IPv6NumToString(next_hop), '.') > 0, substring(IPv6NumToString(next_hop), 8), IPv6NumToString(next_hop)) COMMENT 'next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `bgp_next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(bgp_next_hop), '::ffff:') AND position(IPv6NumToString(bgp_next_hop), '.') > 0, substring(IPv6NumToString(bgp_next_hop), 8), IPv6NumToString(bgp_next_hop)) COMMENT 'bgp_next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE collector.flows ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(next_hop), '::ffff:') AND position(IPv6NumToString(next_hop), '.') > 0, substring(IPv6NumToString(next_hop), 8), IPv6NumToString(next_hop)) COMMENT 'next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `bgp_next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(bgp_next_hop), '::ffff:') AND position(IPv6NumToString(bgp_next_hop), '.') > 0, substring(IPv6NumToString(bgp_next_hop), 8), IPv6NumToString(bgp_next_hop)) COMMENT 'bgp_next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE collector.nat_events_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE collector.nat_events ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE collector.interface_counters_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';

ALTER TABLE collector.interface_counters ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.interface_1m_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.interface_1m ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.as_5m_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.as_5m ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.country_5m_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.country_5m ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.service_5m_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.service_5m ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.network_5m_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.network_5m ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.hosts_1h_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `ip` String ALIAS if(startsWith(IPv6NumToString(address), '::ffff:') AND position(IPv6NumToString(address), '.') > 0, substring(IPv6NumToString(address), 8), IPv6NumToString(address)) COMMENT 'address as text, IPv4 as IPv4';

ALTER TABLE collector.hosts_1h ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `ip` String ALIAS if(startsWith(IPv6NumToString(address), '::ffff:') AND position(IPv6NumToString(address), '.') > 0, substring(IPv6NumToString(address), 8), IPv6NumToString(address)) COMMENT 'address as text, IPv4 as IPv4';

ALTER TABLE collector.interfaces_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE collector.interfaces ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

INSERT INTO schema_version_local (version, binary_version) VALUES (12, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    COMMENT COLUMN `version` '1, 5, 7, 9: NetFlow; 10: IPFIX; 102, 104, 105: sFlow v2, v4, v5';

ALTER TABLE collector.flows ON CLUSTER `flows`
    COMMENT COLUMN `version` '1, 5, 7, 9: NetFlow; 10: IPFIX; 102, 104, 105: sFlow v2, v4, v5';

INSERT INTO schema_version_local (version, binary_version) VALUES (13, '0.1.0');

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `bad_checksum` UInt64 COMMENT 'Datagrams that workers took from rings and refused for their UDP checksum' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `bad_checksum_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `bad_checksum`;

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `bad_checksum` UInt64 COMMENT 'Datagrams that workers took from rings and refused for their UDP checksum' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `bad_checksum_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `bad_checksum`;

INSERT INTO schema_version_local (version, binary_version) VALUES (14, '0.1.0');

ALTER TABLE collector.flows_local ON CLUSTER `flows`
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew, 128 octets and packets cannot be: in no sum';

ALTER TABLE collector.flows ON CLUSTER `flows`
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew, 128 octets and packets cannot be: in no sum';

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `times_corrected` UInt64 COMMENT 'Rows of flows whose times were corrected by their exporter\'s clock skew' CODEC(ZSTD(1)) AFTER `times_clamped`,
    ADD COLUMN IF NOT EXISTS `clock_off` UInt64 COMMENT 'Rows of flows that count at their receipt, as their exporter\'s clock is off and not steady' CODEC(ZSTD(1)) AFTER `times_corrected`,
    ADD COLUMN IF NOT EXISTS `implausible` UInt64 COMMENT 'Rows of flows whose octets and packets cannot be, and which are in no sum' CODEC(ZSTD(1)) AFTER `clock_off`;

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `times_corrected` UInt64 COMMENT 'Rows of flows whose times were corrected by their exporter\'s clock skew' CODEC(ZSTD(1)) AFTER `times_clamped`,
    ADD COLUMN IF NOT EXISTS `clock_off` UInt64 COMMENT 'Rows of flows that count at their receipt, as their exporter\'s clock is off and not steady' CODEC(ZSTD(1)) AFTER `times_corrected`,
    ADD COLUMN IF NOT EXISTS `implausible` UInt64 COMMENT 'Rows of flows whose octets and packets cannot be, and which are in no sum' CODEC(ZSTD(1)) AFTER `clock_off`;

INSERT INTO schema_version_local (version, binary_version) VALUES (15, '0.1.0');

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `down_records` Int64 COMMENT 'Data records that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `missing_samples`,
    ADD COLUMN IF NOT EXISTS `down_datagrams` Int64 COMMENT 'Datagrams that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `down_records`,
    ADD COLUMN IF NOT EXISTS `down_samples` Int64 COMMENT 'sFlow samples that were sent while the collector was not running, by the sequence numbers of their data sources' CODEC(ZSTD(1)) AFTER `down_datagrams`;

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `down_records` Int64 COMMENT 'Data records that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `missing_samples`,
    ADD COLUMN IF NOT EXISTS `down_datagrams` Int64 COMMENT 'Datagrams that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `down_records`,
    ADD COLUMN IF NOT EXISTS `down_samples` Int64 COMMENT 'sFlow samples that were sent while the collector was not running, by the sequence numbers of their data sources' CODEC(ZSTD(1)) AFTER `down_datagrams`;

INSERT INTO schema_version_local (version, binary_version) VALUES (16, '0.1.0');

ALTER TABLE collector.ledger_local ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';

ALTER TABLE collector.ledger ON CLUSTER `flows`
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';

INSERT INTO schema_version_local (version, binary_version) VALUES (17, '0.1.0');
