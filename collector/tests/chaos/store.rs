//! ClickHouse as a process of the test's own: started, killed, stopped, and asked.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::lifeline;
use crate::netns::Namespace;
use crate::process;

/// Lines of its log that are shown when it ended by itself.
const LAST_LINES: usize = 4;

/// The store; ended when dropped.
pub(crate) struct Store<'n> {
    namespace: &'n Namespace,
    data_dir: PathBuf,
    listen: SocketAddr,
    running: Option<(Child, UnixStream)>,
}

impl<'n> Store<'n> {
    /// Starts it and waits until it answers.
    pub(crate) fn start(namespace: &'n Namespace, data_dir: PathBuf, listen: SocketAddr) -> Self {
        let mut store = Self { namespace, data_dir, listen, running: None };
        store.start_again();
        store
    }

    /// Starts it after it was killed.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.namespace.name(), env!("CARGO_BIN_EXE_collector")]);
        command.args(["store", "--until-stdin-closes", "--data-dir"]).arg(&self.data_dir);
        command.args(["--memory-bytes", "2000000000"]);
        let log = File::options().create(true).append(true).open(self.log()).expect("a log");
        command.stdout(Stdio::piped()).stderr(log);
        // Bound anew each time: while it is away, it refuses connections as a server does that was killed.
        let listener = self.namespace.enter(|| TcpListener::bind(self.listen)).expect("the store's port");
        let (mut child, lifeline) = lifeline::start(command, &listener);
        let mut ready = String::new();
        let read = BufReader::new(child.stdout.take().expect("piped")).read_line(&mut ready);
        assert!(read.is_ok_and(|bytes| bytes > 0), "the store did not start");
        self.running = Some((child, lifeline));
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again if it ended by itself, as the collector does with a store of its own; how it ended, and what it said last.
    pub(crate) fn revive(&mut self) -> Option<String> {
        let ended = self.running.as_mut().and_then(|(child, _)| child.try_wait().ok().flatten())?;
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
        self.start_again();
        Some(format!("{ended}: {}", last.join("\n")))
    }

    /// What it says.
    fn log(&self) -> PathBuf {
        self.data_dir.with_extension("log")
    }

    /// Stops or continues its process.
    pub(crate) fn signal(&self, which: Signal) {
        if let Some((child, _)) = &self.running {
            process::signal(child.id(), which);
        }
    }
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}
