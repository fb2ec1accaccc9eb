//! The part of a span that data covers, which rates are over: neither the time before the collector was there nor the future is
//! time in which nothing came.
//!
//! It lasts from where the traffic begins of the first records that were received for the span to where that of the last ones ends,
//! whoever sent them and whatever is asked about them: time without traffic between two that have some is covered. Where records
//! came before the span and behind it, all of it is.

use super::ask::Error;
use super::choice::Choice;
use super::flows::life;
use super::question::{MINUTE_MS, Span};
use super::statement::whole_seconds;
use crate::clickhouse::Client;

/// Records from so long before a span, or behind it, show that it was not cut off.
const AROUND_MS: i64 = 2 * MINUTE_MS;
/// The latest that records are received after the traffic that they tell of.
const BEHIND_MS: i64 = 86_400_000;
/// Less than this is no time for a rate: a record may tell of a moment.
const SHORTEST_MS: i64 = 1000;

/// What covers a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// From the first to the last that there is data of.
    pub span: Span,
    /// Up to when there may be any: the end of the span, or now.
    pub until_ms: i64,
}

impl Covered {
    /// All of a span.
    #[must_use]
    pub fn whole(span: Span) -> Self {
        Self { span, until_ms: span.to_ms }
    }
}

/// What the statement tells, in milliseconds; 0 for nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// The first and the last minute in which records were received.
    received: (i64, i64),
    /// Where the traffic of the first begins, and that of the last ends.
    lived: (i64, i64),
    /// The first and the last bucket of the table.
    buckets: (i64, i64),
}

/// Asks what covers the span of a choice.
///
/// # Errors
/// ClickHouse does not answer, or something else.
pub(super) async fn covered(client: &Client, choice: &Choice, now_ms: i64) -> Result<Covered, Error> {
    let answer = client.query(&sql(choice), "TSV").await.map_err(|error| client.explain(error))?;
    let numbers: Vec<i64> = answer.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let [received_from, received_to, lived_from, lived_to, bucket_from, bucket_to] = numbers[..] else {
        return Err(Error::NoAnswer);
    };
    let told = Told {
        received: (received_from, received_to),
        lived: (lived_from, lived_to),
        buckets: (bucket_from, bucket_to),
    };
    Ok(told.covered(choice, now_ms))
}

/// A row of six numbers. Of `flows` the first minute with records is read and the last, found by the table's order.
fn sql(choice: &Choice) -> String {
    let Span { from_ms, to_ms } = choice.span;
    let at = |ms: i64| format!("fromUnixTimestamp64Milli({}, 'UTC')", ms.max(0));
    let end = |to_ms: i64, order: &str| {
        format!(
            "(SELECT toInt64(toUnixTimestamp(toStartOfMinute(f.time_received))) * 1000 FROM flows AS f \
             WHERE f.time_received >= {} AND f.time_received < {} ORDER BY toStartOfMinute(f.time_received) {order} LIMIT 1)",
            at(from_ms.saturating_sub(AROUND_MS)),
            at(to_ms)
        )
    };
    let life = life();
    let of_minute = |value: &str, minute: &str| {
        format!(
            "(SELECT {value} FROM (SELECT {life} FROM flows AS f WHERE f.time_received >= fromUnixTimestamp64Milli(ifNull({minute}, 0), 'UTC') \
             AND f.time_received < fromUnixTimestamp64Milli(ifNull({minute}, 0) + {MINUTE_MS}, 'UTC')))"
        )
    };
    let bucket = |which: &str| match choice.table.is_flows() {
        true => "0".to_owned(),
        false => format!(
            "(SELECT toInt64(toUnixTimestamp({which}(t.{time}))) * 1000 FROM {} AS t \
             WHERE t.{time} >= toDateTime({}, 'UTC') AND t.{time} < toDateTime({}, 'UTC'))",
            choice.table.name,
            whole_seconds(from_ms),
            whole_seconds(to_ms.saturating_add(999)),
            time = choice.table.time,
        ),
    };
    format!(
        "WITH {} AS first_minute, {} AS last_minute SELECT ifNull(first_minute, 0), ifNull(last_minute, 0), {}, {}, {}, {}",
        end(to_ms.saturating_add(BEHIND_MS), "ASC"),
        end(to_ms.saturating_add(AROUND_MS), "DESC"),
        of_minute("min(began_ms)", "first_minute"),
        of_minute("max(ended_ms)", "last_minute"),
        bucket("min"),
        bucket("max"),
    )
}

impl Told {
    fn covered(self, choice: &Choice, now_ms: i64) -> Covered {
        let Span { from_ms, to_ms } = choice.span;
        let until_ms = to_ms.min(now_ms.max(from_ms));
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let (bucket_from, bucket_to) = self.buckets;
        if bucket_from > 0 {
            first = bucket_from;
            last = bucket_to.saturating_add(choice.table.bucket_ms);
        }
        let (received_from, received_to) = self.received;
        if received_from > 0 {
            let begin = if received_from < from_ms { from_ms } else { self.lived.0 };
            let end = if received_to >= to_ms { to_ms } else { self.lived.1 };
            // What a bucket has from before the first record that is still there tells of data from its beginning on.
            let reaches_back = bucket_from > 0 && bucket_from.saturating_add(choice.table.bucket_ms) <= begin;
            first = if reaches_back { bucket_from } else { begin };
            last = end;
        }
        let span = Span { from_ms: first.max(from_ms), to_ms: last.min(to_ms).min(now_ms.max(first)) };
        if span.from_ms >= span.to_ms {
            return Covered { span: choice.span, until_ms };
        }
        let to_ms = span.to_ms.max(span.from_ms.saturating_add(SHORTEST_MS));
        Covered { span: Span { from_ms: span.from_ms, to_ms }, until_ms: until_ms.max(to_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::choice::{Held, choose};
    use super::super::question::{Ends, Grouping, Measure, Question, Request};
    use super::*;

    const FROM_MS: i64 = 1_772_600_400_000;
    const HOUR_MS: i64 = 60 * MINUTE_MS;

    /// Of a whole hour.
    fn choice(question: Question) -> Choice {
        let request = Request {
            question,
            span: Span { from_ms: FROM_MS, to_ms: FROM_MS + HOUR_MS },
            ends: Ends::Exact,
            filters: vec![],
            measure: Measure::Bytes,
            limit: 20,
            approximate: false,
            implausible: false,
        };
        choose(&request, &Held::default())
    }

    /// Where a case covers, as minutes from the beginning of the span.
    #[track_caller]
    fn check(question: Question, told: Told, now: f64, expected: (f64, f64)) {
        let choice = choice(question);
        let now_ms = FROM_MS + (now * 60_000.0) as i64;
        let Span { from_ms, to_ms } = told.covered(&choice, now_ms).span;
        let minutes = |ms: i64| (ms - FROM_MS) as f64 / 60_000.0;
        assert_eq!((minutes(from_ms), minutes(to_ms)), expected, "{told:?}");
    }

    /// Minutes from the beginning of the span; nothing is 0.
    fn at(minutes: f64) -> i64 {
        FROM_MS + (minutes * 60_000.0) as i64
    }

    #[test]
    fn of_flows_from_the_first_traffic_to_the_last() {
        let told = |received: (f64, f64), lived: (f64, f64)| Told {
            received: (at(received.0), at(received.1)),
            lived: (at(lived.0), at(lived.1)),
            buckets: (0, 0),
        };
        let top = || Question::Top(Grouping::Both);
        // Twenty seconds within the hour, asked soon, later, and long after.
        for now in [10.5, 59.0, 600.0] {
            check(top(), told((10.0, 10.0), (10.0, 10.0 + 1.0 / 3.0)), now, (10.0, 10.0 + 20_000.0 / 60_000.0));
        }
        // Records came before and behind: all of it.
        check(top(), told((-1.0, 60.0), (-5.0, 61.0)), 600.0, (0.0, 60.0));
        // The first flow began before the span.
        check(top(), told((1.0, 60.0), (-5.0, 61.0)), 600.0, (0.0, 60.0));
        // The future is not covered, whatever a clock says that is ahead.
        check(top(), told((-1.0, 29.0), (-5.0, 40.0)), 30.0, (0.0, 30.0));
        // One moment alone is taken for a second.
        let moment = Told { lived: (at(10.0), at(10.0) + 1), ..told((10.0, 10.0), (0.0, 0.0)) };
        check(top(), moment, 600.0, (10.0, 10.0 + 1.0 / 60.0));
        // Nothing: nothing is known of it.
        check(top(), Told::default(), 600.0, (0.0, 60.0));
    }

    #[test]
    fn of_rollups_what_flows_no_longer_hold_by_their_buckets() {
        let told = |received: i64, lived: (i64, i64), buckets: (f64, f64)| Told {
            received: (received, received),
            lived,
            buckets: (at(buckets.0), at(buckets.1)),
        };
        // Flows are gone.
        check(Question::Services, told(0, (0, 0), (10.0, 30.0)), 600.0, (10.0, 35.0));
        // Flows are there and tell it exactly, within the first bucket.
        check(Question::Services, told(at(12.0), (at(12.0), at(12.5)), (10.0, 10.0)), 600.0, (12.0, 12.5));
        // Those of the first half are gone.
        check(Question::Services, told(at(40.0), (at(40.0), at(40.5)), (10.0, 40.0)), 600.0, (10.0, 40.5));
    }
}
