//! What is repaired: the rows of the datagrams of a period, of all exporters or of those of a prefix.

use std::net::Ipv6Addr;
use std::time::{SystemTime, UNIX_EPOCH};

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

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A point in time, milliseconds since 1970, as RFC 3339 writes it in UTC.
pub(super) fn moment(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days since 1 March of the year 0: a leap day is the last of its year then, and 400 years have 146 097 days.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month < 3);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, ms) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
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
    fn moments_are_written_in_utc() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_795_406_407_007, "2026-11-23T04:00:07.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(moment(ms), text);
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
