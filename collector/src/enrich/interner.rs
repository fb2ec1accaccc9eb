//! Texts, each kept once and numbered.

use std::collections::HashMap;

/// What a text column says where nothing is known; number 0 of every [`Interner`].
pub(super) const UNKNOWN: &str = "unknown";

/// Gives each distinct text a number.
#[derive(Debug)]
pub(super) struct Interner {
    texts: Vec<Box<str>>,
    numbers: HashMap<Box<str>, u32, foldhash::fast::RandomState>,
}

impl Interner {
    pub(super) fn new() -> Self {
        Self { texts: vec![UNKNOWN.into()], numbers: HashMap::default() }
    }

    /// The number of a text; 0 for an empty one.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        // 2^32 distinct texts do not fit into the 4 GiB that a file's pointers can address.
        let number = u32::try_from(self.texts.len()).unwrap_or(0);
        self.texts.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    /// The texts by number.
    pub(super) fn finish(self) -> Box<[Box<str>]> {
        self.texts.into_boxed_slice()
    }
}
