//! A column of maps from element names to values: what no other column takes, kept if asked for.

use crate::columns::{range_of, resize_ends, start_of};
use crate::flat::Flat;

/// One column of maps. Empty unless [`Raw::keep`] is set before decoding.
#[derive(Debug, Clone, Default)]
pub struct Raw {
    /// Whether fields that no column takes are kept here. Survives [`Raw::clear`].
    pub keep: bool,
    /// End of each row's entries in `names` and `values`.
    pub ends: Flat<u64>,
    /// Names of the entries, a row's one after the other: the element's name, or `enterprise/number` where it has none.
    pub names: crate::text::Text,
    /// Values of the entries, as text; in step with `names`.
    pub values: Vec<Box<str>>,
}

impl Raw {
    /// Makes the column `rows` long: appends empty maps, or cuts.
    pub fn resize(&mut self, rows: usize) {
        if rows < self.ends.len() {
            let entries = start_of(&self.ends, rows);
            self.values.truncate(entries);
            self.names.resize(entries);
        }
        resize_ends(&mut self.ends, rows, self.values.len());
    }

    /// Makes room for `rows` in all.
    pub fn reserve(&mut self, rows: usize) {
        self.ends.reserve(rows);
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Forgets rows and dictionary, keeps the memory of the rows.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.names.clear();
        self.values.clear();
    }

    /// Appends an entry to the row that [`Raw::end_row`] will end.
    pub(crate) fn push(&mut self, name: &str, value: Box<str>) {
        let key = self.names.key(name);
        self.names.push(key);
        self.values.push(value);
    }

    /// Ends a row.
    pub(crate) fn end_row(&mut self) {
        self.ends.push(u64::try_from(self.values.len()).unwrap_or(u64::MAX));
    }

    /// One row's entries: names and values.
    pub fn get(&self, row: usize) -> impl Iterator<Item = (&str, &str)> {
        range_of(&self.ends, row).filter_map(|entry| Some((self.names.get(entry), &**self.values.get(entry)?)))
    }
}
