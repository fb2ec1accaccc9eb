//! Rate limits: a token bucket as one number, the same arithmetic in the kernel and in user space.
//!
//! The bucket is kept by the generic cell rate algorithm (ITU-T I.371, annex A): instead of tokens it keeps the time at which
//! the next datagram would be due if the exporter sent at exactly its rate. Not here: where that time is kept, and whose it is.

/// Nanoseconds in a second.
const SECOND_NS: u64 = 1_000_000_000;

/// How fast an exporter may send. As a map entry: both words in the byte order of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limit {
    /// Nanoseconds from one datagram to the next at the rate. Zero limits nothing.
    interval_ns: u64,
    /// How much earlier than due a datagram may come: what the burst gives.
    tolerance_ns: u64,
}

/// A [`Limit`] as the map [`crate::maps::LIMITS`] holds it.
pub type LimitWords = [u64; 2];

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { interval_ns: 0, tolerance_ns: 0 };
    /// The highest rate that can be told from its neighbours well: ten nanoseconds a datagram.
    pub const DATAGRAMS_PER_SECOND_MAX: u64 = 100_000_000;
    /// The largest burst: with the lowest rate it lasts 136 years, which still fits the clock.
    pub const BURST_MAX: u64 = u32::MAX as u64;

    /// At most `burst` datagrams at once and `datagrams_per_second` in the long run, both capped at their largest values. A
    /// rate of 0 limits nothing; a burst of 0 stands for the datagrams of one second.
    #[must_use]
    pub const fn new(datagrams_per_second: u64, burst: u64) -> Self {
        if datagrams_per_second == 0 {
            return Self::NONE;
        }
        let rate = least(datagrams_per_second, Self::DATAGRAMS_PER_SECOND_MAX);
        let burst = least(if burst == 0 { rate } else { burst }, Self::BURST_MAX);
        // Rounded up, so that what is let through never exceeds the rate.
        let interval_ns = SECOND_NS.div_ceil(rate);
        Self { interval_ns, tolerance_ns: (burst - 1) * interval_ns }
    }

    /// Whether anything is limited.
    #[inline(always)]
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.interval_ns == 0
    }

    /// A datagram at `now_ns` of a clock that never goes back, for an exporter whose next one is due at `due_ns` (0 for one
    /// that was not heard before): when the one after it is due, or nothing if this one is too many.
    #[inline(always)]
    #[must_use]
    pub const fn admit(self, due_ns: u64, now_ns: u64) -> Option<u64> {
        if due_ns <= now_ns {
            return Some(now_ns.wrapping_add(self.interval_ns));
        }
        if due_ns - now_ns > self.tolerance_ns {
            return None;
        }
        Some(due_ns.wrapping_add(self.interval_ns))
    }

    /// The map entry.
    #[must_use]
    pub const fn to_words(self) -> LimitWords {
        [self.interval_ns, self.tolerance_ns]
    }

    /// The limit in a map entry.
    #[inline(always)]
    #[must_use]
    pub const fn from_words(words: LimitWords) -> Self {
        let [interval_ns, tolerance_ns] = words;
        Self { interval_ns, tolerance_ns }
    }
}

/// `Ord::min` is no `const fn`.
const fn least(one: u64, other: u64) -> u64 {
    if one < other { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `arrivals` and says which were admitted.
    fn play(limit: Limit, arrivals: impl IntoIterator<Item = u64>) -> impl Iterator<Item = (u64, bool)> {
        let mut due_ns = 0;
        arrivals.into_iter().map(move |now_ns| {
            let admitted = limit.admit(due_ns, now_ns);
            due_ns = admitted.unwrap_or(due_ns);
            (now_ns, admitted.is_some())
        })
    }

    #[test]
    fn bursts_and_refills() {
        const S: u64 = SECOND_NS;
        // Rate, burst, arrivals, how many of them are admitted.
        let rows: [(&str, u64, u64, &[u64], usize); 9] = [
            ("no limit", 0, 0, &[S; 50], 50),
            ("no limit, whatever the burst", 0, 3, &[S; 50], 50),
            ("one a second, at once", 1, 1, &[S; 5], 1),
            ("burst of three at once", 1, 3, &[S; 5], 3),
            ("burst of one second's worth", 5, 0, &[S; 9], 5),
            ("in time", 1, 1, &[S, 2 * S, 3 * S, 4 * S], 4),
            ("a nanosecond early", 1, 1, &[S, 2 * S - 1, 2 * S], 2),
            ("refilled up to the burst and no further", 1, 2, &[S, S, S, 90 * S, 90 * S, 90 * S], 4),
            ("the very start of the clock", 1, 1, &[0, 0, 1], 1),
        ];
        for (name, rate, burst, arrivals, expected) in rows {
            let admitted = play(Limit::new(rate, burst), arrivals.iter().copied()).filter(|(_, is_in)| *is_in).count();
            assert_eq!(admitted, expected, "{name}");
        }
    }

    /// A generator of numbers that look random: SplitMix64.
    fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % below
        }
    }

    #[test]
    fn no_pattern_of_arrivals_gets_more_than_the_burst_and_the_rate() {
        for seed in 0..300 {
            let mut number = numbers(seed);
            let rate = 1 + number([10, 1_000, 1_000_000, Limit::DATAGRAMS_PER_SECOND_MAX][seed as usize % 4]);
            let burst = 1 + number([1, 20, 500][seed as usize % 3]);
            let limit = Limit::new(rate, burst);
            let step = 1 + number(4 * SECOND_NS / rate);
            let mut now_ns = number(1 << 50);
            let arrivals = (0..1500).map(|_| {
                // Trains of datagrams, then silence.
                now_ns += if number(10) == 0 { number(step * 50) } else { number(step) };
                now_ns
            });
            let arrivals: Vec<u64> = arrivals.collect();
            let admitted: Vec<u64> =
                play(limit, arrivals).filter(|(_, is_in)| *is_in).map(|(now_ns, _)| now_ns).collect();
            for (first, from) in admitted.iter().enumerate() {
                // In every window: no more than the burst and what the rate gives in it.
                for (last, to) in admitted.iter().enumerate().skip(first).step_by(7) {
                    let count = (last - first + 1) as u128;
                    let most = u128::from(burst) + u128::from(to - from) * u128::from(rate) / u128::from(SECOND_NS);
                    assert!(count <= most, "seed {seed}: {count} of at most {most} from {from} to {to}");
                }
            }
        }
    }

    #[test]
    fn who_keeps_the_rate_loses_nothing() {
        for seed in 0..300 {
            let mut number = numbers(seed);
            let limit = Limit::new(1 + number(1_000_000), 1 + number(50));
            let mut now_ns = number(1 << 50);
            let arrivals = (0..500).map(|_| {
                now_ns += limit.interval_ns + number(2) * number(limit.interval_ns);
                now_ns
            });
            assert!(play(limit, arrivals.collect::<Vec<_>>()).all(|(_, is_in)| is_in), "seed {seed}: {limit:?}");
        }
    }

    #[test]
    fn limits_survive_the_map_and_extremes_do_not_wrap() {
        for (rate, burst) in [(0, 0), (1, 1), (1, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (7, 9)] {
            let limit = Limit::new(rate, burst);
            assert_eq!(Limit::from_words(limit.to_words()), limit);
            assert_eq!(limit.is_none(), rate == 0);
            assert!(limit.admit(0, 1 << 60).is_some());
        }
    }
}
