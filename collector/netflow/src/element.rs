//! Information elements: names and types of IANA's registry, and names that vendors gave to their own.
//!
//! The tables are text files beside this one, each with its origin at the top; they are read at the first question. Decoding
//! into columns does not need them.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Private enterprise number of the reverse direction of a biflow (RFC 5103 section 6.1): IANA's numbers, meant backwards.
pub const REVERSE: u32 = 29_305;

/// Abstract data type of an element (RFC 7011 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// unsigned8 to unsigned64; any of them may come in fewer bytes.
    Unsigned,
    /// signed8 to signed64.
    Signed,
    /// float32 and float64.
    Float,
    /// 1 is true, 2 is false.
    Boolean,
    /// UTF-8.
    String,
    /// Bytes without further meaning.
    OctetArray,
    /// Four bytes.
    Ipv4Address,
    /// Sixteen bytes.
    Ipv6Address,
    /// Six bytes.
    MacAddress,
    /// Seconds since 1970.
    DateTimeSeconds,
    /// Milliseconds since 1970.
    DateTimeMilliseconds,
    /// NTP timestamp, exact to the microsecond.
    DateTimeMicroseconds,
    /// NTP timestamp, exact to the nanosecond.
    DateTimeNanoseconds,
    /// basicList, subTemplateList, subTemplateMultiList (RFC 6313).
    List,
}

/// One element of IANA's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Its name, as in `octetDeltaCount`.
    pub name: &'static str,
    /// How to read its bytes.
    pub kind: Type,
}

static IANA: LazyLock<HashMap<u16, Element>> = LazyLock::new(|| {
    let lines = lines(include_str!("element/iana.tsv"));
    lines.filter_map(|[id, kind, name]| Some((id.parse().ok()?, Element { name, kind: kind_of(kind)? }))).collect()
});

static REVERSED: LazyLock<HashMap<u16, String>> = LazyLock::new(|| {
    let reversed = |name: &str| {
        let mut letters = name.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        format!("reverse{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
    };
    IANA.iter().map(|(id, element)| (*id, reversed(element.name))).collect()
});

static VENDORS: LazyLock<HashMap<(u32, u16), &'static str>> = LazyLock::new(|| {
    let lines = lines(include_str!("element/vendors.tsv"));
    lines.filter_map(|[enterprise, id, name]| Some(((enterprise.parse().ok()?, id.parse().ok()?), name))).collect()
});

static NETFLOW9: LazyLock<HashMap<u16, &'static str>> = LazyLock::new(|| {
    let lines = lines(include_str!("element/netflow9.tsv"));
    lines.filter_map(|[id, name]| Some((id.parse().ok()?, name))).collect()
});

/// The IANA element with this id.
#[must_use]
pub fn iana(id: u16) -> Option<Element> {
    IANA.get(&id).copied()
}

/// The name of the IANA element with this id in the reverse direction (RFC 5103), as in `reverseOctetDeltaCount`.
#[must_use]
pub fn reverse_name(id: u16) -> Option<&'static str> {
    REVERSED.get(&id).map(String::as_str)
}

/// What a vendor calls its own element.
#[must_use]
pub fn vendor_name(enterprise: u32, id: u16) -> Option<&'static str> {
    VENDORS.get(&(enterprise, id)).copied()
}

/// What vendors call a NetFlow v9 field type that IANA does not know.
#[must_use]
pub fn netflow9_name(id: u16) -> Option<&'static str> {
    NETFLOW9.get(&id).copied()
}

/// Whether an element of a template has a name; `version` is that of the protocol, 9 or 10.
#[must_use]
pub fn is_known(version: u8, enterprise: u32, id: u16) -> bool {
    match enterprise {
        0 => iana(id).is_some() || version == 9 && netflow9_name(id).is_some(),
        REVERSE => iana(id).is_some(),
        enterprise => vendor_name(enterprise, id).is_some(),
    }
}

fn lines<const COLUMNS: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; COLUMNS]> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut cells = [""; COLUMNS];
        let mut columns = line.split('\t');
        for cell in &mut cells {
            *cell = columns.next()?;
        }
        columns.next().is_none().then_some(cells)
    })
}

fn kind_of(label: &str) -> Option<Type> {
    Some(match label {
        "u8" | "u16" | "u32" | "u64" => Type::Unsigned,
        "i8" | "i16" | "i32" | "i64" => Type::Signed,
        "f32" | "f64" => Type::Float,
        "bool" => Type::Boolean,
        "string" => Type::String,
        "bytes" => Type::OctetArray,
        "ipv4" => Type::Ipv4Address,
        "ipv6" => Type::Ipv6Address,
        "mac" => Type::MacAddress,
        "s" => Type::DateTimeSeconds,
        "ms" => Type::DateTimeMilliseconds,
        "us" => Type::DateTimeMicroseconds,
        "ns" => Type::DateTimeNanoseconds,
        "list" => Type::List,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a table that are no comments.
    fn entries(table: &str) -> usize {
        table.lines().filter(|line| !line.starts_with('#')).count()
    }

    #[test]
    fn every_line_of_the_tables_is_read() {
        assert_eq!(IANA.len(), entries(include_str!("element/iana.tsv")));
        assert_eq!(VENDORS.len(), entries(include_str!("element/vendors.tsv")));
        assert_eq!(NETFLOW9.len(), entries(include_str!("element/netflow9.tsv")));
    }

    #[test]
    fn some_elements() {
        assert_eq!(iana(1), Some(Element { name: "octetDeltaCount", kind: Type::Unsigned }));
        assert_eq!(iana(65), None, "IANA keeps 65 for NetFlow v9 without a name");
        assert_eq!(reverse_name(1), Some("reverseOctetDeltaCount"));
        assert!(vendor_name(9, 12_235).is_some());
        assert_eq!(netflow9_name(33_002), Some("fw_ext_event"));
    }
}
