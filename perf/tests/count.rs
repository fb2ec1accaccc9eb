//! `perf count` counts what `perf send` says it sent, in a network namespace that lives as long as the counter.

use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;

const PERF: &str = env!("CARGO_BIN_EXE_perf");
const PORT: u16 = 2055;

/// The counter, which takes the namespace along.
struct Counter(Child);

impl Counter {
    fn start(call: &str) -> Self {
        let script = r#"ip link set lo up && exec "$0" count --listen 127.0.0.1:2055 --call "$1""#;
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", script, PERF, call]).stdout(Stdio::piped());
        let counter = Self(command.spawn().expect("unshare is there"));
        let sockets = format!("/proc/{}/net/udp", counter.0.id());
        let is_listening =
            || std::fs::read_to_string(&sockets).is_ok_and(|text| text.contains(&format!(":{PORT:04X} ")));
        for _ in 0..1000 {
            if is_listening() {
                return counter;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("it never listened");
    }

    /// Runs `perf send` beside it.
    fn send(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.0.id().to_string(), "--net", PERF, "send", "--to", "127.0.0.1:2055"]);
        let output = command.args(arguments).output().expect("nsenter is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("perf send prints a document")
    }

    fn end(mut self) -> Value {
        let process = Pid::from_raw(i32::try_from(self.0.id()).expect("process ids are small"));
        kill(process, Signal::SIGTERM).expect("it runs");
        let mut printed = String::new();
        self.0.stdout.take().expect("it is piped").read_to_string(&mut printed).expect("it ends");
        assert!(self.0.wait().expect("it is ours").success());
        serde_json::from_str(&printed).expect("perf count prints a document")
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_was_sent_is_counted() {
    if !geteuid().is_root() {
        assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "network namespaces need root");
        eprintln!("SKIPPED: what_was_sent_is_counted: needs root for network namespaces");
        return;
    }
    for call in ["recvfrom", "recvmmsg"] {
        let counter = Counter::start(call);
        let told = counter.send(&[
            "--version",
            "v5",
            "--exporters",
            "3",
            "--from",
            "127.0.0.1/8",
            "--datagrams",
            "200",
            "--rate",
            "5000",
        ]);
        let counted = counter.end();
        for figure in ["datagrams", "bytes"] {
            assert_eq!(counted[figure], told["sent"][figure], "{call}: {counted} and {told}");
        }
        assert_eq!(told["sent"]["datagrams"], 600, "{told}");
        assert!(counted["calls"].as_u64() <= counted["datagrams"].as_u64(), "{counted}");
        assert_eq!(counted["call"], call);
    }
}
