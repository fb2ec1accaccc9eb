//! Exporters whose data waits for a template, or was given up for want of one: what an answer lacks without showing it.

use std::net::IpAddr;

use super::answer::Cell;
use super::ask::{Error, Limits, ask};
use super::names::Names;
use super::question::{Request, Span};
use super::remarks::rows_of_ledger;
use super::statement::{Column, Kind, Parameters, Statement};
use crate::clickhouse::Client;

/// The most exporters that are told of.
const MOST: u32 = 5;

/// What is missing of an exporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its address.
    pub exporter: IpAddr,
    /// Its name; empty where there is none.
    pub name: String,
    /// Data sets that wait for their template.
    pub waiting: u64,
    /// Data sets that were given up because it did not come, or because too many waited.
    pub given_up: u64,
}

/// Asks the ledger for data sets received in the span that have no template.
///
/// # Errors
/// See [`Error`].
pub async fn waiting(
    client: &Client,
    request: &Request,
    span: Span,
    names: Names,
    limits: Limits,
) -> Result<Vec<Waiting>, Error> {
    let answer = ask(client, &statement(request, span, names), limits).await?;
    let rows = answer.rows.into_iter().filter_map(|row| match &row[..] {
        [Cell::Address(exporter), Cell::Text(name), Cell::Whole(waiting), Cell::Whole(given_up)] => {
            Some(Waiting { exporter: *exporter, name: name.clone(), waiting: *waiting, given_up: *given_up })
        }
        _ => None,
    });
    Ok(rows.collect())
}

fn statement(request: &Request, span: Span, names: Names) -> Statement {
    let mut parameters = Parameters::default();
    let condition = rows_of_ledger(request, span, &mut parameters);
    let sql = format!(
        "SELECT exporter_address, {} AS exporter_name, waiting, given_up FROM\n(\n    \
         SELECT t.exporter_address AS exporter_address,\n        \
         toUInt64(greatest(toInt64(sum(t.sets_held)) - toInt64(sum(t.sets_decoded_late + t.sets_expired + t.sets_evicted)), 0)) AS waiting,\n        \
         sum(t.sets_expired + t.sets_evicted + t.sets_refused) AS given_up\n    FROM ledger AS t\n    WHERE {condition}\n    \
         GROUP BY exporter_address\n    HAVING waiting != 0 OR given_up != 0\n    \
         ORDER BY waiting + given_up DESC, exporter_address\n    LIMIT {MOST}\n)\nORDER BY waiting + given_up DESC, exporter_address",
        names.exporter("exporter_address"),
    );
    let column = |(name, kind)| Column { name, kind };
    let columns = [
        ("exporter_address", Kind::Address),
        ("exporter_name", Kind::Text),
        ("waiting", Kind::Count),
        ("given_up", Kind::Count),
    ];
    Statement { sql, parameters: parameters.0, columns: columns.map(column).to_vec() }
}
