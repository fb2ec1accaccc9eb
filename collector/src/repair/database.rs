//! ClickHouse, one statement after the other.

use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Runtime;

use super::Error;
use crate::batch::Part;
use crate::clickhouse::{self, Client, native};

/// Copying a day of flows may take long; what hangs for longer than this never ends.
const PATIENCE: Duration = Duration::from_secs(6 * 60 * 60);

/// A connection to the database that is repaired.
pub(super) struct Database {
    client: Client,
    runtime: Runtime,
    scratch: BytesMut,
}

impl Database {
    /// Connects, and makes sure that ClickHouse answers.
    pub(super) fn open(settings: &clickhouse::Settings) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Error::system("start a runtime for ClickHouse"))?;
        let answering = clickhouse::Settings { request_timeout: settings.request_timeout, ..settings.clone() };
        runtime.block_on(async { Client::connect(&answering).await })?;
        let patient = clickhouse::Settings { request_timeout: PATIENCE, ..settings.clone() };
        Ok(Self { client: Client::new(&patient)?, runtime, scratch: BytesMut::new() })
    }

    /// The schema is the one that this program works with.
    pub(super) fn check_schema(&self) -> Result<(), Error> {
        Ok(self.runtime.block_on(clickhouse::schema::check(&self.client))?)
    }

    /// Runs a statement that answers nothing.
    pub(super) fn execute(&self, sql: &str) -> Result<(), Error> {
        let done = self.runtime.block_on(self.client.execute(sql));
        done.map_err(|error| Error::ClickHouse(self.client.explain(error)))
    }

    /// The answer's rows, each with its cells as text. Not for texts that need quoting.
    pub(super) fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, Error> {
        let answer = self.runtime.block_on(self.client.query(sql, "TSV"));
        let answer = answer.map_err(|error| Error::ClickHouse(self.client.explain(error)))?;
        Ok(answer.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// The first column of the answer.
    pub(super) fn column(&self, sql: &str) -> Result<Vec<String>, Error> {
        Ok(self.rows(sql)?.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    /// The one number that is the answer.
    pub(super) fn number(&self, sql: &str) -> Result<u64, Error> {
        let column = self.column(sql)?;
        column.first().and_then(|cell| cell.parse().ok()).ok_or_else(|| Error::Answer(sql.to_owned()))
    }

    /// Inserts rows; a token is never used for other rows.
    pub(super) fn insert(&mut self, part: Part<'_>, token: &str) -> Result<(), Error> {
        native::check(part).map_err(|error| Error::Block(error.to_string()))?;
        let inserted = self.runtime.block_on(self.client.insert(part, token, &mut self.scratch));
        inserted.map(drop).map_err(|error| Error::ClickHouse(self.client.explain(error)))
    }
}
