//! ClickHouse's own logs: statements that keep them small on a server.
//!
//! They are `system` tables that a server fills about itself and, as it comes, never empties; the embedded store has none of
//! them. The collector changes what is not its own only when it is told to.

use super::{Client, Error};

/// Days that a server's logs are kept.
const DAYS: u32 = 3;
/// The logs that a server of today may have.
const LOGS: &[&str] = &[
    "asynchronous_insert_log",
    "asynchronous_metric_log",
    "background_schedule_pool_log",
    "backup_log",
    "blob_storage_log",
    "crash_log",
    "error_log",
    "latency_log",
    "metric_log",
    "opentelemetry_span_log",
    "part_log",
    "processors_profile_log",
    "query_log",
    "query_metric_log",
    "query_thread_log",
    "query_views_log",
    "session_log",
    "text_log",
    "trace_log",
    "transactions_info_log",
    "zookeeper_log",
];

/// The statements for every log, as a script for `clickhouse-client --multiquery --ignore-error`: not every server has all.
#[must_use]
pub fn print() -> String {
    let mut script = format!(
        "-- Keeps {DAYS} days of what ClickHouse logs about itself. As a user who may alter system tables:\n\
         -- clickhouse-client --multiquery --ignore-error < system-logs.sql\n\
         -- A server that is upgraded may begin a log anew under its old name: run this again then.\n\n"
    );
    for log in LOGS {
        script.push_str(&statement(log));
        script.push_str(";\n");
    }
    script
}

/// Runs the statements for those logs that the server has; their names.
///
/// # Errors
/// A missing privilege, and whatever else keeps ClickHouse from it.
pub async fn apply(client: &Client) -> Result<Vec<String>, Error> {
    let explain = |error| client.explain(error);
    let sql = "SELECT name FROM system.tables WHERE database = 'system' AND engine LIKE '%MergeTree' ORDER BY name";
    let found = client.query(sql, "TSV").await.map_err(explain)?;
    let mut changed = Vec::new();
    for log in found.lines().filter(|name| LOGS.contains(name)) {
        client.execute(&statement(log)).await.map_err(explain)?;
        changed.push(log.to_owned());
    }
    Ok(changed)
}

/// What is past its day goes with the next merge.
fn statement(log: &str) -> String {
    format!("ALTER TABLE system.{log} MODIFY TTL event_date + INTERVAL {DAYS} DAY")
}
