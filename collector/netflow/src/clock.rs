//! Times as exporters tell them, in milliseconds since 1970. 0 means: not told.

use crate::plan::Clock;

/// Milliseconds from 1970 to the end of 2299: the last that a `DateTime64(3)` shows. A later time is an error of the exporter.
const LAST_MS: u64 = 10_413_791_999_999;
/// Seconds from 1900 (NTP) to 1970.
const NTP_TO_UNIX: i64 = 2_208_988_800;
/// Seconds of an NTP era.
const NTP_ERA: i64 = 1 << 32;
/// How far from the export time a plain count of micro- or nanoseconds may lie to be believed.
const PLAUSIBLE_MS: u64 = 366 * 86_400_000;

/// What a message's header says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// When the message was exported, milliseconds since 1970.
    pub(crate) export_ms: i64,
    /// Milliseconds since the exporter started, at export.
    pub(crate) uptime_ms: u32,
}

impl Now {
    /// One value of a time element. [`Clock::SinceInit`] cannot be told here: it needs the exporter's start.
    #[inline]
    pub(crate) fn read(self, clock: Clock, value: u64) -> i64 {
        match clock {
            Clock::Seconds => absolute(value.saturating_mul(1000)),
            Clock::Milliseconds => absolute(value),
            Clock::Microseconds => self.ntp(value, 1000),
            Clock::Nanoseconds => self.ntp(value, 1_000_000),
            Clock::Uptime => self.uptime(value as u32),
            Clock::BeforeExport => self.export_ms.saturating_sub((value / 1000).min(LAST_MS).cast_signed()),
            Clock::Absolute | Clock::SinceInit => 0,
        }
    }

    /// A reading of the exporter's uptime, which wraps after 49.7 days. A reading up to 24.8 days later than the uptime in
    /// the header is taken as it stands, as in the future; any other lies in the past.
    #[inline]
    pub(crate) fn uptime(self, value: u32) -> i64 {
        let ago_ms = self.uptime_ms.wrapping_sub(value).cast_signed();
        self.export_ms.saturating_sub(i64::from(ago_ms))
    }

    /// An NTP timestamp (RFC 7011 sections 6.1.9 and 6.1.10): seconds since 1900 and a fraction, 32 bits each. The seconds
    /// start again in 2036. Some exporters count units since 1970 instead: that is believed when it is near the export time.
    fn ntp(self, value: u64, units_per_ms: u64) -> i64 {
        if value == 0 {
            return 0;
        }
        let plain_ms = absolute(value.checked_div(units_per_ms).unwrap_or(0));
        if plain_ms.abs_diff(self.export_ms) < PLAUSIBLE_MS {
            return plain_ms;
        }
        let seconds = (value >> 32).cast_signed();
        let era = if seconds < NTP_ERA / 2 { NTP_ERA } else { 0 };
        let fraction_ms = ((value & 0xffff_ffff).wrapping_mul(1000) >> 32).cast_signed();
        let since_1970 = seconds.saturating_add(era).saturating_sub(NTP_TO_UNIX);
        since_1970.saturating_mul(1000).saturating_add(fraction_ms)
    }
}

/// Milliseconds since 1970; where no calendar reaches, the last that there is, which will be found to be absurd.
#[inline]
fn absolute(ms: u64) -> i64 {
    ms.min(LAST_MS).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, now: Now, clock: Clock, value: u64, expected: i64) {
        assert_eq!(now.read(clock, value), expected, "{name}");
    }

    #[test]
    fn times() {
        let now = Now { export_ms: 1_700_000_000_000, uptime_ms: 1000 };
        check("seconds", now, Clock::Seconds, 1_700_000_000, 1_700_000_000_000);
        check("seconds past any calendar", now, Clock::Seconds, u64::MAX, 10_413_791_999_999);
        check("milliseconds", now, Clock::Milliseconds, 1_699_999_999_999, 1_699_999_999_999);
        check("milliseconds past any calendar", now, Clock::Milliseconds, u64::MAX, 10_413_791_999_999);
        check("uptime before the wrap", now, Clock::Uptime, 0xffff_fc18, 1_699_999_998_000);
        check("uptime at export", now, Clock::Uptime, 1000, 1_700_000_000_000);
        check("uptime 2 s late", now, Clock::Uptime, 3000, 1_700_000_002_000);
        check("before export", now, Clock::BeforeExport, 1_500_000, 1_699_999_998_500);
        let ntp = 3_908_988_800_u64 << 32 | 0x8000_0000;
        check("microseconds", now, Clock::Microseconds, ntp, 1_700_000_000_500);
        check("nanoseconds", now, Clock::Nanoseconds, ntp, 1_700_000_000_500);
        check("NTP era 1", now, Clock::Microseconds, 1 << 32, 2_085_978_497_000);
        check("plain microseconds", now, Clock::Microseconds, 1_699_999_999_123_456, 1_699_999_999_123);
        check("plain nanoseconds", now, Clock::Nanoseconds, 1_699_999_999_123_456_789, 1_699_999_999_123);
        check("no time", now, Clock::Nanoseconds, 0, 0);
    }
}
