//! A table from addresses to values: by address or by prefix, the longest prefix wins.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv6Addr;

use netflow::columns::Address;

use super::names::Prefix;

/// Values of prefixes, ready to be looked up. Made once, never changed.
#[derive(Debug, Clone)]
pub(super) struct ByPrefix<T> {
    values: Vec<T>,
    /// Positions in `values` by masked address, longest prefixes first.
    prefixes: Vec<(u128, HashMap<u128, usize>)>,
}

impl<T> Default for ByPrefix<T> {
    fn default() -> Self {
        Self { values: Vec::new(), prefixes: Vec::new() }
    }
}

impl<T> ByPrefix<T> {
    /// Takes the values over; the later of two for the same prefix holds.
    pub(super) fn new(values: impl IntoIterator<Item = (Prefix, T)>) -> Self {
        let mut kept = Vec::new();
        let mut by_bits: BTreeMap<u8, HashMap<u128, usize>> = BTreeMap::new();
        for (prefix, value) in values {
            by_bits.entry(prefix.bits()).or_default().insert(prefix.first(), kept.len());
            kept.push(value);
        }
        let prefixes = by_bits.into_iter().rev().map(|(bits, positions)| (mask(bits), positions)).collect();
        Self { values: kept, prefixes }
    }

    /// The value of the longest prefix that holds an address.
    pub(super) fn get(&self, address: &Address) -> Option<&T> {
        let address = u128::from(Ipv6Addr::from(*address));
        let position = self.prefixes.iter().find_map(|(mask, positions)| positions.get(&(address & mask)));
        position.and_then(|position| self.values.get(*position))
    }

    /// Whether there is no value at all.
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// The bits of an address that a prefix of `bits` bits leaves standing.
pub(super) fn mask(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}
