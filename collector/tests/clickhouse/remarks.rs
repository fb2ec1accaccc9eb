//! Flows whose counts cannot be are in no answer that sums up, those of unsteady clocks are where they were received, and the answer
//! says so, whichever table it comes from.

use collector::clickhouse::{Client, schema};
use collector::query::{Cell, Ends, Filter, Grouping, Limits, Measure, Question, Request, Span, ask, plan};
use collector::rollup::Selection;

use crate::engine::{Engine, block_on};
use crate::query_flows::{BEGIN_MS, flows, store, sums};

const MINUTE_MS: i64 = 60_000;
/// More than all other flows together.
const ABSURD: u64 = 1 << 60;
const SPAN: Span = Span { from_ms: BEGIN_MS + 30 * MINUTE_MS, to_ms: BEGIN_MS + 60 * MINUTE_MS };

fn request(question: Question) -> Request {
    Request {
        question,
        span: SPAN,
        ends: Ends::Exact,
        filters: vec![],
        measure: Measure::Bytes,
        limit: 1000,
        approximate: false,
        implausible: false,
    }
}

/// A flow of 192.0.2.9 that was received in the span, and told that it ended `ahead_ms` later.
fn insert(src: &str, bytes: u64, flags: u8, ahead_ms: i64) -> String {
    let received_ms = SPAN.from_ms + 7 * MINUTE_MS;
    let seconds = |ms: i64| format!("{}.{:03}", ms / 1000, ms % 1000);
    format!(
        "INSERT INTO flows (time_received, time_start, time_end, exporter_address, src_addr, dst_addr, protocol, src_as, bytes, packets, \
         sampling_rate, flags) VALUES ({}, {}, {}, '::ffff:192.0.2.9', '{src}', '::ffff:10.9.9.10', 6, 64999, {bytes}, 1, 1, {flags})",
        seconds(received_ms),
        seconds(received_ms + ahead_ms - 1000),
        seconds(received_ms + ahead_ms),
    )
}

/// Bytes of the rows whose first column is this, the table that was asked, and whether it takes any traffic for absurd.
async fn bytes_of(client: &Client, request: &Request, key: &str) -> (u64, &'static str, bool) {
    let plan = plan(client, request, Selection::default()).await.unwrap();
    let found = ask(client, &plan.statement, Limits::default()).await.unwrap();
    let bytes = found.column("bytes").unwrap();
    let number = |cell: &Cell| if let Cell::Whole(number) = cell { *number } else { 0 };
    let is_key = |cell: &Cell| match cell {
        Cell::Address(address) => address.to_string() == key,
        Cell::Whole(number) => number.to_string() == key,
        Cell::Nothing | Cell::Real(_) | Cell::Text(_) => false,
    };
    let of_key = found.rows.iter().filter(|row| is_key(&row[0])).map(|row| number(&row[bytes])).sum();
    (of_key, plan.choice.table.name, found.rows.iter().any(|row| number(&row[bytes]) >= ABSURD))
}

#[test]
fn what_cannot_be_is_left_out_and_told_of() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_remarks"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        for statement in [
            insert("::ffff:10.9.9.1", ABSURD, 128, 0),
            insert("::ffff:10.9.9.2", 777, 4, 9 * 60 * MINUTE_MS),
            insert("::ffff:10.9.9.2", 1111, 4, -7 * 60 * MINUTE_MS),
            insert("::ffff:10.9.9.3", 555, 64, 0),
            format!(
                "INSERT INTO ledger (minute, exporter_address, implausible, times_corrected, clock_off) VALUES ({}, '::ffff:192.0.2.9', 1, 1, 2)",
                (SPAN.from_ms + 7 * MINUTE_MS) / 1000
            ),
        ] {
            client.execute(&statement).await.unwrap();
        }
        let flows = flows();
        store(&client, &flows).await;
        let odd = |request: Request| Request { span: Span { from_ms: SPAN.from_ms + 7_001, ..SPAN }, ..request };
        for (question, keys, table) in [
            (Question::Top(Grouping::Src), [("10.9.9.1", 0), ("10.9.9.2", 1888), ("10.9.9.3", 555)], "flows"),
            (Question::As(Grouping::Src), [("64999", 1888 + 555), ("1", 0), ("2", 0)], "as_5m"),
            (Question::Exporters, [("192.0.2.9", 1888 + 555), ("192.0.2.7", 0), ("192.0.2.8", 0)], "country_5m"),
        ] {
            let even = request(question);
            for (request, table) in [(even.clone(), table), (odd(even), "flows")] {
                for (key, bytes) in keys {
                    assert_eq!(bytes_of(&client, &request, key).await, (bytes, table, false), "{request:?} {key}");
                }
                let request = Request { implausible: true, ..request };
                assert!(matches!(bytes_of(&client, &request, "").await, (_, "flows", true)), "{request:?}");
            }
        }
        // The others are what they were.
        let request = request(Question::Top(Grouping::Src));
        let expected = sums(&flows, (SPAN.from_ms, SPAN.to_ms), |flow| vec![flow.src.to_string()]);
        for (host, sums) in expected {
            assert_eq!(bytes_of(&client, &request, &host).await.0, sums[0], "{host}");
        }
        let remarks = plan(&client, &request, Selection::default()).await.unwrap().remarks;
        let told = [&remarks.implausible, &remarks.corrected, &remarks.unsteady].map(|remark| remark.told().unwrap());
        assert_eq!(told, ["1 row", "1 row", "2 rows"].map(|rows| format!("{rows} of flows from 192.0.2.9")));
        let elsewhere = Request { filters: vec![Filter::Exporter("192.0.2.1".parse().unwrap())], ..request };
        let remarks = plan(&client, &elsewhere, Selection::default()).await.unwrap().remarks;
        assert_eq!(remarks.implausible.told(), None, "of another exporter");
    });
}
