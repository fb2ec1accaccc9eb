//! The one walk through a datagram: header, sets, templates; or samples. Columns and rows both hang on it as a [`Sink`], so they cannot
//! disagree about what a datagram contains.

use crate::announce;
use crate::constant;
use crate::header::{Datagram, Header, IPFIX_HEADER, V1_HEADER, V5_HEADER, V9_HEADER};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::record::DataSet;
use crate::report::{Event, Report};
use crate::sets::{self, FIRST_TEMPLATE_ID, Templates};
use crate::sflow::{self, Samples};
use crate::store::{Store, TemplateKey};
use crate::template::{Kind, Template};
use crate::wire::{is_zero, u16_at};

/// Length of a set header in bytes: id and length.
const SET_HEADER: usize = 4;

/// What becomes of data sets and samples.
pub(crate) trait Sink {
    /// Takes the records of one data set or options data set; says how many there were.
    fn data_set(&mut self, set: &DataSet<'_>, options: Option<&Options>) -> Taken;

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

/// Walks through one datagram.
pub(crate) fn walk(
    datagram: &Datagram<'_>,
    store: &mut impl Store,
    report: &mut Report,
    sink: &mut impl Sink,
) -> Outcome {
    walk_datagram(datagram, store, report, sink);
    Outcome::default()
}

fn walk_datagram(datagram: &Datagram<'_>, store: &mut impl Store, report: &mut Report, sink: &mut impl Sink) {
    if sflow::is_sflow(datagram.payload) {
        if let Some(samples) = Samples::new(datagram, report) {
            sink.samples(samples);
        }
        return;
    }
    let Some(version) = u16_at(datagram.payload, 0) else { return report.count(Event::HeaderTruncated) };
    let header = match version {
        1 => Header::v1(datagram),
        5 => Header::v5(datagram),
        7 => Header::v7(datagram),
        9 => Header::v9(datagram),
        10 => Header::ipfix(datagram),
        _ => return report.count(Event::VersionUnknown),
    };
    let Some(header) = header else { return report.count(Event::HeaderTruncated) };
    match version {
        1 => {
            report.count(Event::DatagramV1);
            walk_constant(datagram.payload, V1_HEADER, constant::v1(), &header, report, sink);
        }
        5 => {
            report.count(Event::DatagramV5);
            walk_constant(datagram.payload, V5_HEADER, constant::v5(), &header, report, sink);
        }
        7 => {
            report.count(Event::DatagramV7);
            walk_constant(datagram.payload, V5_HEADER, constant::v7(), &header, report, sink);
        }
        9 => {
            report.count(Event::DatagramV9);
            walk_sets(datagram.payload.get(V9_HEADER..).unwrap_or(&[]), &header, store, report, sink);
        }
        _ => {
            report.count(Event::DatagramIpfix);
            walk_sets(ipfix_body(datagram.payload, report), &header, store, report, sink);
        }
    }
}

/// The records of a version that has no templates.
fn walk_constant(
    payload: &[u8],
    header_length: usize,
    template: &Template,
    header: &Header,
    report: &mut Report,
    sink: &mut impl Sink,
) {
    let records = constant::records(payload, header_length, template);
    if records.is_short {
        report.count(Event::RecordsMissing);
    }
    if records.has_trailing {
        report.count(Event::TrailingBytes);
    }
    let set = DataSet { header, template_id: None, template, bytes: records.bytes };
    take(&set, None, report, sink);
}

/// The sets of an IPFIX message: as far as the length in its header goes, and the datagram.
fn ipfix_body<'a>(payload: &'a [u8], report: &mut Report) -> &'a [u8] {
    let length = usize::from(u16_at(payload, 2).unwrap_or(0));
    if length > payload.len() {
        report.count(Event::MessageTruncated);
    }
    if length < payload.len() {
        report.count(Event::TrailingBytes);
    }
    payload.get(IPFIX_HEADER..length.min(payload.len())).unwrap_or(&[])
}

/// Goes from set to set by their lengths; the count in a NetFlow v9 header is known to lie.
fn walk_sets(mut body: &[u8], header: &Header, store: &mut impl Store, report: &mut Report, sink: &mut impl Sink) {
    while let (Some(id), Some(length)) = (u16_at(body, 0), u16_at(body, 2)) {
        let length = usize::from(length);
        if length < SET_HEADER {
            return report.count(if is_zero(body) { Event::ZeroTail } else { Event::SetTooShort });
        }
        let Some((set, rest)) = body.split_at_checked(length) else { return report.count(Event::SetTruncated) };
        body = rest;
        let set = set.get(SET_HEADER..).unwrap_or(&[]);
        match (header.version, id) {
            (9, 0) | (10, 2) => sets::learn(Templates::Data, set, header, store, report),
            (9, 1) | (10, 3) => sets::learn(Templates::Options, set, header, store, report),
            (_, FIRST_TEMPLATE_ID..) => walk_data(id, set, header, store, report, sink),
            _ => report.count(Event::SetReserved),
        }
    }
}

fn walk_data(
    id: u16,
    bytes: &[u8],
    header: &Header,
    store: &mut impl Store,
    report: &mut Report,
    sink: &mut impl Sink,
) {
    let domain = header.domain_key();
    let Some(template) = store.template(&TemplateKey { domain, id }) else {
        return report.count(Event::SetWithoutTemplate);
    };
    let set = DataSet { header, template_id: Some(id), template: &template, bytes };
    let options = store.options(&domain);
    take(&set, options.as_deref(), report, sink);
    if template.kind() == Kind::Data {
        return;
    }
    let values = announce::values(&set, options.as_deref(), |key| store.repeated(&domain, key), report);
    if !values.is_empty() {
        store.announce(&domain, &values);
    }
}

fn take(set: &DataSet<'_>, options: Option<&Options>, report: &mut Report, sink: &mut impl Sink) {
    let taken = sink.data_set(set, options);
    let event = match set.template.kind() {
        Kind::Data => Event::FlowRecord,
        Kind::Options { .. } => Event::OptionsRecord,
    };
    report.add(event, u64::try_from(taken.records).unwrap_or(u64::MAX));
    if taken.is_truncated {
        report.count(Event::RecordTruncated);
    }
}
