//! The test programs that run on the kernels, and the collector itself.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::programs;

/// Test targets of the collector whose tests run on kernels.
const TARGETS: [&str; 3] = ["steering", "xdp_veth", "kernels"];
const COLLECTOR: &str = "collector";

/// What was built.
#[derive(Debug)]
pub struct Tests {
    /// Each test target with its program.
    pub programs: Vec<(&'static str, PathBuf)>,
    /// The collector, which tests start where cargo has put it.
    pub collector: PathBuf,
}

/// Builds the tests.
///
/// # Errors
///
/// When they do not compile.
pub fn tests() -> Result<Tests> {
    let mut cargo = programs::cargo();
    cargo.args(["test", "--package", COLLECTOR, "--no-run", "--message-format", "json-render-diagnostics"]);
    TARGETS.iter().for_each(|target| {
        cargo.args(["--test", target]);
    });
    eprintln!("$ {}", programs::line_of(&cargo));
    let output = cargo.stdin(Stdio::null()).stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    ensure!(output.status.success(), "the tests do not compile");
    let messages = String::from_utf8_lossy(&output.stdout);
    let find = |name: &str, kind: &str| {
        let mut executables = messages.lines().filter_map(|line| executable(line, name, kind));
        executables.next_back().with_context(|| format!("cargo built no {kind} {name}"))
    };
    let programs = TARGETS.into_iter().map(|target| Ok((target, find(target, "test")?))).collect::<Result<_>>()?;
    Ok(Tests { programs, collector: find(COLLECTOR, "bin")? })
}

/// The program that a message of cargo's tells of, if it is that of this target.
fn executable(message: &str, name: &str, kind: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = message.get("target")?;
    let kinds = target.get("kind")?.as_array()?;
    let is_wanted = target.get("name")?.as_str()? == name && kinds.iter().any(|found| found.as_str() == Some(kind));
    let executable = message.get("executable")?.as_str()?;
    is_wanted.then(|| executable.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_target() {
        let message = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"steering"},"executable":"/t/steering-1"}"#;
        assert_eq!(executable(message, "steering", "test"), Some("/t/steering-1".into()));
        assert_eq!(executable(message, "steering", "bin"), None);
        assert_eq!(executable(message, "kernels", "test"), None);
        let message = r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"steering"},"executable":null}"#;
        assert_eq!(executable(message, "steering", "lib"), None);
        assert_eq!(executable("no message", "steering", "test"), None);
    }
}
