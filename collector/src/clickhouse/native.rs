//! Blocks in ClickHouse's Native format, as it is over HTTP without `client_protocol_version`.
//!
//! A block is `varuint columns, varuint rows`, then each column as `string name, string type, data`. The data of a column of
//! fixed-width cells is its memory, little-endian, so a column is one copy. Layout:
//! <https://clickhouse.com/docs/interfaces/formats/Native>, `SerializationLowCardinality.cpp`, `SerializationArray.cpp` and
//! `SerializationMap.cpp`. A column of which every cell is the default of its type is left out: ClickHouse fills it in, and most
//! exporters leave half of the columns empty. Not here: compression and sending.

use bytes::{BufMut, BytesMut};
use netflow::columns::Labels;
use netflow::{Flat, Raw, Text};

use crate::batch::{Cells, Column, Part};

#[cfg(target_endian = "big")]
compile_error!("a Native column is a copy of its little-endian memory; this target is big-endian");

/// `KeysSerializationVersion::SharedDictionariesWithAdditionalKeys`, the only one there is.
const KEYS_VERSION: u64 = 1;
/// `IndexesSerializationType::HasAdditionalKeysBit`: the block brings its own dictionary.
const HAS_ADDITIONAL_KEYS: u64 = 1 << 9;
/// `IndexesSerializationType::NeedUpdateDictionary`: and it replaces the one before.
const NEED_UPDATE_DICTIONARY: u64 = 1 << 10;

/// Bytes that are looked at, or keys that are narrowed, at once.
const PIECE_BYTES: usize = 1024;

/// Why a block cannot be encoded. Either is a fault of whoever filled the block; sending it would store wrong rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A block of no rows ends ClickHouse's reading of the whole insert, silently.
    #[error("a block of no rows")]
    Empty,
    /// A column is longer or shorter than the block.
    #[error("column {0} has not as many rows as the block")]
    Ragged(&'static str),
    /// A text key without a string, or label ends that do not ascend to the number of labels.
    #[error("column {0} points outside of its values")]
    Dangling(&'static str),
}

impl EncodeError {
    /// The name in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Ragged(_) => "ragged",
            Self::Dangling(_) => "dangling",
        }
    }
}

/// Appends the rows of a table as one block to `out`.
///
/// # Errors
/// Nothing is appended when the rows are at fault.
pub fn encode(part: Part<'_>, out: &mut BytesMut) -> Result<(), EncodeError> {
    check(part)?;
    let columns = columns(part);
    write_header(columns.len(), part.len(), out);
    columns.into_iter().for_each(|(_, column, cells)| write_column(column, cells, out));
    Ok(())
}

/// The columns that are written, with their numbers in the table: those that have a cell which is not the default of its type,
/// and the first in any case, as rows without a column are none.
pub(super) fn columns(part: Part<'_>) -> Vec<(usize, &'static Column, Cells<'_>)> {
    let numbered = part.columns().enumerate().map(|(number, (column, cells))| (number, column, cells));
    numbered.filter(|(number, _, cells)| *number == 0 || !Data::of(*cells).is_default()).collect()
}

/// How a column's data comes about.
pub(super) enum Data<'a> {
    /// The cells' memory is the data.
    Memory(&'a [u8]),
    /// Anything but 0 is true.
    Bool(&'a [u8]),
    /// Values, and the names there are.
    Enum(&'a [u8], &'static [&'static str]),
    /// A dictionary and keys.
    Text(&'a Text),
    /// Arrays.
    Labels(&'a Labels),
    /// Arrays of pairs.
    Map(&'a Raw),
}

impl<'a> Data<'a> {
    pub(super) fn of(cells: Cells<'a>) -> Self {
        match cells {
            Cells::U8(values) => Self::Memory(values),
            Cells::U16(values) => Self::Memory(bytemuck::cast_slice(values)),
            Cells::U32(values) | Cells::Seconds(values) => Self::Memory(bytemuck::cast_slice(values)),
            Cells::U64(values) | Cells::Mac(values) => Self::Memory(bytemuck::cast_slice(values)),
            Cells::I64(values) | Cells::Millis(values) => Self::Memory(bytemuck::cast_slice(values)),
            Cells::Addr(values) => Self::Memory(values.as_flattened()),
            Cells::Bool(values) => Self::Bool(values),
            Cells::Enum(values, names) => Self::Enum(values, names),
            Cells::Text(text) => Self::Text(text),
            Cells::Labels(labels) => Self::Labels(labels),
            Cells::Map(raw) => Self::Map(raw),
        }
    }

    /// Whether ClickHouse has the same cells for a column that is not sent.
    fn is_default(&self) -> bool {
        match self {
            Self::Memory(bytes) | Self::Bool(bytes) | Self::Enum(bytes, _) => is_zero(bytes),
            Self::Text(text) => {
                text.values().len() == 1 || text.is_unwritten() || is_zero(bytemuck::cast_slice(text.keys()))
            }
            Self::Labels(labels) => labels.values.is_empty(),
            Self::Map(raw) => raw.values.is_empty(),
        }
    }

    /// Whether every cell has its value.
    fn is_whole(&self) -> bool {
        match self {
            Self::Memory(_) | Self::Bool(_) | Self::Enum(..) => true,
            Self::Text(text) => has_all_values(text),
            Self::Labels(labels) => ascend_to(&labels.ends, labels.values.len()),
            Self::Map(raw) => {
                raw.names.keys().len() == raw.values.len()
                    && has_all_values(&raw.names)
                    && ascend_to(&raw.ends, raw.values.len())
            }
        }
    }
}

/// Piece by piece: within one without a branch, and most columns that are in use end at the first.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(PIECE_BYTES).all(|piece| piece.iter().fold(0, |all, byte| all | byte) == 0)
}

/// Whether every column has as many cells as there are rows, and every cell has its value.
///
/// # Errors
/// The first fault found.
pub fn check(part: Part<'_>) -> Result<(), EncodeError> {
    if part.is_empty() {
        return Err(EncodeError::Empty);
    }
    for (column, cells) in part.columns() {
        if cells.len() != part.len() {
            return Err(EncodeError::Ragged(column.name));
        }
        if !Data::of(cells).is_whole() {
            return Err(EncodeError::Dangling(column.name));
        }
    }
    Ok(())
}

fn has_all_values(text: &Text) -> bool {
    if text.is_unwritten() {
        return true;
    }
    // Without an early end, so that many keys are looked at in one step. Key 0 always has its value.
    let largest = text.keys().iter().fold(0, |largest, key| (*key).max(largest));
    (largest as usize) < text.values().len()
}

fn ascend_to(ends: &Flat<u64>, values: usize) -> bool {
    if values == 0 {
        return ends.is_unwritten() || is_zero(bytemuck::cast_slice(ends));
    }
    ends.is_sorted() && ends.last().copied().unwrap_or(0) == values as u64
}

/// Appends what precedes so many [`columns`] of so many rows.
pub(super) fn write_header(columns: usize, rows: usize, out: &mut BytesMut) {
    write_varuint(columns as u64, out);
    write_varuint(rows as u64, out);
}

/// Appends one column with its name and type. The rows must have passed [`check`].
pub(super) fn write_column(column: &Column, cells: Cells<'_>, out: &mut BytesMut) {
    write_name(column, out);
    match Data::of(cells) {
        Data::Memory(bytes) => out.extend_from_slice(bytes),
        Data::Bool(values) => write_converted(values, |value| u8::from(value != 0), out),
        // ClickHouse takes an enumeration's value unseen and fails when it is read, so one without a name is written as 0.
        Data::Enum(values, names) => {
            write_converted(values, |value| if usize::from(value) < names.len() { value } else { 0 }, out);
        }
        Data::Text(text) => {
            out.put_u64_le(KEYS_VERSION);
            write_text(text, out);
        }
        Data::Labels(labels) => write_labels(labels, out),
        Data::Map(raw) => write_map(raw, out),
    }
}

/// Appends what precedes a column's data.
pub(super) fn write_name(column: &Column, out: &mut BytesMut) {
    write_string(column.name, out);
    write_string(column.kind, out);
}

/// Appends the cells, each converted. By way of a small array, since a buffer that grows byte by byte is slow.
fn write_converted<T: Copy, U: bytemuck::Pod>(values: &[T], convert: impl Fn(T) -> U, out: &mut BytesMut) {
    for piece in values.chunks(PIECE_BYTES) {
        let mut converted = [U::zeroed(); PIECE_BYTES];
        converted.iter_mut().zip(piece).for_each(|(place, value)| *place = convert(*value));
        out.extend_from_slice(bytemuck::cast_slice(&converted[..piece.len()]));
    }
}

fn write_labels(labels: &Labels, out: &mut BytesMut) {
    out.extend_from_slice(bytemuck::cast_slice(&labels.ends));
    out.extend_from_slice(bytemuck::cast_slice(&labels.values));
}

/// `Map` is an array of pairs laid out as two columns, keys and values; what precedes the data of a column that is nested in
/// it (the version of the keys) comes before all data. Columns without a cell are not written.
fn write_map(raw: &Raw, out: &mut BytesMut) {
    out.put_u64_le(KEYS_VERSION);
    out.extend_from_slice(bytemuck::cast_slice(&raw.ends));
    if raw.values.is_empty() {
        return;
    }
    write_text(&raw.names, out);
    for value in &raw.values {
        write_string(value, out);
    }
}

/// `LowCardinality(String)` after its version: the dictionary, then an index into it for each row in the narrowest type that holds them all.
fn write_text(text: &Text, out: &mut BytesMut) {
    let (values, keys) = (text.values(), text.keys());
    let index_type: u64 = match values.len() {
        0..=0x100 => 0,
        0x101..=0x1_0000 => 1,
        _ => 2,
    };
    out.put_u64_le(index_type | HAS_ADDITIONAL_KEYS | NEED_UPDATE_DICTIONARY);
    out.put_u64_le(values.len() as u64);
    for value in values {
        write_string(value, out);
    }
    out.put_u64_le(keys.len() as u64);
    // `check` has seen that every key is below the number of values, so narrowing loses nothing.
    match index_type {
        0 => write_converted(keys, |key| key as u8, out),
        1 => write_converted(keys, |key| key as u16, out),
        _ => out.extend_from_slice(bytemuck::cast_slice(keys)),
    }
}

fn write_string(value: &str, out: &mut BytesMut) {
    write_varuint(value.len() as u64, out);
    out.extend_from_slice(value.as_bytes());
}

/// LEB128: seven bits a byte, least significant first, the top bit set while more follow.
fn write_varuint(mut value: u64, out: &mut BytesMut) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
pub(super) mod tests;
