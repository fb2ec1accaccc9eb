//! One exporter: what it sends, how its sequences go, what its data sets wait for.

use netflow::columns::Address;
use netflow::skew::{ClockSkew, TOLERANCE_MS};
use netflow::store::TemplateKey;
use netflow::{Event, Message, Outcome};

use super::away::{Away, Missed};
use super::identity::Identity;
use super::line::{Note, SourceKey, cell};
use super::news::Told;
use super::rate::{Loss, Rate};
use super::redefined::AllRedefined;
use super::routes::{Routes, Shared, SubAgent, lock};
use super::sampling::Rates;
use super::sequence::{self, Change, Place, Stream};
use super::unit::Unit;
use crate::front_door::Refusal;
use crate::ledger::minute_of;

/// Streams of datagrams that are followed for one exporter: one for each version and observation domain.
const STREAMS_MAX: usize = 64;
/// Missing templates that are named for one exporter.
const WAITING_MAX: usize = 16;
/// After so long without a data set of a template nobody waits for it any more.
const WAITING_MS: i64 = 3_600_000;
/// How much a datagram's clock skew counts: one part in this many.
const SKEW_WEIGHT: f64 = 16.0;
/// Export times in whole seconds are on average this much too early.
const HALF_SECOND_MS: i64 = 500;

/// A template that data sets wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Which.
    pub(super) key: TemplateKey,
    /// When the first of them came, milliseconds since 1970.
    pub(super) since_ms: i64,
    /// When the last of them came.
    pub(super) last_ms: i64,
    /// Data sets since then.
    pub(super) sets: u64,
}

/// A sample of sFlow, as far as its sequence goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SampleHeard {
    pub(super) source: SourceKey,
    pub(super) sequence: u32,
    /// Samples that the exporter lost itself, a total.
    pub(super) drops: Option<u32>,
}

/// A stream of datagrams.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) version: u8,
    pub(super) domain: u32,
    pub(super) sequence: Sequence,
    pub(super) last_ms: i64,
    /// What is done about its clock.
    pub(super) clock: ClockSkew,
    /// Its clock less the collector's, smoothed, milliseconds.
    skew_ms: Option<f64>,
}

/// The sequence numbers of a stream.
#[derive(Debug, Clone)]
pub(super) enum Sequence {
    /// There are none.
    None,
    /// Those of an observation domain.
    Own(Stream),
    /// Those of a sub-agent, which others may carry datagrams of too; nothing before its first datagram is taken.
    Shared(Option<Shared>),
}

/// A datagram and what came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Datagram<'a> {
    pub(super) of: Identity,
    pub(super) bytes: usize,
    pub(super) received_ms: i64,
    pub(super) outcome: &'a Outcome,
    /// Its samples, of sFlow.
    pub(super) samples: &'a [SampleHeard],
}

/// What is known of an exporter.
#[derive(Debug, Clone, Default)]
pub(super) struct Exporter {
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    pub(super) flow_records: u64,
    pub(super) malformed: u64,
    pub(super) last_malformed_ms: Option<i64>,
    pub(super) last_fault: Option<Event>,
    /// Sampled packets whose row is of less than what they carry.
    pub(super) unopened: u64,
    pub(super) last_unopened: Option<Event>,
    pub(super) not_allowed: u64,
    pub(super) rate_limited: u64,
    pub(super) last_refused_ms: Option<i64>,
    pub(super) rate: Rate,
    loss: Loss,
    restarts: i64,
    pub(super) redefined: AllRedefined,
    pub(super) implausible: u64,
    pub(super) last_implausible_ms: Option<i64>,
    pub(super) uptime_ms: Option<u32>,
    pub(super) streams: Vec<Followed>,
    /// Datagrams of streams beyond the bound, whose sequences nobody follows.
    pub(super) unfollowed: u64,
    pub(super) sampling: Rates,
    pub(super) waiting: Vec<Waiting>,
    /// What the log said of it.
    pub(super) told: Told,
}

impl Exporter {
    /// Takes one datagram; `note` takes what its sequence tells.
    pub(super) fn heard(&mut self, datagram: &Datagram<'_>, routes: &Routes, note: Note<'_>) {
        let Datagram { bytes, received_ms, outcome, .. } = *datagram;
        self.seen(received_ms);
        self.datagrams += 1;
        self.bytes += bytes as u64;
        self.flow_records += u64::from(outcome.flow_records);
        self.rate.add(received_ms, 1, u64::from(outcome.flow_records));
        if let Some(fault) = outcome.fault {
            self.malformed += 1;
            self.last_malformed_ms = Some(received_ms);
            self.last_fault = Some(fault);
        }
        let (unopened, last_unopened) = outcome.unopened;
        if unopened > 0 {
            self.unopened += u64::from(unopened);
            self.last_unopened = last_unopened;
        }
        let Some(message) = outcome.message else { return };
        self.uptime_ms = message.uptime_ms.or(self.uptime_ms);
        let Self { streams, loss, restarts, unfollowed, .. } = self;
        let Some(followed) = stream(streams, message.version, message.domain) else {
            *unfollowed += 1;
            return;
        };
        followed.last_ms = received_ms;
        followed.clock = message.skew;
        if let Some(export_ms) = message.export_ms {
            followed.measure_clock(export_ms, received_ms);
        }
        let heard = heard_of(&message, outcome, received_ms);
        match &mut followed.sequence {
            Sequence::None => {}
            Sequence::Own(stream) => follow(stream, &datagram.of.sender, &heard, (loss, restarts), note),
            Sequence::Shared(line) => follow_shared(line, datagram, &message, &heard, routes, note),
        }
    }

    /// Takes a datagram that was heard before the last end: its sequence goes on, and nothing is counted.
    pub(super) fn replayed(&mut self, datagram: &Datagram<'_>, routes: &Routes, since_ms: i64) {
        let Datagram { received_ms, outcome, .. } = *datagram;
        self.rate.add(received_ms, 1, u64::from(outcome.flow_records));
        let (datagrams, records) = self.rate.per_second(received_ms);
        let Some(message) = outcome.message else { return };
        let Some(followed) = stream(&mut self.streams, message.version, message.domain) else { return };
        followed.last_ms = received_ms;
        let heard = heard_of(&message, outcome, received_ms);
        let away = Away { from_ms: received_ms, until_ms: since_ms, per_second: datagrams + records };
        match &mut followed.sequence {
            Sequence::None => {}
            Sequence::Own(stream) => {
                stream.take(&heard, Place::default(), &mut |_, _, _| ());
                stream.pause(away);
            }
            Sequence::Shared(line) => {
                follow_shared(line, datagram, &message, &heard, routes, &mut |_, _, _, _| ());
                line.iter().for_each(|line| lock(line).forget_losses(away));
            }
        }
    }

    /// The stream of a version and domain, made where there is none.
    pub(super) fn stream(&mut self, version: u8, domain: u32) -> Option<&mut Followed> {
        stream(&mut self.streams, version, domain)
    }

    /// What was sent while nothing was received, each told once.
    pub(super) fn take_missed(&mut self, now_ms: i64) -> Vec<(Missed, Unit)> {
        let missed = self.streams.iter_mut().filter_map(|followed| match &mut followed.sequence {
            Sequence::None | Sequence::Shared(None) => None,
            Sequence::Own(stream) => stream.take_missed(now_ms),
            Sequence::Shared(Some(line)) => lock(line).take_missed(now_ms),
        });
        missed.collect()
    }

    /// Takes rows that a record tells to be of this device, in datagrams of another.
    pub(super) fn relayed(&mut self, version: u8, domain: u32, rows: u64, received_ms: i64) {
        self.seen(received_ms);
        self.flow_records += rows;
        self.rate.add(received_ms, 0, rows);
        if let Some(followed) = stream(&mut self.streams, version, domain) {
            followed.last_ms = received_ms;
        }
    }

    fn seen(&mut self, now_ms: i64) {
        if self.first_ms == 0 {
            self.first_ms = now_ms;
        }
        self.last_ms = self.last_ms.max(now_ms);
    }

    /// What came and what did not, and how often a sequence began anew, by all its sequence numbers.
    pub(super) fn losses(&self) -> (Loss, i64) {
        let mut all = (self.loss, self.restarts);
        for followed in &self.streams {
            if let Sequence::Shared(Some(line)) = &followed.sequence {
                let line = lock(line);
                all.0.merge(&line.loss);
                all.1 += line.restarts;
            }
        }
        all
    }

    pub(super) fn refused(&mut self, refusal: Refusal, count: u64, now_ms: i64) {
        match refusal {
            Refusal::NotAllowed => self.not_allowed += count,
            Refusal::RateLimited => self.rate_limited += count,
        }
        self.last_refused_ms = Some(now_ms);
        self.seen(now_ms);
    }

    pub(super) fn implausible(&mut self, rows: u64, received_ms: i64) {
        self.implausible += rows;
        self.last_implausible_ms = Some(received_ms);
    }

    /// A data set waits for a template, or was given up for want of it.
    pub(super) fn wait(&mut self, key: TemplateKey, now_ms: i64) {
        if let Some(waiting) = self.waiting.iter_mut().find(|waiting| waiting.key == key) {
            waiting.sets += 1;
            waiting.last_ms = now_ms;
            return;
        }
        // The exporter may have given up a template that never came: it no longer sends sets of it.
        self.waiting.retain(|waiting| now_ms - waiting.last_ms < WAITING_MS);
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push(Waiting { key, since_ms: now_ms, last_ms: now_ms, sets: 1 });
        }
    }

    /// A template came.
    pub(super) fn learned(&mut self, key: &TemplateKey) {
        self.waiting.retain(|waiting| waiting.key != *key);
    }
}

impl Followed {
    /// Its clock less the collector's, milliseconds.
    pub(super) fn skew_ms(&self) -> Option<i64> {
        self.skew_ms.map(|skew_ms| skew_ms as i64)
    }

    /// A clock that jumps is measured anew.
    fn measure_clock(&mut self, export_ms: i64, received_ms: i64) {
        let whole_seconds = if matches!(self.version, 9 | 10) { HALF_SECOND_MS } else { 0 };
        let skew_ms = (export_ms + whole_seconds - received_ms) as f64;
        let smoothed = self.skew_ms.get_or_insert(skew_ms);
        if (skew_ms - *smoothed).abs() > TOLERANCE_MS as f64 {
            *smoothed = skew_ms;
        }
        *smoothed += (skew_ms - *smoothed) / SKEW_WEIGHT;
    }
}

fn heard_of(message: &Message, outcome: &Outcome, received_ms: i64) -> sequence::Heard {
    sequence::Heard {
        sequence: message.sequence,
        records: outcome.records,
        flow_records: outcome.flow_records,
        is_complete: outcome.is_complete,
        export_ms: message.export_ms,
        uptime_ms: message.uptime_ms,
        received_ms,
    }
}

/// Follows a datagram in its sender's own sequence.
fn follow(
    stream: &mut Stream,
    sender: &Address,
    heard: &sequence::Heard,
    (loss, restarts): (&mut Loss, &mut i64),
    note: Note<'_>,
) {
    let now = Place { minute: minute_of(heard.received_ms), by: 0 };
    let units = stream.take(heard, now, &mut |place, change, count| {
        match change {
            Change::Missing(_) => loss.add(place.minute, 0, count),
            Change::Restart => *restarts += count,
            Change::Down(_) | Change::Reordered | Change::Duplicate => {}
        }
        note(*sender, place.minute, cell(change), count);
    });
    loss.add(now.minute, i64::from(units), 0);
}

/// Follows a datagram, and its samples, in the sequence of its sub-agent.
fn follow_shared(
    line: &mut Option<Shared>,
    datagram: &Datagram<'_>,
    message: &Message,
    heard: &sequence::Heard,
    routes: &Routes,
    note: Note<'_>,
) {
    let Identity { sender, agent } = datagram.of;
    let sub_agent = SubAgent { agent, version: message.version, number: message.domain };
    let found = routes.line(&sub_agent, &sender, heard, line.as_ref(), note);
    let mut followed = lock(&found);
    followed.take(&sender, heard, note);
    for sample in datagram.samples {
        followed.sampled(&sender, sample, datagram.received_ms, note);
    }
    drop(followed);
    *line = Some(found);
}

/// The stream of a version and domain, made where there is none; nothing where there are too many.
fn stream(streams: &mut Vec<Followed>, version: u8, domain: u32) -> Option<&mut Followed> {
    let found = streams.iter().position(|one| one.version == version && one.domain == domain);
    if let Some(index) = found {
        return streams.get_mut(index);
    }
    if streams.len() >= STREAMS_MAX {
        return None;
    }
    let sequence = match Unit::of_version(version) {
        None => Sequence::None,
        Some(_) if is_of_sub_agents(version) => Sequence::Shared(None),
        Some(unit) => Sequence::Own(Stream::new(unit)),
    };
    streams.push(Followed { version, domain, sequence, last_ms: 0, clock: ClockSkew::Small, skew_ms: None });
    streams.last_mut()
}

/// Whether a version is one of sFlow, whose datagrams tell whose they are.
fn is_of_sub_agents(version: u8) -> bool {
    version > 100
}
