ALTER TABLE flows
    DROP PROJECTION IF EXISTS host_src;

ALTER TABLE flows
    DROP PROJECTION IF EXISTS host_dst;

ALTER TABLE flows
    ADD PROJECTION IF NOT EXISTS host_by_src (SELECT time_received, time_start, time_end, exporter_address, agent_address, exporter_name, flags, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_dst_addr, post_nat_src_port, post_nat_dst_port ORDER BY src_addr, time_received);

ALTER TABLE flows
    ADD PROJECTION IF NOT EXISTS host_by_dst (SELECT time_received, time_start, time_end, exporter_address, agent_address, exporter_name, flags, src_addr, dst_addr, src_port, dst_port, protocol, tcp_flags, in_if, out_if, bytes, packets, sampling_rate, post_nat_src_addr, post_nat_dst_addr, post_nat_src_port, post_nat_dst_port ORDER BY dst_addr, time_received);

ALTER TABLE flows
    ADD INDEX IF NOT EXISTS host_by_post_nat_src post_nat_src_addr TYPE bloom_filter(0.01) GRANULARITY 1;

ALTER TABLE flows
    ADD INDEX IF NOT EXISTS host_by_post_nat_dst post_nat_dst_addr TYPE bloom_filter(0.01) GRANULARITY 1;
