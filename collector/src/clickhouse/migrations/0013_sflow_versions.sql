ALTER TABLE flows
    COMMENT COLUMN `version` '1, 5, 7, 9: NetFlow; 10: IPFIX; 102, 104, 105: sFlow v2, v4, v5';
