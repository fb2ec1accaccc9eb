//! Measurements. Each prints one JSON document with the machine it ran on; `results/` keeps those that decided something.

/// What the measurement ran on.
mod machine;
/// Codecs, ordering and granularity of the flows table.
mod schema;

use clap::Parser;

/// Measures what the collector's design rests on.
#[derive(Debug, Parser)]
#[command(name = "perf")]
enum Command {
    /// Bytes a row on disk, rows/s in, and rows read by typical queries, for variants of the flows table.
    Schema(schema::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Schema(arguments) => schema::run(&arguments),
    }
}
