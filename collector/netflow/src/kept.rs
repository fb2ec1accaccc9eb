//! Fields that no column takes, kept by name if asked for.

use crate::columns::FlowColumns;
use crate::neutral::{self, Names, Value};
use crate::record::DataSet;

/// Most fields that one row keeps.
const FIELDS: usize = 64;
/// Longest value, in bytes of text.
const VALUE: usize = 1024;

/// Appends the maps of a data set's records, the first of which is in `first_row`. Fields of length zero say nothing.
pub(crate) fn append(set: &DataSet<'_>, first_row: usize, out: &mut FlowColumns) {
    let unused = &set.template.plan().unused;
    let raw = &mut out.raw;
    raw.resize(first_row);
    if unused.is_empty() {
        return;
    }
    for bytes in set.records() {
        let record = set.record(bytes);
        let mut wanted = unused.iter().take(FIELDS).peekable();
        for (_, field) in record.fields().enumerate().filter(|(index, _)| wanted.next_if_eq(&index).is_some()) {
            if field.specifier.length == 0 {
                continue;
            }
            let value = neutral::structured(set.header.version, &field, record.sub_templates());
            if value == Value::Null {
                continue;
            }
            let name = neutral::name(set.header.version, &field, Names::Vendors);
            raw.push(&name, cut(value.to_string()));
        }
        raw.end_row();
    }
}

/// The beginning of a value that is too long, up to a whole character.
fn cut(mut value: String) -> Box<str> {
    value.truncate(value.floor_char_boundary(VALUE));
    value.into()
}
