CREATE TABLE IF NOT EXISTS as_names
(
    `asn` UInt32 COMMENT 'Number of the autonomous system',
    `name` String COMMENT 'Its name'
)
ENGINE = MergeTree
ORDER BY asn
COMMENT 'Names of autonomous systems, from [names] as_names and the GeoIP files';

CREATE TABLE IF NOT EXISTS protocols
(
    `number` UInt8 COMMENT 'IP protocol number',
    `name` String COMMENT 'Its name'
)
ENGINE = MergeTree
ORDER BY number
COMMENT 'Names of IP protocols: IANA\'s, and those of [names] protocols';

CREATE TABLE IF NOT EXISTS services
(
    `protocol` UInt8 COMMENT 'IP protocol number',
    `port` UInt16 COMMENT 'Port',
    `name` String COMMENT 'What usually listens there'
)
ENGINE = MergeTree
ORDER BY (protocol, port)
COMMENT 'Names of ports: well-known ones, and those of [names] ports';

CREATE TABLE IF NOT EXISTS exporters
(
    `prefix` String COMMENT 'Address or prefix, IPv4 mapped',
    `name` String COMMENT 'Name of the exporters in it',
    `site` String COMMENT 'Where they are'
)
ENGINE = MergeTree
ORDER BY prefix
COMMENT 'Names of exporters, from [[exporters]]; the longest prefix holds';

CREATE TABLE IF NOT EXISTS interfaces
(
    `exporter_address` IPv6 COMMENT 'Address of the exporter, IPv4 mapped',
    `if_index` UInt32 COMMENT 'ifIndex',
    `name` String COMMENT 'Name of the interface',
    `speed_bps` UInt64 COMMENT 'Bits per second; 0 where not known',
    `told_by` Enum8('configuration' = 0, 'exporter' = 1) COMMENT 'Who says so'
)
ENGINE = MergeTree
ORDER BY (exporter_address, if_index)
COMMENT 'Names and speeds of interfaces, from the configuration and as exporters announce them';

CREATE TABLE IF NOT EXISTS networks
(
    `prefix` String COMMENT 'Address or prefix, IPv4 mapped',
    `network` String COMMENT 'Name of the network',
    `customer` String COMMENT 'Whose it is'
)
ENGINE = MergeTree
ORDER BY prefix
COMMENT 'Networks and customers, from [names] networks; the longest prefix holds';

CREATE DICTIONARY IF NOT EXISTS as_names_dictionary
(
    `asn` UInt64,
    `name` String DEFAULT ''
)
PRIMARY KEY asn
SOURCE(CLICKHOUSE(TABLE 'as_names'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(HASHED())
COMMENT 'dictGet(\'as_names_dictionary\', \'name\', toUInt64(src_as))';

CREATE DICTIONARY IF NOT EXISTS protocols_dictionary
(
    `number` UInt64,
    `name` String DEFAULT ''
)
PRIMARY KEY number
SOURCE(CLICKHOUSE(TABLE 'protocols'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(FLAT())
COMMENT 'dictGet(\'protocols_dictionary\', \'name\', toUInt64(protocol))';

CREATE DICTIONARY IF NOT EXISTS services_dictionary
(
    `protocol` UInt8,
    `port` UInt16,
    `name` String DEFAULT ''
)
PRIMARY KEY protocol, port
SOURCE(CLICKHOUSE(TABLE 'services'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'dictGet(\'services_dictionary\', \'name\', (protocol, dst_port))';

CREATE DICTIONARY IF NOT EXISTS exporters_dictionary
(
    `prefix` String,
    `name` String DEFAULT '',
    `site` String DEFAULT ''
)
PRIMARY KEY prefix
SOURCE(CLICKHOUSE(TABLE 'exporters'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(IP_TRIE())
COMMENT 'dictGet(\'exporters_dictionary\', \'site\', exporter_address)';

CREATE DICTIONARY IF NOT EXISTS interfaces_dictionary
(
    `exporter_address` IPv6,
    `if_index` UInt32,
    `name` String DEFAULT '',
    `speed_bps` UInt64 DEFAULT 0
)
PRIMARY KEY exporter_address, if_index
SOURCE(CLICKHOUSE(TABLE 'interfaces'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(COMPLEX_KEY_HASHED())
COMMENT 'dictGet(\'interfaces_dictionary\', \'name\', (exporter_address, in_if))';

CREATE DICTIONARY IF NOT EXISTS networks_dictionary
(
    `prefix` String,
    `network` String DEFAULT '',
    `customer` String DEFAULT ''
)
PRIMARY KEY prefix
SOURCE(CLICKHOUSE(TABLE 'networks'))
LIFETIME(MIN 0 MAX 0)
LAYOUT(IP_TRIE())
COMMENT 'dictGet(\'networks_dictionary\', \'customer\', src_addr)';

ALTER TABLE flows
    ADD INDEX IF NOT EXISTS lived (time_start, time_end, time_received) TYPE minmax GRANULARITY 1;
