CREATE TABLE IF NOT EXISTS repairs
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
ENGINE = ReplacingMergeTree(updated_at)
ORDER BY (started_at, id)
COMMENT 'Periods that were decoded again from the journal. Ask with FINAL';
