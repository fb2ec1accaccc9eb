//! Retention on a real engine: what it drops, what it leaves, and what it tells.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use collector::clickhouse::retention::{Retention, Settings, Status};
use collector::clickhouse::{Client, schema};
use collector::metrics::Exposition;

use crate::engine::{Engine, block_on};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

async fn insert_days_ago(client: &Client, table: &str, time: &str, days: i64) {
    let insert = format!(
        "INSERT INTO {table} ({time}) SELECT toDateTime({} + number, 'UTC') FROM numbers(3)",
        now() - days * 86_400
    );
    client.execute(&insert).await.unwrap();
}

/// Partitions of a table that still have rows.
async fn partitions(client: &Client, table: &str) -> usize {
    let sql = format!(
        "SELECT uniqExact(partition_id) FROM system.parts WHERE active AND database = currentDatabase() AND table = '{table}'"
    );
    client.query(&sql, "TSV").await.unwrap().trim().parse().unwrap()
}

/// Waits, without end in sight but the test's own, until the thread has looked after the tables once.
fn wait_for_a_round(retention: &Retention) -> String {
    let begun = Instant::now();
    loop {
        let mut out = Exposition::default();
        retention.write(&mut out);
        let text = out.finish();
        if text.contains("collector_table_rows") || text.contains("failures_total 1") {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "no round: {text}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_too_old_goes_and_the_rest_stays() {
    let Some(engine) = Engine::start() else { return };
    let settings = engine.settings("retention_age");
    let client = engine.client(&settings);
    block_on(async {
        schema::apply(&client).await.unwrap();
        for days in [0, 3, 40] {
            insert_days_ago(&client, "flows", "time_received", days).await;
            insert_days_ago(&client, "nat_events", "time_received", days).await;
        }
        client
            .execute("CREATE TABLE mine (t DateTime) ENGINE = MergeTree PARTITION BY toDate(t) ORDER BY t")
            .await
            .unwrap();
        insert_days_ago(&client, "mine", "t", 900).await;
        let status = Status::ask(&client, &Settings::default(), now()).await.unwrap();
        let flows = status.tables.iter().find(|table| table.table == "flows").unwrap();
        assert_eq!((flows.rows, flows.partitions), (9, 3));
        assert!(status.disk_free_bytes > 0);
    });
    let retention = Retention::start_after(&settings, Settings::default(), Duration::ZERO).unwrap();
    let told = wait_for_a_round(&retention);
    assert!(told.contains("collector_retention_partitions_dropped_total{reason=\"age\"} 1"), "{told}");
    assert!(told.contains("collector_table_rows{table=\"flows\"} 6"), "{told}");
    drop(retention);
    block_on(async {
        assert_eq!(partitions(&client, "flows").await, 2);
        assert_eq!(partitions(&client, "nat_events").await, 3, "translations stay longer");
        assert_eq!(partitions(&client, "mine").await, 1, "not the collector's");
    });
}

#[test]
fn a_budget_leaves_what_still_takes_rows() {
    let Some(engine) = Engine::start() else { return };
    let settings = engine.settings("retention_budget");
    let client = engine.client(&settings);
    block_on(async {
        schema::apply(&client).await.unwrap();
        for days in [0, 3, 40] {
            insert_days_ago(&client, "flows", "time_received", days).await;
        }
    });
    let budget = Settings { flows_days: 0, budget_bytes: 1, ..Settings::default() };
    // Two collectors at once do no harm.
    let [one, other] = [(); 2].map(|()| Retention::start_after(&settings, budget, Duration::ZERO).unwrap());
    let told = [wait_for_a_round(&one), wait_for_a_round(&other)];
    assert!(told.iter().all(|told| told.contains("collector_retention_failures_total 0")), "{told:?}");
    assert!(told.iter().any(|told| told.contains("collector_retention_days_left 0")), "{told:?}");
    block_on(async { assert_eq!(partitions(&client, "flows").await, 1) });
}

#[test]
fn every_table_with_partitions_has_its_days() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("retention_tables"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let sql =
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND partition_key != '' ORDER BY name";
        let forgotten: Vec<String> = client.query(sql, "TSV").await.unwrap().lines().map(str::to_owned).collect();
        let forgotten: Vec<_> = forgotten.iter().filter(|table| Settings::default().days_of(table).is_none()).collect();
        assert_eq!(forgotten, Vec::<&String>::new());
    });
}
