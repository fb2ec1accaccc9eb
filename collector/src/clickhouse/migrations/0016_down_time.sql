ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `down_records` Int64 COMMENT 'Data records that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `missing_samples`,
    ADD COLUMN IF NOT EXISTS `down_datagrams` Int64 COMMENT 'Datagrams that were sent while the collector was not running, by the exporter\'s sequence numbers' CODEC(ZSTD(1)) AFTER `down_records`,
    ADD COLUMN IF NOT EXISTS `down_samples` Int64 COMMENT 'sFlow samples that were sent while the collector was not running, by the sequence numbers of their data sources' CODEC(ZSTD(1)) AFTER `down_datagrams`;
