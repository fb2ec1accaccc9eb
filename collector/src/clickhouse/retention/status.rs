//! Tables, their size, and the days that are left, for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::partition::{Partition, partitions};
use super::{Settings, forecast};
use crate::clickhouse::{Client, Error};

/// What all tables take, and how long the room lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Status {
    /// Each table that exists, by name.
    pub tables: Vec<TableStatus>,
    /// Rows in all of them.
    pub rows: u64,
    /// Bytes on disk that they take.
    pub bytes: u64,
    /// Bytes that they may take; 0 for no bound.
    pub budget_bytes: u64,
    /// Bytes that are free on ClickHouse's disks.
    pub disk_free_bytes: u64,
    /// Whole days until the budget is reached, or the disks are full where there is no budget or it is larger; none where
    /// that does not happen within ten years.
    pub days_left: Option<u32>,
}

/// What one table takes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TableStatus {
    /// Name.
    pub table: String,
    /// Days that its rows are kept; 0 for ever.
    pub days: u32,
    /// Rows.
    pub rows: u64,
    /// Bytes on disk, compressed, with indexes and projections.
    pub bytes: u64,
    /// Partitions.
    pub partitions: u64,
    /// Its oldest partition: a day as `2026-01-02`, or a month as `2026-01`.
    pub oldest: String,
    /// When that begins, seconds since 1970, UTC.
    pub oldest_seconds: i64,
    /// Its newest partition.
    pub newest: String,
}

impl Status {
    /// What it is now.
    ///
    /// # Errors
    /// See [`crate::clickhouse::Class`].
    pub async fn ask(client: &Client, settings: &Settings, now: i64) -> Result<Self, Error> {
        let partitions = partitions(client, settings).await?;
        let free = disk_free_bytes(client).await?;
        Ok(Self::of(&partitions, settings, free, now))
    }

    /// The same of partitions that are known.
    pub(super) fn of(partitions: &[Partition], settings: &Settings, disk_free_bytes: u64, now: i64) -> Self {
        let mut tables: BTreeMap<&str, TableStatus> = BTreeMap::new();
        for partition in partitions {
            let status = tables.entry(&partition.table).or_insert_with(|| TableStatus {
                table: partition.table.clone(),
                days: settings.days_of(&partition.table).unwrap_or(0),
                oldest: partition.label(),
                oldest_seconds: partition.begin,
                newest: partition.label(),
                ..TableStatus::default()
            });
            status.rows += partition.rows;
            status.bytes += partition.bytes;
            status.partitions += 1;
            if partition.begin < status.oldest_seconds {
                (status.oldest, status.oldest_seconds) = (partition.label(), partition.begin);
            }
            status.newest = status.newest.clone().max(partition.label());
        }
        let bytes = partitions.iter().map(|partition| partition.bytes).sum();
        let on_disk = disk_free_bytes.saturating_add(bytes);
        let room = if settings.budget_bytes == 0 { on_disk } else { on_disk.min(settings.budget_bytes) };
        Self {
            rows: partitions.iter().map(|partition| partition.rows).sum(),
            bytes,
            budget_bytes: settings.budget_bytes,
            disk_free_bytes,
            days_left: forecast::days_left(partitions, settings, room, now),
            tables: tables.into_values().collect(),
        }
    }
}

/// Bytes free on the disks; those that object storage calls endless do not count.
pub(super) async fn disk_free_bytes(client: &Client) -> Result<u64, Error> {
    let disks = client.settings().system_table("disks");
    let sql = format!("SELECT sum(unreserved_space) FROM {disks} WHERE total_space < 18446744073709551615");
    Ok(client.query(&sql, "TSV").await?.trim().parse().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::partition::DAY_SECONDS;
    use super::*;

    #[test]
    fn a_table_is_the_sum_of_its_partitions() {
        let partition = |table: &str, day: i64, rows, bytes| Partition {
            table: table.to_owned(),
            id: format!("197001{:02}", day + 1),
            begin: day * DAY_SECONDS,
            end: (day + 1) * DAY_SECONDS,
            rows,
            bytes,
        };
        let partitions =
            [partition("flows", 10, 1, 100), partition("flows", 12, 2, 200), partition("ledger", 11, 3, 30)];
        let now = 13 * DAY_SECONDS;
        let status = Status::of(&partitions, &Settings::default(), 1_000_000, now);
        let flows = TableStatus {
            table: "flows".to_owned(),
            days: 30,
            rows: 3,
            bytes: 300,
            partitions: 2,
            oldest: "1970-01-11".to_owned(),
            oldest_seconds: 10 * DAY_SECONDS,
            newest: "1970-01-13".to_owned(),
        };
        assert_eq!(status.tables[0], flows);
        assert_eq!((status.tables.len(), status.rows, status.bytes), (2, 6, 330));
        assert_eq!(status.days_left, None, "thirty days of 150 bytes fit");
        let budget = Settings { budget_bytes: 1000, ..Settings::default() };
        assert_eq!(Status::of(&partitions, &budget, 1_000_000, now).days_left, Some(4));
        assert_eq!(Status::of(&partitions, &budget, 0, now).days_left, Some(1), "the disk is full before that");
    }
}
