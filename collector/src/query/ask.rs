//! Asking ClickHouse: what there is, which table answers, and the answer, within bounds on time and memory.

use super::answer::Answer;
use super::choice::{Choice, Held, choose};
use super::covered::covered;
use super::names::Names;
use super::question::{Question, Request};
use super::remarks::{self, Remarks};
use super::statement::Statement;
use super::table::{NAT_EVENTS, TABLES};
use super::{exporters, lookup, ranking, series};
use crate::clickhouse::{self, Class, Client};
use crate::rollup;

/// ClickHouse's codes for settings that a user may not change, because read-only or beyond what is allowed to them: READONLY,
/// SETTING_CONSTRAINT_VIOLATION.
const NOT_ALLOWED: [u32; 2] = [164, 452];
/// That of a query that would read more rows than allowed.
const TOO_MANY_ROWS: u32 = 158;

/// What a question may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Seconds.
    pub seconds: u64,
    /// Memory in ClickHouse.
    pub memory_bytes: u64,
    /// Rows read; 0 for any number.
    pub rows: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { seconds: 60, memory_bytes: 4 << 30, rows: 0 }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ClickHouse did not answer, or refused.
    #[error(transparent)]
    ClickHouse(#[from] clickhouse::Error),
    /// It answered something else.
    #[error("ClickHouse's answer was not understood: check that it is version 24.3 or later")]
    NoAnswer,
    /// Something that nobody knows, and what was probably meant.
    #[error("{0}")]
    Unknown(String),
    /// More points than anybody can look at.
    #[error("the interval is too short for the span: choose at most {} points", series::MOST_POINTS)]
    TooFine,
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The table.
    pub choice: Choice,
    /// What it is asked.
    pub statement: Statement,
    /// Where names come from.
    pub names: Names,
    /// What the answer does not say by its rows.
    pub remarks: Remarks,
}

impl Plan {
    /// The statement for a request to the table chosen.
    #[must_use]
    pub fn of(request: &Request, choice: Choice, names: Names) -> Self {
        let statement = match request.question {
            Question::Interface { if_index, .. } => series::statement(request, &choice, if_index),
            Question::Host { address, port } => lookup::host(request, &choice, names, address, port),
            Question::Nat { address, port, at_ms } => lookup::nat(request, &choice, (address, port), at_ms),
            Question::Exporters => exporters::statement(request, &choice, names),
            Question::Top(_)
            | Question::Interfaces
            | Question::As(_)
            | Question::Countries(_)
            | Question::Services
            | Question::Networks(_) => ranking::statement(request, &choice, names),
        };
        Self { choice, statement, names, remarks: Remarks::default() }
    }
}

/// Since when each table holds rows.
///
/// # Errors
/// ClickHouse does not answer, or the schema is missing; one line that says what to do.
pub async fn held(client: &Client) -> Result<Held, Error> {
    let tables = || TABLES.into_iter().chain([&NAT_EVENTS]);
    let each = tables().map(|table| {
        let time = table.time;
        format!("SELECT '{}', toInt64(toUnixTimestamp(min({time}))) * 1000 FROM {}", table.name, table.name)
    });
    let sql = each.collect::<Vec<_>>().join(" UNION ALL ");
    let answer = client.query(&sql, "TSV").await.map_err(|error| client.explain(error))?;
    let mut held = Held::default();
    for line in answer.lines() {
        let (name, since) = line.split_once('\t').ok_or(Error::NoAnswer)?;
        let since: i64 = since.parse().map_err(|_not_a_number| Error::NoAnswer)?;
        let table = tables().find(|table| table.name == name).ok_or(Error::NoAnswer)?;
        // Of no rows, the minimum is 1970.
        if since > 0 {
            held.tables.push((table.name, since));
        }
    }
    Ok(held)
}

/// Decides how a request is answered, by what ClickHouse has and which rollups it gets.
///
/// # Errors
/// See [`Error`].
pub async fn plan(client: &Client, request: &Request, rollups: rollup::Selection) -> Result<Plan, Error> {
    if series::is_too_fine(request.span, request.question.interval_ms()) {
        return Err(Error::TooFine);
    }
    let held = Held { off: rollups.left_out().collect(), ..held(client).await? };
    let mut choice = choose(request, &held);
    if request.question.has_rates() {
        choice.covered = covered(client, &choice, now_ms()).await?;
    }
    let remarks = remarks::ask(client, request, choice.span).await;
    Ok(Plan { remarks, ..Plan::of(request, choice, names(client).await) })
}

/// The time here, milliseconds since 1970.
fn now_ms() -> i64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

async fn names(client: &Client) -> Names {
    if client.query(Names::DICTIONARIES_WORK, "TSV").await.is_ok() {
        return Names::Dictionaries;
    }
    if client.query(Names::TABLES_WORK, "TSV").await.is_ok() { Names::Tables } else { Names::Nowhere }
}

/// Asks a statement, within limits. A user who may not even set limits asks without.
///
/// # Errors
/// See [`Error`].
pub async fn ask(client: &Client, statement: &Statement, limits: Limits) -> Result<Answer, Error> {
    let bounds = [
        ("max_execution_time", limits.seconds),
        ("max_memory_usage", limits.memory_bytes),
        ("max_rows_to_read", limits.rows),
        ("output_format_json_quote_64bit_integers", 0),
        // Nothing in a question changes anything, and so it is told.
        ("readonly", 1),
    ];
    let mut settings: Vec<(String, String)> =
        statement.parameters.iter().map(|one| (format!("param_{}", one.name), one.escaped())).collect();
    let parameters = settings.len();
    settings.push(("date_time_output_format".to_owned(), "iso".to_owned()));
    settings.extend(bounds.map(|(name, value)| (name.to_owned(), value.to_string())));
    let asked = match client.query_with(&statement.sql, "JSONCompact", &settings).await {
        Err(error) if error.code.is_some_and(|code| NOT_ALLOWED.contains(&code)) => {
            client.query_with(&statement.sql, "JSONCompact", &settings[..parameters]).await
        }
        asked => asked,
    };
    let bytes = asked.map_err(|error| explain(client, error, limits))?;
    Answer::read(&statement.columns, &bytes).ok_or(Error::NoAnswer)
}

/// The failure with what can be done about it by asking otherwise.
fn explain(client: &Client, error: clickhouse::Error, limits: Limits) -> Error {
    let seconds = limits.seconds;
    let told = match (error.class, error.code) {
        (Class::Timeout, _) => Some(format!(
            "no answer within {seconds} s: ask for less time, add filters such as --exporter, or allow more with --max-seconds"
        )),
        (Class::Memory, _) => Some(format!(
            "the answer needs more than {} MiB in ClickHouse: ask for less time, add filters, or allow more with --max-memory",
            limits.memory_bytes >> 20
        )),
        (_, Some(TOO_MANY_ROWS)) => Some(format!(
            "the answer needs more than {} rows read: ask for less time, or raise --max-rows",
            limits.rows
        )),
        _ => None,
    };
    Error::ClickHouse(match told {
        Some(told) => error.told(told),
        None => client.explain(error),
    })
}
