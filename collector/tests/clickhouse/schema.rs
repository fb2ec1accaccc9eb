//! The tables and their migrations, on a real engine.

use collector::batch::TABLES;
use collector::clickhouse::schema::{self, Applied};
use collector::clickhouse::{Class, Client};

use crate::engine::{Engine, block_on};

#[test]
fn applying_is_idempotent_and_makes_the_columns() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema apply"));
    block_on(async {
        assert_eq!(schema::check(&client).await.unwrap_err().class, Class::NoDatabase);
        let latest = schema::latest_version();
        assert_eq!(schema::apply(&client).await.unwrap(), Applied { from: 0, to: latest });
        assert_eq!(schema::apply(&client).await.unwrap(), Applied { from: latest, to: latest });
        schema::check(&client).await.unwrap();
        assert_eq!(columns(&client).await, expected_columns());
        let records = "SELECT version, binary_version FROM schema_version ORDER BY version";
        let expected: String =
            schema::versions().map(|version| format!("{version}\t{}\n", env!("CARGO_PKG_VERSION"))).collect();
        assert_eq!(client.query(records, "TSV").await.unwrap(), expected);
    });
}

#[test]
fn an_interrupted_migration_is_finished() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema_interrupted"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        client.execute("TRUNCATE TABLE schema_version").await.unwrap();
        assert_eq!(schema::check(&client).await.unwrap_err().class, Class::Schema);
        assert_eq!(schema::apply(&client).await.unwrap(), Applied { from: 0, to: schema::latest_version() });
    });
}

/// The insert of a collector that knows version 1 alone.
fn old_insert(bytes: u64) -> String {
    format!(
        "INSERT INTO flows (time_received, exporter_address, src_addr, bytes, out_if) \
         VALUES ('2026-01-02 03:04:05.678', '::ffff:192.0.2.1', '2001:db8::1', {bytes}, 7)"
    )
}

#[test]
fn an_upgrade_keeps_the_rows_and_goes_on_while_an_older_collector_inserts() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema_upgrade"));
    block_on(async {
        let script = schema::print();
        let (first, _) = script.split_once("VALUES (1, ").unwrap();
        let database = &client.settings().database;
        client.execute_on_server(&format!("CREATE DATABASE `{database}`")).await.unwrap();
        for statement in first.split(";\n").map(str::trim).filter(|statement| statement.contains("TABLE")) {
            client.execute(statement).await.unwrap();
        }
        client.execute("INSERT INTO schema_version (version, binary_version) VALUES (1, '0.1.0')").await.unwrap();
        client.execute(&old_insert(1)).await.unwrap();
        assert_eq!(schema::check(&client).await.unwrap_err().class, Class::Schema);
        assert_eq!(schema::apply(&client).await.unwrap(), Applied { from: 1, to: schema::latest_version() });
        assert_eq!(columns(&client).await, expected_columns());
        client.execute(&old_insert(2)).await.unwrap();
        let read = "SELECT src_addr, bytes, out_if, out_if_name, flags, firewall_event, raw FROM flows ORDER BY bytes";
        let row = |bytes| format!("2001:db8::1\t{bytes}\t7\t\t0\t0\t{{}}\n");
        assert_eq!(client.query(read, "TSV").await.unwrap(), row(1) + &row(2));
    });
}

#[test]
fn a_newer_schema_is_refused() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema_newer"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let newer = schema::latest_version() + 1;
        let insert = format!("INSERT INTO schema_version (version, binary_version) VALUES ({newer}, '9.9.9')");
        client.execute(&insert).await.unwrap();
        for refused in [schema::apply(&client).await.map(drop), schema::check(&client).await] {
            let error = refused.unwrap_err();
            assert_eq!(error.class, Class::Schema);
            assert!(error.message.contains(&format!("version {newer}, newer than")), "{error}");
            assert!(error.message.ends_with("upgrade the collector"), "{error}");
        }
    });
}

#[test]
fn what_is_printed_makes_what_is_applied() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema_printed"));
    block_on(async {
        let database = &client.settings().database;
        client.execute_on_server(&format!("CREATE DATABASE `{database}`")).await.unwrap();
        for statement in schema::print().split(";\n").map(str::trim).filter(|statement| !statement.is_empty()) {
            client.execute(statement).await.unwrap();
        }
        schema::check(&client).await.unwrap();
        assert_eq!(columns(&client).await, expected_columns());
    });
}

/// The columns of the tables that the collector inserts blocks into.
async fn columns(client: &Client) -> Vec<String> {
    let sql = "SELECT table, name, type, compression_codec, comment FROM system.columns \
               WHERE database = currentDatabase() AND table != 'schema_version' AND default_kind != 'ALIAS' \
               AND replaceOne(table, '_dictionary', '') NOT IN \
               ('as_names', 'protocols', 'services', 'exporters', 'interfaces', 'networks', 'repairs') \
               ORDER BY table, position";
    client.query(sql, "TSVRaw").await.unwrap().lines().map(str::to_owned).collect()
}

fn expected_columns() -> Vec<String> {
    let mut tables = [&TABLES[..], &[&collector::ledger::table::TABLE]].concat();
    tables.sort_by_key(|table| table.name);
    let lines = tables.iter().flat_map(|table| {
        let name = table.name;
        table.columns.iter().map(move |column| {
            format!("{name}\t{}\t{}\tCODEC({})\t{}", column.name, column.kind, column.codec, column.comment)
        })
    });
    lines.collect()
}

#[test]
fn every_address_has_a_twin_that_shows_ipv4_as_ipv4() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("schema_text"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let lacking = "SELECT table, name FROM system.columns WHERE database = currentDatabase() AND type = 'IPv6' \
            AND table NOT LIKE '%_dictionary' AND (table, multiIf(name = 'address', 'ip', match(name, '_addr(ess)?$'), replaceRegexpOne(name, '_addr(ess)?$', '_ip'), name || '_ip')) NOT IN \
            (SELECT table, name FROM system.columns WHERE database = currentDatabase() AND default_kind = 'ALIAS')";
        assert_eq!(client.query(lacking, "TSV").await.unwrap(), "");
        let insert = "INSERT INTO flows (time_received, src_addr, dst_addr, next_hop, exporter_address) \
            VALUES (1772600400, '::ffff:192.0.2.1', '2001:db8::ffff:1', '::ffff:0:c000:201', '::ffff:198.51.100.7')";
        client.execute(insert).await.unwrap();
        let sql = "SELECT src_ip, dst_ip, next_hop_ip, exporter_ip, agent_ip, post_nat_src_ip FROM flows";
        let expected = "192.0.2.1\t2001:db8::ffff:1\t::ffff:0:c000:201\t198.51.100.7\t198.51.100.7\t::\n";
        assert_eq!(client.query(sql, "TSV").await.unwrap(), expected);
        let by_text = "SELECT count() FROM flows WHERE src_addr = toIPv6('192.0.2.1') GROUP BY src_ip HAVING src_ip = '192.0.2.1'";
        assert_eq!(client.query(by_text, "TSV").await.unwrap(), "1\n");
    });
}
