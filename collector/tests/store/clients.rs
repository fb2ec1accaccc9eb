//! The `clickhouse` crate, clickhouse-connect, and requests in the form that clickhouse-go (Grafana's plug-in) sends them.

use std::path::{Path, PathBuf};
use std::process::Command;

use clickhouse::{Client, Row};
use serde::{Deserialize, Serialize};

use crate::support::{Store, shared};

#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
struct Flow {
    time_ms: i64,
    exporter: String,
    bytes: u64,
    #[serde(rename = "tag")]
    tag: Option<u16>,
}

#[test]
fn the_clickhouse_crate_inserts_and_selects() {
    let Some(store) = shared() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for (number, compression) in [clickhouse::Compression::None, clickhouse::Compression::Lz4].into_iter().enumerate() {
            let client = Client::default().with_url(store.url()).with_compression(compression);
            let table = format!("crate_{number}");
            let create = format!("CREATE TABLE {table} (time_ms Int64, exporter String, bytes UInt64, tag Nullable(UInt16)) ENGINE = MergeTree ORDER BY time_ms");
            client.query(&create).execute().await.expect("created");
            let flows: Vec<Flow> = (0..50_000)
                .map(|row| Flow { time_ms: row, exporter: format!("e{row}"), bytes: 1 << (row % 60), tag: (row % 3 == 0).then_some(7) })
                .collect();
            let mut insert = client.insert::<Flow>(&table).await.expect("an insert");
            for flow in &flows {
                insert.write(flow).await.expect("written");
            }
            insert.end().await.expect("inserted");
            let found = client.query(&format!("SELECT ?fields FROM {table} ORDER BY time_ms")).fetch_all::<Flow>().await.expect("rows");
            assert!(found == flows, "{compression:?}: {} rows", found.len());

            let native = b"\x02\x02\x07time_ms\x05Int64\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x08exporter\x06String\x01x\x01y";
            let mut insert = client.insert_formatted_with(format!("INSERT INTO {table} FORMAT Native"));
            insert.send(bytes::Bytes::from_static(native)).await.expect("sent");
            insert.end().await.expect("inserted");
            let count: u64 = client.query(&format!("SELECT count() FROM {table}")).fetch_one().await.expect("a count");
            assert_eq!(count, 50_002);
            let bound: String = client.query("SELECT ?").bind("it's").fetch_one().await.expect("a value");
            assert_eq!(bound, "it's");
            client.query(&format!("DROP TABLE {table}")).execute().await.expect("dropped");
        }
        let client = Client::default().with_url(store.url());
        let error = client.query("SELECT * FROM nosuch").execute().await.expect_err("no such table");
        assert!(error.to_string().contains("Code: 60."), "{error}");
        let late = client.query("SELECT throwIf(number = 1500000) FROM numbers(2000000) SETTINGS max_threads = 1").fetch_all::<u8>().await;
        assert!(late.is_err_and(|error| error.to_string().contains("FUNCTION_THROW_IF")));
    });
}

/// A Python with clickhouse-connect; nothing, loudly, where there is none and none can be installed.
fn python() -> Option<PathBuf> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clickhouse-connect");
    let python = place.join("bin/python");
    let has_client = |python: &Path| {
        let output = Command::new(python).args(["-c", "import clickhouse_connect"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    if has_client(&python) {
        return Some(python);
    }
    let made = Command::new("python3").args(["-m", "venv"]).arg(&place).output();
    let installed = Command::new(&python).args(["-m", "pip", "install", "--quiet", "clickhouse-connect"]).output();
    if has_client(&python) {
        return Some(python);
    }
    eprintln!("SKIPPED: clickhouse-connect cannot be installed: {made:?} {installed:?}");
    None
}

#[test]
fn clickhouse_connect_inserts_and_selects_as_it_does_by_default() {
    let (Some(python), Some(store)) = (python(), Store::start()) else { return };
    let url = store.url();
    let (host, port) = url.trim_start_matches("http://").rsplit_once(':').expect("an address");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/python_client.py");
    let output = Command::new(python).arg(script).args([host, port]).output().expect("a run");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("database collector\n"), "{told}");
    // The default packs what it sends.
    assert!(told.contains("compression None lz4"), "{told}");
}

#[test]
fn clickhouse_go_gets_blocks_for_its_protocol_version() {
    let Some(store) = shared() else { return };
    let target = "/?default_format=Native&client_protocol_version=54460";
    let hello = store.request("POST", target, &[], b"SELECT displayName(), version(), revision(), timezone()");
    assert_eq!(hello.status, 200, "{}", hello.text());
    assert!(
        hello.body.starts_with(b"\x01\x00\x02\xff\xff\xff\xff\x00\x04\x01\x0ddisplayName()\x06String\x00"),
        "{:?}",
        hello.body
    );

    // Each type once, so that a wrong width shows as a block that does not end where it should.
    let types = "1::UInt8, 2::Int256, 'a', toFixedString('ab', 3), now(), now64(3), today(), toIPv4('1.2.3.4'), toIPv6('::1'), \
        generateUUIDv4(), 1.5::Decimal(20, 3), [1, 2], [['a'], []], (1, 'b'), map('k', [1]), NULL::Nullable(String), \
        'x'::LowCardinality(String), NULL::LowCardinality(Nullable(String)), ['l']::Array(LowCardinality(String)), \
        'e'::Enum8('e' = 1), CAST((1, 'n'), 'Tuple(a UInt8, `b c` String)'), true, toIntervalDay(1), 1::Float32";
    let sql = format!("SELECT {types}, number FROM numbers(100000)");
    let plain = store.request("POST", "/?default_format=Native", &[], sql.as_bytes());
    let rewritten = store.request("POST", target, &[], sql.as_bytes());
    assert_eq!(rewritten.status, 200, "{}", rewritten.text());
    // 8 bytes of block info and 25 of columns to each block.
    assert_eq!((rewritten.body.len() - plain.body.len()) % 33, 0);
    assert!(rewritten.body.len() > plain.body.len() && rewritten.complete);

    let compressed = store.request("POST", &format!("{target}&compress=1"), &[], b"SELECT 1");
    assert_eq!(compressed.body.get(16), Some(&0x82));
    let error = store.request("POST", &format!("{target}&compress=1"), &[], b"SELECT nosuch");
    assert_eq!((error.status, error.body.get(16)), (404, Some(&0x82)));
}

#[test]
fn grafanas_queries_are_answered() {
    let Some(store) = shared() else { return };
    let cases = [
        "SELECT name FROM system.databases WHERE name NOT IN ('system')",
        "SELECT name, type FROM system.columns WHERE database = 'system' AND table = 'tables'",
        "SELECT toStartOfInterval(now(), INTERVAL 60 second) AS time, count() FROM numbers(10) GROUP BY time ORDER BY time WITH FILL",
        "EXPLAIN SELECT 1",
        "SHOW TABLES FROM system",
        "SELECT timezone()",
    ];
    for sql in cases {
        store.ok(sql);
    }
}
