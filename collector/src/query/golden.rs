//! The SQL of every question, from each kind of table, as it was looked at: `golden.sql` beside this file.

use super::question::MINUTE_MS;
use super::{Choice, End, Ends, Filter, Grouping, Held, Measure, Names, Plan, Question, Request, Span, choose};

/// 2026-03-04T05:00:00Z.
const FROM_MS: i64 = 1_772_600_400_000;

fn questions() -> Vec<(Question, Vec<Filter>)> {
    let address = "192.0.2.7".parse().expect("an address");
    let exporter = || vec![Filter::Exporter("192.0.2.0/24".parse().expect("a prefix"))];
    let both = Grouping::Both;
    vec![
        (Question::Top(both), vec![Filter::Port(End::Either, 53)]),
        (Question::Top(Grouping::Src), vec![]),
        (Question::Interfaces, exporter()),
        (Question::Interface { if_index: 3, interval_ms: Some(5 * MINUTE_MS) }, exporter()),
        (Question::Host { address, port: None }, vec![]),
        (Question::Host { address, port: Some(443) }, exporter()),
        (Question::Nat { address, port: Some(40_000), at_ms: FROM_MS }, exporter()),
        (Question::As(both), vec![Filter::As(End::Src, 64_500)]),
        (Question::Countries(Grouping::Dst), vec![Filter::Country(End::Either, "DE".to_owned())]),
        (Question::Services, vec![Filter::Protocol(17)]),
        (Question::Networks(both), vec![]),
        (Question::Exporters, exporter()),
    ]
}

#[test]
fn the_sql_is_what_it_was() {
    let mut text = String::new();
    for (question, filters) in questions() {
        let whole = Span { from_ms: FROM_MS, to_ms: FROM_MS + 60 * MINUTE_MS };
        let odd = Span { from_ms: FROM_MS + 1, ..whole };
        let mut seen = Vec::new();
        for (span, approximate) in [(whole, false), (odd, false), (whole, true)] {
            let (question, filters) = (question.clone(), filters.clone());
            let (ends, measure) = (Ends::Exact, Measure::Bytes);
            let request =
                Request { question, span, ends, filters, measure, limit: 20, approximate, implausible: false };
            let choice: Choice = choose(&request, &Held::default());
            let table = choice.table.name;
            if seen.contains(&table) {
                continue;
            }
            seen.push(table);
            let Plan { statement, .. } = Plan::of(&request, choice, Names::Dictionaries);
            let values: Vec<String> =
                statement.parameters.iter().map(|one| format!("-- {} = {}\n", one.name, one.value)).collect();
            let (name, values, sql) = (request.question.name(), values.concat(), statement.sql);
            text.push_str(&format!("-- {name} from {table}\n{values}{sql};\n\n"));
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/query/golden.sql");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("the sources are writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} differs; run this test with BLESS=1 and look at the difference", path.display());
}
