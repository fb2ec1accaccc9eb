//! Native blocks for clients that announce `client_protocol_version`, as clickhouse-go (Grafana's plug-in) does.
//!
//! The engine writes blocks for version 0. A newer client expects a block-info header before each block and, from version
//! 54454, a byte behind each column's type. To insert that byte one must know where a column ends, so this module walks the
//! data of every type that has a fixed shape. Not here: JSON, Dynamic, Variant and aggregate states, which are refused.
//! Layout: <https://clickhouse.com/docs/reference/interfaces/specs/NativeFormat>.

use super::formats::varint;

/// The first version with a custom-serialisation byte behind the type of each column.
const CUSTOM_SERIALIZATION: u64 = 54454;
/// Field 1, `is_overflows` = 0; field 2, `bucket_num` = -1; end.
const BLOCK_INFO: [u8; 8] = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0];
/// Types nest this deep at most.
const DEPTH_LIMIT: usize = 32;

/// Why a block could not be rewritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NativeError {
    #[error("the type {0} cannot be sent to a client with client_protocol_version; cast it, or select another FORMAT")]
    Unsupported(String),
    #[error("the block ends before its columns do")]
    Truncated,
}

/// Rewrites the blocks in `blocks`, which are whole, for a client of `version`.
pub(super) fn for_version(blocks: &[u8], version: u64) -> Result<Vec<u8>, NativeError> {
    let mut out = Vec::with_capacity(blocks.len() + 64);
    let mut at = 0;
    while at < blocks.len() {
        out.extend_from_slice(&BLOCK_INFO);
        let head = at;
        let columns = number(blocks, &mut at)?;
        let rows = number(blocks, &mut at)?;
        out.extend_from_slice(&blocks[head..at]);
        for _ in 0..columns {
            let start = at;
            skip_string(blocks, &mut at)?;
            let type_name = string(blocks, &mut at)?;
            out.extend_from_slice(&blocks[start..at]);
            if version >= CUSTOM_SERIALIZATION {
                out.push(0);
            }
            let data = at;
            if rows > 0 {
                let type_name = String::from_utf8_lossy(type_name);
                skip_prefix(&type_name, blocks, &mut at, 0)?;
                skip_data(&type_name, rows, blocks, &mut at, 0)?;
            }
            out.extend_from_slice(&blocks[data..at]);
        }
    }
    Ok(out)
}

/// Skips what precedes the rows of a column: the key version of each LowCardinality inside it.
fn skip_prefix(type_name: &str, bytes: &[u8], at: &mut usize, depth: usize) -> Result<(), NativeError> {
    let (name, arguments) = split(type_name, depth)?;
    match name {
        "LowCardinality" => skip(bytes, at, 8),
        "Array" | "Nullable" => skip_prefix(arguments, bytes, at, depth + 1),
        "Tuple" | "Map" | "Nested" => {
            for element in elements(arguments) {
                skip_prefix(element_type(element, name), bytes, at, depth + 1)?;
            }
            Ok(())
        }
        "SimpleAggregateFunction" => skip_prefix(last_argument(arguments), bytes, at, depth + 1),
        _ => Ok(()),
    }
}

fn skip_data(type_name: &str, rows: usize, bytes: &[u8], at: &mut usize, depth: usize) -> Result<(), NativeError> {
    let (name, arguments) = split(type_name, depth)?;
    if let Some(width) = width(name, arguments) {
        return skip(bytes, at, rows.checked_mul(width).ok_or(NativeError::Truncated)?);
    }
    match name {
        "String" => (0..rows).try_for_each(|_| skip_string(bytes, at)),
        "Nullable" => {
            skip(bytes, at, rows)?;
            skip_data(arguments, rows, bytes, at, depth + 1)
        }
        "Array" => {
            let inner = skip_offsets(rows, bytes, at)?;
            skip_data(arguments, inner, bytes, at, depth + 1)
        }
        "Map" | "Nested" => {
            let inner = skip_offsets(rows, bytes, at)?;
            elements(arguments)
                .try_for_each(|element| skip_data(element_type(element, name), inner, bytes, at, depth + 1))
        }
        // An empty tuple has one byte a row.
        "Tuple" if arguments.is_empty() => skip(bytes, at, rows),
        "Tuple" => elements(arguments)
            .try_for_each(|element| skip_data(element_type(element, name), rows, bytes, at, depth + 1)),
        "SimpleAggregateFunction" => skip_data(last_argument(arguments), rows, bytes, at, depth + 1),
        "LowCardinality" if rows == 0 => Ok(()),
        "LowCardinality" => skip_low_cardinality(arguments, bytes, at, depth),
        _ => Err(NativeError::Unsupported(type_name.to_owned())),
    }
}

/// Flags (the index width in the low byte), the keys, the indexes. The dictionary of a Nullable is of the type inside it.
fn skip_low_cardinality(key: &str, bytes: &[u8], at: &mut usize, depth: usize) -> Result<(), NativeError> {
    let flags = fixed(bytes, at)?;
    let (name, arguments) = split(key, depth)?;
    let key = if name == "Nullable" { arguments } else { key };
    let keys = fixed(bytes, at)?;
    skip_data(key, to_usize(keys)?, bytes, at, depth + 1)?;
    let rows = to_usize(fixed(bytes, at)?)?;
    let index_width = 1_usize << (flags & 3);
    skip(bytes, at, rows.checked_mul(index_width).ok_or(NativeError::Truncated)?)
}

/// Bytes of a value, for types where all values have the same.
fn width(name: &str, arguments: &str) -> Option<usize> {
    Some(match name {
        "UInt8" | "Int8" | "Bool" | "Enum8" | "Nothing" => 1,
        "UInt16" | "Int16" | "Date" | "Enum16" | "BFloat16" => 2,
        "UInt32" | "Int32" | "Float32" | "Date32" | "DateTime" | "IPv4" | "Time" | "Decimal32" => 4,
        "UInt64" | "Int64" | "Float64" | "DateTime64" | "Time64" | "Decimal64" => 8,
        "UInt128" | "Int128" | "UUID" | "IPv6" | "Decimal128" | "Point" => 16,
        "UInt256" | "Int256" | "Decimal256" => 32,
        "FixedString" => arguments.parse().ok()?,
        "Decimal" => match elements(arguments).next()?.parse().ok()? {
            0..=9_u32 => 4,
            10..=18 => 8,
            19..=38 => 16,
            _ => 32,
        },
        _ if name.starts_with("Interval") => 8,
        _ => return None,
    })
}

/// `Name(arguments)` into its two halves.
fn split(type_name: &str, depth: usize) -> Result<(&str, &str), NativeError> {
    if depth > DEPTH_LIMIT {
        return Err(NativeError::Unsupported(type_name.to_owned()));
    }
    let type_name = type_name.trim();
    let Some((name, rest)) = type_name.split_once('(') else { return Ok((type_name, "")) };
    Ok((name, rest.strip_suffix(')').unwrap_or(rest)))
}

/// The arguments of a type, cut at the commas that are outside parentheses and quotes.
fn elements(arguments: &str) -> impl Iterator<Item = &str> {
    let mut rest = arguments.trim();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut depth, mut quote, mut escaped) = (0_usize, None, false);
        let end = rest.bytes().position(|byte| {
            match (quote, byte) {
                (Some(_), _) if escaped => escaped = false,
                (Some(_), b'\\') => escaped = true,
                (Some(open), byte) if open == byte => quote = None,
                (Some(_), _) => {}
                (None, b'\'' | b'`' | b'"') => quote = Some(byte),
                (None, b'(') => depth += 1,
                (None, b')') => depth = depth.saturating_sub(1),
                (None, b',') => return depth == 0,
                (None, _) => {}
            }
            false
        });
        let (element, remaining) = end.map_or((rest, ""), |end| (&rest[..end], &rest[end + 1..]));
        rest = remaining.trim_start();
        Some(element.trim())
    })
}

/// Elements of tuples may have a name before their type: `name Type` or `` `na me` Type``.
fn element_type<'a>(element: &'a str, of: &str) -> &'a str {
    if of == "Map" {
        return element;
    }
    if let Some(quoted) = element.strip_prefix('`') {
        let mut escaped = false;
        let end = quoted.bytes().position(|byte| {
            let closes = byte == b'`' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        });
        return end.map_or(element, |end| quoted[end + 1..].trim_start());
    }
    let name_end = element.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(element.len());
    match element[name_end..].strip_prefix(' ') {
        Some(rest) => rest.trim_start(),
        None => element,
    }
}

fn last_argument(arguments: &str) -> &str {
    elements(arguments).last().unwrap_or_default()
}

/// Skips the offsets of `rows` arrays and gives how many elements they hold together.
fn skip_offsets(rows: usize, bytes: &[u8], at: &mut usize) -> Result<usize, NativeError> {
    if rows == 0 {
        return Ok(0);
    }
    skip(bytes, at, rows.checked_sub(1).and_then(|rows| rows.checked_mul(8)).ok_or(NativeError::Truncated)?)?;
    to_usize(fixed(bytes, at)?)
}

fn skip(bytes: &[u8], at: &mut usize, count: usize) -> Result<(), NativeError> {
    *at = at.checked_add(count).filter(|&end| end <= bytes.len()).ok_or(NativeError::Truncated)?;
    Ok(())
}

fn fixed(bytes: &[u8], at: &mut usize) -> Result<u64, NativeError> {
    let value = bytes.get(*at..).and_then(|rest| rest.first_chunk()).ok_or(NativeError::Truncated)?;
    *at += value.len();
    Ok(u64::from_le_bytes(*value))
}

fn number(bytes: &[u8], at: &mut usize) -> Result<usize, NativeError> {
    varint(bytes, at).ok_or(NativeError::Truncated).and_then(to_usize)
}

fn to_usize(value: u64) -> Result<usize, NativeError> {
    usize::try_from(value).map_err(|_| NativeError::Truncated)
}

fn string<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a [u8], NativeError> {
    let length = number(bytes, at)?;
    let start = *at;
    skip(bytes, at, length)?;
    Ok(&bytes[start..*at])
}

fn skip_string(bytes: &[u8], at: &mut usize) -> Result<(), NativeError> {
    string(bytes, at).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gets_its_info_and_a_byte_per_column() {
        let block = b"\x02\x02\x01a\x05UInt8\x07\x08\x01b\x06String\x01x\x02yz";
        let expected =
            b"\x01\x00\x02\xff\xff\xff\xff\x00\x02\x02\x01a\x05UInt8\x00\x07\x08\x01b\x06String\x00\x01x\x02yz";
        assert_eq!(for_version(block, 54460).as_deref(), Ok(&expected[..]));
        let two = [&block[..], block].concat();
        assert_eq!(for_version(&two, 54460).map(|out| out.len()), Ok(expected.len() * 2));
        assert_eq!(for_version(&block[..block.len() - 1], 54460), Err(NativeError::Truncated));
        let json = b"\x01\x01\x01a\x04JSON\x00";
        assert_eq!(for_version(json, 54460), Err(NativeError::Unsupported("JSON".to_owned())));
    }

    #[test]
    fn type_names_are_taken_apart() {
        let found: Vec<_> = elements("a Enum8('x,(' = 1), `b c` Tuple(UInt8, String), UInt8").collect();
        assert_eq!(found, ["a Enum8('x,(' = 1)", "`b c` Tuple(UInt8, String)", "UInt8"]);
        let types: Vec<_> = found.iter().map(|element| element_type(element, "Tuple")).collect();
        assert_eq!(types, ["Enum8('x,(' = 1)", "Tuple(UInt8, String)", "UInt8"]);
        assert_eq!(element_type("DateTime64(3, 'UTC')", "Tuple"), "DateTime64(3, 'UTC')");
    }
}
