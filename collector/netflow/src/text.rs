//! A dictionary-encoded column of strings: each distinct string once, and a key per row.
//!
//! This is how ClickHouse lays out `LowCardinality(String)`, so a block is written without touching the rows' strings. Strings
//! are remembered from block to block, as the same names come again and again: a known one costs no allocation.

use std::collections::HashMap;
use std::sync::Arc;

use crate::wire;

/// Most strings that are remembered from one block to the next.
const REMEMBERED: usize = 4096;
/// Strings of the block at hand that are found without the map; a power of two.
const RECENT: usize = 1024;

/// One column of strings. Key 0 is always the empty string.
#[derive(Debug, Clone)]
pub struct Text {
    values: Vec<Arc<str>>,
    keys: Vec<u32>,
    /// Key of each string, and in which block it was its key.
    known: HashMap<Arc<str>, (u32, u64)>,
    /// Number of the block at hand.
    block: u64,
    /// The last key given to a string of each [`place`]. A key counts only if the string that it has now is the one asked for.
    recent: Vec<u32>,
}

impl Default for Text {
    fn default() -> Self {
        Self { values: vec![Arc::from("")], keys: Vec::new(), known: HashMap::new(), block: 0, recent: Vec::new() }
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

    /// The key of a string as it stands on the wire: UTF-8, trailing zeros cut, no longer than `limit` bytes. Bytes that are
    /// no UTF-8 become U+FFFD.
    pub(crate) fn key_of_bytes(&mut self, value: &[u8], limit: usize) -> u32 {
        let value = wire::without_trailing_zeros(value);
        let value = value.get(..limit).unwrap_or(value);
        if value.is_empty() {
            return 0;
        }
        let place = place(value);
        let recent = self.recent.get(place).copied().unwrap_or(0);
        if self.values.get(usize::try_from(recent).unwrap_or(0)).is_some_and(|known| known.as_bytes() == value) {
            return recent;
        }
        let key = self.key(&String::from_utf8_lossy(value));
        self.recent.resize(RECENT, 0);
        if let Some(recent) = self.recent.get_mut(place) {
            *recent = key;
        }
        key
    }

    /// Appends a row with a key that [`Text::key`] gave since the last [`Text::clear`].
    pub fn push(&mut self, key: u32) {
        self.keys.push(key);
    }

    /// Makes the column `rows` long: appends the empty string, or cuts.
    pub fn resize(&mut self, rows: usize) {
        self.keys.resize(rows, 0);
    }

    /// Makes room for `rows` in all.
    pub fn reserve(&mut self, rows: usize) {
        self.keys.reserve(rows.saturating_sub(self.keys.len()));
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

/// Where the key of a string is remembered: made of its length and its ends, in which names differ. Names made to share a
/// place are found in the map.
fn place(value: &[u8]) -> usize {
    /// 2^64 over the golden ratio: spreads what differs in the low bits over the high ones.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    const SHIFT: u32 = u64::BITS - RECENT.trailing_zeros();
    let ends = match (value.first_chunk(), value.last_chunk()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).wrapping_mul(SPREAD).rotate_left(32) ^ u64::from_le_bytes(*last)
        }
        _ => value.iter().fold(0, |all, byte| all << 8 | u64::from(*byte)),
    };
    let length = u64::try_from(value.len()).unwrap_or(0);
    let spread = (ends ^ length << 56).wrapping_mul(SPREAD);
    (spread >> SHIFT) as usize
}
