//! NetFlow v1, v5 and v7: record layouts that never change, as templates, so that they are taken the same way as the others.
//!
//! Layouts after Cisco's "NetFlow Export Datagram Format".

use std::sync::LazyLock;

use crate::template::{FieldSpecifier, Kind, Template};
use crate::wire::u16_at;

/// Element and length of each field of NetFlow v1; 210 is padding.
const V1_FIELDS: [(u16, u16); 16] = [
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 2),
    (14, 2),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (210, 2),
    (4, 1),
    (5, 1),
    (6, 1),
    (210, 7),
];

/// Element and length of each field of NetFlow v5.
const V5_FIELDS: [(u16, u16); 20] = [
    (8, 4),
    (12, 4),
    (15, 4),
    (10, 2),
    (14, 2),
    (2, 4),
    (1, 4),
    (22, 4),
    (21, 4),
    (7, 2),
    (11, 2),
    (210, 1),
    (6, 1),
    (4, 1),
    (5, 1),
    (16, 2),
    (17, 2),
    (9, 1),
    (13, 1),
    (210, 2),
];

/// Element and length of what a NetFlow v7 record has after the fields of NetFlow v5: the router that the switch took the
/// flow off. Its two fields of flags stand where v5 has padding; they say which fields the switch could not fill, and those
/// are zero.
const V7_REST: [(u16, u16); 1] = [(210, 4)];

static V1: LazyLock<Template> = LazyLock::new(|| template(1, V1_FIELDS.iter()));
static V5: LazyLock<Template> = LazyLock::new(|| template(5, V5_FIELDS.iter()));
static V7: LazyLock<Template> = LazyLock::new(|| template(7, V5_FIELDS.iter().chain(&V7_REST)));

fn template<'a>(version: u8, fields: impl Iterator<Item = &'a (u16, u16)>) -> Template {
    let specifier =
        |(element, length): &(u16, u16)| FieldSpecifier { element: *element, enterprise: 0, length: *length };
    Template::new(version, Kind::Data, fields.map(specifier).collect())
}

/// The layout of all NetFlow v1 records.
pub(crate) fn v1() -> &'static Template {
    &V1
}

/// The layout of all NetFlow v5 records.
pub(crate) fn v5() -> &'static Template {
    &V5
}

/// The layout of all NetFlow v7 records.
pub(crate) fn v7() -> &'static Template {
    &V7
}

/// Whether a version has one layout for all its records.
pub(crate) fn is_constant(version: u8) -> bool {
    matches!(version, 1 | 5 | 7)
}

/// The records of a datagram, and what is wrong with their number.
pub(crate) struct Records<'a> {
    /// Whole records.
    pub(crate) bytes: &'a [u8],
    /// Whether the header counts more records than there are.
    pub(crate) is_short: bool,
    /// Whether there are bytes behind the records.
    pub(crate) has_trailing: bool,
}

/// The records that the header counts, as far as they are there. The header has `header_length` bytes.
pub(crate) fn records<'a>(payload: &'a [u8], header_length: usize, template: &Template) -> Records<'a> {
    let body = payload.get(header_length..).unwrap_or(&[]);
    let length = template.min_length();
    let counted = usize::from(u16_at(payload, 2).unwrap_or(0)).saturating_mul(length);
    let (whole, rest) = body.split_at(body.len().saturating_sub(body.len().checked_rem(length).unwrap_or(0)));
    Records {
        bytes: whole.get(..counted).unwrap_or(whole),
        is_short: counted > whole.len(),
        has_trailing: counted < whole.len() || !rest.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_records() {
        assert_eq!([v1(), v5(), v7()].map(Template::record_length), [Some(48), Some(48), Some(52)]);
    }
}
