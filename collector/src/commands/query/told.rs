//! Why the answer is what it is, in words: which table, why that one, and in what it falls short.

use super::super::moment::Moment;
use super::table::visible;
use super::units::{duration, scaled};
use crate::query::{Answer, Cell, Plan, Question, Reason, Remarks, Request, Waiting};

/// All that belongs below an answer.
pub(super) fn lines(request: &Request, plan: &Plan, answer: &Answer, waiting: &[Waiting]) -> Vec<String> {
    let mut lines = choice(request, plan);
    lines.extend(remarks(request, plan));
    if let Some(first) = lines.first_mut() {
        let read = scaled(answer.rows_read as f64, "");
        first.push_str(&format!("; {read} rows read in {:.2} s", answer.seconds));
    }
    lines.extend(covered(plan));
    if matches!(request.question, Question::Interface { .. }) {
        lines.extend(rates(answer));
    } else if answer.rows.len() as u64 == u64::from(request.limit) {
        lines.push(format!("the first {} rows: more with --limit", request.limit));
    }
    lines.extend(waiting.iter().map(lacking));
    let after_nat = after_nat(answer);
    if after_nat > 0 {
        lines.push(format!(
            "{after_nat} of these flows have the host in their addresses after translation alone: MATCHED BY post_nat_src, post_nat_dst"
        ));
    }
    lines
}

/// What an answer lacks of an exporter for want of templates.
fn lacking(exporter: &Waiting) -> String {
    let who = match exporter.name.as_str() {
        "" => exporter.exporter.to_string(),
        name => format!("{} {}", exporter.exporter, visible(name)),
    };
    let mut parts = Vec::new();
    if exporter.waiting > 0 {
        parts.push(format!("{} data sets wait for their template", exporter.waiting));
    }
    if exporter.given_up > 0 {
        parts.push(format!("{} were given up for want of one", exporter.given_up));
    }
    format!("not in it of {who}: {}; `collector exporters` says what to do", parts.join(", "))
}

/// How many rows of a host's flows were found by an address after translation.
pub(super) fn after_nat(answer: &Answer) -> usize {
    let Some(index) = answer.column("matched_by") else { return 0 };
    answer.rows.iter().filter(|row| matches!(&row[index], Cell::Text(text) if text.starts_with("post_nat"))).count()
}

/// The choice of the table.
pub(super) fn choice(request: &Request, plan: &Plan) -> Vec<String> {
    let choice = &plan.choice;
    let mut lines = vec![format!("answered from {}: {}", choice.table.name, why(choice.reason))];
    lines.push(format!("from {} to {}{}", time(choice.span.from_ms), time(choice.span.to_ms), moved(request, plan)));
    if !choice.table.is_exact {
        lines.push("a lower bound: of each block of flows only the busiest hosts are kept".to_owned());
    }
    if choice.is_off {
        lines.push(format!(
            "{} is switched off by rollups.tables: what came since then is not in it",
            choice.table.name
        ));
    }
    if let Some(begins_ms) = choice.begins_ms {
        lines.push(format!("{} holds nothing before {}", choice.table.name, time(begins_ms)));
    }
    lines
}

/// Which flows are left out, and which are not at the time that their exporter told.
fn remarks(request: &Request, plan: &Plan) -> Vec<String> {
    let sums_up = !matches!(request.question, Question::Host { .. } | Question::Nat { .. });
    let Remarks { implausible, corrected, unsteady } = &plan.remarks;
    let mut lines = Vec::new();
    if let Some(told) = implausible.told().filter(|_| sums_up) {
        lines.push(match request.implausible {
            true => format!("counted in spite of octets and packets that cannot be: {told}"),
            false => format!("left out: {told} with octets and packets that cannot be; --implausible counts them"),
        });
    }
    if let Some(told) = corrected.told() {
        lines.push(format!("moved by the skew of their exporter's clock: the times of {told}"));
    }
    if let Some(told) = unsteady.told().filter(|_| sums_up) {
        lines.push(format!("counted when they were received: {told}, whose clock is off and not steady"));
    }
    lines
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::Smallest => "the smallest table that answers exactly".to_owned(),
        Reason::Only => "no other table has this".to_owned(),
        Reason::TellsApart(column) => format!("no smaller table tells {column} apart"),
        Reason::Finer(table) => format!("the interval is shorter than the buckets of {table}"),
        Reason::Ends(table) => format!("the ends are within buckets of {table}"),
        Reason::Reaches(table, since_ms) => format!("{table} reaches back to {} only", time(since_ms)),
        Reason::Empty(table) => format!("{table} is empty"),
        Reason::Off(table) => format!("{table} is switched off by rollups.tables"),
        Reason::Implausible => "only it has what --implausible asks for".to_owned(),
        Reason::Asked => "asked for by --approximate".to_owned(),
        Reason::FlowsGone(Some(since_ms)) => format!("flows reaches back to {} only", time(since_ms)),
        Reason::FlowsGone(None) => "flows is empty".to_owned(),
    }
}

/// Whether the ends that were asked for were moved.
fn moved(request: &Request, plan: &Plan) -> &'static str {
    let is_asked = request.ends != crate::query::Ends::Free;
    if is_asked && plan.choice.span != request.span {
        ", moved to whole buckets (--exact leaves the ends where they are)"
    } else {
        ""
    }
}

/// The time that rates are over, where it is another than the one asked about.
fn covered(plan: &Plan) -> Option<String> {
    let (span, covered) = (plan.choice.span, plan.choice.covered.span);
    let is_all = (span.length_ms() - covered.length_ms()).saturating_mul(200) <= span.length_ms();
    let length = covered.length_ms().unsigned_abs();
    let length = if length < 60_000 { format!("{} s", (length + 500) / 1000) } else { duration(length) };
    (!is_all).then(|| {
        format!("rates over the {length} that have data, from {} to {}", time(covered.from_ms), time(covered.to_ms))
    })
}

/// The rates of a series in short: average, 95th percentile (the one that 95 of 100 points do not exceed), maximum, of the time that
/// data covers.
fn rates(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    let Some(covered) = answer.column("covered_ms") else { return lines };
    let rows: Vec<_> = answer.rows.iter().filter(|row| row[covered].as_f64() > 0.0).collect();
    let covered_ms: f64 = rows.iter().map(|row| row[covered].as_f64()).sum();
    for direction in ["in", "out"] {
        let column = |what: &str| answer.column(&format!("{direction}_{what}"));
        let (Some(rate), Some(bytes)) = (column("bits_per_second"), column("bytes")) else { continue };
        let mut rates: Vec<f64> = rows.iter().map(|row| row[rate].as_f64()).collect();
        rates.sort_by(f64::total_cmp);
        let Some(maximum) = rates.last() else { continue };
        let average = rows.iter().map(|row| row[bytes].as_f64()).sum::<f64>() * 8000.0 / covered_ms;
        let percentile = rates[(rates.len() * 95).div_ceil(100) - 1];
        let [average, percentile, maximum] = [average, percentile, *maximum].map(|rate| scaled(rate.round(), "bit/s"));
        lines.push(format!("{direction}: average {average}, 95th percentile {percentile}, maximum {maximum}"));
    }
    lines
}

/// A moment, in UTC.
pub(super) fn time(ms: i64) -> String {
    let text = Moment::from_ns(ms.saturating_mul(1_000_000)).to_string();
    match text.strip_suffix(".000Z") {
        Some(whole) => format!("{whole}Z"),
        None => text,
    }
}
