//! NetFlow v5: its one record layout as a template, so that it takes the same way as the others.

use std::sync::LazyLock;

use crate::header::V5_HEADER;
use crate::template::{FieldSpecifier, Kind, Template};
use crate::wire::u16_at;

/// Length of a NetFlow v5 record in bytes.
pub(crate) const RECORD_LENGTH: usize = 48;

/// Element and length of each field; 210 is padding.
const FIELDS: [(u16, u16); 20] = [
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

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| {
    let fields = FIELDS.map(|(element, length)| FieldSpecifier { element, enterprise: 0, length });
    Template::new(5, Kind::Data, Box::from(fields))
});

/// The template of all NetFlow v5 records.
pub(crate) fn template() -> &'static Template {
    &TEMPLATE
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

/// The records that the header counts, as far as they are there.
pub(crate) fn records(payload: &[u8]) -> Records<'_> {
    let body = payload.get(V5_HEADER..).unwrap_or(&[]);
    let counted = usize::from(u16_at(payload, 2).unwrap_or(0)).saturating_mul(RECORD_LENGTH);
    let (whole, rest) = body.split_at(body.len().saturating_sub(body.len().checked_rem(RECORD_LENGTH).unwrap_or(0)));
    Records {
        bytes: whole.get(..counted).unwrap_or(whole),
        is_short: counted > whole.len(),
        has_trailing: counted < whole.len() || !rest.is_empty(),
    }
}
