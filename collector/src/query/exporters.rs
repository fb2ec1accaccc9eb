//! What is known of each exporter: its traffic, and what the ledger counted.

use super::choice::Choice;
use super::dimension::Dimension;
use super::flows::{SUMS, Shares, sum};
use super::names::Names;
use super::question::{MINUTE_MS, Request};
use super::ranking;
use super::statement::{Column, Kind, Parameters, Statement, whole_seconds};

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
    for filter in request.filters.iter().filter(|filter| filter.is_of_exporter()) {
        of_ledger.push_str(" AND ");
        of_ledger.push_str(&filter.sql(&mut parameters, |dimension| format!("t.{}", dimension.column())));
    }
    let limit = parameters.put("limit", "UInt64", request.limit);
    let length = parameters.put("seconds", "Float64", choice.span.length_ms() as f64 / 1000.0);
    let sums = SUMS.map(|sum| format!("t.{sum}")).join(", ");
    let all = SUMS.map(|name| format!("{} AS {name}", sum(&format!("s.{name}")))).join(", ");
    let order = format!("{} DESC, datagrams DESC, exporter_address", request.measure.column());
    let sql = format!(
        "SELECT exporter_address, {} AS exporter_name, bytes, packets, flows, toFloat64(bytes) * 8 / {length} AS bits_per_second,\n    \
         datagrams, rows_stored, rows_lost, if(last = 0, NULL, toDateTime(last, 'UTC')) AS last_seen\nFROM\n(\n    \
         SELECT s.exporter_address AS exporter_address, {all},\n        \
         sum(s.datagrams) AS datagrams, sum(s.rows_stored) AS rows_stored, sum(s.rows_lost) AS rows_lost, max(s.last) AS last\n    FROM\n    (\n        \
         SELECT t.exporter_address AS exporter_address, {sums}, toUInt64(0) AS datagrams, toUInt64(0) AS rows_stored,\n            \
         toUInt64(0) AS rows_lost, toUInt32(0) AS last\n        FROM {traffic}\n        UNION ALL\n        \
         SELECT t.exporter_address AS exporter_address, toUInt64(0) AS bytes, toUInt64(0) AS packets, toUInt64(0) AS flows,\n            \
         t.seen_xdp + t.seen_udp AS datagrams, t.rows_stored,\n            \
         t.rows_lost_bound + t.rows_lost_rejected + t.rows_lost_block + t.rows_lost_stopped + t.rows_lost_panic AS rows_lost,\n            \
         if(t.seen_xdp + t.seen_udp = 0, 0, toUnixTimestamp(t.minute)) AS last\n        \
         FROM ledger AS t\n        WHERE {of_ledger}\n    ) AS s\n    GROUP BY exporter_address\n    ORDER BY {order}\n    LIMIT {limit}\n)\nORDER BY {order}",
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
