//! The one walk through a datagram: header, sets, templates; or samples. Columns and rows both hang on it as a [`Sink`], so they cannot
//! disagree about what a datagram contains. Data sets that waited for a template that the datagram brings are walked in passing.

use std::cell::RefCell;

use crate::announce;
use crate::constant;
use crate::header::{Datagram, Header, IPFIX_HEADER, V1_HEADER, V5_HEADER, V9_HEADER};
use crate::list;
use crate::options::{OptionValue, Options};
use crate::outcome::{Message, Outcome};
use crate::record::{DataSet, SubTemplates};
use crate::report::{Event, Report};
use crate::sets::{self, FIRST_TEMPLATE_ID, Templates};
use crate::sflow::{self, Sample, Samples};
use crate::skew::{ClockSkew, LEFT_ALONE_MS};
use crate::store::{DomainKey, Store, TemplateKey};
use crate::template::{Kind, Template};
use crate::wire::{is_zero, u16_at};

/// Length of a set header in bytes: id and length.
const SET_HEADER: usize = 4;

/// What becomes of data sets and samples.
pub(crate) trait Sink {
    /// Takes the records of one data set or options data set; says how many there were.
    fn data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken;

    /// As [`Sink::data_set`], for a set that came in an earlier datagram, or before its template in this one.
    fn late_data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken;

    /// Takes the samples of one sFlow datagram, all of them.
    fn samples(&mut self, samples: Samples<'_, '_>);
}

/// What a sink found in a data set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Number of records.
    pub(crate) records: usize,
    /// Whether the last one runs past the end of the set.
    pub(crate) is_truncated: bool,
}

/// [`Sink::data_set`] or [`Sink::late_data_set`].
type To<K> = fn(&mut K, &DataSet<'_>, Option<&Options>) -> Taken;

/// Walks through one datagram.
pub(crate) fn walk(
    datagram: &Datagram<'_>,
    store: &mut impl Store,
    report: &mut Report,
    sink: &mut impl Sink,
) -> Outcome {
    report.forget_fault();
    let mut walk = Walk { store, report, sink, outcome: Outcome { is_complete: true, ..Outcome::default() } };
    walk.datagram(datagram);
    let (fault, unopened) = (walk.report.fault(), walk.report.unopened());
    Outcome { fault, unopened, is_complete: walk.outcome.is_complete && fault.is_none(), ..walk.outcome }
}

/// What a walk needs all along, and what it found so far.
pub(crate) struct Walk<'a, S, K> {
    pub(crate) store: &'a mut S,
    pub(crate) report: &'a mut Report,
    sink: &'a mut K,
    outcome: Outcome,
}

impl<S: Store, K: Sink> Walk<'_, S, K> {
    fn datagram(&mut self, datagram: &Datagram<'_>) {
        if sflow::is_sflow(datagram.payload) {
            return self.sflow(datagram);
        }
        let Some(version) = u16_at(datagram.payload, 0) else { return self.report.count(Event::HeaderTruncated) };
        let header = match version {
            1 => Header::v1(datagram),
            5 => Header::v5(datagram),
            7 => Header::v7(datagram),
            9 => Header::v9(datagram),
            10 => Header::ipfix(datagram),
            _ => return self.report.count(Event::VersionUnknown),
        };
        let Some(mut header) = header else { return self.report.count(Event::HeaderTruncated) };
        header.skew = self.clock_skew(&header);
        self.outcome.message = Some(Message::from(&header));
        match version {
            1 => {
                self.report.count(Event::DatagramV1);
                self.constant(datagram.payload, V1_HEADER, constant::v1(), &header);
            }
            5 => {
                self.report.count(Event::DatagramV5);
                self.constant(datagram.payload, V5_HEADER, constant::v5(), &header);
            }
            7 => {
                self.report.count(Event::DatagramV7);
                self.constant(datagram.payload, V5_HEADER, constant::v7(), &header);
            }
            9 => {
                self.report.count(Event::DatagramV9);
                self.sets(datagram.payload.get(V9_HEADER..).unwrap_or(&[]), &header);
            }
            _ => {
                self.report.count(Event::DatagramIpfix);
                let body = self.ipfix_body(datagram.payload);
                self.sets(body, &header);
            }
        }
    }

    /// What is known of the clock that a message was stamped by.
    fn clock_skew(&mut self, header: &Header) -> ClockSkew {
        let skew_ms = header.measured_skew_ms();
        if skew_ms.unsigned_abs() < LEFT_ALONE_MS.unsigned_abs() {
            return ClockSkew::Small;
        }
        self.store.clock_skew(&header.domain_key(), skew_ms, header.received_ms)
    }

    fn sflow(&mut self, datagram: &Datagram<'_>) {
        let (store, outcome) = (&mut *self.store, &mut self.outcome);
        let mut heard = |sample: &Sample<'_>| {
            outcome.records = outcome.records.saturating_add(1);
            outcome.flow_records = outcome.flow_records.saturating_add(u32::from(sample.kind() == sflow::Kind::Flow));
            store.sampled(sample);
        };
        let unknown = self.report.get(Event::SampleUnknown);
        let mut message = None;
        if let Some(samples) = Samples::new(datagram, self.report, &mut heard) {
            message = Some(Message::from(samples.header()));
            self.sink.samples(samples);
        }
        self.outcome.message = message;
        self.outcome.is_complete &= self.report.get(Event::SampleUnknown) == unknown;
    }

    /// The records of a version that has no templates.
    fn constant(&mut self, payload: &[u8], header_length: usize, template: &Template, header: &Header) {
        let records = constant::records(payload, header_length, template);
        if records.is_short {
            self.report.count(Event::RecordsMissing);
        }
        if records.has_trailing {
            self.report.count(Event::TrailingBytes);
        }
        let sub_templates = SubTemplates::default();
        let set = DataSet { header, template_id: None, template, bytes: records.bytes, sub_templates, totals: None };
        let taken = self.sink.data_set(&set, None);
        self.count(template.kind(), taken);
    }

    /// The sets of an IPFIX message: as far as the length in its header goes, and the datagram.
    fn ipfix_body<'b>(&mut self, payload: &'b [u8]) -> &'b [u8] {
        let length = usize::from(u16_at(payload, 2).unwrap_or(0));
        if length > payload.len() {
            self.report.count(Event::MessageTruncated);
        }
        if length < payload.len() {
            self.report.count(Event::TrailingBytes);
        }
        payload.get(IPFIX_HEADER..length.min(payload.len())).unwrap_or(&[])
    }

    /// Goes from set to set by their lengths; the count in a NetFlow v9 header is known to lie.
    fn sets(&mut self, mut body: &[u8], header: &Header) {
        while let (Some(id), Some(length)) = (u16_at(body, 0), u16_at(body, 2)) {
            let length = usize::from(length);
            if length < SET_HEADER {
                let event = if is_zero(body) { Event::ZeroTail } else { Event::SetTooShort };
                return self.report.count(event);
            }
            let Some((set, rest)) = body.split_at_checked(length) else {
                return self.report.count(Event::SetTruncated);
            };
            body = rest;
            let set = set.get(SET_HEADER..).unwrap_or(&[]);
            match (header.version, id) {
                (9, 0) | (10, 2) => sets::learn(Templates::Data, set, header, self),
                (9, 1) | (10, 3) => sets::learn(Templates::Options, set, header, self),
                (_, FIRST_TEMPLATE_ID..) => self.data_set(id, set, header),
                _ => {
                    self.outcome.is_complete = false;
                    self.report.count(Event::SetReserved);
                }
            }
        }
    }

    fn data_set(&mut self, id: u16, bytes: &[u8], header: &Header) {
        let key = TemplateKey { domain: header.domain_key(), id };
        let Some(template) = self.store.template(&key) else { return self.hold(&key, bytes, header) };
        let taken = self.take(&key, &template, header, bytes, K::data_set);
        self.count(template.kind(), taken);
        self.store.decoded(&key, header, taken.records, false);
    }

    /// Hands a data set to the sink, and takes up what it announces.
    fn take(&mut self, key: &TemplateKey, template: &Template, header: &Header, bytes: &[u8], to: To<K>) -> Taken {
        let options = self.store.options(&key.domain);
        let has_totals = template.plan().totalled.is_some();
        let totals = if has_totals { self.store.totals(&key.domain.exporter, header.received_ms) } else { None };
        let set = DataSet {
            header,
            template_id: Some(key.id),
            template,
            bytes,
            sub_templates: SubTemplates::default(),
            totals: totals.as_deref(),
        };
        let store = RefCell::new(&mut *self.store);
        let find = |id| store.borrow_mut().template(&TemplateKey { id, ..*key });
        let with_lists = DataSet { sub_templates: SubTemplates(Some(&find)), ..set };
        if template.has_lists() {
            self.report.add(Event::ListBroken, broken_lists(&with_lists, &find));
        }
        let taken = to(self.sink, &with_lists, options.as_deref());
        self.announce(&set, key, options.as_deref());
        taken
    }

    /// Counts what the datagram at hand has.
    fn count(&mut self, kind: Kind, taken: Taken) {
        self.report_taken(kind, taken);
        let records = u32::try_from(taken.records).unwrap_or(u32::MAX);
        self.outcome.records = self.outcome.records.saturating_add(records);
        if kind == Kind::Data {
            self.outcome.flow_records = self.outcome.flow_records.saturating_add(records);
        }
    }

    fn report_taken(&mut self, kind: Kind, taken: Taken) {
        let event = match kind {
            Kind::Data => Event::FlowRecord,
            Kind::Options { .. } => Event::OptionsRecord,
        };
        self.report.add(event, u64::try_from(taken.records).unwrap_or(u64::MAX));
        if taken.is_truncated {
            self.report.count(Event::RecordTruncated);
        }
    }

    fn announce(&mut self, set: &DataSet<'_>, key: &TemplateKey, options: Option<&Options>) {
        if set.template.kind() == Kind::Data {
            return;
        }
        let repeated = |value| self.store.repeated(&key.domain, value);
        let announced = announce::values(set, options, repeated, self.report);
        if announced.is_empty() {
            return;
        }
        let (mut values, mut elsewhere) = (Vec::new(), Vec::new());
        for (domain, value) in announced {
            match domain {
                None => values.push(value),
                Some(domain) => elsewhere.push((DomainKey { domain, ..key.domain }, value)),
            }
        }
        if !values.is_empty() {
            self.store.announce(&key.domain, &values);
        }
        elsewhere.iter().for_each(|(domain, value)| self.announce_elsewhere(domain, value));
    }

    /// Takes up a value about another observation domain than that of the message which brings it.
    fn announce_elsewhere(&mut self, domain: &DomainKey, value: &OptionValue) {
        let known = self.store.options(domain);
        if known.as_ref().is_some_and(|known| known.is_known(value)) {
            return self.store.repeated(domain, value.key());
        }
        if known.is_some_and(|known| !known.has_room(value)) {
            return self.report.count(Event::OptionRefused);
        }
        self.report.count(Event::OptionLearned);
        self.store.announce(domain, std::slice::from_ref(value));
    }

    /// Keeps a data set until its template comes. Another walk may have learned the template since it was asked for, and
    /// have found nothing to release: hence the second look.
    fn hold(&mut self, key: &TemplateKey, bytes: &[u8], header: &Header) {
        self.outcome.is_complete = false;
        if !self.store.hold(key, header, bytes) {
            self.outcome.sets_refused = self.outcome.sets_refused.saturating_add(1);
            return self.report.count(Event::SetWithoutTemplate);
        }
        self.outcome.sets_held = self.outcome.sets_held.saturating_add(1);
        self.report.count(Event::SetHeld);
        self.release(key);
    }

    /// Decodes the data sets that waited for a template, if it is known now. What is wrong with them is not the fault of the
    /// datagram at hand.
    pub(crate) fn release(&mut self, key: &TemplateKey) {
        if !self.store.is_held(key) {
            return;
        }
        let Some(template) = self.store.template(key) else { return };
        let fault = self.report.fault();
        for held in self.store.release(key) {
            let taken = self.take(key, &template, &held.header, &held.bytes, K::late_data_set);
            self.report.count(Event::SetDecodedLate);
            self.report_taken(template.kind(), taken);
            self.store.decoded(key, &held.header, taken.records, true);
        }
        self.report.set_fault(fault);
    }
}

/// How many lists of a data set cannot be read to the end.
fn broken_lists(set: &DataSet<'_>, find: list::FindTemplate<'_>) -> u64 {
    let broken = |bytes| {
        let fields = set.record(bytes).fields();
        fields
            .filter(|field| list::is_list(&field.specifier) && !list::is_sound(&field.specifier, field.bytes, find))
            .count()
    };
    u64::try_from(set.records().map(broken).fold(0, usize::saturating_add)).unwrap_or(u64::MAX)
}
