//! The decoder against datagrams written for one purpose each.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../encoder/mod.rs"]
mod encoder;

mod columns;
mod malformed;
mod sampling;
mod templates;
mod times;

use netflow::{MapStore, Report, Tables, decode};

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

    /// Decodes one datagram made of a template and one data set of it.
    fn of_v9(fields: &[encoder::FieldOf], data: &[u8]) -> Self {
        Self::of(encoder::v9(&[encoder::set(0, &encoder::template(256, fields)), encoder::set(256, data)]))
    }

    /// As [`Decoded::of_v9`], in IPFIX.
    fn of_ipfix(fields: &[encoder::FieldOf], data: &[u8]) -> Self {
        Self::of(encoder::ipfix(&[encoder::set(2, &encoder::template(256, fields)), encoder::set(256, data)]))
    }

    fn of(payload: Vec<u8>) -> Self {
        let mut decoded = Self::default();
        decoded.feed(&payload);
        decoded
    }
}
