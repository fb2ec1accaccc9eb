//! The exchange of one partition: all its rows, with those of the period replaced, are put together beside it and take its place in
//! one step.
//!
//! A partition that somebody writes to is put together while inserts are kept off, by the lock that they share; what comes in
//! meanwhile waits in the journal. One that nobody wrote to meanwhile is put together before, and inserts are kept off for the moment
//! of the exchange alone. Parts are linked, not copied, and only those that hold rows of the period are written anew.

use std::time::{Duration, Instant};

use super::database::Database;
use super::period::Period;
use super::staging::Staging;
use super::{Error, sums};
use crate::batch::{Table, flows};
use crate::clickhouse::lock::InsertLock;

/// How long an insert under way is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(120);
/// A partition with a part younger than this is one that somebody writes to.
const COLD_SECONDS: u32 = 60;
/// Linking is repeated when parts came or went meanwhile, so often.
const ATTEMPTS: usize = 20;

/// What became of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exchanged {
    /// Rows of the period before.
    pub(super) rows_before: u64,
    /// And after.
    pub(super) rows_after: u64,
    /// How long inserts were kept off.
    pub(super) kept_off: Duration,
}

/// One partition on its way.
pub(super) struct Exchange<'a> {
    pub(super) database: &'a Database,
    pub(super) staging: &'a Staging,
    pub(super) period: &'a Period,
    pub(super) lock: &'a InsertLock,
    pub(super) table: &'static Table,
    /// `partition_id` of the system tables.
    pub(super) partition: &'a str,
}

/// A partition that was put together.
struct Ready {
    /// The parts that it was made of.
    parts: Vec<String>,
    /// Rows in these.
    rows: u64,
    rows_before: u64,
    rows_after: u64,
}

impl Exchange<'_> {
    /// Replaces the rows of the period in the partition.
    pub(super) fn run(&self) -> Result<Exchanged, Error> {
        let ready = if self.is_cold()? { Some(self.put_together()?) } else { None };
        let held = self.lock.exclusive(LOCK_PATIENCE).map_err(Error::system("lock inserting.lock in state_dir"))?;
        let Some(held) = held else { return Err(Error::Inserting(LOCK_PATIENCE)) };
        let since = Instant::now();
        let unchanged = match ready {
            Some(ready) if self.parts()? == ready.parts => Some(ready),
            _ => None,
        };
        let ready = match unchanged {
            Some(ready) => ready,
            None => self.put_together()?,
        };
        if self.rows_of_parts()? != ready.rows {
            return Err(Error::Foreign { table: self.table.name, partition: self.partition.to_owned() });
        }
        self.database.execute(&format!(
            "ALTER TABLE {} REPLACE PARTITION ID '{}' FROM {}",
            self.table.name,
            self.partition,
            self.staging.copy(self.table)
        ))?;
        drop(held);
        let kept_off = since.elapsed();
        if self.is_of_flows() {
            sums::add(self.database, self.staging)?;
        }
        Ok(Exchanged { rows_before: ready.rows_before, rows_after: ready.rows_after, kept_off })
    }

    /// Makes the staging table hold what the partition is to hold.
    fn put_together(&self) -> Result<Ready, Error> {
        let (database, copy) = (self.database, self.staging.copy(self.table));
        let condition = self.period.condition();
        let parts = self.link(&copy)?;
        let rows = database.number(&format!("SELECT count() FROM {copy}"))?;
        let rows_before = database.number(&format!("SELECT count() FROM {copy} WHERE {condition}"))?;
        if self.is_of_flows() {
            sums::compute(database, self.staging, self.period, self.partition)?;
        }
        if rows_before > 0 {
            database.execute(&format!("ALTER TABLE {copy} DELETE WHERE {condition} SETTINGS mutations_sync = 2"))?;
        }
        let decoded = self.staging.decoded(self.table);
        let of_partition = format!("{condition} AND _partition_id = '{}'", self.partition);
        database.execute(&format!(
            "INSERT INTO {copy} SELECT * FROM {decoded} WHERE {of_partition} SETTINGS insert_deduplicate = 0"
        ))?;
        let rows_after = database.number(&format!("SELECT count() FROM {decoded} WHERE {of_partition}"))?;
        let found = database.number(&format!("SELECT count() FROM {copy}"))?;
        if found != rows - rows_before + rows_after {
            let expected = rows - rows_before + rows_after;
            return Err(Error::Rows { table: self.table.name, partition: self.partition.to_owned(), found, expected });
        }
        Ok(Ready { parts, rows, rows_before, rows_after })
    }

    /// Links the partition's parts into an empty table; the parts, of one moment.
    fn link(&self, copy: &str) -> Result<Vec<String>, Error> {
        for _ in 0..ATTEMPTS {
            self.database.execute(&format!("TRUNCATE TABLE {copy}"))?;
            let before = self.parts()?;
            if before.is_empty() {
                return Ok(before);
            }
            self.database.execute(&format!(
                "ALTER TABLE {copy} ATTACH PARTITION ID '{}' FROM {}",
                self.partition, self.table.name
            ))?;
            if self.parts()? == before {
                return Ok(before);
            }
        }
        Err(Error::Foreign { table: self.table.name, partition: self.partition.to_owned() })
    }

    /// Whether nobody wrote to the partition lately.
    fn is_cold(&self) -> Result<bool, Error> {
        let young = self.database.number(&format!(
            "SELECT count() FROM system.parts WHERE {} AND level = 0 AND modification_time > now() - {COLD_SECONDS}",
            self.active()
        ))?;
        Ok(young == 0)
    }

    fn parts(&self) -> Result<Vec<String>, Error> {
        self.database.column(&format!("SELECT name FROM system.parts WHERE {} ORDER BY name", self.active()))
    }

    fn rows_of_parts(&self) -> Result<u64, Error> {
        self.database.number(&format!("SELECT sum(rows) FROM system.parts WHERE {}", self.active()))
    }

    fn active(&self) -> String {
        let (table, partition) = (self.table.name, self.partition);
        format!("database = currentDatabase() AND table = '{table}' AND partition_id = '{partition}' AND active")
    }

    fn is_of_flows(&self) -> bool {
        std::ptr::eq(self.table, &raw const flows::TABLE)
    }
}
