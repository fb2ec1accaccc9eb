//! Where the cells of one column are read from: records of equal length, or records whose fields move, which are packed first.
//!
//! Both write the cells of all records in one loop that has no branch on the field's type.

use crate::plan::Op;
use crate::template::{Template, VARIABLE};
use crate::wire::variable_at;

/// Records of equal length are read this many at a time, so that what is to be done for a loop is done for all of them.
const STRIDE: usize = 4;

/// Some records of one data set.
pub(crate) trait Source {
    /// Number of records.
    fn records(&self) -> usize;

    /// Writes what `turn` makes of `W` bytes of each record, `offset` bytes into its fields of fixed length. There is
    /// a cell for each record.
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T);

    /// A field of any length in each record: its bytes and what follows them, and how many are its own.
    fn tails(&self, op: &Op) -> impl Iterator<Item = (&[u8], usize)>;

    /// The bytes of a field of any length in each record.
    fn values(&self, op: &Op) -> impl Iterator<Item = &[u8]> {
        self.tails(op).map(|(tail, length)| tail.get(..length).unwrap_or(&[]))
    }
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
        Self { bytes, record_length: narrow(record_length), records }
    }

    /// The records, one by one.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.bytes.chunks_exact(usize::from(self.record_length).max(1))
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
    fn tails(&self, op: &Op) -> impl Iterator<Item = (&[u8], usize)> {
        let (offset, width) = (op.offset, usize::from(op.width));
        self.iter().map(move |record| (record.get(offset..).unwrap_or(&[]), width))
    }
}

/// Records with variable-length fields, taken apart in one walk: their fields of fixed length packed as if there were no others,
/// and where the others are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Packed {
    bytes: Vec<u8>,
    /// Start in the set and length of each variable-length value, record by record.
    values: Vec<(u32, u32)>,
    records: usize,
}

impl Packed {
    /// Takes the records of a set apart; true if the last one runs past the end, which is left out.
    pub(crate) fn take(&mut self, template: &Template, set: &[u8]) -> bool {
        self.bytes.clear();
        self.values.clear();
        self.records = 0;
        let mut position = 0_usize;
        loop {
            if template.is_padding(set.len().saturating_sub(position)) {
                return false;
            }
            let (bytes, values) = (self.bytes.len(), self.values.len());
            let Some(end) = self.record(template.runs(), set, position) else {
                self.bytes.truncate(bytes);
                self.values.truncate(values);
                return true;
            };
            self.records = self.records.saturating_add(1);
            position = end;
        }
    }

    /// Takes one record; where it ends.
    #[inline]
    fn record(&mut self, runs: &[usize], set: &[u8], start: usize) -> Option<usize> {
        let (last, before) = runs.split_last()?;
        let mut position = start;
        for run in before {
            let (fixed, rest) = set.get(position..)?.split_at_checked(*run)?;
            self.bytes.extend_from_slice(fixed);
            let (value, end) = variable_at(rest, 0)?;
            position = position.checked_add(*run)?.checked_add(end)?;
            let begun = position.checked_sub(value.len())?;
            self.values.push((u32::try_from(begun).ok()?, u32::try_from(value.len()).ok()?));
        }
        self.bytes.extend_from_slice(set.get(position..)?.get(..*last)?);
        position.checked_add(*last)
    }

    /// The records, to be read.
    pub(crate) fn source<'a>(&'a self, template: &Template, set: &'a [u8]) -> Moving<'a> {
        let (last, before) = template.runs().split_last().map_or((0, &[][..]), |(last, before)| (*last, before));
        let length = before.iter().fold(last, |sum, run| sum.saturating_add(*run));
        let fixed = Fixed { bytes: &self.bytes, record_length: narrow(length), records: self.records };
        Moving { fixed, set, values: &self.values, fields: before.len() }
    }
}

/// Records with variable-length fields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moving<'a> {
    /// The fields of fixed length.
    pub(crate) fixed: Fixed<'a>,
    /// The whole set.
    set: &'a [u8],
    /// As in [`Packed`].
    values: &'a [(u32, u32)],
    /// Variable-length fields of a record.
    fields: usize,
}

impl Source for Moving<'_> {
    fn records(&self) -> usize {
        self.fixed.records
    }

    #[inline]
    fn write<const W: usize, T>(&self, offset: usize, cells: &mut [T], turn: impl Fn([u8; W]) -> T) {
        self.fixed.write(offset, cells, turn);
    }

    #[inline]
    fn tails(&self, op: &Op) -> impl Iterator<Item = (&[u8], usize)> {
        let is_variable = op.width == VARIABLE;
        let variable = self.values.iter().skip(op.run).step_by(self.fields.max(1));
        let variable =
            variable.map(|(start, length)| (self.set.get(*start as usize..).unwrap_or(&[]), *length as usize));
        let variable = is_variable.then_some(variable).into_iter().flatten();
        let fixed = (!is_variable).then(|| self.fixed.tails(op)).into_iter().flatten();
        variable.chain(fixed)
    }
}

/// A record that fits a datagram is no longer than this tells.
fn narrow(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}
