ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `bad_checksum` UInt64 COMMENT 'Datagrams that workers took from rings and refused for their UDP checksum' CODEC(ZSTD(1)) AFTER `received_udp_bytes`,
    ADD COLUMN IF NOT EXISTS `bad_checksum_bytes` UInt64 COMMENT 'Payload bytes of these' CODEC(ZSTD(1)) AFTER `bad_checksum`;
