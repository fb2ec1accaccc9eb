//! Running totals: what each flow of an exporter has reported so far, so that a report gives what is new since the one before.
//!
//! octetTotalCount (85) and its like count since the flow began, and a report of the same flow repeats what the one before it
//! had. A firewall's event of the kind of Cisco's has the counts since the last one while a flow lives, and those of its whole
//! life when it ends. Everything here goes by what datagrams say and when they were received, so that the same datagrams give
//! the same numbers again. Bounded: see [`Bounds`]; what gave way is known by its time, and so is what is not known for sure.

mod flow;
mod generations;
mod hashed;
mod room;

use std::sync::Arc;

pub use flow::{FlowKey, Reported};
use generations::Generations;
pub(crate) use hashed::Hashed;
use hashed::Seed;
pub use room::{Bounds, Room};

/// How long at least a flow is remembered after its last report, milliseconds, and twice as long at most.
pub const AGE_MS: i64 = 3_600_000;
/// As [`AGE_MS`], of flows that ended: reports that come behind the last one are late by seconds.
const ENDED_AGE_MS: i64 = 60_000;
/// Flows that ended are this part of those that are remembered at most.
const ENDED_PART: usize = 16;

/// What the counts of a report are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Counts since the flow began.
    Total,
    /// Counts since the last report, of a flow whose end will tell the total.
    Update,
    /// The total at the end of a flow that may have told of parts of it before.
    Final,
}

/// One report of a flow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlowReport {
    pub(crate) key: Hashed,
    /// As in [`Reported`], new.
    pub(crate) told: Reported,
    /// How many bits wide the counts are on the wire.
    pub(crate) bits: [u32; 4],
    pub(crate) meaning: Meaning,
    /// Whether the flow ended.
    pub(crate) is_end: bool,
    /// When the flow began by the collector's clock, milliseconds since 1970, if it is told.
    pub(crate) began_ms: Option<i64>,
    pub(crate) received_ms: i64,
}

/// What a report adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct News {
    /// As in [`Reported`].
    pub(crate) counts: [u64; 4],
    /// Whether that is surely what was not reported before.
    pub(crate) is_known: bool,
}

/// The flows of one exporter.
#[derive(Debug)]
pub struct Totals {
    flows: Generations,
    /// Those that ended lately.
    ended: Generations,
    /// When a report was last received.
    latest_ms: i64,
    seed: Seed,
}

/// All that [`Totals`] remember, as plain values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// What flows reported at this time or later is remembered, milliseconds since 1970.
    pub since_ms: i64,
    /// When a report was last received, milliseconds since 1970.
    pub latest_ms: i64,
    /// Since when flows and ended flows are put with the young ones, milliseconds since 1970.
    pub began_ms: [i64; 2],
    /// Old and young flows, then old and young ones that ended; sorted.
    pub flows: [Vec<(FlowKey, Reported)>; 4],
}

impl Totals {
    /// Of an exporter that is heard of for the first time.
    #[must_use]
    pub fn new(received_ms: i64, bounds: Bounds, room: &Arc<Room>) -> Self {
        Self::put_back(&State::new(received_ms), bounds, room)
    }

    /// As they were saved; what there is no room for is forgotten.
    #[must_use]
    pub fn put_back(state: &State, bounds: Bounds, room: &Arc<Room>) -> Self {
        let [flows_began_ms, ended_began_ms] = state.began_ms;
        let [old, young, ended_old, ended_young] = &state.flows;
        let mut totals = Self {
            flows: Generations::new(AGE_MS, flows_began_ms, state.since_ms, room),
            ended: Generations::new(ENDED_AGE_MS, ended_began_ms, state.since_ms, room),
            latest_ms: state.latest_ms,
            seed: Seed::default(),
        };
        totals.limit(bounds.per_exporter);
        totals.flows.put_back([old, young], totals.seed, state.latest_ms);
        totals.ended.put_back([ended_old, ended_young], totals.seed, state.latest_ms);
        totals
    }

    /// All that is remembered.
    #[must_use]
    pub fn state(&self) -> State {
        let [old, young] = self.flows.sorted();
        let [ended_old, ended_young] = self.ended.sorted();
        State {
            since_ms: self.flows.since_ms(),
            latest_ms: self.latest_ms,
            began_ms: [self.flows.began_ms(), self.ended.began_ms()],
            flows: [old, young, ended_old, ended_young],
        }
    }

    /// Sets how many flows may be remembered; what is more is forgotten with the next one.
    pub fn limit(&mut self, flows: usize) {
        self.flows.limit(flows);
        self.ended.limit(flows.checked_div(ENDED_PART).unwrap_or(0));
    }

    /// Flows that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.len().saturating_add(self.ended.len())
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When a report was last received, milliseconds since 1970.
    #[must_use]
    pub fn latest_ms(&self) -> i64 {
        self.latest_ms
    }

    /// Takes up a report.
    pub(crate) fn take(&mut self, report: &FlowReport) -> News {
        self.pass(report.received_ms);
        let report = FlowReport { key: self.seed.hash(report.key.key), ..*report };
        match report.meaning {
            Meaning::Total => self.total(&report),
            Meaning::Update => self.update(&report),
            Meaning::Final => self.end(&report),
        }
    }

    /// Time goes on, never back.
    fn pass(&mut self, received_ms: i64) {
        let now_ms = received_ms.max(self.latest_ms);
        if now_ms.saturating_sub(self.latest_ms) >= AGE_MS.saturating_mul(2) {
            // Nobody can tell any more whether a flow is new: as if the exporter were.
            self.flows.clear(now_ms);
            self.ended.clear(now_ms);
        }
        self.latest_ms = now_ms;
        self.flows.pass(now_ms);
        self.ended.pass(now_ms);
    }

    /// What is remembered of the flow of a report.
    fn flow(&mut self, report: &FlowReport) -> Known<'_> {
        match self.flows.get(&report.key, self.latest_ms) {
            Some(flow) if flow.is_same(&report.told) => Known::Flow(flow),
            Some(flow) if report.told.is_before(flow) => Known::Later,
            _ => Known::Nothing,
        }
    }

    fn total(&mut self, report: &FlowReport) -> News {
        let told = &report.told;
        let flow = match self.flow(report) {
            Known::Flow(flow) => flow,
            Known::Later => return self.behind(report),
            Known::Nothing => return self.first_total(report),
        };
        let is_late = told.is_before(flow);
        let news = match differences(told.counts, flow.counts, report.bits) {
            Some(counts) => News { counts, is_known: true },
            // Less than before, and older: what it has is in what was told already.
            None if is_late && told.counts.iter().zip(flow.counts).all(|(new, known)| *new <= known) => {
                return News { counts: [0; 4], is_known: true };
            }
            // Counted anew. Of a flow whose time goes back at that, nobody can tell.
            None => News { counts: told.counts, is_known: !is_late },
        };
        flow.advance(told, told.counts);
        if report.is_end {
            self.close(report);
        }
        news
    }

    /// The first total that is known of a flow.
    fn first_total(&mut self, report: &FlowReport) -> News {
        if let Some(news) = self.after_the_end(report) {
            return news;
        }
        let is_known = self.is_new(report);
        if report.is_end {
            self.close(report);
            return News { counts: report.told.counts, is_known };
        }
        let is_kept = self.remember(report, is_known);
        News { counts: report.told.counts, is_known: is_known && is_kept }
    }

    /// Counts as told, unless they are in the total of an end that came before. What they sum up to is kept for the end.
    fn update(&mut self, report: &FlowReport) -> News {
        let told = &report.told;
        let as_told = News { counts: told.counts, is_known: true };
        if let Known::Flow(flow) = self.flow(report) {
            flow.advance(told, std::array::from_fn(|at| of(flow.counts, at).saturating_add(of(told.counts, at))));
            return as_told;
        }
        let is_counted = |ended: &&mut Reported| ended.is_same(told) && told.at_ms <= ended.at_ms;
        if self.ended.get(&report.key, self.latest_ms).filter(is_counted).is_some() {
            return News { counts: [0; 4], is_known: true };
        }
        if matches!(self.flow(report), Known::Nothing) {
            let is_new = self.is_new(report);
            self.remember(report, is_new);
        }
        as_told
    }

    fn end(&mut self, report: &FlowReport) -> News {
        let told = &report.told;
        let flow = match self.flow(report) {
            Known::Flow(flow) => *flow,
            Known::Later => return self.behind(report),
            Known::Nothing => return self.first_total(report),
        };
        let mut is_known = true;
        let counts = std::array::from_fn(|at| {
            let (total, parts) = (of(told.counts, at), of(flow.counts, at));
            difference(total, parts, of(report.bits, at)).unwrap_or_else(|| {
                // A total that is less than its parts is none of them.
                is_known = false;
                total
            })
        });
        is_known &= !flow.is_partial || counts == [0; 4];
        self.close(report);
        News { counts, is_known }
    }

    /// A total of a flow whose id another one has by now.
    fn behind(&mut self, report: &FlowReport) -> News {
        let unknown = News { counts: report.told.counts, is_known: false };
        self.after_the_end(report).unwrap_or(unknown)
    }

    /// A total that comes behind the end of its flow. What an earlier one has is in what the end told; a later one goes on from
    /// there if the flow says by its beginning that it is the same.
    fn after_the_end(&mut self, report: &FlowReport) -> Option<News> {
        let told = &report.told;
        let ended = self.ended.get(&report.key, self.latest_ms).filter(|ended| ended.is_same(told))?;
        let is_later = ended.is_before(told);
        let new = std::array::from_fn(|at| of(told.counts, at).saturating_sub(of(ended.counts, at)));
        if is_later {
            let has_beginning = report.key.key.start != 0 || told.start != 0 && told.start == ended.start;
            let is_more = told.counts.iter().zip(ended.counts).all(|(told, ended)| *told >= ended);
            if !has_beginning || !is_more {
                return None;
            }
        }
        let counts = std::array::from_fn(|at| of(told.counts, at).max(of(ended.counts, at)));
        ended.advance(told, counts);
        if is_later && !report.is_end {
            self.ended.remove(&report.key);
            self.remember(report, true);
        }
        Some(News { counts: new, is_known: true })
    }

    /// Whether a flow that is not remembered has surely not reported before.
    fn is_new(&self, report: &FlowReport) -> bool {
        match report.began_ms {
            Some(began_ms) => began_ms >= self.flows.since_ms(),
            // Who reports at least as often as that is remembered.
            None => self.flows.since_ms() <= report.received_ms.saturating_sub(AGE_MS),
        }
    }

    /// False if there is no room, and the flow's next report will be another first one.
    fn remember(&mut self, report: &FlowReport, is_new: bool) -> bool {
        self.flows.insert(report.key, Reported { is_partial: !is_new, ..report.told }, self.latest_ms)
    }

    fn close(&mut self, report: &FlowReport) {
        self.flows.remove(&report.key);
        self.ended.insert(report.key, report.told, self.latest_ms);
    }
}

/// What is remembered under the key of a report.
enum Known<'a> {
    /// Its flow.
    Flow(&'a mut Reported),
    /// One that took over the id of its flow.
    Later,
    /// Nothing, or a flow that was there before.
    Nothing,
}

impl State {
    fn new(received_ms: i64) -> Self {
        Self { since_ms: received_ms, latest_ms: received_ms, began_ms: [received_ms; 2], ..Self::default() }
    }
}

fn of<T: Copy + Default>(counts: [T; 4], at: usize) -> T {
    counts.get(at).copied().unwrap_or_default()
}

/// What is new of all counts; `None` if one of them went back.
fn differences(totals: [u64; 4], known: [u64; 4], bits: [u32; 4]) -> Option<[u64; 4]> {
    let mut new = [0; 4];
    for (at, new) in new.iter_mut().enumerate() {
        *new = difference(of(totals, at), of(known, at), of(bits, at))?;
    }
    Some(new)
}

/// What is new of a count, which wraps where it is so many bits wide and was in its upper half; `None` if it went back.
fn difference(total: u64, known: u64, bits: u32) -> Option<u64> {
    if total >= known {
        return Some(total.wrapping_sub(known));
    }
    let half = 1_u64.checked_shl(bits.checked_sub(1)?)?;
    let past_the_wrap = total.wrapping_sub(known) & half.wrapping_mul(2).wrapping_sub(1);
    (bits < 64 && known >= half && past_the_wrap < half).then_some(past_the_wrap)
}
