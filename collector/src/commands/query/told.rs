//! Why the answer is what it is, in words: which table, why that one, and in what it falls short.

use super::super::moment::Moment;
use super::units::scaled;
use crate::query::{Answer, Cell, Plan, Question, Reason, Remarks, Request};

/// All that belongs below an answer.
pub(super) fn lines(request: &Request, plan: &Plan, answer: &Answer) -> Vec<String> {
    let mut lines = choice(request, plan);
    lines.extend(remarks(request, plan));
    if let Some(first) = lines.first_mut() {
        let read = scaled(answer.rows_read as f64, "");
        first.push_str(&format!("; {read} rows read in {:.2} s", answer.seconds));
    }
    if matches!(request.question, Question::Interface { .. }) {
        lines.extend(rates(answer));
    } else if answer.rows.len() as u64 == u64::from(request.limit) {
        lines.push(format!("the first {} rows: more with --limit", request.limit));
    }
    let after_nat = after_nat(answer);
    if after_nat > 0 {
        lines.push(format!(
            "{after_nat} of these flows have the host in their addresses after translation alone: MATCHED BY post_nat_src, post_nat_dst"
        ));
    }
    lines
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

/// The rates of a series in short: average, 95th percentile (the one that 95 of 100 points do not exceed), maximum.
fn rates(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for direction in ["in", "out"] {
        let Some(index) = answer.column(&format!("{direction}_bits_per_second")) else { continue };
        let mut rates: Vec<f64> = answer.rows.iter().map(|row| row[index].as_f64()).collect();
        rates.sort_by(f64::total_cmp);
        let Some(maximum) = rates.last() else { continue };
        let average = rates.iter().sum::<f64>() / rates.len() as f64;
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
