ALTER TABLE flows
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew, 128 octets and packets cannot be: in no sum';

ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `times_corrected` UInt64 COMMENT 'Rows of flows whose times were corrected by their exporter\'s clock skew' CODEC(ZSTD(1)) AFTER `times_clamped`,
    ADD COLUMN IF NOT EXISTS `clock_off` UInt64 COMMENT 'Rows of flows that count at their receipt, as their exporter\'s clock is off and not steady' CODEC(ZSTD(1)) AFTER `times_corrected`,
    ADD COLUMN IF NOT EXISTS `implausible` UInt64 COMMENT 'Rows of flows whose octets and packets cannot be, and which are in no sum' CODEC(ZSTD(1)) AFTER `clock_off`;
