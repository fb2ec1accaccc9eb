//! `perf curve` for real: namespaces, the collector, a load, and nothing of them left behind.
//!
//! Needs root, and the collector built beside `perf`; without them the tests say so and are skipped.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::Value;

/// Nothing waits for it unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// A short run with a directory of its own for everything it writes.
struct Trial {
    directory: PathBuf,
}

impl Trial {
    /// A place for a test, or nothing (said aloud) where it cannot run.
    fn new(test: &str) -> Option<Self> {
        if !geteuid().is_root() {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{test} must run as root");
            eprintln!("SKIPPED: {test}: needs root for network namespaces");
            return None;
        }
        let collector = Path::new(env!("CARGO_BIN_EXE_perf")).with_file_name("collector");
        if !collector.exists() {
            eprintln!("SKIPPED: {test}: no collector at {}: build it first", collector.display());
            return None;
        }
        let directory = std::env::temp_dir().join(format!("perf-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory in the temporary directory");
        Some(Self { directory })
    }

    fn start(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perf"));
        command.args("curve --quick --mode xdp-native --workers 1 --first 500 --seconds 0.3 --bisections 0".split(' '));
        command.args("--exporters 10 --preload 200".split(' '));
        command.env("TMPDIR", &self.directory).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("perf runs")
    }

    /// Namespaces of a process, and what lies in the directory.
    fn left_by(&self, process: u32) -> Vec<PathBuf> {
        let inside = |folder: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
        };
        let label = format!("perf-{process}-");
        let is_ours = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&label));
        let mut left: Vec<PathBuf> = inside(Path::new("/run/netns")).into_iter().filter(is_ours).collect();
        left.extend(inside(&self.directory));
        left
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn every_datagram_of_a_short_curve_is_accounted_for() {
    let Some(trial) = Trial::new("curve") else { return };
    let child = trial.start();
    let process = child.id();
    let output = child.wait_with_output().expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    let result: Value = serde_json::from_slice(&output.stdout).expect("a JSON document");
    let series = &result["series"][0];
    assert_eq!((&series["mode"], &series["workers"]), (&Value::from("xdp native copy"), &Value::from(1)));
    assert!(series["in_force"].as_str().is_some_and(|mode| mode.contains("native XDP, copy")), "{series}");
    let steps = series["steps"].as_array().expect("steps");
    assert!(!steps.is_empty(), "{series}");
    for step in steps {
        assert!(step["sent_datagrams"].as_u64() > Some(0) && step["decoded_flows"].as_u64() > Some(0), "{step}");
        for unexplained in ["unexplained_datagrams", "unexplained_flows"] {
            assert_eq!(step[unexplained], 0, "{step}");
        }
    }
    assert!(series["syscalls"]["syscalls_per_datagram"].as_f64().is_some(), "{series}");
    assert_eq!(trial.left_by(process), Vec::<PathBuf>::new());
}

#[test]
fn a_signal_ends_it_and_nothing_is_left() {
    let Some(trial) = Trial::new("curve-signal") else { return };
    let mut child = trial.start();
    let begun = Instant::now();
    // Both namespaces and the collector's directory.
    while trial.left_by(child.id()).len() < 3 {
        assert!(begun.elapsed() < PATIENCE, "it does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(i32::try_from(child.id()).expect("a process id")), Signal::SIGINT).expect("it runs");
    let process = child.id();
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(1), "a signal is no success, and no crash");
    assert_eq!(trial.left_by(process), Vec::<PathBuf>::new());
}
