//! What a text, a network or an exporter is called in the dictionaries of the block at hand, so that no text is hashed for a row.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use netflow::Text;
use netflow::columns::Address;

use super::interner::Names;
use super::tree::GROUP;

/// Slots for exporters; a power of two.
const EXPORTER_SLOTS: usize = 256;

/// The keys of what records name, of each kind apart.
pub(super) type PlaceKeys = Names<TextKeys>;

/// The keys of one kind of texts in a column's dictionary, by the number of the text.
#[derive(Debug, Default)]
pub(super) struct TextKeys {
    /// 0 where the text is not in the dictionary: that is the key of the empty text, which has no number.
    keys: Vec<u32>,
    /// Numbers of those that are.
    known: Vec<u32>,
}

/// A network as a block's columns have it: keys of two dictionaries.
#[derive(Debug, Clone, Copy)]
pub(super) struct NetworkKeys {
    pub(super) network: u32,
    pub(super) customer: u32,
}

/// The keys of networks seen in this block, by their number.
#[derive(Debug, Default)]
pub(super) struct NetworkMemo(Vec<Option<NetworkKeys>>);

/// The keys of exporters' names in this block, by sender and device.
#[derive(Debug)]
pub(super) struct ExporterMemo(Box<[Option<Named>]>);

/// A sender and a device, and the key of their name.
type Named = ([Address; 2], u32);

impl Default for PlaceKeys {
    fn default() -> Self {
        Self { country: TextKeys::default(), city: TextKeys::default(), as_name: TextKeys::default() }
    }
}

impl TextKeys {
    /// Forgets what was known, and learns what of `texts` is in the dictionary of `column`.
    pub(super) fn begin(&mut self, texts: &[Arc<str>], column: &Text) {
        self.known.drain(..).for_each(|number| self.keys[number as usize] = 0);
        self.keys.resize(texts.len(), 0);
        if column.values().len() < 2 {
            return;
        }
        let in_use: HashMap<&str, u32> = column.values().iter().map(|value| &**value).zip(0..).collect();
        for (number, text) in (0..).zip(texts) {
            if let Some(key) = in_use.get(&**text) {
                self.keys[number as usize] = *key;
                self.known.push(number);
            }
        }
    }

    /// Sets `rows` of `column` to the texts of these numbers, at most [`GROUP`].
    #[inline]
    pub(super) fn fill(
        &mut self,
        numbers: impl Iterator<Item = u32> + Clone,
        texts: &[Arc<str>],
        column: &mut Text,
        rows: Range<usize>,
    ) {
        let mut found = [0; GROUP];
        let mut is_any_new = false;
        for (key, number) in found.iter_mut().zip(numbers.clone()) {
            *key = self.keys[number as usize];
            is_any_new |= *key == 0;
        }
        if is_any_new {
            for (key, number) in found.iter_mut().zip(numbers).filter(|(key, _)| **key == 0) {
                *key = self.add(number, texts, column);
            }
        }
        let count = rows.len();
        column.keys_mut()[rows].copy_from_slice(&found[..count]);
    }

    fn add(&mut self, number: u32, texts: &[Arc<str>], column: &mut Text) -> u32 {
        let key = &mut self.keys[number as usize];
        if *key == 0 {
            *key = column.append(&texts[number as usize]);
            self.known.push(number);
        }
        *key
    }
}

impl NetworkMemo {
    /// The keys of a network, made by `make` if they are not known.
    #[inline]
    pub(super) fn get(&mut self, number: u32, make: impl FnOnce() -> NetworkKeys) -> NetworkKeys {
        match &mut self.0[number as usize] {
            Some(keys) => *keys,
            unknown => *unknown.insert(make()),
        }
    }

    /// Forgets them and makes room for `networks`.
    pub(super) fn clear(&mut self, networks: usize) {
        self.0.clear();
        self.0.resize(networks, None);
    }
}

impl ExporterMemo {
    pub(super) fn new() -> Self {
        Self(vec![None; EXPORTER_SLOTS].into_boxed_slice())
    }

    /// The key of an exporter's name, made by `make` if it is not known.
    #[inline]
    pub(super) fn get(&mut self, (sender, agent): (&Address, &Address), make: impl FnOnce() -> u32) -> u32 {
        let folded = u128::from_be_bytes(*agent);
        let folded = (folded >> 64) as u64 ^ folded as u64;
        let hash = (folded ^ folded >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = &mut self.0[(hash >> 32) as usize % EXPORTER_SLOTS];
        match slot {
            Some(([known_sender, known_agent], key)) if known_sender == sender && known_agent == agent => *key,
            other => other.insert(([*sender, *agent], make())).1,
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.fill(None);
    }
}
