//! How far an exporter's clock is from the collector's, and whether that is steady enough to correct times by it.
//!
//! The one measure is export time less receive time, datagram by datagram, in the order of receipt, for each observation domain of
//! an exporter: line cards and logical systems have clocks of their own. All is decided from these in whole numbers, so that the
//! same datagrams are decided alike when they are decoded again.
//!
//! * Up to [`LEFT_ALONE_MS`] nothing is done and nothing is remembered: flows tolerate it, and an exact clock costs a comparison.
//! * A skew that [`STEADY_DATAGRAMS`] datagrams in a row agree on to [`TOLERANCE_MS`], over at least [`STEADY_MS`], is steady: times
//!   are corrected by it. It follows a drift. Datagrams that come late for once neither are corrected nor end it.
//! * The first datagrams of a clock that is up to a day ahead are corrected before that: no network delivers what is not sent yet.
//!   Those of a clock behind are not, since datagrams that were kept somewhere and sent late look alike.
//! * Where the skew jumps, nothing is corrected until it is steady again.

use std::collections::HashMap;

use crate::columns::Address;
use crate::store::DomainKey;

/// A skew below this is left alone.
pub const LEFT_ALONE_MS: i64 = 120_000;
/// How far measures of one skew may be apart: export times come in whole seconds, and datagrams wait to be full.
pub const TOLERANCE_MS: i64 = 30_000;
/// A skew that fewer datagrams in a row agree on is not steady.
pub const STEADY_DATAGRAMS: u32 = 3;
/// Nor is one that they agreed on for less.
pub const STEADY_MS: i64 = 10_000;
/// The farthest ahead that a first datagram is corrected by what it says alone: no time zone is a day away.
const AHEAD_MS: i64 = 86_400_000;
/// How much one measure of a steady skew counts: one part in this many.
const WEIGHT: i64 = 16;
/// How far a steady skew may drift before times are corrected by another number: rows of one clock share theirs.
const FOLLOWED_MS: u64 = 2_000;
/// Domains with a clock that is off, of one exporter.
const PER_EXPORTER: usize = 64;

/// What is known of the clock that a message was stamped by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClockSkew {
    /// As good as right: times stand as told.
    #[default]
    Small,
    /// Off, and not steady: times stand as told, and are not to be believed.
    Unsteady,
    /// Off by so many seconds, ahead if positive: they are taken off the times told.
    Steady(i64),
}

impl ClockSkew {
    /// What is taken off the times told, milliseconds.
    #[must_use]
    pub fn correction_ms(self) -> i64 {
        match self {
            Self::Small | Self::Unsteady => 0,
            Self::Steady(seconds) => seconds.saturating_mul(1000),
        }
    }
}

/// The clock of one observation domain, if it is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// The skew that was steady last.
    pub steady: Option<Steady>,
    /// The one that the last datagrams agreed on, if it is another.
    pub candidate: Option<Candidate>,
    /// Whether two datagrams in a row disagreed before any skew was steady.
    pub has_jumped: bool,
    /// When the last datagram came that it was measured by, milliseconds since 1970.
    pub last_ms: i64,
}

/// A steady skew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steady {
    /// What times are corrected by.
    pub seconds: i64,
    /// The measures, smoothed, milliseconds.
    pub smoothed_ms: i64,
}

/// A skew that may turn out to be steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The mean of the measures, milliseconds.
    pub mean_ms: i64,
    /// How many there were.
    pub datagrams: u32,
    /// When the first of them was taken, milliseconds since 1970.
    pub since_ms: i64,
}

impl Clock {
    /// Takes the measure of one datagram, at least [`LEFT_ALONE_MS`] either way; what its times are to be corrected by.
    pub fn measure(&mut self, skew_ms: i64, received_ms: i64) -> ClockSkew {
        self.last_ms = received_ms;
        if let Some(steady) = self.steady.as_mut().filter(|steady| is_same(steady.smoothed_ms, skew_ms)) {
            steady.follow(skew_ms);
            self.candidate = None;
            return ClockSkew::Steady(steady.seconds);
        }
        let candidate = match self.candidate {
            Some(candidate) if is_same(candidate.mean_ms, skew_ms) => candidate.with(skew_ms),
            before => {
                self.has_jumped |= before.is_some();
                Candidate { mean_ms: skew_ms, datagrams: 1, since_ms: received_ms }
            }
        };
        let seconds = rounded(candidate.mean_ms);
        if candidate.is_steady(received_ms) {
            self.steady = Some(Steady { seconds, smoothed_ms: candidate.mean_ms });
            self.candidate = None;
            return ClockSkew::Steady(seconds);
        }
        self.candidate = Some(candidate);
        let is_first = self.steady.is_none() && !self.has_jumped;
        if is_first && (0..=AHEAD_MS).contains(&skew_ms) { ClockSkew::Steady(seconds) } else { ClockSkew::Unsteady }
    }
}

impl Steady {
    fn follow(&mut self, skew_ms: i64) {
        let change_ms = skew_ms.saturating_sub(self.smoothed_ms) / WEIGHT;
        self.smoothed_ms = self.smoothed_ms.saturating_add(change_ms);
        if self.smoothed_ms.abs_diff(self.seconds.saturating_mul(1000)) > FOLLOWED_MS {
            self.seconds = rounded(self.smoothed_ms);
        }
    }
}

impl Candidate {
    fn with(self, skew_ms: i64) -> Self {
        let datagrams = self.datagrams.saturating_add(1);
        let change_ms = skew_ms.saturating_sub(self.mean_ms).checked_div(i64::from(datagrams)).unwrap_or(0);
        Self { mean_ms: self.mean_ms.saturating_add(change_ms), datagrams, ..self }
    }

    fn is_steady(&self, received_ms: i64) -> bool {
        self.datagrams >= STEADY_DATAGRAMS && received_ms.saturating_sub(self.since_ms) >= STEADY_MS
    }
}

fn is_same(one_ms: i64, other_ms: i64) -> bool {
    one_ms.abs_diff(other_ms) <= TOLERANCE_MS.unsigned_abs()
}

fn rounded(ms: i64) -> i64 {
    ms.saturating_add(500).div_euclid(1000)
}

/// The clocks that are off, of many exporters; bounded.
#[derive(Debug, Clone, Default)]
pub struct Clocks(HashMap<Address, Vec<(DomainKey, Clock)>>);

impl Clocks {
    /// As [`Clock::measure`], of the clock of a domain. With more than `most` exporters, those whose clock never was steady make
    /// room; where there is none, the clock is not remembered, so it is not steady.
    pub fn measure(&mut self, domain: &DomainKey, skew_ms: i64, received_ms: i64, most: usize) -> ClockSkew {
        if self.0.len() >= most && !self.0.contains_key(&domain.exporter) {
            self.0.retain(|_, clocks| clocks.iter().any(|(_, clock)| clock.steady.is_some()));
            if self.0.len() >= most {
                return ClockSkew::Unsteady;
            }
        }
        let clocks = self.0.entry(domain.exporter).or_default();
        if let Some((_, clock)) = clocks.iter_mut().find(|(key, _)| key == domain) {
            return clock.measure(skew_ms, received_ms);
        }
        if clocks.len() >= PER_EXPORTER {
            return ClockSkew::Unsteady;
        }
        let mut clock = Clock::default();
        let skew = clock.measure(skew_ms, received_ms);
        clocks.push((*domain, clock));
        skew
    }

    /// Forgets the clocks that were not measured since `oldest_ms`, milliseconds since 1970.
    pub fn forget_before(&mut self, oldest_ms: i64) {
        self.0.retain(|_, clocks| {
            clocks.retain(|(_, clock)| clock.last_ms >= oldest_ms);
            !clocks.is_empty()
        });
    }

    /// Every clock, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &(DomainKey, Clock)> {
        self.0.values().flatten()
    }

    /// Puts a clock back that was saved, unless there is one of its domain.
    pub fn put_back(&mut self, domain: DomainKey, clock: Clock) {
        let clocks = self.0.entry(domain.exporter).or_default();
        if clocks.len() < PER_EXPORTER && clocks.iter().all(|(key, _)| *key != domain) {
            clocks.push((domain, clock));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const NOW_MS: i64 = 1_700_000_000_000;

    /// What becomes of measures that come a second apart.
    fn course(clock: &mut Clock, from_s: i64, skews_ms: impl IntoIterator<Item = i64>) -> Vec<ClockSkew> {
        (from_s..)
            .zip(skews_ms)
            .map(|(second, skew_ms)| clock.measure(skew_ms, NOW_MS.saturating_add(second.saturating_mul(1000))))
            .collect()
    }

    #[test]
    fn a_clock_ahead_is_corrected_from_the_first_datagram_on() {
        let skews = (0..100).map(|number| 9 * HOUR_MS - number % 7 * 150);
        let found = course(&mut Clock::default(), 0, skews);
        assert!(found.iter().all(|skew| matches!(skew, ClockSkew::Steady(32_399..=32_400))), "{found:?}");
    }

    #[test]
    fn a_clock_behind_is_corrected_once_it_is_steady() {
        for skew_ms in [-5 * HOUR_MS - 45 * 60_000, -HOUR_MS / 2, -20_000 * HOUR_MS] {
            let found = course(&mut Clock::default(), 0, [skew_ms; 20]);
            assert_eq!(found[..10], [ClockSkew::Unsteady; 10]);
            assert_eq!(found[10..], [ClockSkew::Steady(skew_ms / 1000); 10]);
        }
    }

    #[test]
    fn so_is_one_that_is_more_than_a_day_ahead() {
        let found = course(&mut Clock::default(), 0, [1000 * HOUR_MS; 12]);
        assert_eq!((found[9], found[10]), (ClockSkew::Unsteady, ClockSkew::Steady(3_600_000)));
    }

    #[test]
    fn a_drift_is_followed() {
        let mut clock = Clock::default();
        // A second an hour, far more than any quartz.
        for minute in 0..10 * 1440 {
            let skew_ms = 9 * HOUR_MS + minute * 1000 / 60;
            let skew = clock.measure(skew_ms, NOW_MS + minute * 60_000);
            let ClockSkew::Steady(seconds) = skew else { panic!("{minute}: {skew:?}") };
            assert!((seconds * 1000 - skew_ms).abs() <= 3000, "{minute}: {seconds}");
        }
    }

    #[test]
    fn nothing_is_corrected_after_a_jump_until_it_is_steady_again() {
        let mut clock = Clock::default();
        course(&mut clock, 0, [9 * HOUR_MS; 20]);
        let found = course(&mut clock, 20, [2 * HOUR_MS; 12]);
        assert_eq!(found[..10], [ClockSkew::Unsteady; 10]);
        assert_eq!(found[10..], [ClockSkew::Steady(7200); 2]);
        // One that comes late for once is not corrected, and ends nothing.
        assert_eq!(course(&mut clock, 40, [HOUR_MS, 2 * HOUR_MS]), [ClockSkew::Unsteady, ClockSkew::Steady(7200)]);
        // Two clocks in turns: the one that was steady stays so.
        let turns = course(&mut clock, 50, (0..100).map(|turn| if turn % 2 == 0 { 2 * HOUR_MS } else { HOUR_MS }));
        assert!(turns.chunks(2).all(|pair| pair == [ClockSkew::Steady(7200), ClockSkew::Unsteady]));
    }

    #[test]
    fn what_never_agrees_is_never_corrected() {
        let found = course(&mut Clock::default(), 0, (1..50).map(|number| number * 200_000));
        assert_eq!(found[0], ClockSkew::Steady(200), "the first one, for want of another");
        assert!(found[1..].iter().all(|skew| *skew == ClockSkew::Unsteady), "{found:?}");
        // A capture that is sent faster than it was recorded: its clock overtakes ours.
        let found = course(&mut Clock::default(), 0, (0..500).map(|second| -30 * HOUR_MS + second * 60_000));
        assert!(found.iter().all(|skew| *skew == ClockSkew::Unsteady), "{found:?}");
    }

    fn domain(exporter: u32, domain: u32) -> DomainKey {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&exporter.to_be_bytes());
        DomainKey { exporter: address, version: 10, domain }
    }

    #[test]
    fn domains_have_clocks_of_their_own() {
        let mut clocks = Clocks::default();
        for second in 0..20 {
            let now_ms = NOW_MS + second * 1000;
            let one = clocks.measure(&domain(1, 1), 2 * HOUR_MS, now_ms, 10);
            let other = clocks.measure(&domain(1, 2), 5 * HOUR_MS, now_ms, 10);
            assert_eq!((one, other), (ClockSkew::Steady(7200), ClockSkew::Steady(18_000)));
        }
    }

    #[test]
    fn forged_clocks_do_not_take_the_room_of_steady_ones() {
        let mut clocks = Clocks::default();
        for second in 0..20 {
            clocks.measure(&domain(1, 1), 2 * HOUR_MS, NOW_MS + second * 1000, 10);
        }
        for forged in 2..10_000 {
            clocks.measure(&domain(forged, 1), 2 * HOUR_MS, NOW_MS, 10);
            clocks.measure(&domain(1, forged), 2 * HOUR_MS, NOW_MS, 10);
        }
        assert!(clocks.iter().count() <= PER_EXPORTER + 10);
        assert_eq!(clocks.measure(&domain(1, 1), 2 * HOUR_MS, NOW_MS, 10), ClockSkew::Steady(7200));
        clocks.forget_before(NOW_MS + 1);
        assert_eq!(clocks.iter().count(), 0);
    }
}
