//! The real exporters: softflowd, and pmacctd with its nfprobe plug-in, and what they say they sent.
//!
//! Both tell on standard error, in their debugging mode, each flow they exported and each datagram they sent; these lines are
//! counted as they come. nfprobe descends from softflowd, so the lines are alike.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::netns::{Namespace, Process};
use crate::programs;

/// How long an exporter may take to send what it holds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Lines kept to explain an early end.
const KEPT_LINES: usize = 12;

/// What an exporter says it sent.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Data records; a conversation seen in both directions is two.
    pub flows: u64,
    pub datagrams: u64,
}

/// Where an exporter listens and sends.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub namespace: &'a Namespace,
    /// The interface whose traffic it meters.
    pub interface: &'a str,
    /// The address its datagrams come from.
    pub address: IpAddr,
    /// The collector.
    pub collector: SocketAddr,
    /// A folder for its files.
    pub folder: &'a Path,
}

/// One running exporter.
#[derive(Debug)]
pub struct Exporter {
    pub name: &'static str,
    pub address: IpAddr,
    /// softflowd's control socket.
    control: Option<PathBuf>,
    process: Process,
    told: Arc<Told>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Told {
    flows: AtomicU64,
    datagrams: AtomicU64,
    last_lines: Mutex<VecDeque<String>>,
}

impl Exporter {
    /// Starts softflowd for NetFlow v9 with timeouts short enough to watch.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn softflowd(place: Place<'_>) -> Result<Self> {
        let control = place.folder.join("softflowd.ctl");
        let mut command = place.namespace.command("softflowd");
        command.args(["-D", "-i", place.interface, "-v", "9"]);
        command.args(["-n", &place.collector.to_string()]);
        // softflowd gives libpcap no timeout, so packets reach it when a capture block is full: whole packets fill one soon.
        command.args(["-C", "65535", "-B", "8388608"]);
        for timeout in TIMEOUTS {
            command.args(["-t", timeout]);
        }
        command.arg("-p").arg(place.folder.join("softflowd.pid")).arg("-c").arg(&control);
        Self::start("softflowd", place.address, Some(control), &mut command)
    }

    /// Starts pmacctd with nfprobe for NetFlow v9, with the primitives that VyOS' flow accounting asks of it.
    ///
    /// # Errors
    ///
    /// When it cannot be started or its configuration cannot be written.
    pub fn pmacctd(place: Place<'_>) -> Result<Self> {
        let configuration = place.folder.join("pmacctd.conf");
        let text = format!(
            "daemonize: false\ndebug: true\npcap_interface: {interface}\nplugins: nfprobe[probe]\n\
             aggregate: src_mac, dst_mac, vlan, src_host, dst_host, src_port, dst_port, proto, tos, tcpflags\n\
             nfprobe_receiver[probe]: {collector}\n\
             nfprobe_version[probe]: 9\nnfprobe_timeouts[probe]: {timeouts}\n\
             plugin_buffer_size[probe]: 10240\nplugin_pipe_size[probe]: 16777216\n",
            interface = place.interface,
            collector = place.collector,
            timeouts = TIMEOUTS.join(":"),
        );
        fs::write(&configuration, text).with_context(|| format!("cannot write {}", configuration.display()))?;
        let mut command = place.namespace.command("pmacctd");
        command.arg("-f").arg(&configuration);
        Self::start("pmacctd", place.address, None, &mut command)
    }

    fn start(name: &'static str, address: IpAddr, control: Option<PathBuf>, command: &mut Command) -> Result<Self> {
        let mut process = Process::start(name, command.stdout(Stdio::null()).stderr(Stdio::piped()))?;
        let stderr = process.take_stderr().with_context(|| format!("{name} has no standard error"))?;
        let told = Arc::new(Told::default());
        let listener = Arc::clone(&told);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                listener.line(&String::from_utf8_lossy(&line));
            }
        });
        Ok(Self { name, address, control, process, told, reader: Some(reader) })
    }

    /// What it says it sent so far.
    pub fn sent(&self) -> Sent {
        Sent { flows: self.told.flows.load(Ordering::Relaxed), datagrams: self.told.datagrams.load(Ordering::Relaxed) }
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    ///
    /// When it has ended; the error has its last lines.
    pub fn check(&mut self) -> Result<()> {
        let Some(status) = self.process.ended()? else { return Ok(()) };
        let lines = self.told.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        bail!("{} ended ({status}):\n{}", self.name, lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
    }

    /// Lets it send what it holds and end, and returns what it says it sent in all.
    ///
    /// # Errors
    ///
    /// When it does not end.
    pub fn finish(&mut self) -> Result<Sent> {
        match &self.control {
            Some(control) => {
                programs::output(Command::new("softflowctl").arg("-c").arg(control).arg("shutdown")).map(drop)?;
            }
            None => self.process.signal(Signal::SIGINT),
        }
        self.process.wait(PATIENCE)?;
        if let Some(reader) = self.reader.take() {
            // It ends when the last process that holds the exporter's standard error has ended, nfprobe among them.
            let _ = reader.join();
        }
        Ok(self.sent())
    }
}

/// In softflowd's and nfprobe's common notation.
const TIMEOUTS: &[&str] = &["tcp=5", "tcp.rst=2", "tcp.fin=2", "udp=5", "icmp=5", "general=5", "maxlife=5", "expint=1"];

impl Told {
    fn line(&self, line: &str) {
        if let Some(flows) = exported_flows(line) {
            self.flows.fetch_add(flows, Ordering::Relaxed);
        } else if let Some(datagrams) = sent_datagrams(line) {
            self.datagrams.fetch_add(datagrams, Ordering::Relaxed);
        } else {
            let mut lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
    }
}

/// Data records of an exported flow's line: one for each direction in which octets were seen.
fn exported_flows(line: &str) -> Option<u64> {
    let (_, flow) = line.split_once("EXPIRED: ")?;
    let seen = |label: &str| -> Option<bool> {
        let (_, rest) = flow.split_once(label)?;
        let octets: u64 = rest.split_whitespace().next()?.parse().ok()?;
        Some(octets > 0)
    };
    Some(u64::from(seen("octets>:")?) + u64::from(seen("octets<:")?))
}

/// Datagrams of a "sent" line.
fn sent_datagrams(line: &str) -> Option<u64> {
    let (_, rest) = line.split_once("ent ")?;
    rest.strip_suffix(" netflow packets")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_exporters_are_counted() {
        let cases = [
            (
                "EXPIRED: seq:3 [192.0.2.1]:42590 <> [192.0.2.2]:8080 proto:6 octets>:486 packets>:7 octets<:46708 \
                 packets<:7 start:2026-11-22T21:42:25.394 finish:2026-11-22T21:42:25.397 tcp>:1a tcp<:1a (0x556db9e00450)",
                Sent { flows: 2, datagrams: 0 },
            ),
            (
                "DEBUG ( probe/nfprobe ): EXPIRED: seq:2 [192.0.2.1]:0 <> [192.0.2.2]:0 proto:1 octets>:0 packets>:0 \
                 octets<:252 packets<:3 start:2026-11-22T21:41:22.799 finish:2026-11-22T21:41:23.428 (0x5650af8a4a70)",
                Sent { flows: 1, datagrams: 0 },
            ),
            ("DEBUG ( probe/nfprobe ): Sent 3 netflow packets", Sent { flows: 0, datagrams: 3 }),
            ("sent 2 netflow packets", Sent { flows: 0, datagrams: 2 }),
            ("Sending flow packet len = 108", Sent::default()),
            ("ADD FLOW seq:1 [192.0.2.1]:0 <> [192.0.2.2]:2048 proto:1", Sent::default()),
        ];
        for (line, expected) in cases {
            let told = Told::default();
            told.line(line);
            let sent = Sent { flows: told.flows.into_inner(), datagrams: told.datagrams.into_inner() };
            assert_eq!(sent, expected, "{line}");
        }
    }
}
