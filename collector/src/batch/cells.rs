//! One column's cells, by the way they are encoded.

use netflow::FlowColumns;
use netflow::columns::{Address, Labels};
use netflow::raw::Raw;
use netflow::text::Text;

/// The cells of one column, lent by whoever has the rows.
#[derive(Debug, Clone, Copy)]
pub enum Cells<'a> {
    /// `UInt8`.
    U8(&'a [u8]),
    /// `Bool`; any value but 0 is true.
    Bool(&'a [u8]),
    /// `Enum8` with the names of its values 0, 1, 2, ...; a value without a name counts as 0, as ClickHouse fails to read one.
    Enum(&'a [u8], &'static [&'static str]),
    /// `UInt16`.
    U16(&'a [u16]),
    /// `UInt32`.
    U32(&'a [u32]),
    /// `UInt64`.
    U64(&'a [u64]),
    /// `Int64`.
    I64(&'a [i64]),
    /// `UInt64` that holds a MAC address in its lower 48 bits.
    Mac(&'a [u64]),
    /// `DateTime`: seconds since 1970.
    Seconds(&'a [u32]),
    /// `DateTime64(3)`: milliseconds since 1970.
    Millis(&'a [i64]),
    /// `IPv6`: 16 bytes in network order.
    Addr(&'a [Address]),
    /// `LowCardinality(String)`.
    Text(&'a Text),
    /// `Array(UInt32)`.
    Labels(&'a Labels),
    /// `Map(LowCardinality(String), String)`.
    Map(&'a Raw),
}

impl<'a> Cells<'a> {
    /// `IPv6`: the devices that flows were metered by.
    pub(in crate::batch) fn agents(flows: &'a FlowColumns) -> Self {
        Self::Addr(flows.agents())
    }

    /// Rows in the column.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) | Self::Bool(values) | Self::Enum(values, _) => values.len(),
            Self::U16(values) => values.len(),
            Self::U32(values) | Self::Seconds(values) => values.len(),
            Self::U64(values) | Self::Mac(values) => values.len(),
            Self::I64(values) | Self::Millis(values) => values.len(),
            Self::Addr(values) => values.len(),
            Self::Text(text) => text.keys().len(),
            Self::Labels(labels) => labels.ends.len(),
            Self::Map(raw) => raw.ends.len(),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory a row takes, without the strings and labels themselves.
    #[must_use]
    pub fn width_bytes(&self) -> usize {
        match self {
            Self::U8(_) | Self::Bool(_) | Self::Enum(..) => 1,
            Self::U16(_) => 2,
            Self::U32(_) | Self::Seconds(_) | Self::Text(_) => 4,
            Self::U64(_) | Self::I64(_) | Self::Mac(_) | Self::Millis(_) | Self::Labels(_) | Self::Map(_) => 8,
            Self::Addr(_) => 16,
        }
    }

    /// Bytes of memory the strings or labels take that the rows point to.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => dictionary_bytes(text),
            Self::Labels(labels) => size_of_val(labels.values.as_slice()),
            Self::Map(raw) => {
                let values: usize = raw.values.iter().map(|value| value.len() + size_of::<Box<str>>()).sum();
                dictionary_bytes(&raw.names) + size_of_val(raw.names.keys()) + values
            }
            Self::U8(_)
            | Self::Bool(_)
            | Self::Enum(..)
            | Self::U16(_)
            | Self::U32(_)
            | Self::U64(_)
            | Self::I64(_)
            | Self::Mac(_)
            | Self::Seconds(_)
            | Self::Millis(_)
            | Self::Addr(_) => 0,
        }
    }
}

/// A distinct string is kept twice (list and map), each behind a fat pointer.
fn dictionary_bytes(text: &Text) -> usize {
    text.values().iter().map(|value| 2 * (value.len() + size_of::<Box<str>>())).sum()
}

/// The name of an enumeration's value; that of 0 where the value has none.
#[must_use]
pub fn enum_name(names: &[&'static str], value: u8) -> &'static str {
    names.get(usize::from(value)).or_else(|| names.first()).copied().unwrap_or("")
}
