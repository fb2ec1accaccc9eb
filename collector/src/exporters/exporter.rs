//! One exporter: what it sends, how its sequences go, what its data sets wait for.

use std::collections::HashMap;

use netflow::skew::{ClockSkew, TOLERANCE_MS};
use netflow::store::TemplateKey;
use netflow::{Event, Outcome};

use super::news::Told;
use super::rate::{Loss, Rate};
use super::sampling::Rates;
use super::sequence::{self, Change, Stream};
use super::unit::Unit;
use crate::front_door::Refusal;
use crate::ledger::{Cell, minute_of};

/// Streams of datagrams that are followed for one exporter: one for each version and observation domain.
const STREAMS_MAX: usize = 64;
/// sFlow data sources that are followed for one exporter.
const SOURCES_MAX: usize = 256;
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
    /// Sub-agent, kind of sample, type and index of the data source.
    pub(super) source: (u32, u8, u32, u32),
    pub(super) sequence: u32,
    /// Samples that the exporter lost itself, a total.
    pub(super) drops: Option<u32>,
}

/// A stream of datagrams.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    pub(super) version: u8,
    pub(super) domain: u32,
    pub(super) stream: Option<Stream>,
    pub(super) last_ms: i64,
    /// What is done about its clock.
    pub(super) clock: ClockSkew,
    /// Its clock less the collector's, smoothed, milliseconds.
    skew_ms: Option<f64>,
}

#[derive(Debug, Clone)]
struct Source {
    stream: Stream,
    drops: Option<u32>,
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
    pub(super) loss: Loss,
    pub(super) restarts: i64,
    pub(super) uptime_ms: Option<u32>,
    pub(super) streams: Vec<Followed>,
    /// Datagrams of streams beyond the bound, whose sequences nobody follows.
    pub(super) unfollowed: u64,
    sources: HashMap<(u32, u8, u32, u32), Source, foldhash::fast::RandomState>,
    pub(super) sampling: Rates,
    pub(super) waiting: Vec<Waiting>,
    /// What the log said of it.
    pub(super) told: Told,
}

impl Exporter {
    /// Takes one datagram; `book` takes what its sequence tells: minute, cell, count.
    pub(super) fn heard(
        &mut self,
        bytes: usize,
        received_ms: i64,
        outcome: &Outcome,
        book: &mut impl FnMut(u32, Cell, i64),
    ) {
        if self.first_ms == 0 {
            self.first_ms = received_ms;
        }
        self.last_ms = self.last_ms.max(received_ms);
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
        let Some(followed) = self.stream(message.version, message.domain) else {
            self.unfollowed += 1;
            return;
        };
        followed.last_ms = received_ms;
        followed.clock = message.skew;
        if let Some(export_ms) = message.export_ms {
            followed.measure_clock(export_ms, received_ms);
        }
        let heard = sequence::Heard {
            sequence: message.sequence,
            records: outcome.records,
            flow_records: outcome.flow_records,
            is_complete: outcome.is_complete,
            export_ms: message.export_ms,
            uptime_ms: message.uptime_ms,
            received_ms,
        };
        self.follow(message.version, message.domain, &heard, book);
    }

    fn follow(&mut self, version: u8, domain: u32, heard: &sequence::Heard, book: &mut impl FnMut(u32, Cell, i64)) {
        let Self { streams, loss, restarts, .. } = self;
        let found = streams.iter_mut().find(|followed| followed.version == version && followed.domain == domain);
        let Some(stream) = found.and_then(|followed| followed.stream.as_mut()) else { return };
        let now = minute_of(heard.received_ms);
        let units = stream.take(heard, now, &mut |minute, change, count| {
            match change {
                Change::Missing(_) => loss.add(minute, 0, count),
                Change::Restart => *restarts += count,
                Change::Reordered | Change::Duplicate => {}
            }
            book(minute, cell(change), count);
        });
        loss.add(now, i64::from(units), 0);
    }

    fn stream(&mut self, version: u8, domain: u32) -> Option<&mut Followed> {
        let found = self.streams.iter().position(|one| one.version == version && one.domain == domain);
        if let Some(index) = found {
            return self.streams.get_mut(index);
        }
        if self.streams.len() >= STREAMS_MAX {
            return None;
        }
        let stream = Unit::of_version(version).map(Stream::new);
        self.streams.push(Followed { version, domain, stream, last_ms: 0, clock: ClockSkew::Small, skew_ms: None });
        self.streams.last_mut()
    }

    /// Takes one sFlow sample of a datagram. Reordering and duplicates are those of its datagram.
    pub(super) fn sampled(&mut self, sample: &SampleHeard, received_ms: i64, book: &mut impl FnMut(u32, Cell, i64)) {
        if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&sample.source) {
            return;
        }
        let new = || Source { stream: Stream::new(Unit::Samples), drops: None };
        let source = self.sources.entry(sample.source).or_insert_with(new);
        let heard = sequence::Heard {
            sequence: sample.sequence,
            records: 1,
            flow_records: 1,
            is_complete: true,
            export_ms: None,
            uptime_ms: None,
            received_ms,
        };
        let minute = minute_of(received_ms);
        source.stream.take(&heard, minute, &mut |minute, change, count| {
            if matches!(change, Change::Missing(_)) {
                book(minute, Cell::MissingSamples, count);
            }
        });
        let Some(drops) = sample.drops else { return };
        let more = source.drops.map_or(0, |before| drops.wrapping_sub(before).cast_signed());
        if more >= 0 {
            source.drops = Some(drops);
            book(minute, Cell::ExporterDrops, i64::from(more));
        } else if source.drops.is_some_and(|before| drops < before / 2) {
            // The exporter restarted, and so did its count.
            source.drops = Some(drops);
        }
    }

    pub(super) fn refused(&mut self, refusal: Refusal, count: u64, now_ms: i64) {
        match refusal {
            Refusal::NotAllowed => self.not_allowed += count,
            Refusal::RateLimited => self.rate_limited += count,
        }
        self.last_refused_ms = Some(now_ms);
        self.last_ms = self.last_ms.max(now_ms);
        if self.first_ms == 0 {
            self.first_ms = now_ms;
        }
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

/// The cell of the ledger that a change is counted in.
fn cell(change: Change) -> Cell {
    match change {
        Change::Missing(Unit::Datagrams) => Cell::MissingDatagrams,
        Change::Missing(Unit::Samples) => Cell::MissingSamples,
        Change::Missing(Unit::Records | Unit::FlowRecords | Unit::Nothing) => Cell::MissingRecords,
        Change::Reordered => Cell::Reordered,
        Change::Duplicate => Cell::Duplicates,
        Change::Restart => Cell::Restarts,
    }
}
