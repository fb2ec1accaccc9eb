//! Points in time on the command line: absolute in UTC, or so long ago. Not here: durations, and how times are printed in rows.

use std::fmt;
use std::str::FromStr;

use crate::utc::{Utc, days_until, now_ns};

const SECOND_NS: i128 = 1_000_000_000;
const MINUTE_SECONDS: i64 = 60;
const HOUR_SECONDS: i64 = 60 * MINUTE_SECONDS;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// A point in time, as somebody wrote it: `2026-11-23T04:00:00Z`, `2026-11-23 04:00` (UTC), `2026-11-23`, `2h ago`, `-2h`, `now`, or
/// seconds since 1970. Times that are relative to now are taken when they are parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    ns: i64,
}

/// Why a text is no point in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is no time; write it like 2026-11-23T04:00:00Z, \"2026-11-23 04:00\" (UTC), \"2h ago\", -2h, now, or seconds since 1970"
)]
pub struct BadMoment {
    text: String,
}

impl Moment {
    /// The time now.
    #[must_use]
    pub fn now() -> Self {
        Self { ns: now_ns() }
    }

    /// This many nanoseconds since 1970.
    #[must_use]
    pub fn from_ns(ns: i64) -> Self {
        Self { ns }
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn ns(self) -> i64 {
        self.ns
    }

    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub fn ms(self) -> i64 {
        self.ns.div_euclid(1_000_000)
    }

    /// Reads a text; what is relative is relative to `now`.
    ///
    /// # Errors
    /// The text is no point in time, or lies outside what 64 bits of nanoseconds hold (1677 to 2262).
    pub fn parse(text: &str, now: Self) -> Result<Self, BadMoment> {
        let trimmed = text.trim();
        let bad = || BadMoment { text: text.to_owned() };
        let ns = if trimmed.eq_ignore_ascii_case("now") {
            Some(i128::from(now.ns))
        } else if let Some(length) = trimmed.strip_suffix("ago").or_else(|| trimmed.strip_prefix('-')) {
            length_ns(length.trim()).map(|length| i128::from(now.ns) - length)
        } else {
            seconds_ns(trimmed).or_else(|| date_ns(trimmed))
        };
        ns.and_then(|ns| i64::try_from(ns).ok()).map(|ns| Self { ns }).ok_or_else(bad)
    }
}

impl FromStr for Moment {
    type Err = BadMoment;

    fn from_str(text: &str) -> Result<Self, BadMoment> {
        Self::parse(text, Self::now())
    }
}

/// RFC 3339 in UTC, to the millisecond.
impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        Utc(self.ms()).fmt(formatter)
    }
}

/// A length of time such as `90s`, `2h` or `1d12h`.
fn length_ns(text: &str) -> Option<i128> {
    let mut rest = text;
    let mut seconds = 0_i64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !character.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = rest.get(digits..)?.trim_start();
        let letters = unit.find(|character: char| !character.is_ascii_alphabetic()).unwrap_or(unit.len());
        let unit_seconds = match unit.get(..letters)? {
            "s" | "sec" | "second" | "seconds" => 1,
            "m" | "min" | "minute" | "minutes" => MINUTE_SECONDS,
            "h" | "hour" | "hours" => HOUR_SECONDS,
            "d" | "day" | "days" => DAY_SECONDS,
            "w" | "week" | "weeks" => 7 * DAY_SECONDS,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit_seconds)?)?;
        rest = unit.get(letters..)?.trim_start();
    }
    Some(i128::from(seconds) * SECOND_NS)
}

/// Seconds since 1970, with a fraction or without. Fewer than five digits are more likely a year, and refused.
fn seconds_ns(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    if whole.len() < 5 || !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    Some(i128::from(seconds) * SECOND_NS + fraction.map_or(Some(0), fraction_ns)?)
}

/// The digits behind a decimal point, in nanoseconds; what is finer is cut off.
fn fraction_ns(digits: &str) -> Option<i128> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded: String = digits.chars().chain("000000000".chars()).take(9).collect();
    padded.parse().ok()
}

/// A date, with a time of day or without; UTC where no offset is given.
fn date_ns(text: &str) -> Option<i128> {
    let (date, time) = text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time.trim())));
    let mut parts = date.split('-');
    let (year, month, day) = (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=days_of(year, month)).contains(&day) {
        return None;
    }
    let midnight = i128::from(days_until(year, month, day)) * i128::from(DAY_SECONDS) * SECOND_NS;
    Some(midnight + time.map_or(Some(0), time_ns)?)
}

/// A time of day with its offset from UTC, as nanoseconds since midnight in UTC.
fn time_ns(text: &str) -> Option<i128> {
    let (clock, offset_seconds) = offset(text)?;
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (number(seconds, 2)?, 0),
            Some((seconds, fraction)) => (number(seconds, 2)?, fraction_ns(fraction)?),
        },
    };
    // RFC 3339 writes leap seconds as 60; the count of seconds since 1970 does not know them.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = hour * HOUR_SECONDS + minute * MINUTE_SECONDS + second - offset_seconds;
    Some(i128::from(seconds) * SECOND_NS + fraction)
}

/// Takes the offset from UTC, in seconds, off the end of a time of day.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock.trim_end(), 0));
    }
    if let Some(clock) = text.strip_suffix("UTC") {
        return Some((clock.trim_end(), 0));
    }
    let Some(at) = text.rfind(['+', '-']) else { return Some((text, 0)) };
    let (clock, offset) = (text.get(..at)?, text.get(at + 1..)?);
    let (hours, minutes) = offset.split_once(':')?;
    let seconds = number(hours, 2)? * HOUR_SECONDS + number(minutes, 2)? * MINUTE_SECONDS;
    Some((clock, if text[at..].starts_with('-') { -seconds } else { seconds }))
}

/// A number of exactly so many digits.
fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

fn days_of(year: i64, month: i64) -> i64 {
    let (next_year, next_month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
    days_until(next_year, next_month, 1) - days_until(year, month, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 04:00:00 UTC.
    const NOW_SECONDS: i64 = 1_795_406_400;

    #[track_caller]
    fn check(text: &str, expected_ms: Option<i64>) {
        let now = Moment::from_ns(NOW_SECONDS * 1_000_000_000);
        assert_eq!(Moment::parse(text, now).ok().map(Moment::ms), expected_ms, "{text}");
    }

    #[test]
    fn times_are_read() {
        let now_ms = NOW_SECONDS * 1000;
        check("now", Some(now_ms));
        check("2026-11-23T04:00:00Z", Some(now_ms));
        check("2026-11-23T04:00:00.25Z", Some(now_ms + 250));
        check("2026-11-23T05:30:00+01:30", Some(now_ms));
        check("2026-11-22T23:00:00-05:00", Some(now_ms));
        check("2026-11-23 04:00", Some(now_ms));
        check(" 2026-11-23 04:00:07 UTC ", Some(now_ms + 7_000));
        check("2026-11-23", Some(now_ms - 4 * 3_600_000));
        check("-2h", Some(now_ms - 7_200_000));
        check("2h ago", Some(now_ms - 7_200_000));
        check("1 day 12 hours ago", Some(now_ms - 36 * 3_600_000));
        check("-90s", Some(now_ms - 90_000));
        check("1d30m ago", Some(now_ms - 1470 * 60_000));
        check("1795406400", Some(now_ms));
        check("1795406400.125", Some(now_ms + 125));
        check("2024-02-29", Some(1_709_164_800_000));
        check("1970-01-01", Some(0));
        check("1969-12-31T23:59:59Z", Some(-1000));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "ago",
            "2026",
            "2h",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-11-23T24:00",
            "2026-11-23T04",
            "2026-11-23T04:00:00+1",
            "2026-11-23-01",
            "1e9",
            "-2x",
            "12345.",
            "9999-01-01",
            "-99999999999999999999s",
            "-2h30",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        assert_eq!(Moment::from_ns(NOW_SECONDS * 1_000_000_000 + 7_000_000).to_string(), "2026-11-23T04:00:00.007Z");
    }
}
