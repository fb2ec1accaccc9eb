//! A worker's way to the directory: remembers the exporters that it heard, and gathers what the decoder hands to the
//! keeper of templates, so that an exporter is locked once for a datagram.

use std::ops::Range;
use std::sync::Arc;

use netflow::columns::{Address, SamplingSource};
use netflow::sflow::{Detail, Kind, Sample};
use netflow::store::TemplateKey;
use netflow::{FlowColumns, Outcome};

use super::directory::{Directory, Entry};
use super::exporter::{self, SampleHeard};
use super::identity::Identity;
use crate::front_door::Refusal;
use crate::ledger::{Book, Key};
use crate::slots::Slots;

/// The most exporters that are remembered; a power of two.
const SLOTS_MAX: usize = 1 << 16;
/// How long a device that a sender speaks for is taken as known, before it is asked for again: those that are not heard of make room.
const KNOWN_MS: i64 = 60_000;

/// What the decoder told of one datagram beside its outcome. Kept and reused.
#[derive(Debug, Default)]
pub struct Heard {
    samples: Vec<SampleHeard>,
    wanted: Vec<TemplateKey>,
    learned: Vec<TemplateKey>,
    redefined: Vec<TemplateKey>,
}

impl Heard {
    /// A data set came for which this template is missing.
    pub fn want(&mut self, key: TemplateKey) {
        self.wanted.push(key);
    }

    /// A template came.
    pub fn learn(&mut self, key: TemplateKey) {
        self.learned.push(key);
    }

    /// A template took the place of a different one.
    pub fn redefine(&mut self, key: TemplateKey) {
        self.redefined.push(key);
    }

    /// A sample of sFlow came.
    pub fn sample(&mut self, sample: &Sample<'_>) {
        let (kind, drops) = match sample.detail {
            Detail::Flow { drops, .. } => (Kind::Flow as u8, Some(drops)),
            Detail::Counter => (Kind::Counter as u8, None),
            Detail::Drop { drops, .. } => (Kind::Drop as u8, Some(drops)),
        };
        let source = (kind, sample.source_type, sample.source_index);
        self.samples.push(SampleHeard { source, sequence: sample.sequence, drops });
    }

    /// Forgets what the datagram at hand told.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.wanted.clear();
        self.learned.clear();
        self.redefined.clear();
    }
}

/// One worker's view.
#[derive(Debug)]
pub struct View {
    directory: Directory,
    entries: Slots<Identity, Arc<Entry>>,
    /// In whose name what senders say to be of others counts, and since when that is known.
    agents: Slots<Identity, (Address, i64)>,
    /// What the decoder tells while a datagram is decoded.
    pub heard: Heard,
}

impl View {
    /// A view of `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        let (entries, agents) = (Slots::new(SLOTS_MAX), Slots::new(SLOTS_MAX));
        Self { directory, entries, agents, heard: Heard::default() }
    }

    /// The exporter in whose name something counts that came from `sender` and is said to be of `agent`.
    pub fn identity(&mut self, sender: Address, agent: Address, now_ms: i64) -> Identity {
        if sender == agent {
            return Identity::of_sender(sender);
        }
        let Self { directory, agents, .. } = self;
        let find = || Some((directory.agents().of(&sender, &agent, now_ms), now_ms));
        let is_known = |(_, since_ms): &(Address, i64)| (now_ms - since_ms).abs() < KNOWN_MS;
        let counts_as = agents.value(&Identity { sender, agent }, is_known, find);
        Identity { sender, agent: counts_as.map_or(sender, |(agent, _)| *agent) }
    }

    /// Takes a datagram of an exporter after it was decoded; what its sequence tells goes into `book`.
    pub fn datagram(&mut self, of: Identity, bytes: usize, received_ms: i64, outcome: &Outcome, book: &mut Book) {
        let domain = outcome.message.map_or(0, |message| message.domain);
        let mut note = |exporter, minute, cell, count| {
            book.add(Key { exporter, agent: of.agent, domain, minute }, cell, count);
        };
        let Some(entry) = entry(&mut self.entries, &self.directory, &of) else { return };
        let mut locked = entry.lock();
        let samples = &self.heard.samples;
        let datagram = exporter::Datagram { of, bytes, received_ms, outcome, samples };
        locked.heard(&datagram, self.directory.routes(), &mut note);
        for key in &self.heard.wanted {
            locked.wait(*key, received_ms);
        }
        for key in &self.heard.learned {
            locked.learned(key);
        }
        for key in &self.heard.redefined {
            locked.redefined.take(*key, received_ms);
        }
        drop(locked);
        self.heard.clear();
        if outcome.is_sound() && !entry.is_established() {
            self.directory.establish(&of, received_ms);
        }
    }

    /// Takes a datagram that was heard before the last end, after it was decoded again.
    pub fn replayed(&mut self, of: Identity, received_ms: i64, outcome: &Outcome) {
        if let Some(entry) = entry(&mut self.entries, &self.directory, &of) {
            let datagram = exporter::Datagram { of, bytes: 0, received_ms, outcome, samples: &self.heard.samples };
            entry.lock().replayed(&datagram, self.directory.routes(), self.directory.since_ms());
        }
        self.heard.clear();
    }

    /// A datagram that the front door refused.
    pub fn refused(&mut self, exporter: Address, refusal: Refusal, now_ms: i64) {
        if let Some(entry) = entry(&mut self.entries, &self.directory, &Identity::of_sender(exporter)) {
            entry.lock().refused(refusal, 1, now_ms);
        }
    }

    /// Some rows that count in the name of `of`, received then, have counts that cannot be.
    pub fn implausible(&mut self, of: Identity, rows: u64, received_ms: i64) {
        if let Some(entry) = entry(&mut self.entries, &self.directory, &of) {
            entry.lock().implausible(rows, received_ms);
        }
    }

    /// Takes the sampling rates of some rows of a domain, which count in the name of `of`; `now_ms` is when they were received.
    pub fn rows(&mut self, of: Identity, domain: u32, flows: &FlowColumns, rows: Range<usize>, now_ms: i64) {
        let version = flows.version.get(rows.start).copied().unwrap_or(0);
        let Some(entry) = entry(&mut self.entries, &self.directory, &of) else { return };
        let mut locked = entry.lock();
        // Of all other versions the datagrams tell whose they are, and were heard.
        if of.sender != of.agent && matches!(version, 9 | 10) {
            locked.relayed(version, domain, rows.len() as u64, now_ms);
            if !entry.is_established() {
                self.directory.establish(&of, now_ms);
            }
        }
        let before = locked.sampling.changes;
        let news = locked.sampling.take(domain, flows, rows.start, rows.end);
        let changes = locked.sampling.changes - before;
        drop(locked);
        self.directory.sampling_changed(changes);
        // The keeper of option values logs changes of its own, as they are announced.
        for changed in news.into_iter().filter(|changed| changed.now.source != SamplingSource::Option as u8) {
            tracing::info!(
                exporter = %std::net::Ipv6Addr::from(of.sender).to_canonical(),
                agent = %std::net::Ipv6Addr::from(of.agent).to_canonical(),
                domain = changed.domain,
                before = changed.before.rate,
                now = changed.now.rate,
                source = changed.now.source_label(),
                "the sampling rate changed"
            );
        }
    }
}

/// The exporter's entry; the directory makes one where there is none.
fn entry<'a>(
    entries: &'a mut Slots<Identity, Arc<Entry>>,
    directory: &Directory,
    exporter: &Identity,
) -> Option<&'a Entry> {
    entries.value(exporter, |entry| !entry.is_gone(), || Some(directory.entry(exporter))).map(|entry| &**entry)
}
