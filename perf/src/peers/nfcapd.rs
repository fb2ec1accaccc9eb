//! nfdump's collector, and its files read back.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;

use super::account::Account;
use super::contender::{Amount, Place, Running, Stored};
use super::floor::Listener;
use super::load::Sent;
use crate::rig::{Child, Pair, Scratch};

const PORT: u16 = 9995;

/// How its files are compressed; its manual advises against bz2 while collecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// `-y`: "fast and efficient".
    Lz4,
    /// `-z`: "fastest compression".
    Lzo,
}

struct Started<'p> {
    listener: Listener<'p>,
    directory: Scratch,
}

/// What it says of a file when it closes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Closing {
    flows: u64,
    sequence_errors: u64,
    bad_packets: u64,
}

impl Compression {
    pub(super) const fn suffix(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Lz4 => "-lz4",
            Self::Lzo => "-lzo",
        }
    }

    pub(super) fn stores(self) -> String {
        let how = match self {
            Self::None => "not compressed",
            Self::Lz4 => "LZ4 (-y)",
            Self::Lzo => "LZO (-z)",
        };
        format!(
            "nfdump's files on tmpfs, {how}: every flow record with addresses, ports, protocol, flags, TOS, times, counters, \
             interfaces, prefix lengths, next hop, VLANs, MAC addresses and exporter, 170 bytes each before compression. \
             No GeoIP, no rollups. -B as large as the others' buffers, all else by default. Read back by nfdump."
        )
    }

    const fn option(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Lz4 => Some("-y"),
            Self::Lzo => Some("-z"),
        }
    }
}

pub(super) fn start<'p>(
    compression: Compression,
    place: &'p Place,
    account: &'p Account,
) -> Result<Box<dyn Running + 'p>> {
    let directory = Scratch::new(Some(&place.directory))?;
    let mut command = account.command(&place.pair.receiver, "nfcapd");
    command.arg("-w").arg(directory.path()).args(["-b", Pair::RECEIVER, "-C", "none"]);
    command.args(["-p", &PORT.to_string(), "-B", &place.buffer_bytes.to_string()]).args(compression.option());
    let child = Child::spawn("nfcapd", command, Some(place.core))?;
    let listener = Listener::new(child, PORT, place, account)?;
    Ok(Box::new(Started { listener, directory }))
}

impl Running for Started<'_> {
    fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    fn settle(&mut self, _sent: Sent) -> Result<()> {
        self.listener.settle()
    }

    fn stop(self: Box<Self>) -> Result<Stored> {
        let socket_drops = self.listener.drops()?;
        let log = self.listener.end(Signal::SIGTERM)?;
        let closing = parse_log(&log);
        let flows = read_back(self.directory.path())?;
        let counters = json!({
            "flows": closing.flows, "sequence_errors": closing.sequence_errors, "bad_packets": closing.bad_packets,
            "flows_read_back": flows, "file_bytes": bytes_under(self.directory.path())?,
        });
        Ok(Stored { what: Amount::Flows(flows), socket_drops, counters })
    }
}

/// Reads every record of its files, and returns how many there are.
fn read_back(directory: &Path) -> Result<u64> {
    let mut command = Command::new("nfdump");
    command.arg("-R").arg(directory).args(["-A", "proto", "-o", "csv"]);
    let output = command.output().context("cannot run nfdump")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "nfdump cannot read {}: {}", directory.display(), said.trim());
    let text = String::from_utf8_lossy(&output.stdout);
    summed_flows(&text).with_context(|| format!("nfdump printed no summary, but: {text}"))
}

/// The flows of the summary that ends what `nfdump -o csv` prints: a line of names and a line of numbers.
fn summed_flows(text: &str) -> Option<u64> {
    let mut lines = text.lines().skip_while(|line| *line != "Summary").skip(1);
    let (names, values) = (lines.next()?, lines.next()?);
    let (_, flows) = names.split(',').zip(values.split(',')).find(|(name, _)| *name == "flows")?;
    flows.parse().ok()
}

/// What it logged when it closed its files, all of them together.
fn parse_log(log: &str) -> Closing {
    let mut sum = Closing::default();
    for line in log.lines().filter(|line| line.starts_with("Ident:")) {
        let number = |name: &str| {
            let (_, after) = line.split_once(&format!("{name}: "))?;
            after.split(',').next()?.trim().parse::<u64>().ok()
        };
        sum.flows += number("Flows").unwrap_or(0);
        sum.sequence_errors += number("Sequence Errors").unwrap_or(0);
        sum.bad_packets += number("Bad Packets").unwrap_or(0);
    }
    sum
}

fn bytes_under(directory: &Path) -> Result<u64> {
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    Ok(entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|metadata| metadata.len()).sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_are_read() {
        let check = |text: &str, expected| assert_eq!(summed_flows(text), expected, "{text}");
        check(
            "ts,te,td,sa\n2026-11-23 07:43:07,2026-11-23 07:44:52,105.408,::\nSummary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n\
             120000,69981243,233527,310405,129,299\n",
            Some(120_000),
        );
        check("ts,te\nSummary\nbytes,flows\n5,7\n", Some(7));
        check("No matching flows\n", None);
        check("Summary\nflows,bytes\n", None);
    }

    #[test]
    fn the_end_of_a_log_is_read() {
        let log = "Startup nfcapd.\nProcess_v9: New v9 exporter: SysID: 1, Domain: 1, IP: 127.0.0.1\n\n\
            Ident: 'none' Flows: 120000, Packets: 233527, Bytes: 69981243, Sequence Errors: 3, Bad Packets: 1\n\
            Ident: 'none' Flows: 5, Packets: 5, Bytes: 5, Sequence Errors: 0, Bad Packets: 0\nTerminating nfcapd.\n";
        assert_eq!(parse_log(log), Closing { flows: 120_005, sequence_errors: 3, bad_packets: 1 });
        assert_eq!(parse_log("Terminating nfcapd.\n"), Closing::default());
    }
}
