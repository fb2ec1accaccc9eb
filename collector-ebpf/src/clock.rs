//! The wall clock of the program: the kernel's monotonic clock and what user space says has to be added.
//!
//! Everything about the clock is one word, so that the program never sees a part of a change. Not here: asking for the time.

use crate::account::MINUTES_KEPT;

/// Nanoseconds in a minute.
const MINUTE_NS: u64 = 60_000_000_000;
/// The low bits of the word, which hold the turn: the offset is exact to four nanoseconds.
const TURN_MASK: u64 = MINUTES_KEPT - 1;

/// How to make the wall clock of the monotonic one, as the map [`crate::maps::SETTINGS`] holds it.
///
/// The turn says which of an account's minutes the present one is counted in. It changes when the wall clock was set, so that
/// the minute in force before and the one in force afterwards never share a place, whatever their numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock(u64);

/// One reading of a [`Clock`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds of the clock that never goes back.
    pub monotonic_ns: u64,
    /// Nanoseconds since 1970, UTC.
    pub wall_ns: u64,
    /// Minutes since 1970, UTC.
    pub minute: u64,
    /// Which of an account's minutes this one is counted in, below [`MINUTES_KEPT`].
    pub place: usize,
}

impl Clock {
    /// The clock in a map entry.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The map entry.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self.0
    }

    /// The first setting: `offset_ns` is the wall clock less the monotonic one, modulo 2^64.
    #[must_use]
    pub const fn new(offset_ns: u64) -> Self {
        Self(offset_ns & !TURN_MASK)
    }

    /// The offset in nanoseconds, less what was rounded off.
    #[inline(always)]
    #[must_use]
    pub const fn offset_ns(self) -> u64 {
        self.0 & !TURN_MASK
    }

    /// The clock after the wall clock was set at `monotonic_ns`: the minute then in force takes the place behind the one that
    /// was in force, unless it is the same minute.
    #[must_use]
    pub const fn set(self, offset_ns: u64, monotonic_ns: u64) -> Self {
        let before = self.at(monotonic_ns);
        let unturned = Self::new(offset_ns);
        let after = unturned.at(monotonic_ns);
        let place = if after.minute == before.minute { before.place } else { before.place + 1 };
        let turn = (place as u64).wrapping_sub(after.minute) & TURN_MASK;
        Self(unturned.0 | turn)
    }

    /// What the clock says at `monotonic_ns`.
    #[inline(always)]
    #[must_use]
    pub const fn at(self, monotonic_ns: u64) -> Moment {
        let wall_ns = monotonic_ns.wrapping_add(self.offset_ns());
        let minute = wall_ns / MINUTE_NS;
        let place = (minute.wrapping_add(self.0) & TURN_MASK) as usize;
        Moment { monotonic_ns, wall_ns, minute, place }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON_NS: u64 = 1_700_000_040_000_000_000;

    #[test]
    fn minutes_follow_each_other_in_place() {
        let clock = Clock::from_word(Clock::new(NOON_NS).to_word());
        let mut last = clock.at(0);
        for minute in 1..20 {
            let moment = clock.at(minute * MINUTE_NS);
            assert_eq!(moment.minute, last.minute + 1);
            assert_eq!(moment.place as u64, (last.place as u64 + 1) % MINUTES_KEPT);
            assert_eq!(moment.wall_ns, NOON_NS + minute * MINUTE_NS);
            assert_eq!(clock.at(minute * MINUTE_NS + MINUTE_NS - 1).place, moment.place);
            last = moment;
        }
    }

    #[test]
    fn a_clock_that_is_set_takes_another_place_unless_the_minute_stays() {
        let monotonic_ns = 5 * MINUTE_NS;
        for turns in 0..6 {
            let mut clock = Clock::new(NOON_NS);
            for _ in 0..turns {
                clock = clock.set(clock.offset_ns() + 17 * MINUTE_NS, monotonic_ns);
            }
            let before = clock.at(monotonic_ns);
            for minutes in -70_i64..70 {
                let offset_ns = clock.offset_ns().wrapping_add_signed(minutes * MINUTE_NS as i64);
                let set = clock.set(offset_ns, monotonic_ns);
                let after = set.at(monotonic_ns);
                assert_eq!(after.minute as i64, before.minute as i64 + minutes);
                assert_eq!(after.place == before.place, minutes == 0, "{minutes}");
                assert_eq!(set.offset_ns(), offset_ns);
            }
        }
    }
}
