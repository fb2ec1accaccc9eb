ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `journal_refused` UInt64 COMMENT 'Datagrams that the journal had no room for' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_refused_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_refused`,
    ADD COLUMN IF NOT EXISTS `journal_given_up` UInt64 COMMENT 'Datagrams given up in the journal because more waited for ClickHouse than may' CODEC(ZSTD(1)) AFTER `journal_refused_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_given_up_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `journal_given_up`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt` UInt64 COMMENT 'Places in the journal that a fault of the disk made unreadable before they were decoded: a datagram each, or more' CODEC(ZSTD(1)) AFTER `journal_given_up_bytes`,
    ADD COLUMN IF NOT EXISTS `journal_corrupt_bytes` UInt64 COMMENT 'Bytes of the journal there' CODEC(ZSTD(1)) AFTER `journal_corrupt`;
