//! The embedded store alone, as `collector store` runs it, empty but for the tables.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::collector::STORE;
use super::cpu::{self, ThreadCpu};
use super::{Child, Namespace, Scratch, http, wait_for};

const PATIENCE: Duration = Duration::from_secs(90);

/// A running store with a directory of its own.
#[derive(Debug)]
pub(crate) struct Store<'n> {
    namespace: &'n Namespace,
    child: Child,
    _directory: Scratch,
}

impl<'n> Store<'n> {
    /// Starts it under `parent` and makes the collector's tables.
    ///
    /// # Errors
    ///
    /// When it does not start, or the tables cannot be made, with what was said.
    pub(crate) fn start(namespace: &'n Namespace, program: &Path, parent: Option<&Path>) -> Result<Self> {
        let directory = Scratch::new(parent)?;
        let mut command = namespace.command(program);
        command.args(["store", "--listen", &STORE.to_string(), "--data-dir"]).arg(directory.path().join("store"));
        command.current_dir(directory.path());
        let configuration = directory.path().join("collector.toml");
        fs::write(&configuration, "").with_context(|| format!("cannot write {}", configuration.display()))?;
        let child = Child::spawn("the store", command, None)?;
        let mut store = Self { namespace, child, _directory: directory };
        wait_for("the start of the store", PATIENCE, || {
            store.child.check()?;
            Ok(store.sql("SELECT 1").ok())
        })?;
        let mut command = namespace.command(program);
        command.arg("--config").arg(&configuration).args(["schema", "apply", "--clickhouse-url"]);
        command.arg(format!("http://{STORE}"));
        Child::spawn("collector schema apply", command, None)?.finish(PATIENCE)?.success("collector schema apply")?;
        Ok(store)
    }

    /// Where it answers.
    pub(crate) const ADDRESS: SocketAddr = STORE;

    /// Asks it.
    ///
    /// # Errors
    ///
    /// When it does not like the query.
    pub(crate) fn sql(&self, query: &str) -> Result<String> {
        let answer = http(self.namespace, Self::ADDRESS, "/", query.as_bytes())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Its processor time.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<ThreadCpu> {
        Ok(cpu::sum("store", &self.child.cpu()?))
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub(crate) fn stop(self) -> Result<()> {
        self.child.terminate(PATIENCE).map(drop)
    }
}
