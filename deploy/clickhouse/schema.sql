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

INSERT INTO schema_version (version, binary_version) VALUES (1, '0.1.0');
