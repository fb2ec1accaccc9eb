//! What is known of each exporter: its traffic, and what the ledger counted.

use super::choice::Choice;
use super::dimension::Dimension;
use super::flows::{SUMS, Shares, sum};
use super::names::Names;
use super::question::{MINUTE_MS, Request};
use super::ranking;
use super::statement::{Column, Kind, Parameters, Statement, seconds, whole_seconds};

/// The ledger learns of a minute some seconds after each of its datagrams, and of what the XDP program saw when the minute is over.
/// What came so short a time before the end of the span is looked for among the flows too.
const RECENT_MS: i64 = 2 * MINUTE_MS;
const SECONDS: &str = "DateTime64(3, 'UTC')";

/// The statement for the exporters. Those that sent datagrams but no traffic are there too; what the ledger cannot put to one
/// exporter is not.
pub(super) fn statement(request: &Request, choice: &Choice, names: Names) -> Statement {
    let mut parameters = Parameters::default();
    let traffic = if choice.table.is_flows() {
        let Request { filters, implausible, .. } = request;
        let (span, implausible) = (choice.span, *implausible);
        let shares =
            Shares { dimensions: &[Dimension::Exporter], more: &[], filters, implausible, span, interval_ms: None };
        shares.sql(&mut parameters) + " AS t"
    } else {
        let conditions = ranking::conditions(&request.filters, choice.span, choice.table.time, &mut parameters);
        format!("{} AS t WHERE {conditions}", choice.table.name)
    };
    let minutes = choice.span.aligned(MINUTE_MS);
    let from = parameters.put("minute_from", "DateTime('UTC')", whole_seconds(minutes.from_ms));
    let to = parameters.put("minute_to", "DateTime('UTC')", whole_seconds(minutes.to_ms));
    let mut of_ledger = format!("t.minute >= {from} AND t.minute < {to} AND t.exporter_address != toIPv6('::')");
    let mut of_recent = String::new();
    for filter in request.filters.iter().filter(|filter| filter.is_of_exporter()) {
        let condition = filter.sql(&mut parameters, |dimension| format!("t.{}", dimension.column()));
        of_ledger.push_str(&format!(" AND {condition}"));
        of_recent.push_str(&format!(" AND {condition}"));
    }
    let recent_from = parameters.put("recent_from", SECONDS, seconds(choice.span.to_ms - RECENT_MS));
    let recent_to = parameters.put("recent_to", SECONDS, seconds(choice.span.to_ms));
    let limit = parameters.put("limit", "UInt64", request.limit);
    let length = parameters.put("seconds", "Float64", choice.covered.span.length_ms() as f64 / 1000.0);
    let sums = SUMS.map(|sum| format!("t.{sum}")).join(", ");
    let all = SUMS.map(|name| format!("{} AS {name}", sum(&format!("s.{name}")))).join(", ");
    let order = format!("{} DESC, datagrams DESC, exporter_address", request.measure.column());
    let lost = "t.rows_lost_bound + t.rows_lost_rejected + t.rows_lost_block + t.rows_lost_stopped + t.rows_lost_panic";
    let counted = format!(
        "SELECT t.exporter_address AS exporter_address, t.minute AS minute, t.seen_xdp AS seen_xdp, t.received_xdp AS received_xdp,\n                \
         t.seen_udp AS seen_udp, t.received_udp AS received_udp, t.rows_stored AS stored, {lost} AS lost, toUInt64(0) AS found,\n                \
         toUInt32(0) AS heard\n            FROM ledger AS t\n            WHERE {of_ledger}\n            UNION ALL\n            \
         SELECT t.exporter_address AS exporter_address, toStartOfMinute(t.time_received) AS minute, 0, 0, 0, 0, 0, 0, count() AS found,\n                \
         toUnixTimestamp(max(t.time_received)) AS heard\n            FROM flows AS t\n            \
         WHERE t.time_received >= {recent_from} AND t.time_received < {recent_to}{of_recent}\n            \
         GROUP BY exporter_address, minute"
    );
    let sql = format!(
        "SELECT exporter_address, {} AS exporter_name, bytes, packets, flows, toFloat64(bytes) * 8 / {length} AS bits_per_second,\n    \
         if(datagrams = 0 AND rows_stored != 0, NULL, datagrams) AS datagrams, rows_stored, rows_lost,\n    \
         if(last = 0, NULL, toDateTime(last, 'UTC')) AS last_seen\nFROM\n(\n    \
         SELECT s.exporter_address AS exporter_address, {all},\n        \
         sum(s.datagrams) AS datagrams, sum(s.rows_stored) AS rows_stored, sum(s.rows_lost) AS rows_lost, max(s.last) AS last\n    FROM\n    (\n        \
         SELECT t.exporter_address AS exporter_address, {sums}, toUInt64(0) AS datagrams, toUInt64(0) AS rows_stored,\n            \
         toUInt64(0) AS rows_lost, toUInt32(0) AS last\n        FROM {traffic}\n        UNION ALL\n        \
         SELECT c.exporter_address AS exporter_address, toUInt64(0) AS bytes, toUInt64(0) AS packets, toUInt64(0) AS flows,\n            \
         greatest(sum(c.seen_xdp), sum(c.received_xdp)) + greatest(sum(c.seen_udp), sum(c.received_udp)) AS datagrams,\n            \
         greatest(sum(c.stored), sum(c.found)) AS rows_stored, sum(c.lost) AS rows_lost,\n            \
         greatest(max(c.heard), if(datagrams = 0, 0, toUnixTimestamp(c.minute))) AS last\n        FROM\n        (\n            {counted}\n        ) AS c\n        \
         GROUP BY c.exporter_address, c.minute\n    ) AS s\n    GROUP BY exporter_address\n    ORDER BY {order}\n    LIMIT {limit}\n)\nORDER BY {order}",
        names.exporter("exporter_address"),
    );
    let column = |(name, kind)| Column { name, kind };
    let columns = [
        ("exporter_address", Kind::Address),
        ("exporter_name", Kind::Text),
        ("bytes", Kind::Bytes),
        ("packets", Kind::Count),
        ("flows", Kind::Count),
        ("bits_per_second", Kind::BitRate),
        ("datagrams", Kind::Count),
        ("rows_stored", Kind::Count),
        ("rows_lost", Kind::Count),
        ("last_seen", Kind::Time),
    ];
    Statement { sql, parameters: parameters.0, columns: columns.map(column).to_vec() }
}
