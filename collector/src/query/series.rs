//! An interface's traffic over time: rates in both directions, a row for each point, also where nothing was.

use super::choice::Choice;
use super::dimension::Dimension;
use super::flows::{Shares, sum_if};
use super::question::{MINUTE_MS, Request, Span};
use super::ranking;
use super::statement::{Column, Kind, Parameters, Statement};

/// Lengths of points that people count in.
const INTERVALS_MINUTES: [i64; 14] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440];
/// The most points where the length is left to us.
const POINTS: i64 = 120;
/// The most points at all.
pub(super) const MOST_POINTS: i64 = 11_000;

/// The length of a point that suits a span.
pub(super) fn interval_ms(span: Span) -> i64 {
    let mut lengths = INTERVALS_MINUTES.into_iter().map(|minutes| minutes * MINUTE_MS);
    lengths.find(|length| span.length_ms() <= length * POINTS).unwrap_or(30 * 1440 * MINUTE_MS)
}

/// The shortest part of a point that a rate is over.
const SHORTEST_MS: i64 = 1000;

/// The statement for an interface's traffic. The points begin with the span; the last may be cut short by its end. A rate is over
/// as much of its point as data covers; there are no points that are yet to come.
pub(super) fn statement(request: &Request, choice: &Choice, if_index: u32) -> Statement {
    let interval_ms = request.question.interval_ms().unwrap_or_else(|| interval_ms(choice.span));
    let Span { from_ms, .. } = choice.span;
    let mut parameters = Parameters::default();
    let from = parameters.put("from_ms", "Int64", from_ms);
    let interval = parameters.put("interval_ms", "Int64", interval_ms);
    let source = if choice.table.is_flows() {
        let sides =
            ["arrayJoin([(f.in_if, 'in'), (f.out_if, 'out')]) AS side", "side.1 AS if_index", "side.2 AS direction"];
        let shares = Shares {
            dimensions: &[Dimension::Exporter],
            more: &sides,
            filters: &request.filters,
            implausible: request.implausible,
            span: choice.span,
            interval_ms: Some(interval_ms),
        };
        let source = shares.sql(&mut parameters);
        let if_index = parameters.put("if_index", "UInt32", if_index);
        format!("{source} AS t\n    WHERE t.if_index = {if_index}")
    } else {
        let time = format!("toUnixTimestamp(t.{}) * 1000", choice.table.time);
        let conditions = ranking::conditions(&request.filters, choice.span, choice.table.time, &mut parameters);
        let if_index = parameters.put("if_index", "UInt32", if_index);
        format!(
            "(SELECT {time} - ({time} - {from}) % {interval} AS time_ms, t.direction, t.bytes, t.packets\n    \
             FROM {} AS t\n    WHERE {conditions} AND t.if_index = {if_index}) AS t",
            choice.table.name
        )
    };
    let sum = |sum: &str, direction: &str| {
        let all = sum_if(&format!("t.{sum}"), &format!("t.direction = '{direction}'"));
        format!("{all} AS {direction}_{sum}")
    };
    let covered = choice.covered.span;
    let covered_from = parameters.put("covered_from_ms", "Int64", covered.from_ms);
    let covered_to = parameters.put("covered_to_ms", "Int64", covered.to_ms);
    let fill_to = parameters.put("until_ms", "Int64", choice.covered.until_ms);
    let covered = format!(
        "greatest(least({covered_to}, time_ms + {interval}) - greatest({covered_from}, time_ms), 0) AS covered_ms"
    );
    // Points that no data covers have no traffic, so any length will do.
    let length = format!("if(covered_ms = 0, {interval}, greatest(covered_ms, {SHORTEST_MS})) AS length_ms");
    let sql = format!(
        "SELECT\n    fromUnixTimestamp64Milli(time_ms, 'UTC') AS time,\n    \
         toFloat64(in_bytes) * 8000 / length_ms AS in_bits_per_second,\n    toFloat64(out_bytes) * 8000 / length_ms AS out_bits_per_second,\n    \
         toFloat64(in_packets) * 1000 / length_ms AS in_packets_per_second,\n    toFloat64(out_packets) * 1000 / length_ms AS out_packets_per_second,\n    \
         in_bytes,\n    out_bytes,\n    covered_ms\nFROM\n(\n    SELECT *, {covered}, {length}\n    FROM\n    (\n        \
         SELECT toInt64(t.time_ms) AS time_ms, {}, {}, {}, {}\n        FROM {source}\n        \
         GROUP BY time_ms\n        ORDER BY time_ms WITH FILL FROM {from} TO {fill_to} STEP {interval}\n    )\n)\nORDER BY time_ms",
        sum("bytes", "in"),
        sum("bytes", "out"),
        sum("packets", "in"),
        sum("packets", "out"),
    );
    let column = |(name, kind)| Column { name, kind };
    let columns = [
        ("time", Kind::Time),
        ("in_bits_per_second", Kind::BitRate),
        ("out_bits_per_second", Kind::BitRate),
        ("in_packets_per_second", Kind::PacketRate),
        ("out_packets_per_second", Kind::PacketRate),
        ("in_bytes", Kind::Bytes),
        ("out_bytes", Kind::Bytes),
        ("covered_ms", Kind::Duration),
    ];
    Statement { sql, parameters: parameters.0, columns: columns.map(column).to_vec() }
}

/// The span cut to whole points is left to the asker; too many points are refused.
pub(super) fn is_too_fine(span: Span, interval_ms: Option<i64>) -> bool {
    interval_ms.is_some_and(|interval_ms| interval_ms <= 0 || span.length_ms() / interval_ms > MOST_POINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_as_long_as_suits_the_span() {
        for (hours, minutes) in [
            (1, 1),
            (2, 1),
            (3, 2),
            (24, 15),
            (7 * 24, 120),
            (30 * 24, 360),
            (365 * 24, 7 * 1440),
            (9000 * 24, 30 * 1440),
        ] {
            let span = Span { from_ms: 0, to_ms: hours * 60 * MINUTE_MS };
            assert_eq!(interval_ms(span), minutes * MINUTE_MS, "{hours} h");
        }
    }
}
