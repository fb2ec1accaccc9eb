//! What is repaired: the rows of the datagrams of a period, of all exporters or of those of a prefix.

use std::net::Ipv6Addr;

use netflow::columns::Address;

use crate::prefix::Prefix;

/// Bits of an IPv6 address before the IPv4 address that it stands for.
const MAPPED_BITS: u8 = 96;

/// Which rows are decoded again: those of datagrams received in `[from_ms, to_ms)`, by the exporters of a prefix. A row that waited
/// for its template belongs to the datagram that brought it, not to the one that brought the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// Start, milliseconds since 1970.
    pub from_ms: i64,
    /// Behind the end, milliseconds since 1970.
    pub to_ms: i64,
    /// Whose datagrams; everybody's without it.
    pub exporters: Option<Prefix>,
}

impl Period {
    /// Whether the datagrams of an exporter are meant.
    #[must_use]
    pub fn is_of(&self, exporter: &Address) -> bool {
        self.exporters.is_none_or(|prefix| prefix.holds((*exporter).into()))
    }

    /// Whether a time of receipt lies in it, milliseconds since 1970.
    #[must_use]
    pub fn holds_ms(&self, received_ms: i64) -> bool {
        (self.from_ms..self.to_ms).contains(&received_ms)
    }

    /// The prefix as people write it; empty without one.
    #[must_use]
    pub fn prefix_text(&self) -> String {
        let Some(prefix) = self.exporters else { return String::new() };
        let (first, bits) = (Ipv6Addr::from(prefix.first()), prefix.bits());
        match (first.to_ipv4_mapped(), bits.checked_sub(MAPPED_BITS)) {
            (Some(first), Some(bits)) => format!("{first}/{bits}"),
            _ => format!("{first}/{bits}"),
        }
    }

    /// The same in SQL, on the columns `time_received` and `exporter_address`.
    #[must_use]
    pub fn condition(&self) -> String {
        let moment = |ms: i64| format!("fromUnixTimestamp64Milli(toInt64({ms}), 'UTC')");
        let time = format!("time_received >= {} AND time_received < {}", moment(self.from_ms), moment(self.to_ms));
        let Some(prefix) = self.exporters else { return format!("({time})") };
        let first = u128::from_be_bytes(prefix.first());
        let last = first | u128::MAX.checked_shr(prefix.bits().into()).unwrap_or(0);
        let [first, last] = [first, last].map(Ipv6Addr::from);
        format!("({time} AND exporter_address >= toIPv6('{first}') AND exporter_address <= toIPv6('{last}'))")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_read_as_they_were_written() {
        for text in ["192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32", "::/0"] {
            let exporters = Some(text.parse::<Prefix>().expect("a prefix"));
            assert_eq!(Period { from_ms: 0, to_ms: 1, exporters }.prefix_text(), text);
        }
    }

    #[test]
    fn prefixes_become_ranges_of_addresses() {
        for (prefix, range) in [
            (
                "192.0.2.0/24",
                " AND exporter_address >= toIPv6('::ffff:192.0.2.0') AND exporter_address <= toIPv6('::ffff:192.0.2.255'))",
            ),
            (
                "2001:db8::1",
                " AND exporter_address >= toIPv6('2001:db8::1') AND exporter_address <= toIPv6('2001:db8::1'))",
            ),
            (
                "::/0",
                " AND exporter_address >= toIPv6('::') AND exporter_address <= toIPv6('ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'))",
            ),
        ] {
            let exporters = Some(prefix.parse().expect("a prefix"));
            let condition = Period { from_ms: 1, to_ms: 2, exporters }.condition();
            assert!(condition.ends_with(range), "{prefix}: {condition}");
        }
        let all = Period { from_ms: 1, to_ms: 2, exporters: None };
        assert_eq!(
            all.condition(),
            "(time_received >= fromUnixTimestamp64Milli(toInt64(1), 'UTC') AND time_received < fromUnixTimestamp64Milli(toInt64(2), 'UTC'))"
        );
    }

    #[test]
    fn the_end_is_not_in_it() {
        let period = Period { from_ms: 10, to_ms: 20, exporters: None };
        assert_eq!([9, 10, 19, 20].map(|ms| period.holds_ms(ms)), [false, true, true, false]);
    }
}
