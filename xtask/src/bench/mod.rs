//! `cargo xtask bench`: every claim about speed, measured here and now: kept in `perf/results/bench`, one document for each part,
//! with the machine it ran on; then the plots and the table in the README.
//!
//! What is measured is the business of the parts: the benchmarks of `collector`, the commands of `perf`. Here they are built, run
//! in order, and what they say is put where it is kept.

mod claims;
mod estimates;
mod micro;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::instructions;
use crate::{libchdb, machine, packages, programs};

/// Where the documents are.
const RESULTS: &str = "perf/results/bench";

/// What `cargo xtask bench` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Minutes instead of an hour: fewer samples and shorter runs, for a look and not for a claim. Nothing is kept.
    #[arg(long)]
    quick: bool,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "PART,...")]
    only: Vec<Part>,
}

/// A part: one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Nanoseconds of each step, beside another decoder.
    Micro,
    /// Instructions of each step.
    Instructions,
    /// Other collectors.
    Peers,
    /// Offered and stored, with the loss by stage.
    Curve,
    /// From the wire to an answer.
    Latency,
    /// Ten times as much for two seconds.
    Burst,
    /// As fast as the store takes it.
    Sustain,
    /// 10 000 exporters and 100 000 templates.
    Scale,
}

/// Measures.
///
/// # Errors
///
/// When this is not root, a program cannot be built or had, or a part fails; the parts after it are measured all the same.
pub fn run(arguments: &Arguments) -> Result<()> {
    if !programs::is_root() {
        bail!("network namespaces and XDP need root; run: {}", programs::sudo_line("bench"));
    }
    packages::ensure(packages::BENCH)?;
    let parts = wanted(&arguments.only);
    machine::warn_of_load();
    let results = folder(arguments.quick)?;
    let mut failed = Vec::new();
    let mut perf = None;
    for part in parts {
        println!("\n=== {}", name(part));
        if let Err(error) = measure(part, arguments.quick, &results, &mut perf) {
            eprintln!("error: {}: {error:#}", name(part));
            failed.push(name(part));
        }
    }
    machine::warn_of_load();
    show(&results, perf.as_ref())?;
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

/// What was asked for, in the order of their dearness.
fn wanted(only: &[Part]) -> Vec<Part> {
    Part::value_variants().iter().copied().filter(|part| only.is_empty() || only.contains(part)).collect()
}

/// The word on the command line, which is that of `perf` too.
fn name(part: Part) -> String {
    part.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Where documents go: those of a quick look not to where they are kept.
fn folder(is_quick: bool) -> Result<PathBuf> {
    let folder = if is_quick { programs::target_folder().join("bench") } else { programs::workspace().join(RESULTS) };
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn measure(part: Part, is_quick: bool, results: &Path, perf: &mut Option<Perf>) -> Result<()> {
    let file = results.join(format!("{}.json", name(part)));
    match part {
        Part::Micro => micro::run(is_quick, &file),
        Part::Instructions => instructions::run(&instructions::Arguments { bless: !is_quick }),
        Part::Peers | Part::Curve | Part::Latency | Part::Burst | Part::Sustain | Part::Scale => {
            if perf.is_none() {
                *perf = Some(Perf::build()?);
            }
            let perf = perf.as_ref().context("it was just built")?;
            let mut command = perf.command();
            command.arg(name(part)).arg("--collector").arg(&perf.collector);
            if is_quick {
                command.arg("--quick");
            }
            keep(&mut command, &file)
        }
    }
}

/// Runs a command and keeps the document that it prints; one that fails leaves what was there before.
fn keep(command: &mut Command, file: &Path) -> Result<()> {
    let line = programs::line_of(command);
    eprintln!("$ {line}");
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("failed ({}): {line}", output.status);
    }
    serde_json::from_slice::<Value>(&output.stdout).with_context(|| format!("{line}: what it printed is no JSON"))?;
    std::fs::write(file, output.stdout).with_context(|| format!("cannot write {}", file.display()))
}

/// The optimised programs, and the engine of the embedded store.
struct Perf {
    program: PathBuf,
    collector: PathBuf,
    engine: PathBuf,
}

impl Perf {
    fn build() -> Result<Self> {
        let engine = libchdb::ensure()?;
        programs::run(programs::cargo().args(["build", "--release", "--package", "collector", "--package", "perf"]))?;
        let folder = programs::target_folder().join("release");
        Ok(Self { program: folder.join("perf"), collector: folder.join("collector"), engine })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(programs::workspace()).env("COLLECTOR_LIBCHDB", &self.engine);
        command
    }
}

/// Says which claims hold, and brings the plot and the README's table up to date.
fn show(results: &Path, perf: Option<&Perf>) -> Result<()> {
    let files = documents(results)?;
    for file in &files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        claims::of_document(&text).iter().for_each(|claim| println!("{claim}"));
    }
    let is_kept = results.ends_with(RESULTS);
    let Some(perf) = perf.filter(|_| is_kept) else { return Ok(()) };
    let curve = results.join("curve.json");
    if curve.exists() {
        programs::run(perf.command().arg("plot").arg(&curve).arg("--out").arg(results.join("curve.svg")))?;
    }
    programs::run(perf.command().arg("table").args(&files).args(["--update", "README.md"]))
}

/// The documents that there are, by name.
fn documents(results: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(results).with_context(|| format!("cannot read {}", results.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect();
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documents_are_kept() {
        let file = std::env::temp_dir().join(format!("xtask-bench-{}.json", std::process::id()));
        let print = |text: &str| keep(Command::new("sh").args(["-c", text]), &file).is_ok();
        assert!(print("echo '{\"claims\": []}'"));
        for failing in ["echo no document", "echo '{}'; exit 1", "true"] {
            assert!(!print(failing), "{failing}");
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"claims\": []}\n");
        std::fs::remove_file(&file).unwrap();
    }

    #[test]
    fn parts_are_measured_once_and_in_order() {
        let words = |only: &[Part]| wanted(only).into_iter().map(name).collect::<Vec<_>>();
        let all = ["micro", "instructions", "peers", "curve", "latency", "burst", "sustain", "scale"];
        assert_eq!(words(&[]), all);
        assert_eq!(words(&[Part::Curve, Part::Micro, Part::Curve]), ["micro", "curve"]);
    }
}
