//! `cargo xtask test`: gets what is missing, runs every test, and fails when one that should run could not.
//!
//! Tests that need root fail instead of skipping when `COLLECTOR_REQUIRE_PRIVILEGED` is set. A test that skips for another
//! reason says `SKIPPED:`; such tests are counted, and the last line tells all counts.

pub mod tally;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{libchdb, packages, programs};
use tally::Tally;

/// The root of the tests that run under Miri too: the rings' raw reads and writes.
const MIRI_TESTS: &str = "collector/src/xsk/under_miri.rs";

/// Runs every test.
///
/// # Errors
///
/// When a test fails, or could not run for lack of rights or programs.
pub fn run() -> Result<()> {
    let root = programs::is_root();
    let mut problems = Vec::new();
    let mut command = programs::cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--", "--show-output"]);
    if root {
        packages::ensure(packages::TEST)?;
        command.env("COLLECTOR_REQUIRE_PRIVILEGED", "1").env("COLLECTOR_LIBCHDB", libchdb::ensure()?);
    } else {
        problems.push(format!("the privileged tests did not run; run: {}", programs::sudo_line("test")));
    }

    let mut tally = Tally::default();
    if !stream(&mut command, &mut tally)? {
        problems.push("cargo test failed".to_owned());
    }
    match miri() {
        Some(mut command) => {
            if !stream(&mut command, &mut tally)? {
                problems.push("the rings' tests failed under Miri".to_owned());
            }
        }
        None => println!("SKIPPED: rings under Miri: run: rustup component add --toolchain nightly miri rust-src"),
    }

    for name in &tally.skipped_names {
        println!("SKIPPED: {name}");
    }
    println!("{tally}");
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    if tally.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// The command that runs the rings' tests under Miri, where that component is: without cargo, which would compile all
/// dependencies of the collector for it first.
fn miri() -> Option<Command> {
    let sysroot = programs::output(programs::nightly_cargo().ok()?.args(["miri", "setup", "--print-sysroot"])).ok()?;
    let mut command = programs::nightly("miri");
    command.args(["--test", "--edition", "2024", "-A", "warnings", "--sysroot", sysroot.trim(), MIRI_TESTS]);
    Some(command)
}

/// Runs a test runner, shows what it writes as it comes, counts it; says whether it succeeded.
fn stream(command: &mut Command, tally: &mut Tally) -> Result<bool> {
    let line = programs::line_of(command);
    eprintln!("$ {line}");
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start: {line}"))?;
    let stdout = child.stdout.take().context("the test runner has no standard output")?;
    let mut reader = tally.reader();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line.context("cannot read what the test runner writes")?;
        let line = String::from_utf8_lossy(&line);
        reader.line(&line);
        let mut shown = std::io::stdout().lock();
        // Whoever closes our output still gets the exit status.
        let _ = writeln!(shown, "{line}");
    }
    Ok(child.wait().with_context(|| format!("cannot wait for: {line}"))?.success())
}
