//! What the walk through datagrams learns, holds and accounts for.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../encoder/mod.rs"]
mod encoder;

#[path = "../encoder/decoded.rs"]
mod decoded;

mod held;
mod lists;
mod options;
mod outcome;
mod sets;

use std::sync::Arc;

use netflow::options::{OptionValue, Options};
use netflow::store::{DomainKey, Learned, TemplateKey};
use netflow::template::Kind;
use netflow::{Report, Sample, Store, Tables, Template, decode};

use decoded::Decoded;
use encoder::{FieldOf, set, template};

/// A NetFlow v9 options template set: scope fields, then the others.
fn v9_options_template(id: u16, scope: &[FieldOf], fields: &[FieldOf]) -> Vec<u8> {
    let length = |fields: &[FieldOf]| u16::try_from(fields.len() * 4).expect("few fields").to_be_bytes();
    let specifiers = template(0, &[scope, fields].concat());
    set(1, &[&id.to_be_bytes()[..], &length(scope), &length(fields), &specifiers[4..]].concat())
}

/// An IPFIX options template set.
fn ipfix_options_template(id: u16, scope: u16, fields: &[FieldOf]) -> Vec<u8> {
    let body = template(id, fields);
    set(3, &[&body[..4], &scope.to_be_bytes(), &body[4..]].concat())
}

/// A store that keeps nothing but the sequence numbers of the samples it hears of.
#[derive(Default)]
struct Heard(Vec<u32>);

impl Store for Heard {
    fn template(&mut self, _: &TemplateKey) -> Option<Arc<Template>> {
        None
    }
    fn learn(&mut self, _: TemplateKey, _: Arc<Template>) -> Learned {
        Learned::Refused
    }
    fn withdraw(&mut self, _: &TemplateKey) -> bool {
        false
    }
    fn withdraw_all(&mut self, _: &DomainKey, _: Kind) -> usize {
        0
    }
    fn options(&mut self, _: &DomainKey) -> Option<Arc<Options>> {
        None
    }
    fn announce(&mut self, _: &DomainKey, _: &[OptionValue]) {}
    fn sampled(&mut self, sample: &Sample<'_>) {
        self.0.push(sample.sequence);
    }
}

/// A store that does not hold: its sets are refused.
#[test]
fn a_store_may_refuse_to_hold() {
    let (mut tables, mut report) = (Tables::default(), Report::default());
    let payload = encoder::v9(&[set(256, &[1, 2])]);
    let outcome = decode(&encoder::datagram(&payload), &mut Heard::default(), &mut tables, &mut report);
    assert_eq!((outcome.sets_held, outcome.sets_refused, outcome.is_complete), (0, 1, false));
    assert_eq!(report.get(netflow::Event::SetWithoutTemplate), 1);
}
