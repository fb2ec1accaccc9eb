//! A block of columns in ClickHouse's Native format, filled cell by cell.

use std::collections::HashMap;

/// The number of the empty text.
const NO_TEXT: u64 = u64::MAX;

/// One column in the making.
#[derive(Debug)]
pub(crate) struct Column {
    name: &'static str,
    kind: &'static str,
    cells: Vec<u8>,
    rows: u64,
    dictionary: Option<Dictionary>,
    /// Elements of an array column; its `cells` are the offsets.
    elements: Option<Vec<u32>>,
}

#[derive(Debug, Default)]
struct Dictionary {
    /// By the number that stands for the text.
    keys: HashMap<u64, u32>,
    values: Vec<String>,
}

impl Column {
    pub(crate) fn new(name: &'static str, kind: &'static str) -> Self {
        let dictionary = kind
            .starts_with("LowCardinality")
            .then(|| Dictionary { keys: HashMap::from([(NO_TEXT, 0)]), values: vec![String::new()] });
        let elements = kind.starts_with("Array").then(Vec::new);
        Self { name, kind, cells: Vec::new(), rows: 0, dictionary, elements }
    }

    /// Appends a number in the column's width.
    pub(crate) fn number(&mut self, value: u64) {
        self.rows += 1;
        let width = match self.kind {
            "UInt8" => 1,
            "UInt16" => 2,
            "UInt32" | "DateTime" => 4,
            kind if kind.starts_with("Enum8") => 1,
            _ => 8,
        };
        self.cells.extend_from_slice(&value.to_le_bytes()[..width]);
    }

    pub(crate) fn address(&mut self, address: u128) {
        self.rows += 1;
        self.cells.extend_from_slice(&address.to_be_bytes());
    }

    /// Appends the text that `number` stands for; `text` is asked once a block. The empty text is [`NO_TEXT`].
    pub(crate) fn text(&mut self, number: u64, text: impl FnOnce() -> String) {
        self.rows += 1;
        let Some(Dictionary { keys, values }) = &mut self.dictionary else { return };
        let key = *keys.entry(number).or_insert_with(|| {
            values.push(text());
            values.len() as u32 - 1
        });
        self.cells.extend_from_slice(&key.to_le_bytes());
    }

    /// Appends the empty text.
    pub(crate) fn no_text(&mut self) {
        self.text(NO_TEXT, String::new);
    }

    pub(crate) fn array(&mut self, values: &[u32]) {
        self.rows += 1;
        let Some(elements) = &mut self.elements else { return };
        elements.extend_from_slice(values);
        self.cells.extend_from_slice(&(elements.len() as u64).to_le_bytes());
    }

    fn encode(&self, out: &mut Vec<u8>) {
        string(self.name, out);
        string(self.kind, out);
        if let Some(Dictionary { values, .. }) = &self.dictionary {
            // Version 1; four-byte keys, an own dictionary, which replaces the one before.
            for word in [1, 2 | 1 << 9 | 1 << 10, values.len() as u64] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            values.iter().for_each(|value| string(value, out));
            out.extend_from_slice(&self.rows.to_le_bytes());
        }
        out.extend_from_slice(&self.cells);
        for element in self.elements.iter().flatten() {
            out.extend_from_slice(&element.to_le_bytes());
        }
    }
}

/// The columns as one block.
pub(crate) fn encode(columns: &[Column]) -> Vec<u8> {
    let mut out = Vec::new();
    varuint(columns.len() as u64, &mut out);
    varuint(columns.first().map_or(0, |column| column.rows), &mut out);
    columns.iter().for_each(|column| column.encode(&mut out));
    out
}

fn string(value: &str, out: &mut Vec<u8>) {
    varuint(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

fn varuint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
