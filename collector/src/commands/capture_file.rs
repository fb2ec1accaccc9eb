//! Capture files named on the command line: opening them, and telling on standard error what of them was not used.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::anyhow;

use crate::pcap::{Datagrams, PcapError, Ports, Skipped};

/// A capture file or standard input.
pub(super) type Capture = Datagrams<Box<dyn Read>>;

/// The name that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// Opens the capture file at `path` (`-` is standard input) for the datagrams to `ports`.
pub(super) fn open(path: &Path, ports: Ports) -> anyhow::Result<Capture> {
    let input: Box<dyn Read> = if path.as_os_str() == STANDARD_INPUT {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| {
            anyhow!("opening capture file {}: {error}: check the path and its permissions", path.display())
        })?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    Datagrams::new(input, ports).map_err(|error| reading(path, &error))
}

/// The error of a capture file that could not be read to its end.
pub(super) fn reading(path: &Path, error: &PcapError) -> anyhow::Error {
    anyhow!("reading capture file {}: {error}", path.display())
}

/// Tells on standard error what was passed over, and whether the file ends too early.
pub(super) fn tell(command: &str, path: &Path, capture: &Capture) {
    for (reason, count) in capture.skipped() {
        let ports = if reason == Skipped::OtherPort { format!(" ({})", ports_seen(capture)) } else { String::new() };
        eprintln!("{command}: passed over: {reason}: {count}{ports}", reason = reason.label());
    }
    if capture.truncated() {
        eprintln!(
            "{command}: {} ends in the middle of a packet: the {} packets before it were read",
            path.display(),
            capture.packets()
        );
    }
}

/// The destination ports that the file holds, the most frequent first.
pub(super) fn ports_seen(capture: &Capture) -> String {
    const SHOWN: usize = 8;
    let mut ports: Vec<(u16, u64)> = capture.seen_ports().iter().map(|(port, count)| (*port, *count)).collect();
    if ports.is_empty() {
        return "the file holds no UDP datagrams".to_owned();
    }
    ports.sort_by_key(|(port, count)| (std::cmp::Reverse(*count), *port));
    let shown: Vec<String> = ports.iter().take(SHOWN).map(|(port, count)| format!("{port}: {count}")).collect();
    let more = if ports.len() > SHOWN { format!(", and {} other ports", ports.len() - SHOWN) } else { String::new() };
    format!("UDP datagrams by port: {}{more}", shown.join(", "))
}
