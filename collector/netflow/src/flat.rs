//! A column of cells of one width. Its memory stays as it is from block to block: a cell is emptied only if it was written before
//! and nothing writes it again, so a column that no exporter fills costs nothing, and one that is filled is written once.

use std::fmt;
use std::ops::{Deref, DerefMut, Range};

use crate::ahead;

/// Least number of cells that room is made for.
const LEAST_ROOM: usize = 64;

/// One column; a slice of its rows. A clone has room for the rows alone.
pub struct Flat<T> {
    /// As many as there is room for.
    cells: Vec<T>,
    /// How many of them are rows.
    rows: usize,
    /// All cells from here on are empty.
    written: usize,
}

impl<T> Default for Flat<T> {
    fn default() -> Self {
        Self { cells: Vec::new(), rows: 0, written: 0 }
    }
}

impl<T: Clone> Clone for Flat<T> {
    fn clone(&self) -> Self {
        Self { cells: self.to_vec(), rows: self.rows, written: self.written.min(self.rows) }
    }
}

impl<T: Copy + Default> Flat<T> {
    /// Appends a row.
    #[inline]
    pub fn push(&mut self, value: T) {
        let next = self.rows.saturating_add(1);
        if let Some(cell) = self.cells.get_mut(self.rows) {
            *cell = value;
            self.rows = next;
            self.written = self.written.max(next);
        } else {
            self.fill_to(next, value);
        }
    }

    /// Makes the column `rows` long, new cells empty.
    pub fn resize(&mut self, rows: usize) {
        if self.rows < rows {
            self.grow(rows);
            self.empty(self.rows..rows);
            if self.rows == 0 && self.written <= rows {
                self.written = 0;
            }
        }
        self.rows = rows;
    }

    /// Makes the column `rows` long if it is shorter, all new cells this value.
    pub fn fill_to(&mut self, rows: usize, value: T) {
        let first = self.rows;
        if first < rows {
            self.over(first..rows).fill(value);
        }
    }

    /// Makes room for `rows` in all. Memory that is never written is never asked of the system.
    pub fn reserve(&mut self, rows: usize) {
        if self.cells.is_empty() {
            self.cells = vec![T::default(); rows];
        } else if self.cells.len() < rows {
            self.cells.resize(rows, T::default());
        }
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.rows = 0;
    }

    /// The rows.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self
    }

    /// Rows that there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.cells.len()
    }

    /// Whether every cell is empty because nothing has been written; false says nothing.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.written == 0
    }

    /// Cells every one of which the caller writes; the column gets as long as that. Cells before them that nothing has written
    /// are empty.
    #[inline]
    pub(crate) fn over(&mut self, rows: Range<usize>) -> &mut [T] {
        if self.cells.len() < rows.end || self.rows < rows.start {
            self.prepare(&rows);
        }
        self.rows = self.rows.max(rows.end);
        self.written = self.written.max(rows.end);
        ahead::ask(&self.cells, rows.start, rows.end);
        self.cells.get_mut(rows).unwrap_or(&mut [])
    }

    /// Cells to be looked at and written; the column gets as long as that, new cells empty.
    #[inline]
    pub(crate) fn cells(&mut self, rows: Range<usize>) -> &mut [T] {
        self.lengthen(rows.end);
        self.written = self.written.max(rows.end);
        self.cells.get_mut(rows).unwrap_or(&mut [])
    }

    /// Makes the column `rows` long if it is shorter, new cells empty.
    #[inline]
    pub(crate) fn lengthen(&mut self, rows: usize) {
        if self.rows < rows {
            self.resize(rows);
        }
    }

    /// Empties cells that are not rows yet.
    fn empty(&mut self, cells: Range<usize>) {
        let written = cells.start..cells.end.min(self.written);
        if let Some(cells) = self.cells.get_mut(written) {
            cells.fill(T::default());
        }
    }

    /// Makes room for rows, and cells before them that no row has had so far empty.
    #[cold]
    #[inline(never)]
    fn prepare(&mut self, rows: &Range<usize>) {
        self.grow(rows.end);
        self.empty(self.rows..rows.start);
    }

    fn grow(&mut self, rows: usize) {
        if self.cells.len() < rows {
            self.reserve(rows.max(self.cells.len().saturating_mul(2)).max(LEAST_ROOM));
        }
    }
}

impl<T> Deref for Flat<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        self.cells.get(..self.rows).unwrap_or(&[])
    }
}

impl<T> DerefMut for Flat<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.written = self.written.max(self.rows);
        self.cells.get_mut(..self.rows).unwrap_or(&mut [])
    }
}

impl<T: fmt::Debug> fmt::Debug for Flat<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

impl<T: PartialEq> PartialEq for Flat<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: PartialEq> PartialEq<Vec<T>> for Flat<T> {
    fn eq(&self, other: &Vec<T>) -> bool {
        **self == **other
    }
}

impl<T: PartialEq, const N: usize> PartialEq<[T; N]> for Flat<T> {
    fn eq(&self, other: &[T; N]) -> bool {
        **self == *other
    }
}

impl<T: Copy + Default> Extend<T> for Flat<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<T: Copy + Default> FromIterator<T> for Flat<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut column = Self::default();
        column.extend(values);
        column
    }
}

impl<T: Copy + Default> From<Vec<T>> for Flat<T> {
    fn from(cells: Vec<T>) -> Self {
        Self { rows: cells.len(), written: cells.len(), cells }
    }
}

impl<'a, T> IntoIterator for &'a Flat<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a, T> IntoIterator for &'a mut Flat<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is done to a column in a decoder's life.
    #[derive(Debug, Clone)]
    enum Step {
        Push(u8),
        Resize(usize),
        Lengthen(usize),
        FillTo(usize, u8),
        Over(Range<usize>, u8),
        Cells(Range<usize>, u8),
        Change(u8),
        Reserve(usize),
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let rows = || 0..200_usize;
        let some = || (rows(), 0..9_usize).prop_map(|(first, count)| first..first.saturating_add(count));
        let step = prop_oneof![
            any::<u8>().prop_map(Step::Push),
            rows().prop_map(Step::Resize),
            rows().prop_map(Step::Lengthen),
            (rows(), any::<u8>()).prop_map(|(rows, value)| Step::FillTo(rows, value)),
            (some(), any::<u8>()).prop_map(|(rows, value)| Step::Over(rows, value)),
            (some(), any::<u8>()).prop_map(|(rows, value)| Step::Cells(rows, value)),
            any::<u8>().prop_map(Step::Change),
            rows().prop_map(Step::Reserve),
            Just(Step::Clear),
        ];
        proptest::collection::vec(step, 0..60)
    }

    proptest! {
        /// Whatever is done, the rows are those of a vector to which the same is done the simple way.
        #[test]
        fn is_a_vector(steps in steps()) {
            let (mut column, mut vector) = (Flat::<u8>::default(), Vec::<u8>::new());
            for step in steps {
                match step {
                    Step::Push(value) => {
                        column.push(value);
                        vector.push(value);
                    }
                    Step::Resize(rows) => {
                        column.resize(rows);
                        vector.resize(rows, 0);
                    }
                    Step::Lengthen(rows) => {
                        column.lengthen(rows);
                        vector.resize(vector.len().max(rows), 0);
                    }
                    Step::FillTo(rows, value) => {
                        column.fill_to(rows, value);
                        vector.resize(vector.len().max(rows), value);
                    }
                    Step::Over(rows, value) => {
                        column.over(rows.clone()).fill(value);
                        vector.resize(vector.len().max(rows.end), 0);
                        vector[rows].fill(value);
                    }
                    Step::Cells(rows, value) => {
                        vector.resize(vector.len().max(rows.end), 0);
                        let cells = column.cells(rows.clone());
                        prop_assert_eq!(&*cells, &vector[rows.clone()]);
                        cells.fill(value);
                        vector[rows].fill(value);
                    }
                    Step::Change(value) => {
                        column.iter_mut().for_each(|cell| *cell = cell.wrapping_add(value));
                        vector.iter_mut().for_each(|cell| *cell = cell.wrapping_add(value));
                    }
                    Step::Reserve(rows) => column.reserve(rows),
                    Step::Clear => {
                        column.clear();
                        vector.clear();
                    }
                }
                prop_assert_eq!(&column, &vector);
                prop_assert!(!column.is_unwritten() || column.iter().all(|cell| *cell == 0));
            }
        }
    }
}
