//! A cluster: what a table is called there, and which statements do there what one does on a single server.
//!
//! On a cluster each table of ours is two. `flows_local` holds the rows: replicated within a shard, and inserted into by name.
//! `flows` is a Distributed table over the `flows_local` of all shards: everybody reads from it, nobody inserts into it. Not
//! here: which shard rows go to (see [`super::sink`]), and what is in the tables.
//!
//! Why nothing is inserted through the Distributed table: an insert is stored exactly once because the shard that has seen
//! its token takes it no second time. The Distributed table would cut the rows in pieces by a sharding key, each for another
//! shard; after a shard was added the same rows are cut otherwise, so that a repeated insert would bring rows to shards that do
//! not know the token, and take others to shards that do. Besides, it acknowledges what only lies in a directory of the server
//! that was asked.
//!
//! Why the paths in Keeper are written out, rather than made of `{uuid}`: `CREATE TABLE IF NOT EXISTS ... ON CLUSTER` gives a
//! table that only one server lacks a new UUID, so that a replaced server would stand apart from its shard. By a path that
//! says cluster, shard, database and table it finds its shard again with the statement that its neighbour shows for the table.
//! For the same reason the database is an ordinary one (engine Atomic): one of engine Replicated has no use for such paths.

/// The statements themselves.
mod render;
/// The schema on every shard.
mod rollout;
/// A statement's words, and where they stand.
mod statement;
#[cfg(test)]
mod tests;

use super::error::{Class, Error};
pub use rollout::{apply, print};
use statement::Reader;

/// What the names of tables that hold rows end in.
const LOCAL: &str = "_local";
/// Where the tables are in Keeper.
const KEEPER_ROOT: &str = "/clickhouse/tables";
/// How long a token is remembered, in seconds. Only the number of tokens shall bound it, as on a single server; ClickHouse's
/// own limit is an hour, and a collector that was off for a night sends its last blocks again.
const DEDUPLICATION_SECONDS: u32 = 365 * 24 * 60 * 60;

/// A cluster of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    name: String,
}

/// Where a statement has to be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On any one server: it says itself that it is for all of them.
    Once,
    /// On one server of each shard, because ClickHouse has no such statement for a cluster.
    EachShard,
}

/// A statement for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Where to run it.
    pub scope: Scope,
    /// Its text, without a semicolon.
    pub sql: String,
}

impl Cluster {
    /// The cluster that the servers know by this name.
    ///
    /// # Errors
    /// [`Class::Settings`] for a name that cannot be written into a path in Keeper.
    pub fn new(name: &str) -> Result<Self, Error> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_plain) {
            let message = format!("{name:?} cannot be the name of a cluster: use letters, digits, _, - and .");
            return Err(Error::new(Class::Settings, message));
        }
        Ok(Self { name: name.to_owned() })
    }

    /// Its name in `system.clusters`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The table that holds the rows of `table`.
    #[must_use]
    pub fn local(table: &str) -> String {
        format!("{table}{LOCAL}")
    }

    /// The table whose rows are in the table `local`.
    #[must_use]
    pub fn table_of(local: &str) -> &str {
        local.strip_suffix(LOCAL).unwrap_or(local)
    }

    /// Makes the database on every server.
    #[must_use]
    pub fn create_database(&self, database: &str) -> String {
        format!("CREATE DATABASE IF NOT EXISTS `{database}` ON CLUSTER `{}` ENGINE = Atomic", self.name)
    }

    /// What does in `database` on the cluster what `statement` does on a single server, in the order to run it.
    ///
    /// Knows the statements that migrations, retention and repair are made of, and no more.
    ///
    /// # Errors
    /// [`Class::Schema`] for a statement it does not know, with the reason.
    pub fn statements(&self, database: &str, statement: &str) -> Result<Vec<Statement>, Error> {
        render::statements(self, database, &mut Reader::new(statement)).map_err(|reason| {
            let begin: String = statement.split_whitespace().take(6).collect::<Vec<_>>().join(" ");
            Error::new(Class::Schema, format!("no statement for a cluster can be made of `{begin} ...`: {reason}"))
        })
    }

    /// Path in Keeper of a table that holds rows.
    fn keeper_path(&self, database: &str, table: &str) -> String {
        format!("{KEEPER_ROOT}/{}/{{shard}}/{database}/{table}", self.name)
    }
}
