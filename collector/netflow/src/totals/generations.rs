//! Flows in two generations: those that reported lately, and those that did so before. When the young ones are as many as they may
//! be, or old, they become the old ones, and the old ones are forgotten together, so that nothing is looked through for them. Half
//! of the flows that there is room for are remembered in any case.

use std::sync::Arc;

use super::hashed::{Flows, Hashed, Seed};
use super::{FlowKey, Reported, Room};

/// Least number of flows in a generation.
const LEAST: usize = 16;

#[derive(Debug)]
pub(super) struct Generations {
    old: Flows,
    young: Flows,
    /// Since when flows are put with the young ones, milliseconds since 1970.
    began_ms: i64,
    /// Flows that reported at this time or later are remembered, milliseconds since 1970.
    since_ms: i64,
    age_ms: i64,
    /// Most flows in a generation.
    most: usize,
    room: Arc<Room>,
}

impl Generations {
    /// Flows that are young since `began_ms`, and remembered where they reported since `since_ms`.
    pub(super) fn new(age_ms: i64, began_ms: i64, since_ms: i64, room: &Arc<Room>) -> Self {
        let (old, young) = Default::default();
        Self { old, young, began_ms, since_ms, age_ms, most: LEAST, room: Arc::clone(room) }
    }

    /// Sets how many flows both generations may have.
    pub(super) fn limit(&mut self, flows: usize) {
        self.most = (flows / 2).max(LEAST);
    }

    pub(super) fn began_ms(&self) -> i64 {
        self.began_ms
    }

    pub(super) fn len(&self) -> usize {
        self.old.len().saturating_add(self.young.len())
    }

    pub(super) fn since_ms(&self) -> i64 {
        self.since_ms
    }

    /// Makes the young ones the old ones if they are old.
    pub(super) fn pass(&mut self, now_ms: i64) {
        if now_ms.saturating_sub(self.began_ms) >= self.age_ms {
            self.turn(now_ms);
        }
    }

    fn turn(&mut self, now_ms: i64) {
        let before_ms = std::mem::replace(&mut self.began_ms, now_ms);
        let forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
        self.room.give_back(forgotten.len());
        if !forgotten.is_empty() {
            self.since_ms = self.since_ms.max(before_ms);
        }
    }

    /// A flow, which is a young one from `now_ms` on.
    pub(super) fn get(&mut self, key: &Hashed, now_ms: i64) -> Option<&mut Reported> {
        if let Some(flow) = take(&mut self.old, key) {
            if self.young.len() >= self.most {
                self.turn(now_ms);
            }
            self.young.insert(*key, flow);
        }
        self.young.get_mut(key)
    }

    /// Adds a flow, or puts it in the place of the one with this key; false if there is no room, and it is forgotten at once.
    pub(super) fn insert(&mut self, key: Hashed, flow: Reported, now_ms: i64) -> bool {
        self.remove(&key);
        if self.young.len() >= self.most {
            self.turn(now_ms);
        }
        if !self.room.take() {
            self.since_ms = now_ms;
            return false;
        }
        self.young.insert(key, flow);
        true
    }

    pub(super) fn remove(&mut self, key: &Hashed) {
        if take(&mut self.young, key).or_else(|| take(&mut self.old, key)).is_some() {
            self.room.give_back(1);
        }
    }

    pub(super) fn clear(&mut self, now_ms: i64) {
        self.room.give_back(self.len());
        (self.old, self.young) = Default::default();
        (self.began_ms, self.since_ms) = (now_ms, now_ms);
    }

    /// Old and young ones.
    pub(super) fn sorted(&self) -> [Vec<(FlowKey, Reported)>; 2] {
        [&self.old, &self.young].map(|flows| {
            let mut flows: Vec<_> = flows.iter().map(|(hashed, flow)| (hashed.key, *flow)).collect();
            flows.sort_unstable_by_key(|(key, _)| *key);
            flows
        })
    }

    /// Takes saved flows up, the young ones first, as far as there is room.
    pub(super) fn put_back(&mut self, saved: [&[(FlowKey, Reported)]; 2], seed: Seed, now_ms: i64) {
        let [old, young] = saved;
        for (saved, is_young) in [(young, true), (old, false)] {
            for (key, flow) in saved {
                let key = seed.hash(*key);
                self.remove(&key);
                let generation = if is_young { &mut self.young } else { &mut self.old };
                if generation.len() >= self.most || !self.room.take() {
                    self.since_ms = now_ms;
                    return;
                }
                generation.insert(key, *flow);
            }
        }
    }
}

/// Mostly there is nothing to look through.
fn take(flows: &mut Flows, key: &Hashed) -> Option<Reported> {
    if flows.is_empty() { None } else { flows.remove(key) }
}

impl Drop for Generations {
    fn drop(&mut self) {
        self.room.give_back(self.len());
    }
}
