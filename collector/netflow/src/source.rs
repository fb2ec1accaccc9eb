//! Where the cells of one column are read from: records of equal length, or records whose fields move.
//!
//! Both give iterators of known length, so that a column grows once and its loop has no branch on the field's type.

use crate::plan::Op;
use crate::template::VARIABLE;
use crate::wire::{chunk_at, variable_at};

/// Some records of one data set.
pub(crate) trait Source {
    /// `W` bytes of each record, `offset` bytes into the run of fixed-length fields at hand.
    fn cells<const W: usize>(&self, offset: usize) -> impl Iterator<Item = [u8; W]>;

    /// The bytes of a field of any length in each record.
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]>;
}

/// Records of a template without variable-length fields: one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed<'a> {
    /// Whole records.
    pub(crate) bytes: &'a [u8],
    /// Length of each; not 0.
    pub(crate) record_length: usize,
}

impl Source for Fixed<'_> {
    #[inline]
    fn cells<const W: usize>(&self, offset: usize) -> impl Iterator<Item = [u8; W]> {
        self.bytes.chunks_exact(self.record_length).map(move |record| chunk_at(record, offset).unwrap_or([0; W]))
    }

    #[inline]
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]> {
        let range = op.offset..op.offset.saturating_add(usize::from(op.width));
        self.bytes.chunks_exact(self.record_length).map(move |record| record.get(range.clone()).unwrap_or(&[]))
    }
}

/// Records with variable-length fields: each has a cursor to the start of the same run of fixed-length fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moving<'a> {
    /// The whole set.
    pub(crate) set: &'a [u8],
    /// A position in the set for each record.
    pub(crate) cursors: &'a [usize],
}

impl Source for Moving<'_> {
    #[inline]
    fn cells<const W: usize>(&self, offset: usize) -> impl Iterator<Item = [u8; W]> {
        self.cursors.iter().map(move |cursor| chunk_at(self.set, cursor.saturating_add(offset)).unwrap_or([0; W]))
    }

    #[inline]
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]> {
        let (offset, width) = (op.offset, op.width);
        self.cursors.iter().map(move |cursor| {
            let start = cursor.saturating_add(offset);
            if width == VARIABLE {
                return variable_at(self.set, start).map_or(&[][..], |(value, _)| value);
            }
            self.set.get(start..start.saturating_add(usize::from(width))).unwrap_or(&[])
        })
    }
}
