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

/// The columns that are written, with their numbers in the table: those that have a cell which is not the default of its type, and the first in any case, as
/// rows without a column are none.
#[must_use]
pub fn columns(part: Part<'_>) -> Vec<(usize, &'static Column, Cells<'_>)> {
    let numbered = part.columns().enumerate().map(|(number, (column, cells))| (number, column, cells));
    numbered.filter(|(number, _, cells)| *number == 0 || !is_default(*cells)).collect()
}

/// The data of a column whose memory is its data.
#[must_use]
pub fn memory(cells: Cells<'_>) -> Option<&[u8]> {
    match cells {
        Cells::U8(values) => Some(values),
        Cells::U16(values) => Some(bytemuck::cast_slice(values)),
        Cells::U32(values) | Cells::Seconds(values) => Some(bytemuck::cast_slice(values)),
        Cells::U64(values) | Cells::Mac(values) => Some(bytemuck::cast_slice(values)),
        Cells::I64(values) | Cells::Millis(values) => Some(bytemuck::cast_slice(values)),
        Cells::Addr(values) => Some(values.as_flattened()),
        Cells::Bool(_) | Cells::Enum(..) | Cells::Text(_) | Cells::Labels(_) | Cells::Map(_) => None,
    }
}

/// Whether ClickHouse has the same cells for a column that is not sent.
fn is_default(cells: Cells<'_>) -> bool {
    if let Some(bytes) = memory(cells) {
        return is_zero(bytes);
    }
    match cells {
        Cells::Bool(values) | Cells::Enum(values, _) => is_zero(values),
        Cells::Text(text) => {
            text.values().len() == 1 || text.is_unwritten() || is_zero(bytemuck::cast_slice(text.keys()))
        }
        Cells::Labels(labels) => labels.values.is_empty(),
        Cells::Map(raw) => raw.values.is_empty(),
        Cells::U8(_)
        | Cells::U16(_)
        | Cells::U32(_)
        | Cells::U64(_)
        | Cells::I64(_)
        | Cells::Mac(_)
        | Cells::Seconds(_)
        | Cells::Millis(_)
        | Cells::Addr(_) => false,
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
        let whole = match cells {
            Cells::Text(text) => has_all_values(text),
            Cells::Labels(labels) => ascend_to(&labels.ends, labels.values.len()),
            Cells::Map(raw) => {
                raw.names.keys().len() == raw.values.len()
                    && has_all_values(&raw.names)
                    && ascend_to(&raw.ends, raw.values.len())
            }
            Cells::U8(_)
            | Cells::Bool(_)
            | Cells::Enum(..)
            | Cells::U16(_)
            | Cells::U32(_)
            | Cells::U64(_)
            | Cells::I64(_)
            | Cells::Mac(_)
            | Cells::Seconds(_)
            | Cells::Millis(_)
            | Cells::Addr(_) => true,
        };
        if !whole {
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
pub fn write_header(columns: usize, rows: usize, out: &mut BytesMut) {
    write_varuint(columns as u64, out);
    write_varuint(rows as u64, out);
}

/// Appends one column with its name and type. The rows must have passed [`check`].
pub fn write_column(column: &Column, cells: Cells<'_>, out: &mut BytesMut) {
    write_name(column, out);
    if let Some(bytes) = memory(cells) {
        return out.extend_from_slice(bytes);
    }
    match cells {
        Cells::Bool(values) => write_converted(values, |value| u8::from(value != 0), out),
        // ClickHouse takes an enumeration's value unseen and fails when it is read, so one without a name is written as 0.
        Cells::Enum(values, names) => {
            write_converted(values, |value| if usize::from(value) < names.len() { value } else { 0 }, out);
        }
        Cells::Text(text) => {
            out.put_u64_le(KEYS_VERSION);
            write_text(text, out);
        }
        Cells::Labels(labels) => write_labels(labels, out),
        Cells::Map(raw) => write_map(raw, out),
        Cells::U8(_)
        | Cells::U16(_)
        | Cells::U32(_)
        | Cells::U64(_)
        | Cells::I64(_)
        | Cells::Mac(_)
        | Cells::Seconds(_)
        | Cells::Millis(_)
        | Cells::Addr(_) => {}
    }
}

/// Appends what precedes a column's data.
pub fn write_name(column: &Column, out: &mut BytesMut) {
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
mod tests;
