//! Sums by key, in memory that is kept from block to block.

use std::collections::HashMap;
use std::hash::Hash;

use super::sums::Sums;

/// Sums by key. Keys are made so that their order is the order of the table.
#[derive(Debug)]
pub(super) struct Groups<K> {
    /// Place of each key in the others.
    places: HashMap<K, u32, foldhash::fast::RandomState>,
    keys: Vec<(K, u32)>,
    sums: Vec<Sums>,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { places: HashMap::default(), keys: Vec::new(), sums: Vec::new() }
    }
}

impl<K: Copy + Ord + Hash> Groups<K> {
    /// Adds to the sums of a key.
    #[inline]
    pub(super) fn add(&mut self, key: K, sums: &Sums) {
        let next = self.sums.len() as u32;
        let place = *self.places.entry(key).or_insert(next);
        if let Some(known) = self.sums.get_mut(place as usize) {
            return known.add(sums);
        }
        self.keys.push((key, place));
        self.sums.push(*sums);
    }

    /// The sums of each key, in the order in which the keys were first seen.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &Sums)> {
        self.keys.iter().map(|(key, _)| *key).zip(&self.sums)
    }

    /// Every sum, in the order in which the keys were first seen.
    pub(super) fn sums(&self) -> &[Sums] {
        &self.sums
    }

    /// Takes everything out, keys ascending; sums of nothing are left out.
    pub(super) fn drain(&mut self, mut row: impl FnMut(K, &Sums)) {
        self.keys.sort_unstable();
        for (key, place) in &self.keys {
            let sums = &self.sums[*place as usize];
            if !sums.is_nothing() {
                row(*key, sums);
            }
        }
        self.clear();
    }

    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.keys.clear();
        self.sums.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drained_is_sorted_and_summed() {
        let mut groups = Groups::default();
        for round in 0..2 {
            for (key, bytes) in [(7_u128, 1), (3, 2), (7, 3), (5, 0), (u128::MAX, u64::MAX), (u128::MAX, 2)] {
                groups.add(key, &Sums { bytes, ..Sums::default() });
            }
            let mut found = Vec::new();
            groups.drain(|key, sums| found.push((key, sums.bytes)));
            assert_eq!(found, [(3, 2), (7, 4), (u128::MAX, 1)], "round {round}");
        }
    }
}
