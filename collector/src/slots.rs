//! A direct-mapped cache in front of a table that is shared: one worker's own, so that it costs neither a lock nor a wait.

use std::hash::{BuildHasher as _, Hash};

use foldhash::fast::RandomState;

/// Slots to begin with; a power of two.
const FIRST: usize = 1024;

/// A new entry takes the place of the one in its slot. Where entries come often the table grows.
#[derive(Debug)]
pub(crate) struct Slots<K, V> {
    slots: Box<[Option<(K, V)>]>,
    most: usize,
    /// Entries that took an empty place or another's since the table last grew.
    taken: usize,
    hasher: RandomState,
}

impl<K: Copy + Eq + Hash, V> Slots<K, V> {
    /// A table that grows to `most` slots, a power of two. There may be more keys: they share slots then.
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: (0..FIRST.min(most)).map(|_| None).collect(), most, taken: 0, hasher: RandomState::default() }
    }

    /// The value of a key, if it `holds`; found anew where it is not cached or does not hold any more.
    #[inline]
    pub(crate) fn value(
        &mut self,
        key: &K,
        holds: impl FnOnce(&V) -> bool,
        find: impl FnOnce() -> Option<V>,
    ) -> Option<&V> {
        let mut place = self.place(key);
        if !self.slots[place].as_ref().is_some_and(|(of, value)| of == key && holds(value)) {
            let value = find()?;
            if self.slots[place].as_ref().is_none_or(|(of, _)| of != key) {
                self.taken += 1;
                if self.taken > self.slots.len() / 2 && self.slots.len() < self.most {
                    self.grow();
                    place = self.place(key);
                }
            }
            self.slots[place] = Some((*key, value));
        }
        self.slots[place].as_ref().map(|(_, value)| value)
    }

    #[cold]
    fn grow(&mut self) {
        let slots = (0..2 * self.slots.len()).map(|_| None).collect();
        self.taken = 0;
        for (key, value) in std::mem::replace(&mut self.slots, slots).into_iter().flatten() {
            let place = self.place(&key);
            self.slots[place] = Some((key, value));
        }
    }

    fn place(&self, key: &K) -> usize {
        self.hasher.hash_one(key) as usize & (self.slots.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_grows_until_its_keys_have_room_and_no_further() {
        for (keys, most, expected) in [(500_u64, FIRST, FIRST), (6000, 1 << 14, 1 << 14), (6000, 2048, 2048)] {
            let mut slots = Slots::new(most);
            let mut found = 0;
            for round in 0..50 {
                found = 0;
                for key in 0..keys {
                    let wanted = key + round / 25;
                    let value = slots.value(
                        &key,
                        |value| *value == wanted,
                        || {
                            found += 1;
                            Some(wanted)
                        },
                    );
                    assert_eq!(value, Some(&wanted), "round {round}");
                }
            }
            assert_eq!(slots.slots.len(), expected, "{keys} keys");
            assert!(most < 4096 || found < keys / 2, "{found} of {keys} were not cached");
        }
    }

    #[test]
    fn what_is_not_found_is_not_cached() {
        let mut slots = Slots::<u64, u64>::new(FIRST);
        assert_eq!(slots.value(&1, |_| true, || None), None);
        assert_eq!(slots.value(&1, |_| true, || Some(2)), Some(&2));
    }
}
