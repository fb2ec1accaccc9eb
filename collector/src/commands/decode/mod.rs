//! `collector decode`: the records of a capture, one JSON object a line.
//!
//! The same decoder, enrichment and row format as `collector run`, without capture, store or ClickHouse. What was not decoded
//! is counted by reason on standard error.

/// Records and samples as they came, in JSON.
mod fields;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use netflow::neutral::Names;
use netflow::report::Class;
use netflow::{Event, MapStore, Report};

use super::capture_file::{self, Capture};
use super::output::Output;
use crate::batch::{Block, DECODED, json};
use crate::enrich::{self, Enricher, Geo, Published};
use crate::pcap::{Datagram, Ports};

/// Ports that are decoded when none is named: NetFlow's usual ones, IPFIX' own, and sFlow's. What a datagram is, its bytes say.
const USUAL_PORTS: [u16; 5] = [2055, 4739, 6343, 9995, 9996];

/// Show the flow records of a capture
///
/// Reads a pcap or pcapng file and prints one JSON object a line for each record: no database, no root. The file may be compressed
/// by gzip, zstd, xz or lz4. Captures of Ethernet, PPP, HDLC, frame relay, Wi-Fi, raw IP, Linux cooked, NFLOG and BSD loopback are
/// read, through VLAN tags, PPPoE and MPLS; IP fragments are joined.
///
/// Standard error says what was not decoded, by reason. The exit status is 0 if the file was readable.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct DecodeArgs {
    /// Capture file, pcap or pcapng, compressed or not; - is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Only datagrams to this UDP port (repeatable) [default: 2055, 4739, 6343, 9995, 9996]
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Vec<u16>,

    /// Every record and sample as it came, options and counters too, with the exporter's fields instead of the flows table's columns
    #[arg(long)]
    pub fields: bool,

    /// With --fields: vendors' names in place of enterprise/element numbers where they are known, and lists by their parts
    #[arg(long, requires = "fields")]
    pub names: bool,

    /// Rows of this table (repeatable)
    #[arg(long, value_name = "TABLE", conflicts_with = "fields", default_value = DECODED[0].name)]
    #[arg(value_parser = PossibleValuesParser::new(DECODED.iter().map(|table| table.name)))]
    pub table: Vec<String>,

    /// File in the MaxMind DB format for the columns of places and autonomous systems (repeatable)
    #[arg(long, value_name = "FILE", conflicts_with = "fields")]
    pub geoip: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  collector decode flows.pcap
  collector decode flows.pcap --port 9000 --fields --names
  collector decode flows.pcap --table nat_events --table interface_counters
  tcpdump -i eth0 -w - udp port 2055 | collector decode - | jq -c '[.src_addr, .dst_addr, .bytes]'

Without --fields the keys are the columns of the table, which `collector schema
print` describes; rows of other tables than flows begin with the key `table`.
With --fields they are the names of IANA's information elements; unknown
elements have their number, enterprise elements ENTERPRISE/NUMBER; those of sFlow
follow its structures. A record that came before its template is shown when the
template comes, with its own packet and header, and has `late`. A flow sample's
row is the innermost packet of a tunnel; where its fields show another, the
object `flow` shows what the row is made of.";

/// Decodes and prints.
pub(super) fn run(args: &DecodeArgs) -> anyhow::Result<()> {
    let wanted = if args.port.is_empty() { USUAL_PORTS.to_vec() } else { args.port.clone() };
    let mut capture = capture_file::open(&args.file, Ports::Only(wanted))?;
    let (mut store, mut report) = (MapStore::default(), Report::default());
    let mut out = Output::new();
    let read = if args.fields {
        let names = if args.names { Names::Vendors } else { Names::Numbers };
        print_fields(&mut capture, names, &mut store, &mut report, &mut out)
    } else {
        let geo = if args.geoip.is_empty() { Geo::empty() } else { Geo::open(&args.geoip)? };
        print_columns(&mut capture, geo, &args.table, &mut store, &mut report, &mut out)
    };
    let read = match read {
        Err(Stop::Write(error)) => return Err(error.into()),
        Err(Stop::Read(error)) => Err(capture_file::reading(&args.file, &error)),
        Ok(()) => Ok(()),
    };
    out.flush()?;
    tell(args, &capture, &store, &report);
    read
}

/// Why printing ended before the end of the file.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error(transparent)]
    Read(#[from] crate::pcap::PcapError),
    #[error(transparent)]
    Write(#[from] std::io::Error),
}

fn print_columns(
    capture: &mut Capture,
    geo: Geo,
    tables: &[String],
    store: &mut MapStore,
    report: &mut Report,
    out: &mut Output,
) -> Result<(), Stop> {
    let mut enricher = Enricher::new(&Published::new(geo), &Published::new(enrich::Names::default()));
    let mut block = Block::default();
    let mut lines = Vec::new();
    let mut not_shown = BTreeMap::new();
    while let Some(datagram) = capture.next_datagram()? {
        block.clear();
        netflow::decode(&received(&datagram, capture), store, &mut block.decoded, report);
        enricher.enrich(&mut block);
        lines.clear();
        for part in block.decoded_parts() {
            let table = part.table().name;
            if tables.iter().any(|wanted| wanted == table) {
                json::write_rows(part, &mut lines);
            } else if !part.is_empty() {
                *not_shown.entry(table).or_default() += part.len();
            }
        }
        out.write_all(&lines)?;
    }
    tell_not_shown(&not_shown);
    Ok(())
}

fn tell_not_shown(rows: &BTreeMap<&str, usize>) {
    for (table, rows) in rows {
        eprintln!("decode: rows of other tables: {table}: {rows}; --table {table} shows them");
    }
}

fn print_fields(
    capture: &mut Capture,
    names: Names,
    store: &mut MapStore,
    report: &mut Report,
    out: &mut Output,
) -> Result<(), Stop> {
    let mut lines = Vec::new();
    let mut held = fields::HeldPackets::default();
    while let Some(datagram) = capture.next_datagram()? {
        lines.clear();
        let mut received = received(&datagram, capture);
        received.received_ms = held.tell_apart(received.received_ms);
        let mut visit = fields::Lines { packet: datagram.packet, held: &held, names, out: &mut lines };
        if netflow::dissect(&received, store, report, &mut visit).sets_held > 0 {
            held.note(received.received_ms, datagram.packet);
        }
        out.write_all(&lines)?;
    }
    Ok(())
}

/// The datagram as the decoder takes it: received when it was captured.
fn received<'a>(datagram: &Datagram, capture: &'a Capture) -> netflow::Datagram<'a> {
    netflow::Datagram {
        payload: capture.payload(),
        exporter: datagram.source.octets(),
        received_ms: datagram.time_ns.div_euclid(1_000_000),
    }
}

/// Tells on standard error what was read, what was not decoded and why.
fn tell(args: &DecodeArgs, capture: &Capture, store: &MapStore, report: &Report) {
    eprintln!(
        "decode: packets: {}, datagrams: {}, flow records: {}, options records: {}",
        capture.packets(),
        capture.found(),
        report.flow_records(),
        report.options_records()
    );
    let drops = report.get(Event::DropSample);
    if drops > 0 {
        eprintln!("decode: samples without a row: discarded packets: {drops}");
    }
    let undecoded = report.iter().filter(|(event, count)| *count > 0 && event.class() != Class::Ordinary);
    for (event, count) in undecoded {
        let what = match event.class() {
            Class::Noted => "decoded, but",
            Class::Unopened => "decoded without what it carries",
            Class::Ordinary | Class::Unused | Class::Malformed => "not decoded",
        };
        eprintln!("decode: {what}: {}: {count}", event.label());
    }
    // To whoever looks at a capture, a set whose template did not come is one without a template.
    let without_template = store.given_up() + store.held() as u64;
    if without_template > 0 {
        eprintln!("decode: not decoded: {}: {without_template}", Event::SetWithoutTemplate.label());
    }
    capture_file::tell("decode", &args.file, capture);
    if capture.found() == 0 {
        eprintln!("decode: nothing to decode: {}", capture_file::why_none(capture));
    }
}
