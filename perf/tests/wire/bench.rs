//! Two network namespaces joined by a veth pair, gone when dropped; a receiver in one, `perf` in the other.

use std::fs::File;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt::RcvBufForce};
use serde_json::Value;

/// The sender's interface.
pub(crate) const SENDER: &str = "out0";
/// The receiver's.
pub(crate) const RECEIVER: &str = "in0";
/// The receiver's MAC address.
pub(crate) const RECEIVER_MAC: &str = "02:00:00:00:18:02";
const PORT: u16 = 2055;
/// Enough for all datagrams of a case.
const BUFFER_BYTES: usize = 64 << 20;

/// The pair of namespaces.
pub(crate) struct Bench {
    sender: String,
    receiver: String,
}

impl Bench {
    /// Makes it; without root there is none, and that is said.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "this test must run as root");
            eprintln!("SKIPPED: {name} makes network namespaces, which needs root");
            return None;
        }
        let unique = format!("perf-{name}-{}", std::process::id());
        let bench = Self { sender: format!("{unique}-s"), receiver: format!("{unique}-r") };
        ip(&format!("netns add {}", bench.sender));
        ip(&format!("netns add {}", bench.receiver));
        ip(&format!(
            "link add {SENDER} netns {} address 02:00:00:00:18:01 type veth peer name {RECEIVER} netns {} address {RECEIVER_MAC}",
            bench.sender, bench.receiver
        ));
        bench.ip("sender", &format!("addr add 198.18.0.1/16 dev {SENDER}"));
        bench.ip("receiver", &format!("addr add 198.18.255.254/16 dev {RECEIVER}"));
        bench.ip("receiver", &format!("addr add 2001:db8:18::ff/64 dev {RECEIVER} nodad"));
        bench.ip("sender", &format!("link set {SENDER} up"));
        bench.ip("receiver", &format!("link set {RECEIVER} up"));
        Some(bench)
    }

    /// Runs `ip` inside.
    pub(crate) fn ip(&self, which: &str, line: &str) {
        let namespace = if which == "sender" { &self.sender } else { &self.receiver };
        ip(&format!("-n {namespace} {line}"));
    }

    /// What `perf` prints in the sender's namespace.
    pub(crate) fn perf(&self, line: &str) -> Value {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.sender, env!("CARGO_BIN_EXE_perf")]);
        let output = command.args(line.split_whitespace()).output().expect("ip is installed");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "perf {line}: {error}");
        serde_json::from_slice(&output.stdout).expect("one JSON document")
    }

    /// A socket in the receiver's namespace. A socket stays where it was made, so a thread goes there and ends.
    pub(crate) fn receiver(&self) -> UdpSocket {
        let path = PathBuf::from("/run/netns").join(&self.receiver);
        let enter = move || {
            let namespace = File::open(&path).expect("the namespace is there");
            setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter it");
            let socket = UdpSocket::bind(("::", PORT)).expect("the port is free");
            setsockopt(&socket, RcvBufForce, &BUFFER_BYTES).expect("root may have a large buffer");
            socket
        };
        std::thread::spawn(enter).join().expect("the thread ends")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        for name in [&self.sender, &self.receiver] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}

/// So many datagrams, with their sources.
pub(crate) fn datagrams(receiver: &UdpSocket, count: u64) -> Vec<(String, Vec<u8>)> {
    receiver.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket has a timeout");
    let mut buffer = [0; 65_536];
    let one = |index| {
        let (length, from) =
            receiver.recv_from(&mut buffer).unwrap_or_else(|error| panic!("datagram {index} of {count}: {error}"));
        (from.ip().to_canonical().to_string(), buffer[..length].to_vec())
    };
    (0..count).map(one).collect()
}

/// Whether nothing more has arrived. All was there when the sender ended, as a veth passes frames on at once.
pub(crate) fn is_empty(receiver: &UdpSocket) -> bool {
    receiver.set_nonblocking(true).expect("a socket may be asked");
    receiver.recv_from(&mut [0; 16]).is_err()
}

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split_whitespace()).output().expect("ip is installed");
    assert!(output.status.success(), "ip {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A directory that goes when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perf-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a directory for temporary files");
        Self(path)
    }

    pub(crate) fn path(&self, file: &str) -> String {
        self.0.join(file).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
