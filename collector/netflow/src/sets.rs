//! Template sets, options template sets and withdrawals of NetFlow v9 (RFC 3954 section 5) and IPFIX (RFC 7011 section 3.4).

use std::sync::Arc;

use crate::header::Header;
use crate::report::{Event, Report};
use crate::store::{Learned, Store, TemplateKey};
use crate::template::{FieldSpecifier, Kind, MAX_EMPTY_FIELDS, MAX_FIELDS, MAX_RECORD_LENGTH, Template, min_length};
use crate::walk::{Sink, Walk};
use crate::wire::{is_zero, u16_at, u32_at};

/// Ids below are those of sets that are not data sets.
pub(crate) const FIRST_TEMPLATE_ID: u16 = 256;
/// A template id in a withdrawal that stands for all templates.
const IPFIX_TEMPLATES: u16 = 2;
/// A template id in a withdrawal that stands for all options templates.
const IPFIX_OPTIONS_TEMPLATES: u16 = 3;
/// The bit of an IPFIX element id that says that an enterprise number follows.
const ENTERPRISE_BIT: u16 = 0x8000;

/// What kind of templates a set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Templates {
    Data,
    Options,
}

/// The field specifiers of one template on the wire.
#[derive(Debug, Clone)]
struct WireFields<'a> {
    bytes: &'a [u8],
    left: usize,
    has_enterprises: bool,
}

impl Iterator for WireFields<'_> {
    type Item = FieldSpecifier;

    fn next(&mut self) -> Option<FieldSpecifier> {
        self.left = self.left.checked_sub(1)?;
        let (element, length) = (u16_at(self.bytes, 0)?, u16_at(self.bytes, 2)?);
        if !self.has_enterprises || element & ENTERPRISE_BIT == 0 {
            self.bytes = self.bytes.get(4..)?;
            return Some(FieldSpecifier { element, enterprise: 0, length });
        }
        let enterprise = u32_at(self.bytes, 4)?;
        self.bytes = self.bytes.get(8..)?;
        Some(FieldSpecifier { element: element & !ENTERPRISE_BIT, enterprise, length })
    }
}

/// One template as it stands in its set.
struct WireTemplate<'a> {
    id: u16,
    kind: Kind,
    count: usize,
    fields: WireFields<'a>,
}

/// Reads the templates of one set and hands what is new to the store; data sets that waited for them are decoded.
pub(crate) fn learn<S: Store, K: Sink>(which: Templates, mut body: &[u8], header: &Header, walk: &mut Walk<'_, S, K>) {
    while let (Some(id), Some(count)) = (u16_at(body, 0), u16_at(body, 2)) {
        let is_withdrawal = header.version == 10 && count == 0;
        if id < FIRST_TEMPLATE_ID && !(is_withdrawal && (id == IPFIX_TEMPLATES || id == IPFIX_OPTIONS_TEMPLATES)) {
            if !is_zero(body) {
                walk.report.count(Event::TemplateIdReserved);
            }
            return;
        }
        if is_withdrawal {
            withdraw(id, header, walk.store, walk.report);
            body = body.get(4..).unwrap_or(&[]);
            continue;
        }
        let Some((template, rest)) = parse(which, id, body, header.version, walk.report) else { return };
        body = rest;
        if keep(&template, header, walk.store, walk.report) {
            walk.release(&TemplateKey { domain: header.domain_key(), id });
        }
    }
}

/// One template and what follows it in the set; counts why if there is none.
fn parse<'a>(
    which: Templates,
    id: u16,
    body: &'a [u8],
    version: u8,
    report: &mut Report,
) -> Option<(WireTemplate<'a>, &'a [u8])> {
    let header = match which {
        Templates::Data => Some((4, usize::from(u16_at(body, 2)?), 0)),
        Templates::Options => options_header(body, version),
    };
    let Some((header_length, count, scope_fields)) = header else {
        report.count(Event::TemplateTruncated);
        return None;
    };
    let fields = WireFields { bytes: body.get(header_length..)?, left: count, has_enterprises: version == 10 };
    let mut walk = fields.clone();
    if walk.by_ref().count() != count {
        report.count(Event::TemplateTruncated);
        return None;
    }
    let kind = match which {
        Templates::Data => Kind::Data,
        Templates::Options => Kind::Options { scope_fields },
    };
    Some((WireTemplate { id, kind, count, fields }, walk.bytes))
}

/// Length of an options template's header, number of its fields, number of its scope fields.
fn options_header(body: &[u8], version: u8) -> Option<(usize, usize, u16)> {
    let (second, third) = (u16_at(body, 2)?, u16_at(body, 4)?);
    if version == 10 {
        return Some((6, usize::from(second), third));
    }
    // NetFlow v9 gives the lengths in bytes of the scope fields and of the others (RFC 3954 section 6.1).
    let fields = usize::from(second / 4).saturating_add(usize::from(third / 4));
    Some((6, fields, second / 4))
}

/// Hands a template to the store unless it is the one kept. A template that no data could follow takes the kept one away,
/// since that one no longer describes what the exporter sends. True if it is in force now.
fn keep(template: &WireTemplate<'_>, header: &Header, store: &mut impl Store, report: &mut Report) -> bool {
    let key = TemplateKey { domain: header.domain_key(), id: template.id };
    if let Some(event) = template.fault() {
        report.count(event);
        if store.withdraw(&key) {
            report.count(Event::TemplateWithdrawn);
        }
        return false;
    }
    if store.known(&key).is_some_and(|kept| template.is_same(&kept)) {
        report.count(Event::TemplateRepeated);
        return true;
    }
    let fields = template.fields.clone().collect();
    let learned = store.learn(key, Arc::new(Template::new(header.version, template.kind, fields)));
    report.count(match learned {
        Learned::New => Event::TemplateLearned,
        Learned::Replaced => Event::TemplateReplaced,
        Learned::Refused => Event::TemplateRefused,
    });
    learned != Learned::Refused
}

impl WireTemplate<'_> {
    /// Why it cannot be used.
    fn fault(&self) -> Option<Event> {
        if self.count > MAX_FIELDS {
            return Some(Event::TemplateFields);
        }
        if let Kind::Options { scope_fields } = self.kind
            && usize::from(scope_fields) > self.count
        {
            return Some(Event::TemplateScope);
        }
        let empty_fields = self.fields.clone().filter(|field| field.length == 0).count();
        match min_length(self.fields.clone()) {
            0 => Some(Event::TemplateEmpty),
            _ if empty_fields > MAX_EMPTY_FIELDS => Some(Event::TemplateFields),
            length if length > MAX_RECORD_LENGTH => Some(Event::TemplateLength),
            _ => None,
        }
    }

    /// Whether it says the same as the one kept; allocates nothing.
    fn is_same(&self, kept: &Template) -> bool {
        kept.kind() == self.kind
            && kept.fields().len() == self.count
            && kept.fields().iter().copied().eq(self.fields.clone())
    }
}

fn withdraw(id: u16, header: &Header, store: &mut impl Store, report: &mut Report) {
    let domain = header.domain_key();
    let withdrawn = match id {
        IPFIX_TEMPLATES => store.withdraw_all(&domain, Kind::Data),
        IPFIX_OPTIONS_TEMPLATES => store.withdraw_all(&domain, Kind::Options { scope_fields: 0 }),
        id => usize::from(store.withdraw(&TemplateKey { domain, id })),
    };
    match withdrawn {
        0 => report.count(Event::WithdrawalUnknown),
        number => report.add(Event::TemplateWithdrawn, u64::try_from(number).unwrap_or(u64::MAX)),
    }
}
