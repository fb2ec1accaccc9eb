//! The command line as a user meets it: the built binary, its output, its errors and its exit codes.

/// Capture files made of payloads.
mod captures;
/// `collector check`.
mod check;
/// Every capture of the corpus against what it contains.
mod corpus;
/// Capture formats, link types, fragments.
mod formats;
/// `collector journal` and `collector export`.
mod journal;
/// Records before their template.
mod late;
/// GeoIP files made in a test.
#[path = "../common/mmdb.rs"]
mod mmdb;
/// `collector replay`.
mod replay;
/// `collector templates`.
mod templates;
/// Help, wrong usage, configuration errors.
mod usage;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The built binary, without the settings of whoever runs the tests.
fn collector(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_collector"));
    command.args(args).stdin(Stdio::null());
    for variable in ["CONFIG", "LOG", "LOG_FORMAT", "CLICKHOUSE_PASSWORD"] {
        command.env_remove(format!("COLLECTOR_{variable}"));
    }
    command
}

/// Runs it to its end.
fn run(args: &[&str]) -> Output {
    collector(args).output().expect("the binary starts")
}

/// Runs it with bytes on standard input.
fn run_with_input(args: &[&str], input: &[u8]) -> Output {
    let mut child = collector(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // A binary that stops reading early closes the pipe, which is not what is tested.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("the binary ends")
    })
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// A file that goes away with this value.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("collector-cli-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).expect("the temporary directory is writable");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("temporary paths are UTF-8")
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // A file that is gone already is as good.
        let _ = std::fs::remove_file(&self.0);
    }
}
