//! The pairs of customer and network that a block's flows begin or end in, numbered as they come.

use std::collections::HashMap;

/// Numbers of pairs of keys.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// By the network's key: the customer's key that came last with it and the pair's number, counted from 1. Nearly always a
    /// network has one customer.
    last: Vec<(u32, u32)>,
    numbers: HashMap<(u32, u32), u32, foldhash::fast::RandomState>,
    keys: Vec<(u32, u32)>,
}

impl Ends {
    pub(super) fn clear(&mut self) {
        self.last.clear();
        self.numbers.clear();
        self.keys.clear();
    }

    /// The number of a pair.
    #[inline]
    pub(super) fn number(&mut self, customer: u32, network: u32) -> u32 {
        match self.last.get(network as usize) {
            Some((known, number)) if *known == customer && *number > 0 => number - 1,
            _ => self.look_up(customer, network),
        }
    }

    #[inline(never)]
    fn look_up(&mut self, customer: u32, network: u32) -> u32 {
        let next = self.keys.len() as u32;
        let number = *self.numbers.entry((customer, network)).or_insert(next);
        if number == next {
            self.keys.push((customer, network));
        }
        if self.last.len() <= network as usize {
            self.last.resize(network as usize + 1, (0, 0));
        }
        self.last[network as usize] = (customer, number + 1);
        number
    }

    /// The customer's and the network's key.
    #[inline]
    pub(super) fn keys(&self, number: u32) -> (u32, u32) {
        self.keys[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_its_pair() {
        let mut ends = Ends::default();
        for _ in 0..2 {
            let pairs = [(0, 0), (1, 0), (0, 0), (7, 3), (7, 9), (1, 3), (7, 3), (1, 0)];
            let numbers = pairs.map(|(customer, network)| ends.number(customer, network));
            assert_eq!(numbers, [0, 1, 0, 2, 3, 4, 2, 1]);
            assert_eq!(numbers.map(|number| ends.keys(number)), pairs);
            ends.clear();
        }
    }
}
