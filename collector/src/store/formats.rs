//! Output formats: their Content-Type, and which of them can be put together from the engine's pieces.
//!
//! The engine streams a result as pieces that are complete documents of the format. Where a document is rows only, or a
//! header and rows, the pieces without their headers make the whole; any other format is taken as one result.

/// How the pieces of a streamed result make one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pieces {
    /// One after the other.
    Concatenate,
    /// The first whole, the others without their `n` header lines. Names with line ends are counted, see [`header_end`].
    HeaderLines(u8),
    /// The first whole, the others without names, and types if the flag is set, in RowBinary.
    BinaryHeader { types: bool },
    /// Not at all.
    Whole,
}

/// How pieces of `format` fit together.
pub(super) fn pieces(format: &str) -> Pieces {
    let lower = format.to_ascii_lowercase();
    match lower.as_str() {
        "tabseparated"
        | "tsv"
        | "tabseparatedraw"
        | "tsvraw"
        | "raw"
        | "csv"
        | "jsoneachrow"
        | "jsonlines"
        | "ndjson"
        | "jsoncompacteachrow"
        | "jsonstringseachrow"
        | "jsoncompactstringseachrow"
        | "rowbinary"
        | "native"
        | "tskv"
        | "values"
        | "lineasstring"
        | "rawblob"
        | "null"
        | "msgpack" => Pieces::Concatenate,
        "rowbinarywithnames" => Pieces::BinaryHeader { types: false },
        "rowbinarywithnamesandtypes" => Pieces::BinaryHeader { types: true },
        "tabseparatedwithnames"
        | "tsvwithnames"
        | "csvwithnames"
        | "jsoncompacteachrowwithnames"
        | "tabseparatedrawwithnames"
        | "tsvrawwithnames" => Pieces::HeaderLines(1),
        "tabseparatedwithnamesandtypes"
        | "tsvwithnamesandtypes"
        | "csvwithnamesandtypes"
        | "jsoncompacteachrowwithnamesandtypes"
        | "tabseparatedrawwithnamesandtypes"
        | "tsvrawwithnamesandtypes" => Pieces::HeaderLines(2),
        _ => Pieces::Whole,
    }
}

/// Content-Type of `format`, as ClickHouse gives it.
pub(super) fn content_type(format: &str) -> &'static str {
    let lower = format.to_ascii_lowercase();
    let names = lower.contains("withnames");
    match lower.as_str() {
        "json"
        | "jsoncompact"
        | "jsonstrings"
        | "jsoncompactstrings"
        | "jsoncolumns"
        | "jsoncompactcolumns"
        | "jsoncolumnswithmetadata"
        | "jsonobjecteachrow" => "application/json; charset=UTF-8",
        "xml" => "application/xml; charset=UTF-8",
        "markdown" => "text/markdown; charset=UTF-8",
        "parquet" | "arrow" | "arrowstream" | "native" | "orc" | "avro" | "msgpack" | "capnproto" | "protobuf"
        | "npy" | "bsoneachrow" => "application/octet-stream",
        "prometheus" => "text/plain; version=0.0.4; charset=UTF-8",
        text if text.starts_with("rowbinary") => "application/octet-stream",
        text if text.starts_with("csv") && names => "text/csv; charset=UTF-8; header=present",
        text if text.starts_with("csv") => "text/csv; charset=UTF-8; header=absent",
        text if text.starts_with("tsv") || text.starts_with("tabseparated") || text == "raw" => {
            "text/tab-separated-values; charset=UTF-8"
        }
        text if text.starts_with("json") || text == "ndjson" => "application/x-ndjson; charset=UTF-8",
        _ => "text/plain; charset=UTF-8",
    }
}

/// Length of the header of a piece; `None` where the piece is not what its format says.
pub(super) fn header_end(piece: &[u8], how: Pieces) -> Option<usize> {
    match how {
        Pieces::Concatenate | Pieces::Whole => Some(0),
        Pieces::HeaderLines(lines) => (0..lines).try_fold(0, |at, _| line_end(piece, at)),
        Pieces::BinaryHeader { types } => {
            let mut at = 0;
            let columns = varint(piece, &mut at)?;
            let strings = columns.checked_mul(if types { 2 } else { 1 })?;
            for _ in 0..strings {
                let length = usize::try_from(varint(piece, &mut at)?).ok()?;
                at = at.checked_add(length).filter(|&end| end <= piece.len())?;
            }
            Some(at)
        }
    }
}

/// The end of the line that starts at `at`. A line end inside double quotes (CSV, JSON) belongs to a name; a TSV header
/// has its line ends escaped, and its quotes are just letters, but then an odd number of them has no line end to hide.
fn line_end(piece: &[u8], at: usize) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    let rest = piece.get(at..)?;
    let csv_or_json = rest.first().is_some_and(|&byte| byte == b'"' || byte == b'[');
    for (index, &byte) in rest.iter().enumerate() {
        match byte {
            b'\n' if !quoted => return Some(at + index + 1),
            b'\\' if quoted && !escaped && rest.first() == Some(&b'[') => {
                escaped = true;
                continue;
            }
            b'"' if csv_or_json && !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = false;
    }
    None
}

/// Reads a LEB128 number at `at` and moves behind it.
pub(super) fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_found() {
        let cases: [(&[u8], &str, Option<usize>); 8] = [
            (b"a\tb\n1\t2\n", "TSVWithNames", Some(4)),
            (b"a\nUInt8\n1\n", "TabSeparatedWithNamesAndTypes", Some(8)),
            (b"\"a\nb\",\"c\"\"d\"\n1,2\n", "CSVWithNames", Some(13)),
            (b"[\"a\\\"\"]\n[1]\n", "JSONCompactEachRowWithNames", Some(8)),
            (b"\x01\x06number\x06UInt64\x01\x00", "RowBinaryWithNamesAndTypes", Some(15)),
            (b"\x01\x06number\x01\x00", "RowBinaryWithNames", Some(8)),
            (b"\x01\x06num", "RowBinaryWithNames", None),
            (b"1\n", "TSV", Some(0)),
        ];
        for (piece, format, expected) in cases {
            assert_eq!(header_end(piece, pieces(format)), expected, "{format}");
        }
    }

    #[test]
    fn formats_have_their_content_type() {
        let cases = [
            ("JSON", "application/json; charset=UTF-8"),
            ("JSONEachRow", "application/x-ndjson; charset=UTF-8"),
            ("CSVWithNames", "text/csv; charset=UTF-8; header=present"),
            ("TabSeparated", "text/tab-separated-values; charset=UTF-8"),
            ("Native", "application/octet-stream"),
            ("RowBinaryWithNamesAndTypes", "application/octet-stream"),
            ("Pretty", "text/plain; charset=UTF-8"),
        ];
        for (format, expected) in cases {
            assert_eq!(content_type(format), expected, "{format}");
        }
    }
}
