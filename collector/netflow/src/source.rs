//! Where the cells of one column are read from: records of equal length, or records whose fields move.
//!
//! Both write the cells of all records in one loop that has no branch on the field's type.

use crate::plan::Op;
use crate::template::VARIABLE;
use crate::wire::variable_at;

/// Records of equal length are read this many at a time, so that what is to be done for a loop is done for all of them.
const STRIDE: usize = 4;

/// Some records of one data set.
pub(crate) trait Source {
    /// Number of records.
    fn records(&self) -> usize;

    /// Writes what `turn` makes of `W` bytes of each record, `offset` bytes into the run of fixed-length fields at hand. There is
    /// a cell for each record.
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T);

    /// The bytes of a field of any length in each record.
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]>;
}

/// Records of a template without variable-length fields: one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fixed<'a> {
    /// Whole records.
    bytes: &'a [u8],
    /// Length of each; not 0.
    record_length: usize,
    records: usize,
}

impl<'a> Fixed<'a> {
    /// The whole records of a set.
    pub(crate) fn new(bytes: &'a [u8], record_length: usize) -> Self {
        Self { bytes, record_length, records: bytes.len().checked_div(record_length).unwrap_or(0) }
    }

    /// The records, one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.record_length)
    }
}

impl Source for Fixed<'_> {
    fn records(&self) -> usize {
        self.records
    }

    #[inline(never)]
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T) {
        let length = self.record_length;
        // Said of the lengths before the loop, this is not asked for each cell.
        if length < offset || length.wrapping_sub(offset) < W {
            return;
        }
        let stride = length.wrapping_mul(STRIDE);
        let [second, third, fourth] = [1, 2, 3].map(|record| length.wrapping_mul(record).wrapping_add(offset));
        let mut left = self.bytes;
        let (strides, rest) = cells.as_chunks_mut::<STRIDE>();
        for cells in strides {
            let Some((records, after)) = left.split_at_checked(stride) else { return };
            left = after;
            let at = |offset| records.get(offset..).and_then(<[u8]>::first_chunk::<W>);
            let Some(last) = at(fourth) else { return };
            let (Some(a), Some(b), Some(c)) = (at(offset), at(second), at(third)) else { return };
            *cells = [turn(*a), turn(*b), turn(*c), turn(*last)];
        }
        for cell in rest {
            let Some((record, after)) = left.split_at_checked(length) else { return };
            left = after;
            let Some(bytes) = record.get(offset..).and_then(<[u8]>::first_chunk) else { return };
            *cell = turn(*bytes);
        }
    }

    #[inline]
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]> {
        let range = op.offset..op.offset.saturating_add(usize::from(op.width));
        self.iter().map(move |record| record.get(range.clone()).unwrap_or(&[]))
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
    fn records(&self) -> usize {
        self.cursors.len()
    }

    #[inline]
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T) {
        for (cell, cursor) in cells.iter_mut().zip(self.cursors) {
            let start = cursor.saturating_add(offset);
            *cell = turn(*self.set.get(start..).and_then(<[u8]>::first_chunk).unwrap_or(&[0; W]));
        }
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
