//! Each kind of statement, as a cluster needs it.
//!
//! Not here: where words stand in a text (see [`super::statement`]). An error is the reason why a statement is refused.

use super::statement::Reader;
use super::{Cluster, DEDUPLICATION_SECONDS, Scope, Statement};

type Rendered = Result<Vec<Statement>, String>;

/// The setting of a table on a single server that a replicated table has under another name.
const WINDOW: &str = "non_replicated_deduplication_window";
const REPLICATED_WINDOW: &str = "replicated_deduplication_window";

/// Which cluster, and which database on it.
struct Target<'a> {
    cluster: &'a Cluster,
    database: &'a str,
}

pub(super) fn statements(cluster: &Cluster, database: &str, reader: &mut Reader<'_>) -> Rendered {
    let target = Target { cluster, database };
    if reader.take("CREATE TABLE IF NOT EXISTS") {
        return create_table(&target, reader);
    }
    if reader.take("CREATE DICTIONARY IF NOT EXISTS") || reader.take("CREATE OR REPLACE DICTIONARY") {
        return create_dictionary(&target, reader);
    }
    if reader.take("ALTER TABLE") {
        return alter_table(&target, reader);
    }
    if reader.take("INSERT INTO") {
        return Ok(vec![Statement { scope: Scope::EachShard, sql: of_local_tables(reader.text())? }]);
    }
    if reader.take("RENAME TABLE") {
        return rename_table(&target, reader);
    }
    if reader.take("EXCHANGE TABLES") {
        return exchange_tables(&target, reader);
    }
    if reader.take("DROP TABLE IF EXISTS") {
        let table = reader.name()?;
        nothing_more(reader)?;
        return Ok(vec![target.drop(table), target.drop(&Cluster::local(table))]);
    }
    if reader.take("TRUNCATE TABLE") {
        let local = target.on_cluster(&Cluster::local(reader.name()?));
        nothing_more(reader)?;
        return Ok(vec![once(format!("TRUNCATE TABLE {local} SYNC"))]);
    }
    if reader.take("SYSTEM RELOAD DICTIONARY") {
        let dictionary = target.full(reader.name()?);
        nothing_more(reader)?;
        return Ok(vec![once(format!("SYSTEM RELOAD DICTIONARY {} {dictionary}", target.everywhere()))]);
    }
    if reader.take("DROP DICTIONARY IF EXISTS") {
        let name = target.on_cluster(reader.name()?);
        nothing_more(reader)?;
        return Ok(vec![once(format!("DROP DICTIONARY IF EXISTS {name}"))]);
    }
    if reader.take("CREATE TABLE") || reader.take("CREATE DICTIONARY") {
        return Err("it cannot be run again: it lacks IF NOT EXISTS".to_owned());
    }
    Err("no migration needed this kind of statement so far".to_owned())
}

impl Target<'_> {
    /// A name with its database.
    fn full(&self, name: &str) -> String {
        format!("{}.{name}", self.database)
    }

    /// A name with its database, and the words that send a statement to all servers.
    fn on_cluster(&self, name: &str) -> String {
        format!("{} {}", self.full(name), self.everywhere())
    }

    fn everywhere(&self) -> String {
        format!("ON CLUSTER `{}`", self.cluster.name)
    }

    /// Makes the table that is read from; `how` is the beginning of the statement.
    fn distributed(&self, how: &str, table: &str, comment: &str) -> Statement {
        let (local, name) = (Cluster::local(table), self.on_cluster(table));
        let (cluster, database) = (&self.cluster.name, self.database);
        once(format!(
            "{how} {name} AS {}\nENGINE = Distributed('{cluster}', '{database}', '{local}'){comment}",
            self.full(&local)
        ))
    }

    /// Drops a table, and does not return before its place in Keeper is free.
    fn drop(&self, table: &str) -> Statement {
        once(format!("DROP TABLE IF EXISTS {} SYNC", self.on_cluster(table)))
    }
}

fn create_table(target: &Target<'_>, reader: &mut Reader<'_>) -> Rendered {
    let table = reader.name()?;
    let local = Cluster::local(table);
    let body = reader.end();
    let columns = if reader.take("AS") {
        format!(" AS {}", target.full(&Cluster::local(reader.name()?)))
    } else {
        reader.parentheses().ok_or("there are no columns")?;
        reader.text()[body..reader.end()].to_owned()
    };
    let between = reader.end();
    if !reader.seek("ENGINE") {
        return Err("there is no ENGINE".to_owned());
    }
    let before_engine = &reader.text()[between..reader.begin()];
    reader.take("ENGINE");
    reader.take_sign("=");
    let engine = reader.name()?;
    if !engine.ends_with("MergeTree") || engine.starts_with("Replicated") {
        return Err(format!("no replicated table has the engine {engine}"));
    }
    let arguments = reader.parentheses().map(str::trim).filter(|arguments| !arguments.is_empty());
    let arguments = arguments.map_or_else(String::new, |arguments| format!(", {arguments}"));
    let path = target.cluster.keeper_path(target.database, &local);
    let (clauses, comment) = clauses(reader)?;
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {}{columns}{before_engine}ENGINE = Replicated{engine}('{path}', '{{replica}}'{arguments}){clauses}{comment}",
        target.on_cluster(&local)
    );
    Ok(vec![once(create), target.distributed("CREATE TABLE IF NOT EXISTS", table, &comment)])
}

/// What follows the engine, its settings made those of a replicated table, and the comment.
fn clauses(reader: &mut Reader<'_>) -> Result<(String, String), String> {
    let begin = reader.end();
    let text = reader.text();
    let has_settings = reader.seek("SETTINGS");
    if !has_settings {
        *reader = Reader::new(text);
        while reader.end() < begin {
            reader.any();
        }
    }
    let settings_begin = reader.begin();
    reader.seek("COMMENT");
    let comment_begin = reader.begin();
    let comment = match text[comment_begin..].trim() {
        "" => String::new(),
        comment => format!("\n{comment}"),
    };
    let end = if has_settings { settings_begin } else { comment_begin };
    let before = text[begin..end].trim_end();
    let written = text[end..comment_begin].trim().get("SETTINGS".len()..).unwrap_or_default();
    Ok((format!("{before}\nSETTINGS {}", settings(written, Missing::NoWindow)), comment))
}

/// What to do where settings say nothing about deduplication.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Turn it off: a table on a single server deduplicates nothing unless it is told to, a replicated one does.
    NoWindow,
    /// Leave it as it is.
    AsItIs,
}

/// A list of settings with the names that they have in a replicated table.
fn settings(written: &str, missing: Missing) -> String {
    let mut settings: Vec<String> = Vec::new();
    let mut has_window = false;
    for setting in Reader::list(written).into_iter().filter(|setting| !setting.is_empty()) {
        let (name, value) = setting.split_once('=').map_or((setting, None), |(name, value)| (name, Some(value.trim())));
        if name.trim() != WINDOW {
            settings.push(setting.to_owned());
            continue;
        }
        has_window = true;
        settings
            .push(value.map_or_else(|| REPLICATED_WINDOW.to_owned(), |value| format!("{REPLICATED_WINDOW} = {value}")));
        settings.push(match value {
            Some(_) => format!("{REPLICATED_WINDOW}_seconds = {DEDUPLICATION_SECONDS}"),
            None => format!("{REPLICATED_WINDOW}_seconds"),
        });
    }
    if !has_window && missing == Missing::NoWindow {
        settings.push(format!("{REPLICATED_WINDOW} = 0"));
    }
    settings.join(", ")
}

/// Where a command of ALTER TABLE has to go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// To the table with the rows and to the one that is read from.
    Both,
    /// To the table with the rows.
    Local,
    /// The same in a statement of its own: only when it is alone does every replica run it.
    Setting,
}

/// The commands there are, by their first words.
const COMMANDS: &[(&str, Reach)] = &[
    ("ADD COLUMN", Reach::Both),
    ("MODIFY COLUMN", Reach::Both),
    ("COMMENT COLUMN", Reach::Both),
    ("MODIFY COMMENT", Reach::Both),
    ("ADD INDEX", Reach::Local),
    ("DROP INDEX", Reach::Local),
    ("MATERIALIZE INDEX", Reach::Local),
    ("ADD PROJECTION", Reach::Local),
    ("DROP PROJECTION", Reach::Local),
    ("MATERIALIZE PROJECTION", Reach::Local),
    ("MATERIALIZE COLUMN", Reach::Local),
    ("MODIFY ORDER BY", Reach::Local),
    ("MODIFY TTL", Reach::Local),
    ("REMOVE TTL", Reach::Local),
    ("DROP PARTITION", Reach::Local),
    ("REPLACE PARTITION", Reach::Local),
    ("ATTACH PARTITION", Reach::Local),
    ("MOVE PARTITION", Reach::Local),
    ("MODIFY SETTING", Reach::Setting),
    ("RESET SETTING", Reach::Setting),
];

fn alter_table(target: &Target<'_>, reader: &mut Reader<'_>) -> Rendered {
    let table = reader.name()?;
    let (local, mut both, mut every, mut setting) = (Cluster::local(table), Vec::new(), Vec::new(), Vec::new());
    for (command, reach) in commands(reader.rest())? {
        match reach {
            Reach::Both => {
                both.push(command.clone());
                every.push(command);
            }
            Reach::Local => every.push(of_local_tables(&command)?),
            Reach::Setting => {
                let (head, list) = command.split_at(command.find("SETTING").map_or(0, |at| at + "SETTING".len()));
                setting.push(format!("{head} {}", settings(list, Missing::AsItIs)));
            }
        }
    }
    let alter = |name: &str, commands: &[String]| {
        once(format!("ALTER TABLE {}\n    {}", target.on_cluster(name), commands.join(",\n    ")))
    };
    let mut statements = Vec::new();
    if !every.is_empty() {
        statements.push(alter(&local, &every));
    }
    statements.extend(setting.iter().map(|command| alter(&local, std::slice::from_ref(command))));
    if !both.is_empty() {
        statements.push(alter(table, &both));
    }
    Ok(statements)
}

/// The commands of an ALTER TABLE. A comma within a list of settings is none between commands.
fn commands(text: &str) -> Result<Vec<(String, Reach)>, String> {
    let mut commands: Vec<(String, Reach)> = Vec::new();
    for part in Reader::list(text) {
        let reach = COMMANDS.iter().find(|(words, _)| Reader::new(part).take(words)).map(|(_, reach)| *reach);
        match (reach, commands.last_mut()) {
            (Some(reach), _) => commands.push((part.to_owned(), reach)),
            (None, Some((command, Reach::Setting))) => {
                command.push_str(", ");
                command.push_str(part);
            }
            (None, _) => return Err(format!("ALTER TABLE has an unknown command: `{part:.40}`")),
        }
    }
    Ok(commands)
}

fn create_dictionary(target: &Target<'_>, reader: &mut Reader<'_>) -> Rendered {
    let head = reader.text()[..reader.end()].to_owned();
    let name = reader.name()?;
    let begin = reader.end();
    if !reader.seek("SOURCE") {
        return Err("there is no SOURCE".to_owned());
    }
    let before_source = &reader.text()[begin..reader.begin()];
    reader.take("SOURCE");
    let source = reader.parentheses().unwrap_or_default();
    let mut source = Reader::new(source);
    if !source.take("CLICKHOUSE") {
        return Err("its source is no table of ClickHouse".to_owned());
    }
    let mut table = source.parentheses().unwrap_or_default().trim().to_owned();
    // The table that is read from, so that each server knows what any shard was told.
    if !Reader::new(&table).seek("DB") {
        table.push_str(&format!(" DB '{}'", target.database));
    }
    let (name, rest) = (target.on_cluster(name), reader.rest());
    Ok(vec![once(format!("{head} {name}{before_source}SOURCE(CLICKHOUSE({table})){rest}"))])
}

fn rename_table(target: &Target<'_>, reader: &mut Reader<'_>) -> Rendered {
    let if_exists = if reader.take("IF EXISTS") { "IF EXISTS " } else { "" };
    let from = reader.name()?;
    if !reader.take("TO") {
        return Err("it does not say TO what".to_owned());
    }
    let to = reader.name()?;
    nothing_more(reader)?;
    let (local_from, local_to) = (target.full(&Cluster::local(from)), target.on_cluster(&Cluster::local(to)));
    Ok(vec![
        once(format!("RENAME TABLE {if_exists}{local_from} TO {local_to}")),
        target.distributed("CREATE OR REPLACE TABLE", to, ""),
        target.drop(from),
    ])
}

fn exchange_tables(target: &Target<'_>, reader: &mut Reader<'_>) -> Rendered {
    let one = reader.name()?;
    if !reader.take("AND") {
        return Err("it does not say AND which".to_owned());
    }
    let other = reader.name()?;
    nothing_more(reader)?;
    let (local_one, local_other) = (target.full(&Cluster::local(one)), target.on_cluster(&Cluster::local(other)));
    Ok(vec![
        once(format!("EXCHANGE TABLES {local_one} AND {local_other}")),
        target.distributed("CREATE OR REPLACE TABLE", one, ""),
        target.distributed("CREATE OR REPLACE TABLE", other, ""),
    ])
}

/// The text with the tables that hold rows in the place of those that are read from: behind INTO, FROM, JOIN and TO TABLE.
/// Functions, subqueries, arrays, names of WITH and tables of `system` stay.
fn of_local_tables(text: &str) -> Result<String, String> {
    let own = names_of_with(text);
    let mut reader = Reader::new(text);
    let (mut rendered, mut copied) = (String::new(), 0);
    while reader.begin() < reader.text().len() {
        let is_insert = reader.take("INTO");
        let names_table = is_insert
            || (!reader.take("ARRAY JOIN") && ["FROM", "JOIN", "TO TABLE"].iter().any(|words| reader.take(words)));
        if !names_table {
            reader.any();
            continue;
        }
        let begin = reader.begin();
        let Some(name) = reader.word() else { continue };
        // Behind the table of an INSERT its columns may be in parentheses, behind another name the arguments of a function.
        let is_function = !is_insert && reader.parentheses_follow();
        if is_function || own.contains(&name) {
            continue;
        }
        let end = reader.end();
        if reader.take_sign(".") {
            if name == "system" {
                continue;
            }
            return Err(format!("it names a table of the database {name}"));
        }
        rendered.push_str(&reader.text()[copied..begin]);
        rendered.push_str(&Cluster::local(name));
        copied = end;
    }
    rendered.push_str(&reader.text()[copied..]);
    Ok(rendered)
}

/// The names that `name AS (SELECT ...)` gives.
fn names_of_with(text: &str) -> Vec<&str> {
    let mut reader = Reader::new(text);
    let mut names = Vec::new();
    let mut last = None;
    while reader.begin() < reader.text().len() {
        if reader.take("AS") {
            if reader.parentheses_follow() {
                names.extend(last);
            }
            continue;
        }
        last = reader.any();
    }
    names
}

fn nothing_more(reader: &Reader<'_>) -> Result<(), String> {
    match reader.rest().trim() {
        "" => Ok(()),
        rest => Err(format!("it goes on with `{rest:.30}`")),
    }
}

fn once(sql: String) -> Statement {
    Statement { scope: Scope::Once, sql }
}
