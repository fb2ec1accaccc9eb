//! Measurements, and a load to measure with. Each command prints one JSON document, a measurement with the machine it ran on;
//! `results/` keeps those that decided something.

#![deny(unsafe_code)]

/// More than can be stored, for a moment.
mod burst;
/// Datagrams offered against flows stored.
mod curve;
/// From the wire to ClickHouse.
mod latency;
/// What the measurement ran on.
mod machine;
/// Where datagrams go.
mod output;
/// When they go.
mod pace;
/// Results as drawings.
mod plot;
/// Addresses of exporters.
mod prefix;
/// Namespaces, programs and counters under measurement.
mod rig;
/// Codecs, ordering and granularity of the flows table.
mod schema;
/// A load.
mod send;
/// What was sent, in numbers.
mod sent;
/// The collector with its store, beside the store alone.
mod sustain;
/// Ways onto the wire.
mod transmit;

use clap::Parser;

/// Measures what the collector's design rests on, and sends what a test or a measurement needs.
#[derive(Debug, Parser)]
#[command(name = "perf")]
enum Command {
    /// Bytes a row on disk, rows/s in, and rows read by typical queries, for variants of the flows table.
    Schema(schema::Arguments),
    /// Datagrams offered against flows stored, with loss by stage, for each way of capturing.
    Curve(curve::Arguments),
    /// How long from the wire until a flow can be found in ClickHouse, beside a load or none.
    Latency(latency::Arguments),
    /// What the collector stores a second, beside what its ClickHouse takes of the same rows as ready blocks.
    Sustain(sustain::Arguments),
    /// Two seconds at ten times what can be stored: what is lost, and how long the backlog takes.
    Burst(burst::Arguments),
    /// Draw results of `perf curve` as SVG.
    Plot(plot::Arguments),
    /// Send what one exporter or many would send, with faults if asked for, and tell exactly what it was.
    Send(send::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Curve(arguments) => curve::run(&arguments),
        Command::Latency(arguments) => latency::run(&arguments),
        Command::Sustain(arguments) => sustain::run(&arguments),
        Command::Burst(arguments) => burst::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
    }
}
