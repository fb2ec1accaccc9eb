ALTER TABLE flows
    ADD COLUMN IF NOT EXISTS `src_network` LowCardinality(String) COMMENT 'Network of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_as_name`,
    ADD COLUMN IF NOT EXISTS `dst_network` LowCardinality(String) COMMENT 'Network of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_network`,
    ADD COLUMN IF NOT EXISTS `src_customer` LowCardinality(String) COMMENT 'Customer of the source address, from the configuration' CODEC(ZSTD(1)) AFTER `dst_network`,
    ADD COLUMN IF NOT EXISTS `dst_customer` LowCardinality(String) COMMENT 'Customer of the destination address, from the configuration' CODEC(ZSTD(1)) AFTER `src_customer`;

CREATE TABLE IF NOT EXISTS interface_1m
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), exporter_address, if_index, direction, if_name, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic of interfaces per minute. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS as_5m
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_as, dst_as, exporter_address, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic between autonomous systems per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS country_5m
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_country, dst_country, exporter_address, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic between countries per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS service_5m
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), protocol, port, exporter_address, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic of protocols and ports per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS network_5m
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), src_customer, src_network, dst_customer, dst_network, exporter_address, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic between networks and customers per 5 minutes. A flow is in every bucket it lived in, by time. Ask for sums';

CREATE TABLE IF NOT EXISTS hosts_1h
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
ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), address, exporter_address, direction, time)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT 'Traffic of hosts per hour: of each block the 1000 with most bytes, packets or flows, the others under ::, so what a host has is a lower bound and the sum of all exact. A flow is in every bucket it lived in, by time. Ask for sums';

INSERT INTO interface_1m (time, exporter_address, if_index, if_name, direction, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 60, 'UTC') AS time, exporter_address, subject_if_index AS if_index, subject_if_name AS if_name, subject_direction AS direction, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, end_if AS subject_if_index, end_name AS subject_if_name, end_direction AS subject_direction, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 60000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 60000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 60000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 60000 + 60000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows ARRAY JOIN [in_if, out_if] AS end_if, [in_if_name, out_if_name] AS end_name, CAST(['in', 'out'], 'Array(Enum8(\'in\' = 0, \'out\' = 1))') AS end_direction WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_if_index, subject_if_name, subject_direction
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO as_5m (time, exporter_address, src_as, dst_as, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_as AS src_as, subject_dst_as AS dst_as, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, if(src_as = 0, src_geo_as, src_as) AS subject_src_as, if(dst_as = 0, dst_geo_as, dst_as) AS subject_dst_as, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_as, subject_dst_as
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO country_5m (time, exporter_address, src_country, dst_country, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_country AS src_country, subject_dst_country AS dst_country, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, src_country AS subject_src_country, dst_country AS subject_dst_country, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_country, subject_dst_country
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO service_5m (time, exporter_address, protocol, port, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_protocol AS protocol, subject_port AS port, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, protocol AS subject_protocol, if(protocol NOT IN (6, 17, 33, 132, 136), 0, if(least(src_port, dst_port) = 0, greatest(src_port, dst_port), least(src_port, dst_port))) AS subject_port, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_protocol, subject_port
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO network_5m (time, exporter_address, src_customer, src_network, dst_customer, dst_network, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 300, 'UTC') AS time, exporter_address, subject_src_customer AS src_customer, subject_src_network AS src_network, subject_dst_customer AS dst_customer, subject_dst_network AS dst_network, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, src_customer AS subject_src_customer, src_network AS subject_src_network, dst_customer AS subject_dst_customer, dst_network AS subject_dst_network, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 300000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 300000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 300000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 300000 + 300000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_src_customer, subject_src_network, subject_dst_customer, subject_dst_network
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;

INSERT INTO hosts_1h (time, exporter_address, address, direction, bytes, packets, raw_bytes, raw_packets, flows)
SELECT toDateTime(bucket * 3600, 'UTC') AS time, exporter_address, subject_address AS address, subject_direction AS direction, sum(toUInt64(intDiv(value_bytes * elapsed_at_end, lived) - intDiv(value_bytes * elapsed_at_start, lived))) AS bytes, sum(toUInt64(intDiv(value_packets * elapsed_at_end, lived) - intDiv(value_packets * elapsed_at_start, lived))) AS packets, sum(toUInt64(intDiv(value_raw_bytes * elapsed_at_end, lived) - intDiv(value_raw_bytes * elapsed_at_start, lived))) AS raw_bytes, sum(toUInt64(intDiv(value_raw_packets * elapsed_at_end, lived) - intDiv(value_raw_packets * elapsed_at_start, lived))) AS raw_packets, sum(toUInt64(bucket = first_bucket)) AS flows
FROM (SELECT exporter_address, end_address AS subject_address, end_direction AS subject_direction, toUnixTimestamp64Milli(time_received) AS received, toUnixTimestamp64Milli(time_end) AS told, least(greatest(if(abs(told - received) <= 86400000, told, received), 0), 4294967295998) AS last, greatest(last - least(greatest(told - toUnixTimestamp64Milli(time_start), 0), 86400000), 0) AS began, greatest(last, began + 1) AS ended, toUInt128(ended - began) AS lived, toUInt32(intDiv(began, 3600000)) AS first_bucket, arrayJoin(range(first_bucket, toUInt32(intDiv(ended - 1, 3600000)) + 1)) AS bucket, toUInt128(greatest(least(toInt64(bucket) * 3600000, ended), began) - began) AS elapsed_at_start, toUInt128(greatest(least(toInt64(bucket) * 3600000 + 3600000, ended), began) - began) AS elapsed_at_end, bytes AS value_raw_bytes, packets AS value_raw_packets, bytes * greatest(sampling_rate, 1) AS value_bytes, packets * greatest(sampling_rate, 1) AS value_packets
FROM flows ARRAY JOIN [src_addr, dst_addr] AS end_address, CAST(['sent', 'received'], 'Array(Enum8(\'sent\' = 0, \'received\' = 1))') AS end_direction WHERE time_received < (SELECT min(applied_at) FROM schema_version WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5)))
GROUP BY bucket, exporter_address, subject_address, subject_direction
HAVING bytes != 0 OR packets != 0 OR raw_bytes != 0 OR raw_packets != 0 OR flows != 0
ORDER BY ALL
SETTINGS insert_deduplication_token = 'backfill of version 5', max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, max_bytes_before_external_sort = 1000000000;
