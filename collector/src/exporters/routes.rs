//! Which sequence a datagram of sFlow is followed in: its sender's own, or one that another sender's datagrams of the same device are
//! in, because its number goes on there.
//!
//! A number goes on where the sub-agent and the time of the device's start are the same, and the number is the next, one that is
//! missing, or not far ahead. Who forges datagrams of another's device can so disturb its sequence only by knowing both; what does not
//! go on begins a sequence of its own.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use foldhash::fast::RandomState;
use netflow::columns::Address;

use super::line::{Line, Note};
use super::sequence::{GoesOn, Heard, Standing};
use super::unit::Unit;

/// Parts with a lock each.
const SHARDS: usize = 16;
/// Sequences of one sub-agent that others may go on in.
const LINES_MAX: usize = 8;
/// Sub-agents of a part from which on those that are gone are looked for.
const LOOK_FROM: usize = 256;

/// A sequence, followed by all who carry its datagrams.
pub(super) type Shared = Arc<Mutex<Line>>;

/// A sub-agent of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SubAgent {
    pub(super) agent: Address,
    pub(super) version: u8,
    pub(super) number: u32,
}

/// The sequences that there are. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub(super) struct Routes(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Shard {
    lines: HashMap<SubAgent, Vec<Weak<Mutex<Line>>>, RandomState>,
    /// At how many sub-agents those that are gone are looked for again.
    look_at: usize,
}

impl Routes {
    /// The sequence that a datagram is followed in, whose sender was in `own` before; what moving it there changes goes to `note`.
    pub(super) fn line(
        &self,
        of: &SubAgent,
        sender: &Address,
        heard: &Heard,
        own: Option<&Shared>,
        note: Note<'_>,
    ) -> Shared {
        let standing = own.map(|own| lock(own).standing(heard));
        if let (Some(own), Some(Standing::Exact)) = (own, standing) {
            return Arc::clone(own);
        }
        let is_better = |goes_on| standing != Some(Standing::Ahead) || goes_on == GoesOn::Exactly;
        if let Some(other) = self.find(of, own, |line| line.goes_on(heard).is_some_and(is_better)) {
            own.into_iter().for_each(|own| lock(own).leave(sender, note));
            return other;
        }
        let Some(own) = own else { return self.begin(of) };
        if standing != Some(Standing::Breaks) || !lock(own).is_shared(sender) {
            return Arc::clone(own);
        }
        lock(own).leave(sender, note);
        let line = self.begin(of);
        lock(&line).begin_anew(sender, heard.received_ms, note);
        line
    }

    pub(super) fn begin(&self, of: &SubAgent) -> Shared {
        let line = Arc::new(Mutex::new(Line::new(Unit::Datagrams)));
        let mut shard = self.shard(of);
        if shard.lines.len() >= shard.look_at.max(LOOK_FROM) {
            shard.lines.retain(|_, lines| lines.iter().any(|line| line.strong_count() > 0));
            shard.look_at = 2 * shard.lines.len();
        }
        let lines = shard.lines.entry(*of).or_default();
        lines.retain(|line| line.strong_count() > 0);
        if lines.len() < LINES_MAX {
            lines.push(Arc::downgrade(&line));
        }
        line
    }

    fn find(&self, of: &SubAgent, own: Option<&Shared>, is_it: impl Fn(&Line) -> bool) -> Option<Shared> {
        let shard = self.shard(of);
        let lines = shard.lines.get(of)?.iter().filter_map(Weak::upgrade);
        let mut others = lines.filter(|line| own.is_none_or(|own| !Arc::ptr_eq(own, line)));
        others.find(|line| is_it(&lock(line)))
    }

    fn shard(&self, of: &SubAgent) -> MutexGuard<'_, Shard> {
        self.0.shards[self.0.hasher.hash_one(of) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn lock(line: &Shared) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sub_agents_that_are_gone_are_forgotten() {
        let routes = Routes::default();
        let of = |number| SubAgent { agent: [1; 16], version: 105, number };
        let kept: Vec<Shared> = (0..10).map(|number| routes.begin(&of(number))).collect();
        for number in 0..100_000 {
            drop(routes.begin(&of(number)));
        }
        let known: usize = routes.0.shards.iter().map(|shard| shard.lock().unwrap().lines.len()).sum();
        assert!(known <= SHARDS * LOOK_FROM * 2, "{known}");
        for (number, kept) in (0..).zip(&kept) {
            assert!(
                routes.find(&of(number), None, |_| true).is_some_and(|found| Arc::ptr_eq(&found, kept)),
                "{number}"
            );
        }
    }

    #[test]
    fn no_more_sequences_of_a_sub_agent_are_joined_than_the_bound() {
        let routes = Routes::default();
        let of = SubAgent { agent: [1; 16], version: 105, number: 0 };
        let all: Vec<Shared> = (0..100).map(|_| routes.begin(&of)).collect();
        assert_eq!(routes.shard(&of).lines[&of].len(), LINES_MAX);
        assert!(routes.find(&of, Some(&all[0]), |_| true).is_some_and(|found| Arc::ptr_eq(&found, &all[1])));
    }
}
