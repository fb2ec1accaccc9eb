//! `perf send`: the model of an exporter, or of many, on the wire or into a capture; told exactly what it was.
//!
//! Two ways to make datagrams: afresh, each with flows of its own and perhaps with faults, or some that are kept in memory and
//! sent again and again.

/// Datagrams of their own.
mod afresh;
/// The command line.
mod arguments;
/// Datagrams in memory.
mod preloaded;

use std::net::IpAddr;

use anyhow::Result;
use perf::device::DEVICES;
use perf::envelope::Envelope;
use perf::{Account, Exporter, Settings};
use serde_json::{Value, json};

pub(crate) use arguments::{Arguments, seconds};

use crate::output::Output;
use crate::pace::{Pace, Schedule, now_ms};
use crate::sent::Sent;
use crate::transmit::Transmitter;

/// Above this an exporter is told of by itself on request alone.
const MOST_TOLD: usize = 100;

/// Sends the load, and prints what it was.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("{}", send(arguments)?);
    Ok(())
}

/// What was sent, phase by phase and exporter by exporter.
struct Told {
    templates_first: Option<Sent>,
    sent: Sent,
    exporters: Vec<Value>,
}

/// Sends the load and gives what it was.
pub(crate) fn send(arguments: &Arguments) -> Result<Value> {
    arguments.check()?;
    arguments.transmit.pin()?;
    let (transmitter, envelopes) = open(arguments)?;
    let start_ms = now_ms();
    let exporters: Vec<Exporter> = (0_usize..)
        .zip(&envelopes)
        .map(|(number, envelope)| arguments.exporter(number, envelope.source.ip(), start_ms))
        .collect();
    let output = Output::new(transmitter, arguments.write.as_deref())?;
    let is_told = arguments.each || exporters.len() <= MOST_TOLD;
    let told = match arguments.preload {
        Some(datagrams) => preloaded::send(arguments, exporters, &envelopes, datagrams as usize, output, is_told)?,
        None => afresh::send(arguments, exporters, &envelopes, output, is_told)?,
    };
    let sent = told.sent.told();
    let mut document = json!({ "to": arguments.transmit.to.to_string(), "seconds": sent["seconds"], "sent": sent });
    if let Some(first) = told.templates_first {
        document["templates_first"] = first.told();
    }
    if is_told {
        document["exporters"] = told.exporters.into();
    }
    Ok(document)
}

fn open(arguments: &Arguments) -> Result<(Transmitter, Vec<Envelope>)> {
    let addresses = match arguments.from {
        Some(prefix) => {
            Some((0..arguments.exporters).map(|number| prefix.address(number)).collect::<Result<Vec<IpAddr>>>()?)
        }
        None => None,
    };
    if arguments.no_send {
        return Ok((Transmitter::Nowhere, arguments.transmit.envelopes(addresses.as_deref().unwrap_or_default())));
    }
    arguments.transmit.open(addresses.as_deref())
}

/// A schedule of what is left to be sent.
fn pace(arguments: &Arguments) -> Pace {
    Pace::new(Schedule::of_rate(arguments.rate), arguments.seconds, arguments.no_send)
}

/// What an exporter sent, and of it what was refused.
fn told(settings: &Settings, account: &Account, refused: &Refused) -> Value {
    let name = DEVICES.iter().find(|(_, device)| *device == settings.device).map_or("", |(name, _)| name);
    let Account {
        exported,
        exported_flows,
        exported_options,
        lost,
        lost_flows,
        lost_counts,
        duplicates,
        duplicate_flows,
        reordered,
        delivered,
        delivered_flows,
        delivered_bytes,
        delivered_templates,
        restarts,
    } = *account;
    json!({
        "address": settings.address.to_string(), "domain": settings.domain, "device": name,
        "exported": exported, "exported_flows": exported_flows, "exported_options": exported_options,
        "lost": lost, "lost_flows": lost_flows, "lost_counts": lost_counts,
        "duplicates": duplicates, "duplicate_flows": duplicate_flows, "reordered": reordered,
        "delivered": delivered - refused.datagrams, "delivered_flows": delivered_flows - refused.flows,
        "delivered_bytes": delivered_bytes - refused.bytes,
        "delivered_templates": delivered_templates - refused.templates, "restarts": restarts,
        "refused": refused.datagrams, "refused_flows": refused.flows,
    })
}

/// What the kernel did not take of an exporter's datagrams.
#[derive(Debug, Clone, Copy, Default)]
struct Refused {
    datagrams: u64,
    flows: u64,
    bytes: u64,
    templates: u64,
}

impl Refused {
    fn add(&mut self, flows: u64, bytes: usize, has_templates: bool) {
        self.datagrams += 1;
        self.flows += flows;
        self.bytes += bytes as u64;
        self.templates += u64::from(has_templates);
    }
}

#[cfg(test)]
mod tests;
