//! Single rows: every flow of a host, and who had an outside address and port.

use std::net::{IpAddr, Ipv6Addr};

use super::choice::Choice;
use super::filter::Filter;
use super::flows::estimate;
use super::names::Names;
use super::question::{Request, Span};
use super::statement::{Column, Kind, Parameters, Statement, seconds};

/// How far a flow's receipt may be from the time it lived in.
const BEFORE_MS: i64 = 86_400_000;
const BEHIND_MS: i64 = 2 * BEFORE_MS;
const MILLISECONDS: &str = "DateTime64(3, 'UTC')";

/// Columns of `flows` that tell of a flow, as they are in the answer.
const FLOW: [(&str, &str, Kind); 21] = [
    ("f.time_start", "time_start", Kind::Time),
    ("toInt64(dateDiff('millisecond', f.time_start, f.time_end))", "duration_ms", Kind::Duration),
    ("f.src_addr", "src_addr", Kind::Address),
    ("f.src_port", "src_port", Kind::Number),
    ("f.dst_addr", "dst_addr", Kind::Address),
    ("f.dst_port", "dst_port", Kind::Number),
    ("f.protocol", "protocol", Kind::Number),
    ("f.bytes", "bytes", Kind::Bytes),
    ("f.packets", "packets", Kind::Count),
    ("f.exporter_address", "exporter_address", Kind::Address),
    ("f.exporter_name", "exporter_name", Kind::Text),
    ("f.in_if", "in_if", Kind::Number),
    ("f.out_if", "out_if", Kind::Number),
    ("f.tcp_flags", "tcp_flags", Kind::Number),
    ("f.sampling_rate", "sampling_rate", Kind::Number),
    ("f.post_nat_src_addr", "post_nat_src_addr", Kind::Address),
    ("f.post_nat_src_port", "post_nat_src_port", Kind::Number),
    ("f.post_nat_dst_addr", "post_nat_dst_addr", Kind::Address),
    ("f.post_nat_dst_port", "post_nat_dst_port", Kind::Number),
    ("f.flags", "flags", Kind::Number),
    ("f.time_received", "time_received", Kind::Time),
];

/// The addresses of a flow that a host can be found by, each with its port.
///
/// Behind a NAT one direction of a conversation has the host as it is, the other has it after translation alone.
const ENDS: [(&str, &str); 4] = [
    ("src", "f.src_port"),
    ("dst", "f.dst_port"),
    ("post_nat_src", "if(f.post_nat_src_port = 0, f.src_port, f.post_nat_src_port)"),
    ("post_nat_dst", "if(f.post_nat_dst_port = 0, f.dst_port, f.post_nat_dst_port)"),
];

/// The statement for the flows of a host that lived in the span, or whose records came in it; the newest first.
///
/// Each address is asked for by itself, so that each can be found by an order or index of its own; a flow that has the host in
/// several is there once, under the first.
pub(super) fn host(request: &Request, choice: &Choice, names: Names, address: IpAddr, port: Option<u16>) -> Statement {
    let mut parameters = Parameters::default();
    let Span { from_ms, to_ms } = choice.span;
    // Of most flows the addresses after translation are unspecified: nobody means those.
    let ends = if address.is_unspecified() { &ENDS[..2] } else { &ENDS[..] };
    let address = parameters.put("address", "IPv6", mapped(address));
    let port = port.map(|port| parameters.put("port", "UInt16", port));
    let from = parameters.put("from", MILLISECONDS, seconds(from_ms));
    let to = parameters.put("to", MILLISECONDS, seconds(to_ms));
    let received_from = parameters.put("received_from", MILLISECONDS, seconds(from_ms.saturating_sub(BEFORE_MS)));
    let received_to = parameters.put("received_to", MILLISECONDS, seconds(to_ms.saturating_add(BEHIND_MS)));
    let is_end = |(end, its_port): &(&str, &str)| match &port {
        None => format!("f.{end}_addr = {address}"),
        Some(port) => format!("f.{end}_addr = {address} AND {its_port} = {port}"),
    };
    let conditions = filters(&request.filters, &mut parameters);
    let when = format!(
        "f.time_received >= {received_from} AND f.time_received < {received_to}\n        \
         AND ((f.time_end >= {from} AND f.time_start < {to}) OR (f.time_received >= {from} AND f.time_received < {to})){conditions}"
    );
    let columns: Vec<String> = FLOW
        .iter()
        .map(|(expression, name, _)| match *name {
            "bytes" | "packets" => format!("{} AS {name}", estimate(expression)),
            _ => format!("{expression} AS {name}"),
        })
        .collect();
    let columns = columns.join(", ");
    let limit = parameters.put("limit", "UInt64", request.limit);
    let selects: Vec<String> = ends
        .iter()
        .enumerate()
        .map(|(index, end)| {
            let others: String = ends[..index].iter().map(|other| format!(" AND NOT ({})", is_end(other))).collect();
            format!(
                "    SELECT {columns}, '{}' AS matched_by\n    FROM flows AS f\n    WHERE {}{others}\n        AND {when}",
                end.0,
                is_end(end)
            )
        })
        .collect();
    let mut shown: Vec<String> = FLOW.iter().map(|(_, name, _)| (*name).to_owned()).collect();
    let mut answer: Vec<Column> = FLOW.iter().map(|(_, name, kind)| Column { name, kind: *kind }).collect();
    let behind = |name: &str| 1 + FLOW.iter().position(|(_, column, _)| *column == name).unwrap_or(0);
    // The later one first, which moves nothing before it.
    for (place, expression, name) in [
        (behind("protocol"), format!("{} AS protocol_name", names.protocol("protocol")), "protocol_name"),
        (behind("duration_ms"), "matched_by".to_owned(), "matched_by"),
    ] {
        shown.insert(place, expression);
        answer.insert(place, Column { name, kind: Kind::Text });
    }
    let sql = format!(
        "SELECT {}\nFROM\n(\n{}\n)\nORDER BY time_start DESC, time_received DESC, src_addr, src_port, dst_addr, dst_port\nLIMIT {limit}",
        shown.join(", "),
        selects.join("\n    UNION ALL\n"),
    );
    Statement { sql, parameters: parameters.0, columns: answer }
}

fn filters(filters: &[Filter], parameters: &mut Parameters) -> String {
    let mut text = String::new();
    for filter in filters {
        text.push_str("\n        AND ");
        text.push_str(&filter.sql(parameters, |dimension| dimension.of_flows().to_owned()));
    }
    text
}

/// What makes an event the end of what another began; the number of that one is one less: natEvent in IANA's registry.
const ENDING: &str = "(2, 5, 7, 9, 11, 15, 17)";
/// What begins something; 0 is a translation that a flow record tells of, which says that it was in use then.
const BEGINNING: &str = "(0, 1, 4, 6, 8, 10, 14, 16)";

/// The statement for who had an outside address and port at a time: what had begun by then and not ended, the last begun first.
pub(super) fn nat(request: &Request, choice: &Choice, (address, port): (IpAddr, Option<u16>), at_ms: i64) -> Statement {
    let mut parameters = Parameters::default();
    let address = parameters.put("address", "IPv6", mapped(address));
    let at = parameters.put("at", MILLISECONDS, seconds(at_ms));
    let from = parameters.put("from", MILLISECONDS, seconds(choice.span.from_ms));
    let to = parameters.put("to", MILLISECONDS, seconds(choice.span.to_ms));
    // Without a block and without a port the whole address was given away.
    let port = port.map_or_else(String::new, |port| {
        let port = parameters.put("port", "UInt16", port);
        format!(
            "\n        AND ((e.port_block_start = 0 AND e.port_block_end = 0) OR ({port} BETWEEN e.port_block_start AND e.port_block_end \
             AND ({port} - e.port_block_start) % greatest(e.port_block_step, 1) = 0))"
        )
    });
    let conditions = filters(&request.filters, &mut parameters).replace("f.", "e.");
    let limit = parameters.put("limit", "UInt64", request.limit);
    let group = "src_addr, src_port, protocol, port_block_start, port_block_end, dst_addr, dst_port, user_name, exporter_address, event";
    let sql = format!(
        "SELECT src_addr, src_port, protocol, port_block_start, port_block_end, user_name, since,\n    \
         if(until = toDateTime64(0, 3, 'UTC'), NULL, until) AS until, if(event = 0, 'flow record', 'log') AS told_by,\n    \
         dst_addr, dst_port, exporter_address\nFROM\n(\n    SELECT e.src_addr AS src_addr, e.src_port AS src_port, e.protocol AS protocol,\n        \
         e.port_block_start AS port_block_start, e.port_block_end AS port_block_end, e.dst_addr AS dst_addr, e.dst_port AS dst_port,\n        \
         e.user_name AS user_name, e.exporter_address AS exporter_address, if(e.event IN {ENDING}, e.event - 1, e.event) AS event,\n        \
         maxIf(e.time_event, e.event IN {BEGINNING} AND e.time_event <= {at}) AS since,\n        \
         maxIf(e.time_event, e.event IN {ENDING} AND e.time_event <= {at}) AS ended,\n        \
         minIf(e.time_event, e.event IN {ENDING} AND e.time_event > {at}) AS until\n    FROM nat_events AS e\n    \
         WHERE e.post_nat_src_addr = {address} AND e.time_event >= {from} AND e.time_event < {to}{port}{conditions}\n    \
         GROUP BY {group}\n    HAVING since > ended\n    ORDER BY since DESC, {group}\n    LIMIT {limit}\n)\n\
         ORDER BY since DESC, {group}"
    );
    let column = |(name, kind)| Column { name, kind };
    let columns = [
        ("src_addr", Kind::Address),
        ("src_port", Kind::Number),
        ("protocol", Kind::Number),
        ("port_block_start", Kind::Number),
        ("port_block_end", Kind::Number),
        ("user_name", Kind::Text),
        ("since", Kind::Time),
        ("until", Kind::Time),
        ("told_by", Kind::Text),
        ("dst_addr", Kind::Address),
        ("dst_port", Kind::Number),
        ("exporter_address", Kind::Address),
    ];
    Statement { sql, parameters: parameters.0, columns: columns.map(column).to_vec() }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}
