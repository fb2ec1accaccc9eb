ALTER TABLE flows
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (sFlow agent; elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE nat_events
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 DEFAULT exporter_address COMMENT 'Address of the device: what it calls itself (elements 403, 404, 130, 131), else exporter_address' CODEC(ZSTD(1)) AFTER `exporter_name`;

ALTER TABLE ledger
    ADD COLUMN IF NOT EXISTS `agent_address` IPv6 COMMENT 'Address of the device: what it calls itself, else exporter_address; exporter_address before a datagram is read' CODEC(ZSTD(1)) AFTER `exporter_address`,
    MODIFY ORDER BY (minute, exporter_address, observation_domain, fault, agent_address);
