//! The client: settings, a probe with errors an operator can act on, queries.
//!
//! Not here: how an insert is sent (see [`super::insert`]), when, and what to do after a failure (see [`super::inserter`]).

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;

use super::cluster::{self, Cluster, Scope};
use super::error::{Class, Error, one_line};
use super::insert::Inserts;
use super::{asked, transport};
use crate::batch::Part;

/// How long a connection lies idle before it is closed: below the least that ClickHouse has ever closed it after (3 s).
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the servers of a cluster may take for a statement that is for all of them, in seconds.
const CLUSTER_WAIT_SECONDS: u64 = 15;

/// How blocks travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// LZ4 in ClickHouse's framing.
    #[default]
    Lz4,
    /// As they are; cheaper when the server is on the same machine.
    None,
}

/// Where ClickHouse is, and as whom to go there.
#[derive(Clone)]
pub struct Settings {
    /// `http://host:8123` or `https://host:8443`.
    pub url: String,
    /// The cluster that the server is part of; `None` for a server that stands alone.
    pub cluster: Option<Cluster>,
    /// Database of the tables.
    pub database: String,
    /// User name.
    pub user: String,
    /// Their password; never shown.
    pub password: String,
    /// How blocks travel.
    pub compression: Compression,
    /// PEM file of certificate authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Limit for opening a connection.
    pub connect_timeout: Duration,
    /// Limit for the answer to a query, for the answer to an insert after its last byte, and for a stall while sending one.
    pub request_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8123".to_owned(),
            cluster: None,
            database: "default".to_owned(),
            user: "default".to_owned(),
            password: String::new(),
            compression: Compression::Lz4,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Settings")
            .field("url", &self.url)
            .field("cluster", &self.cluster)
            .field("database", &self.database)
            .field("user", &self.user)
            .field("password", &"***")
            .field("compression", &self.compression)
            .field("ca_file", &self.ca_file)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

impl Settings {
    /// The table that rows of `table` are written to, and whose parts are dropped: everything that changes rows names this one,
    /// everything that reads them names `table` itself.
    #[must_use]
    pub fn table_of_rows(&self, table: &str) -> String {
        match self.cluster {
            Some(_) => Cluster::local(table),
            None => table.to_owned(),
        }
    }

    /// The table whose rows are in `table_of_rows`; see [`Settings::table_of_rows`].
    #[must_use]
    pub fn table_of<'a>(&self, table_of_rows: &'a str) -> &'a str {
        match self.cluster {
            Some(_) => Cluster::table_of(table_of_rows),
            None => table_of_rows,
        }
    }

    /// A table of `system` with what one server of each shard says, in the place of what the one says that is asked.
    #[must_use]
    pub fn system_table(&self, table: &str) -> String {
        match &self.cluster {
            Some(cluster) => format!("cluster('{}', system.{table})", cluster.name()),
            None => format!("system.{table}"),
        }
    }

    /// What `statement`, written for a server that stands alone, is where these settings lead: itself, or what does the same in
    /// the cluster.
    ///
    /// # Errors
    /// [`Class::Schema`] for a statement that no cluster knows.
    pub fn statements(&self, statement: &str) -> Result<Vec<cluster::Statement>, Error> {
        match &self.cluster {
            Some(cluster) => cluster.statements(&self.database, statement),
            None => Ok(vec![cluster::Statement { scope: Scope::Once, sql: statement.to_owned() }]),
        }
    }
}

/// A client for one database. Its connections belong to the tokio runtime that first uses it, so each runtime makes its own.
#[derive(Clone)]
pub struct Client {
    /// Sends no database, for the time before it exists.
    server: clickhouse::Client,
    database: clickhouse::Client,
    inserts: Inserts,
    settings: Settings,
}

impl Client {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`Class::Settings`] when the URL or the CA file cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let authority = settings.url.strip_prefix("http://").or_else(|| settings.url.strip_prefix("https://"));
        let Some(authority) = authority.and_then(|rest| rest.split('/').next()).filter(|text| !text.is_empty()) else {
            let message =
                format!("ClickHouse's URL must be http://HOST:PORT or https://HOST:PORT, not {:?}", settings.url);
            return Err(Error::new(Class::Settings, message));
        };
        if authority.contains('@') {
            let message =
                "ClickHouse's URL must not hold a password: it would be logged; give user and password as settings";
            return Err(Error::new(Class::Settings, message));
        }
        let connector = transport::connector(&settings.url, settings.ca_file.as_deref(), settings.connect_timeout)?;
        let http = HttpClient::builder(TokioExecutor::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connector.clone());
        let server = clickhouse::Client::with_http_client(http)
            .with_url(&settings.url)
            .with_user(&settings.user)
            .with_password(&settings.password)
            .with_product_info("collector", env!("CARGO_PKG_VERSION"))
            // A query's answer is small, and a proxy may not know ClickHouse's LZ4 encoding.
            .with_compression(clickhouse::Compression::None);
        let database = server.clone().with_database(&settings.database);
        let inserts = Inserts::new(connector, IDLE_TIMEOUT, settings.clone());
        Ok(Self { server, database, inserts, settings: settings.clone() })
    }

    /// A client for a ClickHouse that has answered.
    ///
    /// # Errors
    /// As [`Client::new`] and [`Client::probe`].
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let client = Self::new(settings)?;
        client.probe().await?;
        Ok(client)
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks ClickHouse for its version, with user, password and database as an insert would.
    ///
    /// # Errors
    /// One line that names the URL and what to change.
    pub async fn probe(&self) -> Result<String, Error> {
        let Settings { url, database, user, .. } = &self.settings;
        // In a way that tells the status: a proxy's page means another thing with every status.
        let asked = self.query_with("SELECT version(), getSetting('readonly')", "TSV", &[]).await;
        let answer = asked.map_err(|error| self.explain(error))?;
        let answer = String::from_utf8_lossy(&answer);
        let answer = answer.trim_end();
        let Some((version, readonly)) =
            answer.split_once('\t').filter(|(version, _)| version.starts_with(|first: char| first.is_ascii_digit()))
        else {
            let message = format!("{url} answers, but not as ClickHouse: {}", one_line(answer));
            return Err(Error::new(Class::NotClickHouse, message));
        };
        if !matches!(readonly, "0" | "false") {
            let message =
                format!("user {user} is read-only at {url}: GRANT INSERT ON {database}.* and set readonly = 0");
            return Err(Error::new(Class::Denied, message));
        }
        Ok(version.to_owned())
    }

    /// The failure with the URL and the remedy.
    #[must_use]
    pub fn explain(&self, error: Error) -> Error {
        let Settings { url, database, user, connect_timeout, request_timeout, .. } = &self.settings;
        let what = &error.message;
        let message = match error.class {
            Class::Network if url.starts_with("http://") => format!(
                "the connection to ClickHouse at {url} broke: {what}; check that it runs and that this is its HTTP port \
                 (for its HTTPS port write https://)"
            ),
            Class::Unreachable | Class::Network => {
                let port = if url.starts_with("https://") { "HTTPS" } else { "HTTP" };
                format!("cannot reach ClickHouse at {url}: {what}; check that it runs and that this is its {port} port")
            }
            Class::Timeout => format!(
                "no answer from ClickHouse at {url} within {} s for the connection and {} s for the request: {what}",
                connect_timeout.as_secs_f32(),
                request_timeout.as_secs_f32()
            ),
            Class::Tls => format!("TLS to ClickHouse at {url} failed: {what}"),
            Class::NotClickHouse => format!("{url} answers, but not as ClickHouse: {what}"),
            Class::Denied if matches!(error.code, Some(192..=194 | 516)) => {
                format!(
                    "ClickHouse at {url} refused user {user}: check user and password (--user, --password-file or COLLECTOR_CLICKHOUSE_PASSWORD): {what}"
                )
            }
            Class::Denied => format!("ClickHouse at {url} denies user {user} what the collector needs: {what}"),
            Class::NoDatabase => {
                format!("ClickHouse at {url} has no database {database}: run `collector schema apply` ({what})")
            }
            Class::Schema => {
                format!("the tables in {database} at {url} do not fit: run `collector schema apply` ({what})")
            }
            Class::DiskFull => format!("the disk of ClickHouse at {url} is full, free some space there: {what}"),
            Class::Memory => format!(
                "ClickHouse at {url} has no memory for an insert: {what}; if this lasts, raise max_memory_usage of user {user} or \
                 max_server_memory_usage there, or lower block_rows here, which holds for new blocks"
            ),
            Class::TooLarge => format!(
                "an insert is too large for what is in front of ClickHouse at {url}: {what}; raise its limit \
                 (client_max_body_size in nginx)"
            ),
            Class::Settings if error.code.is_some() => format!(
                "ClickHouse at {url} does not take a setting of an insert from user {user}: {what}; allow it in the user's profile"
            ),
            Class::Busy | Class::TooManyParts | Class::Unavailable | Class::Rejected | Class::Other => {
                format!("ClickHouse at {url}: {what}")
            }
            Class::Settings => what.clone(),
        };
        error.told(message)
    }

    /// The whole answer to a query in the format named, run in the database.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn query(&self, sql: &str, format: &str) -> Result<String, Error> {
        let bytes = self.query_bytes(sql, format).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// As [`Client::query`], for formats that are not text.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn query_bytes(&self, sql: &str, format: &str) -> Result<Bytes, Error> {
        let answer = async {
            let bytes = self.database.query_raw(sql).fetch_bytes(format)?.collect().await?;
            Ok::<_, clickhouse::error::Error>(bytes)
        };
        self.limited(answer).await
    }

    /// As [`Client::query`], for what needs no database.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn query_on_server(&self, sql: &str, format: &str) -> Result<String, Error> {
        let asked = self.server.query_raw(sql);
        let answer = async { asked.fetch_bytes(format)?.collect().await };
        let answer = self.limited(answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// As [`Client::query_bytes`], with settings; `param_` and a name gives the value of a parameter, escaped as a field of TSV.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn query_with(&self, sql: &str, format: &str, settings: &[(String, String)]) -> Result<Bytes, Error> {
        let asked = asked::ask(&self.settings, sql, format, settings);
        match tokio::time::timeout(self.settings.request_timeout, asked).await {
            Ok(answered) => answered,
            Err(_elapsed) => Err(Error::new(Class::Timeout, "no answer in time")),
        }
    }

    /// Runs a statement that answers nothing, in the database.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn execute(&self, sql: &str) -> Result<(), Error> {
        self.limited(self.database.query_raw(sql).execute()).await
    }

    /// Runs a statement that changes tables, written for a server that stands alone; where the tables are those of a cluster, what
    /// does the same there, on all servers if there is such a statement, else on this server's shard.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn change(&self, statement: &str) -> Result<(), Error> {
        for cluster::Statement { scope, sql } in self.settings.statements(statement)? {
            match scope {
                Scope::Once if self.settings.cluster.is_some() => self.execute_on_cluster(&sql).await?,
                Scope::Once | Scope::EachShard => self.execute(&sql).await?,
            }
        }
        Ok(())
    }

    /// Runs a statement that is ON CLUSTER, and waits for its servers. Those that are away do it when they are back; their names
    /// are logged.
    ///
    /// # Errors
    /// See [`Class`], of the first server on which it failed.
    pub async fn execute_on_cluster(&self, sql: &str) -> Result<(), Error> {
        let wait_seconds = self.settings.request_timeout.as_secs().clamp(2, 2 * CLUSTER_WAIT_SECONDS) / 2;
        let asked = self
            .server
            .query_raw(sql)
            .with_setting("distributed_ddl_output_mode", "null_status_on_timeout")
            .with_setting("distributed_ddl_task_timeout", wait_seconds.to_string());
        let answer = async { asked.fetch_bytes("TSV")?.collect().await };
        let answer = self.limited(answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let away: Vec<String> = answer.lines().filter_map(away).collect();
        if !away.is_empty() {
            tracing::warn!(
                servers = away.join(" "),
                "servers of the cluster are away: they change the schema when they are back"
            );
        }
        Ok(())
    }

    /// Runs a statement that answers nothing and needs no database.
    ///
    /// # Errors
    /// See [`Class`]; nothing is repeated.
    pub async fn execute_on_server(&self, sql: &str) -> Result<(), Error> {
        self.limited(self.server.query_raw(sql).execute()).await
    }

    async fn limited<T>(&self, work: impl Future<Output = Result<T, clickhouse::error::Error>>) -> Result<T, Error> {
        match tokio::time::timeout(self.settings.request_timeout, work).await {
            Ok(done) => done.map_err(Error::from),
            Err(_elapsed) => Err(Error::new(Class::Timeout, "no answer in time")),
        }
    }

    /// Inserts the rows of a table as one part; the bytes they were encoded in, before compression. An insert repeated with its
    /// token stores nothing twice.
    ///
    /// The rows must have passed [`super::native::check`]. What is in `scratch` is forgotten; its memory is reused.
    ///
    /// # Errors
    /// See [`Class`]. The rows may be stored nevertheless, when only the answer was lost: repeat with the same token.
    pub async fn insert(&self, part: Part<'_>, token: &str, scratch: &mut BytesMut) -> Result<u64, Error> {
        self.inserts.insert(part, token, scratch).await
    }

    /// Encodes and compresses the rows as [`Client::insert`] does and throws them away: nothing is sent.
    ///
    /// # Errors
    /// None that passes: rows that have passed [`super::native::check`] can be encoded.
    pub async fn discard(&self, part: Part<'_>, scratch: &mut BytesMut) -> Result<u64, Error> {
        self.inserts.discard(part, scratch).await
    }
}

/// The server that has not done its part, from a line that says host, port, status and more.
fn away(line: &str) -> Option<String> {
    let mut fields = line.split('\t');
    let (host, port, status) = (fields.next()?, fields.next()?, fields.next()?);
    (status == "\\N").then(|| format!("{host}:{port}"))
}
