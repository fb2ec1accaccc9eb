//! Queries, formats, errors, credentials, compression.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Store, encoded, shared};

type Headers = &'static [(&'static str, &'static str)];

/// What tells a store without a password that no web page asks.
const PROGRAM: (&str, &str) = ("X-ClickHouse-User", "default");

#[test]
fn health_checks_and_unknown_paths() {
    let Some(store) = shared() else { return };
    let cases = [
        ("/ping", 200, "Ok.\n"),
        ("/", 200, "Ok.\n"),
        ("/replicas_status", 200, "Ok.\n"),
        ("/nosuch", 404, "There is no"),
    ];
    for (target, status, text) in cases {
        let answer = store.request("GET", target, &[], b"");
        assert_eq!(answer.status, status, "{target}");
        assert!(answer.text().starts_with(text), "{target}: {}", answer.text());
    }
    assert_eq!(store.request("HEAD", "/?query=SELECT+1", &[], b"").body, b"");
}

#[test]
fn queries_come_in_url_and_body_with_formats_settings_and_parameters() {
    let Some(store) = shared() else { return };
    let cases: &[(&str, &str, Headers, &str, &str)] = &[
        ("GET", "/?query=SELECT+1", &[PROGRAM], "", "1\n"),
        ("POST", "/", &[], "SELECT 1", "1\n"),
        ("POST", "/?query=SELECT", &[], "2", "2\n"),
        ("GET", "/?query=SELECT+1+AS+a&default_format=JSONEachRow", &[PROGRAM], "", "{\"a\":1}\n"),
        ("POST", "/", &[("X-ClickHouse-Format", "CSV")], "SELECT 'a', 1", "\"a\",1\n"),
        ("POST", "/?default_format=CSV", &[], "SELECT 1 AS a FORMAT TSVWithNames", "a\n1\n"),
        ("POST", "/?param_x=it%27s%5C%5C", &[], "SELECT {x:String} FORMAT RawBLOB", "it's\\"),
        (
            "POST",
            "/?max_threads=3&database=system",
            &[],
            "SELECT getSetting('max_threads'), currentDatabase()",
            "3\tsystem\n",
        ),
        ("POST", "/?session_id=a&quota_key=b", &[], "SELECT 1 WHERE 0 FORMAT CSVWithNames", "\"1\"\n"),
        ("POST", "/", &[], "SELECT 1 FROM numbers(0) FORMAT Native", ""),
        ("POST", "/", &[], "WITH 3 AS x SELECT x;\n", "3\n"),
    ];
    for (method, target, headers, body, expected) in cases {
        let answer = store.request(method, target, headers, body.as_bytes());
        assert_eq!((answer.status, answer.text().as_str()), (200, *expected), "{target} {body}");
    }
    // Settings end with their request.
    assert_ne!(store.ok("SELECT getSetting('max_block_size')"), "17\n");
    assert_eq!(
        store.request("POST", "/?max_block_size=17", &[], b"SELECT getSetting('max_block_size')").text(),
        "17\n"
    );
    assert_ne!(store.ok("SELECT getSetting('max_block_size')"), "17\n");
}

#[test]
fn requests_that_name_no_database_get_the_collectors() {
    let Some(store) = Store::start() else { return };
    store.ok("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a");
    assert_eq!(store.insert("INSERT INTO t FORMAT CSV", "", b"7\n").status, 200);
    for sql in ["SELECT a FROM t", "SELECT a FROM collector.t"] {
        assert_eq!(store.ok(sql), "7\n", "{sql}");
    }
    let elsewhere = store.request(
        "POST",
        "/?database=default",
        &[],
        b"SELECT count() FROM system.tables WHERE name = 't' AND database = currentDatabase()",
    );
    assert_eq!(elsewhere.text(), "0\n");
    // Without it, what needs none is answered still, and it can be made again.
    store.ok("DROP DATABASE collector");
    assert_eq!(store.ok("SELECT 1"), "1\n");
    store.ok("CREATE DATABASE collector");
    assert_eq!(store.ok("SELECT currentDatabase()"), "collector\n");
}

#[test]
fn answers_have_clickhouses_headers() {
    let Some(store) = shared() else { return };
    let answer = store.request("POST", "/?query_id=mine", &[], b"SELECT 1 FORMAT JSON");
    assert_eq!(answer.headers["x-clickhouse-query-id"], "mine");
    assert_eq!(answer.headers["x-clickhouse-format"], "JSON");
    assert_eq!(answer.headers["content-type"], "application/json; charset=UTF-8");
    assert!(answer.headers["x-clickhouse-summary"].contains("\"read_rows\":\"1\""));
    assert!(!answer.headers["x-clickhouse-timezone"].is_empty());
}

#[test]
fn errors_have_clickhouses_code_text_and_status() {
    let Some(store) = shared() else { return };
    let cases = [
        ("SELECT * FROM nosuch", 404, 60, "UNKNOWN_TABLE"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT nosuch", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT 1 FORMAT Nosuch", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT 1; SELECT 2", 400, 62, "SYNTAX_ERROR"),
        ("SELECT * FROM file('/etc/passwd', LineAsString)", 403, 497, "ACCESS_DENIED"),
        ("SELECT * FROM url('http://127.0.0.1:1/', LineAsString)", 403, 497, "ACCESS_DENIED"),
        ("CREATE TABLE f (a UInt8) ENGINE = File(CSV)", 403, 497, "ACCESS_DENIED"),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 403, 497, "ACCESS_DENIED"),
        ("SYSTEM SHUTDOWN", 403, 497, "ACCESS_DENIED"),
        ("SYSTEM KILL", 403, 497, "ACCESS_DENIED"),
    ];
    for (sql, status, code, name) in cases {
        let answer = store.post(sql);
        assert_eq!(answer.status, status, "{sql}: {}", answer.text());
        assert_eq!(answer.headers["x-clickhouse-exception-code"], format!("{code}"), "{sql}");
        let text = answer.text();
        assert!(text.starts_with(&format!("Code: {code}. DB::Exception: ")) && text.contains(name), "{text}");
    }
    let read_only = store.request("GET", "/?query=CREATE+DATABASE+d", &[PROGRAM], b"");
    assert_eq!(read_only.headers["x-clickhouse-exception-code"], "164");
    let unknown = store.request("POST", "/?database=nosuch&x=1", &[], b"SELECT 1");
    assert_eq!((unknown.status, unknown.headers["x-clickhouse-exception-code"].as_str()), (404, "115"));
    let database = store.request("POST", "/?database=nosuch", &[], b"SELECT 1");
    assert_eq!((database.status, database.headers["x-clickhouse-exception-code"].as_str()), (404, "81"));
}

#[test]
fn a_large_result_is_streamed_in_one_document() {
    let Some(store) = shared() else { return };
    let expected: String = (0..500_000).map(|number| format!("{number}\n")).collect();
    for (format, header) in
        [("TSV", ""), ("TSVWithNames", "number\n"), ("CSVWithNamesAndTypes", "\"number\"\n\"UInt64\"\n")]
    {
        let found = store.ok(&format!("SELECT number FROM numbers(500000) FORMAT {format}"));
        assert!(found == format!("{header}{expected}"), "{format}: {} bytes", found.len());
    }
    let json = store.ok("SELECT number FROM numbers(500000) FORMAT JSONCompact");
    let json: serde_json::Value = serde_json::from_str(&json).expect("one document");
    assert_eq!(json["rows"], 500_000);
}

#[test]
fn an_error_behind_the_first_rows_breaks_the_answer_off() {
    let Some(store) = shared() else { return };
    let answer = store.post("SELECT throwIf(number = 1500000) FROM numbers(2000000) SETTINGS max_threads = 1");
    assert_eq!(answer.status, 200);
    assert!(!answer.complete);
    let tag = &answer.headers["x-clickhouse-exception-tag"];
    let text = answer.text();
    assert!(text.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{:?}", &text[text.len() - 200..]);
    assert!(text.contains("Code: 395. DB::Exception"));
}

#[test]
fn bodies_are_packed_and_unpacked() {
    let Some(store) = shared() else { return };
    let gzip = |data: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).expect("memory");
        encoder.finish().expect("memory")
    };
    let request = store.request("POST", "/", &[("Content-Encoding", "gzip")], &gzip(b"SELECT 'packed'"));
    assert_eq!(request.text(), "packed\n");

    let accept = [("Accept-Encoding", "gzip, deflate")];
    let plain = store.request("POST", "/", &accept, b"SELECT 1");
    assert_eq!(plain.text(), "1\n");
    for sql in ["SELECT number FROM numbers(300000)", "SELECT number FROM numbers(300000) FORMAT JSON", "SELECT nosuch"]
    {
        let answer = store.request("POST", "/?enable_http_compression=1", &accept, sql.as_bytes());
        assert_eq!(answer.headers["content-encoding"], "gzip", "{sql}");
        let mut found = String::new();
        flate2::read::GzDecoder::new(&answer.body[..]).read_to_string(&mut found).expect("gzip");
        let same = |text: &str| text.lines().filter(|line| !line.contains("elapsed")).collect::<Vec<_>>().join("\n");
        assert!(same(&found) == same(&store.post(sql).text()), "{sql}");
    }
    for encoding in ["gzip", "deflate", "lz4", "zstd"] {
        let broken = store.request("POST", "/", &[("Content-Encoding", encoding)], b"SELECT 1, but packed by nobody");
        assert_eq!(broken.status, 500, "{encoding}: {}", broken.text());
        assert_eq!(broken.headers["x-clickhouse-exception-code"], "271", "{encoding}: {}", broken.text());
    }
    assert_eq!(store.request("POST", "/", &[("Content-Encoding", "br")], b"SELECT 1").status, 501);
}

#[test]
fn a_password_is_asked_for_in_each_place() {
    let change = |settings: &mut collector::store::Settings| {
        settings.user = Some("ann".to_owned());
        settings.password = Some("pa:ss".to_owned());
    };
    let Some(store) = Store::start_with(change) else { return };
    let cases: &[(&str, Headers, u16)] = &[
        ("/?query=SELECT+1", &[("Authorization", "Basic YW5uOnBhOnNz")], 200),
        ("/?query=SELECT+1", &[("X-ClickHouse-User", "ann"), ("X-ClickHouse-Key", "pa:ss")], 200),
        ("/?query=SELECT+1&user=ann&password=pa%3Ass", &[], 200),
        ("/?query=SELECT+1&user=ann&password=wrong", &[], 403),
        ("/?query=SELECT+1&user=bob&password=pa%3Ass", &[], 403),
        ("/?query=SELECT+1", &[], 401),
        ("/ping", &[], 200),
    ];
    for (target, headers, status) in cases {
        assert_eq!(store.request("GET", target, headers, b"").status, *status, "{target} {headers:?}");
    }
}

#[test]
fn web_pages_may_not_ask_a_store_without_a_password() {
    let Some(store) = shared() else { return };
    for headers in [
        [("Origin", "http://elsewhere.example")],
        [("Authorization", "Basic ZGVmYXVsdDp4")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site")],
    ] {
        assert_eq!(store.request("POST", "/", &headers, b"SELECT 1").status, 403, "{headers:?}");
    }
    // As a script of any page asks: by GET, without a header of its own.
    assert_eq!(store.request("GET", "/?query=SELECT+1", &[], b"").status, 403);
    let answer = store.request("GET", "/?query=SELECT+1", &[PROGRAM], b"");
    assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"));
    assert_eq!(answer.headers.get("x-content-type-options").map(String::as_str), Some("nosniff"));
}

#[test]
fn a_page_has_no_use_of_the_password_that_its_browser_knows() {
    let Some(store) = Store::start_with(|settings| settings.password = Some("p".to_owned())) else { return };
    let known = ("X-ClickHouse-Key", "p");
    assert_eq!(store.request("GET", "/?query=SELECT+1", &[known], b"").status, 200);
    assert_eq!(store.request("GET", "/?query=SELECT+1", &[known, ("Sec-Fetch-Site", "none")], b"").status, 200);
    assert_eq!(store.request("GET", "/?query=SELECT+1", &[known, ("Sec-Fetch-Site", "cross-site")], b"").status, 403);
}

#[test]
fn a_long_query_keeps_nobody_waiting_and_ends_with_its_client() {
    let Some(store) = Store::start_with(|settings| settings.connections = 1) else { return };
    store.ok("CREATE TABLE t (a UInt32) ENGINE = MergeTree ORDER BY a");
    let sql = encoded("SELECT sum(sipHash64(number)) FROM numbers(1000000000000) SETTINGS max_threads = 1");
    let mut client = std::net::TcpStream::connect(store.url().trim_start_matches("http://")).expect("a connection");
    write!(client, "GET /?query={sql} HTTP/1.1\r\nHost: localhost\r\nX-ClickHouse-User: default\r\n\r\n")
        .expect("sent");
    // The only place for SELECTs is taken, or will be; INSERTs have their own.
    for number in 0..5 {
        assert_eq!(store.insert("INSERT INTO t FORMAT CSV", "", format!("{number}\n").as_bytes()).status, 200);
    }
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(store.ok("SELECT count() FROM t"), "5\n");
            ended.store(true, Ordering::SeqCst);
        });
        drop(client);
    });
    assert!(ended.load(Ordering::SeqCst));
}
