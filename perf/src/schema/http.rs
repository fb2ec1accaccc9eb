//! The least of an HTTP client that ClickHouse's interface needs: one request a connection, to a plain `http://` URL.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, bail};

/// Where ClickHouse listens.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    authority: String,
    database: Option<&'static str>,
}

impl Server {
    /// The server at `url`, such as `http://127.0.0.1:8123`.
    pub(crate) fn new(url: &str) -> anyhow::Result<Self> {
        let authority = url.strip_prefix("http://").context("the URL must begin with http://")?;
        Ok(Self { authority: authority.trim_end_matches('/').to_owned(), database: None })
    }

    /// The same server, asked in a database.
    pub(crate) fn in_database(&self, database: &'static str) -> Self {
        Self { authority: self.authority.clone(), database: Some(database) }
    }

    /// The same server, asked in no database.
    pub(crate) fn on_server(&self) -> Self {
        Self { authority: self.authority.clone(), database: None }
    }

    /// The answer to a statement.
    pub(crate) fn query(&self, sql: &str) -> anyhow::Result<String> {
        self.post("/?", sql.as_bytes()).with_context(|| format!("in: {sql:.200}"))
    }

    /// Sends `body` as the data of an INSERT statement.
    pub(crate) fn insert(&self, sql: &str, body: &[u8]) -> anyhow::Result<()> {
        let mut path = String::from("/?async_insert=0&query=");
        for byte in sql.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => path.push(char::from(byte)),
                other => path.push_str(&format!("%{other:02X}")),
            }
        }
        self.post(&path, body).with_context(|| format!("in: {sql:.200}")).map(drop)
    }

    fn post(&self, path: &str, body: &[u8]) -> anyhow::Result<String> {
        let mut stream =
            TcpStream::connect(&self.authority).with_context(|| format!("cannot connect to {}", self.authority))?;
        let database = self.database.map(|database| format!("&database={database}")).unwrap_or_default();
        let head = format!(
            "POST {path}{database} HTTP/1.0\r\nHost: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.authority,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, text) = answer.split_once("\r\n\r\n").context("the answer is no HTTP")?;
        if head.split(' ').nth(1) != Some("200") {
            bail!("{}", text.trim());
        }
        Ok(text.to_owned())
    }
}
