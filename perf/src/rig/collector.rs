//! The collector as a program in the receiver's namespace: its configuration, its start, its counters, its store and its end.
//!
//! It has a directory of its own for journal and store, which goes when it is dropped. Everything is the default of the program but
//! what is told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Map, Value, json};

use super::cpu::{self, ThreadCpu};
use super::{Child, Finished, Namespace, Pair, Scratch, http, metrics, wait_for};

/// A start makes tables, and a stop stores what is held.
const PATIENCE: Duration = Duration::from_secs(90);
/// Receive descriptors of a ring: about as many datagrams of an MTU as the default receive buffer of a UDP socket holds, so that a worker
/// may be late by the same time in each mode.
const RING_DESCRIPTORS: u32 = 16_384;
const PORT: u16 = 2055;
const METRICS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9105);
pub(super) const STORE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8123);

/// How a collector is to run.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    program: PathBuf,
    settings: BTreeMap<&'static str, BTreeMap<&'static str, String>>,
    arguments: Vec<String>,
    core: Option<usize>,
    state: Option<PathBuf>,
}

/// A running collector.
#[derive(Debug)]
pub(crate) struct Collector<'n> {
    namespace: &'n Namespace,
    child: Child,
    directory: Scratch,
}

impl Run {
    /// With defaults: this program, or `collector` beside the one that runs.
    ///
    /// # Errors
    ///
    /// When there is no such program.
    pub(crate) fn new(program: Option<&Path>) -> Result<Self> {
        let program = match program {
            Some(program) => program.to_owned(),
            None => {
                std::env::current_exe().context("this program does not know where it is")?.with_file_name("collector")
            }
        };
        let remedy = "build it (cargo build --release --package collector) or name it with --collector";
        let program =
            program.canonicalize().with_context(|| format!("no collector at {}: {remedy}", program.display()))?;
        let run = Self { program, settings: BTreeMap::new(), arguments: Vec::new(), core: None, state: None };
        Ok(run.set("capture", "ports", PORT_LIST).set("metrics", "listen", quoted(&METRICS.to_string())).set(
            "store",
            "listen",
            quoted(&STORE.to_string()),
        ))
    }

    /// Sets a key of a table of the configuration to a TOML value.
    pub(crate) fn set(mut self, table: &'static str, key: &'static str, value: impl ToString) -> Self {
        self.settings.entry(table).or_default().insert(key, value.to_string());
        self
    }

    /// Adds an argument of `collector run`.
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Runs it on one core, but for the threads that choose one by themselves.
    pub(crate) fn on_core(mut self, core: Option<usize>) -> Self {
        self.core = core;
        self
    }

    /// Makes its directory under this one.
    pub(crate) fn state_under(mut self, parent: Option<&Path>) -> Self {
        self.state = parent.map(Path::to_owned);
        self
    }

    /// Takes datagrams by plain UDP sockets.
    pub(crate) fn capture_udp(self) -> Self {
        self.set("capture", "mode", quoted("udp"))
    }

    /// Takes them by XDP on the pair's interface; `attach` and `bind` as in the configuration file.
    pub(crate) fn capture_xdp(self, attach: &str, bind: &str) -> Self {
        self.set("capture", "mode", quoted("xdp"))
            .set("capture", "interfaces", format!("[{}]", quoted(Pair::RECEIVER_INTERFACE)))
            .set("capture", "attach", quoted(attach))
            .set("capture", "bind", quoted(bind))
            .set("capture", "ring_descriptors", RING_DESCRIPTORS)
            .set("capture", "frames_per_socket", 2 * RING_DESCRIPTORS)
    }

    /// Where its directory is made.
    pub(crate) fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The program.
    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What differs from the collector's defaults, for the result.
    pub(crate) fn told(&self) -> Value {
        let tables = self.settings.iter().filter(|(table, _)| !matches!(**table, "metrics" | "store"));
        let mut told: Map<String, Value> = tables
            .flat_map(|(table, keys)| keys.iter().map(move |(key, value)| (format!("{table}.{key}"), json!(value))))
            .collect();
        told.insert("arguments".to_owned(), json!(self.arguments.join(" ")));
        Value::Object(told)
    }

    /// Starts it and waits until it collects.
    ///
    /// # Errors
    ///
    /// When it does not start, with what it logged.
    pub(crate) fn start<'n>(&self, namespace: &'n Namespace) -> Result<Collector<'n>> {
        let directory = Scratch::new(self.state.as_deref())?;
        let file = directory.path().join("collector.toml");
        std::fs::write(&file, self.text(directory.path()))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = namespace.command(&self.program);
        command.current_dir(directory.path()).arg("--config").arg(&file).arg("run").args(&self.arguments);
        let child = Child::spawn("the collector", command, self.core)?;
        let mut collector = Collector { namespace, child, directory };
        wait_for("the start of the collector", PATIENCE, || {
            collector.child.check()?;
            Ok(collector.metrics().ok())
        })
        .with_context(|| collector.log())?;
        Ok(collector)
    }

    /// The configuration file.
    fn text(&self, directory: &Path) -> String {
        let mut text = format!("state_dir = {}\n", quoted(&directory.join("state").to_string_lossy()));
        for (table, keys) in &self.settings {
            let _ = writeln!(text, "[{table}]");
            for (key, value) in keys {
                let _ = writeln!(text, "{key} = {value}");
            }
        }
        text
    }
}

impl Collector<'_> {
    /// Where exporters send.
    pub(crate) fn address() -> SocketAddr {
        SocketAddr::new(Pair::RECEIVER.parse().unwrap_or(Ipv4Addr::LOCALHOST.into()), PORT)
    }

    /// Its counters.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(crate) fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        metrics(self.namespace, METRICS)
    }

    /// Asks its embedded store.
    ///
    /// # Errors
    ///
    /// When there is none, or it does not like the query.
    pub(crate) fn sql(&self, query: &str) -> Result<String> {
        // The password that the store has made for itself at its start; collectors of before had none.
        let file = self.directory.path().join("state/store.password");
        let password = std::fs::read_to_string(file).unwrap_or_default();
        let answer = http(self.namespace, STORE, &format!("/?password={}", password.trim()), query.as_bytes())?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Waits until its embedded store has the tables.
    ///
    /// # Errors
    ///
    /// When it does not come.
    pub(crate) fn wait_for_store(&mut self) -> Result<()> {
        let exists = "EXISTS TABLE collector.hosts_1h";
        wait_for("the start of the store", PATIENCE, || {
            self.child.check()?;
            Ok(self.sql(exists).ok().filter(|answer| answer.trim() == "1"))
        })
        .map(drop)
        .with_context(|| self.log())
    }

    /// Processor time of its threads and, under `store` before the name, of its embedded store's.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<Vec<ThreadCpu>> {
        let mut groups = self.child.cpu()?;
        for store in self.child.children() {
            groups.push(cpu::sum("store", &cpu::of_process(store)?));
        }
        Ok(groups)
    }

    /// The way of capturing that is in force, as it says itself.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub(crate) fn mode_in_force(&self) -> Result<String> {
        let metrics = self.metrics()?;
        let info = metrics.keys().find_map(|line| line.strip_prefix("collector_info{"));
        let capture = info.and_then(|labels| labels.split_once("capture=\"")?.1.split_once('"'));
        Ok(capture.context("collector_info is missing")?.0.to_owned())
    }

    /// Sends its embedded store a signal.
    pub(crate) fn signal_store(&self, signal: Signal) {
        for store in self.child.children().into_iter().filter_map(|store| i32::try_from(store).ok()) {
            let _ = kill(Pid::from_raw(store), signal);
        }
    }

    /// The thread ids of its workers.
    pub(crate) fn worker_threads(&self) -> Vec<u32> {
        cpu::threads_named(self.child.id(), "worker-")
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged last.
    pub(crate) fn log(&self) -> String {
        self.child.log()
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// When it does not, with what it logged.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.child.check()
    }

    /// Stops it: what is held is stored. The directory goes.
    ///
    /// # Errors
    ///
    /// When it does not end, or not well.
    pub(crate) fn stop(self) -> Result<Finished> {
        let finished = self.child.terminate(PATIENCE)?;
        ensure!(finished.status.success(), "the collector ended with {}: {}", finished.status, finished.log);
        Ok(finished)
    }
}

const PORT_LIST: &str = "[2055]";

/// A TOML string.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_a_configuration_file() {
        let run = Run::new(Some(Path::new("/proc/self/exe"))).expect("this program is a file");
        let text = run.capture_xdp("native", "copy").set("capture", "workers", 2).text(Path::new("/a \"b\""));
        let expected = "state_dir = \"/a \\\"b\\\"/state\"\n[capture]\nattach = \"native\"\nbind = \"copy\"\n\
            frames_per_socket = 32768\ninterfaces = [\"receiver0\"]\nmode = \"xdp\"\nports = [2055]\nring_descriptors = 16384\nworkers = 2\n\
            [metrics]\nlisten = \"127.0.0.1:9105\"\n[store]\nlisten = \"127.0.0.1:8123\"\n";
        assert_eq!(text, expected);
    }
}
