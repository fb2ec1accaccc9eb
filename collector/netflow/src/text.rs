//! A dictionary-encoded column of strings: each distinct string once, and a key per row.
//!
//! This is how ClickHouse lays out `LowCardinality(String)`, so a block is written without touching the rows' strings. Strings
//! are remembered from block to block, as the same names come again and again: a known one costs no allocation.

use std::collections::HashMap;
use std::sync::Arc;

use crate::flat::Flat;
use crate::wire;

/// Most strings that are remembered from one block to the next.
const REMEMBERED: usize = 4096;
/// Strings of the block at hand that are found without the map; a power of two.
const RECENT: usize = 1024;

/// One column of strings. Key 0 is always the empty string.
#[derive(Debug, Clone)]
pub struct Text {
    values: Vec<Arc<str>>,
    keys: Flat<u32>,
    /// Key of each string, and in which block it was its key.
    known: HashMap<Arc<str>, (u32, u64)>,
    /// Number of the block at hand.
    block: u64,
    /// The last string of each [`Short::place`] and its key.
    recent: Vec<Recent>,
}

/// A string that was given a key.
#[derive(Debug, Clone, Copy, Default)]
struct Recent {
    value: Short,
    key: u32,
    /// Low bits of the number of the block in which this is its key; 0 if there is none.
    block: u32,
}

/// A string of up to [`Short::MOST`] bytes: two are the same if these are.
#[derive(Debug, Clone, Copy, Default)]
struct Short {
    /// The bytes, and zeros.
    words: [u64; 3],
    length: u32,
}

impl Default for Text {
    fn default() -> Self {
        Self { values: vec![Arc::from("")], keys: Flat::default(), known: HashMap::new(), block: 1, recent: Vec::new() }
    }
}

impl Text {
    /// The key of `value` in this block's dictionary; the value is added when it is new.
    pub fn key(&mut self, value: &str) -> u32 {
        if value.is_empty() {
            return 0;
        }
        let next = u32::try_from(self.values.len()).unwrap_or(0);
        let Some((known, (key, block))) = self.known.get_key_value(value) else {
            let value: Arc<str> = Arc::from(value);
            self.values.push(Arc::clone(&value));
            self.known.insert(value, (next, self.block));
            return next;
        };
        if *block == self.block {
            return *key;
        }
        self.values.push(Arc::clone(known));
        if let Some(known) = self.known.get_mut(value) {
            *known = (next, self.block);
        }
        next
    }

    /// Adds a string that is not in this block's dictionary yet, which is for the caller to know; its key. Nothing is hashed.
    /// [`Text::key`] does not know the string.
    pub fn append(&mut self, value: &Arc<str>) -> u32 {
        let key = u32::try_from(self.values.len()).unwrap_or(0);
        self.values.push(Arc::clone(value));
        key
    }

    /// The key of a string as it stands on the wire, the first `length` bytes of what is there: UTF-8, trailing zeros cut, no
    /// longer than `limit` bytes. Bytes that are no UTF-8 become U+FFFD.
    pub(crate) fn key_of_bytes(&mut self, (tail, length): (&[u8], usize), limit: usize) -> u32 {
        let value = wire::without_trailing_zeros(tail.get(..length).unwrap_or(tail));
        let value = value.get(..limit).unwrap_or(value);
        if value.is_empty() {
            return 0;
        }
        let Some(short) = Short::of(tail, value.len()) else { return self.key(&String::from_utf8_lossy(value)) };
        let (place, block) = (short.place(), self.block as u32);
        if let Some(recent) = self.recent.get(place).filter(|recent| recent.value.is(&short) && recent.block == block) {
            return recent.key;
        }
        let key = self.key(&String::from_utf8_lossy(value));
        self.recent.resize(RECENT, Recent::default());
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = Recent { value: short, key, block };
        }
        key
    }

    /// Appends a row with a key that [`Text::key`] gave since the last [`Text::clear`].
    pub fn push(&mut self, key: u32) {
        self.keys.push(key);
    }

    /// Makes the column `rows` long: appends the empty string, or cuts.
    pub fn resize(&mut self, rows: usize) {
        self.keys.resize(rows);
    }

    /// Makes room for `rows` in all.
    pub fn reserve(&mut self, rows: usize) {
        self.keys.reserve(rows);
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The distinct strings; a row's key is an index into this.
    #[must_use]
    pub fn values(&self) -> &[Arc<str>] {
        &self.values
    }

    /// A key per row.
    #[must_use]
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// Whether every row is the empty string because no key has been written; false says nothing.
    #[must_use]
    pub fn is_unwritten(&self) -> bool {
        self.keys.is_unwritten()
    }

    /// A key per row, to be changed in place.
    pub fn keys_mut(&mut self) -> &mut [u32] {
        &mut self.keys
    }

    /// The string of one row; empty when there is no such row.
    #[must_use]
    pub fn get(&self, row: usize) -> &str {
        self.keys.get(row).and_then(|key| self.values.get(usize::try_from(*key).unwrap_or(0))).map_or("", |value| value)
    }

    /// Forgets rows and dictionary, keeps the memory.
    pub fn clear(&mut self) {
        self.keys.clear();
        self.values.truncate(1);
        self.block = self.block.wrapping_add(1);
        if self.known.len() > REMEMBERED {
            self.known.clear();
        }
    }
}

impl Short {
    /// Most bytes.
    const MOST: usize = 24;

    /// The first `length` bytes of what is there; none if the string is longer. No branch is on the length, which differs from
    /// name to name.
    #[inline]
    fn of(tail: &[u8], length: usize) -> Option<Self> {
        if length > Self::MOST {
            return None;
        }
        let bytes = match tail.first_chunk::<{ Self::MOST }>() {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; Self::MOST];
                bytes.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
                bytes
            }
        };
        let mut left = length;
        let mut words = [0; 3];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
            let behind = 8_usize.saturating_sub(left) as u32;
            *word = u64::from_le_bytes(*bytes) & u64::MAX.checked_shr(behind.wrapping_mul(8)).unwrap_or(0);
            left = left.saturating_sub(8);
        }
        Some(Self { words, length: length as u32 })
    }

    /// Whether it is the same string. Word by word: the words have just been written, and read as a vector they would have to
    /// reach memory first.
    #[inline]
    fn is(&self, other: &Self) -> bool {
        let [first, middle, last] = self.words;
        let [other_first, other_middle, other_last] = other.words;
        let differs = (first ^ other_first) | (middle ^ other_middle) | (last ^ other_last);
        differs | u64::from(self.length ^ other.length) == 0
    }

    /// Where the key of a string is remembered. Names made to share a place are found in the map.
    #[inline]
    fn place(&self) -> usize {
        /// 2^64 over the golden ratio: spreads what differs in the low bits over the high ones.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        const SHIFT: u32 = u64::BITS - RECENT.trailing_zeros();
        let [first, middle, last] = self.words;
        let mixed = first.wrapping_mul(SPREAD).rotate_left(32) ^ middle.wrapping_mul(SPREAD).rotate_left(17) ^ last;
        ((mixed ^ u64::from(self.length) << 56).wrapping_mul(SPREAD) >> SHIFT) as usize
    }
}
