//! What is counted about inserts, and its Prometheus text.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::endpoints::Endpoints;
use super::error::Class;
use crate::metrics::{Counter, Exposition};

/// Why rows were given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Loss {
    /// More rows without a receipt waited than the bound allows; these were the oldest.
    Bound,
    /// ClickHouse would not take these very rows, several times over.
    Rejected,
    /// The block was at fault; see [`super::native::EncodeError`].
    Block,
    /// The deadline of the stop had come, and the rows had no receipt.
    Stopped,
}

impl Loss {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 4] = [Self::Bound, Self::Rejected, Self::Block, Self::Stopped];

    /// The name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Rejected => "rejected",
            Self::Block => "block",
            Self::Stopped => "stopped",
        }
    }
}

/// What became of one table's rows.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct TableRows {
    /// Rows ClickHouse acknowledged.
    pub inserted: u64,
    /// Rows thrown away because the settings ask for it.
    pub discarded: u64,
    /// Rows given up, by the number of the [`Loss`].
    pub given_up: [u64; Loss::ALL.len()],
}

/// Counters of the inserts; rows in = inserted + discarded + given up + kept + waiting. Where no table is named, rows are those that were made
/// of datagrams, of all tables: not the ledger's, and not sums of other rows.
#[derive(Debug, Default)]
pub struct Counters {
    /// Rows handed over for insertion.
    pub rows_received: Counter,
    /// Rows ClickHouse acknowledged.
    pub rows_inserted: Counter,
    /// Rows thrown away because the settings ask for it.
    pub rows_discarded: Counter,
    /// Bytes that they were encoded in, before compression.
    pub discarded_bytes: Counter,
    /// Rows let go unstored at a stop; whoever holds their receipt has what they were made of.
    pub rows_kept: Counter,
    /// Inserts ClickHouse acknowledged.
    pub inserts: Counter,
    /// Bytes of acknowledged inserts, before compression.
    pub encoded_bytes: Counter,
    /// Time from the first byte of an acknowledged insert to its acknowledgement, summed.
    pub insert_nanoseconds: Counter,
    /// Blocks that could not be encoded.
    pub blocks_at_fault: Counter,
    errors: [Counter; Class::ALL.len()],
    rows_given_up: [Counter; Loss::ALL.len()],
    /// By name of the table. Locked once for each insert.
    tables: Mutex<BTreeMap<&'static str, TableRows>>,
    rows_waiting: AtomicU64,
    bytes_waiting: AtomicU64,
    failing: AtomicU64,
    endpoints: OnceLock<Vec<Arc<Endpoints>>>,
    /// Whether the schema waits for somebody.
    schema_alarm: AtomicBool,
}

impl Counters {
    /// Says whether the schema cannot be applied before somebody sees to it.
    pub fn alarm_of_schema(&self, is_raised: bool) {
        self.schema_alarm.store(is_raised, Ordering::Relaxed);
    }

    /// Failed inserts of a class.
    #[must_use]
    pub fn errors(&self, class: Class) -> u64 {
        self.errors[class as usize].get()
    }

    /// Rows given up for a reason.
    #[must_use]
    pub fn rows_given_up(&self, loss: Loss) -> u64 {
        self.rows_given_up[loss as usize].get()
    }

    /// Rows given up for all reasons.
    #[must_use]
    pub fn rows_given_up_total(&self) -> u64 {
        self.rows_given_up.iter().map(Counter::get).sum()
    }

    /// Rows in memory that are not acknowledged yet.
    #[must_use]
    pub fn rows_waiting(&self) -> u64 {
        self.rows_waiting.load(Ordering::Relaxed)
    }

    /// What became of one table's rows.
    #[must_use]
    pub fn table(&self, name: &str) -> TableRows {
        self.tables().get(name).copied().unwrap_or_default()
    }

    fn tables(&self) -> MutexGuard<'_, BTreeMap<&'static str, TableRows>> {
        // Nothing panics while it holds the lock.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `datagram_rows` are those among `rows` that were made of datagrams.
    pub(super) fn inserted(&self, table: &'static str, rows: u64, datagram_rows: u64) {
        self.tables().entry(table).or_default().inserted += rows;
        self.rows_inserted.add(datagram_rows);
    }

    /// `datagram_rows` as for [`Counters::inserted`].
    pub(super) fn discarded(&self, table: &'static str, rows: u64, datagram_rows: u64) {
        self.tables().entry(table).or_default().discarded += rows;
        self.rows_discarded.add(datagram_rows);
    }

    pub(super) fn acknowledged(&self, encoded_bytes: u64, took: Duration) {
        self.inserts.add(1);
        self.encoded_bytes.add(encoded_bytes);
        self.insert_nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn failed(&self, class: Class) {
        self.errors[class as usize].add(1);
    }

    /// `datagram_rows` as for [`Counters::inserted`].
    pub(super) fn gave_up(&self, table: &'static str, loss: Loss, rows: u64, datagram_rows: u64) {
        self.tables().entry(table).or_default().given_up[loss as usize] += rows;
        self.rows_given_up[loss as usize].add(datagram_rows);
    }

    pub(super) fn waiting(&self, rows: u64, bytes: u64) {
        self.rows_waiting.store(rows, Ordering::Relaxed);
        self.bytes_waiting.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn started_failing(&self) {
        self.failing.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stopped_failing(&self) {
        self.failing.fetch_sub(1, Ordering::Relaxed);
    }

    /// Inserters whose last insert failed; 0 when all is well.
    #[must_use]
    pub fn failing(&self) -> u64 {
        self.failing.load(Ordering::Relaxed)
    }

    /// Endpoints whose last insert failed in a way that somebody must see to, and the schema if it waits for somebody; 0 when all is well.
    #[must_use]
    pub fn alarms(&self) -> u64 {
        let of_endpoints: u64 = self.endpoints.get().into_iter().flatten().map(|shard| shard.alarms()).sum();
        of_endpoints + u64::from(self.schema_alarm.load(Ordering::Relaxed))
    }

    /// The endpoints to tell about; the first call counts.
    pub(super) fn watch(&self, shards: &[Arc<Endpoints>]) {
        drop(self.endpoints.set(shards.to_vec()));
    }

    /// Writes every counter.
    pub fn write(&self, out: &mut Exposition) {
        const PREFIX: &str = "collector_clickhouse";
        for (name, help, counter) in [
            ("rows_received_total", "Rows handed over for insertion.", &self.rows_received),
            ("rows_inserted_total", "Rows that ClickHouse acknowledged.", &self.rows_inserted),
            ("rows_discarded_total", "Rows thrown away because the settings ask for it.", &self.rows_discarded),
            ("discarded_bytes_total", "Bytes of these, encoded and not compressed.", &self.discarded_bytes),
            ("rows_kept_total", "Rows let go unstored at a stop, whose datagrams are kept.", &self.rows_kept),
            ("inserts_total", "Inserts that ClickHouse acknowledged.", &self.inserts),
            ("encoded_bytes_total", "Bytes of acknowledged inserts, before compression.", &self.encoded_bytes),
            ("blocks_at_fault_total", "Blocks that could not be encoded.", &self.blocks_at_fault),
        ] {
            out.counter(&format!("{PREFIX}_{name}"), help, &[], counter.get());
        }
        let seconds = Duration::from_nanos(self.insert_nanoseconds.get()).as_secs_f64();
        let (name, help) = ("insert_seconds_total", "Time that acknowledged inserts took, summed.");
        out.sample(crate::metrics::Kind::Counter, &format!("{PREFIX}_{name}"), help, &[], seconds);
        for class in Class::ALL {
            let (name, help) =
                (format!("{PREFIX}_insert_errors_total"), "Inserts that failed and were repeated or given up.");
            out.counter(&name, help, &[("class", class.label())], self.errors(class));
        }
        for loss in Loss::ALL {
            let (name, help) = (format!("{PREFIX}_rows_given_up_total"), "Rows that were given up.");
            out.counter(&name, help, &[("reason", loss.label())], self.rows_given_up(loss));
        }
        for (table, rows) in self.tables().iter() {
            let (name, help) = (format!("{PREFIX}_rows_total"), "Rows by table and by what became of them.");
            out.counter(&name, help, &[("table", table), ("outcome", "inserted")], rows.inserted);
            out.counter(&name, help, &[("table", table), ("outcome", "discarded")], rows.discarded);
            for loss in Loss::ALL {
                let labels = [("table", *table), ("outcome", loss.label())];
                out.counter(&name, help, &labels, rows.given_up[loss as usize]);
            }
        }
        for (name, help, value) in [
            ("rows_waiting", "Rows made of datagrams in memory that are not acknowledged yet.", &self.rows_waiting),
            ("bytes_waiting", "Memory of the blocks that are not acknowledged yet.", &self.bytes_waiting),
            ("inserters_failing", "Inserters whose last insert failed.", &self.failing),
        ] {
            out.gauge(&format!("{PREFIX}_{name}"), help, &[], value.load(Ordering::Relaxed));
        }
        let help = "Endpoints whose last insert failed in a way that somebody must see to, and the schema that waits for somebody.";
        out.gauge(&format!("{PREFIX}_alarms"), help, &[], self.alarms());
        for shard in self.endpoints.get().into_iter().flatten() {
            shard.write(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered() {
        for (number, loss) in Loss::ALL.into_iter().enumerate() {
            assert_eq!(loss as usize, number);
        }
    }

    #[test]
    fn what_was_counted_is_written() {
        let counters = Counters::default();
        counters.acknowledged(2000, Duration::from_millis(1500));
        counters.inserted("flows", 9, 9);
        counters.inserted("nat_events", 1, 1);
        counters.inserted("ledger", 4, 0);
        counters.discarded("flows", 2, 2);
        counters.failed(Class::Busy);
        counters.gave_up("nat_events", Loss::Bound, 7, 7);
        counters.rows_kept.add(5);
        counters.waiting(3, 900);
        let mut out = Exposition::default();
        counters.write(&mut out);
        let text = out.finish();
        for line in [
            "collector_clickhouse_rows_inserted_total 10",
            "collector_clickhouse_encoded_bytes_total 2000",
            "collector_clickhouse_insert_seconds_total 1.5",
            "collector_clickhouse_insert_errors_total{class=\"busy\"} 1",
            "collector_clickhouse_rows_given_up_total{reason=\"bound\"} 7",
            "collector_clickhouse_rows_total{table=\"flows\",outcome=\"inserted\"} 9",
            "collector_clickhouse_rows_total{table=\"flows\",outcome=\"bound\"} 0",
            "collector_clickhouse_rows_total{table=\"nat_events\",outcome=\"inserted\"} 1",
            "collector_clickhouse_rows_total{table=\"nat_events\",outcome=\"bound\"} 7",
            "collector_clickhouse_rows_total{table=\"ledger\",outcome=\"inserted\"} 4",
            "collector_clickhouse_rows_total{table=\"flows\",outcome=\"discarded\"} 2",
            "collector_clickhouse_rows_discarded_total 2",
            "collector_clickhouse_rows_kept_total 5",
            "collector_clickhouse_rows_waiting 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
