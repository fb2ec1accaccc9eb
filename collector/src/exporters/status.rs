//! What is told of an exporter: the JSON of `GET /exporters`, which `collector exporters` reads.

use std::net::{IpAddr, Ipv6Addr};

use netflow::skew::ClockSkew;
use serde::{Deserialize, Serialize};

use super::directory::Directory;
use super::exporter::{Exporter, Followed, Sequence};
use super::identity::Identity;
use super::redefined::Redefined;
use super::routes::lock;
use crate::ledger::minute_of;

/// Redefinitions of templates that are longer ago are over.
const REDEFINED_MS: i64 = 900_000;

/// All exporters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// When this was told, milliseconds since 1970.
    pub now_ms: i64,
    /// Sorted by sender and device.
    pub exporters: Vec<Status>,
    /// Interfaces at which datagrams to our ports only pass by.
    #[serde(default)]
    pub passing_by: Vec<PassingBy>,
}

/// An interface whose XDP program has met datagrams to our ports, and none that is addressed to this machine: most likely a mirror port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassingBy {
    /// Its name.
    pub interface: String,
    /// Of these datagrams, those in frames to another MAC.
    pub other_mac: u64,
    /// Of these datagrams, those to another address.
    pub other_address: u64,
}

impl PassingBy {
    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> String {
        let Self { interface, other_mac, other_address } = self;
        format!(
            "datagrams to the collector's ports pass by {interface} and are left alone: {other_mac} to another MAC, {other_address} to \
             another address, none to this machine"
        )
    }

    /// What to do about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        let Self { interface, .. } = self;
        format!(
            "if {interface} is a mirror (SPAN) port or hangs on a tap: mirror = [\"{interface}\"] under [capture], or --mirror {interface}; \
             if their address counts as this machine's: addresses = [...] there"
        )
    }
}

/// One exporter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Address that its datagrams come from.
    pub exporter: IpAddr,
    /// The device that they are of: what it calls itself, else the same address.
    pub agent: IpAddr,
    /// How often something counted as its own because it speaks for too many devices.
    #[serde(default)]
    pub agents_refused: u64,
    /// When that last happened, milliseconds since 1970.
    #[serde(default)]
    pub last_agents_refused_ms: Option<i64>,
    /// Its name in the configuration; empty where there is none.
    pub name: String,
    /// When its first datagram came, milliseconds since 1970.
    pub first_seen_ms: i64,
    /// When its last datagram came, milliseconds since 1970.
    pub last_seen_ms: i64,
    /// Datagrams since then, those refused left out.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Flow records in them.
    pub flow_records: u64,
    /// Datagrams a second over the last minute.
    pub datagrams_per_second: f64,
    /// Flow records a second over the last minute.
    pub flows_per_second: f64,
    /// Its observation domains.
    pub domains: Vec<Domain>,
    /// Templates and options templates that are known of it.
    pub templates: usize,
    /// Sampling rates in force.
    pub sampling: Vec<Sampling>,
    /// How often its sampling rate changed.
    pub sampling_changes: u64,
    /// Units missing of a thousand sent, by sequence numbers over the last quarter of an hour; none where there are none.
    pub loss_per_mille: Option<f64>,
    /// Restarts of the exporter or of its sequence.
    pub restarts: i64,
    /// Its clock less the collector's, smoothed, milliseconds; of several domains the one that is off most.
    pub clock_skew_ms: Option<i64>,
    /// The template that it redefines again and again.
    pub redefined: Option<RedefinedTemplate>,
    /// Rows of its flows whose octets and packets cannot be.
    pub implausible: u64,
    /// When the last of them was received, milliseconds since 1970.
    pub last_implausible_ms: Option<i64>,
    /// Milliseconds since it started, as it says itself.
    pub uptime_ms: Option<u32>,
    /// Templates that data sets wait for.
    pub waiting: Vec<MissingTemplate>,
    /// Elements of its templates that no table has.
    pub unknown_elements: Vec<Element>,
    /// Datagrams refused because it is in no allowed prefix.
    pub not_allowed: u64,
    /// Datagrams refused because it sent faster than it may.
    pub rate_limited: u64,
    /// When the last datagram was refused, milliseconds since 1970.
    pub last_refused_ms: Option<i64>,
    /// Datagrams that break their protocol.
    pub malformed: u64,
    /// When the last of these came, milliseconds since 1970.
    pub last_malformed_ms: Option<i64>,
    /// What the last of them broke.
    pub last_fault: Option<String>,
    /// Sampled packets whose row is of less than what they carry.
    #[serde(default)]
    pub unopened: u64,
    /// What kept the last one closed.
    #[serde(default)]
    pub last_unopened: Option<String>,
}

/// An observation domain of an exporter in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Domain {
    /// `NetFlow v5`, `IPFIX`, ...
    pub version: String,
    /// Observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// When its last datagram came, milliseconds since 1970.
    pub last_seen_ms: i64,
    /// Its clock less the collector's, smoothed, milliseconds.
    pub clock_skew_ms: Option<i64>,
    /// What is done about a clock that is off: `left` alone, `corrected`, `unsteady`.
    pub clock: String,
    /// What its sequence numbers count, where that is not what the protocol says.
    pub sequence_counts: Option<String>,
}

/// A sampling rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampling {
    /// One packet in this many is looked at.
    pub rate: u64,
    /// `record`, `option`, `header`, `configuration` or `none`.
    pub source: String,
}

/// A template that has not come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingTemplate {
    /// `NetFlow v9` or `IPFIX`.
    pub version: String,
    /// Observation domain or source id.
    pub domain: u32,
    /// Template id.
    pub id: u16,
    /// Since when data sets wait for it, milliseconds since 1970.
    pub since_ms: i64,
    /// When the last of them came, milliseconds since 1970.
    pub last_ms: i64,
    /// Data sets since then.
    pub sets: u64,
}

/// A template that is redefined again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedefinedTemplate {
    /// `NetFlow v9` or `IPFIX`.
    pub version: String,
    /// Observation domain or source id.
    pub domain: u32,
    /// Template id.
    pub id: u16,
    /// How often so far.
    pub times: u64,
    /// When last, milliseconds since 1970.
    pub last_ms: i64,
}

/// An information element.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Private enterprise number; 0 for IANA's.
    pub enterprise: u32,
    /// Its number.
    pub element: u16,
    /// Data records that had it.
    pub records: u64,
}

impl Directory {
    /// What is known of all exporters. What others keep (names, templates, unknown elements) is left empty.
    #[must_use]
    pub fn report(&self, now_ms: i64) -> Report {
        let exporters = self.all().into_iter().filter_map(|(of, entry)| {
            let exporter = entry.lock().clone();
            (exporter.first_ms > 0).then(|| {
                let refused = self.agents().refused(&of.sender).filter(|_| of.sender == of.agent);
                let (agents_refused, last_agents_refused_ms) = refused.map_or((0, None), |(n, ms)| (n, Some(ms)));
                Status { agents_refused, last_agents_refused_ms, ..status(&of, &exporter, now_ms) }
            })
        });
        Report { now_ms, exporters: exporters.collect(), passing_by: Vec::new() }
    }
}

fn status(of: &Identity, exporter: &Exporter, now_ms: i64) -> Status {
    let (loss, restarts) = exporter.losses();
    let (datagrams_per_second, flows_per_second) = exporter.rate.per_second(now_ms);
    Status {
        exporter: Ipv6Addr::from(of.sender).to_canonical(),
        agent: Ipv6Addr::from(of.agent).to_canonical(),
        agents_refused: 0,
        last_agents_refused_ms: None,
        name: String::new(),
        first_seen_ms: exporter.first_ms,
        last_seen_ms: exporter.last_ms,
        datagrams: exporter.datagrams,
        bytes: exporter.bytes,
        flow_records: exporter.flow_records,
        datagrams_per_second,
        flows_per_second,
        domains: exporter.streams.iter().map(domain).collect(),
        templates: 0,
        sampling: sampling(exporter),
        sampling_changes: exporter.sampling.changes,
        loss_per_mille: loss.per_mille(minute_of(now_ms)),
        restarts,
        clock_skew_ms: exporter.streams.iter().filter_map(Followed::skew_ms).max_by_key(|skew_ms| skew_ms.abs()),
        redefined: exporter.redefined.worst(now_ms, REDEFINED_MS).map(redefined),
        implausible: exporter.implausible,
        last_implausible_ms: exporter.last_implausible_ms,
        uptime_ms: exporter.uptime_ms,
        waiting: waiting(exporter),
        unknown_elements: Vec::new(),
        not_allowed: exporter.not_allowed,
        rate_limited: exporter.rate_limited,
        last_refused_ms: exporter.last_refused_ms,
        malformed: exporter.malformed,
        last_malformed_ms: exporter.last_malformed_ms,
        last_fault: exporter.last_fault.map(|fault| fault.label().to_owned()),
        unopened: exporter.unopened,
        last_unopened: exporter.last_unopened.map(|event| event.label().to_owned()),
    }
}

fn domain(followed: &Followed) -> Domain {
    let unit = match &followed.sequence {
        Sequence::None | Sequence::Shared(None) => None,
        Sequence::Own(stream) => Some(stream.unit()),
        Sequence::Shared(Some(line)) => Some(lock(line).unit()),
    };
    Domain {
        version: version_name(followed.version).to_owned(),
        domain: followed.domain,
        last_seen_ms: followed.last_ms,
        clock_skew_ms: followed.skew_ms(),
        clock: clock(followed.clock).to_owned(),
        sequence_counts: unit.and_then(|(unit, is_standard)| (!is_standard).then(|| unit.label().to_owned())),
    }
}

fn clock(skew: ClockSkew) -> &'static str {
    match skew {
        ClockSkew::Small => "left",
        ClockSkew::Steady(_) => "corrected",
        ClockSkew::Unsteady => "unsteady",
    }
}

fn sampling(exporter: &Exporter) -> Vec<Sampling> {
    let in_force = exporter.sampling.in_force().into_iter();
    in_force.map(|sampled| Sampling { rate: sampled.rate, source: sampled.source_label().to_owned() }).collect()
}

fn redefined(one: &Redefined) -> RedefinedTemplate {
    let Redefined { key, times, last_ms, .. } = *one;
    let version = version_name(key.domain.version).to_owned();
    RedefinedTemplate { version, domain: key.domain.domain, id: key.id, times, last_ms }
}

fn waiting(exporter: &Exporter) -> Vec<MissingTemplate> {
    let missing = exporter.waiting.iter().map(|waiting| MissingTemplate {
        version: version_name(waiting.key.domain.version).to_owned(),
        domain: waiting.key.domain.domain,
        id: waiting.key.id,
        since_ms: waiting.since_ms,
        last_ms: waiting.last_ms,
        sets: waiting.sets,
    });
    missing.collect()
}

/// The name of a version, by the number that the decoder gives it.
pub(super) fn version_name(version: u8) -> &'static str {
    match version {
        1 => "NetFlow v1",
        5 => "NetFlow v5",
        7 => "NetFlow v7",
        9 => "NetFlow v9",
        10 => "IPFIX",
        102 => "sFlow v2",
        104 => "sFlow v4",
        105 => "sFlow v5",
        _ => "unknown",
    }
}
