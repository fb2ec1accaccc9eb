//! Inserts: each format, large bodies, packed bodies, tokens, and bodies that break off.

use crate::support::{Store, shared, start};

/// 1 + `count` little-endian numbers as a Native block of the column `a UInt64`.
fn native(numbers: std::ops::Range<u64>) -> Vec<u8> {
    let mut block = vec![1];
    let mut rows = numbers.end - numbers.start;
    while rows >= 0x80 {
        block.push((rows & 0x7f) as u8 | 0x80);
        rows >>= 7;
    }
    block.push(rows as u8);
    block.extend_from_slice(b"\x01a\x06UInt64");
    numbers.for_each(|number| block.extend_from_slice(&number.to_le_bytes()));
    block
}

#[test]
fn each_format_is_inserted_whole() {
    let Some(store) = shared() else { return };
    // Past the 64 MiB that are held in memory.
    const LARGE: u64 = 9_000_000;
    let text = |row: fn(u64) -> String, rows: u64| (0..rows).map(row).collect::<String>().into_bytes();
    let cases: [(&str, u64, Vec<u8>); 6] = [
        ("CSV", 2_000_000, text(|number| format!("{number}\n"), 2_000_000)),
        ("JSONEachRow", 1_000_000, text(|number| format!("{{\"a\":{number}}}\n"), 1_000_000)),
        ("Values", 1000, text(|number| format!("({number}),"), 999).into_iter().chain(*b"(999)").collect()),
        ("RowBinary", 2_000_000, (0..2_000_000_u64).flat_map(u64::to_le_bytes).collect()),
        ("Native", LARGE, (0..LARGE / 500_000).flat_map(|part| native(part * 500_000..(part + 1) * 500_000)).collect()),
        ("TSV", 0, Vec::new()),
    ];
    for (format, rows, data) in cases {
        let table = format!("insert_{format}");
        store.ok(&format!("CREATE TABLE {table} (a UInt64) ENGINE = MergeTree ORDER BY a"));
        let answer = store.insert(&format!("INSERT INTO {table} FORMAT {format}"), "", &data);
        assert_eq!(answer.status, 200, "{format}: {}", answer.text());
        assert!(answer.headers["x-clickhouse-summary"].contains(&format!("\"written_rows\":\"{rows}\"")), "{format}");
        let sum: u64 = (0..rows).sum();
        assert_eq!(store.ok(&format!("SELECT count(), sum(a) FROM {table}")), format!("{rows}\t{sum}\n"), "{format}");
        store.ok(&format!("DROP TABLE {table}"));
    }
}

#[test]
fn statements_of_all_shapes_insert() {
    let Some(store) = shared() else { return };
    store.ok("CREATE TABLE shapes (a UInt64, b String DEFAULT 'd') ENGINE = MergeTree ORDER BY a");
    let cases = [
        "INSERT INTO shapes VALUES (1, 'x')",
        "insert into shapes (a)\nformat CSV\n2\n",
        "INSERT INTO collector.shapes (a, b) SETTINGS async_insert = 0 FORMAT JSONEachRow {\"a\":3,\"b\":\"y\"}",
        "INSERT INTO `shapes` (`a`) VALUES (4)",
        "INSERT INTO shapes SELECT 5, 'z'",
        "INSERT INTO shapes (a) WITH 6 AS x SELECT x",
        "/* VALUES */ INSERT INTO TABLE shapes FORMAT TSV\n7\tw\n",
    ];
    for sql in cases {
        store.ok(sql);
    }
    assert_eq!(
        store.ok("SELECT groupArray(a), groupArray(b) FROM (SELECT * FROM shapes ORDER BY a)"),
        "[1,2,3,4,5,6,7]\t['x','d','y','d','z','d','w']\n"
    );
    let headers = [("X-ClickHouse-Format", "CSV")];
    let answer = store.request("POST", "/?query=INSERT+INTO+shapes+(a)+FORMAT+CSV", &headers, b"8\n");
    assert_eq!(answer.status, 200, "{}", answer.text());
    store.ok("DROP TABLE shapes");
}

#[test]
fn a_token_collapses_a_repeated_insert() {
    let Some(store) = shared() else { return };
    store.ok("CREATE TABLE tokens (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100");
    for (token, rows) in [("a", 2), ("a", 2), ("b", 4)] {
        let settings = format!("&insert_deduplication_token={token}&insert_deduplicate=1&async_insert=0");
        let answer = store.insert("INSERT INTO tokens FORMAT CSV", &settings, b"1\n2\n");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(store.ok("SELECT count() FROM tokens"), format!("{rows}\n"), "{token}");
    }
    store.ok("DROP TABLE tokens");
}

#[test]
fn framed_bodies_are_inserted_and_broken_ones_are_not() {
    let Some(store) = shared() else { return };
    store.ok("CREATE TABLE framed (a UInt64) ENGINE = MergeTree ORDER BY a");
    let data = native(0..100_000);
    let mut frame = vec![0; 16];
    let packed = lz4_flex::block::compress(&data);
    frame.push(0x82);
    frame.extend_from_slice(&(packed.len() as u32 + 9).to_le_bytes());
    frame.extend_from_slice(&(data.len() as u32).to_le_bytes());
    frame.extend_from_slice(&packed);
    let checksum = cityhash_rs::cityhash_102_128(&frame[16..]).rotate_right(64);
    frame[..16].copy_from_slice(&checksum.to_le_bytes());
    let insert = |data: &[u8]| store.insert("INSERT INTO framed FORMAT Native", "&decompress=1", data).status;
    assert_eq!(insert(&frame), 200);
    assert_eq!(insert(&frame[..frame.len() - 1]), 500);
    *frame.last_mut().expect("not empty") ^= 1;
    assert_eq!(insert(&frame), 500);
    assert_eq!(store.ok("SELECT count() FROM framed"), "100000\n");
    store.ok("DROP TABLE framed");
}

#[test]
fn a_body_that_breaks_off_inserts_nothing() {
    let Some(store) = Store::start() else { return };
    store.ok("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a");
    for rows in [10, 3_000_000] {
        let data: String = (0..rows).map(|number| format!("{number}\n")).collect();
        store.insert_and_break_off("INSERT INTO t FORMAT CSV", data.as_bytes());
    }
    let answer = store.insert("INSERT INTO t FORMAT CSV", "", b"1\n2\nx\n");
    assert_eq!(
        (answer.status, answer.headers["x-clickhouse-exception-code"].as_str()),
        (400, "117"),
        "{}",
        answer.text()
    );
    // The end of the store waits for all that it still does.
    let settings = store.settings.clone();
    let mut store = store;
    store.child.take().expect("running").stop().expect("a clean end");
    store.child = Some(start(&settings).expect("a start"));
    assert_eq!(store.ok("SELECT count() FROM t"), "0\n");
}
