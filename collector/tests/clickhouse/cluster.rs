//! The schema of a cluster, as far as one engine without Keeper can show it: every statement is parsed by the real parser, and
//! what is left of it without replication makes tables that rows go into by one name and come out of by the other.

use bytes::BytesMut;
use collector::batch::TABLES;
use collector::clickhouse::schema::Applied;
use collector::clickhouse::{Class, Client, Cluster, Settings, cluster, schema};

use crate::engine::{Engine, block_on};
use crate::fake::{Answer, Fake};
use crate::rows::{Numbers, block};

const DATABASE: &str = "clustered";

fn flows_cluster() -> Cluster {
    Cluster::new("flows").unwrap()
}

fn statements(script: &str) -> impl Iterator<Item = &str> {
    let is_comment = |line: &&str| line.starts_with("--");
    script.split(";\n").map(move |statement| {
        let comments: usize = statement.split_inclusive('\n').take_while(is_comment).map(str::len).sum();
        statement[comments..].trim()
    })
}

/// The statement with a server that stands alone in the place of the cluster: no replication, and for reading a table that
/// looks into the one beside it instead of into those of all shards.
fn alone(statement: &str) -> String {
    let mut alone = statement.replace(" ON CLUSTER `flows`", "");
    if let Some((before, rest)) = alone.split_once("ENGINE = Replicated") {
        let (engine, rest) = rest.split_once('(').unwrap();
        let (path, rest) = rest.split_once(", '{replica}'").unwrap();
        assert!(path.starts_with("'/clickhouse/tables/flows/{shard}/clustered/"), "{path}");
        alone = format!("{before}ENGINE = {engine}({}", rest.trim_start_matches(", "));
    }
    if let Some((before, rest)) = alone.split_once("Distributed('flows', 'clustered', '") {
        let (table, rest) = rest.split_once('\'').unwrap();
        alone = format!("{before}Merge('clustered', '^{table}$'{rest}");
    }
    alone
        .replace(", replicated_deduplication_window_seconds = 31536000", "")
        .replace("replicated_deduplication_window =", "non_replicated_deduplication_window =")
}

#[test]
fn every_statement_is_one_that_clickhouse_parses() {
    let Some(engine) = Engine::start() else { return };
    let mut settings = engine.settings("default");
    settings.database = "default".to_owned();
    let client = engine.client(&settings);
    let script = cluster::print(&flows_cluster(), DATABASE).unwrap();
    let mut parsed = 0;
    block_on(async {
        for statement in statements(&script).filter(|statement| !statement.is_empty()) {
            let quoted = statement.replace('\\', "\\\\").replace('\'', "\\'");
            let formatted = client.query(&format!("SELECT formatQuerySingleLine('{quoted}')"), "TSVRaw").await;
            let formatted = formatted.unwrap_or_else(|error| panic!("{error}: {statement}"));
            let is_of_shard = ["INSERT INTO ", "USE "].iter().any(|begin| formatted.starts_with(begin));
            assert_eq!(formatted.contains(" ON CLUSTER flows"), !is_of_shard, "{formatted}");
            parsed += 1;
        }
    });
    assert!(parsed > 3 * TABLES.len(), "only {parsed} statements");
}

/// Makes the tables of a cluster in an engine that knows no clusters, and a client that is told of one.
async fn make(engine: &Engine) -> Client {
    let mut settings = engine.settings(DATABASE);
    settings.cluster = Some(flows_cluster());
    let client = engine.client(&settings);
    let script = cluster::print(&flows_cluster(), DATABASE).unwrap();
    for statement in statements(&script).filter(|statement| !statement.is_empty() && !statement.starts_with("USE ")) {
        let statement = alone(statement);
        let run = if statement.starts_with("CREATE DATABASE") {
            client.execute_on_server(&statement).await
        } else {
            client.execute(&statement).await
        };
        run.unwrap_or_else(|error| panic!("{error}: {statement}"));
    }
    client
}

#[test]
fn rows_go_into_the_one_table_and_come_out_of_the_other() {
    let Some(engine) = Engine::start() else { return };
    block_on(async {
        let client = make(&engine).await;
        assert_eq!(schema::version(&client).await.unwrap(), schema::latest_version());

        let block = block(0, 500, 5, &mut Numbers(7));
        let flows = block.parts().find(|part| part.table().name == "flows").unwrap();
        for attempt in 0..2 {
            client.insert(flows, "a range of a journal-flows", &mut BytesMut::new()).await.unwrap();
            for name in ["flows", "flows_local"] {
                let counted = client.query(&format!("SELECT count() FROM {name}"), "TSV").await.unwrap();
                assert_eq!(counted.trim(), "500", "{name}, attempt {attempt}");
            }
        }
    });
}

#[test]
fn both_tables_have_the_same_columns() {
    let Some(engine) = Engine::start() else { return };
    block_on(async {
        let client = make(&engine).await;
        for table in TABLES {
            let of = |name: &str| {
                let sql = format!(
                    "SELECT name, type, comment FROM system.columns WHERE database = currentDatabase() AND table = '{name}' \
                     AND default_kind != 'ALIAS' ORDER BY position"
                );
                let client = client.clone();
                async move { client.query(&sql, "TSVRaw").await.unwrap() }
            };
            let expected: String = table
                .columns
                .iter()
                .map(|column| format!("{}\t{}\t{}\n", column.name, column.kind, column.comment))
                .collect();
            assert_eq!(of(table.name).await, expected);
            assert_eq!(of(&client.settings().table_of_rows(table.name)).await, expected);
        }
    });
}

#[test]
fn a_server_that_stands_alone_and_a_cluster_are_not_mixed_up() {
    let Some(engine) = Engine::start() else { return };
    let alone = engine.client(&engine.settings("alone"));
    let mut settings = engine.settings("alone");
    settings.cluster = Some(flows_cluster());
    let in_cluster = engine.client(&settings);
    block_on(async {
        schema::apply(&alone).await.unwrap();
        let error = schema::apply(&in_cluster).await.unwrap_err();
        assert_eq!(error.class, Class::Schema);
        assert!(error.message.contains("not of cluster flows: name another clickhouse.database"), "{error}");
    });
}

fn of_fake(fake: &Fake) -> Client {
    let url = format!("http://{}", fake.address);
    let settings =
        Settings { url, cluster: Some(flows_cluster()), database: DATABASE.to_owned(), ..Settings::default() };
    Client::new(&settings).unwrap()
}

/// The statements that change something.
fn changes(fake: &Fake) -> Vec<String> {
    fake.statements().into_iter().filter(|statement| !statement.starts_with("SELECT")).collect()
}

#[test]
fn statements_go_where_they_belong() {
    let script = cluster::print(&flows_cluster(), DATABASE).unwrap();
    let all: Vec<&str> = statements(&script).filter(|statement| !statement.is_empty()).skip(2).collect();
    let of_shard = |statement: &&&str| !statement.contains(" ON CLUSTER ");
    let latest: &'static str = format!("{}\n", schema::latest_version()).leak();
    let empty = Answer::Fine("");
    let first = Fake::start(&[Answer::Fine("0\n")], empty);
    let behind = Fake::start(&[Answer::Fine("0\n")], empty);
    let shards = [of_fake(&first), of_fake(&behind)];
    let applied = block_on(cluster::apply(&flows_cluster(), &shards)).unwrap();
    assert_eq!(applied, [Applied { from: 0, to: schema::latest_version() }; 2]);
    assert_eq!(changes(&first), all);
    assert_eq!(changes(&behind), all.iter().filter(of_shard).copied().collect::<Vec<_>>());

    let up_to_date = [Fake::start(&[Answer::Fine(latest)], empty), Fake::start(&[Answer::Fine(latest)], empty)];
    let error = block_on(cluster::apply(&flows_cluster(), &up_to_date.each_ref().map(of_fake))).unwrap_err();
    assert!(error.message.contains("is missing"), "it says latest, and has no tables: {error}");
    assert_eq!(up_to_date.iter().map(changes).collect::<Vec<_>>(), [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn servers_that_are_away_do_not_keep_the_others_from_a_change() {
    for (answer, done) in [
        ("clickhouse-1-1\t9000\t0\t\t1\t0\nclickhouse-1-2\t9000\t\\N\t\\N\t0\t0\n", true),
        ("", true),
        ("Code: 57. DB::Exception: There was an error on [clickhouse-1-2:9000]", false),
    ] {
        let answer = if done { Answer::Fine(answer) } else { Answer::Fail(500, answer) };
        let fake = Fake::start(&[], answer);
        let change = block_on(of_fake(&fake).change("TRUNCATE TABLE protocols"));
        assert_eq!(change.is_ok(), done, "{answer:?}");
        assert_eq!(fake.statements(), ["TRUNCATE TABLE clustered.protocols_local ON CLUSTER `flows` SYNC"]);
    }
}

#[test]
fn tables_of_a_cluster_are_refused_where_none_is_configured() {
    let fake = Fake::start(&[Answer::Fine("3\n"), Answer::Fine("Distributed\n")], Answer::Fine(""));
    let settings = Settings { url: format!("http://{}", fake.address), ..Settings::default() };
    let error = block_on(schema::apply(&Client::new(&settings).unwrap())).unwrap_err();
    assert!(error.message.contains("set clickhouse.cluster to its name"), "{error}");
}
