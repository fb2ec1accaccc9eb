//! What tables there must be at a version, as the migrations' statements say, and what differs from it.
//!
//! A table that is not what the migrations made would be filled wrongly or not at all, or lose rows with the next change. So
//! nothing is applied to it, and what differs is named. Columns that an operator added are no difference.

use std::collections::{BTreeMap, HashMap};

use super::Client;
use super::error::{Class, Error};

/// The tables that a list of statements makes.
#[derive(Debug, Default)]
pub(super) struct Expected {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Default, Clone)]
struct Table {
    engine: String,
    partition_key: String,
    /// The keys it had, oldest first.
    sorting_keys: Vec<String>,
    /// Name and the types it had, oldest first.
    columns: Vec<(String, Vec<String>)>,
}

/// A table as ClickHouse describes it.
#[derive(Debug, Default)]
pub(super) struct Found {
    engine: String,
    partition_key: String,
    sorting_key: String,
    columns: HashMap<String, String>,
}

impl Expected {
    /// Takes account of one more statement.
    pub(super) fn learn(&mut self, statement: &str) {
        let name_after = |prefix: &str| {
            let rest = statement.strip_prefix(prefix)?;
            rest.split(|separator: char| separator.is_whitespace() || separator == '(').next()
        };
        if let Some(name) = name_after("CREATE TABLE IF NOT EXISTS ") {
            let table = self.tables.entry(name.to_owned()).or_default();
            for line in statement.lines().map(str::trim) {
                if let Some((column, kind)) = column(line) {
                    table.columns.push((column, vec![kind]));
                }
                // The server tells engines without their arguments.
                if let Some(engine) = line.strip_prefix("ENGINE = ") {
                    table.engine = engine.split('(').next().unwrap_or(engine).to_owned();
                }
                if let Some(key) = line.strip_prefix("PARTITION BY ") {
                    table.partition_key = key.to_owned();
                }
                if let Some(key) = line.strip_prefix("ORDER BY ") {
                    table.sorting_keys = vec![inside(key)];
                }
            }
        }
        let Some(table) = name_after("ALTER TABLE ").and_then(|name| self.tables.get_mut(name)) else { return };
        for line in statement.lines().map(str::trim) {
            if let Some(key) = line.strip_prefix("MODIFY ORDER BY ") {
                table.sorting_keys.push(inside(key));
            }
            if let Some((column, kind)) = line.strip_prefix("ADD COLUMN IF NOT EXISTS ").and_then(column) {
                table.columns.push((column, vec![kind]));
            }
            let Some((name, kind)) = line.strip_prefix("MODIFY COLUMN ").and_then(column) else { continue };
            for (_, kinds) in table.columns.iter_mut().filter(|(column, _)| *column == name) {
                kinds.push(kind.clone());
            }
        }
    }

    /// The first thing in which the tables found are not these; `later` are the tables that the statements still to be run
    /// lead to, some of which may have been run already.
    pub(super) fn difference(&self, later: &Self, found: &BTreeMap<String, Found>) -> Option<String> {
        for (name, table) in &self.tables {
            let Some(found) = found.get(name) else { return Some(format!("table {name} is missing")) };
            let last = later.tables.get(name).unwrap_or(table);
            if let Some(difference) = table.difference(last, found) {
                return Some(format!("table {name}: {difference}"));
            }
        }
        let coming = later.tables.iter().filter(|(name, _)| !self.tables.contains_key(*name));
        for (name, table) in coming {
            let Some(found) = found.get(name) else { continue };
            // Here a table of another product under the same name shows.
            let Some(difference) = table.difference(table, found).filter(|_| !table.is_begun(found)) else { continue };
            return Some(format!("table {name} is not the collector's: {difference}"));
        }
        None
    }
}

impl Table {
    /// Whether this may be the table while its columns are still being added: what there is fits.
    fn is_begun(&self, found: &Found) -> bool {
        let fits =
            |(name, kinds): &(String, Vec<String>)| found.columns.get(name).is_none_or(|kind| kinds.contains(kind));
        self.engine_difference(self, found).is_none()
            && self.columns.iter().all(fits)
            && self.columns.first().is_some_and(|(name, _)| found.columns.contains_key(name))
    }

    fn difference(&self, last: &Self, found: &Found) -> Option<String> {
        if let Some(difference) = self.engine_difference(last, found) {
            return Some(difference);
        }
        for (index, (name, kinds)) in last.columns.iter().enumerate() {
            let here = self.columns.get(index).filter(|(here, _)| here == name);
            let here = here.or_else(|| self.columns.iter().find(|(here, _)| here == name));
            let from = here.map_or(0, |(_, kinds)| kinds.len() - 1);
            let allowed = kinds.get(from..).unwrap_or(kinds);
            match found.columns.get(name) {
                None if here.is_some() => return Some(format!("column {name} is missing")),
                Some(kind) if !allowed.contains(kind) => {
                    return Some(format!("column {name} is {kind}, not {}", allowed.join(" or ")));
                }
                None | Some(_) => {}
            }
        }
        None
    }

    fn engine_difference(&self, last: &Self, found: &Found) -> Option<String> {
        // A distributed table has the keys of none; a replicated one has those of its kind.
        if found.engine == "Distributed" {
            return None;
        }
        let engine = found.engine.trim_start_matches("Replicated").trim_start_matches("Shared");
        let from = self.sorting_keys.len().saturating_sub(1);
        let allowed = last.sorting_keys.get(from..).unwrap_or(&self.sorting_keys);
        let none = String::new();
        let sorting_key = allowed.iter().find(|key| **key == found.sorting_key).or(allowed.first()).unwrap_or(&none);
        let pairs = [
            ("engine", engine, &self.engine),
            ("partition key", &found.partition_key, &self.partition_key),
            ("sorting key", &found.sorting_key, sorting_key),
        ];
        let (what, is, must) = pairs.into_iter().find(|(_, is, must)| is != must)?;
        Some(format!("its {what} is {is}, not {must}"))
    }
}

/// A key without its parentheses.
fn inside(key: &str) -> String {
    let key = key.trim_end_matches([',', ';']);
    key.strip_prefix('(').and_then(|key| key.strip_suffix(')')).unwrap_or(key).to_owned()
}

/// Name and type of a column's definition.
fn column(definition: &str) -> Option<(String, String)> {
    let (name, rest) = definition.strip_prefix('`')?.split_once("` ")?;
    let ends = [" COMMENT ", " CODEC(", " DEFAULT ", " MATERIALIZED ", " ALIAS ", " AFTER "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
    Some((name.to_owned(), rest.get(..end)?.trim_end_matches([',', ';']).to_owned()))
}

/// The tables of the client's database.
///
/// # Errors
/// See [`Class`].
pub(super) async fn found(client: &Client) -> Result<BTreeMap<String, Found>, Error> {
    let sql = "SELECT name, engine, partition_key, sorting_key FROM system.tables WHERE database = currentDatabase()";
    let mut tables: BTreeMap<String, Found> = BTreeMap::new();
    for line in client.query(sql, "TSVRaw").await?.lines() {
        let [name, engine, partition_key, sorting_key] = fields(line)?.map(str::to_owned);
        tables.insert(name, Found { engine, partition_key, sorting_key, columns: HashMap::new() });
    }
    let sql = "SELECT table, name, type, '' FROM system.columns WHERE database = currentDatabase()";
    for line in client.query(sql, "TSVRaw").await?.lines() {
        let [table, name, kind, _] = fields(line)?;
        let Some(table) = tables.get_mut(table) else { continue };
        table.columns.insert(name.to_owned(), kind.to_owned());
    }
    Ok(tables)
}

fn fields(line: &str) -> Result<[&str; 4], Error> {
    let fields: Vec<&str> = line.split('\t').collect();
    fields.try_into().map_err(|_| Error::new(Class::Other, format!("unexpected answer of system tables: {line:.80}")))
}
