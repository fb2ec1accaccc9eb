//! Measurements, and a load to measure with. Each command prints one JSON document, a measurement with the machine it ran on;
//! `results/` keeps those that decided something.

#![deny(unsafe_code)]

/// More than can be stored, for a moment.
mod burst;
/// A loop that counts datagrams.
mod count;
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
/// The collector beside other collectors.
mod peers;
/// Results as drawings.
mod plot;
/// Addresses of exporters.
mod prefix;
/// Captures once more.
mod replay;
/// Namespaces, programs and counters under measurement.
mod rig;
/// Few exporters and very many.
mod scale;
/// Codecs, ordering and granularity of the flows table.
mod schema;
/// A load.
mod send;
/// What was sent, in numbers.
mod sent;
/// The collector with its store, beside the store alone.
mod sustain;
/// Claims of results, as a table.
mod table;
/// Ways onto the wire.
mod transmit;

use clap::Parser;

/// Measures what the collector's design rests on, and sends what a test or a measurement needs.
#[derive(Debug, Parser)]
#[command(name = "perf")]
enum Command {
    /// Two seconds at ten times what can be stored: what is lost, and how long the backlog takes.
    Burst(burst::Arguments),
    /// Count the datagrams that come to a UDP socket, and do nothing else.
    Count(count::Arguments),
    /// Datagrams offered against flows stored, with loss by stage, for each way of capturing.
    Curve(curve::Arguments),
    /// How long from the wire until a flow can be found in ClickHouse, beside a load or none.
    Latency(latency::Arguments),
    /// The collector beside nfcapd, nfacctd and loops that only count: processor time per flow, highest rate without loss.
    Peers(peers::Arguments),
    /// Draw results of `perf curve` as SVG.
    Plot(plot::Arguments),
    /// Send the flow datagrams of a capture once more, byte for byte, and tell what went out.
    ///
    /// Sequence numbers and times are those of the capture. What is captured in fragments is left out,
    /// and told in `capture`.
    ///
    /// Ten times as fast as they came, each exporter with an address of 10.0.0.0/8:
    ///
    ///   perf replay flows.pcap --to 198.51.100.7:2055 --speed x10 --from 10.0.0.1/8 \
    ///     --via packet --interface eth1 --to-mac 02:00:00:00:00:07
    #[command(verbatim_doc_comment)]
    Replay(replay::Arguments),
    /// What a flow of 10 000 exporters with 100 000 templates costs, beside one of 10 exporters, and the memory.
    Scale(scale::Arguments),
    /// Bytes a row on disk, rows/s in, and rows read by typical queries, for variants of the flows table.
    Schema(schema::Arguments),
    /// Send what one exporter or many would send, and tell exactly what it was.
    ///
    /// NetFlow v1, v5, v7, v9, IPFIX or sFlow of 1 to 65536 exporters: over ordinary sockets, or as raw
    /// Ethernet frames with any source address; at a rate, or as fast as the kernel takes them; with
    /// faults if asked for; into a pcap file too.
    ///
    /// Prints one JSON document. `sent` is what the kernel took: datagrams, flow records, bytes of
    /// payload, the seconds from the first to the last. `refused` datagrams are not among them; their
    /// sequence numbers are used up, so that a collector misses them as any that are lost.
    ///
    /// As fast as it goes, from 10000 exporters, out of eth1, for 10 seconds:
    ///
    ///   perf send --to 198.51.100.7:2055 --from 10.0.0.1/8 --exporters 10000 --templates-first \
    ///     --preload 20000 --rate 0 --seconds 10 \
    ///     --via xdp --interface eth1 --to-mac 02:00:00:00:00:07
    #[command(verbatim_doc_comment)]
    Send(send::Arguments),
    /// What the collector stores a second, beside what its ClickHouse takes of the same rows as ready blocks.
    Sustain(sustain::Arguments),
    /// The claims of results as a table in Markdown, printed or put into the README.
    Table(table::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Burst(arguments) => burst::run(&arguments),
        Command::Count(arguments) => count::run(&arguments),
        Command::Curve(arguments) => curve::run(&arguments),
        Command::Latency(arguments) => latency::run(&arguments),
        Command::Peers(arguments) => peers::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Scale(arguments) => scale::run(&arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Send(arguments) => send::run(&arguments),
        Command::Sustain(arguments) => sustain::run(&arguments),
        Command::Table(arguments) => table::run(&arguments),
    }
}
