//! Partitions as ClickHouse lists them: a day or a month of a table's rows.

use super::Settings;
use crate::clickhouse::{Client, Error};

/// Seconds of a day.
pub(super) const DAY_SECONDS: i64 = 86_400;

/// One partition of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Table.
    pub table: String,
    /// Its id: `20260102` of a day, `202601` of a month.
    pub id: String,
    /// When it begins, seconds since 1970, UTC.
    pub begin: i64,
    /// When it is over.
    pub end: i64,
    /// Rows.
    pub rows: u64,
    /// Bytes on disk, compressed, with indexes and projections.
    pub bytes: u64,
}

impl Partition {
    /// The day or month as a person writes it.
    pub(super) fn label(&self) -> String {
        let parts = [self.id.get(..4), self.id.get(4..6), self.id.get(6..8)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("-")
    }
}

/// All partitions of tables that rows leave again.
pub(super) async fn partitions(client: &Client, settings: &Settings) -> Result<Vec<Partition>, Error> {
    // The database by its name: the servers of a cluster are each asked in one of their own.
    let (parts, database) = (client.settings().system_table("parts"), &client.settings().database);
    let sql = format!(
        "SELECT table, partition_id, sum(rows), sum(bytes_on_disk) FROM {parts} \
         WHERE active AND database = '{database}' GROUP BY table, partition_id ORDER BY table, partition_id"
    );
    let answer = client.query(&sql, "TSV").await?;
    let named = |mut found: Partition| {
        found.table = client.settings().table_of(&found.table).to_owned();
        found
    };
    Ok(answer.lines().filter_map(parse).map(named).filter(|found| settings.days_of(&found.table).is_some()).collect())
}

/// A line of the answer; nothing for a partition that is neither a day nor a month.
fn parse(line: &str) -> Option<Partition> {
    let mut fields = line.split('\t');
    let (table, id) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let (begin, end) = span(&id)?;
    Some(Partition { table, id, begin, end, rows: fields.next()?.parse().ok()?, bytes: fields.next()?.parse().ok()? })
}

/// Begin and end of a partition, from its id.
fn span(id: &str) -> Option<(i64, i64)> {
    if !id.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(id.len(), 6 | 8) {
        return None;
    }
    let (year, month) = (id.get(..4)?.parse().ok()?, id.get(4..6)?.parse().ok()?);
    if !(1..=12).contains(&month) {
        return None;
    }
    if id.len() == 8 {
        let begin = day_number(year, month, id.get(6..)?.parse().ok()?) * DAY_SECONDS;
        return Some((begin, begin + DAY_SECONDS));
    }
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    Some((day_number(year, month, 1) * DAY_SECONDS, day_number(next_year, next_month, 1) * DAY_SECONDS))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day
        - 719_469
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_days_or_months() {
        let cases: [(&str, Option<(i64, i64)>); 9] = [
            ("19700101", Some((0, 86_400))),
            ("20000229", Some((951_782_400, 951_868_800))),
            ("20260102", Some((1_767_312_000, 1_767_398_400))),
            ("202601", Some((1_767_225_600, 1_769_904_000))),
            ("202512", Some((1_764_547_200, 1_767_225_600))),
            ("202402", Some((1_706_745_600, 1_709_251_200))),
            ("all", None),
            ("202613", None),
            ("5f1e0c67b1a0a9e1", None),
        ];
        for (id, expected) in cases {
            assert_eq!(span(id), expected, "{id}");
        }
    }
}
