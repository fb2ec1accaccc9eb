//! The decoder against datagrams written for one purpose each.

#![expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../encoder/mod.rs"]
mod encoder;

#[path = "../encoder/decoded.rs"]
mod decoded;

mod agents;
mod any_order;
mod clocks;
mod columns;
mod connections;
mod directions;
mod firewall;
mod kept;
mod late;
mod malformed;
mod plausible;
mod sampling;
mod scopes;
mod sections;
mod templates;
mod times;
mod totals;
mod translations;

use netflow::columns::Address;

use decoded::Decoded;

/// A field of a template: enterprise, element and length.
type FieldSpec = (u32, u16, u16);

/// Enterprise number of the other direction (RFC 5103 section 6.1).
const REVERSED: u32 = 29_305;

/// A field with an element of IANA's.
const fn iana(element: u16, length: u16) -> FieldSpec {
    (0, element, length)
}

fn v4(a: u8, b: u8, c: u8, d: u8) -> Address {
    std::net::Ipv4Addr::new(a, b, c, d).to_ipv6_mapped().octets()
}

/// The body of a template set that may have enterprise elements.
fn template_of(id: u16, fields: &[FieldSpec]) -> Vec<u8> {
    let specifiers = fields.iter().flat_map(|(enterprise, element, length)| match enterprise {
        0 => [element.to_be_bytes(), length.to_be_bytes()].concat(),
        _ => [&(element | 0x8000).to_be_bytes()[..], &length.to_be_bytes(), &enterprise.to_be_bytes()].concat(),
    });
    let count = u16::try_from(fields.len()).expect("few fields");
    [id, count].iter().flat_map(|number| number.to_be_bytes()).chain(specifiers).collect()
}

/// An IPFIX message with such a template, and a data set of it.
fn ipfix_of(fields: &[FieldSpec], data: &[u8]) -> Vec<u8> {
    encoder::ipfix(&[encoder::set(2, &template_of(256, fields)), encoder::set(256, data)])
}

impl Decoded {
    /// Decodes one datagram made of a template and one data set of it.
    fn of_v9(fields: &[encoder::FieldOf], data: &[u8]) -> Self {
        Self::of(encoder::v9(&[encoder::set(0, &encoder::template(256, fields)), encoder::set(256, data)]))
    }

    /// As [`Decoded::of_v9`], in IPFIX.
    fn of_ipfix(fields: &[encoder::FieldOf], data: &[u8]) -> Self {
        Self::of(encoder::ipfix(&[encoder::set(2, &encoder::template(256, fields)), encoder::set(256, data)]))
    }

    /// As [`Decoded::of_ipfix`], with enterprise elements.
    fn of_fields(fields: &[FieldSpec], data: &[u8]) -> Self {
        Self::of(ipfix_of(fields, data))
    }

    fn of(payload: Vec<u8>) -> Self {
        let mut decoded = Self::default();
        decoded.feed(&payload);
        decoded
    }
}
