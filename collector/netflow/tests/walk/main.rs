//! What the walk through datagrams learns, holds and accounts for.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../encoder/mod.rs"]
mod encoder;

mod options;

use netflow::{MapStore, Report, Tables, decode};

use encoder::{FieldOf, set, template};

/// What came of some datagrams.
#[derive(Default)]
struct Decoded {
    store: MapStore,
    tables: Tables,
    report: Report,
}

impl Decoded {
    fn feed(&mut self, payload: &[u8]) -> &mut Self {
        decode(&encoder::datagram(payload), &mut self.store, &mut self.tables, &mut self.report);
        self
    }
}

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
