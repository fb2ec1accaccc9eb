//! When the next datagram is due: so many a second by an absolute schedule, so that a late one does not delay the others.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Above this rate, datagrams a second, the end of a wait is spent looking at the clock: a sleep ends some 50 us late.
const MOST_SLEPT_RATE: u64 = 1000;
/// How long before the moment it stops sleeping then.
const AWAKE: Duration = Duration::from_micros(150);

/// A schedule.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Datagrams a second; 0 is as fast as it goes.
    rate: u64,
    began: Instant,
    began_ms: i64,
    end: Option<Duration>,
    /// Nothing waits: the time is what the schedule says.
    is_dry: bool,
    passed: u64,
}

impl Pace {
    /// A schedule that begins now and ends after `end`, if at all. A dry one never waits and takes the scheduled times for
    /// the time.
    pub(crate) fn new(rate: u64, end: Option<Duration>, is_dry: bool) -> Self {
        Self { rate, began: Instant::now(), began_ms: now_ms(), end, is_dry, passed: 0 }
    }

    /// Waits until a datagram is due and gives how many are, at most `most`; 0 when the schedule has ended.
    pub(crate) fn due(&mut self, most: u64) -> u64 {
        let due = self.ready(most);
        self.passed += due;
        due
    }

    fn ready(&self, most: u64) -> u64 {
        if most == 0 {
            return 0;
        }
        if self.rate == 0 {
            return if self.end.is_some_and(|end| self.began.elapsed() >= end) { 0 } else { most };
        }
        let last = self.end.map_or(u64::MAX, |end| (end.as_secs_f64() * self.rate as f64).ceil() as u64);
        let most = most.min(last.saturating_sub(self.passed));
        if most == 0 || self.is_dry {
            return most;
        }
        self.wait(self.moment(self.passed));
        // The one that was waited for is due, whatever rounding says.
        let due = (self.began.elapsed().as_secs_f64() * self.rate as f64) as u64;
        (due + 1).saturating_sub(self.passed).clamp(1, most)
    }

    /// How many were due until now.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }

    /// The time to write beside a datagram that is sent now, since 1970: of a dry schedule that of its turn.
    pub(crate) fn stamp(&self, number: u64) -> Duration {
        if !self.is_dry {
            return SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        }
        Duration::from_millis(self.began_ms.max(0).unsigned_abs()) + self.moment(number)
    }

    /// The time, milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        if self.is_dry { self.began_ms + self.moment(self.passed).as_millis() as i64 } else { now_ms() }
    }

    /// When a datagram is due, after the beginning.
    pub(crate) fn moment(&self, number: u64) -> Duration {
        Duration::from_secs_f64(if self.rate == 0 { 0.0 } else { number as f64 / self.rate as f64 })
    }

    fn wait(&self, moment: Duration) {
        let awake = if self.rate > MOST_SLEPT_RATE { AWAKE } else { Duration::ZERO };
        let left = moment.saturating_sub(self.began.elapsed());
        if left > awake {
            std::thread::sleep(left - awake);
        }
        while self.began.elapsed() < moment {
            std::hint::spin_loop();
        }
    }
}

/// The time of the machine, milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_kept_and_end() {
        let check = |rate, end_ms: Option<u64>, is_dry, most, expected: u64| {
            let mut pace = Pace::new(rate, end_ms.map(Duration::from_millis), is_dry);
            let mut count = 0;
            while count < expected + 10 {
                let due = pace.due(most);
                if due == 0 {
                    break;
                }
                assert!(due <= most);
                // None is ahead of its time.
                let last = pace.moment(count + due - 1);
                assert!(is_dry || rate == 0 || pace.began.elapsed() >= last, "{rate}: {count} + {due}");
                count += due;
            }
            assert_eq!(count.min(expected + 10), expected, "{rate}/s, {end_ms:?} ms");
        };
        check(1000, Some(50), false, 64, 50);
        check(20_000, Some(30), false, 64, 600);
        check(20_000, Some(30), true, 64, 600);
        check(1_000_000, Some(60_000), true, 1_000_000_000, 60_000_000);
        check(3, Some(1), true, 64, 1);
    }
}
