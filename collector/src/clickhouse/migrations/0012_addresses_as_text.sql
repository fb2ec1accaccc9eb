ALTER TABLE flows
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(next_hop), '::ffff:') AND position(IPv6NumToString(next_hop), '.') > 0, substring(IPv6NumToString(next_hop), 8), IPv6NumToString(next_hop)) COMMENT 'next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `bgp_next_hop_ip` String ALIAS if(startsWith(IPv6NumToString(bgp_next_hop), '::ffff:') AND position(IPv6NumToString(bgp_next_hop), '.') > 0, substring(IPv6NumToString(bgp_next_hop), 8), IPv6NumToString(bgp_next_hop)) COMMENT 'bgp_next_hop as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE nat_events
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `src_ip` String ALIAS if(startsWith(IPv6NumToString(src_addr), '::ffff:') AND position(IPv6NumToString(src_addr), '.') > 0, substring(IPv6NumToString(src_addr), 8), IPv6NumToString(src_addr)) COMMENT 'src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `dst_ip` String ALIAS if(startsWith(IPv6NumToString(dst_addr), '::ffff:') AND position(IPv6NumToString(dst_addr), '.') > 0, substring(IPv6NumToString(dst_addr), 8), IPv6NumToString(dst_addr)) COMMENT 'dst_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_src_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_src_addr), '::ffff:') AND position(IPv6NumToString(post_nat_src_addr), '.') > 0, substring(IPv6NumToString(post_nat_src_addr), 8), IPv6NumToString(post_nat_src_addr)) COMMENT 'post_nat_src_addr as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `post_nat_dst_ip` String ALIAS if(startsWith(IPv6NumToString(post_nat_dst_addr), '::ffff:') AND position(IPv6NumToString(post_nat_dst_addr), '.') > 0, substring(IPv6NumToString(post_nat_dst_addr), 8), IPv6NumToString(post_nat_dst_addr)) COMMENT 'post_nat_dst_addr as text, IPv4 as IPv4';

ALTER TABLE interface_counters
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';

ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE interface_1m
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE as_5m
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE country_5m
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE service_5m
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE network_5m
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';

ALTER TABLE hosts_1h
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4',
    ADD COLUMN IF NOT EXISTS `ip` String ALIAS if(startsWith(IPv6NumToString(address), '::ffff:') AND position(IPv6NumToString(address), '.') > 0, substring(IPv6NumToString(address), 8), IPv6NumToString(address)) COMMENT 'address as text, IPv4 as IPv4';

ALTER TABLE interfaces
    ADD COLUMN IF NOT EXISTS `exporter_ip` String ALIAS if(startsWith(IPv6NumToString(exporter_address), '::ffff:') AND position(IPv6NumToString(exporter_address), '.') > 0, substring(IPv6NumToString(exporter_address), 8), IPv6NumToString(exporter_address)) COMMENT 'exporter_address as text, IPv4 as IPv4';
