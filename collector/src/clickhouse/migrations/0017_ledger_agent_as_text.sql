ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `agent_ip` String ALIAS if(startsWith(IPv6NumToString(agent_address), '::ffff:') AND position(IPv6NumToString(agent_address), '.') > 0, substring(IPv6NumToString(agent_address), 8), IPv6NumToString(agent_address)) COMMENT 'agent_address as text, IPv4 as IPv4';
