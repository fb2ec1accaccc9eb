//! `cargo xtask fuzz`: hostile datagrams, captures and journals, made up for as long as asked, against their readers.
//!
//! The targets are a package of their own outside the workspace, for they need a nightly compiler and `cargo-fuzz`.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::programs;

/// The targets: one datagram, a sequence of them with the template state kept, sFlow from within, a capture file, the files
/// of a journal.
const TARGETS: [&str; 5] = ["datagram", "sequence", "sflow", "pcap", "journal"];
/// The version of `cargo-fuzz` that the targets were written with.
const VERSION: &str = "0.13.2";
const FOLDER: &str = "collector/netflow/fuzz";

/// What `cargo xtask fuzz` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many minutes each target runs.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1440))]
    pub minutes: u64,
    /// Only this target.
    #[arg(long, value_parser = TARGETS)]
    pub target: Option<String>,
}

impl Default for Arguments {
    /// What CI runs: every target for a minute.
    fn default() -> Self {
        Self { minutes: 1, target: None }
    }
}

/// The manifest of the targets' package.
pub fn manifest() -> PathBuf {
    programs::workspace().join(FOLDER).join("Cargo.toml")
}

/// Runs the targets one after another.
///
/// # Errors
///
/// When a target finds a fault, or the tool cannot be had.
pub fn run(arguments: &Arguments) -> Result<()> {
    programs::ensure_subcommand("fuzz", VERSION, &[])?;
    for target in TARGETS.iter().filter(|target| arguments.target.as_deref().is_none_or(|only| only == **target)) {
        // What is found goes into the first folder, which git ignores; the second is where it starts from.
        let corpus = programs::workspace().join(FOLDER).join("corpus").join(target);
        std::fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
        let seeds = programs::workspace().join(FOLDER).join("seeds").join(target);
        let mut command = programs::nightly_cargo()?;
        command.args(["fuzz", "run", "--fuzz-dir", FOLDER, target]).arg(corpus).arg(seeds);
        command.arg("--").arg(format!("-max_total_time={}", arguments.minutes * 60)).arg("-max_len=9000");
        programs::run(&mut command)?;
    }
    Ok(())
}
