//! The thread that looks after the tables: every hour it drops what has to go and tells what is left.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;

use super::partition::{Partition, partitions};
use super::plan::{Reason, plan};
use super::status::disk_free_bytes;
use super::{Settings, Status};
use crate::clickhouse::{self, Client, Error};
use crate::metrics::{Counter, Exposition};

/// How often the tables are looked after.
const EVERY: Duration = Duration::from_secs(3600);
/// How soon after a failure, and for the first time: an operator who shortened a period by mistake has this long to stop.
const SOON: Duration = Duration::from_secs(60);

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Retention {
    counted: Arc<Counted>,
    /// Dropped first, which ends the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is told of the thread's work.
#[derive(Debug, Default)]
struct Counted {
    dropped_by_age: Counter,
    dropped_by_budget: Counter,
    dropped_bytes: Counter,
    failures: Counter,
    /// As it was found last; nothing before the first time.
    status: Mutex<Option<Status>>,
}

impl Retention {
    /// Starts looking after the tables of a ClickHouse, for the first time in a minute, if `is_ready` says then that there are any.
    ///
    /// # Errors
    /// The system refused the thread or its runtime.
    pub fn start(
        client: &clickhouse::Settings,
        settings: Settings,
        is_ready: impl Fn() -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        Self::run(client, settings, SOON, is_ready)
    }

    /// The same for tables that are there, with another wait before the first time.
    ///
    /// # Errors
    /// As [`Retention::start`].
    pub fn start_after(client: &clickhouse::Settings, settings: Settings, wait: Duration) -> std::io::Result<Self> {
        Self::run(client, settings, wait, || true)
    }

    fn run(
        client: &clickhouse::Settings,
        settings: Settings,
        wait: Duration,
        is_ready: impl Fn() -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let counted = Arc::new(Counted::default());
        let (stop, stopped) = oneshot::channel();
        let (client, told) = (client.clone(), Arc::clone(&counted));
        let run = move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = look_after(&client, &settings, &told, wait, is_ready) => {}
                }
            });
        };
        let thread = thread::Builder::new().name("retention".to_owned()).spawn(run)?;
        Ok(Self { counted, stop: Some(stop), thread: Some(thread) })
    }

    /// Writes what was dropped and what is left.
    pub fn write(&self, out: &mut Exposition) {
        self.counted.write(out);
    }
}

impl Drop for Retention {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook.
            let _ = thread.join();
        }
    }
}

/// Never ends by itself. It may be given up at any moment: a partition is dropped whole or not at all.
async fn look_after(
    client: &clickhouse::Settings,
    settings: &Settings,
    counted: &Counted,
    mut wait: Duration,
    is_ready: impl Fn() -> bool,
) {
    loop {
        tokio::time::sleep(wait).await;
        if !is_ready() {
            wait = SOON;
            continue;
        }
        let done = async { round(&Client::new(client)?, settings, counted).await }.await;
        wait = match done {
            Ok(()) => EVERY,
            Err(error) => {
                counted.failures.add(1);
                tracing::error!(%error, "retention: nothing was dropped or not everything; it is tried again in a minute");
                SOON
            }
        };
    }
}

/// Drops what has to go, and looks at what is left.
async fn round(client: &Client, settings: &Settings, counted: &Counted) -> Result<(), Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let explain = |error| client.explain(error);
    let mut found = partitions(client, settings).await.map_err(explain)?;
    let going: Vec<(Partition, Reason)> =
        plan(&found, settings, now).into_iter().map(|(partition, reason)| (partition.clone(), reason)).collect();
    for (partition, reason) in going {
        client.change(&drop_sql(&partition)).await.map_err(explain)?;
        counted.dropped(&partition, reason);
        found.retain(|kept| *kept != partition);
    }
    let free = disk_free_bytes(client).await.map_err(explain)?;
    let status = Status::of(&found, settings, free, now);
    *counted.status.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
    Ok(())
}

/// A partition that is gone already is no error. ClickHouse guards partitions above 50 GB against being dropped by hand;
/// these are dropped on purpose.
fn drop_sql(partition: &Partition) -> String {
    let Partition { table, id, .. } = partition;
    format!("ALTER TABLE {table} DROP PARTITION ID '{id}' SETTINGS max_partition_size_to_drop = 0")
}

impl Counted {
    fn dropped(&self, partition: &Partition, reason: Reason) {
        match reason {
            Reason::Age => self.dropped_by_age.add(1),
            Reason::Budget => self.dropped_by_budget.add(1),
        }
        self.dropped_bytes.add(partition.bytes);
        tracing::info!(
            table = partition.table,
            partition = partition.id,
            rows = partition.rows,
            bytes = partition.bytes,
            reason = reason.label(),
            "retention dropped a partition"
        );
    }

    fn write(&self, out: &mut Exposition) {
        for (reason, dropped) in [(Reason::Age, &self.dropped_by_age), (Reason::Budget, &self.dropped_by_budget)] {
            out.counter(
                "collector_retention_partitions_dropped_total",
                "Partitions dropped, by what demanded it.",
                &[("reason", reason.label())],
                dropped.get(),
            );
        }
        out.counter(
            "collector_retention_bytes_dropped_total",
            "Bytes on ClickHouse's disks that dropped partitions took.",
            &[],
            self.dropped_bytes.get(),
        );
        out.counter(
            "collector_retention_failures_total",
            "Times that ClickHouse did not let retention finish.",
            &[],
            self.failures.get(),
        );
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(status) = status.as_ref() else { return };
        for table in &status.tables {
            let labels = [("table", table.table.as_str())];
            out.gauge("collector_table_rows", "Rows in a table.", &labels, table.rows);
            out.gauge("collector_table_bytes", "Bytes on disk that a table takes.", &labels, table.bytes);
            out.gauge(
                "collector_table_oldest_seconds",
                "When a table's oldest partition begins, in seconds since 1970.",
                &labels,
                table.oldest_seconds,
            );
        }
        out.gauge("collector_disk_free_bytes", "Bytes free on ClickHouse's disks.", &[], status.disk_free_bytes);
        out.gauge(
            "collector_retention_budget_bytes",
            "Bytes that all tables may take; 0: no bound.",
            &[],
            status.budget_bytes,
        );
        // No end in sight is no number: an alert on a low one must not fire.
        if let Some(days) = status.days_left {
            out.gauge(
                "collector_retention_days_left",
                "Days until the budget or the disk is used up; absent where that is not in sight.",
                &[],
                days,
            );
        }
    }
}
