//! `cargo xtask instructions`: how many instructions a flow costs, case by case, beside the committed figures.
//!
//! Times on shared machines say little; instructions are the same wherever the same compiler made the program, but for hash
//! functions with a random key: a case that differs is counted again, and the median decides. More of them than before fails;
//! fewer is said, so that what was won is written down and not lost again unseen.

mod callgrind;
mod figures;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{packages, programs};
use callgrind::Count;
use figures::{Figures, Verdict};

/// The processor that the figures are of.
const ARCHITECTURE: &str = "x86_64";
const FILE: &str = "perf/results/bench/instructions.json";
/// How often a case is counted that differs from its figure.
const REPEATS: usize = 5;
/// What is counted: one function of the program, and all that it calls.
const COUNTED: &str = "instructions::measured*";

/// What `cargo xtask instructions` takes.
#[derive(Debug, Default, clap::Args)]
pub struct Arguments {
    /// Write down what was counted as the figures to compare with from now on.
    #[arg(long)]
    pub bless: bool,
}

/// Counts every case and compares.
///
/// # Errors
///
/// When a case takes more instructions than the figures say, is new or gone, or cannot be run.
pub fn run(arguments: &Arguments) -> Result<()> {
    if std::env::consts::ARCH != ARCHITECTURE {
        println!("SKIPPED: instructions: the figures are of {ARCHITECTURE}");
        return Ok(());
    }
    packages::ensure(packages::INSTRUCTIONS)?;
    let program = build()?;
    let mut counts = count_all(&program)?;
    let file = programs::workspace().join(FILE);
    if arguments.bless {
        figures::write(&file, &counts)?;
        println!("{} cases written to {FILE}", counts.len());
        return Ok(());
    }
    let known = figures::read(&file)?;
    for (name, count) in &mut counts {
        if known.cases.get(name).is_some_and(|figure| !figures::is_within(*figure, count.instructions)) {
            *count = median(&program, name, count.clone())?;
        }
    }
    compare(&known, &counts)
}

/// The median of several counts, the first of which is known.
fn median(program: &PathBuf, name: &str, first: Count) -> Result<Count> {
    let mut all = vec![first];
    while all.len() < REPEATS {
        all.push(count(program, name)?);
    }
    all.sort_by(|one, other| one.instructions.total_cmp(&other.instructions));
    Ok(all.swap_remove(REPEATS / 2))
}

/// Builds the program of the cases, optimised as it is shipped.
fn build() -> Result<PathBuf> {
    let mut command = programs::cargo();
    command.args(["bench", "--no-run", "--package", "collector", "--bench", "instructions"]);
    programs::run(&mut command)?;
    let messages = programs::output(command.arg("--message-format=json"))?;
    executable(&messages).context("cargo did not say where the program is")
}

/// The program among what cargo says that it made.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut made = messages.filter(|message| message["target"]["name"] == "instructions");
    made.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Counts the cases, as many at once as there are processors: that they disturb each other changes no count.
fn count_all(program: &PathBuf) -> Result<BTreeMap<String, Count>> {
    let names = programs::output(&mut Command::new(program))?;
    let left = Mutex::new(names.lines().map(str::to_owned).collect::<Vec<_>>());
    let next = || left.lock().ok().and_then(|mut left| left.pop());
    let work = || -> Result<Vec<(String, Count)>> {
        std::iter::from_fn(next).map(|name| Ok((name.clone(), count(program, &name)?))).collect()
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut counts = BTreeMap::new();
        for worker in workers {
            counts.extend(worker.join().ok().context("a thread panicked")??);
        }
        Ok(counts)
    })
}

fn count(program: &PathBuf, name: &str) -> Result<Count> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    command.arg(format!("--toggle-collect={COUNTED}")).arg(program).arg(name);
    let output = command.output().context("cannot start valgrind")?;
    let (told, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("failed ({}): {}: {log}", output.status, programs::line_of(&command));
    }
    callgrind::count(&told, &log).with_context(|| format!("{name}: what callgrind wrote has no count: {log}"))
}

/// Shows every case beside its figure.
fn compare(known: &Figures, counts: &BTreeMap<String, Count>) -> Result<()> {
    let verdicts = figures::compare(&known.cases, counts);
    println!("{:<36}{:>12}{:>12}", "instructions", "figure", "now");
    for (name, verdict) in &verdicts {
        println!("{}", figures::line(name, known.cases.get(name).copied(), counts.get(name), *verdict));
    }
    let advice = figures::advice(&verdicts);
    if !advice.is_empty() {
        println!("{advice}");
    }
    if verdicts.iter().all(|(_, verdict)| matches!(verdict, Verdict::Within | Verdict::Fewer)) {
        return Ok(());
    }
    let toolchain = figures::toolchain();
    if toolchain != known.toolchain {
        println!("the figures were made with {}, this is {toolchain}", known.toolchain);
    }
    bail!("{advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_says_where_the_program_is() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"collector"},"executable":null}
warning: not JSON
{"reason":"compiler-artifact","target":{"name":"instructions"},"executable":"/t/release/deps/instructions-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some(PathBuf::from("/t/release/deps/instructions-1")));
        assert_eq!(executable("{}"), None);
    }
}
