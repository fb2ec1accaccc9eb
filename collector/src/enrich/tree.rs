//! A table from addresses to small numbers: a flat root, and below it 256-way nodes that store runs instead of slots.
//!
//! Keys are left-aligned in 128 bits: an IPv4 address is in the top 32. With a root of 24 bits every IPv4 address is found with
//! one load, or with two where its /24 is split; IPv6 takes a node for each further 8 bits that its neighbourhood is split
//! at. Not here: what the numbers mean.

/// The number of an address that nothing was said about.
pub(super) const NOTHING: u32 = 0;
/// Set in a value that is the index of a node.
const NODE: u32 = 1 << 31;
/// Runs whose values are in the node itself: as many as fill a cache line. Most nodes have no more.
const INLINE_RUNS: usize = 6;
/// Slots of a node.
const SLOTS: usize = 256;
/// Bits that a node takes off the key.
const NODE_BITS: u32 = 8;
const KEY_BITS: u32 = 128;

/// The finished table.
#[derive(Debug)]
pub(super) struct Tree {
    root_bits: u32,
    root: Box<[u32]>,
    nodes: Box<[Node]>,
    values: Box<[u32]>,
}

/// 256 slots as runs of equal values: one cache line.
#[derive(Debug)]
#[repr(align(64))]
struct Node {
    /// Bit n is set where slot n begins a run; bit 0 always is.
    starts: [u64; 4],
    /// Values of the first runs.
    inline: [u32; INLINE_RUNS],
    /// Index of the first further run's value.
    base: u32,
    /// Runs that begin before each word of `starts`.
    before: [u8; 4],
}

/// Builds a [`Tree`] from ranges in ascending order.
#[derive(Debug)]
pub(super) struct Builder {
    root_bits: u32,
    root: Vec<u32>,
    nodes: Vec<Node>,
    values: Vec<u32>,
    /// The path of nodes that the last range was put into: later ranges may still add to them.
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    /// The first key below this node.
    first: u128,
    slots: Box<[u32; SLOTS]>,
}

/// There are more distinct places or nodes than 31 bits can number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Tree {
    /// A table that says nothing about any key.
    pub(super) fn empty() -> Self {
        Self { root_bits: 1, root: Box::new([NOTHING; 2]), nodes: Box::default(), values: Box::default() }
    }

    /// The number of a key.
    pub(super) fn find(&self, key: u128) -> u32 {
        let mut value = self.root[index(key >> (KEY_BITS - self.root_bits))];
        let mut rest = key << self.root_bits;
        while value & NODE != 0 {
            let node = &self.nodes[(value & !NODE) as usize];
            let run = node.run(index(rest >> (KEY_BITS - NODE_BITS)));
            value = match node.inline.get(run) {
                Some(value) => *value,
                None => self.values[node.base as usize + run - INLINE_RUNS],
            };
            rest <<= NODE_BITS;
        }
        value
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.root) + size_of_val(&*self.nodes) + size_of_val(&*self.values)
    }
}

impl Node {
    /// The run that a slot is in.
    fn run(&self, slot: usize) -> usize {
        let word = slot / 64;
        let up_to_slot = self.starts[word] & (u64::MAX >> (63 - slot % 64));
        usize::from(self.before[word]) + up_to_slot.count_ones() as usize - 1
    }
}

impl Builder {
    /// An empty table whose root takes `root_bits` (8, 16 or 24) off the key.
    pub(super) fn new(root_bits: u32) -> Self {
        let root = vec![NOTHING; 1 << root_bits];
        Self { root_bits, root, nodes: Vec::new(), values: Vec::new(), open: Vec::new() }
    }

    /// Gives all keys from `first` to `last` the number `value`. Ranges come in ascending order and do not overlap.
    pub(super) fn push(&mut self, first: u128, last: u128, value: u32) -> Result<(), Full> {
        if value & NODE != 0 {
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
        while !self.open.is_empty() {
            self.close()?;
        }
        Ok(Tree {
            root_bits: self.root_bits,
            root: self.root.into_boxed_slice(),
            nodes: self.nodes.into_boxed_slice(),
            values: self.values.into_boxed_slice(),
        })
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
            let start = index(first >> (KEY_BITS - self.root_bits));
            self.root[start..start + (1 << (self.root_bits - bits))].fill(value);
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
            None => self.root[position] = value,
        }
        Ok(())
    }

    fn store(&mut self, slots: &[u32; SLOTS]) -> Result<u32, Full> {
        let base = u32::try_from(self.values.len()).map_err(|_| Full)?;
        let mut node = Node { starts: [0; 4], inline: [NOTHING; INLINE_RUNS], base, before: [0; 4] };
        let mut runs = 0_usize;
        for (slot, value) in slots.iter().enumerate() {
            if slot % 64 == 0 {
                // At most 192 before the last word.
                node.before[slot / 64] = u8::try_from(runs).unwrap_or(u8::MAX);
            }
            if slot > 0 && *value == slots[slot - 1] {
                continue;
            }
            node.starts[slot / 64] |= 1 << (slot % 64);
            match node.inline.get_mut(runs) {
                Some(inline) => *inline = *value,
                None => self.values.push(*value),
            }
            runs += 1;
        }
        let number = u32::try_from(self.nodes.len()).ok().filter(|number| number & NODE == 0).ok_or(Full)?;
        self.nodes.push(node);
        Ok(number | NODE)
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
        for (first, last, value) in ranges {
            builder.push(*first, *last, *value).expect("there is room");
        }
        builder.finish().expect("there is room")
    }

    fn check(root_bits: u32, ranges: &[(u128, u128, u32)]) {
        let tree = build(root_bits, ranges);
        let expected =
            |key| ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&key)).map_or(0, |range| range.2);
        for (first, last, _) in ranges {
            let around = [first.wrapping_sub(1), *first, first / 2 + last / 2, *last, last.wrapping_add(1)];
            for key in around {
                assert_eq!(tree.find(key), expected(key), "key {key:#034x} in {ranges:x?}");
            }
        }
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
            for root_bits in [8, 16, 24] {
                check(root_bits, ranges);
            }
        }
    }

    #[test]
    fn a_node_of_256_runs() {
        let ranges: Vec<_> = (0..256_u128).map(|slot| (slot, slot, u32::try_from(slot).unwrap() + 1)).collect();
        check(16, &ranges);
    }

    #[test]
    fn equal_neighbours_take_no_node() {
        let tree = build(16, &[(0, 99, 5), (100, u128::MAX, 5)]);
        assert_eq!(tree.nodes.len(), 0);
    }

    #[test]
    fn a_number_too_large_is_refused() {
        assert_eq!(Builder::new(8).push(0, 1, NODE), Err(Full));
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
