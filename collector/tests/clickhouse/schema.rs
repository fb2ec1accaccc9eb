//! The tables and their migrations, on a real engine.

use collector::batch::columns::COLUMNS;
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
            (1..=latest).map(|version| format!("{version}\t{}\n", env!("CARGO_PKG_VERSION"))).collect();
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

async fn columns(client: &Client) -> Vec<String> {
    let sql = "SELECT name, type, compression_codec, comment FROM system.columns \
               WHERE database = currentDatabase() AND table = 'flows' ORDER BY position";
    client.query(sql, "TSVRaw").await.unwrap().lines().map(str::to_owned).collect()
}

fn expected_columns() -> Vec<String> {
    let line =
        |name: &str, kind: &str, codec: &str, comment: &str| format!("{name}\t{kind}\tCODEC({codec})\t{comment}");
    COLUMNS.iter().map(|column| line(column.name, column.kind, column.codec, column.comment)).collect()
}
