//! The endpoints of one shard, and which of them an insert goes to: one as long as it works, the next when it does not.
//!
//! An endpoint that failed rests, longer each time. With several, one that could not be spoken with is asked by a
//! [prober](super::prober) before inserts come to it again, so that a dead one costs nothing. Not here: clients, waiting.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::error::{Class, Concerns, Remedy};
use crate::metrics::{Counter, Exposition};

/// First wait after a failure; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// Longest wait after a failure that passes by itself.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait after a failure that somebody must see to.
const LONGEST_WAIT_ALARM: Duration = Duration::from_secs(30);

/// How long to wait after so many failures in a row: exponential, between half and all of it.
pub(super) fn wait_after(failures: u32, remedy: Remedy) -> Duration {
    let longest = match remedy {
        Remedy::Alarm => LONGEST_WAIT_ALARM,
        Remedy::Wait | Remedy::GiveUp => LONGEST_WAIT,
    };
    let wait = FIRST_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest);
    // Several collectors that lost the same server must not come back as one.
    let jitter = RandomState::new().hash_one(failures) as u32;
    wait.mul_f64(0.5 + 0.5 * f64::from(jitter) / f64::from(u32::MAX))
}

/// Where an insert goes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// To the endpoint of this number.
    Go(usize),
    /// Nowhere before this: all rest.
    Wait(Instant),
}

/// The replicas of a shard.
#[derive(Debug)]
pub(super) struct Endpoints {
    shard: u16,
    all: Box<[Endpoint]>,
    /// The one that inserts go to while it works.
    current: AtomicUsize,
    /// One works again.
    pub(super) recovered: Notify,
}

#[derive(Debug)]
struct Endpoint {
    url: String,
    state: Mutex<State>,
    in_flight: AtomicU64,
    failures: Counter,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Failures in a row.
    failures: u32,
    /// The last failure, while nothing has succeeded since.
    class: Option<Class>,
    /// Nothing is sent before this.
    rests_until: Option<Instant>,
    /// Nothing is sent before the prober had an answer.
    needs_probe: bool,
}

impl Endpoints {
    /// At least one URL.
    pub(super) fn new(shard: u16, urls: &[String]) -> Self {
        let endpoint = |url: &String| {
            let (state, in_flight, failures) = Default::default();
            Endpoint { url: url.clone(), state, in_flight, failures }
        };
        let (current, recovered) = (AtomicUsize::new(0), Notify::new());
        Self { shard, all: urls.iter().map(endpoint).collect(), current, recovered }
    }

    /// URLs in the order of their numbers.
    pub(super) fn urls(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|endpoint| endpoint.url.as_str())
    }

    /// Where to go: where the last insert went, unless that rests or is the one to `avoid`; else to the next that works. Where
    /// all rest, to the one that has rested.
    pub(super) fn choose(&self, now: Instant, avoid: Option<usize>) -> Choice {
        let count = self.all.len();
        let current = self.current.load(Ordering::Relaxed);
        let order = (0..count).map(|step| (current + step) % count);
        let works = |index: &usize| !self.all[*index].lock().rests(now);
        let mut working = order.filter(works);
        let first = working.next();
        let chosen = if first.is_some() && first == avoid { working.next().or(first) } else { first };
        if let Some(index) = chosen {
            self.current.store(index, Ordering::Relaxed);
            return Choice::Go(index);
        }
        let (index, earliest) = self.first_to_wake(now);
        if earliest <= now { Choice::Go(index) } else { Choice::Wait(earliest) }
    }

    /// The endpoint that rests for the shortest time, and until when.
    pub(super) fn first_to_wake(&self, now: Instant) -> (usize, Instant) {
        let until = |endpoint: &Endpoint| endpoint.lock().rests_until.unwrap_or(now);
        let wakes = self.all.iter().map(until).enumerate();
        wakes.min_by_key(|(_, until)| *until).unwrap_or((0, now))
    }

    /// An insert is sent; undone when the answer is dropped.
    pub(super) fn begin(&self, index: usize) -> InFlight<'_> {
        self.all[index].in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(&self.all[index].in_flight)
    }

    /// The endpoint does what it is asked.
    pub(super) fn succeeded(&self, index: usize) {
        let before = std::mem::take(&mut *self.all[index].lock());
        self.current.store(index, Ordering::Relaxed);
        if before.class.is_some() {
            self.recovered.notify_waiters();
        }
    }

    /// An insert that was sent at `begun` has failed.
    pub(super) fn failed(&self, index: usize, class: Class, begun: Instant, now: Instant) {
        self.all[index].failures.add(1);
        match class.concerns() {
            Concerns::Batch => {}
            Concerns::Endpoint => self.rest(index, class, begun, now),
            Concerns::Shard => {
                self.rest(index, class, begun, now);
                self.others_rest_with(index);
            }
        }
    }

    /// The prober's answer for an endpoint that needed it.
    pub(super) fn probed(&self, index: usize, outcome: Result<(), Class>, now: Instant) {
        match outcome {
            Ok(()) => {
                let mut state = self.all[index].lock();
                (state.needs_probe, state.rests_until, state.class) = (false, None, None);
                drop(state);
                self.recovered.notify_waiters();
            }
            Err(class) => self.rest(index, class, now, now),
        }
    }

    /// Whether an endpoint has rested and is to be asked.
    pub(super) fn needs_probe(&self, index: usize, now: Instant) -> bool {
        let state = self.all[index].lock();
        state.needs_probe && state.rests_until.is_none_or(|until| until <= now)
    }

    fn rest(&self, index: usize, class: Class, begun: Instant, now: Instant) {
        let is_alone = self.all.len() == 1;
        let mut state = self.all[index].lock();
        state.class = Some(class);
        // Several inserts that fail at once are one failure.
        if state.rests_until.is_some_and(|until| begun < until) {
            return;
        }
        state.failures = state.failures.saturating_add(1);
        state.rests_until = Some(now + wait_after(state.failures, class.remedy()));
        state.needs_probe = class.is_of_the_connection() && !is_alone;
    }

    /// No endpoint is asked before this one.
    fn others_rest_with(&self, index: usize) {
        let until = self.all[index].lock().rests_until;
        for other in &self.all {
            let mut state = other.lock();
            state.rests_until = state.rests_until.max(until);
        }
    }

    /// Endpoints whose last failure somebody must see to.
    pub(super) fn alarms(&self) -> u64 {
        self.all.iter().filter(|endpoint| endpoint.lock().is_alarming()).count() as u64
    }

    /// Writes the state of every endpoint.
    pub(super) fn write(&self, out: &mut Exposition) {
        const PREFIX: &str = "collector_clickhouse_endpoint";
        let shard = self.shard.to_string();
        for endpoint in &self.all {
            let labels = [("shard", shard.as_str()), ("url", endpoint.url.as_str())];
            let state = *endpoint.lock();
            for (name, help, value) in [
                ("up", "1 unless the last that was asked of the endpoint failed.", u64::from(state.class.is_none())),
                ("in_flight", "Inserts under way.", endpoint.in_flight.load(Ordering::Relaxed)),
                (
                    "alarm",
                    "1 when the last insert failed in a way that somebody must see to.",
                    u64::from(state.is_alarming()),
                ),
            ] {
                out.gauge(&format!("{PREFIX}_{name}"), help, &labels, value);
            }
            let name = format!("{PREFIX}_failures_total");
            out.counter(&name, "Inserts that failed at the endpoint.", &labels, endpoint.failures.get());
        }
    }
}

impl Endpoint {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rests(&self, now: Instant) -> bool {
        self.needs_probe || self.rests_until.is_some_and(|until| now < until)
    }

    fn is_alarming(&self) -> bool {
        self.class.is_some_and(|class| class.remedy() == Remedy::Alarm)
    }
}

/// An insert under way.
pub(super) struct InFlight<'a>(&'a AtomicU64);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: usize) -> Endpoints {
        let urls: Vec<String> = (0..count).map(|number| format!("http://replica-{number}:8123")).collect();
        Endpoints::new(7, &urls)
    }

    #[test]
    fn each_kind_of_failure_leads_where_it_should() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(60);
        for (class, avoid, then, much_later) in [
            // The others take over, and are left only when they fail.
            (Class::DiskFull, None, Choice::Go(1), Choice::Go(1)),
            // The prober has not asked yet.
            (Class::Unreachable, None, Choice::Go(1), Choice::Go(1)),
            // Another replica has the same parts.
            (Class::TooManyParts, None, Choice::Wait(begin), Choice::Go(0)),
            // The rows may be at fault: another replica for these rows.
            (Class::Other, Some(0), Choice::Go(1), Choice::Go(1)),
            (Class::Rejected, None, Choice::Go(0), Choice::Go(0)),
        ] {
            let endpoints = endpoints(3);
            assert_eq!(endpoints.choose(begin, None), Choice::Go(0));
            endpoints.failed(0, class, begin, begin);
            match (endpoints.choose(begin, avoid), then) {
                (Choice::Wait(until), Choice::Wait(_)) => assert!(until > begin),
                (found, expected) => assert_eq!(found, expected, "{}", class.label()),
            }
            assert_eq!(endpoints.choose(later, None), much_later, "{}", class.label());
        }
    }

    #[test]
    fn one_that_cannot_be_reached_waits_for_the_prober_unless_there_is_no_other() {
        let begin = Instant::now();
        let later = begin + Duration::from_secs(60);
        let two = endpoints(2);
        two.failed(0, Class::Timeout, begin, begin);
        assert_eq!([begin, later].map(|now| two.needs_probe(0, now)), [false, true]);
        two.failed(1, Class::Denied, later, later);
        // Both are failing: the one that has rested, probe or not.
        assert_eq!(two.choose(later, None), Choice::Go(0));
        two.probed(0, Ok(()), later);
        assert_eq!((two.choose(later, None), two.needs_probe(0, later)), (Choice::Go(0), false));
        assert_eq!(two.alarms(), 1);
        let alone = endpoints(1);
        alone.failed(0, Class::Timeout, begin, begin);
        assert_eq!((alone.needs_probe(0, later), alone.choose(later, None)), (false, Choice::Go(0)));
    }

    #[test]
    fn failures_at_once_are_one_and_a_success_forgets_them() {
        let begin = Instant::now();
        let alone = endpoints(1);
        for _ in 0..10 {
            alone.failed(0, Class::Unreachable, begin, begin);
        }
        let (_, until) = alone.first_to_wake(begin);
        assert!(until <= begin + FIRST_WAIT, "{:?}", until - begin);
        drop(alone.begin(0));
        alone.succeeded(0);
        assert_eq!(alone.choose(begin, None), Choice::Go(0));
        let mut out = Exposition::default();
        alone.write(&mut out);
        let text = out.finish();
        for line in [
            "up{shard=\"7\",url=\"http://replica-0:8123\"} 1",
            "failures_total{shard=\"7\",url=\"http://replica-0:8123\"} 10",
        ] {
            assert!(text.contains(&format!("collector_clickhouse_endpoint_{line}")), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn waits_grow_to_a_limit() {
        for (failures, remedy, longest) in
            [(1, Remedy::Wait, 200), (4, Remedy::Wait, 1600), (99, Remedy::Wait, 10_000), (99, Remedy::Alarm, 30_000)]
        {
            let wait = wait_after(failures, remedy);
            assert!((longest / 2..=longest).contains(&wait.as_millis()), "{failures}: {wait:?}");
        }
    }
}
