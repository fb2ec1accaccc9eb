//! `cargo xtask ci`: everything that must hold before a change is taken in, the cheap checks first.
//!
//! The steps are those that people run by hand; nothing is checked here that has no command of its own.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{demo, deny, ebpf, elements, fuzz, instructions, kernels, packages, programs, test, tidy};

/// A name to show and what to do.
type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("packages", || packages::ensure(packages::CI)),
    ("format", format),
    ("tidy", tidy::run),
    ("elements", || elements::run(&elements::Args::check())),
    ("lints", lints),
    ("dependencies", deny::run),
    ("ebpf", || ebpf::run(&ebpf::Args::check())),
    ("test", test::run),
    ("kernels", || kernels::run(&kernels::Arguments::ci())),
    ("instructions", || instructions::run(&instructions::Arguments::default())),
    ("fuzz", || fuzz::run(&fuzz::Arguments::default())),
    ("demo", || demo::run(&demo::Arguments::once())),
];

/// Runs all steps up to the first that fails.
///
/// # Errors
///
/// When a step fails, or this is not root.
pub fn run() -> Result<()> {
    if !programs::is_root() {
        bail!("CI runs the privileged tests too; run: {}", programs::sudo_line("ci"));
    }
    let mut times = Vec::new();
    let outcome = STEPS.iter().try_for_each(|(name, step)| {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step().with_context(|| format!("step {name}"));
        times.push((*name, start.elapsed()));
        outcome
    });
    println!("\n{}", timings(&times));
    outcome
}

fn format() -> Result<()> {
    programs::run(programs::cargo().args(["fmt", "--all", "--check"]))?;
    programs::run(programs::cargo().args(["fmt", "--check", "--manifest-path"]).arg(fuzz::manifest()))
}

fn lints() -> Result<()> {
    programs::run(programs::cargo().args(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn timings(times: &[(&str, Duration)]) -> String {
    let mut text = String::new();
    for (name, time) in times {
        let _ = writeln!(text, "{name:<14}{:>5} s", time.as_secs());
    }
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let _ = write!(text, "{:<14}{:>5} s", "total", total.as_secs());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timings_add_up() {
        let text = timings(&[("format", Duration::from_secs(2)), ("test", Duration::from_secs(340))]);
        assert_eq!(text, "format            2 s\ntest            340 s\ntotal           342 s");
    }
}
