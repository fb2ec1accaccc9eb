//! Where the cells of one column are read from: records of equal length, or records whose fields move.
//!
//! Both write the cells of all records in one loop that has no branch on the field's type.

use crate::plan::Op;
use crate::template::VARIABLE;
use crate::wire::{chunk_at, variable_at};

/// Records of equal length are read this many at a time: one check of the bounds is for all of them.
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

    #[inline]
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T) {
        let length = self.record_length;
        let most = usize::from(u16::MAX);
        // What is said here of the lengths lets the compiler leave out the checks of each cell: nothing below can overflow.
        if length > most || offset > most || offset.wrapping_add(W) > length {
            return;
        }
        let cell = |records: &[u8], at: usize| turn(chunk_at(records, at).unwrap_or([0; W]));
        let (second, third) = (offset.wrapping_add(length), offset.wrapping_add(length.wrapping_mul(2)));
        let fourth = offset.wrapping_add(length.wrapping_mul(3));
        let (strides, rest) = cells.as_chunks_mut::<STRIDE>();
        let mut left = self.bytes;
        for cells in strides {
            let Some((records, after)) = left.split_at_checked(length.wrapping_mul(STRIDE)) else { return };
            left = after;
            *cells = [cell(records, offset), cell(records, second), cell(records, third), cell(records, fourth)];
        }
        for one in rest {
            let Some((record, after)) = left.split_at_checked(length) else { return };
            left = after;
            *one = cell(record, offset);
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
            *cell = turn(chunk_at(self.set, cursor.saturating_add(offset)).unwrap_or([0; W]));
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
