//! The worker's keeper of templates, which notes on the way what the ledger and the directory of exporters want to know.

use std::sync::{Arc, Mutex};

use netflow::columns::Address;
use netflow::header::Header;
use netflow::options::{OptionKey, OptionValue, Options};
use netflow::sflow::Sample;
use netflow::skew::ClockSkew;
use netflow::store::{DomainKey, Held, Learned, Store, TemplateKey};
use netflow::template::{Kind, Template};
use netflow::totals::Totals;

use crate::exporters::Heard;
use crate::ledger::{Book, Cell, Key, minute_of};
use crate::templates::Cache;

/// Hands everything on to the worker's cache of templates, for one datagram.
///
/// A template that the datagram itself brings holds for its sets, whatever another worker learns meanwhile: around a start the
/// datagrams of one exporter may be with two workers.
pub(super) struct Noted<'a> {
    templates: &'a mut Cache,
    book: &'a mut Book,
    heard: &'a mut Heard,
    brought: Vec<(TemplateKey, Arc<Template>)>,
}

impl<'a> Noted<'a> {
    /// For one datagram.
    pub(super) fn new(templates: &'a mut Cache, book: &'a mut Book, heard: &'a mut Heard) -> Self {
        Self { templates, book, heard, brought: Vec::new() }
    }

    fn bring(&mut self, key: TemplateKey, template: Option<Arc<Template>>) {
        self.brought.retain(|(brought, _)| *brought != key);
        self.brought.extend(template.map(|template| (key, template)));
    }
}

impl Store for Noted<'_> {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        let brought = self.brought.iter().find(|(brought, _)| brought == key);
        brought.map(|(_, template)| Arc::clone(template)).or_else(|| self.templates.template(key))
    }

    fn known(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        let known = self.templates.known(key);
        // If the one at hand is another, it is learned next.
        self.bring(*key, known.clone());
        known
    }

    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        self.heard.learn(key);
        let learned = self.templates.learn(key, Arc::clone(&template));
        if learned == Learned::Replaced {
            self.heard.redefine(key);
        }
        self.bring(key, (learned != Learned::Refused).then_some(template));
        learned
    }

    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.bring(*key, None);
        self.templates.withdraw(key)
    }

    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
        self.brought.retain(|(key, template)| key.domain != *domain || template.kind() != kind);
        self.templates.withdraw_all(domain, kind)
    }

    fn options(&mut self, domain: &DomainKey) -> Option<Arc<Options>> {
        self.templates.options(domain)
    }

    fn announce(&mut self, domain: &DomainKey, values: &[OptionValue]) {
        self.templates.announce(domain, values);
    }

    fn repeated(&mut self, domain: &DomainKey, key: OptionKey) {
        self.templates.repeated(domain, key);
    }

    fn clock_skew(&mut self, domain: &DomainKey, skew_ms: i64, received_ms: i64) -> ClockSkew {
        self.templates.clock_skew(domain, skew_ms, received_ms)
    }

    fn hold(&mut self, key: &TemplateKey, header: &Header, set: &[u8]) -> bool {
        self.heard.want(*key);
        self.templates.hold(key, header, set)
    }

    fn is_held(&mut self, key: &TemplateKey) -> bool {
        self.templates.is_held(key)
    }

    fn release(&mut self, key: &TemplateKey) -> Vec<Held> {
        self.templates.release(key)
    }

    fn totals(&mut self, exporter: &Address, received_ms: i64) -> Option<Arc<Mutex<Totals>>> {
        self.templates.totals(exporter, received_ms)
    }

    fn decoded(&mut self, key: &TemplateKey, header: &Header, records: usize, is_late: bool) {
        self.templates.decoded(key, header, records, is_late);
        if !is_late {
            return;
        }
        // Where it was held, there it is decoded: in the minute of its own receipt.
        let DomainKey { exporter, domain, .. } = key.domain;
        let row = Key::of_sender(exporter, domain, minute_of(header.received_ms));
        self.book.add(row, Cell::SetsDecodedLate, 1);
        if self.templates.template(key).is_some_and(|template| template.kind() == Kind::Data) {
            self.book.add(row, Cell::FlowRecords, records as i64);
        }
    }

    fn sampled(&mut self, sample: &Sample<'_>) {
        self.heard.sample(sample);
        self.templates.sampled(sample);
    }
}
