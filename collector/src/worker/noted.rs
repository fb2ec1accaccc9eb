//! The worker's keeper of templates, which notes on the way what the ledger and the directory of exporters want to know.

use std::sync::Arc;

use netflow::header::Header;
use netflow::options::{OptionKey, OptionValue, Options};
use netflow::sflow::Sample;
use netflow::store::{DomainKey, Held, Learned, Store, TemplateKey};
use netflow::template::{Kind, Template};

use crate::exporters::Heard;
use crate::ledger::{Book, Cell, Key, minute_of};
use crate::templates::Cache;

/// Hands everything on to the worker's cache of templates.
pub(super) struct Noted<'a> {
    pub(super) templates: &'a mut Cache,
    pub(super) book: &'a mut Book,
    pub(super) heard: &'a mut Heard,
}

impl Store for Noted<'_> {
    fn template(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.templates.template(key)
    }

    fn known(&mut self, key: &TemplateKey) -> Option<Arc<Template>> {
        self.templates.known(key)
    }

    fn learn(&mut self, key: TemplateKey, template: Arc<Template>) -> Learned {
        self.heard.learn(key);
        self.templates.learn(key, template)
    }

    fn withdraw(&mut self, key: &TemplateKey) -> bool {
        self.templates.withdraw(key)
    }

    fn withdraw_all(&mut self, domain: &DomainKey, kind: Kind) -> usize {
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

    fn decoded(&mut self, key: &TemplateKey, header: &Header, records: usize, is_late: bool) {
        self.templates.decoded(key, header, records, is_late);
        if !is_late {
            return;
        }
        // Where it was held, there it is decoded: in the minute of its own receipt.
        let DomainKey { exporter, domain, .. } = key.domain;
        let row = Key { exporter, domain, minute: minute_of(header.received_ms) };
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
