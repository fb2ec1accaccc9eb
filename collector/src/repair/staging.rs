//! The tables that a repair makes for itself, beside those that it repairs, and what an unfinished one left.

use super::Error;
use super::database::Database;
use crate::batch::rollups::hosts_1h::TABLE as HOSTS;
use crate::batch::{self, DECODED, Table};
use crate::rollup;

/// What the names of all such tables begin with.
const PREFIX: &str = "repair_";
/// Digits of a repair's name.
const ID_DIGITS: usize = 16;

/// The tables of one repair, by its name of 16 hexadecimal digits.
#[derive(Debug, Clone)]
pub(super) struct Staging {
    id: String,
}

impl Staging {
    /// Names those of the repair `id`; nothing is made.
    pub(super) fn new(id: String) -> Self {
        Self { id }
    }

    /// The repair's name.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Where the rows that were decoded again are.
    pub(super) fn decoded(&self, table: &Table) -> String {
        format!("{PREFIX}{}_decoded_{}", self.id, table.name)
    }

    /// Where a partition is put together.
    pub(super) fn copy(&self, table: &Table) -> String {
        format!("{PREFIX}{}_copy_{}", self.id, table.name)
    }

    /// Where what is to be added to a rollup is.
    pub(super) fn sums(&self, table: &Table) -> String {
        format!("{PREFIX}{}_sums_{}", self.id, table.name)
    }

    /// Where the sums of hosts are before and after.
    pub(super) fn hosts(&self) -> [String; 2] {
        ["old", "new"].map(|which| format!("{PREFIX}{}_sums_{which}_{}", self.id, HOSTS.name))
    }

    /// Makes them all, empty.
    pub(super) fn make(&self, database: &Database) -> Result<(), Error> {
        for table in DECODED {
            make(database, &self.decoded(table), table)?;
            make(database, &self.copy(table), table)?;
        }
        for table in rollup::TABLES {
            make(database, &self.sums(table), table)?;
        }
        self.hosts().iter().try_for_each(|name| make(database, name, &HOSTS))
    }

    /// Removes those that are there.
    pub(super) fn remove(&self, database: &Database) -> Result<(), Error> {
        // What a partition was exchanged with goes first: the sums are what an unfinished repair is finished by.
        let tables = DECODED.iter().flat_map(|table| [self.copy(table), self.decoded(table)]);
        let tables = tables.chain(self.hosts()).chain(rollup::TABLES.iter().map(|table| self.sums(table)));
        for name in tables {
            database.execute(&format!("DROP TABLE IF EXISTS {name}"))?;
        }
        Ok(())
    }

    /// The repairs of which there are tables.
    pub(super) fn left(database: &Database) -> Result<Vec<Self>, Error> {
        let names = database.column(&format!(
            "SELECT DISTINCT substring(name, {}, {ID_DIGITS}) FROM system.tables WHERE database = currentDatabase() \
             AND match(name, '^{PREFIX}[0-9a-f]{{{ID_DIGITS}}}_(decoded|copy|sums)_')",
            PREFIX.len() + 1
        ))?;
        Ok(names.into_iter().map(Self::new).collect())
    }

    /// Whether a table is there.
    pub(super) fn exists(database: &Database, name: &str) -> Result<bool, Error> {
        let found = database.number(&format!(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = '{name}'"
        ))?;
        Ok(found > 0)
    }
}

fn make(database: &Database, name: &str, like: &Table) -> Result<(), Error> {
    database.execute(&format!("CREATE TABLE {name} AS {}", like.name))?;
    // Rows that are equal are no repetition here.
    database.execute(&format!("ALTER TABLE {name} MODIFY SETTING non_replicated_deduplication_window = 0"))
}

/// A block's decoded rows for tables that are called otherwise.
#[derive(Debug)]
pub(super) struct Renamed<'a> {
    block: &'a batch::Block,
    tables: &'static [&'static Table],
}

impl Staging {
    /// The tables of [`Staging::decoded`] as the encoder wants them. A process does one repair, so they may stay for ever.
    pub(super) fn decoded_tables(&self) -> &'static [&'static Table] {
        let tables = DECODED.map(|table| {
            let name: &'static str = Box::leak(self.decoded(table).into_boxed_str());
            &*Box::leak(Box::new(Table { name, columns: table.columns }))
        });
        Box::leak(Box::new(tables))
    }
}

impl<'a> Renamed<'a> {
    pub(super) fn new(block: &'a batch::Block, tables: &'static [&'static Table]) -> Self {
        Self { block, tables }
    }
}

impl batch::Rows for Renamed<'_> {
    fn tables(&self) -> &'static [&'static Table] {
        self.tables
    }

    fn count(&self, table: usize) -> usize {
        self.block.count(table)
    }

    fn cells(&self, table: usize, column: usize) -> batch::Cells<'_> {
        self.block.cells(table, column)
    }
}
