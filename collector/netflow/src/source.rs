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
    record_length: u16,
    records: usize,
}

impl<'a> Fixed<'a> {
    /// The whole records of a set.
    pub(crate) fn new(bytes: &'a [u8], record_length: usize) -> Self {
        let records = bytes.len().checked_div(record_length).unwrap_or(0);
        Self { bytes, record_length: u16::try_from(record_length).unwrap_or(u16::MAX), records }
    }

    /// The records, one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(self.record_length.into())
    }
}

impl Source for Fixed<'_> {
    fn records(&self) -> usize {
        self.records
    }

    #[inline]
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T) {
        // Said of numbers that small before the loop, lengths are not asked for each cell.
        let (length, offset) = (usize::from(self.record_length), offset & 0xffff);
        if offset.wrapping_add(W) > length {
            return cells.iter_mut().for_each(|cell| *cell = turn([0; W]));
        }
        let stride = length.wrapping_mul(STRIDE);
        let mut left = self.bytes;
        let (strides, rest) = cells.as_chunks_mut::<STRIDE>();
        for cells in strides {
            let Some((records, after)) = left.split_at_checked(stride) else { return };
            left = after;
            let at = |record: usize| {
                let start = length.wrapping_mul(record).wrapping_add(offset);
                records.get(start..start.wrapping_add(W)).and_then(<[u8]>::first_chunk::<W>).copied().unwrap_or([0; W])
            };
            *cells = [turn(at(0)), turn(at(1)), turn(at(2)), turn(at(3))];
        }
        for cell in rest {
            let Some((record, after)) = left.split_at_checked(length) else { return };
            left = after;
            let bytes = record.get(offset..offset.wrapping_add(W)).and_then(<[u8]>::first_chunk::<W>);
            *cell = turn(bytes.copied().unwrap_or([0; W]));
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
