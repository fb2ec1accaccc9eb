//! Hosts behind address translation: found in both directions, by either address, and without reading other hosts' flows.

use collector::clickhouse::{Client, schema};
use collector::query::{Answer, Cell, Ends, Limits, Measure, Question, Request, Span, ask, plan};
use collector::rollup::Selection;

use crate::engine::{Engine, block_on};
use crate::query_flows::BEGIN_MS;

/// Flows of other hosts, of exporters that translate nothing.
const OTHERS: u64 = 400_000;
/// Over which they are spread.
const MINUTES: u64 = 40;

/// A conversation behind a source NAT as routers tell it: out, the inside host is the source; in, the outside address is the
/// destination, and the inside host is what it was translated to. Then a server whose port is forwarded, and a flow translated to
/// what it was.
const TRANSLATED: [&str; 5] = [
    "('192.0.2.5', 41000, '198.51.100.20', 443, '203.0.113.1', 50001, '::', 0, 2089)",
    "('198.51.100.20', 443, '203.0.113.1', 50001, '::', 0, '192.0.2.5', 41000, 320)",
    "('198.51.100.30', 33000, '203.0.113.1', 8443, '::', 0, '192.0.2.80', 443, 700)",
    "('192.0.2.80', 443, '198.51.100.30', 33000, '203.0.113.1', 8443, '::', 0, 900)",
    "('192.0.2.9', 1000, '198.51.100.40', 53, '192.0.2.9', 0, '198.51.100.40', 0, 60)",
];

async fn store(client: &Client) {
    schema::apply(client).await.unwrap();
    let time = format!("fromUnixTimestamp64Milli({BEGIN_MS} + number * {} * 60000 DIV {OTHERS}, 'UTC')", MINUTES);
    let others = format!(
        "INSERT INTO flows (time_received, time_start, time_end, exporter_address, src_addr, dst_addr, src_port, dst_port, protocol, bytes, packets) \
         SELECT {time} AS t, t, t, toIPv6('192.0.2.254'), toIPv6(IPv4NumToString(toUInt32(0x0A000000 + cityHash64(number) % 5000))), \
         toIPv6(IPv4NumToString(toUInt32(0x0A100000 + cityHash64(number, 1) % 5000))), 40000, 443, 6, 1000, 10 FROM numbers({OTHERS})"
    );
    client.execute(&others).await.unwrap();
    let at = format!("fromUnixTimestamp64Milli({}, 'UTC')", BEGIN_MS + 600_000);
    let values = TRANSLATED.map(|values| format!("({at}, {at}, {at}, '192.0.2.1', 6, 1, {}", &values[1..]));
    let translated = format!(
        "INSERT INTO flows (time_received, time_start, time_end, exporter_address, protocol, packets, src_addr, src_port, dst_addr, dst_port, \
         post_nat_src_addr, post_nat_src_port, post_nat_dst_addr, post_nat_dst_port, bytes) VALUES {}",
        values.join(", ")
    );
    client
        .execute(
            &translated
                .replace("'192.", "'::ffff:192.")
                .replace("'198.", "'::ffff:198.")
                .replace("'203.", "'::ffff:203."),
        )
        .await
        .unwrap();
    client.execute("OPTIMIZE TABLE flows FINAL").await.unwrap();
}

/// What finds flows, and their bytes.
type Found = &'static [(&'static str, u64)];

async fn host(client: &Client, address: &str, port: Option<u16>) -> (String, Answer) {
    let request = Request {
        question: Question::Host { address: address.parse().unwrap(), port },
        span: Span { from_ms: BEGIN_MS, to_ms: BEGIN_MS + MINUTES as i64 * 60_000 },
        ends: Ends::Exact,
        filters: vec![],
        measure: Measure::Bytes,
        limit: 1000,
        approximate: false,
        implausible: false,
    };
    let plan = plan(client, &request, Selection::default()).await.unwrap();
    let answer = ask(client, &plan.statement, Limits::default()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{error}\n{}", plan.statement.sql));
    (plan.statement.sql, answer)
}

/// What was found by what, with its bytes.
fn matches(answer: &Answer) -> Vec<(String, u64)> {
    let column = |name: &str| answer.column(name).unwrap();
    let mut found: Vec<(String, u64)> = answer
        .rows
        .iter()
        .map(|row| match (&row[column("matched_by")], &row[column("bytes")]) {
            (Cell::Text(by), Cell::Whole(bytes)) => (by.clone(), *bytes),
            other => panic!("{other:?}"),
        })
        .collect();
    found.sort();
    found
}

#[test]
fn a_host_behind_nat_is_found_in_both_directions_and_cheaply() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("query_nat"));
    block_on(async {
        store(&client).await;
        let cases: [(&str, Option<u16>, Found); 9] = [
            ("192.0.2.5", None, &[("post_nat_dst", 320), ("src", 2089)]),
            ("192.0.2.5", Some(41_000), &[("post_nat_dst", 320), ("src", 2089)]),
            ("192.0.2.5", Some(50_001), &[]),
            ("203.0.113.1", None, &[("dst", 320), ("dst", 700), ("post_nat_src", 900), ("post_nat_src", 2089)]),
            ("203.0.113.1", Some(50_001), &[("dst", 320), ("post_nat_src", 2089)]),
            ("192.0.2.80", Some(443), &[("post_nat_dst", 700), ("src", 900)]),
            // A port that was not translated is the one of before.
            ("198.51.100.40", Some(53), &[("dst", 60)]),
            ("192.0.2.9", None, &[("src", 60)]),
            ("::", None, &[]),
        ];
        for (address, port, expected) in cases {
            let (sql, answer) = host(&client, address, port).await;
            let expected: Vec<(String, u64)> = expected.iter().map(|(by, bytes)| ((*by).to_owned(), *bytes)).collect();
            assert_eq!(matches(&answer), expected, "{address} {port:?}\n{sql}");
            // A granule or two for each of the four addresses.
            assert!(answer.rows_read <= OTHERS / 5, "{address} {port:?}: {} rows read\n{sql}", answer.rows_read);
        }
        // A host without translations costs no more for being looked for in the addresses after translation.
        let (_, answer) = host(&client, "10.0.0.7", None).await;
        assert!(answer.rows.len() > 10 && answer.rows_read <= OTHERS / 10, "{} rows read", answer.rows_read);
    });
}
