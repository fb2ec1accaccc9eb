//! Texts, each kept once and numbered.

use std::collections::HashMap;
use std::sync::Arc;

/// What a text column says where nothing is known; number 0 of every [`Interner`].
const UNKNOWN: &str = "unknown";

/// The texts of records, by number.
#[derive(Debug)]
pub(super) struct Names<T = Box<[Arc<str>]>> {
    pub(super) country: T,
    pub(super) city: T,
    pub(super) as_name: T,
}

/// Numbers the texts of records, of each kind apart.
pub(super) type Interners = Names<Interner>;

/// Gives each distinct text a number.
#[derive(Debug)]
pub(super) struct Interner {
    texts: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32, foldhash::fast::RandomState>,
}

impl Default for Interners {
    fn default() -> Self {
        Self { country: Interner::new(), city: Interner::new(), as_name: Interner::new() }
    }
}

impl Interners {
    /// The texts by number.
    pub(super) fn finish(self) -> Names {
        let Self { country, city, as_name } = self;
        Names { country: country.finish(), city: city.finish(), as_name: as_name.finish() }
    }
}

impl Interner {
    fn new() -> Self {
        let unknown: Arc<str> = UNKNOWN.into();
        Self { texts: vec![Arc::clone(&unknown)], numbers: HashMap::from_iter([(unknown, 0)]) }
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
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    fn finish(self) -> Box<[Arc<str>]> {
        self.texts.into_boxed_slice()
    }
}
