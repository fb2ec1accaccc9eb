//! Information elements: names and types of IANA's registry, and names that vendors gave to their own.
//!
//! The facts are text files in the folder beside this one, each with its origin at the top; `cargo xtask elements` makes the
//! table of them. Decoding into columns does not need it.

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

/// One element, of IANA's registry or of a vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element {
    /// Its name, as in `octetDeltaCount`.
    pub name: &'static str,
    /// How to read its bytes.
    pub kind: Type,
    /// What its number counts, as in `octets`; empty where there is no unit, or none is known.
    pub unit: &'static str,
}

// The tables, in ascending order of their keys.
include!("element/table.inc");

/// Private enterprise number of ntop.
const NTOP: u32 = 35_632;
/// What ntop adds to the ids of its elements in NetFlow v9.
const NTOP_NETFLOW9: u16 = 57_472;

/// The IANA element with this id.
#[must_use]
pub fn iana(id: u16) -> Option<Element> {
    find(IANA, &id)
}

/// The name of the IANA element with this id in the reverse direction (RFC 5103), as in `reverseOctetDeltaCount`.
#[must_use]
pub fn reverse_name(id: u16) -> Option<&'static str> {
    find(REVERSE_NAMES, &id)
}

/// A vendor's own element.
#[must_use]
pub fn vendor(enterprise: u32, id: u16) -> Option<Element> {
    find(VENDORS, &(enterprise, id))
}

/// What a vendor calls its own element.
#[must_use]
pub fn vendor_name(enterprise: u32, id: u16) -> Option<&'static str> {
    vendor(enterprise, id).map(|element| element.name)
}

/// A NetFlow v9 field type of a vendor that IANA does not know.
#[must_use]
pub fn netflow9(id: u16) -> Option<Element> {
    find(NETFLOW9, &id).or_else(|| vendor(NTOP, id.checked_sub(NTOP_NETFLOW9)?))
}

/// What vendors call a NetFlow v9 field type that IANA does not know.
#[must_use]
pub fn netflow9_name(id: u16) -> Option<&'static str> {
    netflow9(id).map(|element| element.name)
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

fn find<K: Ord, V: Copy>(table: &[(K, V)], key: &K) -> Option<V> {
    let at = table.binary_search_by(|(known, _)| known.cmp(key)).ok()?;
    table.get(at).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_ascend() {
        assert!(IANA.is_sorted_by(|one, next| one.0 < next.0) && IANA.len() > 490);
        assert!(REVERSE_NAMES.is_sorted_by(|one, next| one.0 < next.0));
        assert!(VENDORS.is_sorted_by(|one, next| one.0 < next.0) && VENDORS.len() > 1300);
        assert!(NETFLOW9.is_sorted_by(|one, next| one.0 < next.0));
    }

    #[test]
    fn some_elements() {
        assert_eq!(iana(1), Some(Element { name: "octetDeltaCount", kind: Type::Unsigned, unit: "octets" }));
        assert_eq!(iana(65), None, "IANA keeps 65 for NetFlow v9 without a name");
        assert_eq!(iana(495).map(|element| element.kind), Some(Type::Ipv6Address));
        assert_eq!(reverse_name(1), Some("reverseOctetDeltaCount"));
        assert!(vendor_name(9, 12_235).is_some());
        assert_eq!(netflow9_name(33_002), Some("fw_ext_event"));
        assert_eq!(vendor(35_632, 188).map(|element| element.kind), Some(Type::String));
        assert_eq!(netflow9_name(57_472 + 188), Some("TLS_SERVER_NAME"));
    }

    /// Every vendor that is promised has elements.
    #[test]
    fn vendors() {
        for enterprise in [9, 637, 2636, 3054, 5951, 6871, 6876, 8057, 10_704, 15_397, 16_982, 35_632, 39_499] {
            assert!(VENDORS.iter().any(|((of, _), _)| *of == enterprise), "{enterprise}");
        }
    }
}
