-- top from flows
-- from_ms = 1772600400000
-- to_ms = 1772604000000
-- received_from = 1772514000.000
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.000
-- port = 53
-- limit = 20
-- seconds = 3600
SELECT
    address,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT address, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        address,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            arrayJoin(arrayDistinct([f.src_addr, f.dst_addr])) AS address,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND (f.src_port = {port:UInt16} OR f.dst_port = {port:UInt16})
    )
) AS t
    GROUP BY address
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, address
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, address;

-- top from flows
-- from_ms = 1772600400000
-- to_ms = 1772604000000
-- received_from = 1772514000.000
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.000
-- limit = 20
-- seconds = 3600
SELECT
    src_addr,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT src_addr, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        src_addr,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.src_addr AS src_addr,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
    )
) AS t
    GROUP BY src_addr
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_addr
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_addr;

-- top from hosts_1h
-- from = 1772600400
-- to = 1772604000
-- limit = 20
-- seconds = 3600
SELECT
    src_addr,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT t.address AS src_addr, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM hosts_1h AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.direction = 'sent' AND t.address != toIPv6('::')
    GROUP BY src_addr
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_addr
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_addr;

-- interfaces from interface_1m
-- from = 1772600400
-- to = 1772604000
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- limit = 20
-- seconds = 3600
SELECT
    exporter_address,
    dictGet('exporters_dictionary', 'name', exporter_address) AS exporter_name,
    if_index,
    if(dictGet('interfaces_dictionary', 'name', (exporter_address, if_index)) != '', dictGet('interfaces_dictionary', 'name', (exporter_address, if_index)), announced_name) AS if_name,
    toFloat64(in_bytes) * 8 / {seconds:Float64} AS in_bits_per_second,
    toFloat64(out_bytes) * 8 / {seconds:Float64} AS out_bits_per_second,
    in_bytes,
    out_bytes,
    in_packets,
    out_packets,
    in_flows,
    out_flows
FROM
(
    SELECT exporter_address, if_index, anyIf(t.if_name, t.if_name != '') AS announced_name, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'in'), 18446744073709551615)) AS in_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'in'), 18446744073709551615)) AS in_packets, toUInt64(least(sumIf(toUInt128(t.flows), t.direction = 'in'), 18446744073709551615)) AS in_flows, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'out'), 18446744073709551615)) AS out_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'out'), 18446744073709551615)) AS out_packets, toUInt64(least(sumIf(toUInt128(t.flows), t.direction = 'out'), 18446744073709551615)) AS out_flows
    FROM interface_1m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    GROUP BY exporter_address, if_index
    HAVING in_bytes != 0 OR in_flows != 0 OR out_bytes != 0 OR out_flows != 0
    ORDER BY (in_bytes + out_bytes) DESC, exporter_address, if_index
    LIMIT {limit:UInt64}
)
ORDER BY (in_bytes + out_bytes) DESC, exporter_address, if_index;

-- interfaces from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- limit = 20
-- seconds = 3599.999
SELECT
    exporter_address,
    dictGet('exporters_dictionary', 'name', exporter_address) AS exporter_name,
    if_index,
    if(dictGet('interfaces_dictionary', 'name', (exporter_address, if_index)) != '', dictGet('interfaces_dictionary', 'name', (exporter_address, if_index)), announced_name) AS if_name,
    toFloat64(in_bytes) * 8 / {seconds:Float64} AS in_bits_per_second,
    toFloat64(out_bytes) * 8 / {seconds:Float64} AS out_bits_per_second,
    in_bytes,
    out_bytes,
    in_packets,
    out_packets,
    in_flows,
    out_flows
FROM
(
    SELECT exporter_address, if_index, anyIf(t.if_name, t.if_name != '') AS announced_name, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'in'), 18446744073709551615)) AS in_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'in'), 18446744073709551615)) AS in_packets, toUInt64(least(sumIf(toUInt128(t.flows), t.direction = 'in'), 18446744073709551615)) AS in_flows, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'out'), 18446744073709551615)) AS out_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'out'), 18446744073709551615)) AS out_packets, toUInt64(least(sumIf(toUInt128(t.flows), t.direction = 'out'), 18446744073709551615)) AS out_flows
    FROM (
    SELECT
        exporter_address, side, if_index, if_name, direction,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.exporter_address AS exporter_address,
            arrayJoin([(f.in_if, f.in_if_name, 'in'), (f.out_if, f.out_if_name, 'out')]) AS side,
            side.1 AS if_index,
            side.2 AS if_name,
            side.3 AS direction,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    )
) AS t
    GROUP BY exporter_address, if_index
    HAVING in_bytes != 0 OR in_flows != 0 OR out_bytes != 0 OR out_flows != 0
    ORDER BY (in_bytes + out_bytes) DESC, exporter_address, if_index
    LIMIT {limit:UInt64}
)
ORDER BY (in_bytes + out_bytes) DESC, exporter_address, if_index;

-- interface from interface_1m
-- from_ms = 1772600400000
-- interval_ms = 300000
-- from = 1772600400
-- to = 1772604000
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- if_index = 3
-- covered_from_ms = 1772600400000
-- covered_to_ms = 1772604000000
-- until_ms = 1772604000000
SELECT
    fromUnixTimestamp64Milli(time_ms, 'UTC') AS time,
    toFloat64(in_bytes) * 8000 / length_ms AS in_bits_per_second,
    toFloat64(out_bytes) * 8000 / length_ms AS out_bits_per_second,
    toFloat64(in_packets) * 1000 / length_ms AS in_packets_per_second,
    toFloat64(out_packets) * 1000 / length_ms AS out_packets_per_second,
    in_bytes,
    out_bytes,
    covered_ms
FROM
(
    SELECT *, greatest(least({covered_to_ms:Int64}, time_ms + {interval_ms:Int64}) - greatest({covered_from_ms:Int64}, time_ms), 0) AS covered_ms, if(covered_ms = 0, {interval_ms:Int64}, greatest(covered_ms, 1000)) AS length_ms
    FROM
    (
        SELECT toInt64(t.time_ms) AS time_ms, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'in'), 18446744073709551615)) AS in_bytes, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'out'), 18446744073709551615)) AS out_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'in'), 18446744073709551615)) AS in_packets, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'out'), 18446744073709551615)) AS out_packets
        FROM (SELECT toUnixTimestamp(t.time) * 1000 - (toUnixTimestamp(t.time) * 1000 - {from_ms:Int64}) % {interval_ms:Int64} AS time_ms, t.direction, t.bytes, t.packets
    FROM interface_1m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6} AND t.if_index = {if_index:UInt32}) AS t
        GROUP BY time_ms
        ORDER BY time_ms WITH FILL FROM {from_ms:Int64} TO {until_ms:Int64} STEP {interval_ms:Int64}
    )
)
ORDER BY time_ms;

-- interface from flows
-- from_ms = 1772600400001
-- interval_ms = 300000
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- if_index = 3
-- covered_from_ms = 1772600400001
-- covered_to_ms = 1772604000000
-- until_ms = 1772604000000
SELECT
    fromUnixTimestamp64Milli(time_ms, 'UTC') AS time,
    toFloat64(in_bytes) * 8000 / length_ms AS in_bits_per_second,
    toFloat64(out_bytes) * 8000 / length_ms AS out_bits_per_second,
    toFloat64(in_packets) * 1000 / length_ms AS in_packets_per_second,
    toFloat64(out_packets) * 1000 / length_ms AS out_packets_per_second,
    in_bytes,
    out_bytes,
    covered_ms
FROM
(
    SELECT *, greatest(least({covered_to_ms:Int64}, time_ms + {interval_ms:Int64}) - greatest({covered_from_ms:Int64}, time_ms), 0) AS covered_ms, if(covered_ms = 0, {interval_ms:Int64}, greatest(covered_ms, 1000)) AS length_ms
    FROM
    (
        SELECT toInt64(t.time_ms) AS time_ms, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'in'), 18446744073709551615)) AS in_bytes, toUInt64(least(sumIf(toUInt128(t.bytes), t.direction = 'out'), 18446744073709551615)) AS out_bytes, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'in'), 18446744073709551615)) AS in_packets, toUInt64(least(sumIf(toUInt128(t.packets), t.direction = 'out'), 18446744073709551615)) AS out_packets
        FROM (
    SELECT
        exporter_address, side, if_index, direction,
        arrayJoin(range(toUInt32(intDiv(greatest(began_ms, {from_ms:Int64}) - {from_ms:Int64}, {interval_ms:Int64})), toUInt32(intDiv(least(ended_ms, {to_ms:Int64}) - 1 - {from_ms:Int64}, {interval_ms:Int64})) + 1)) AS point,
        {from_ms:Int64} + point * {interval_ms:Int64} AS time_ms,
        if(began_ms >= time_ms AND ended_ms <= least(time_ms + {interval_ms:Int64}, {to_ms:Int64}), all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, least(time_ms + {interval_ms:Int64}, {to_ms:Int64})) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, time_ms) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= time_ms AND ended_ms <= least(time_ms + {interval_ms:Int64}, {to_ms:Int64}), all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, least(time_ms + {interval_ms:Int64}, {to_ms:Int64})) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, time_ms) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= time_ms AND began_ms < least(time_ms + {interval_ms:Int64}, {to_ms:Int64})) AS flows
    FROM
    (
        SELECT
            f.exporter_address AS exporter_address,
            arrayJoin([(f.in_if, 'in'), (f.out_if, 'out')]) AS side,
            side.1 AS if_index,
            side.2 AS direction,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    )
) AS t
    WHERE t.if_index = {if_index:UInt32}
        GROUP BY time_ms
        ORDER BY time_ms WITH FILL FROM {from_ms:Int64} TO {until_ms:Int64} STEP {interval_ms:Int64}
    )
)
ORDER BY time_ms;

-- host from flows
-- address = ::ffff:192.0.2.7
-- from = 1772600400.000
-- to = 1772604000.000
-- received_from = 1772514000.000
-- received_to = 1772776800.000
-- limit = 20
SELECT time_start, duration_ms, matched_by, src_addr, src_port, dst_addr, dst_port, protocol, dictGet('protocols_dictionary', 'name', toUInt64(protocol)) AS protocol_name, bytes, packets, exporter_address, exporter_name, in_if, out_if, tcp_flags, sampling_rate, post_nat_src_addr, post_nat_src_port, post_nat_dst_addr, post_nat_dst_port, flags, time_received
FROM
(
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'src' AS matched_by
    FROM flows AS f
    WHERE f.src_addr = {address:IPv6}
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'dst' AS matched_by
    FROM flows AS f
    WHERE f.dst_addr = {address:IPv6} AND NOT (f.src_addr = {address:IPv6})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'post_nat_src' AS matched_by
    FROM flows AS f
    WHERE f.post_nat_src_addr = {address:IPv6} AND NOT (f.src_addr = {address:IPv6}) AND NOT (f.dst_addr = {address:IPv6})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'post_nat_dst' AS matched_by
    FROM flows AS f
    WHERE f.post_nat_dst_addr = {address:IPv6} AND NOT (f.src_addr = {address:IPv6}) AND NOT (f.dst_addr = {address:IPv6}) AND NOT (f.post_nat_src_addr = {address:IPv6})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
)
ORDER BY time_start DESC, time_received DESC, src_addr, src_port, dst_addr, dst_port
LIMIT {limit:UInt64};

-- host from flows
-- address = ::ffff:192.0.2.7
-- port = 443
-- from = 1772600400.000
-- to = 1772604000.000
-- received_from = 1772514000.000
-- received_to = 1772776800.000
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- limit = 20
SELECT time_start, duration_ms, matched_by, src_addr, src_port, dst_addr, dst_port, protocol, dictGet('protocols_dictionary', 'name', toUInt64(protocol)) AS protocol_name, bytes, packets, exporter_address, exporter_name, in_if, out_if, tcp_flags, sampling_rate, post_nat_src_addr, post_nat_src_port, post_nat_dst_addr, post_nat_dst_port, flags, time_received
FROM
(
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'src' AS matched_by
    FROM flows AS f
    WHERE f.src_addr = {address:IPv6} AND f.src_port = {port:UInt16}
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
        AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'dst' AS matched_by
    FROM flows AS f
    WHERE f.dst_addr = {address:IPv6} AND f.dst_port = {port:UInt16} AND NOT (f.src_addr = {address:IPv6} AND f.src_port = {port:UInt16})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
        AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'post_nat_src' AS matched_by
    FROM flows AS f
    WHERE f.post_nat_src_addr = {address:IPv6} AND if(f.post_nat_src_port = 0, f.src_port, f.post_nat_src_port) = {port:UInt16} AND NOT (f.src_addr = {address:IPv6} AND f.src_port = {port:UInt16}) AND NOT (f.dst_addr = {address:IPv6} AND f.dst_port = {port:UInt16})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
        AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    UNION ALL
    SELECT f.time_start AS time_start, toInt64(dateDiff('millisecond', f.time_start, f.time_end)) AS duration_ms, f.src_addr AS src_addr, f.src_port AS src_port, f.dst_addr AS dst_addr, f.dst_port AS dst_port, f.protocol AS protocol, toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS bytes, toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS packets, f.exporter_address AS exporter_address, f.exporter_name AS exporter_name, f.in_if AS in_if, f.out_if AS out_if, f.tcp_flags AS tcp_flags, f.sampling_rate AS sampling_rate, f.post_nat_src_addr AS post_nat_src_addr, f.post_nat_src_port AS post_nat_src_port, f.post_nat_dst_addr AS post_nat_dst_addr, f.post_nat_dst_port AS post_nat_dst_port, f.flags AS flags, f.time_received AS time_received, 'post_nat_dst' AS matched_by
    FROM flows AS f
    WHERE f.post_nat_dst_addr = {address:IPv6} AND if(f.post_nat_dst_port = 0, f.dst_port, f.post_nat_dst_port) = {port:UInt16} AND NOT (f.src_addr = {address:IPv6} AND f.src_port = {port:UInt16}) AND NOT (f.dst_addr = {address:IPv6} AND f.dst_port = {port:UInt16}) AND NOT (f.post_nat_src_addr = {address:IPv6} AND if(f.post_nat_src_port = 0, f.src_port, f.post_nat_src_port) = {port:UInt16})
        AND f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
        AND ((f.time_end >= {from:DateTime64(3, 'UTC')} AND f.time_start < {to:DateTime64(3, 'UTC')}) OR (f.time_received >= {from:DateTime64(3, 'UTC')} AND f.time_received < {to:DateTime64(3, 'UTC')}))
        AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
)
ORDER BY time_start DESC, time_received DESC, src_addr, src_port, dst_addr, dst_port
LIMIT {limit:UInt64};

-- nat from nat_events
-- address = ::ffff:192.0.2.7
-- at = 1772600400.000
-- from = 1772600400.000
-- to = 1772604000.000
-- port = 40000
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- limit = 20
SELECT src_addr, src_port, protocol, port_block_start, port_block_end, user_name, since,
    if(until = toDateTime64(0, 3, 'UTC'), NULL, until) AS until, if(event = 0, 'flow record', 'log') AS told_by,
    dst_addr, dst_port, exporter_address
FROM
(
    SELECT e.src_addr AS src_addr, e.src_port AS src_port, e.protocol AS protocol,
        e.port_block_start AS port_block_start, e.port_block_end AS port_block_end, e.dst_addr AS dst_addr, e.dst_port AS dst_port,
        e.user_name AS user_name, e.exporter_address AS exporter_address, if(e.event IN (2, 5, 7, 9, 11, 15, 17), e.event - 1, e.event) AS event,
        maxIf(e.time_event, e.event IN (0, 1, 4, 6, 8, 10, 14, 16) AND e.time_event <= {at:DateTime64(3, 'UTC')}) AS since,
        maxIf(e.time_event, e.event IN (2, 5, 7, 9, 11, 15, 17) AND e.time_event <= {at:DateTime64(3, 'UTC')}) AS ended,
        minIf(e.time_event, e.event IN (2, 5, 7, 9, 11, 15, 17) AND e.time_event > {at:DateTime64(3, 'UTC')}) AS until
    FROM nat_events AS e
    WHERE e.post_nat_src_addr = {address:IPv6} AND e.time_event >= {from:DateTime64(3, 'UTC')} AND e.time_event < {to:DateTime64(3, 'UTC')}
        AND ((e.port_block_start = 0 AND e.port_block_end = 0) OR ({port:UInt16} BETWEEN e.port_block_start AND e.port_block_end AND ({port:UInt16} - e.port_block_start) % greatest(e.port_block_step, 1) = 0))
        AND e.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    GROUP BY src_addr, src_port, protocol, port_block_start, port_block_end, dst_addr, dst_port, user_name, exporter_address, event
    HAVING since > ended
    ORDER BY since DESC, src_addr, src_port, protocol, port_block_start, port_block_end, dst_addr, dst_port, user_name, exporter_address, event
    LIMIT {limit:UInt64}
)
ORDER BY since DESC, src_addr, src_port, protocol, port_block_start, port_block_end, dst_addr, dst_port, user_name, exporter_address, event;

-- as from as_5m
-- from = 1772600400
-- to = 1772604000
-- as = 64500
-- limit = 20
-- seconds = 3600
SELECT
    src_as,
    dictGet('as_names_dictionary', 'name', toUInt64(src_as)) AS src_as_name,
    dst_as,
    dictGet('as_names_dictionary', 'name', toUInt64(dst_as)) AS dst_as_name,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT src_as, dst_as, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM as_5m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.src_as = {as:UInt32}
    GROUP BY src_as, dst_as
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_as, dst_as
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_as, dst_as;

-- as from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- as = 64500
-- limit = 20
-- seconds = 3599.999
SELECT
    src_as,
    dictGet('as_names_dictionary', 'name', toUInt64(src_as)) AS src_as_name,
    dst_as,
    dictGet('as_names_dictionary', 'name', toUInt64(dst_as)) AS dst_as_name,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT src_as, dst_as, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        src_as, dst_as,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            if(f.src_as = 0, f.src_geo_as, f.src_as) AS src_as,
            if(f.dst_as = 0, f.dst_geo_as, f.dst_as) AS dst_as,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND if(f.src_as = 0, f.src_geo_as, f.src_as) = {as:UInt32}
    )
) AS t
    GROUP BY src_as, dst_as
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_as, dst_as
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_as, dst_as;

-- countries from country_5m
-- from = 1772600400
-- to = 1772604000
-- name = DE
-- limit = 20
-- seconds = 3600
SELECT
    dst_country,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT dst_country, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM country_5m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND (t.src_country = {name:String} OR t.dst_country = {name:String})
    GROUP BY dst_country
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, dst_country
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, dst_country;

-- countries from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- name = DE
-- limit = 20
-- seconds = 3599.999
SELECT
    dst_country,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT dst_country, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        dst_country,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.dst_country AS dst_country,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND (f.src_country = {name:String} OR f.dst_country = {name:String})
    )
) AS t
    GROUP BY dst_country
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, dst_country
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, dst_country;

-- services from service_5m
-- from = 1772600400
-- to = 1772604000
-- protocol = 17
-- limit = 20
-- seconds = 3600
SELECT
    protocol,
    dictGet('protocols_dictionary', 'name', toUInt64(protocol)) AS protocol_name,
    port,
    dictGet('services_dictionary', 'name', (protocol, port)) AS service_name,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT protocol, port, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM service_5m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.protocol = {protocol:UInt8}
    GROUP BY protocol, port
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, protocol, port
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, protocol, port;

-- services from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- protocol = 17
-- limit = 20
-- seconds = 3599.999
SELECT
    protocol,
    dictGet('protocols_dictionary', 'name', toUInt64(protocol)) AS protocol_name,
    port,
    dictGet('services_dictionary', 'name', (protocol, port)) AS service_name,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT protocol, port, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        protocol, port,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.protocol AS protocol,
            if(f.protocol IN (6, 17, 33, 132, 136), if(least(f.src_port, f.dst_port) = 0, greatest(f.src_port, f.dst_port), least(f.src_port, f.dst_port)), 0) AS port,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND f.protocol = {protocol:UInt8}
    )
) AS t
    GROUP BY protocol, port
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, protocol, port
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, protocol, port;

-- networks from network_5m
-- from = 1772600400
-- to = 1772604000
-- limit = 20
-- seconds = 3600
SELECT
    src_customer,
    src_network,
    dst_customer,
    dst_network,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT src_customer, src_network, dst_customer, dst_network, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM network_5m AS t
    WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')}
    GROUP BY src_customer, src_network, dst_customer, dst_network
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_customer, src_network, dst_customer, dst_network
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_customer, src_network, dst_customer, dst_network;

-- networks from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- limit = 20
-- seconds = 3599.999
SELECT
    src_customer,
    src_network,
    dst_customer,
    dst_network,
    bytes,
    packets,
    flows,
    toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(all_bytes = 0, 0, toFloat64(bytes) * 100 / all_bytes) AS percent
FROM
(
    SELECT src_customer, src_network, dst_customer, dst_network, toUInt64(least(sum(toUInt128(t.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(t.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(t.flows)), 18446744073709551615)) AS flows, sum(toFloat64(sum(toUInt128(t.bytes)))) OVER () AS all_bytes
    FROM (
    SELECT
        src_customer, src_network, dst_customer, dst_network,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.src_customer AS src_customer,
            f.src_network AS src_network,
            f.dst_customer AS dst_customer,
            f.dst_network AS dst_network,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
    )
) AS t
    GROUP BY src_customer, src_network, dst_customer, dst_network
    HAVING bytes != 0 OR packets != 0 OR flows != 0
    ORDER BY bytes DESC, src_customer, src_network, dst_customer, dst_network
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, src_customer, src_network, dst_customer, dst_network;

-- exporters from country_5m
-- from = 1772600400
-- to = 1772604000
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- minute_from = 1772600400
-- minute_to = 1772604000
-- recent_from = 1772603880.000
-- recent_to = 1772604000.000
-- limit = 20
-- seconds = 3600
SELECT exporter_address, dictGet('exporters_dictionary', 'name', exporter_address) AS exporter_name, bytes, packets, flows, toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(datagrams = 0 AND rows_stored != 0, NULL, datagrams) AS datagrams, rows_stored, rows_lost,
    if(last = 0, NULL, toDateTime(last, 'UTC')) AS last_seen
FROM
(
    SELECT s.exporter_address AS exporter_address, toUInt64(least(sum(toUInt128(s.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(s.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(s.flows)), 18446744073709551615)) AS flows,
        sum(s.datagrams) AS datagrams, sum(s.rows_stored) AS rows_stored, sum(s.rows_lost) AS rows_lost, max(s.last) AS last
    FROM
    (
        SELECT t.exporter_address AS exporter_address, t.bytes, t.packets, t.flows, toUInt64(0) AS datagrams, toUInt64(0) AS rows_stored,
            toUInt64(0) AS rows_lost, toUInt32(0) AS last
        FROM country_5m AS t WHERE t.time >= {from:DateTime('UTC')} AND t.time < {to:DateTime('UTC')} AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
        UNION ALL
        SELECT c.exporter_address AS exporter_address, toUInt64(0) AS bytes, toUInt64(0) AS packets, toUInt64(0) AS flows,
            greatest(sum(c.seen_xdp), sum(c.received_xdp)) + greatest(sum(c.seen_udp), sum(c.received_udp)) AS datagrams,
            greatest(sum(c.stored), sum(c.found)) AS rows_stored, sum(c.lost) AS rows_lost,
            greatest(max(c.heard), if(datagrams = 0, 0, toUnixTimestamp(c.minute))) AS last
        FROM
        (
            SELECT t.exporter_address AS exporter_address, t.minute AS minute, t.seen_xdp AS seen_xdp, t.received_xdp AS received_xdp,
                t.seen_udp AS seen_udp, t.received_udp AS received_udp, t.rows_stored AS stored, t.rows_lost_bound + t.rows_lost_rejected + t.rows_lost_block + t.rows_lost_stopped + t.rows_lost_panic AS lost, toUInt64(0) AS found,
                toUInt32(0) AS heard
            FROM ledger AS t
            WHERE t.minute >= {minute_from:DateTime('UTC')} AND t.minute < {minute_to:DateTime('UTC')} AND t.exporter_address != toIPv6('::') AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
            UNION ALL
            SELECT t.exporter_address AS exporter_address, toStartOfMinute(t.time_received) AS minute, 0, 0, 0, 0, 0, 0, count() AS found,
                toUnixTimestamp(max(t.time_received)) AS heard
            FROM flows AS t
            WHERE t.time_received >= {recent_from:DateTime64(3, 'UTC')} AND t.time_received < {recent_to:DateTime64(3, 'UTC')} AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
            GROUP BY exporter_address, minute
        ) AS c
        GROUP BY c.exporter_address, c.minute
    ) AS s
    GROUP BY exporter_address
    ORDER BY bytes DESC, datagrams DESC, exporter_address
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, datagrams DESC, exporter_address;

-- exporters from flows
-- from_ms = 1772600400001
-- to_ms = 1772604000000
-- received_from = 1772514000.001
-- received_to = 1772776800.000
-- began_to = 1772690400.000
-- ended_from = 1772600400.001
-- first = ::ffff:192.0.2.0
-- last = ::ffff:192.0.2.255
-- minute_from = 1772600400
-- minute_to = 1772604000
-- recent_from = 1772603880.000
-- recent_to = 1772604000.000
-- limit = 20
-- seconds = 3599.999
SELECT exporter_address, dictGet('exporters_dictionary', 'name', exporter_address) AS exporter_name, bytes, packets, flows, toFloat64(bytes) * 8 / {seconds:Float64} AS bits_per_second,
    if(datagrams = 0 AND rows_stored != 0, NULL, datagrams) AS datagrams, rows_stored, rows_lost,
    if(last = 0, NULL, toDateTime(last, 'UTC')) AS last_seen
FROM
(
    SELECT s.exporter_address AS exporter_address, toUInt64(least(sum(toUInt128(s.bytes)), 18446744073709551615)) AS bytes, toUInt64(least(sum(toUInt128(s.packets)), 18446744073709551615)) AS packets, toUInt64(least(sum(toUInt128(s.flows)), 18446744073709551615)) AS flows,
        sum(s.datagrams) AS datagrams, sum(s.rows_stored) AS rows_stored, sum(s.rows_lost) AS rows_lost, max(s.last) AS last
    FROM
    (
        SELECT t.exporter_address AS exporter_address, t.bytes, t.packets, t.flows, toUInt64(0) AS datagrams, toUInt64(0) AS rows_stored,
            toUInt64(0) AS rows_lost, toUInt32(0) AS last
        FROM (
    SELECT
        exporter_address,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_bytes, toUInt64(intDiv(toUInt128(all_bytes) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_bytes) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS bytes,
        if(began_ms >= {from_ms:Int64} AND ended_ms <= {to_ms:Int64}, all_packets, toUInt64(intDiv(toUInt128(all_packets) * toUInt64(least(ended_ms, {to_ms:Int64}) - began_ms), lived_ms) - intDiv(toUInt128(all_packets) * toUInt64(greatest(began_ms, {from_ms:Int64}) - began_ms), lived_ms))) AS packets,
        toUInt64(began_ms >= {from_ms:Int64} AND began_ms < {to_ms:Int64}) AS flows
    FROM
    (
        SELECT
            f.exporter_address AS exporter_address,
            toUInt64(least(toUInt128(f.bytes) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_bytes,
            toUInt64(least(toUInt128(f.packets) * greatest(f.sampling_rate, 1), 18446744073709551615)) AS all_packets,
            toUnixTimestamp64Milli(f.time_received) AS received_ms,
            toUnixTimestamp64Milli(f.time_end) AS told_ms,
            greatest(if(bitAnd(f.flags, 4) = 0 AND abs(told_ms - received_ms) <= 86400000, told_ms, received_ms), 0) AS end_ms,
            greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), 86400000), 0) AS began_ms,
            greatest(end_ms, began_ms + 1) AS ended_ms,
            toUInt64(ended_ms - began_ms) AS lived_ms
        FROM flows AS f
        WHERE f.time_received >= {received_from:DateTime64(3, 'UTC')} AND f.time_received < {received_to:DateTime64(3, 'UTC')}
            AND (f.time_end >= {ended_from:DateTime64(3, 'UTC')} OR f.time_received >= {ended_from:DateTime64(3, 'UTC')})
            AND (f.time_start < {began_to:DateTime64(3, 'UTC')} OR f.time_received < {began_to:DateTime64(3, 'UTC')})
            AND began_ms < {to_ms:Int64} AND ended_ms > {from_ms:Int64}
            AND bitAnd(f.flags, 128) = 0
            AND f.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
    )
) AS t
        UNION ALL
        SELECT c.exporter_address AS exporter_address, toUInt64(0) AS bytes, toUInt64(0) AS packets, toUInt64(0) AS flows,
            greatest(sum(c.seen_xdp), sum(c.received_xdp)) + greatest(sum(c.seen_udp), sum(c.received_udp)) AS datagrams,
            greatest(sum(c.stored), sum(c.found)) AS rows_stored, sum(c.lost) AS rows_lost,
            greatest(max(c.heard), if(datagrams = 0, 0, toUnixTimestamp(c.minute))) AS last
        FROM
        (
            SELECT t.exporter_address AS exporter_address, t.minute AS minute, t.seen_xdp AS seen_xdp, t.received_xdp AS received_xdp,
                t.seen_udp AS seen_udp, t.received_udp AS received_udp, t.rows_stored AS stored, t.rows_lost_bound + t.rows_lost_rejected + t.rows_lost_block + t.rows_lost_stopped + t.rows_lost_panic AS lost, toUInt64(0) AS found,
                toUInt32(0) AS heard
            FROM ledger AS t
            WHERE t.minute >= {minute_from:DateTime('UTC')} AND t.minute < {minute_to:DateTime('UTC')} AND t.exporter_address != toIPv6('::') AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
            UNION ALL
            SELECT t.exporter_address AS exporter_address, toStartOfMinute(t.time_received) AS minute, 0, 0, 0, 0, 0, 0, count() AS found,
                toUnixTimestamp(max(t.time_received)) AS heard
            FROM flows AS t
            WHERE t.time_received >= {recent_from:DateTime64(3, 'UTC')} AND t.time_received < {recent_to:DateTime64(3, 'UTC')} AND t.exporter_address BETWEEN {first:IPv6} AND {last:IPv6}
            GROUP BY exporter_address, minute
        ) AS c
        GROUP BY c.exporter_address, c.minute
    ) AS s
    GROUP BY exporter_address
    ORDER BY bytes DESC, datagrams DESC, exporter_address
    LIMIT {limit:UInt64}
)
ORDER BY bytes DESC, datagrams DESC, exporter_address;

