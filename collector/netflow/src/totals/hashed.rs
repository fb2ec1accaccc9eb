//! Keys of flows with their hashes, which are worked out once for all that is looked up by them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};

use super::{FlowKey, Reported};

/// Flows by their keys.
pub(super) type Flows = HashMap<Hashed, Reported, BuildHasherDefault<AsItIs>>;

/// A key and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hashed {
    hash: u64,
    pub(super) key: FlowKey,
}

impl From<FlowKey> for Hashed {
    /// A key that is not hashed yet.
    fn from(key: FlowKey) -> Self {
        Self { hash: 0, key }
    }
}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Takes a number for its hash.
#[derive(Debug, Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// Numbers that nobody outside knows, by which keys are scattered: who chooses the keys cannot choose where they go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed([u64; 2]);

impl Default for Seed {
    fn default() -> Self {
        let state = RandomState::new();
        Self([0_u64, 1].map(|number| state.hash_one(number)))
    }
}

impl Seed {
    pub(super) fn hash(self, key: FlowKey) -> Hashed {
        let [one, other] = self.0;
        let words = key.words();
        let (pairs, _) = words.as_chunks::<2>();
        let hash = pairs.iter().fold(one, |hash, [left, right]| fold(hash ^ left, other ^ right));
        Hashed { hash: fold(hash, one), key }
    }
}

/// Both halves of the product, one upon the other.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one).wrapping_mul(u128::from(other));
    product as u64 ^ (product >> 64) as u64
}
