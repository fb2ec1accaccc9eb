//! `cargo xtask`: what is done to this repository, one file per command.
//!
//! Nothing here is part of the product: the collector never depends on it, and it knows the collector only as a program
//! with a command line, a `/metrics` page and a ClickHouse interface.

mod bench;
mod chaos;
mod ci;
mod demo;
mod deny;
mod dist;
mod ebpf;
mod elements;
mod fuzz;
mod instructions;
mod kernels;
mod libchdb;
mod machine;
mod packages;
mod programs;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What is done to this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the collector over XDP with real exporters and show the top talkers.
    Demo(demo::Arguments),
    /// Get what is missing and run every test, the privileged ones too.
    Test,
    /// Everything that must hold before a change is taken in.
    Ci,
    /// Build the binary that is installed: stripped, its debug symbols beside it, in `target/dist`.
    Dist,
    /// Rebuild the XDP program's object; with `--check`, fail when the committed one differs.
    Ebpf(ebpf::Args),
    /// Rewrite the decoder's table of information elements; with `--check`, fail when the committed one is stale.
    Elements(elements::Args),
    /// Fetch the ClickHouse engine of the embedded store and say where it lies.
    Libchdb,
    /// Fuzz the decoder.
    Fuzz(fuzz::Arguments),
    /// Kill and hinder the collector and ClickHouse for an hour; every flow must be stored exactly once.
    Chaos(chaos::Arguments),
    /// Count the instructions of a flow, case by case, and compare with the committed figures.
    Instructions(instructions::Arguments),
    /// Boot kernels that people run and try the XDP program on each.
    Kernels(kernels::Arguments),
    /// Measure every claim about speed, beside peers, and keep the results.
    Bench(bench::Arguments),
    /// Check the rules of the source tree that no compiler checks.
    Tidy,
}

fn main() -> ExitCode {
    if kernels::is_guest() {
        kernels::run_guest();
        return ExitCode::SUCCESS;
    }
    let outcome = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test => test::run(),
        Command::Ci => ci::run(),
        Command::Dist => dist::run(),
        Command::Ebpf(arguments) => ebpf::run(&arguments),
        Command::Elements(arguments) => elements::run(&arguments),
        Command::Libchdb => libchdb::ensure().map(|path| println!("{}", path.display())),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Chaos(arguments) => chaos::run(&arguments),
        Command::Instructions(arguments) => instructions::run(&arguments),
        Command::Kernels(arguments) => kernels::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
