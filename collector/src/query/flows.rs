//! `flows` as a table of shares of traffic: what of each flow falls into a span, by the rules that the rollups are made by.
//!
//! A flow lives from its start up to its end, at least 1 ms and at most a day; one that ended more than a day before or after its
//! receipt, or whose exporter's clock is known to be wrong, is taken to have ended when it was received. Up to a moment `value * elapsed / lived` of it has passed, rounded down,
//! and a span gets the difference between its two ends, so shares of spans that touch add up. A flow counts where it began.
//! What does not fit 64 bits, a product with the sampling rate or a sum, is the largest number that does.

use netflow::columns::flags::{CLOCK_OFF, IMPLAUSIBLE};

use super::dimension::Dimension;
use super::filter::Filter;
use super::question::Span;
use super::statement::{Parameters, seconds};

/// The longest that a flow lives, and the farthest that its end may be from its receipt.
const DAY_MS: i64 = 86_400_000;

/// When a row of flows, `f`, lived: `began_ms` and `ended_ms`.
pub(super) fn life() -> String {
    format!(
        "toUnixTimestamp64Milli(f.time_received) AS received_ms,\n            \
         toUnixTimestamp64Milli(f.time_end) AS told_ms,\n            \
         greatest(if(bitAnd(f.flags, {CLOCK_OFF}) = 0 AND abs(told_ms - received_ms) <= {DAY_MS}, told_ms, received_ms), 0) AS end_ms,\n            \
         greatest(end_ms - least(greatest(told_ms - toUnixTimestamp64Milli(f.time_start), 0), {DAY_MS}), 0) AS began_ms,\n            \
         greatest(end_ms, began_ms + 1) AS ended_ms"
    )
}

/// Columns that are added up; those of rollups have the same names.
pub(super) const SUMS: [&str; 3] = ["bytes", "packets", "flows"];

/// A count of flows `f` multiplied by the sampling rate. ClickHouse's own product of numbers of 64 bits would begin again at 0.
pub(super) fn estimate(count: &str) -> String {
    at_most(&format!("toUInt128({count}) * greatest(f.sampling_rate, 1)"))
}

/// A sum of numbers of 64 bits in as many.
pub(super) fn sum(column: &str) -> String {
    at_most(&format!("sum(toUInt128({column}))"))
}

/// As [`sum`], of the rows that meet a condition.
pub(super) fn sum_if(column: &str, condition: &str) -> String {
    at_most(&format!("sumIf(toUInt128({column}), {condition})"))
}

/// A wide number, or the largest that fits 64 bits.
fn at_most(wide: &str) -> String {
    format!("toUInt64(least({wide}, {}))", u64::MAX)
}

/// Where shares are asked of.
pub(super) struct Shares<'a> {
    /// What is told apart.
    pub(super) dimensions: &'a [Dimension],
    /// More columns, over the columns of flows `f`.
    pub(super) more: &'a [&'a str],
    pub(super) filters: &'a [Filter],
    /// Whether flows whose counts cannot be are in it.
    pub(super) implausible: bool,
    pub(super) span: Span,
    /// Length of the points that the span is cut into, the first of which begins with it; `None` for one share of the whole span.
    pub(super) interval_ms: Option<i64>,
}

impl Shares<'_> {
    /// A subquery, in parentheses, with a column for each dimension under its name, `more`, the sums, and `time_ms` where
    /// there are points.
    pub(super) fn sql(&self, parameters: &mut Parameters) -> String {
        let Span { from_ms, to_ms } = self.span;
        let (from, to) = (parameters.put("from_ms", "Int64", from_ms), parameters.put("to_ms", "Int64", to_ms));
        let columns: String = self
            .dimensions
            .iter()
            .map(|dimension| format!("{} AS {}", dimension.of_flows(), dimension.column()))
            .chain(self.more.iter().map(|column| (*column).to_owned()))
            .map(|column| format!("            {column},\n"))
            .collect();
        let kept = self.kept();
        let kept = if kept.is_empty() { String::new() } else { format!("        {},\n", kept.join(", ")) };
        let received_from = parameters.put("received_from", SECONDS, seconds(from_ms.saturating_sub(DAY_MS)));
        let received_to = parameters.put("received_to", SECONDS, seconds(to_ms.saturating_add(2 * DAY_MS)));
        let began_to = parameters.put("began_to", SECONDS, seconds(to_ms.saturating_add(DAY_MS)));
        let ended_from = parameters.put("ended_from", SECONDS, seconds(from_ms));
        let conditions: String = self
            .filters
            .iter()
            .map(|filter| filter.sql(parameters, |dimension| dimension.of_flows().to_owned()))
            .map(|condition| format!("\n            AND {condition}"))
            .collect();
        let (point_from, point_to, time) = match self.interval_ms {
            None => (from.clone(), to.clone(), String::new()),
            Some(interval_ms) => {
                let interval = parameters.put("interval_ms", "Int64", interval_ms);
                let points = format!(
                    "        arrayJoin(range(toUInt32(intDiv(greatest(began_ms, {from}) - {from}, {interval})), \
                     toUInt32(intDiv(least(ended_ms, {to}) - 1 - {from}, {interval})) + 1)) AS point,\n        \
                     {from} + point * {interval} AS time_ms,\n"
                );
                ("time_ms".to_owned(), format!("least(time_ms + {interval}, {to})"), points)
            }
        };
        let share = |all: &str| {
            let passed = |moment: &str| format!("intDiv(toUInt128({all}) * toUInt64({moment} - began_ms), lived_ms)");
            let (before, until) =
                (passed(&format!("greatest(began_ms, {point_from})")), passed(&format!("least(ended_ms, {point_to})")));
            // Most flows lie within: what costs is done for the others alone.
            format!("if(began_ms >= {point_from} AND ended_ms <= {point_to}, {all}, toUInt64({until} - {before}))")
        };
        format!(
            "(\n    SELECT\n{kept}{time}        {bytes} AS bytes,\n        {packets} AS packets,\n        \
             toUInt64(began_ms >= {point_from} AND began_ms < {point_to}) AS flows\n    FROM\n    (\n        SELECT\n{columns}            \
             {all_bytes} AS all_bytes,\n            \
             {all_packets} AS all_packets,\n            \
             {life},\n            \
             toUInt64(ended_ms - began_ms) AS lived_ms\n        \
             FROM flows AS f\n        \
             WHERE f.time_received >= {received_from} AND f.time_received < {received_to}\n            \
             AND (f.time_end >= {ended_from} OR f.time_received >= {ended_from})\n            \
             AND (f.time_start < {began_to} OR f.time_received < {began_to})\n            \
             AND began_ms < {to} AND ended_ms > {from}{plausible}{conditions}\n    )\n)",
            life = life(),
            bytes = share("all_bytes"),
            plausible = if self.implausible {
                String::new()
            } else {
                format!("\n            AND bitAnd(f.flags, {IMPLAUSIBLE}) = 0")
            },
            packets = share("all_packets"),
            all_bytes = estimate("f.bytes"),
            all_packets = estimate("f.packets"),
        )
    }

    /// What the outer of the two selects takes over from the inner one.
    fn kept(&self) -> Vec<&str> {
        let more = self.more.iter().filter_map(|column| column.rsplit_once(" AS ").map(|(_, name)| name));
        self.dimensions.iter().map(|dimension| dimension.column()).chain(more).collect()
    }
}

/// A moment with milliseconds.
const SECONDS: &str = "DateTime64(3, 'UTC')";
