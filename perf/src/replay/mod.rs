//! `perf replay`: the datagrams of a capture once more, byte for byte, at their own pace or another.
//!
//! Payloads are not touched: sequence numbers and times are those of the capture, also when it is sent again and again.

/// The datagrams of a capture.
mod recording;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use recording::{Datagram, Recording};

use crate::output::Output;
use crate::pace::{Pace, Schedule};
use crate::prefix::Prefix;
use crate::transmit::{self, BATCH, Frame, Transmitter, Via};

/// Where collectors listen: NetFlow, IPFIX, sFlow, NetFlow by another custom.
const FLOW_PORTS: [u16; 4] = [2055, 4739, 6343, 9995];

/// What `perf replay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A pcap or pcapng file: Ethernet (also tagged), Linux cooked, raw IP. Fragments are left out, and told.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    transmit: transmit::Arguments,
    /// Replay what was sent to these ports [default: 2055, 4739, 6343, 9995]; 0 for all.
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    port: Vec<u16>,
    /// The pace: `original`, `x2` for twice as fast (any number), or `flat` for as fast as the kernel takes it.
    #[arg(long, value_name = "PACE", default_value = "original", value_parser = Speed::parse, conflicts_with = "rate")]
    speed: Speed,
    /// Datagrams a second instead, evenly; 0 is as fast as it goes.
    #[arg(long, value_name = "N")]
    rate: Option<u64>,
    /// How often.
    #[arg(long = "loop", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    loops: u64,
    /// Ends after so many seconds, wherever it is then.
    #[arg(long, value_name = "S", value_parser = crate::send::seconds)]
    seconds: Option<Duration>,
    /// New addresses for the sources of the capture, one after the other in the order in which they appear. Without it raw frames
    /// keep theirs, and over udp all come from this machine's address, a port for each.
    #[arg(long, value_name = "ADDRESS/LENGTH", value_parser = Prefix::parse)]
    from: Option<Prefix>,
    /// Write what is sent into a pcap file too.
    #[arg(long, value_name = "FILE.pcap")]
    write: Option<PathBuf>,
    /// Send nothing, only write, with the times at which it would be sent.
    #[arg(long, requires = "write")]
    no_send: bool,
}

/// How fast the capture's own pace goes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Speed {
    /// So many times as fast.
    Times(f64),
    Flat,
}

/// Sends a capture, and prints what went out.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("{}", replay(arguments)?);
    Ok(())
}

fn replay(arguments: &Arguments) -> Result<Value> {
    let name = arguments.file.display();
    let file = std::fs::read(&arguments.file).with_context(|| format!("cannot read {name}"))?;
    let ports = if arguments.port.is_empty() { &FLOW_PORTS[..] } else { &arguments.port };
    let recording = Recording::read(&file, ports).with_context(|| format!("cannot replay {name}"))?;
    if recording.datagrams.is_empty() {
        bail!("{name} has no datagram to port {ports:?}: choose others with --port");
    }
    arguments.transmit.pin()?;
    let (transmitter, envelopes) = open(arguments, &recording.sources)?;
    let frames: Vec<Vec<u8>> =
        recording.datagrams.iter().map(|datagram| envelopes[datagram.source].frame(datagram.payload)).collect();
    let frames: Vec<Frame<'_>> = recording
        .datagrams
        .iter()
        .zip(&frames)
        .map(|(Datagram { source, .. }, bytes)| Frame {
            bytes,
            payload_at: envelopes[*source].length(),
            source: *source,
        })
        .collect();
    let mut output = Output::new(transmitter, arguments.write.as_deref())?;
    output.begin();
    let mut pace = Pace::new(arguments.schedule(&recording), arguments.seconds, arguments.no_send);
    let mut left = arguments.loops.saturating_mul(frames.len() as u64);
    let mut at = 0;
    loop {
        let rest = &frames[at..];
        let due = pace.due(left.min(BATCH as u64).min(rest.len() as u64));
        if due == 0 {
            break;
        }
        left -= due;
        output.send(&pace, &rest[..due as usize], &[0; BATCH])?;
        at = (at + due as usize) % frames.len();
    }
    let mut sent = output.finish()?.told();
    // Who does not decode cannot tell how many there are.
    sent["flows"] = Value::Null;
    Ok(json!({
        "to": arguments.transmit.to.to_string(), "seconds": sent["seconds"], "sent": sent,
        "capture": { "datagrams": frames.len(), "sources": recording.sources.len(), "left_out": recording.left_out },
    }))
}

fn open(arguments: &Arguments, sources: &[IpAddr]) -> Result<(Transmitter, Vec<perf::envelope::Envelope>)> {
    let rewritten = match arguments.from {
        Some(prefix) => {
            let addresses: Result<Vec<IpAddr>> = (0..).take(sources.len()).map(|at| prefix.address(at)).collect();
            Some(addresses?)
        }
        None => None,
    };
    let is_raw = arguments.no_send || arguments.transmit.via != Via::Udp;
    let any = if arguments.transmit.to.is_ipv4() {
        IpAddr::from(std::net::Ipv4Addr::UNSPECIFIED)
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let addresses = match (rewritten, is_raw) {
        (Some(addresses), _) => addresses,
        (None, true) => sources.to_vec(),
        (None, false) => vec![any; sources.len()],
    };
    if let Some(other) = addresses.iter().find(|address| address.is_ipv4() != arguments.transmit.to.is_ipv4()) {
        let to = arguments.transmit.to;
        bail!("{other} of the capture cannot send to {to}, of the other IP version: give other sources with --from");
    }
    if arguments.no_send {
        return Ok((Transmitter::Nowhere, arguments.transmit.envelopes(&addresses)));
    }
    arguments.transmit.open(Some(&addresses))
}

impl Arguments {
    fn schedule(&self, recording: &Recording<'_>) -> Schedule {
        match (self.rate, self.speed) {
            (Some(rate), _) => Schedule::of_rate(rate),
            (None, Speed::Flat) => Schedule::Flat,
            (None, Speed::Times(times)) => {
                let moments: Vec<Duration> =
                    recording.datagrams.iter().map(|datagram| datagram.after.div_f64(times)).collect();
                let last = moments.last().copied().unwrap_or_default();
                // Before it begins anew as long as it is between two on average.
                let gap = last / u32::try_from(moments.len().saturating_sub(1).max(1)).unwrap_or(u32::MAX);
                Schedule::Moments { moments, span: last + gap.max(Duration::from_micros(1)) }
            }
        }
    }
}

impl Speed {
    fn parse(text: &str) -> Result<Self, String> {
        let refused = || "write original, flat, or how many times as fast, as in x10".to_owned();
        match text {
            "original" => Ok(Self::Times(1.0)),
            "flat" => Ok(Self::Flat),
            _ => {
                let times: f64 = text.strip_prefix('x').and_then(|times| times.parse().ok()).ok_or_else(refused)?;
                if (1e-6..=1e9).contains(&times) { Ok(Self::Times(times)) } else { Err(refused()) }
            }
        }
    }
}

#[cfg(test)]
mod tests;
