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
    Migration { version: 9, sql: include_str!("migrations/0009_agents.sql") },
    Migration { version: 10, sql: include_str!("migrations/0010_clock_skew.sql") },
    Migration { version: 11, sql: include_str!("migrations/0011_host_by_nat.sql") },
    Migration { version: 12, sql: include_str!("migrations/0012_addresses_as_text.sql") },
    Migration { version: 13, sql: include_str!("migrations/0013_sflow_versions.sql") },
    Migration { version: 14, sql: include_str!("migrations/0014_ledger_checksums.sql") },
    Migration { version: 15, sql: include_str!("migrations/0015_implausible.sql") },
    Migration { version: 16, sql: include_str!("migrations/0016_down_time.sql") },
    Migration { version: 17, sql: include_str!("migrations/0017_ledger_agent_as_text.sql") },
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
mod tests;
