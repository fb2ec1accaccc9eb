//! A table from addresses to small numbers: flat roots, and below them 256-way nodes that store runs instead of slots.
//!
//! Keys are left-aligned in 128 bits: an IPv4 address is in the top 32. Each family has a root of its own. With roots of 24
//! bits every IPv4 address is found with one load, or with two where its /24 is split; IPv6 takes a node for each further 8
//! bits that its neighbourhood is split at. Look-ups are done a group at a time, level by level: the loads of a level do not
//! depend on each other, so the processor waits for many of them at once. Not here: what the numbers mean.

use bytemuck::{Pod, Zeroable};
use netflow::columns::Address;

use super::huge::Huge;

/// The number of an address that nothing was said about.
pub(super) const NOTHING: u32 = 0;
/// Addresses that are looked up as one group.
pub(super) const GROUP: usize = 64;
/// Set in a value that leads on to a node.
const NODE: u32 = 1 << 31;
/// Set beside [`NODE`] where the node has a value for each slot.
const WIDE: u32 = 1 << 30;
/// What is left of a value for the number or the node's index.
const NUMBER: u32 = WIDE - 1;
/// Runs of a node that is one cache line. Most nodes have no more.
const RUNS: usize = 12;
/// Slots of a node.
const SLOTS: usize = 256;
/// Bits that a node takes off the key.
const NODE_BITS: u32 = 8;
const KEY_BITS: u32 = 128;

/// The finished table.
#[derive(Debug)]
pub(super) struct Tree {
    root_bits: u32,
    /// The roots one after another, and a last value that is [`NOTHING`].
    roots: Huge<u32>,
    nodes: Huge<Node>,
    /// The slots of wide nodes, one node after another.
    wide: Huge<u32>,
}

/// The cells of a [`Tree`].
#[derive(Clone, Copy)]
struct View<'a> {
    roots: &'a [u32],
    nodes: &'a [Node],
    wide: &'a [u32],
}

/// Where the look-up of an address begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// Which root.
    pub(super) root: u32,
    /// The first 32 bits of the key.
    pub(super) key: u32,
    /// Bytes of the address that come before its key.
    pub(super) skip: usize,
}

/// 256 slots as runs of equal values: one cache line.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Node {
    /// The slots that runs begin at, ascending; 255 behind the last, and in the places that no run has a value for.
    starts: [u8; 16],
    /// Their values; behind the last, its value again.
    values: [u32; RUNS],
}

/// Builds a [`Tree`] from ranges, for each root in ascending order.
#[derive(Debug)]
pub(super) struct Builder {
    root_bits: u32,
    roots: Huge<u32>,
    /// Where the root at hand begins.
    root: usize,
    nodes: Vec<Node>,
    wide: Vec<u32>,
    /// The path of nodes that the last range was put into: later ranges may still add to them.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// The first key below this node.
    first: u128,
    slots: Box<[u32; SLOTS]>,
}

/// There are more distinct places or nodes than 30 bits can number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Start {
    /// Of an address as it is, or without the prefix of a mapped one.
    #[inline]
    pub(super) fn of(address: &Address) -> Self {
        let key = u128::from_be_bytes(*address);
        if key >> 32 == 0xffff { Self::v4(key as u32, 12) } else { Self { root: 1, key: (key >> 96) as u32, skip: 0 } }
    }

    /// Of the IPv4 address `key`, `skip` bytes into another address.
    #[inline]
    pub(super) fn v4(key: u32, skip: usize) -> Self {
        Self { root: 0, key, skip }
    }

    /// Of an address that nothing is said about.
    #[inline]
    pub(super) fn nothing() -> Self {
        Self { root: ROOTS, key: 0, skip: 0 }
    }
}

/// One for each family: IPv4 first.
const ROOTS: u32 = 2;

impl Tree {
    /// A table that says nothing about any key.
    pub(super) fn empty() -> Self {
        let (nodes, wide) = (Huge::zeros(0), Huge::zeros(0));
        Self { root_bits: NODE_BITS, roots: Huge::zeros(roots_of(NODE_BITS)), nodes, wide }
    }

    /// The number of one address.
    pub(super) fn find(&self, address: &Address, start: Start) -> u32 {
        let Start { root, key, skip } = start;
        let view = self.view();
        let mut value = view.roots[(root << self.root_bits) as usize + (key >> (32 - self.root_bits)) as usize];
        let mut rest = address.iter().skip(skip + (self.root_bits / NODE_BITS) as usize);
        while value & NODE != 0 {
            let Some(slot) = rest.next() else { return NOTHING };
            value = view.step(value, *slot);
        }
        value
    }

    /// The numbers of at most [`GROUP`] addresses, at the same places of `found`.
    #[inline]
    pub(super) fn find_group(
        &self,
        addresses: &[Address],
        start: impl Fn(&Address) -> Start,
        found: &mut [u32; GROUP],
    ) {
        let (view, shift) = (self.view(), 32 - self.root_bits);
        // The byte of each address that the next node is asked for.
        let mut next = [0_u8; GROUP];
        let mut open = [0_u8; GROUP];
        let mut open_count = 0_usize;
        for (place, address) in addresses.iter().take(GROUP).enumerate() {
            let Start { root, key, skip } = start(address);
            let value = view.roots[((root << self.root_bits) as usize) + ((key >> shift) as usize)];
            found[place] = value;
            next[place] = skip as u8 + (self.root_bits / NODE_BITS) as u8;
        }
        for (place, value) in found[..addresses.len().min(GROUP)].iter().enumerate() {
            open[open_count] = place as u8;
            open_count += (value >> 31) as usize;
        }
        while open_count > 0 {
            let mut still_open = 0;
            for turn in 0..open_count {
                let place = usize::from(open[turn]) % GROUP;
                let slot = addresses[place][usize::from(next[place]) % size_of::<Address>()];
                next[place] += 1;
                let value = view.step(found[place], slot);
                found[place] = value;
                open[still_open] = place as u8;
                still_open += (value >> 31) as usize;
            }
            open_count = still_open;
        }
    }

    #[inline]
    fn view(&self) -> View<'_> {
        View { roots: &self.roots, nodes: &self.nodes, wide: &self.wide }
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.roots) + size_of_val(&*self.nodes) + size_of_val(&*self.wide)
    }
}

impl View<'_> {
    /// The value of a slot of a node.
    #[inline]
    fn step(self, node: u32, slot: u8) -> u32 {
        let index = (node & NUMBER) as usize;
        if node & WIDE == 0 { self.nodes[index].value(slot) } else { self.wide[index * SLOTS + usize::from(slot)] }
    }
}

impl Node {
    #[inline]
    fn value(&self, slot: u8) -> u32 {
        let begun: u8 = self.starts.iter().map(|start| u8::from(*start <= slot)).sum();
        self.values[usize::from(begun - 1).min(RUNS - 1)]
    }
}

/// Values in the roots.
fn roots_of(root_bits: u32) -> usize {
    ((ROOTS as usize) << root_bits) + 1
}

impl Builder {
    /// An empty table whose roots take `root_bits` (8, 16 or 24) off the key; ranges are put into the first root.
    pub(super) fn new(root_bits: u32) -> Self {
        let roots = Huge::zeros(roots_of(root_bits));
        Self { root_bits, roots, root: 0, nodes: Vec::new(), wide: Vec::new(), open: Vec::new() }
    }

    /// Puts the ranges that follow into another root.
    pub(super) fn begin_root(&mut self, root: u32) -> Result<(), Full> {
        self.close_all()?;
        self.root = (root as usize) << self.root_bits;
        Ok(())
    }

    /// Gives all keys from `first` to `last` the number `value`. Ranges come in ascending order and do not overlap.
    pub(super) fn push(&mut self, first: u128, last: u128, value: u32) -> Result<(), Full> {
        if value > NUMBER {
            return Err(Full);
        }
        let mut first = first;
        loop {
            // The largest aligned block that begins at `first` and does not go beyond `last`.
            let aligned = first.trailing_zeros().min(KEY_BITS);
            let fits = (last - first).checked_add(1).map_or(KEY_BITS, u128::ilog2);
            let free_bits = aligned.min(fits);
            self.push_block(first, KEY_BITS - free_bits, value)?;
            let Some(next) = 1_u128.checked_shl(free_bits).and_then(|size| first.checked_add(size)) else {
                return Ok(());
            };
            if next > last {
                return Ok(());
            }
            first = next;
        }
    }

    /// The finished table.
    pub(super) fn finish(mut self) -> Result<Tree, Full> {
        self.close_all()?;
        let Self { root_bits, roots, nodes, wide, .. } = self;
        Ok(Tree { root_bits, roots, nodes: Huge::of(&nodes), wide: Huge::of(&wide) })
    }

    fn close_all(&mut self) -> Result<(), Full> {
        while !self.open.is_empty() {
            self.close()?;
        }
        Ok(())
    }

    /// `bits`: prefix length of the block.
    fn push_block(&mut self, first: u128, bits: u32, value: u32) -> Result<(), Full> {
        while let Some(top) = self.open.last() {
            let above = self.bits_above(self.open.len() - 1);
            if bits > above && (top.first ^ first) >> (KEY_BITS - above) == 0 {
                break;
            }
            self.close()?;
        }
        while bits > self.bits_above(self.open.len()) {
            let above = self.bits_above(self.open.len());
            let first = first & (u128::MAX << (KEY_BITS - above));
            self.open.push(Open { first, slots: Box::new([NOTHING; SLOTS]) });
        }
        let Some(depth) = self.open.len().checked_sub(1) else {
            let start = self.root + index(first >> (KEY_BITS - self.root_bits));
            self.roots[start..start + (1 << (self.root_bits - bits))].fill(value);
            return Ok(());
        };
        let below = self.bits_above(depth + 1);
        let start = index(first >> (KEY_BITS - below)) % SLOTS;
        self.open[depth].slots[start..start + (1 << (below - bits))].fill(value);
        Ok(())
    }

    /// Key bits that are fixed before a node at `depth` takes its own.
    fn bits_above(&self, depth: usize) -> u32 {
        self.root_bits + NODE_BITS * u32::try_from(depth).unwrap_or(u32::MAX / NODE_BITS)
    }

    /// Puts the deepest open node into its parent: as a node, or as one value if all its slots have the same.
    fn close(&mut self) -> Result<(), Full> {
        let Some(Open { first, slots }) = self.open.pop() else { return Ok(()) };
        let value = if slots.iter().all(|slot| *slot == slots[0]) { slots[0] } else { self.store(&slots)? };
        let above = self.bits_above(self.open.len());
        let position = index(first >> (KEY_BITS - above));
        match self.open.last_mut() {
            Some(parent) => parent.slots[position % SLOTS] = value,
            None => self.roots[self.root + position] = value,
        }
        Ok(())
    }

    fn store(&mut self, slots: &[u32; SLOTS]) -> Result<u32, Full> {
        let begins = |slot: &usize| *slot == 0 || slots[*slot] != slots[slot - 1];
        let runs = (0..SLOTS).filter(begins).count();
        let (number, kind) = if runs > RUNS {
            self.wide.extend_from_slice(slots);
            (self.wide.len() / SLOTS - 1, NODE | WIDE)
        } else {
            let mut node = Node { starts: [u8::MAX; 16], values: [slots[SLOTS - 1]; RUNS] };
            for (run, slot) in (0..SLOTS).filter(begins).enumerate() {
                // A slot is at most 255.
                (node.starts[run], node.values[run]) = (slot as u8, slots[slot]);
            }
            self.nodes.push(node);
            (self.nodes.len() - 1, NODE)
        };
        let number = u32::try_from(number).ok().filter(|number| *number <= NUMBER).ok_or(Full)?;
        Ok(number | kind)
    }
}

/// The low bits of a number as an index.
fn index(value: u128) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(root_bits: u32, ranges: &[(u128, u128, u32)]) -> Tree {
        let mut builder = Builder::new(root_bits);
        for root in [0, 1] {
            builder.begin_root(root).expect("there is room");
            for (first, last, value) in ranges {
                builder.push(*first, *last, *value + root).expect("there is room");
            }
        }
        builder.finish().expect("there is room")
    }

    fn check(root_bits: u32, ranges: &[(u128, u128, u32)]) {
        let tree = build(root_bits, ranges);
        let start = |root| move |address: &Address| Start { root, key: (index(*address) >> 96) as u32, skip: 0 };
        let expected = |key, root| {
            ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&key)).map_or(0, |range| range.2 + root)
        };
        let around = |(first, last, _): &(u128, u128, u32)| {
            [first.wrapping_sub(1), *first, first / 2 + last / 2, *last, last.wrapping_add(1)]
        };
        let keys: Vec<u128> = ranges.iter().flat_map(around).collect();
        for (root, keys) in [0, 1].into_iter().flat_map(|root| keys.chunks(GROUP).map(move |keys| (root, keys))) {
            let addresses: Vec<Address> = keys.iter().map(|key| key.to_be_bytes()).collect();
            let mut found = [7; GROUP];
            tree.find_group(&addresses, start(root), &mut found);
            for ((key, address), found) in keys.iter().zip(&addresses).zip(found) {
                let expected = expected(*key, root);
                assert_eq!(tree.find(address, start(root)(address)), expected, "key {key:#034x} in {ranges:x?}");
                assert_eq!(found, expected, "key {key:#034x} of a group in {ranges:x?}");
            }
        }
        assert_eq!(tree.find(&[0; 16], Start::nothing()), NOTHING);
    }

    fn index(address: Address) -> u128 {
        u128::from_be_bytes(address)
    }

    #[test]
    fn ranges_at_every_border() {
        let one_host = 0x2001_0db8_0000_0000_0000_0000_0000_0001;
        let cases: &[&[(u128, u128, u32)]] = &[
            &[(0, u128::MAX, 7)],
            &[(0, 0, 1), (u128::MAX, u128::MAX, 2)],
            &[(one_host, one_host, 3)],
            &[(one_host - 5, one_host, 3), (one_host + 1, one_host + 9, 4)],
            &[(1, u128::MAX - 1, 9)],
            &[
                (0x0a00_0000 << 96, (0x0a00_ff7f << 96) | u128::MAX >> 32, 1),
                (0x0a00_ff80 << 96, (0x0b00_0000 << 96) - 1, 2),
            ],
        ];
        for ranges in cases {
            for root_bits in [8, 16] {
                check(root_bits, ranges);
            }
        }
    }

    #[test]
    fn nodes_of_any_number_of_runs() {
        for runs in [1_u128, 2, 11, 12, 13, 255, 256] {
            let ranges: Vec<_> = (0..runs).map(|slot| (slot, slot, u32::try_from(slot).unwrap() + 1)).collect();
            check(16, &ranges);
            let from_behind: Vec<_> =
                ranges.iter().map(|(slot, _, value)| (256 - runs + slot, 256 - runs + slot, *value)).collect();
            check(16, &from_behind);
        }
    }

    #[test]
    fn equal_neighbours_take_no_node() {
        let tree = build(16, &[(0, 99, 5), (100, u128::MAX, 5)]);
        assert_eq!((tree.nodes.len(), tree.wide.len()), (0, 0));
    }

    #[test]
    fn a_number_too_large_is_refused() {
        assert_eq!(Builder::new(8).push(0, 1, WIDE), Err(Full));
    }

    proptest! {
        #[test]
        fn finds_what_was_put_in(
            borders in proptest::collection::btree_set((any::<u128>(), 0_u32..128).prop_map(|(key, shift)| key >> shift << (shift / 2)), 2..40),
            values in proptest::collection::vec(0_u32..5, 40),
        ) {
            let borders: Vec<u128> = borders.into_iter().collect();
            let ranges: Vec<_> =
                borders.windows(2).zip(values).map(|(pair, value)| (pair[0], pair[1] - 1, value)).collect();
            for root_bits in [8, 16] {
                check(root_bits, &ranges);
            }
        }
    }
}
