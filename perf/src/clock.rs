//! What an exporter's message header says about time, and the forms in which records tell theirs.

/// Seconds from 1900 (NTP) to 1970.
const NTP_TO_UNIX_S: i64 = 2_208_988_800;

/// The time of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the message is exported, milliseconds since 1970. The headers of v9 and IPFIX say whole seconds only.
    pub export_ms: i64,
    /// Milliseconds since the exporter started; the header says the low 32 bits, so that it wraps after 49.7 days.
    pub uptime_ms: u64,
}

impl Clock {
    /// The time as headers of whole seconds tell it.
    #[must_use]
    pub fn in_seconds(self) -> Self {
        Self { export_ms: self.export_ms.div_euclid(1000) * 1000, ..self }
    }

    /// Whole seconds since 1970, as headers have them.
    #[must_use]
    pub fn export_s(self) -> u32 {
        self.export_ms.div_euclid(1000) as u32
    }

    /// What is beyond the whole seconds, nanoseconds.
    #[must_use]
    pub fn residual_ns(self) -> u32 {
        self.export_ms.rem_euclid(1000) as u32 * 1_000_000
    }

    /// The uptime as headers have it.
    #[must_use]
    pub fn uptime(self) -> u32 {
        self.uptime_ms as u32
    }

    /// A moment as a reading of the uptime, modulo 2^32.
    #[must_use]
    pub fn uptime_at(self, ms: i64) -> u32 {
        (self.uptime_ms as i64).wrapping_sub(self.export_ms).wrapping_add(ms) as u32
    }

    /// When the exporter started, milliseconds since 1970.
    #[must_use]
    pub fn boot_ms(self) -> i64 {
        self.export_ms - self.uptime_ms as i64
    }

    /// Microseconds before the export.
    #[must_use]
    pub fn microseconds_before(self, ms: i64) -> u64 {
        ((self.export_ms - ms) * 1000).unsigned_abs()
    }
}

/// A moment as an NTP timestamp (RFC 7011 section 6.1.10), the seconds modulo 2^32. The fraction is rounded up, so that a
/// reader who rounds down finds the same millisecond.
#[must_use]
pub fn ntp_nanoseconds(ms: i64) -> u64 {
    let seconds = ms.div_euclid(1000) + NTP_TO_UNIX_S;
    let fraction = ((ms.rem_euclid(1000) as u64) << 32).div_ceil(1000);
    (seconds as u64) << 32 | fraction
}

/// As [`ntp_nanoseconds`], with the 11 lowest bits zero (RFC 7011 section 6.1.9).
#[must_use]
pub fn ntp_microseconds(ms: i64) -> u64 {
    (ntp_nanoseconds(ms) + 0x7ff) & !0x7ff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uptimes_wrap() {
        let clock = Clock { export_ms: 1_700_000_000_500, uptime_ms: (1 << 32) + 1000 };
        assert_eq!((clock.uptime(), clock.export_s(), clock.residual_ns()), (1000, 1_700_000_000, 500_000_000));
        assert_eq!(clock.uptime_at(1_700_000_000_000), 500);
        assert_eq!(clock.uptime_at(1_699_999_999_000), u32::MAX - 499);
        assert_eq!(clock.microseconds_before(1_699_999_999_000), 1_500_000);
        assert_eq!(clock.in_seconds().export_ms, 1_700_000_000_000);
    }

    #[test]
    fn ntp_times_start_in_1900() {
        assert_eq!(ntp_nanoseconds(500), 2_208_988_800 << 32 | 0x8000_0000);
        assert_eq!(ntp_nanoseconds(1) & 0xffff_ffff, 4_294_968);
        assert_eq!(ntp_microseconds(1) & 0xffff_ffff, 4_296_704);
    }
}
