//! The collector under demonstration: started in its namespace, asked over HTTP like by any operator's tools, stopped.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;

use super::netns::{Namespace, Process};
use super::samples::Samples;

/// A cold start of the engine on a busy machine takes a few seconds.
const START_PATIENCE: Duration = Duration::from_secs(60);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// Lines of the collector's log that an error shows.
const SHOWN_LINES: usize = 25;

/// Where ClickHouse's interface and `/metrics` are by default.
const STORE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8123);
const METRICS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9105);

/// What to start.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    pub namespace: &'a Namespace,
    pub interface: &'a str,
    /// `auto`, `xdp` or `udp`.
    pub capture: &'a str,
    /// The `collector` binary.
    pub binary: &'a Path,
    /// The ClickHouse engine's shared library.
    pub engine: &'a Path,
    /// A folder for state and log.
    pub folder: &'a Path,
}

/// A running collector.
#[derive(Debug)]
pub struct Service<'a> {
    namespace: &'a Namespace,
    process: Process,
    log: PathBuf,
    state: PathBuf,
}

impl<'a> Service<'a> {
    /// Starts the collector and returns when it has its metrics and its table.
    ///
    /// # Errors
    ///
    /// When it ends or does not answer in time; the error has the end of its log. When `stopped` is set meanwhile.
    pub fn start(plan: Plan<'a>, stopped: &AtomicBool) -> Result<Self> {
        let log = plan.folder.join("collector.log");
        let file = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let mut command = plan.namespace.command(plan.binary);
        command.args(["run", "--interface", plan.interface, "--port", "2055", "--capture", plan.capture]);
        let state = plan.folder.join("state");
        command.arg("--state-dir").arg(&state);
        command.env("COLLECTOR_LIBCHDB", plan.engine).stdout(file.try_clone()?).stderr(file);
        let process = Process::start("collector", &mut command)?;
        let mut service = Self { namespace: plan.namespace, process, log, state };
        let start = Instant::now();
        while start.elapsed() < START_PATIENCE {
            service.check()?;
            if stopped.load(Ordering::Relaxed) {
                bail!("interrupted while the collector was starting");
            }
            if service.samples().is_ok() && service.query("SELECT count() FROM collector.flows").is_ok() {
                return Ok(service);
            }
            thread::sleep(Duration::from_millis(200));
        }
        bail!("collector did not answer within {} s:\n{}", START_PATIENCE.as_secs(), service.last_lines())
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    ///
    /// When it has ended; the error has the end of its log.
    pub fn check(&mut self) -> Result<()> {
        match self.process.ended()? {
            Some(status) => bail!("collector ended ({status}):\n{}", self.last_lines()),
            None => Ok(()),
        }
    }

    /// Its counters.
    ///
    /// # Errors
    ///
    /// When `/metrics` does not answer.
    pub fn samples(&self) -> Result<Samples> {
        self.request(METRICS, "GET /metrics HTTP/1.0\r\n\r\n".to_owned()).map(|text| Samples::parse(&text))
    }

    /// A query's result, as tab-separated lines unless the query says otherwise.
    ///
    /// # Errors
    ///
    /// When the store does not answer, or answers with an error.
    pub fn query(&self, sql: &str) -> Result<String> {
        // The password that the store has made for itself at its start.
        let password = fs::read_to_string(self.state.join("store.password")).unwrap_or_default();
        let (password, length) = (password.trim(), sql.len());
        let request = format!(
            "POST / HTTP/1.0\r\nHost: {STORE}\r\nX-ClickHouse-Key: {password}\r\nContent-Length: {length}\r\n\r\n{sql}"
        );
        self.request(STORE, request)
    }

    /// Ends it as systemd does and checks that it ended well.
    ///
    /// # Errors
    ///
    /// When it does not end in time, or with a status other than 0.
    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGTERM);
        let status = self.process.wait(STOP_PATIENCE).map_err(|error| anyhow!("{error}:\n{}", self.last_lines()))?;
        if !status.success() {
            bail!("collector stopped badly ({status}):\n{}", self.last_lines());
        }
        Ok(())
    }

    fn request(&self, address: SocketAddr, request: String) -> Result<String> {
        let thread = self.namespace.enter(move || exchange(address, &request))?;
        thread.join().map_err(|_| anyhow!("the requesting thread panicked"))??
    }

    fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        lines.iter().skip(from).map(|line| format!("  {line}\n")).collect()
    }
}

/// One HTTP/1.0 exchange, so that the answer ends with the connection and is never chunked.
fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, REQUEST_PATIENCE)
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(REQUEST_PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("{address} broke off"))?;
    body(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address} refused"))
}

fn body(answer: &str) -> Result<String> {
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "200" {
        bail!("status {status}: {}", body.trim());
    }
    Ok(body.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_good_answer_has_a_body() {
        let cases = [
            ("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n1\n", Ok("1\n")),
            ("HTTP/1.1 404 Not Found\r\n\r\nCode: 60.", Err("status 404: Code: 60.")),
            ("garbage", Err("no HTTP answer")),
        ];
        for (answer, expected) in cases {
            let found = body(answer).map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{answer}");
        }
    }
}
