//! What becomes of each kind of statement, and what is refused.

use super::*;

fn cluster() -> Cluster {
    Cluster::new("flows-1").unwrap()
}

/// Renders a statement; each statement made of it must be the next of `expected`, where `S ` begins those of each shard.
fn check(statement: &str, expected: &[&str]) {
    let found: Vec<String> = cluster()
        .statements("db", statement)
        .unwrap()
        .into_iter()
        .map(|Statement { scope, sql }| match scope {
            Scope::Once => sql,
            Scope::EachShard => format!("S {sql}"),
        })
        .collect();
    assert_eq!(found, expected, "{statement}");
}

#[test]
fn tables_are_two() {
    check(
        "CREATE TABLE IF NOT EXISTS t\n(\n    `a` UInt8 COMMENT 'it\\'s (a', b String)\nENGINE = MergeTree\nPARTITION BY a\nORDER BY (a, b)\n\
         SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000\nCOMMENT 'SETTINGS of it'",
        &[
            "CREATE TABLE IF NOT EXISTS db.t_local ON CLUSTER `flows-1`\n(\n    `a` UInt8 COMMENT 'it\\'s (a', b String)\n\
             ENGINE = ReplicatedMergeTree('/clickhouse/tables/flows-1/{shard}/db/t_local', '{replica}')\nPARTITION BY a\nORDER BY (a, b)\n\
             SETTINGS index_granularity = 8192, replicated_deduplication_window = 1000, replicated_deduplication_window_seconds = 31536000\n\
             COMMENT 'SETTINGS of it'",
            "CREATE TABLE IF NOT EXISTS db.t ON CLUSTER `flows-1` AS db.t_local\n\
             ENGINE = Distributed('flows-1', 'db', 't_local')\nCOMMENT 'SETTINGS of it'",
        ],
    );
}

#[test]
fn engines_keep_their_arguments_and_deduplicate_only_when_told() {
    for (engine, expected) in [
        (
            "ENGINE = MergeTree ORDER BY a",
            "ReplicatedMergeTree(PATH) ORDER BY a\nSETTINGS replicated_deduplication_window = 0",
        ),
        (
            "ENGINE ReplacingMergeTree(version, deleted) ORDER BY a SETTINGS x = 1 COMMENT 'c'",
            "ReplicatedReplacingMergeTree(PATH, version, deleted) ORDER BY a\nSETTINGS x = 1, replicated_deduplication_window = 0\nCOMMENT 'c'",
        ),
        (
            "ENGINE = SummingMergeTree() ORDER BY a COMMENT 'c'",
            "ReplicatedSummingMergeTree(PATH) ORDER BY a\nSETTINGS replicated_deduplication_window = 0\nCOMMENT 'c'",
        ),
    ] {
        let statements =
            cluster().statements("db", &format!("CREATE TABLE IF NOT EXISTS t (a UInt8) {engine}")).unwrap();
        let expected = expected.replace("PATH", "'/clickhouse/tables/flows-1/{shard}/db/t_local', '{replica}'");
        let begin = "CREATE TABLE IF NOT EXISTS db.t_local ON CLUSTER `flows-1` (a UInt8) ENGINE = ";
        assert_eq!(statements[0].sql, format!("{begin}{expected}"));
    }
    check(
        "CREATE TABLE IF NOT EXISTS t AS u ENGINE = MergeTree ORDER BY a",
        &[
            "CREATE TABLE IF NOT EXISTS db.t_local ON CLUSTER `flows-1` AS db.u_local ENGINE = \
             ReplicatedMergeTree('/clickhouse/tables/flows-1/{shard}/db/t_local', '{replica}') ORDER BY a\n\
             SETTINGS replicated_deduplication_window = 0",
            "CREATE TABLE IF NOT EXISTS db.t ON CLUSTER `flows-1` AS db.t_local\nENGINE = Distributed('flows-1', 'db', 't_local')",
        ],
    );
}

#[test]
fn columns_change_in_both_tables_and_all_else_where_the_rows_are() {
    check(
        "ALTER TABLE t ADD COLUMN IF NOT EXISTS a UInt8 COMMENT 'x, y' CODEC(T64, ZSTD(1)) AFTER b, ADD INDEX IF NOT EXISTS i a TYPE set(1, 2), \
         MODIFY SETTING non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1, MODIFY COLUMN c UInt16",
        &[
            "ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    ADD COLUMN IF NOT EXISTS a UInt8 COMMENT 'x, y' CODEC(T64, ZSTD(1)) AFTER b,\n    \
             ADD INDEX IF NOT EXISTS i a TYPE set(1, 2),\n    MODIFY COLUMN c UInt16",
            "ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    MODIFY SETTING replicated_deduplication_window = 10000, \
             replicated_deduplication_window_seconds = 31536000, ttl_only_drop_parts = 1",
            "ALTER TABLE db.t ON CLUSTER `flows-1`\n    ADD COLUMN IF NOT EXISTS a UInt8 COMMENT 'x, y' CODEC(T64, ZSTD(1)) AFTER b,\n    \
             MODIFY COLUMN c UInt16",
        ],
    );
    for local in [
        "ADD PROJECTION IF NOT EXISTS p (SELECT a, b ORDER BY a)",
        "MATERIALIZE PROJECTION p",
        "DROP PARTITION ID '20260102'",
        "MODIFY TTL a + INTERVAL 1 DAY",
    ] {
        check(
            &format!("ALTER TABLE t {local}"),
            &[&format!("ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    {local}")],
        );
    }
    check(
        "ALTER TABLE t REPLACE PARTITION ID '1' FROM u",
        &["ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    REPLACE PARTITION ID '1' FROM u_local"],
    );
    check(
        "ALTER TABLE t MODIFY SETTING a = 1, b = 2",
        &["ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    MODIFY SETTING a = 1, b = 2"],
    );
    check(
        "ALTER TABLE t RESET SETTING non_replicated_deduplication_window",
        &["ALTER TABLE db.t_local ON CLUSTER `flows-1`\n    RESET SETTING replicated_deduplication_window, \
           replicated_deduplication_window_seconds"],
    );
}

#[test]
fn rows_are_made_on_each_shard_of_its_own() {
    check("INSERT INTO t (a, b) VALUES (1, 'INTO x')", &["S INSERT INTO t_local (a, b) VALUES (1, 'INTO x')"]);
    check(
        "INSERT INTO t\nWITH w AS (SELECT 1 FROM u) SELECT a FROM (SELECT a, 'FROM q' FROM u AS v ARRAY JOIN b AS c) ANY LEFT JOIN w USING a, \
         FROM numbers(3) WHERE a IN (SELECT name FROM system.tables)",
        &[
            "S INSERT INTO t_local\nWITH w AS (SELECT 1 FROM u_local) SELECT a FROM (SELECT a, 'FROM q' FROM u_local AS v ARRAY JOIN b AS c) \
           ANY LEFT JOIN w USING a, FROM numbers(3) WHERE a IN (SELECT name FROM system.tables)",
        ],
    );
    check(
        "INSERT INTO t SELECT * FROM u ARRAY JOIN [in_if, out_if] AS end_if WHERE 1",
        &["S INSERT INTO t_local SELECT * FROM u_local ARRAY JOIN [in_if, out_if] AS end_if WHERE 1"],
    );
}

#[test]
fn dictionaries_read_what_any_shard_was_told() {
    check(
        "CREATE DICTIONARY IF NOT EXISTS d\n(a UInt64, b String)\nPRIMARY KEY a\nSOURCE(CLICKHOUSE(TABLE 't'))\nLAYOUT(FLAT())\nLIFETIME(60)",
        &["CREATE DICTIONARY IF NOT EXISTS db.d ON CLUSTER `flows-1`\n(a UInt64, b String)\nPRIMARY KEY a\n\
           SOURCE(CLICKHOUSE(TABLE 't' DB 'db'))\nLAYOUT(FLAT())\nLIFETIME(60)"],
    );
    check(
        "CREATE OR REPLACE DICTIONARY d (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(DB 'x' TABLE 't')) LAYOUT(FLAT())",
        &[
            "CREATE OR REPLACE DICTIONARY db.d ON CLUSTER `flows-1` (a UInt64) PRIMARY KEY a SOURCE(CLICKHOUSE(DB 'x' TABLE 't')) LAYOUT(FLAT())",
        ],
    );
    check("TRUNCATE TABLE t", &["TRUNCATE TABLE db.t_local ON CLUSTER `flows-1` SYNC"]);
    check("SYSTEM RELOAD DICTIONARY d", &["SYSTEM RELOAD DICTIONARY ON CLUSTER `flows-1` db.d"]);
    check("DROP DICTIONARY IF EXISTS d", &["DROP DICTIONARY IF EXISTS db.d ON CLUSTER `flows-1`"]);
}

#[test]
fn names_change_where_the_rows_are() {
    let distributed = |name: &str| {
        format!(
            "CREATE OR REPLACE TABLE db.{name} ON CLUSTER `flows-1` AS db.{name}_local\n\
             ENGINE = Distributed('flows-1', 'db', '{name}_local')"
        )
    };
    check(
        "RENAME TABLE IF EXISTS t TO u",
        &[
            "RENAME TABLE IF EXISTS db.t_local TO db.u_local ON CLUSTER `flows-1`",
            &distributed("u"),
            "DROP TABLE IF EXISTS db.t ON CLUSTER `flows-1` SYNC",
        ],
    );
    check(
        "EXCHANGE TABLES t AND u",
        &["EXCHANGE TABLES db.t_local AND db.u_local ON CLUSTER `flows-1`", &distributed("t"), &distributed("u")],
    );
    check(
        "DROP TABLE IF EXISTS t",
        &[
            "DROP TABLE IF EXISTS db.t ON CLUSTER `flows-1` SYNC",
            "DROP TABLE IF EXISTS db.t_local ON CLUSTER `flows-1` SYNC",
        ],
    );
}

#[test]
fn what_is_not_known_is_refused() {
    for (statement, reason) in [
        ("", "no migration needed"),
        ("SELECT 1", "no migration needed"),
        ("CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1", "no migration needed"),
        ("CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", "cannot be run again"),
        ("CREATE TABLE IF NOT EXISTS x.t (a UInt8) ENGINE = MergeTree ORDER BY a", "`x` names a database"),
        ("CREATE TABLE IF NOT EXISTS `t` (a UInt8) ENGINE = MergeTree ORDER BY a", "no bare name"),
        ("CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = Memory", "the engine Memory"),
        (
            "CREATE TABLE IF NOT EXISTS t (a UInt8) ENGINE = ReplicatedMergeTree ORDER BY a",
            "the engine ReplicatedMergeTree",
        ),
        ("CREATE TABLE IF NOT EXISTS t (a UInt8)", "no ENGINE"),
        ("CREATE TABLE IF NOT EXISTS t ON CLUSTER c (a UInt8) ENGINE = MergeTree ORDER BY a", "no columns"),
        ("ALTER TABLE t DROP COLUMN a", "unknown command: `DROP COLUMN a`"),
        ("ALTER TABLE t ADD COLUMN a UInt8, UPDATE a = 1 WHERE 1", "unknown command: `UPDATE"),
        ("ALTER TABLE t ON CLUSTER c ADD COLUMN a UInt8", "unknown command: `ON CLUSTER"),
        ("INSERT INTO t SELECT * FROM other.u", "the database other"),
        ("CREATE DICTIONARY d (a UInt8) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT())", "cannot be run again"),
        (
            "CREATE DICTIONARY IF NOT EXISTS d (a UInt8) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT())",
            "no table of ClickHouse",
        ),
        ("CREATE DICTIONARY IF NOT EXISTS d (a UInt8) PRIMARY KEY a LAYOUT(FLAT())", "no SOURCE"),
        ("RENAME TABLE t TO u, v TO w", "goes on with `, v TO w`"),
        ("EXCHANGE TABLES t", "AND which"),
    ] {
        let error = cluster().statements("db", statement).unwrap_err();
        assert_eq!(error.class, Class::Schema);
        assert!(error.message.contains(reason), "{reason:?} is not in: {error}");
    }
}

#[test]
fn names_of_clusters() {
    for (name, fits) in [
        ("flows", true),
        ("flows_1.eu-west", true),
        ("", false),
        (".", false),
        ("a b", false),
        ("a'", false),
        ("a/b", false),
        ("{c}", false),
    ] {
        assert_eq!(Cluster::new(name).is_ok(), fits, "{name:?}");
    }
}
