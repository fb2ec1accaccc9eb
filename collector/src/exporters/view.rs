//! A worker's way to the directory: remembers the exporters that it heard, and gathers what the decoder hands to the
//! keeper of templates, so that an exporter is locked once for a datagram.

use std::sync::Arc;

use netflow::columns::{Address, SamplingSource};
use netflow::sflow::{Detail, Kind, Sample};
use netflow::store::TemplateKey;
use netflow::{FlowColumns, Outcome};

use super::directory::{Directory, Entry};
use super::exporter::SampleHeard;
use crate::front_door::Refusal;
use crate::ledger::{Book, Key};
use crate::slots::Slots;

/// The most exporters that are remembered; a power of two.
const SLOTS_MAX: usize = 1 << 16;

/// What the decoder told of one datagram beside its outcome. Kept and reused.
#[derive(Debug, Default)]
pub struct Heard {
    samples: Vec<SampleHeard>,
    wanted: Vec<TemplateKey>,
    learned: Vec<TemplateKey>,
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

    /// A sample of sFlow came.
    pub fn sample(&mut self, sample: &Sample<'_>) {
        let (kind, drops) = match sample.detail {
            Detail::Flow { drops, .. } => (Kind::Flow as u8, Some(drops)),
            Detail::Counter => (Kind::Counter as u8, None),
            Detail::Drop { drops, .. } => (Kind::Drop as u8, Some(drops)),
        };
        let source = (sample.header.sub_agent, kind, sample.source_type, sample.source_index);
        self.samples.push(SampleHeard { source, sequence: sample.sequence, drops });
    }

    /// Forgets what the datagram at hand told.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.wanted.clear();
        self.learned.clear();
    }
}

/// One worker's view.
#[derive(Debug)]
pub struct View {
    directory: Directory,
    entries: Slots<Address, Arc<Entry>>,
    /// What the decoder tells while a datagram is decoded.
    pub heard: Heard,
}

impl View {
    /// A view of `directory`.
    #[must_use]
    pub fn new(directory: Directory) -> Self {
        Self { directory, entries: Slots::new(SLOTS_MAX), heard: Heard::default() }
    }

    /// Takes a datagram after it was decoded; what its sequence tells goes into `book`.
    pub fn datagram(&mut self, exporter: Address, bytes: usize, received_ms: i64, outcome: &Outcome, book: &mut Book) {
        let domain = outcome.message.map_or(0, |message| message.domain);
        let mut note = |minute, cell, count| book.add(Key { exporter, domain, minute }, cell, count);
        let Some(entry) = entry(&mut self.entries, &self.directory, &exporter) else { return };
        let mut locked = entry.lock();
        locked.heard(bytes, received_ms, outcome, &mut note);
        for sample in &self.heard.samples {
            locked.sampled(sample, received_ms, &mut note);
        }
        for key in &self.heard.wanted {
            locked.wait(*key, received_ms);
        }
        for key in &self.heard.learned {
            locked.learned(key);
        }
        drop(locked);
        self.heard.clear();
        if outcome.is_sound() && !entry.is_established() {
            self.directory.establish(&exporter, received_ms);
        }
    }

    /// A datagram that the front door refused.
    pub fn refused(&mut self, exporter: Address, refusal: Refusal, now_ms: i64) {
        if let Some(entry) = entry(&mut self.entries, &self.directory, &exporter) {
            entry.lock().refused(refusal, 1, now_ms);
        }
    }

    /// Takes the sampling rates of some rows of an exporter's domain.
    pub fn sampling(&mut self, exporter: Address, domain: u32, flows: &FlowColumns, start: usize, end: usize) {
        let Some(entry) = entry(&mut self.entries, &self.directory, &exporter) else { return };
        let mut locked = entry.lock();
        let before = locked.sampling.changes;
        let news = locked.sampling.take(domain, flows, start, end);
        let changes = locked.sampling.changes - before;
        drop(locked);
        self.directory.sampling_changed(changes);
        // The keeper of option values logs changes of its own, as they are announced.
        for changed in news.into_iter().filter(|changed| changed.now.source != SamplingSource::Option as u8) {
            tracing::info!(
                exporter = %std::net::Ipv6Addr::from(exporter).to_canonical(),
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
    entries: &'a mut Slots<Address, Arc<Entry>>,
    directory: &Directory,
    exporter: &Address,
) -> Option<&'a Entry> {
    entries.value(exporter, |entry| !entry.is_gone(), || Some(directory.entry(exporter))).map(|entry| &**entry)
}
