//! Sums by key, in memory that is kept from block to block.
//!
//! Keys are looked up in an open table of places, which is as large as one exporter's part of the block asks for: it stays in the
//! processor's nearest caches however many keys the whole block has. What the parts sum up to is kept one part behind the other.

use std::hash::BuildHasher as _;

use super::sums::Sums;

/// Numbers that nobody outside knows, by which keys are scattered: who chooses the keys cannot choose where they go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed([u64; 3]);

impl Default for Seed {
    fn default() -> Self {
        let state = std::collections::hash_map::RandomState::new();
        Self([0_u64, 1, 2].map(|number| state.hash_one(number)))
    }
}

impl Seed {
    /// Scatters two words.
    #[inline]
    fn scatter(self, one: u64, other: u64) -> u64 {
        fold(one ^ self.0[0], other ^ self.0[1])
    }

    /// Scatters a third on top.
    #[inline]
    fn scatter_more(self, scattered: u64, word: u64) -> u64 {
        fold(scattered ^ word, self.0[2])
    }
}

/// Both halves of the product, one upon the other.
#[inline]
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

/// What sums are kept for, within an exporter.
pub(super) trait Key: Copy + Eq {
    /// Where to look for it.
    fn scattered(self, seed: Seed) -> u64;
}

/// A subject of up to 64 bits, and its bucket with what else has room there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short {
    pub(super) subject: u64,
    pub(super) bucket: u32,
}

/// An address, and its bucket with what else has room there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Long {
    /// The upper and the lower half, as numbers.
    pub(super) address: [u64; 2],
    pub(super) bucket: u32,
}

impl Key for Short {
    #[inline]
    fn scattered(self, seed: Seed) -> u64 {
        seed.scatter(self.subject, u64::from(self.bucket))
    }
}

impl Key for Long {
    #[inline]
    fn scattered(self, seed: Seed) -> u64 {
        seed.scatter_more(seed.scatter(self.address[0], self.address[1]), u64::from(self.bucket))
    }
}

/// A key and its sums.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<K> {
    pub(super) key: K,
    pub(super) sums: Sums,
}

/// Sums by key, part by part.
#[derive(Debug)]
pub(super) struct Groups<K> {
    seed: Seed,
    /// Places, counted from 1, of this part's entries; 0 where there is none. Their number is a power of two, at least twice that
    /// of the entries.
    slots: Vec<u32>,
    entries: Vec<Entry<K>>,
    /// Where this part's entries begin.
    part: usize,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self { seed: Seed::default(), slots: vec![0; 2], entries: Vec::new(), part: 0 }
    }
}

impl<K: Key> Groups<K> {
    /// Begins a part of about `expected` keys: keys before are not looked at any more.
    pub(super) fn begin_part(&mut self, expected: usize) {
        self.part = self.entries.len();
        self.slots.clear();
        self.slots.resize((2 * expected).next_power_of_two().max(16), 0);
    }

    /// Adds to the sums of a key of this part.
    #[inline]
    pub(super) fn add(&mut self, key: K, sums: &Sums) {
        let mask = self.slots.len() - 1;
        let mut at = key.scattered(self.seed) as usize & mask;
        loop {
            let place = self.slots[at] as usize;
            if place == 0 {
                return self.begin(at, Entry { key, sums: *sums });
            }
            let entry = &mut self.entries[place - 1];
            if entry.key == key {
                return entry.sums.add(sums);
            }
            at = (at + 1) & mask;
        }
    }

    #[inline]
    fn begin(&mut self, at: usize, entry: Entry<K>) {
        self.entries.push(entry);
        self.slots[at] = self.entries.len() as u32;
        if 2 * (self.entries.len() - self.part) > self.slots.len() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        let slots = 4 * self.slots.len();
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (place, entry) in (0..).zip(&self.entries).skip(self.part) {
            let mut at = entry.key.scattered(self.seed) as usize & (slots - 1);
            while self.slots[at] != 0 {
                at = (at + 1) & (slots - 1);
            }
            self.slots[at] = place + 1;
        }
    }

    /// All of them, part by part, each in the order in which the keys were first seen.
    pub(super) fn entries(&self) -> &[Entry<K>] {
        &self.entries
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.part = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn sums_are_those_of_a_map() {
        let mut groups = Groups::default();
        for (round, keys) in [1_u64, 3, 1000, 40_000].into_iter().enumerate() {
            groups.clear();
            let (mut expected, mut found) = (BTreeMap::new(), BTreeMap::new());
            for (part, expected_keys) in [0, 7, 100_000].into_iter().enumerate() {
                let begin = groups.entries().len();
                groups.begin_part(expected_keys);
                for number in 0..2 * keys {
                    // Of few and of many values, and all alike in their low bits.
                    let (subject, bucket) = ((number * number % keys) << 32, (number % 3) as u32);
                    groups.add(Short { subject, bucket }, &Sums { bytes: number, ..Sums::default() });
                    *expected.entry((part, subject, bucket)).or_insert(0) += number;
                }
                for Entry { key, sums } in &groups.entries()[begin..] {
                    let twin = found.insert((part, key.subject, key.bucket), sums.bytes);
                    assert_eq!(twin, None, "round {round}: each key once in a part");
                }
            }
            assert_eq!(found, expected, "round {round}");
        }
    }

    #[test]
    fn addresses_are_told_apart_by_each_of_their_bits() {
        let mut groups = Groups::default();
        groups.begin_part(1);
        for bit in 0..64 {
            for address in [[1 << bit, 0], [0, 1 << bit]] {
                for bucket in [0, 1] {
                    groups.add(Long { address, bucket }, &Sums::of(1, 1, 1));
                }
            }
        }
        assert_eq!(groups.entries().len(), 256);
    }
}
