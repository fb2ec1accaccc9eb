//! What a repair of flows adds to the rollups: for each key, what the new rows sum up to less what the old ones did.
//!
//! Rollups are sums, so a difference is all they need: nothing of them is replaced, no flow of another time is read, and rows that
//! come in meanwhile are in nobody's way. Differences are modulo 2^64, as the sums are. They are computed while both old and new rows
//! are there, kept in tables of their own, and moved into the rollups after the exchange of the flows; moving what was moved already does
//! nothing, so an unfinished repair can be finished at any time.
//!
//! `hosts_1h` has no row for every host. Of a host that is named, as much of the old is taken off as was surely counted under its
//! name, the rest off `::`, so sums over all hosts stay exact, and a host's sum stays a lower bound, exact where it was.

use super::Error;
use super::database::Database;
use super::period::Period;
use super::staging::Staging;
use crate::batch::rollups::hosts_1h;
use crate::batch::{Table, flows};
use crate::rollup;

/// Sums of every rollup.
const SUMS: [&str; 5] = ["bytes", "packets", "raw_bytes", "raw_packets", "flows"];
/// Hosts of an hour, exporter and direction that are named for having most of something.
const HOSTS: u32 = 1000;

/// Computes what the exchange of a partition of flows adds: the old rows are those of the linked copy.
pub(super) fn compute(database: &Database, staging: &Staging, period: &Period, partition: &str) -> Result<(), Error> {
    let condition = period.condition();
    let of_partition = format!("{condition} AND _partition_id = '{partition}'");
    // Whoever finds the sums later must not take these for those of the partition before.
    note(database, staging, "")?;
    let (old_rows, new_rows) = (staging.copy(&flows::TABLE), staging.decoded(&flows::TABLE));
    for table in rollup::TABLES {
        let (Some(old), Some(new)) =
            (rollup::sql(table, &old_rows, &condition), rollup::sql(table, &new_rows, &of_partition))
        else {
            continue;
        };
        let select = if table.name == hosts_1h::TABLE.name {
            // Kept in between: ClickHouse takes many seconds to understand all of it in one statement.
            let [kept_old, kept_new] = staging.hosts();
            for (kept, rows) in [(&kept_old, &old), (&kept_new, &new)] {
                database.execute(&format!("TRUNCATE TABLE {kept}"))?;
                database.execute(&format!("INSERT INTO {kept} {rows} SETTINGS insert_deduplicate = 0"))?;
            }
            hosts(table, &format!("SELECT * FROM {kept_old}"), &format!("SELECT * FROM {kept_new}"))
        } else {
            difference(table, &old, &new)
        };
        let sums = staging.sums(table);
        database.execute(&format!("TRUNCATE TABLE {sums}"))?;
        database.execute(&format!("INSERT INTO {sums} {select} SETTINGS insert_deduplicate = 0"))?;
    }
    note(database, staging, partition)
}

fn note(database: &Database, staging: &Staging, partition: &str) -> Result<(), Error> {
    let sums = staging.sums(rollup::TABLES[0]);
    database.execute(&format!("ALTER TABLE {sums} MODIFY COMMENT '{partition}'"))
}

/// The partition of flows that the sums were computed for last.
pub(super) fn partition(database: &Database, staging: &Staging) -> Result<String, Error> {
    let sums = staging.sums(rollup::TABLES[0]);
    let comments = database
        .column(&format!("SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = '{sums}'"))?;
    Ok(comments.into_iter().next().unwrap_or_default())
}

/// Adds what was computed.
pub(super) fn add(database: &Database, staging: &Staging) -> Result<(), Error> {
    for table in rollup::TABLES {
        let sums = staging.sums(table);
        let partitions = database.column(&format!(
            "SELECT DISTINCT partition_id FROM system.parts WHERE database = currentDatabase() AND table = '{sums}' AND active"
        ))?;
        for partition in partitions {
            database.execute(&format!("ALTER TABLE {sums} MOVE PARTITION ID '{partition}' TO TABLE {}", table.name))?;
        }
    }
    Ok(())
}

/// Columns of a rollup that are no sums.
fn keys(table: &Table) -> String {
    let names = table.columns.iter().map(|column| column.name).filter(|name| !SUMS.contains(name));
    names.collect::<Vec<_>>().join(", ")
}

fn each(made: impl Fn(&str) -> String) -> String {
    SUMS.map(made).join(", ")
}

/// New less old.
fn difference(table: &Table, old: &str, new: &str) -> String {
    let keys = keys(table);
    format!(
        "SELECT {keys}, {sums} FROM (SELECT {keys}, {added} FROM ({new}) UNION ALL SELECT {keys}, {taken} FROM ({old})) \
         GROUP BY {keys} HAVING {any}",
        sums = each(|sum| format!("sum(change_{sum}) AS {sum}")),
        added = each(|sum| format!("{sum} AS change_{sum}")),
        taken = each(|sum| format!("toUInt64(0 - toInt64({sum})) AS change_{sum}")),
        any = SUMS.map(|sum| format!("{sum} != 0")).join(" OR "),
    )
}

/// New less old, under the names that there are or that deserve to be; the rest under `::`.
fn hosts(table: &Table, old: &str, new: &str) -> String {
    let group = "time, exporter_address, direction";
    let tagged = |tag: &str, from: &str| {
        let cell = |kind: &str, sum: &str| {
            if kind == tag { format!("{sum} AS {kind}_{sum}") } else { format!("0 AS {kind}_{sum}") }
        };
        let cells = ["old", "new", "stored"].map(|kind| each(|sum| cell(kind, sum))).join(", ");
        format!(
            "SELECT {group}, address AS host, {cells}, toUInt8({}) AS is_stored FROM ({from})",
            u8::from(tag == "stored")
        )
    };
    // Only hosts that change are looked up.
    let stored = format!(
        "SELECT {group}, address, {sums} FROM (SELECT * FROM {name} WHERE ({group}, address) IN \
         (SELECT {group}, address FROM ({old}) UNION ALL SELECT {group}, address FROM ({new}))) GROUP BY {group}, address",
        sums = each(|sum| format!("sum({sum}) AS {sum}")),
        name = table.name
    );
    let all = [tagged("old", old), tagged("new", new), tagged("stored", &stored)].join(" UNION ALL ");
    let cells =
        ["old", "new", "stored"].map(|kind| each(|sum| format!("sum({kind}_{sum}) AS sum_{kind}_{sum}"))).join(", ");
    let ranks = ["bytes", "packets", "flows"]
        .map(|sum| format!("row_number() OVER (PARTITION BY {group} ORDER BY sum_new_{sum} DESC, host) <= {HOSTS}"))
        .join(" OR ");
    let named = |sum: &str| {
        let change = format!("toInt64(sum_new_{sum}) - toInt64(least(sum_stored_{sum}, sum_old_{sum}))");
        format!("if(is_named, toUInt64({change}), toUInt64(0)) AS named_{sum}")
    };
    let rest = |sum: &str| {
        format!("toUInt64(toInt64(sum_new_{sum}) - toInt64(sum_old_{sum}) - toInt64(named_{sum})) AS rest_{sum}")
    };
    format!(
        "SELECT time, exporter_address, if(part = 1, host, toIPv6('::')) AS address, direction, {sums} \
         FROM (SELECT {group}, host, arrayJoin([1, 2]) AS part, {named}, {rest} \
         FROM (SELECT *, host != toIPv6('::') AND (is_known OR {ranks}) AS is_named \
         FROM (SELECT {group}, host, {cells}, max(is_stored) AS is_known FROM ({all}) GROUP BY {group}, host))) \
         GROUP BY time, exporter_address, address, direction HAVING {any}",
        sums = each(|sum| format!("sum(if(part = 1, named_{sum}, rest_{sum})) AS {sum}")),
        named = each(named),
        rest = each(rest),
        any = SUMS.map(|sum| format!("{sum} != 0")).join(" OR "),
    )
}
