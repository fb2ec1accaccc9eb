//! Values of a block numbered in their order, so that numbers sort as the values do.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use netflow::Text;

/// Distinct values of a block, and the rank of each among them.
#[derive(Debug)]
pub(super) struct Ranks<T> {
    numbers: HashMap<T, u32, foldhash::fast::RandomState>,
    /// By number, then, once sorted, by rank.
    values: Vec<(T, u32)>,
    /// By number.
    ranks: Vec<u32>,
}

impl<T> Default for Ranks<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), values: Vec::new(), ranks: Vec::new() }
    }
}

impl<T: Clone + Ord + Hash> Ranks<T> {
    pub(super) fn clear(&mut self) {
        self.numbers.clear();
        self.values.clear();
        self.ranks.clear();
    }

    /// The number of a value: its place among those that were asked for since [`Ranks::clear`]. None may be asked for after
    /// [`Ranks::sort`].
    #[inline]
    pub(super) fn number(&mut self, value: &T) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let next = self.values.len() as u32;
        self.numbers.insert(value.clone(), next);
        self.values.push((value.clone(), next));
        next
    }

    /// Gives every number its rank.
    pub(super) fn sort(&mut self) {
        self.values.sort_unstable();
        self.ranks.resize(self.values.len(), 0);
        for (rank, (_, number)) in (0..).zip(&self.values) {
            self.ranks[*number as usize] = rank;
        }
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The rank of a number.
    #[inline]
    pub(super) fn rank(&self, number: u32) -> u32 {
        self.ranks[number as usize]
    }

    /// The value of a rank.
    #[inline]
    pub(super) fn value(&self, rank: u32) -> &T {
        &self.values[rank as usize].0
    }
}

/// The strings of several columns, and the rank of each of their keys.
#[derive(Debug, Default)]
pub(super) struct TextRanks {
    ranks: Ranks<Arc<str>>,
    /// By key, for each column.
    by_key: Vec<Vec<u32>>,
}

impl TextRanks {
    /// Ranks the strings of these columns. The empty one is always among them, so its rank is 0.
    pub(super) fn of(&mut self, texts: &[&Text]) {
        self.ranks.clear();
        self.by_key.resize_with(texts.len(), Vec::new);
        for (by_key, text) in self.by_key.iter_mut().zip(texts) {
            by_key.clear();
            by_key.extend(text.values().iter().map(|value| self.ranks.number(value)));
        }
        self.ranks.sort();
        for number in self.by_key.iter_mut().flatten() {
            *number = self.ranks.rank(*number);
        }
    }

    /// The rank of a key of a column.
    #[inline]
    pub(super) fn rank(&self, column: usize, key: u32) -> u32 {
        self.by_key[column][key as usize]
    }

    /// Makes ranks the keys of an empty column.
    pub(super) fn fill_dictionary(&self, column: &mut Text) {
        for (rank, (value, _)) in (0..).zip(&self.ranks.values) {
            let key = column.key(value);
            debug_assert_eq!(key, rank, "ranks are keys");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_sort_as_values_do_and_are_keys() {
        let column = |values: &[&str]| {
            let mut text = Text::default();
            for value in values {
                let key = text.key(value);
                text.push(key);
            }
            text
        };
        let (first, second) = (column(&["us", "de", "us", ""]), column(&["fr", "de"]));
        let mut ranks = TextRanks::default();
        for round in 0..2 {
            ranks.of(&[&first, &second]);
            let mut out = Text::default();
            ranks.fill_dictionary(&mut out);
            for (number, text) in [&first, &second].into_iter().enumerate() {
                for (row, key) in text.keys().iter().enumerate() {
                    let rank = ranks.rank(number, *key);
                    assert_eq!(&*out.values()[rank as usize], text.get(row), "round {round}");
                }
            }
            assert!(out.values().is_sorted());
        }
    }
}
