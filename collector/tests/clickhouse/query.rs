//! Questions on a real engine: every answer equals a brute force over the flows, whichever table it came from.

use std::collections::BTreeMap;

use collector::clickhouse::Client;
use collector::query::{
    Answer, Cell, End, Ends, Filter, Grouping, Limits, Measure, Plan, Question, Request, Span, ask, plan,
};
use collector::rollup::Selection;

use crate::engine::{Engine, block_on};
use crate::query_flows::{BEGIN_MS, Flow, LENGTH_MS, Sums, flows, store, sums};

const MINUTE_MS: i64 = 60_000;

/// A question about half an hour, to whole buckets of 5 minutes.
fn request(question: Question, filters: Vec<Filter>) -> Request {
    Request {
        question,
        span: Span { from_ms: BEGIN_MS + 30 * MINUTE_MS, to_ms: BEGIN_MS + 60 * MINUTE_MS },
        ends: Ends::Exact,
        filters,
        measure: Measure::Bytes,
        limit: 1000,
        approximate: false,
        implausible: false,
    }
}

/// The same about a span that begins and ends within every bucket.
fn odd(request: Request) -> Request {
    let Span { from_ms, to_ms } = request.span;
    Request { span: Span { from_ms: from_ms + 7_001, to_ms: to_ms - 123_456 }, ..request }
}

async fn answer(client: &Client, request: &Request) -> (Plan, Answer) {
    let plan = plan(client, request, Selection::default()).await.unwrap();
    let answer = ask(client, &plan.statement, Limits::default()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", plan.statement.sql));
    (plan, answer)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Nothing => "-".to_owned(),
        Cell::Whole(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Address(address) => address.to_string(),
        Cell::Text(text) => text.clone(),
    }
}

fn whole(answer: &Answer, row: &[Cell], column: &str) -> u64 {
    let Cell::Whole(number) = row[answer.column(column).unwrap()] else { panic!("{column}: {row:?}") };
    number
}

/// The sums of an answer by the named columns; the rows must be in order.
fn of(answer: &Answer, keys: &[&str]) -> BTreeMap<String, Sums> {
    let bytes: Vec<u64> = answer.rows.iter().map(|row| whole(answer, row, "bytes")).collect();
    assert!(bytes.is_sorted_by(|one, next| one >= next), "{bytes:?}");
    let row = |row: &Vec<Cell>| {
        let key: Vec<String> = keys.iter().map(|key| text(&row[answer.column(key).unwrap()])).collect();
        (key.join(" "), ["bytes", "packets", "flows"].map(|sum| whole(answer, row, sum)))
    };
    answer.rows.iter().map(row).collect()
}

/// One question: its columns that are keys, its table, and how a flow's keys are found.
struct Case {
    question: Question,
    filters: Vec<Filter>,
    keys: &'static [&'static str],
    table: &'static str,
    of_flow: fn(&Flow) -> Vec<String>,
}

fn src_as(flow: &Flow) -> u32 {
    if flow.src_as == 0 { flow.src_geo_as } else { flow.src_as }
}

fn service(flow: &Flow) -> String {
    let (low, high) = (flow.src_port.min(flow.dst_port), flow.src_port.max(flow.dst_port));
    let port = if flow.protocol == 1 {
        0
    } else if low == 0 {
        high
    } else {
        low
    };
    format!("{} {port}", flow.protocol)
}

fn cases() -> Vec<Case> {
    let exporter = || Filter::Exporter("192.0.2.1".parse().unwrap());
    let both = Grouping::Both;
    vec![
        Case {
            question: Question::As(both),
            filters: vec![],
            keys: &["src_as", "dst_as"],
            table: "as_5m",
            of_flow: |flow| vec![format!("{} {}", src_as(flow), flow.dst_as)],
        },
        Case {
            question: Question::As(Grouping::Src),
            filters: vec![Filter::As(End::Dst, 64_501), exporter()],
            keys: &["src_as"],
            table: "as_5m",
            of_flow: |flow| {
                let is_in = flow.dst_as == 64_501 && flow.exporter.octets()[3] == 1;
                if is_in { vec![src_as(flow).to_string()] } else { vec![] }
            },
        },
        Case {
            question: Question::Countries(both),
            filters: vec![Filter::Country(End::Either, "DE".to_owned())],
            keys: &["src_country", "dst_country"],
            table: "country_5m",
            of_flow: |flow| if flow.countries.contains(&"DE") { vec![flow.countries.join(" ")] } else { vec![] },
        },
        Case {
            question: Question::Services,
            filters: vec![],
            keys: &["protocol", "port"],
            table: "service_5m",
            of_flow: |flow| vec![service(flow)],
        },
        Case {
            question: Question::Networks(Grouping::Dst),
            filters: vec![],
            keys: &["dst_network"],
            table: "network_5m",
            of_flow: |flow| vec![flow.networks[1].to_owned()],
        },
        Case {
            question: Question::Exporters,
            filters: vec![],
            keys: &["exporter_address"],
            table: "country_5m",
            of_flow: |flow| vec![flow.exporter.to_string()],
        },
        Case {
            question: Question::Top(Grouping::Src),
            filters: vec![Filter::Port(End::Either, 53), Filter::Address(End::Either, "10.0.0.0/29".parse().unwrap())],
            keys: &["src_addr"],
            table: "flows",
            of_flow: |flow| {
                let is_in = (flow.src_port == 53 || flow.dst_port == 53)
                    && (flow.src.octets()[3] < 8 || flow.dst.octets()[3] < 8);
                if is_in { vec![flow.src.to_string()] } else { vec![] }
            },
        },
        Case {
            question: Question::Top(both),
            filters: vec![Filter::Interface(2), Filter::Protocol(17)],
            keys: &["address"],
            table: "flows",
            of_flow: |flow| {
                let is_in = flow.protocol == 17 && (flow.in_if == 2 || flow.out_if == 2);
                let mut hosts = vec![flow.src.to_string(), flow.dst.to_string()];
                hosts.dedup();
                if is_in { hosts } else { vec![] }
            },
        },
    ]
}

#[test]
fn answers_equal_a_walk_over_all_flows() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query"));
    let flows = flows();
    block_on(async {
        store(&client, &flows).await;
        for Case { question, filters, keys, table, of_flow } in cases() {
            let even = request(question, filters);
            for (request, table) in [(even.clone(), table), (odd(even), "flows")] {
                let (plan, answer) = answer(&client, &request).await;
                assert_eq!(plan.choice.table.name, table, "{request:?}");
                let expected = sums(&flows, (request.span.from_ms, request.span.to_ms), of_flow);
                assert!(expected.len() > 1, "{request:?}");
                assert_eq!(of(&answer, keys), expected, "{request:?}\n{}", plan.statement.sql);
            }
        }
    });
}

#[test]
fn limits_orders_and_shares() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_order"));
    block_on(async {
        store(&client, &flows()).await;
        let all = request(Question::As(Grouping::Both), vec![]);
        let (_, whole_answer) = answer(&client, &all).await;
        let percent: f64 =
            whole_answer.rows.iter().map(|row| row[whole_answer.column("percent").unwrap()].as_f64()).sum();
        assert!((percent - 100.0).abs() < 1e-6, "{percent}");
        let (_, few) = answer(&client, &Request { limit: 3, measure: Measure::Flows, ..all }).await;
        let counts: Vec<u64> = few.rows.iter().map(|row| whole(&few, row, "flows")).collect();
        assert!(counts.len() == 3 && counts.is_sorted_by(|one, next| one >= next), "{counts:?}");
    });
}

#[test]
fn interfaces_and_their_series_agree_with_the_flows() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_series"));
    let flows = flows();
    let exporter = || Filter::Exporter("192.0.2.2".parse().unwrap());
    let side = |flow: &Flow, is_in: bool| if is_in { flow.in_if } else { flow.out_if };
    block_on(async {
        store(&client, &flows).await;
        for (is_odd, table) in [(false, "interface_1m"), (true, "flows")] {
            let list = request(Question::Interfaces, vec![exporter()]);
            let list = if is_odd { odd(list) } else { list };
            let (plan, found) = answer(&client, &list).await;
            assert_eq!(plan.choice.table.name, table);
            assert_eq!(found.rows.len(), 4);
            let of_two: Vec<Flow> = flows.iter().filter(|flow| flow.exporter.octets()[3] == 2).cloned().collect();
            for (name, is_in) in [("in", true), ("out", false)] {
                let expected =
                    sums(&of_two, (list.span.from_ms, list.span.to_ms), |flow| vec![side(flow, is_in).to_string()]);
                for row in &found.rows {
                    let sum = ["bytes", "packets", "flows"].map(|sum| whole(&found, row, &format!("{name}_{sum}")));
                    assert_eq!(
                        Some(&sum),
                        expected.get(&text(&row[found.column("if_index").unwrap()])),
                        "{table} {name}"
                    );
                }
            }
            let interval_ms = if is_odd { 77_000 } else { 5 * MINUTE_MS };
            let series =
                Request { question: Question::Interface { if_index: 3, interval_ms: Some(interval_ms) }, ..list };
            let (plan, found) = answer(&client, &series).await;
            assert_eq!(plan.choice.table.name, table);
            let points = (series.span.length_ms() + interval_ms - 1) / interval_ms;
            assert_eq!(found.rows.len() as i64, points, "{}", plan.statement.sql);
            for (row, point) in found.rows.iter().zip(0..) {
                let from_ms = series.span.from_ms + point * interval_ms;
                let to_ms = (from_ms + interval_ms).min(series.span.to_ms);
                for (name, is_in) in [("in", true), ("out", false)] {
                    let expected = sums(&of_two, (from_ms, to_ms), |flow| vec![side(flow, is_in).to_string()]);
                    let bytes = expected.get("3").map_or(0, |sums| sums[0]);
                    assert_eq!(whole(&found, row, &format!("{name}_bytes")), bytes, "{table} {name} {point}");
                    let rate = row[found.column(&format!("{name}_bits_per_second")).unwrap()].as_f64();
                    let expected = bytes as f64 * 8000.0 / (to_ms - from_ms) as f64;
                    assert!((rate - expected).abs() <= expected * 1e-9, "{rate} {expected}");
                }
            }
        }
    });
}

#[test]
fn a_host_has_every_flow_of_its_own() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_host"));
    let flows = flows();
    block_on(async {
        store(&client, &flows).await;
        for port in [None, Some(443)] {
            let mut asked = request(Question::Host { address: "10.0.0.7".parse().unwrap(), port }, vec![]);
            asked.span = Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + LENGTH_MS };
            let (_, found) = answer(&client, &asked).await;
            let is_side =
                |address: std::net::Ipv4Addr, of: u16| address.octets()[3] == 7 && port.is_none_or(|port| port == of);
            let expected = flows.iter().filter(|flow| {
                // An end so far from the receipt is none: the flow belongs to the time of its receipt.
                let is_told = flow.received_ms - flow.end_ms <= 86_400_000;
                is_told && (is_side(flow.src, flow.src_port) || is_side(flow.dst, flow.dst_port))
            });
            assert_eq!(found.rows.len(), expected.count(), "{port:?}");
        }
    });
}

#[test]
fn lower_bounds_are_asked_for_or_said() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_bounds"));
    let flows = flows();
    block_on(async {
        store(&client, &flows).await;
        let mut asked = request(Question::Top(Grouping::Dst), vec![]);
        asked.span = Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + LENGTH_MS };
        asked.approximate = true;
        let (plan, found) = answer(&client, &asked).await;
        assert_eq!(plan.choice.table.name, "hosts_1h");
        // The twin names every host, so that the bound is the sum here.
        let expected = sums(&flows, (asked.span.from_ms, asked.span.to_ms), |flow| vec![flow.dst.to_string()]);
        assert_eq!(of(&found, &["dst_addr"]), expected);
    });
}

#[test]
fn what_is_more_than_64_bits_is_the_most_that_they_hold() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_most"));
    block_on(async {
        let mut flows: Vec<Flow> = flows().into_iter().take(4).collect();
        for (flow, host) in flows.iter_mut().zip(1..) {
            flow.end_ms = BEGIN_MS + 40 * MINUTE_MS;
            (flow.start_ms, flow.received_ms) = (flow.end_ms, flow.end_ms);
            (flow.src, flow.dst) = ([10, 1, 0, host % 2].into(), [10, 2, 0, host].into());
            (flow.src_as, flow.dst_as) = (64_500, 64_501);
            // A product that does not fit, and sums that do not, though their parts do.
            flow.count(
                [1 << 40, u64::MAX / 3 * 2][usize::from(host % 2)],
                1 << 60,
                [1 << 30, 1][usize::from(host % 2)],
            );
        }
        store(&client, &flows).await;
        for asked in [request(Question::Top(Grouping::Src), vec![]), request(Question::As(Grouping::Both), vec![])] {
            let (_, found) = answer(&client, &odd(asked)).await;
            let bytes: Vec<u64> = found.rows.iter().map(|row| whole(&found, row, "bytes")).collect();
            assert!(!bytes.is_empty() && bytes.iter().all(|bytes| *bytes == u64::MAX), "{bytes:?}");
        }
        let mut asked = request(Question::Host { address: "10.1.0.0".parse().unwrap(), port: None }, vec![]);
        asked.span = Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + LENGTH_MS };
        let (_, found) = answer(&client, &asked).await;
        assert_eq!(found.rows.len(), 2);
        assert!(found.rows.iter().all(|row| whole(&found, row, "bytes") == u64::MAX), "{:?}", found.rows);
    });
}

#[test]
fn hostile_texts_are_values_and_nothing_else() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_hostile"));
    block_on(async {
        store(&client, &flows()).await;
        for (name, rows) in [
            ("'; DROP TABLE flows; --", 0),
            ("' OR 1=1 --", 0),
            ("\\", 0),
            ("\\'", 0),
            ("{limit:UInt64}", 0),
            ("a\tb\nc\r\0d", 0),
            ("%27%20OR%201", 0),
            ("&database=system", 0),
            ("\u{1f980}é", 0),
            ("office", 1),
            ("it's \\ \"odd\"", 1),
        ] {
            let filter = Filter::Network(End::Dst, name.to_owned());
            let (_, found) = answer(&client, &request(Question::Networks(Grouping::Dst), vec![filter])).await;
            assert_eq!(found.rows.len(), rows, "{name:?}");
        }
        assert_eq!(client.query("SELECT count() FROM flows", "TSV").await.unwrap(), "1500\n");
    });
}

#[test]
fn limits_end_what_costs_too_much_and_say_what_to_do() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_limits"));
    block_on(async {
        store(&client, &flows()).await;
        let plan = plan(&client, &request(Question::Top(Grouping::Both), vec![]), Selection::default()).await.unwrap();
        let limits = Limits { rows: 10, ..Limits::default() };
        let error = ask(&client, &plan.statement, limits).await.unwrap_err().to_string();
        assert!(error.contains("more than 10 rows read"), "{error}");
        let limits = Limits { memory_bytes: 1, ..Limits::default() };
        let error = ask(&client, &plan.statement, limits).await.unwrap_err().to_string();
        assert!(error.contains("allow more with --max-memory"), "{error}");
    });
}
