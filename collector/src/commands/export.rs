//! `collector export`: the evidence, datagrams of the journal as they were received, as a capture file. Reads the files; asks nobody.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use super::Cli;
use super::journal::journals;
use super::moment::Moment;
use super::output::Output;
use crate::journal::{Reader, Walked};
use crate::pcap::writer::{InterfaceId, Writer, endpoint};
use crate::query::{ExporterName, Exporters};
use crate::worker::tally::Path as Way;

/// Datagrams of one journal that may wait to be merged with the others.
const WAITING: usize = 1024;

/// Write datagrams of the journal to a capture file
///
/// The datagrams are as they were received, byte by byte, with the time of receipt to the nanosecond and the exporter's address and
/// port. Ethernet, IP and UDP headers are built around them anew; their destination is made up, for it is not kept. May be used
/// while the collector runs.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct ExportArgs {
    /// First time of receipt: 2026-11-23T04:00:00Z, "2026-11-23 04:00" (UTC), "2h ago", or seconds since 1970
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Moment,

    /// Time of receipt before which they were received, written likewise
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: Moment,

    /// Only the datagrams of exporters of this name in the configuration, address or prefix
    #[arg(long, value_name = "EXPORTER")]
    exporter: Option<ExporterName>,

    /// Format of the file
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Pcapng)]
    format: Format,

    /// File to write; not made where there is no datagram [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// State directory of the collector [default: as configured, /var/lib/collector]
    #[arg(long, value_name = "DIRECTORY")]
    state_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  collector export --from '2h ago' --output evidence.pcapng
  collector export --from 2026-11-23T04:00:00Z --to 2026-11-23T04:05:00Z \\
      --exporter 192.0.2.0/24 | tshark -r - -d udp.port==2055,cflow
  collector export --from -10m | collector decode -";

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The format of Wireshark and tcpdump, with nanoseconds
    Pcapng,
}

/// A datagram on its way into the file.
struct Datagram {
    received_ns: i64,
    exporter: Ipv6Addr,
    port: u16,
    path: u8,
    payload: Vec<u8>,
}

/// Does what is asked for.
pub(super) fn run(args: &ExportArgs, cli: &Cli) -> anyhow::Result<()> {
    if args.from >= args.to {
        bail!("--from {} is not before --to {}: nothing was received in between", args.from, args.to);
    }
    let Format::Pcapng = args.format;
    let config = cli.configured()?;
    let port = config.capture.ports.first().copied().unwrap_or_default();
    let exporters = match &args.exporter {
        Some(name) => Some(name.among(&config.exporter_names())?),
        None => None,
    };
    let journals = journals(args.state_dir.as_deref(), cli)?;
    let readers: Vec<&Reader> = journals.iter().map(|(_, reader)| reader).collect();
    let mut evidence = Evidence { path: args.output.as_deref(), port, file: None, count: 0 };
    let walked = std::thread::scope(|scope| {
        let start = |reader| start(scope, args, exporters.as_ref(), reader);
        let (queues, walks): (Vec<_>, Vec<_>) = readers.iter().copied().map(start).unzip();
        merge(queues, |datagram| evidence.write(datagram))?;
        let walked = walks.into_iter().map(|walk| match walk.join() {
            Ok(walked) => Ok(walked?),
            Err(_) => bail!("reading the journal ended unexpectedly"),
        });
        walked.collect::<anyhow::Result<Vec<Walked>>>()
    })?;
    let count = evidence.end()?;
    let gaps: u64 = walked.iter().map(|walked| walked.gaps).sum();
    let forgotten: u64 = walked.iter().map(|walked| walked.forgotten).sum();
    let mut said = std::io::stderr().lock();
    match count {
        0 => writeln!(said, "{}", nothing(args, &readers))?,
        count => writeln!(said, "{count} datagrams received from {} to {}", args.from, args.to)?,
    }
    if gaps > 0 {
        writeln!(
            said,
            "{gaps} places in the journal are broken, where datagrams may be missing: see `collector journal verify`"
        )?;
    }
    if forgotten > 0 {
        writeln!(
            said,
            "{forgotten} segments of the journal were used again while they were read: their datagrams may be missing"
        )?;
    }
    Ok(())
}

/// What to say where nothing was found.
fn nothing(args: &ExportArgs, readers: &[&Reader]) -> String {
    let segments: Vec<_> = readers.iter().flat_map(|reader| reader.segments()).collect();
    let first = segments.iter().filter_map(|segment| segment.first_ns).min();
    let last = segments.iter().filter_map(|segment| segment.last_ns).max();
    let held = match (first, last) {
        (Some(first), Some(last)) => {
            format!("the journal holds datagrams received from {} to {}", Moment::from_ns(first), Moment::from_ns(last))
        }
        _ => "the journal holds none at all".to_owned(),
    };
    let of = if args.exporter.is_some() { " of these exporters" } else { "" };
    format!("nothing written: no datagram{of} was received from {} to {}; {held}", args.from, args.to)
}

/// A file with its interfaces: the ways that datagrams came by.
type Described = (Writer<Box<dyn Write>>, Vec<InterfaceId>);

/// The file, made for the first datagram.
struct Evidence<'a> {
    path: Option<&'a Path>,
    port: u16,
    file: Option<Described>,
    count: u64,
}

impl Evidence<'_> {
    fn write(&mut self, datagram: &Datagram) -> anyhow::Result<()> {
        let (writer, interfaces) = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(open(self.path)?),
        };
        self.count += 1;
        write(writer, interfaces, self.port, datagram)
    }

    /// Writes what is left; says how many there are.
    fn end(self) -> anyhow::Result<u64> {
        if let Some((writer, _)) = self.file {
            writer.end()?;
        }
        Ok(self.count)
    }
}

/// Makes the file, or takes standard output, and describes the ways that datagrams came by.
fn open(path: Option<&Path>) -> anyhow::Result<Described> {
    let out: Box<dyn Write> = match path {
        None => Box::new(Output::new()),
        Some(path) => {
            let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
            Box::new(BufWriter::with_capacity(1 << 20, file))
        }
    };
    let mut writer = Writer::new(out, concat!("collector ", env!("CARGO_PKG_VERSION")))?;
    let mut interfaces = Vec::new();
    for label in Way::ALL.map(Way::label).into_iter().chain(["unknown"]) {
        let comment = format!(
            "Received by way of {label}. Destination and headers are made up; payload, source and time are as received."
        );
        interfaces.push(writer.interface(label, &comment)?);
    }
    Ok((writer, interfaces))
}

/// Starts to read a journal; ends early when nobody takes what it reads.
fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    args: &'scope ExportArgs,
    exporters: Option<&'scope Exporters>,
    reader: &'scope Reader,
) -> (Receiver<Datagram>, ScopedJoinHandle<'scope, Result<Walked, crate::journal::Error>>) {
    let (sender, queue) = sync_channel(WAITING);
    (queue, scope.spawn(move || read(args, exporters, reader, &sender)))
}

fn read(
    args: &ExportArgs,
    exporters: Option<&Exporters>,
    reader: &Reader,
    out: &SyncSender<Datagram>,
) -> Result<Walked, crate::journal::Error> {
    reader.walk(args.from.ns(), args.to.ns(), |entry, _| {
        let exporter = Ipv6Addr::from(entry.exporter);
        if exporters.is_some_and(|exporters| !exporters.holds(IpAddr::V6(exporter))) {
            return ControlFlow::Continue(());
        }
        let (received_ns, port, path) = (entry.received_ns, entry.port, entry.path);
        let sent = out.send(Datagram { received_ns, exporter, port, path, payload: entry.payload.to_vec() });
        if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}

/// Takes from the queues in the order of receipt.
fn merge(queues: Vec<Receiver<Datagram>>, mut take: impl FnMut(&Datagram) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut heads: Vec<Option<Datagram>> = queues.iter().map(|queue| queue.recv().ok()).collect();
    let earliest = |heads: &[Option<Datagram>]| {
        let times = heads.iter().enumerate().filter_map(|(index, head)| Some((head.as_ref()?.received_ns, index)));
        times.min().map(|(_, index)| index)
    };
    while let Some(index) = earliest(&heads) {
        if let Some(datagram) = &heads[index] {
            take(datagram)?;
        }
        heads[index] = queues[index].recv().ok();
    }
    Ok(())
}

fn write<W: Write>(
    writer: &mut Writer<W>,
    interfaces: &[InterfaceId],
    port: u16,
    datagram: &Datagram,
) -> anyhow::Result<()> {
    let unknown = interfaces.len() - 1;
    let interface = interfaces[usize::from(datagram.path).min(unknown)];
    let destination = match datagram.exporter.to_ipv4_mapped() {
        Some(_) => Ipv4Addr::UNSPECIFIED.to_ipv6_mapped(),
        None => Ipv6Addr::UNSPECIFIED,
    };
    let (from, to) = (endpoint(datagram.exporter, datagram.port), endpoint(destination, port));
    Ok(writer.datagram(interface, datagram.received_ns, from, to, &datagram.payload)?)
}
