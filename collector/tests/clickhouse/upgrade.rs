//! Upgrades with data in the tables, from every version that was released; and the tables that are refused.

use collector::clickhouse::schema::{self, Applied};
use collector::clickhouse::{Class, Client, system_logs};

use crate::engine::{Engine, block_on};

/// The statements that made a version from nothing.
fn statements_of(version: u32) -> Vec<String> {
    let script = schema::print();
    let end = format!("VALUES ({version}, ");
    let rest = script.find(&end).and_then(|at| script[at..].find(";\n").map(|more| at + more + 2)).unwrap();
    script[..rest].split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

async fn make(client: &Client, version: u32) {
    let database = &client.settings().database;
    client.execute_on_server(&format!("CREATE DATABASE `{database}`")).await.unwrap();
    for statement in statements_of(version) {
        client.execute(&statement).await.unwrap();
    }
}

/// Rows that the tables of a version take: table, insert, and a question with its answer.
const ROWS: [(u32, &str, &str, &str); 4] = [
    (
        1,
        "INSERT INTO flows (time_received, exporter_address, src_addr, dst_addr, bytes, packets) VALUES \
         ('2026-01-02 03:04:05.678', '::ffff:192.0.2.1', '2001:db8::1', '2001:db8::2', 1500, 1), \
         ('2026-01-03 03:04:05.678', '::ffff:192.0.2.1', '2001:db8::2', '2001:db8::1', 40, 1)",
        "SELECT sum(bytes), count() FROM flows WHERE src_addr = '2001:db8::1' OR dst_addr = '2001:db8::1'",
        "1540\t2\n",
    ),
    (
        2,
        "INSERT INTO nat_events (time_received, time_event, src_addr, post_nat_src_addr, port_block_start, port_block_end) \
         VALUES ('2026-01-02 03:04:05', '2026-01-02 03:04:05', '::ffff:10.0.0.1', '::ffff:192.0.2.9', 1024, 2047)",
        "SELECT src_addr, port_block_end FROM nat_events WHERE post_nat_src_addr = '::ffff:192.0.2.9'",
        "::ffff:10.0.0.1\t2047\n",
    ),
    (
        2,
        "INSERT INTO interface_counters (time_received, exporter_address, if_index, in_octets) \
         VALUES ('2026-01-02 03:04:05', '::ffff:192.0.2.1', 7, 18446744073709551615)",
        "SELECT if_index, in_octets FROM interface_counters",
        "7\t18446744073709551615\n",
    ),
    (
        3,
        "INSERT INTO ledger (minute, exporter_address, seen_udp, missing_records) \
         VALUES ('2026-01-02 03:04:00', '::ffff:192.0.2.1', 5, -2)",
        "SELECT sum(seen_udp), sum(missing_records) FROM ledger",
        "5\t-2\n",
    ),
];

#[test]
fn every_released_version_is_upgraded_with_its_rows() {
    let Some(engine) = Engine::start() else { return };
    let latest = schema::latest_version();
    for from in schema::versions().filter(|version| *version < latest) {
        let client = engine.client(&engine.settings(&format!("upgrade_{from}")));
        block_on(async {
            make(&client, from).await;
            let there: Vec<_> = ROWS.iter().filter(|(since, ..)| *since <= from).collect();
            for (_, insert, ..) in &there {
                client.execute(insert).await.unwrap();
            }
            let plan = schema::plan(&client).await.unwrap();
            assert_eq!((plan.from, plan.to, plan.makes_database), (from, latest, false));
            assert_eq!(schema::apply(&client).await.unwrap(), Applied { from, to: latest });
            schema::check(&client).await.unwrap();
            for (_, _, question, answer) in there {
                assert_eq!(client.query(question, "TSV").await.unwrap(), *answer, "from {from}: {question}");
            }
            let agents = "SELECT DISTINCT agent_address FROM flows";
            assert_eq!(
                client.query(agents, "TSV").await.unwrap(),
                "::ffff:192.0.2.1\n",
                "rows of before have their exporter"
            );
            let of_projection =
                "SELECT bytes FROM flows WHERE dst_addr = '2001:db8::1' SETTINGS force_optimize_projection = 0";
            assert_eq!(client.query(of_projection, "TSV").await.unwrap(), "40\n", "parts of before and after");
        });
    }
}

#[test]
fn every_statement_may_be_run_again() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("upgrade_again"));
    block_on(async {
        let latest = schema::latest_version();
        make(&client, latest).await;
        for (_, insert, ..) in &ROWS {
            client.execute(insert).await.unwrap();
        }
        for statement in
            statements_of(latest).iter().filter(|statement| !statement.starts_with("INSERT INTO schema_version"))
        {
            client.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        for (_, _, question, answer) in &ROWS {
            assert_eq!(client.query(question, "TSV").await.unwrap(), *answer, "{question}");
        }
    });
}

#[test]
fn a_dry_run_tells_all_and_changes_nothing() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("upgrade_dry"));
    block_on(async {
        let plan = schema::plan(&client).await.unwrap();
        assert_eq!((plan.from, plan.makes_database), (0, true));
        assert_eq!(client.probe().await.unwrap_err().class, Class::NoDatabase, "it was not made");
        make(&client, 1).await;
        let plan = schema::plan(&client).await.unwrap();
        assert_eq!(plan.from, 1);
        for statement in &plan.statements {
            client.execute(statement).await.unwrap();
        }
        schema::check(&client).await.unwrap();
        assert_eq!(schema::plan(&client).await.unwrap().statements, Vec::<String>::new());
    });
}

/// What is done to the tables of a version, and what an upgrade then says.
const DIFFERENT: [(&str, u32, &str, &str); 6] = [
    ("type", 1, "ALTER TABLE flows MODIFY COLUMN bytes UInt32", "table flows: column bytes is UInt32, not UInt64"),
    ("missing", 2, "ALTER TABLE flows DROP COLUMN tos", "table flows: column tos is missing"),
    ("gone", 3, "DROP TABLE nat_events", "table nat_events is missing"),
    (
        "coming",
        1,
        "ALTER TABLE flows ADD COLUMN in_if_name UInt8",
        "table flows: column in_if_name is UInt8, not LowCardinality(String)",
    ),
    (
        "foreign",
        1,
        "CREATE TABLE ledger (day Date, text String) ENGINE = MergeTree ORDER BY day",
        "table ledger is not the collector's: its engine is MergeTree, not SummingMergeTree",
    ),
    ("newest", u32::MAX, "ALTER TABLE flows DROP COLUMN raw", "table flows: column raw is missing"),
];

#[test]
fn tables_that_are_not_as_they_were_made_are_refused_by_name() {
    let Some(engine) = Engine::start() else { return };
    for (name, version, change, expected) in DIFFERENT {
        let client = engine.client(&engine.settings(&format!("different_{name}")));
        block_on(async {
            make(&client, version.min(schema::latest_version())).await;
            client.execute(change).await.unwrap();
            let error = schema::apply(&client).await.unwrap_err();
            assert_eq!(error.class, Class::Schema, "{name}");
            assert!(error.message.contains(expected), "{name}: {error}");
            assert!(error.message.contains("nothing was changed"), "{name}: {error}");
        });
    }
}

#[test]
fn columns_projections_and_indexes_of_the_operator_are_no_difference() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("different_added"));
    block_on(async {
        make(&client, 3).await;
        client.execute("ALTER TABLE flows ADD COLUMN site String DEFAULT 'x'").await.unwrap();
        client.execute("ALTER TABLE flows ADD INDEX mine bytes TYPE minmax").await.unwrap();
        schema::apply(&client).await.unwrap();
        client.execute("ALTER TABLE flows DROP PROJECTION host_by_src").await.unwrap();
        schema::apply(&client).await.unwrap();
    });
}

#[test]
fn the_servers_logs_are_left_alone_where_there_are_none_and_their_statements_are_sound() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("default"));
    block_on(async {
        assert_eq!(system_logs::apply(&client).await.unwrap(), Vec::<String>::new());
        let script = system_logs::print();
        let statements: Vec<&str> = script.lines().filter(|line| line.starts_with("ALTER TABLE system.")).collect();
        assert!(statements.len() > 10, "{script}");
        for statement in statements {
            client.query(&format!("EXPLAIN AST {}", statement.trim_end_matches(';')), "TSV").await.unwrap();
        }
    });
}
