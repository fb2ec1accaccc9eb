ALTER TABLE flows
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off both times, as the exporter\'s clock is so far ahead; negative: behind. Told were time_start + clock_skew and time_end + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_end`,
    COMMENT COLUMN `flags` 'Bits: 1 start clamped, 2 end clamped, 4 exporter clock off and not steady: times as told, counted at the receipt, 8 reverse direction, 16 waited for its template, 32 running totals of which it is not known what is new, 64 times corrected by clock_skew';

ALTER TABLE nat_events
    ADD COLUMN IF NOT EXISTS `clock_skew` Int64 COMMENT 'Seconds taken off time_event, as the exporter\'s clock is so far ahead; negative: behind. Told was time_event + clock_skew' CODEC(T64, ZSTD(1)) AFTER `time_event`;
