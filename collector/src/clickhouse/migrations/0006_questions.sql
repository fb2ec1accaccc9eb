ALTER TABLE flows
    MODIFY SETTING non_replicated_deduplication_window = 10000, default_compression_codec = 'ZSTD(1)';

ALTER TABLE flows
    ADD PROJECTION IF NOT EXISTS host_src (SELECT time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_src_port ORDER BY src_addr, time_received);

ALTER TABLE flows
    ADD PROJECTION IF NOT EXISTS host_dst (SELECT time_received, time_start, time_end, exporter_address, exporter_name, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_src_port ORDER BY dst_addr, time_received);

ALTER TABLE nat_events
    MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE nat_events
    ADD INDEX IF NOT EXISTS inside src_addr TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE interface_counters
    MODIFY SETTING non_replicated_deduplication_window = 10000;

ALTER TABLE ledger
    MODIFY SETTING non_replicated_deduplication_window = 10000;
