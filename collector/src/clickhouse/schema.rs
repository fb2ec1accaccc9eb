//! The tables and how they come to be: a list of migrations, applied in order, each remembered in `schema_version`.
//!
//! Forward only. A migration that was released is never changed; the next one changes the table. Every statement may be run
//! again, because two collectors may apply at once and a connection may break between a statement and its record.
//! Not here: which columns there are (see [`crate::batch::TABLES`]).

use super::client::Client;
use super::cluster;
use super::error::{Class, Error};
use super::expected::{self, Expected};

/// One step from a version to the next.
#[derive(Debug)]
struct Migration {
    /// The version of the schema after it.
    version: u32,
    /// Statements, each ended by `;` at the end of a line.
    sql: &'static str,
}

/// All migrations, versions ascending from 1.
static MIGRATIONS: &[Migration] = &[
    Migration { version: 1, sql: include_str!("migrations/0001_flows.sql") },
    Migration { version: 2, sql: include_str!("migrations/0002_tables.sql") },
    Migration { version: 3, sql: include_str!("migrations/0003_ledger.sql") },
    Migration { version: 4, sql: include_str!("migrations/0004_ledger_journal.sql") },
    Migration { version: 5, sql: include_str!("migrations/0005_rollups.sql") },
    Migration { version: 6, sql: include_str!("migrations/0006_questions.sql") },
    Migration { version: 7, sql: include_str!("migrations/0007_repairs.sql") },
    Migration { version: 8, sql: include_str!("migrations/0008_dictionaries.sql") },
];

/// Remembers what was applied.
const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version
(
    `version` UInt32 COMMENT 'Version of the schema after the migration',
    `applied_at` DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied',
    `binary_version` LowCardinality(String) COMMENT 'Version of the collector that applied it'
)
ENGINE = MergeTree
ORDER BY version
COMMENT 'Migrations that were applied to this database by the collector'";

/// The statements of one version, its record last.
#[derive(Debug)]
pub(super) struct Step {
    /// The version after them; 0 for the table that remembers versions.
    pub(super) version: u32,
    /// Statements for a server that stands alone.
    pub(super) statements: Vec<String>,
}

/// What [`apply`] would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Version found; 0 where there is no schema.
    pub from: u32,
    /// Version afterwards.
    pub to: u32,
    /// Whether the database is missing and would be made by another statement than these.
    pub makes_database: bool,
    /// The statements, in the order in which they would be run.
    pub statements: Vec<String>,
}

/// What [`apply`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// Version found; 0 where there was no schema.
    pub from: u32,
    /// Version now.
    pub to: u32,
}

/// The version of the schema that this binary works with.
#[must_use]
pub fn latest_version() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// The versions there were, ascending.
pub fn versions() -> impl Iterator<Item = u32> {
    MIGRATIONS.iter().map(|migration| migration.version)
}

/// All statements that make the schema from nothing, as a script for `clickhouse-client --multiquery`.
#[must_use]
pub fn print() -> String {
    let mut script = String::from(
        "-- The collector's tables, as `collector schema print` prints them and `collector schema apply` makes them.\n\
         -- To make them by hand: clickhouse-client --database DATABASE --multiquery < schema.sql\n\n",
    );
    script.push_str(VERSION_TABLE);
    script.push_str(";\n");
    for migration in MIGRATIONS {
        script.push('\n');
        for statement in statements(migration.sql) {
            script.push_str(statement);
            script.push_str(";\n\n");
        }
        script.push_str(&record(migration.version));
        script.push_str(";\n");
    }
    script
}

/// The statements that [`apply`] would run, in a cluster those for all of it; nothing is changed.
///
/// # Errors
/// A schema newer than this binary knows, tables that are not as its version made them, and all that [`Client::probe`] finds.
pub async fn plan(client: &Client) -> Result<Plan, Error> {
    let to = latest_version();
    let (from, makes_database) = match version(client).await {
        Err(error) if error.class == Class::NoDatabase => (0, true),
        other => (other?, false),
    };
    refuse_newer(client, from)?;
    if !makes_database {
        refuse_different(client, from).await?;
    }
    let mut statements = Vec::new();
    let cluster = client.settings().cluster.as_ref().filter(|_| makes_database);
    statements.extend(cluster.map(|cluster| cluster.create_database(&client.settings().database)));
    for statement in steps_from(from).flat_map(|step| step.statements) {
        statements.extend(client.settings().statements(&statement)?.into_iter().map(|statement| statement.sql));
    }
    Ok(Plan { from, to, makes_database: makes_database && cluster.is_none(), statements })
}

/// Brings the database to [`latest_version`], in a cluster on the client's shard (see [`cluster::apply`] for all of them); makes the database where it is missing. Does nothing to a schema that is up to date.
///
/// # Errors
/// As [`plan`], and missing privileges.
pub async fn apply(client: &Client) -> Result<Applied, Error> {
    if let Some(cluster) = &client.settings().cluster {
        let applied = cluster::apply(cluster, std::slice::from_ref(client)).await?;
        return Ok(applied[0]);
    }
    let Plan { from, to, makes_database, statements } = plan(client).await?;
    if makes_database {
        create_database(client).await?;
    }
    for statement in &statements {
        client.execute(statement).await.map_err(|error| explain(client, error))?;
    }
    Ok(Applied { from, to })
}

/// Refuses a database that was made for a cluster where none is configured, and the other way round: rows inserted through a
/// Distributed table are not stored exactly once, and a table that stands alone is seen by nobody else.
///
/// # Errors
/// [`Class::Schema`] with what to change, and whatever keeps ClickHouse from answering.
async fn refuse_other_kind(client: &Client) -> Result<(), Error> {
    let sql = "SELECT engine FROM system.tables WHERE database = currentDatabase() AND name = 'schema_version'";
    let answer = client.query(sql, "TSV").await.map_err(|error| client.explain(error))?;
    let (engine, database) = (answer.trim(), &client.settings().database);
    let message = match &client.settings().cluster {
        _ if engine.is_empty() => return Ok(()),
        None if engine == "Distributed" => {
            format!("the tables in database {database} are those of a cluster: set clickhouse.cluster to its name")
        }
        Some(cluster) if engine != "Distributed" => format!(
            "the tables in database {database} are those of a server that stands alone, not of cluster {}: name another \
             clickhouse.database, which will be made, and copy the rows",
            cluster.name()
        ),
        None | Some(_) => return Ok(()),
    };
    Err(Error::new(Class::Schema, message))
}

/// What brings a schema of version `from` to the latest; nothing where it is.
pub(super) fn steps_from(from: u32) -> impl Iterator<Item = Step> {
    steps().filter(move |step| from < latest_version() && (step.version == 0 || step.version > from))
}

/// The table that remembers versions, then each migration.
pub(super) fn steps() -> impl Iterator<Item = Step> {
    let migrations = MIGRATIONS.iter().map(|migration| Step {
        version: migration.version,
        statements: statements(migration.sql).map(str::to_owned).chain([record(migration.version)]).collect(),
    });
    std::iter::once(Step { version: 0, statements: vec![VERSION_TABLE.to_owned()] }).chain(migrations)
}

/// Whether the schema is the one this binary works with; nothing is changed.
///
/// # Errors
/// An older or newer schema, and all that [`Client::probe`] finds.
pub async fn check(client: &Client) -> Result<(), Error> {
    let found = version(client).await.map_err(|error| client.explain(error))?;
    refuse_newer(client, found)?;
    if found < latest_version() {
        let message = format!(
            "the schema in database {} is version {found}, this collector needs {}: run `collector schema apply`",
            client.settings().database,
            latest_version()
        );
        return Err(Error::new(Class::Schema, message));
    }
    Ok(())
}

/// The version in the database; 0 where none was ever applied.
///
/// # Errors
/// [`Class::NoDatabase`] as it is; everything else with URL and remedy.
pub async fn version(client: &Client) -> Result<u32, Error> {
    let table = client.settings().table_of_rows("schema_version");
    let answer = match client.query(&format!("SELECT max(version) FROM {table}"), "TSV").await {
        Err(error) if error.code == Some(UNKNOWN_TABLE) => return Ok(0),
        Err(error) if error.class == Class::NoDatabase => return Err(error),
        Err(error) => return Err(client.explain(error)),
        Ok(answer) => answer,
    };
    answer.trim().parse().map_err(|_not_a_number| {
        let message = format!("{} answers, but not as ClickHouse: {:.80}", client.settings().url, answer.trim());
        Error::new(Class::NotClickHouse, message)
    })
}

const UNKNOWN_TABLE: u32 = 60;

/// Why a statement of the schema failed, for an operator.
pub(super) fn explain(client: &Client, error: Error) -> Error {
    if error.class != Class::Schema {
        return client.explain(error);
    }
    let message = format!("the schema in database {} cannot be changed: {error}", client.settings().database);
    error.told(message)
}

async fn create_database(client: &Client) -> Result<(), Error> {
    let database = &client.settings().database;
    let quoted = database.replace('\\', "\\\\").replace('`', "\\`");
    let made = client.execute_on_server(&format!("CREATE DATABASE IF NOT EXISTS `{quoted}`")).await;
    made.map_err(|error| {
        let error = client.explain(error);
        let message = format!("database {database} does not exist and cannot be created: {error}");
        error.told(message)
    })
}

pub(super) fn refuse_newer(client: &Client, found: u32) -> Result<(), Error> {
    if found <= latest_version() {
        return Ok(());
    }
    let message = format!(
        "the schema in database {} is version {found}, newer than the {} this collector ({}) knows: upgrade the collector",
        client.settings().database,
        latest_version(),
        env!("CARGO_PKG_VERSION")
    );
    Err(Error::new(Class::Schema, message))
}

pub(super) async fn refuse_different(client: &Client, from: u32) -> Result<(), Error> {
    refuse_other_kind(client).await?;
    let found = expected::found(client).await.map_err(|error| client.explain(error))?;
    let Some(difference) = tables_of(from).difference(&tables_of(latest_version()), &found) else { return Ok(()) };
    let message = format!(
        "the tables in database {} are not those of schema version {from}, nothing was changed: {difference}: put it right \
         (`collector schema print` shows how it must be), or choose another database",
        client.settings().database
    );
    Err(Error::new(Class::Schema, message))
}

fn tables_of(version: u32) -> Expected {
    let mut expected = Expected::default();
    for migration in MIGRATIONS.iter().filter(|migration| migration.version <= version) {
        statements(migration.sql).for_each(|statement| expected.learn(statement));
    }
    expected
}

fn record(version: u32) -> String {
    let binary = env!("CARGO_PKG_VERSION");
    format!("INSERT INTO schema_version (version, binary_version) VALUES ({version}, '{binary}')")
}

fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Column, Table, flows, interface_counters, nat_events};
    use crate::clickhouse::Cluster;

    /// What follows the columns of a table that version 2 makes.
    const NAT_EVENTS_ENGINE: &str = "ENGINE = MergeTree
PARTITION BY toDate(time_received)
ORDER BY (post_nat_src_addr, time_event, port_block_start)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
COMMENT 'Address translations: who had this outside address and port at this time';
";
    const INTERFACE_COUNTERS_ENGINE: &str = "ENGINE = MergeTree
PARTITION BY toDate(time_received)
ORDER BY (exporter_address, if_index, time_received)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
COMMENT 'Counters of interfaces as exporters sent them: totals since the exporter started';
";

    fn column_ddl(column: &Column) -> String {
        let comment = column.comment.replace('\'', "\\'");
        format!("`{}` {} COMMENT '{comment}' CODEC({})", column.name, column.kind, column.codec)
    }

    /// A table as its columns say it must be.
    fn table_ddl(table: &Table, engine: &str) -> String {
        let columns: Vec<String> = table.columns.iter().map(column_ddl).collect();
        format!("CREATE TABLE IF NOT EXISTS {}\n(\n    {}\n)\n{engine}", table.name, columns.join(",\n    "))
    }

    /// What adds columns to a table, which has those that `is_there` beside them by then.
    fn new_columns(table: &Table, is_added: impl Fn(&Column) -> bool, is_there: impl Fn(&Column) -> bool) -> String {
        let mut after = "";
        let mut added = Vec::new();
        for column in table.columns {
            if is_added(column) {
                added.push(format!("ADD COLUMN IF NOT EXISTS {} AFTER `{after}`", column_ddl(column)));
            } else if !is_there(column) {
                continue;
            }
            after = column.name;
        }
        format!("ALTER TABLE {}\n    {};\n", table.name, added.join(",\n    "))
    }

    fn is_in_the_first(column: &Column) -> bool {
        MIGRATIONS[0].sql.contains(&format!("\n    `{}` ", column.name))
    }

    fn is_of_networks(column: &Column) -> bool {
        ["src_network", "dst_network", "src_customer", "dst_customer"].contains(&column.name)
    }

    /// Compares a committed file with what it must be; rewrites it when the environment has `BLESS`.
    fn check_file(path: &str, expected: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, expected).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == expected, "{} differs; run this test with BLESS=1 and look at the difference", path.display());
    }

    #[test]
    fn the_second_migration_makes_the_columns() {
        let nat_events = table_ddl(&nat_events::TABLE, NAT_EVENTS_ENGINE);
        let interface_counters = table_ddl(&interface_counters::TABLE, INTERFACE_COUNTERS_ENGINE);
        let is_added = |column: &Column| !is_in_the_first(column) && !is_of_networks(column);
        let added = new_columns(&flows::TABLE, is_added, is_in_the_first);
        let expected = format!("{added}\n{nat_events}\n{interface_counters}");
        check_file("src/clickhouse/migrations/0002_tables.sql", &expected);
    }

    #[test]
    fn the_fourth_migration_makes_the_ledgers_columns() {
        let was_there = |column: &Column| MIGRATIONS[2].sql.contains(&format!("\n    `{}` ", column.name));
        let expected = new_columns(&crate::ledger::table::TABLE, |column| !was_there(column), was_there);
        check_file("src/clickhouse/migrations/0004_ledger_journal.sql", &expected);
    }

    /// The order and the comment of each rollup that version 5 makes.
    const ROLLUPS: [(&str, &str); 6] = [
        ("exporter_address, if_index, direction, if_name, time", "Traffic of interfaces per minute"),
        ("src_as, dst_as, exporter_address, time", "Traffic between autonomous systems per 5 minutes"),
        ("src_country, dst_country, exporter_address, time", "Traffic between countries per 5 minutes"),
        ("protocol, port, exporter_address, time", "Traffic of protocols and ports per 5 minutes"),
        (
            "src_customer, src_network, dst_customer, dst_network, exporter_address, time",
            "Traffic between networks and customers per 5 minutes",
        ),
        (
            "address, exporter_address, direction, time",
            "Traffic of hosts per hour: of each block the 1000 with most bytes, packets or flows, the others under ::, so what a \
             host has is a lower bound and the sum of all exact",
        ),
    ];

    fn rollup_ddl((table, (order, comment)): (&&Table, (&str, &str))) -> String {
        let engine = format!(
            "ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), {order})
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT '{comment}. A flow is in every bucket it lived in, by time. Ask for sums';
"
        );
        table_ddl(table, &engine)
    }

    /// Fills a rollup from the flows that were there before it: what came later has its rollups with it. May be run again, by
    /// another collector or after a break: the same blocks under the same token are stored once.
    fn backfill(table: &Table) -> String {
        let before = "time_received < (SELECT min(applied_at) FROM schema_version \
             WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5))";
        let select = crate::rollup::sql(table, "flows", before).unwrap();
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        format!(
            "INSERT INTO {} ({})\n{select}\nORDER BY ALL\nSETTINGS insert_deduplication_token = 'backfill of version 5', \
             max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, \
             max_bytes_before_external_sort = 1000000000;\n",
            table.name,
            columns.join(", ")
        )
    }

    #[test]
    fn the_fifth_migration_makes_and_fills_the_rollups() {
        let tables = &crate::rollup::TABLES;
        let mut statements = vec![new_columns(&flows::TABLE, is_of_networks, |_| true)];
        statements.extend(tables.iter().zip(ROLLUPS).map(rollup_ddl));
        statements.extend(tables.iter().map(|table| backfill(table)));
        check_file("src/clickhouse/migrations/0005_rollups.sql", &statements.join("\n"));
    }

    #[test]
    fn what_was_released_stays_as_it_is() {
        let released: [(u32, u64); 3] =
            [(1, 0xd5e2_49c6_b29a_de99), (2, 0x0742_5b34_1aee_fb64), (3, 0x0215_ec71_2f1c_244b)];
        for (migration, (version, digest)) in MIGRATIONS.iter().zip(released) {
            assert_eq!((migration.version, fnv(migration.sql)), (version, digest), "version {version} was changed");
        }
    }

    /// FNV-1a, 64 bits.
    fn fnv(text: &str) -> u64 {
        text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    #[test]
    fn the_deployed_schema_is_the_printed_one() {
        check_file("../deploy/clickhouse/schema.sql", &print());
    }

    #[test]
    fn the_schema_of_the_example_cluster_is_the_printed_one() {
        let printed = cluster::print(&Cluster::new("flows").unwrap(), "collector").unwrap();
        check_file("../deploy/clickhouse-cluster/schema.sql", &printed);
    }

    #[test]
    fn versions_ascend_from_one() {
        assert!(versions().eq(1..=latest_version()));
    }
}
