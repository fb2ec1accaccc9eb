//! What people name and what they are told: exporters and interfaces by name, what there is not, the time that rates are over,
//! exporters in the first minutes, and data that waits for a template.

use collector::clickhouse::{Client, schema};
use collector::query::{
    Answer, Cell, End, Ends, Error, Filter, Grouping, Limits, Measure, Named, Plan, Question, Request, Span, ask,
    check, plan, resolve, waiting,
};
use collector::rollup::Selection;

use crate::engine::{Engine, block_on};
use crate::query_flows::{BEGIN_MS, fill_rollups};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

fn request(question: Question) -> Request {
    Request {
        question,
        span: Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + HOUR_MS },
        ends: Ends::Exact,
        filters: vec![],
        measure: Measure::Bytes,
        limit: 100,
        approximate: false,
        implausible: false,
    }
}

fn series() -> Question {
    Question::Interface { if_index: 0, interval_ms: Some(5 * MINUTE_MS) }
}

/// Flows of a second each, from `from_s` on seconds after the beginning, with 1000 octets a second: 8 kbit/s.
async fn flows(client: &Client, exporter: &str, interface: u32, from_s: i64, seconds: i64) {
    let at =
        |offset: &str| format!("fromUnixTimestamp64Milli({BEGIN_MS} + ({from_s} + number + {offset}) * 1000, 'UTC')");
    client
        .execute(&format!(
            "INSERT INTO flows (time_received, time_start, time_end, exporter_address, in_if, in_if_name, out_if, src_addr, dst_addr, protocol, bytes, packets) \
             SELECT {}, {}, {}, toIPv6('{exporter}'), {interface}, 'uplink', 9, toIPv6('192.0.2.77'), toIPv6('198.51.100.1'), 6, 1000, 1 FROM numbers({seconds})",
            at("1"),
            at("0"),
            at("1"),
        ))
        .await
        .unwrap();
}

async fn asked(client: &Client, request: &Request) -> Result<(Plan, Answer), Error> {
    let plan = plan(client, request, Selection::default()).await?;
    let answer = ask(client, &plan.statement, Limits::default()).await?;
    check(client, request, &answer, Limits::default()).await?;
    Ok((plan, answer))
}

async fn named(client: &Client, question: Question, exporter: &str, interface: Option<&str>) -> Result<Request, Error> {
    let mut request = request(question);
    let interface = interface.map(|interface| interface.parse().unwrap());
    let is_series = matches!(request.question, Question::Interface { .. });
    let named = Named {
        exporter: (!exporter.is_empty()).then(|| exporter.parse().unwrap()),
        series: interface.clone().filter(|_| is_series),
        interface: interface.filter(|_| !is_series),
    };
    resolve(client, &mut request, &named, Limits::default()).await?;
    Ok(request)
}

fn number(answer: &Answer, row: usize, column: &str) -> f64 {
    answer.rows[row][answer.column(column).unwrap()].as_f64()
}

#[test]
fn rates_are_over_the_time_that_has_data() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_covered"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        // Twenty seconds of an hour, which end in the middle of a minute.
        flows(&client, "192.0.2.1", 3, 625, 20).await;
        fill_rollups(&client).await;
        let covered = Span { from_ms: BEGIN_MS + 625_000, to_ms: BEGIN_MS + 645_000 };
        for (question, table) in [
            (Question::Top(Grouping::Src), "flows"),
            (Question::Services, "service_5m"),
            (Question::Exporters, "country_5m"),
            (Question::Interfaces, "interface_1m"),
        ] {
            let name = question.name();
            let (plan, answer) = asked(&client, &request(question)).await.unwrap();
            assert_eq!((plan.choice.table.name, plan.choice.covered.span), (table, covered), "{name}");
            let column = if name == "interfaces" { "in_bits_per_second" } else { "bits_per_second" };
            let row = answer.rows.iter().position(|row| row[answer.column(column).unwrap()].as_f64() > 0.0).unwrap();
            assert_eq!(number(&answer, row, column), 8000.0, "{name}");
        }
        // By the table of the busiest hosts too.
        let bound = Request { approximate: true, ..request(Question::Top(Grouping::Src)) };
        let (plan, answer) = asked(&client, &bound).await.unwrap();
        assert_eq!((plan.choice.table.name, number(&answer, 0, "bits_per_second")), ("hosts_1h", 8000.0));
        // What is asked about does not change how long it was.
        let one = Request { filters: vec![Filter::Port(End::Either, 0)], ..request(Question::Services) };
        assert_eq!(asked(&client, &one).await.unwrap().0.choice.covered.span, covered);
        // A point is over its part that has data: 10:25 to 10:45 of the five minutes from 10:00 on.
        let mut one = request(Question::Interface { if_index: 3, interval_ms: Some(5 * MINUTE_MS) });
        one.filters = vec![Filter::Exporter("192.0.2.1".parse().unwrap())];
        let (_, answer) = asked(&client, &one).await.unwrap();
        assert_eq!(answer.rows.len(), 12);
        for row in 0..12 {
            let (rate, covered_ms) = if row == 2 { (8000.0, 20_000.0) } else { (0.0, 0.0) };
            assert_eq!(number(&answer, row, "in_bits_per_second"), rate, "{row}");
            assert_eq!(number(&answer, row, "covered_ms"), covered_ms, "{row}");
        }
        // A day later: the span between two hours with data is covered, one without any is what it is.
        flows(&client, "192.0.2.1", 3, 625 + 86_400, 20).await;
        fill_rollups(&client).await;
        let day =
            Request { span: Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + 25 * HOUR_MS }, ..request(Question::Services) };
        let (plan, _) = asked(&client, &day).await.unwrap();
        assert_eq!(plan.choice.covered.span.length_ms(), 86_400_000 + 20_000);
        let between = Span { from_ms: BEGIN_MS + 2 * HOUR_MS, to_ms: BEGIN_MS + 3 * HOUR_MS };
        let (plan, _) = asked(&client, &Request { span: between, ..request(Question::Services) }).await.unwrap();
        assert_eq!(plan.choice.covered.span, between);
    });
}

#[test]
fn time_that_is_yet_to_come_is_no_time_without_traffic() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_future"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let now_ms = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        let from_s = (now_ms - BEGIN_MS) / 1000 - 1200;
        flows(&client, "192.0.2.1", 3, from_s, 1190).await;
        // Around the last ten minutes, and an hour from now.
        let span = Span { from_ms: now_ms - 600_000, to_ms: now_ms + HOUR_MS };
        let mut one = Request { span, ..request(Question::Interface { if_index: 3, interval_ms: Some(MINUTE_MS) }) };
        one.filters = vec![Filter::Exporter("192.0.2.1".parse().unwrap())];
        let (plan, answer) = asked(&client, &one).await.unwrap();
        let covered = plan.choice.covered.span;
        assert_eq!(covered.from_ms, span.from_ms);
        assert!((580_000..=600_000).contains(&covered.length_ms()), "{covered:?}");
        assert!((10..=12).contains(&answer.rows.len()), "{} points", answer.rows.len());
        let last = (0..answer.rows.len()).rfind(|row| number(&answer, *row, "covered_ms") >= 2000.0).unwrap();
        for row in 0..=last {
            let rate = number(&answer, row, "in_bits_per_second");
            assert!((7900.0..=8100.0).contains(&rate), "{row}: {rate}");
        }
    });
}

#[test]
fn exporters_and_interfaces_are_found_by_their_names() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_named"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        flows(&client, "192.0.2.1", 3, 60, 30).await;
        flows(&client, "192.0.2.2", 4, 60, 60).await;
        fill_rollups(&client).await;
        client
            .execute("INSERT INTO exporters VALUES ('::ffff:192.0.2.1/128', 'vyos-1', ''), ('::ffff:192.0.2.0/120', 'vyos-2', '')")
            .await
            .unwrap();
        client
            .execute(
                "INSERT INTO interfaces (exporter_address, if_index, name) VALUES ('::ffff:192.0.2.1', 3, 'uplink'), \
                 ('::ffff:192.0.2.2', 4, 'uplink'), ('::ffff:192.0.2.2', 9, 'lan')",
            )
            .await
            .unwrap();
        // Each by name and by number; the prefix of vyos-2 holds vyos-1, whose own name is nearer.
        for (exporter, interface, bytes) in [
            ("vyos-1", "uplink", 30_000.0),
            ("VYOS-1", "3", 30_000.0),
            ("vyos-2", "uplink", 60_000.0),
            ("vyos-2", "Uplink", 60_000.0),
            ("192.0.2.2", "uplink", 60_000.0),
            ("192.0.2.2", "4", 60_000.0),
        ] {
            let request = named(&client, series(), exporter, Some(interface)).await.unwrap();
            let (_, answer) = asked(&client, &request).await.unwrap();
            let sum: f64 = (0..answer.rows.len()).map(|row| number(&answer, row, "in_bytes")).sum();
            assert_eq!(sum, bytes, "{exporter} {interface}");
        }
        for (exporter, interface, bytes) in [
            ("vyos-1", None, 30_000.0),
            ("vyos-2", None, 60_000.0),
            ("", Some("uplink"), 90_000.0),
            ("vyos-2", Some("uplink"), 60_000.0),
            ("vyos-2", Some("lan"), 60_000.0),
        ] {
            let request = named(&client, Question::Top(Grouping::Src), exporter, interface).await.unwrap();
            let (_, answer) = asked(&client, &request).await.unwrap();
            assert_eq!(number(&answer, 0, "bytes"), bytes, "{exporter} {interface:?}");
        }
    });
}

#[test]
fn what_there_is_not_is_an_error_with_the_nearest() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_unknown"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        flows(&client, "192.0.2.1", 3, 60, 30).await;
        fill_rollups(&client).await;
        client.execute("INSERT INTO exporters VALUES ('::ffff:192.0.2.1/128', 'vyos-1', '')").await.unwrap();
        for (exporter, interface, told) in [
            ("vyos-3", "uplink", "no exporter is called \"vyos-3\": is it vyos-1 that is meant?"),
            ("vyos-1", "upling", "no interface is called \"upling\": is it uplink that is meant?"),
            ("vyos-1", "7", "there is no interface 7: there are 3 uplink, 9"),
            ("192.0.2.11", "3", "no exporter of 192.0.2.11 has ever sent anything: is it 192.0.2.1 that is meant?"),
            ("192.0.2.300", "3", "no exporter is called \"192.0.2.300\""),
        ] {
            let error = match named(&client, series(), exporter, Some(interface)).await {
                Ok(request) => asked(&client, &request).await.map(|_| ()),
                Err(error) => Err(error),
            };
            let error = error.expect_err(exporter).to_string();
            assert!(error.contains(told), "{exporter} {interface}: {error}");
        }
        // Known, but not in the time asked about: an answer without rows, and no error.
        let mut request = named(&client, Question::Top(Grouping::Src), "vyos-1", None).await.unwrap();
        request.span = Span { from_ms: BEGIN_MS + 10 * HOUR_MS, to_ms: BEGIN_MS + 11 * HOUR_MS };
        assert!(asked(&client, &request).await.unwrap().1.rows.is_empty());
        // Among several exporters a name must be that of one interface.
        flows(&client, "192.0.2.2", 4, 60, 30).await;
        let both = "INSERT INTO interfaces (exporter_address, if_index, name) VALUES ('::ffff:192.0.2.1', 3, 'uplink'), ('::ffff:192.0.2.2', 4, 'uplink')";
        client.execute(both).await.unwrap();
        let error = named(&client, series(), "192.0.2.0/24", Some("uplink")).await.unwrap_err().to_string();
        assert!(error.contains("192.0.2.1 3, or 192.0.2.2 4"), "{error}");
    });
}

#[test]
fn exporters_are_right_before_the_ledger_knows_of_a_minute() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_first_minutes"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        flows(&client, "192.0.2.1", 3, 3570, 29).await;
        fill_rollups(&client).await;
        let row = async |column: &str| {
            let (_, answer) = asked(&client, &request(Question::Exporters)).await.unwrap();
            assert_eq!(answer.rows.len(), 1);
            answer.rows[0][answer.column(column).unwrap()].clone()
        };
        // Nothing in the ledger yet: the rows are those that there are, and datagrams are not known instead of none.
        assert_eq!(row("rows_stored").await, Cell::Whole(29));
        assert_eq!(row("datagrams").await, Cell::Nothing);
        assert_eq!(row("last_seen").await, Cell::Text("2026-03-04T05:59:59Z".to_owned()));
        // Datagrams came out of the rings, and the minute is not settled.
        let minute = (BEGIN_MS + 59 * MINUTE_MS) / 1000;
        client
            .execute(&format!("INSERT INTO ledger (minute, exporter_address, observation_domain, received_xdp, received_udp, rows_stored) VALUES ({minute}, '::ffff:192.0.2.1', 7, 5, 2, 20)"))
            .await
            .unwrap();
        assert_eq!((row("datagrams").await, row("rows_stored").await), (Cell::Whole(7), Cell::Whole(29)));
        // It is settled: what was seen counts, and nothing twice.
        client
            .execute(&format!("INSERT INTO ledger (minute, exporter_address, seen_xdp, seen_udp, rows_stored) VALUES ({minute}, '::ffff:192.0.2.1', 6, 2, 15)"))
            .await
            .unwrap();
        assert_eq!((row("datagrams").await, row("rows_stored").await), (Cell::Whole(8), Cell::Whole(35)));
    });
}

#[test]
fn data_that_waits_for_a_template_is_told() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_waiting"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let minute = BEGIN_MS / 1000 + 600;
        client
            .execute(&format!(
                "INSERT INTO ledger (minute, exporter_address, observation_domain, received_udp, sets_held, sets_decoded_late, sets_expired) VALUES \
                 ({minute}, '::ffff:192.0.2.1', 1, 9, 12, 2, 3), ({minute}, '::ffff:192.0.2.2', 1, 9, 4, 4, 0)"
            ))
            .await
            .unwrap();
        let request = request(Question::Top(Grouping::Src));
        let (plan, _) = asked(&client, &request).await.unwrap();
        let found = waiting(&client, &request, plan.choice.span, plan.names, Limits::default()).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| (one.exporter.to_string(), one.waiting, one.given_up)).collect();
        assert_eq!(found, [("192.0.2.1".to_owned(), 7, 3)]);
        let later = Span { from_ms: BEGIN_MS + 30 * MINUTE_MS, to_ms: BEGIN_MS + HOUR_MS };
        assert_eq!(waiting(&client, &request, later, plan.names, Limits::default()).await.unwrap(), []);
    });
}
