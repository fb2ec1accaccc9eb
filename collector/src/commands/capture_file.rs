//! Capture files named on the command line: opening them, compressed or not, and telling on standard error what of them was not used.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::anyhow;

use crate::pcap::{Datagrams, PcapError, Ports, Skipped, link_name};
use crate::unpack;

/// A capture file or standard input.
pub(super) type Capture = Datagrams<Box<dyn Read>>;

/// The name that means standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// What is done about a capture of a link type that is not read.
const LINK_REMEDY: &str = "capture on an interface of Ethernet, PPP or IP, or with tcpdump -i any";

/// Opens the capture file at `path` (`-` is standard input) for the datagrams to `ports`.
pub(super) fn open(path: &Path, ports: Ports) -> anyhow::Result<Capture> {
    let input = if path.as_os_str() == STANDARD_INPUT {
        unpack::by_magic(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|error| {
            anyhow!("opening capture file {}: {error}: check the path and its permissions", path.display())
        })?;
        unpack::by_magic(BufReader::with_capacity(1 << 20, file))
    };
    let capture = input.map_err(PcapError::from).and_then(|input| Datagrams::new(input, ports));
    capture.map_err(|error| reading(path, &error))
}

/// The error of a capture file that could not be read to its end.
pub(super) fn reading(path: &Path, error: &PcapError) -> anyhow::Error {
    anyhow!("reading capture file {}: {error}", path.display())
}

/// Tells on standard error what was passed over, and whether the file ends too early.
pub(super) fn tell(command: &str, path: &Path, capture: &Capture) {
    for (reason, count) in capture.skipped() {
        let more = match reason {
            Skipped::OtherPort => format!(" ({})", ports_seen(capture)),
            Skipped::NotIp => format!(" ({})", counts(capture.not_ip().iter())),
            Skipped::UnknownLink => format!(" ({}): {LINK_REMEDY}", links(capture)),
            Skipped::CutShort => ": capture again with -s 0, which keeps whole packets".to_owned(),
            Skipped::NotUdp | Skipped::Malformed | Skipped::FragmentOverlap | Skipped::FragmentIncomplete => {
                String::new()
            }
        };
        eprintln!("{command}: passed over: {reason}: {count}{more}", reason = reason.label());
    }
    if capture.truncated() {
        eprintln!(
            "{command}: {} ends in the middle of a packet: the {} packets before it were read",
            path.display(),
            capture.packets()
        );
    }
}

/// Why there is no datagram, and what to do about it: what most packets were passed over for comes first.
pub(super) fn why_none(capture: &Capture) -> String {
    let mut skipped: Vec<(Skipped, u64)> = capture.skipped().collect();
    skipped.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let reasons: Vec<String> = skipped.into_iter().map(|(reason, count)| why(capture, reason, count)).collect();
    match reasons.is_empty() {
        true => "the file holds no packets: capture for longer, or with another filter".to_owned(),
        false => reasons.join("; "),
    }
}

fn why(capture: &Capture, reason: Skipped, count: u64) -> String {
    match reason {
        Skipped::OtherPort => format!("{}: name the exporters' port with --port", ports_seen(capture)),
        Skipped::CutShort => {
            format!("{count} datagrams were cut short by the capture's snap length: capture again with -s 0")
        }
        Skipped::UnknownLink => format!("packets that are not read: {}: {LINK_REMEDY}", links(capture)),
        Skipped::NotIp => format!(
            "packets that hold no IP: {}: capture where the exporters' datagrams pass",
            counts(capture.not_ip().iter())
        ),
        Skipped::NotUdp => {
            format!("packets of IP that are not UDP: {count}: capture the exporters' datagrams, which are UDP")
        }
        Skipped::Malformed => format!("packets whose lengths cannot be: {count}: capture them again"),
        Skipped::FragmentOverlap => format!("fragments that contradict each other: {count}: capture them again"),
        Skipped::FragmentIncomplete => format!(
            "fragments without the rest of their datagram: {count}: capture without a filter on ports, which later fragments do not have"
        ),
    }
}

/// Link types that are not read, by number and name.
fn links(capture: &Capture) -> String {
    let named = capture.unread_links().iter().map(|(link, count)| {
        (
            link_name(*link).map_or_else(|| format!("link type {link}"), |name| format!("link type {link}, {name}")),
            count,
        )
    });
    counts(named)
}

/// Names with their numbers, the most frequent first.
fn counts<'a, N: Display>(counted: impl Iterator<Item = (N, &'a u64)>) -> String {
    const SHOWN: usize = 8;
    let mut counted: Vec<(N, &u64)> = counted.collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let more = counted.len().saturating_sub(SHOWN);
    let shown: Vec<String> = counted.iter().take(SHOWN).map(|(name, count)| format!("{name}: {count}")).collect();
    if more > 0 { format!("{}, and {more} others", shown.join(", ")) } else { shown.join(", ") }
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
