//! When the next datagram is due, by an absolute schedule, so that a late one does not delay the others.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Above this rate, datagrams a second, the end of a wait is spent looking at the clock: a sleep ends some 50 us late.
const MOST_SLEPT_RATE: u64 = 1000;
/// How long before the moment it stops sleeping then.
const AWAKE: Duration = Duration::from_micros(150);

/// When which datagram is due.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// As fast as it goes.
    Flat,
    /// So many a second, evenly.
    Rate(u64),
    /// At these moments after the beginning, in their order; then all over again after `span`.
    Moments {
        /// Not empty.
        moments: Vec<Duration>,
        /// From the first of one turn to the first of the next.
        span: Duration,
    },
}

/// A schedule that has begun.
#[derive(Debug)]
pub(crate) struct Pace {
    schedule: Schedule,
    began: Instant,
    began_ms: i64,
    end: Option<Duration>,
    /// Nothing waits: the time is what the schedule says.
    is_dry: bool,
    passed: u64,
}

impl Schedule {
    /// So many a second; 0 is as fast as it goes.
    pub(crate) fn of_rate(rate: u64) -> Self {
        if rate == 0 { Self::Flat } else { Self::Rate(rate) }
    }

    /// When a datagram is due, after the beginning.
    fn moment(&self, number: u64) -> Duration {
        match self {
            Self::Flat => Duration::ZERO,
            Self::Rate(rate) => Duration::from_secs_f64(number as f64 / *rate as f64),
            Self::Moments { moments, span } => {
                let (turn, index) = (number / moments.len() as u64, number % moments.len() as u64);
                span.saturating_mul(u32::try_from(turn).unwrap_or(u32::MAX)) + moments[index as usize]
            }
        }
    }

    /// Above the rate a sleep is too coarse.
    fn is_fine(&self) -> bool {
        !matches!(self, Self::Rate(rate) if *rate <= MOST_SLEPT_RATE)
    }
}

impl Pace {
    /// A schedule that begins now and ends after `end`, if at all. A dry one never waits and takes the scheduled times for
    /// the time.
    pub(crate) fn new(schedule: Schedule, end: Option<Duration>, is_dry: bool) -> Self {
        Self { schedule, began: Instant::now(), began_ms: now_ms(), end, is_dry, passed: 0 }
    }

    /// Waits until a datagram is due and gives how many are, at most `most`; 0 when the schedule has ended.
    pub(crate) fn due(&mut self, most: u64) -> u64 {
        let due = self.ready(most);
        self.passed += due;
        due
    }

    fn ready(&self, most: u64) -> u64 {
        if let Schedule::Flat = self.schedule {
            return if self.end.is_some_and(|end| self.began.elapsed() >= end) { 0 } else { most };
        }
        let next = self.schedule.moment(self.passed);
        if most == 0 || self.end.is_some_and(|end| next >= end) {
            return 0;
        }
        let now = if self.is_dry {
            Duration::MAX
        } else {
            self.wait(next);
            self.began.elapsed()
        };
        // What was waited for is due, whatever rounding says.
        let is_due = |number: &u64| {
            let moment = self.schedule.moment(*number);
            *number == self.passed || moment <= now && self.end.is_none_or(|end| moment < end)
        };
        (self.passed..self.passed.saturating_add(most)).take_while(is_due).count() as u64
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
        Duration::from_millis(self.began_ms.max(0).unsigned_abs()) + self.schedule.moment(number)
    }

    /// The time, milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> i64 {
        if self.is_dry { self.began_ms + self.schedule.moment(self.passed).as_millis() as i64 } else { now_ms() }
    }

    fn wait(&self, moment: Duration) {
        let awake = if self.schedule.is_fine() { AWAKE } else { Duration::ZERO };
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
        let check = |schedule: Schedule, end_ms: Option<u64>, is_dry, most, expected: u64| {
            let mut pace = Pace::new(schedule.clone(), end_ms.map(Duration::from_millis), is_dry);
            let mut count = 0;
            while count < expected + 10 {
                let due = pace.due(most);
                if due == 0 {
                    break;
                }
                assert!(due <= most);
                // None is ahead of its time.
                let last = schedule.moment(count + due - 1);
                assert!(is_dry || pace.began.elapsed() >= last, "{schedule:?}: {count} + {due}");
                count += due;
            }
            assert_eq!(count.min(expected + 10), expected, "{schedule:?}, {end_ms:?} ms");
        };
        let moments = Schedule::Moments {
            moments: [0, 3, 3, 7].map(Duration::from_millis).to_vec(),
            span: Duration::from_millis(10),
        };
        check(Schedule::of_rate(1000), Some(50), false, 64, 50);
        check(Schedule::of_rate(20_000), Some(30), false, 64, 600);
        check(Schedule::of_rate(20_000), Some(30), true, 64, 600);
        check(Schedule::of_rate(1_000_000), Some(1000), true, 1_000_000_000, 1_000_000);
        check(Schedule::of_rate(3), Some(1), true, 64, 1);
        check(moments.clone(), Some(17), false, 64, 7);
        check(moments, Some(27), true, 2, 11);
        assert_eq!(Pace::new(Schedule::Flat, None, false).due(64), 64);
    }
}
