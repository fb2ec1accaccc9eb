//! Which table answers: the smallest that tells apart what the question needs, whose buckets fit the span, and that still holds all
//! of it. Where none does, the one that comes nearest, and the answer says in what it falls short.

use super::covered::Covered;
use super::dimension::Dimension;
use super::question::{Ends, MINUTE_MS, Question, Request, Span};
use super::table::{FLOWS, NAT_EVENTS, Sides, TABLES, Table};

/// Tables that begin within this of each other began together: a rollup begins when traffic began, `flows` when the first record
/// of it came, which for a flow is up to a day later.
const TOGETHER_MS: i64 = 25 * 3_600_000;
/// Named ends may be moved to whole buckets when that lengthens the span by no more than one part in this many.
const MOVED_PART: i64 = 20;

/// What tables hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Since when a table holds rows, by its name; tables without rows are not in it.
    pub tables: Vec<(&'static str, i64)>,
    /// Tables that get no rows any more by the configuration: since when is not known.
    pub off: Vec<&'static str>,
}

/// A table and how it answers.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The table.
    pub table: &'static Table,
    /// The span that it answers for: what was asked, or whole buckets around it.
    pub span: Span,
    /// What of it data covers, which rates are over; all of it until that is asked.
    pub covered: Covered,
    /// Why this table.
    pub reason: Reason,
    /// Since when it holds rows, where that is after the beginning of the span.
    pub begins_ms: Option<i64>,
    /// Whether it gets no rows any more, so that the end of the span may be missing.
    pub is_off: bool,
}

/// Why a table was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The smallest that answers exactly.
    Smallest,
    /// No other table has what is asked for.
    Only,
    /// No smaller table tells this apart.
    TellsApart(&'static str),
    /// The points asked for are shorter than the buckets of the smaller table.
    Finer(&'static str),
    /// The buckets of the smaller table do not fit the ends of the span.
    Ends(&'static str),
    /// The smaller table reaches back to this time only.
    Reaches(&'static str, i64),
    /// The smaller table is empty.
    Empty(&'static str),
    /// The smaller table gets no rows any more.
    Off(&'static str),
    /// Flows whose counts cannot be were asked for.
    Implausible,
    /// A lower bound was asked for.
    Asked,
    /// `flows` no longer reaches back that far.
    FlowsGone(Option<i64>),
}

impl Held {
    /// Since when the table of this name holds rows.
    #[must_use]
    pub fn since(&self, table: &str) -> Option<i64> {
        self.tables.iter().find(|(name, _)| *name == table).map(|(_, since)| *since)
    }

    /// Whether a table gets no rows any more.
    #[must_use]
    pub fn is_off(&self, table: &str) -> bool {
        self.off.contains(&table)
    }

    fn earliest(&self) -> Option<i64> {
        self.tables.iter().map(|(_, since)| *since).min()
    }
}

/// Chooses the table for a request, by what is held.
#[must_use]
pub fn choose(request: &Request, held: &Held) -> Choice {
    if let Some(table) = only(&request.question) {
        return choice(request, held, table, Reason::Only);
    }
    if request.implausible {
        return choice(request, held, &FLOWS, Reason::Implausible);
    }
    let needed = needed(request);
    let able: Vec<&'static Table> = TABLES.into_iter().filter(|table| is_able(table, request, &needed)).collect();
    let exact = || able.iter().copied().filter(|table| table.is_exact);
    let bounds = || able.iter().copied().filter(|table| !table.is_exact);
    let covers = |table: &&'static Table| covers(table, request, held);
    if request.approximate
        && let Some(table) = bounds().find(covers)
    {
        return choice(request, held, table, Reason::Asked);
    }
    if let Some(table) = exact().filter(|table| fits(table, request)).find(covers) {
        let reason = reason(request, held, &needed, table);
        return choice(request, held, table, reason);
    }
    // From here on something gives: first the ends, then exactness, then the beginning.
    let gone = Reason::FlowsGone(held.since(FLOWS.name));
    let movable = |table: &&'static Table| request.ends != Ends::Exact || table.is_flows();
    if let Some(table) = exact().filter(movable).find(covers).or_else(|| bounds().find(covers)) {
        return choice(request, held, table, gone);
    }
    let furthest = able.iter().copied().filter(movable).min_by_key(|table| held.since(table.name).unwrap_or(i64::MAX));
    let table = furthest.unwrap_or(&FLOWS);
    let reason = if table.is_flows() { reason(request, held, &needed, table) } else { gone };
    choice(request, held, table, reason)
}

/// The table of questions that only one can answer.
fn only(question: &Question) -> Option<&'static Table> {
    match question {
        Question::Host { .. } => Some(&FLOWS),
        Question::Nat { .. } => Some(&NAT_EVENTS),
        Question::Top(_)
        | Question::Interfaces
        | Question::Interface { .. }
        | Question::As(_)
        | Question::Countries(_)
        | Question::Services
        | Question::Networks(_)
        | Question::Exporters => None,
    }
}

fn needed(request: &Request) -> Vec<Dimension> {
    let mut needed = request.question.dimensions();
    needed.extend(request.filters.iter().flat_map(super::filter::Filter::dimensions));
    needed
}

/// Whether the rows of a table can be made into the answer, were they all there.
fn is_able(table: &Table, request: &Request, needed: &[Dimension]) -> bool {
    let by_interface = needed.contains(&Dimension::Interface);
    let by_host = matches!(request.question, Question::Top(_))
        && request.filters.iter().all(super::filter::Filter::is_of_exporter);
    let interval_ms = request.question.interval_ms().unwrap_or(i64::MAX);
    let is_once = match table.sides {
        Sides::One => true,
        Sides::Interfaces => by_interface,
        Sides::Hosts => by_host,
    };
    table.lacks(needed).is_none() && is_once && interval_ms >= table.bucket_ms
}

/// Whether the ends of the span may be those of the table's buckets.
fn fits(table: &Table, request: &Request) -> bool {
    let aligned = request.span.aligned(table.bucket_ms);
    match request.ends {
        Ends::Free => true,
        Ends::Asked => {
            let moved = aligned.length_ms() - request.span.length_ms();
            moved == 0 || moved.saturating_mul(MOVED_PART) <= request.span.length_ms()
        }
        Ends::Exact => aligned == request.span,
    }
}

/// Whether the table holds all that any table holds of the span.
fn covers(table: &Table, request: &Request, held: &Held) -> bool {
    if held.is_off(table.name) {
        return false;
    }
    let Some(earliest) = held.earliest() else { return true };
    let Some(since) = held.since(table.name) else { return false };
    since <= request.span.aligned(table.bucket_ms).from_ms || since <= earliest.saturating_add(TOGETHER_MS)
}

fn choice(request: &Request, held: &Held, table: &'static Table, reason: Reason) -> Choice {
    let span = match request.ends {
        Ends::Free => request.span.from_bucket(table.bucket_ms.max(MINUTE_MS)),
        Ends::Asked => request.span.aligned(table.bucket_ms),
        Ends::Exact => request.span,
    };
    let begins_ms = held.since(table.name).filter(|since| *since > span.from_ms);
    Choice { table, span, covered: Covered::whole(span), reason, begins_ms, is_off: held.is_off(table.name) }
}

/// Why not a smaller one.
fn reason(request: &Request, held: &Held, needed: &[Dimension], chosen: &Table) -> Reason {
    if !chosen.is_flows() {
        return Reason::Smallest;
    }
    let rollups = || TABLES.into_iter().filter(|table| !table.is_flows() && table.is_exact);
    let Some(table) = rollups().find(|table| is_able(table, request, needed)) else {
        let coarse = rollups().find(|table| is_able(table, &of_any_interval(request), needed));
        if let Some(table) = coarse {
            return Reason::Finer(table.name);
        }
        let nowhere = |dimension: &&Dimension| rollups().all(|table| table.lacks(&[**dimension]).is_some());
        let dimension = needed.iter().find(nowhere).or(needed.last());
        return dimension.map_or(Reason::Only, |dimension| Reason::TellsApart(dimension.column()));
    };
    if !fits(table, request) {
        return Reason::Ends(table.name);
    }
    if held.is_off(table.name) {
        return Reason::Off(table.name);
    }
    held.since(table.name).map_or(Reason::Empty(table.name), |since| Reason::Reaches(table.name, since))
}

/// The request without the length of its points.
fn of_any_interval(request: &Request) -> Request {
    let mut request = request.clone();
    if let Question::Interface { interval_ms, .. } = &mut request.question {
        *interval_ms = None;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::super::filter::{End, Filter};
    use super::super::question::{Grouping, Measure};
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const DAY_MS: i64 = 24 * HOUR_MS;
    /// The end of every span: a whole day.
    const NOW_MS: i64 = 20_000 * DAY_MS;

    fn request(question: Question, length_ms: i64, filters: Vec<Filter>) -> Request {
        Request {
            question,
            span: Span { from_ms: NOW_MS - length_ms, to_ms: NOW_MS },
            ends: Ends::Asked,
            filters,
            measure: Measure::Bytes,
            limit: 10,
            approximate: false,
            implausible: false,
        }
    }

    /// Flows of 30 days, rollups of a year.
    fn usual() -> Held {
        let rollups = ["country_5m", "network_5m", "service_5m", "as_5m", "interface_1m", "hosts_1h"];
        let mut held: Vec<_> = rollups.map(|name| (name, NOW_MS - 365 * DAY_MS)).to_vec();
        held.push(("flows", NOW_MS - 30 * DAY_MS));
        Held { tables: held, off: vec![] }
    }

    #[track_caller]
    fn check(request: &Request, held: &Held, table: &str, reason: Reason) -> Choice {
        let choice = choose(request, held);
        assert_eq!((choice.table.name, choice.reason), (table, reason), "{request:?}");
        choice
    }

    #[test]
    fn each_question_has_its_table() {
        let exporter = || Filter::Exporter("192.0.2.0/24".parse().expect("a prefix"));
        let interface = |interval_ms| Question::Interface { if_index: 3, interval_ms };
        let both = Grouping::Both;
        for (question, filters, table, reason) in [
            (Question::As(both), vec![exporter()], "as_5m", Reason::Smallest),
            (Question::As(Grouping::Src), vec![Filter::As(End::Either, 1)], "as_5m", Reason::Smallest),
            (Question::Countries(both), vec![], "country_5m", Reason::Smallest),
            (Question::Services, vec![Filter::Protocol(6)], "service_5m", Reason::Smallest),
            (
                Question::Networks(both),
                vec![Filter::Customer(End::Src, "x".to_owned())],
                "network_5m",
                Reason::Smallest,
            ),
            (Question::Interfaces, vec![exporter()], "interface_1m", Reason::Smallest),
            (interface(None), vec![exporter()], "interface_1m", Reason::Smallest),
            (interface(Some(60_000)), vec![exporter()], "interface_1m", Reason::Smallest),
            (interface(Some(1000)), vec![exporter()], "flows", Reason::Finer("interface_1m")),
            (Question::Exporters, vec![], "country_5m", Reason::Smallest),
            (Question::Top(both), vec![], "flows", Reason::TellsApart("address")),
            (Question::Top(Grouping::Src), vec![], "flows", Reason::TellsApart("src_addr")),
            (Question::As(both), vec![Filter::Protocol(6)], "flows", Reason::TellsApart("protocol")),
            (Question::As(both), vec![Filter::Port(End::Dst, 53)], "flows", Reason::TellsApart("dst_port")),
            (Question::Countries(both), vec![Filter::Interface(3)], "flows", Reason::TellsApart("in_if")),
            (Question::Host { address: [0; 4].into(), port: None }, vec![], "flows", Reason::Only),
            (Question::Nat { address: [0; 4].into(), port: None, at_ms: 0 }, vec![], "nat_events", Reason::Only),
        ] {
            check(&request(question, DAY_MS, filters), &usual(), table, reason);
        }
    }

    #[test]
    fn ends_within_a_bucket_are_moved_where_that_changes_little() {
        let asked = |from_ms, to_ms, ends| Request {
            span: Span { from_ms: NOW_MS + from_ms, to_ms: NOW_MS + to_ms },
            ends,
            ..request(Question::As(Grouping::Both), 0, vec![])
        };
        for (from_ms, to_ms, ends, table, reason, moved) in [
            (-HOUR_MS, 0, Ends::Exact, "as_5m", Reason::Smallest, (-HOUR_MS, 0)),
            (-HOUR_MS - 1, 0, Ends::Exact, "flows", Reason::Ends("as_5m"), (-HOUR_MS - 1, 0)),
            (-HOUR_MS - 1, 0, Ends::Asked, "flows", Reason::Ends("as_5m"), (-HOUR_MS - 1, 0)),
            (-DAY_MS - 1, 1, Ends::Asked, "as_5m", Reason::Smallest, (-DAY_MS - 300_000, 300_000)),
            (-HOUR_MS - 1, 1, Ends::Free, "as_5m", Reason::Smallest, (-HOUR_MS - 300_000, 1000)),
            // `flows` is gone there: better moved ends than no answer, but for who wants them exact.
            (
                -90 * DAY_MS,
                1 - 90 * DAY_MS,
                Ends::Asked,
                "as_5m",
                Reason::FlowsGone(Some(NOW_MS - 30 * DAY_MS)),
                (-90 * DAY_MS, 300_000 - 90 * DAY_MS),
            ),
            (
                -90 * DAY_MS,
                1 - 90 * DAY_MS,
                Ends::Exact,
                "flows",
                Reason::Ends("as_5m"),
                (-90 * DAY_MS, 1 - 90 * DAY_MS),
            ),
        ] {
            let choice = check(&asked(from_ms, to_ms, ends), &usual(), table, reason);
            assert_eq!((choice.span.from_ms - NOW_MS, choice.span.to_ms - NOW_MS), moved);
        }
    }

    #[test]
    fn hosts_are_a_lower_bound_where_asked_for_or_where_flows_are_gone() {
        let top = |days| request(Question::Top(Grouping::Both), days * DAY_MS, vec![]);
        check(&top(1), &usual(), "flows", Reason::TellsApart("address"));
        check(&Request { approximate: true, ..top(1) }, &usual(), "hosts_1h", Reason::Asked);
        check(&top(90), &usual(), "hosts_1h", Reason::FlowsGone(Some(NOW_MS - 30 * DAY_MS)));
        let filtered = Request { filters: vec![Filter::Protocol(6)], ..top(90) };
        let choice = check(&filtered, &usual(), "flows", Reason::TellsApart("address"));
        assert_eq!(choice.begins_ms, Some(NOW_MS - 30 * DAY_MS));
    }

    #[test]
    fn what_a_table_no_longer_holds_is_taken_from_another_or_said() {
        let year = request(Question::As(Grouping::Both), 400 * DAY_MS, vec![]);
        let choice = check(&year, &usual(), "as_5m", Reason::Smallest);
        assert_eq!(choice.begins_ms, Some(NOW_MS - 365 * DAY_MS));
        let day = request(Question::As(Grouping::Both), DAY_MS, vec![]);
        let mut held = usual();
        held.tables.retain(|(name, _)| *name != "as_5m");
        check(&day, &held, "flows", Reason::Empty("as_5m"));
        held.tables.push(("as_5m", NOW_MS - HOUR_MS));
        check(&day, &held, "flows", Reason::Reaches("as_5m", NOW_MS - HOUR_MS));
        check(&day, &Held::default(), "as_5m", Reason::Smallest);
        // All that there is began within the last hour: nothing is missing.
        let tables = vec![("as_5m", NOW_MS - HOUR_MS), ("flows", NOW_MS - HOUR_MS + 60_000)];
        let young = Held { tables, off: vec![] };
        let choice = check(&day, &young, "as_5m", Reason::Smallest);
        assert_eq!(choice.begins_ms, Some(NOW_MS - HOUR_MS));
    }

    #[test]
    fn a_rollup_that_is_switched_off_answers_where_nothing_else_can() {
        let held = Held { off: vec!["as_5m", "hosts_1h"], ..usual() };
        let of_days = |question, days| request(question, days * DAY_MS, vec![]);
        check(&of_days(Question::As(Grouping::Both), 1), &held, "flows", Reason::Off("as_5m"));
        check(&of_days(Question::Countries(Grouping::Both), 1), &held, "country_5m", Reason::Smallest);
        let top = Request { approximate: true, ..of_days(Question::Top(Grouping::Both), 1) };
        check(&top, &held, "flows", Reason::TellsApart("address"));
        // What was summed up before still answers for the time before flows.
        let gone = Reason::FlowsGone(Some(NOW_MS - 30 * DAY_MS));
        assert!(check(&of_days(Question::As(Grouping::Both), 90), &held, "as_5m", gone).is_off);
        assert!(!check(&of_days(Question::As(Grouping::Both), 90), &usual(), "as_5m", Reason::Smallest).is_off);
    }
}
