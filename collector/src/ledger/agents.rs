//! Which devices each sender speaks for: bounded, for an agent's address is only a claim in a datagram.
//!
//! A device beyond the bound has no account of its own: what it sends counts as its sender's. Rows say what they say all the same.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;
use netflow::columns::Address;

use crate::metrics::{Counter, Exposition};

/// Parts with a lock each, so that workers seldom meet.
const SHARDS: usize = 16;
/// Devices that one sender may speak for.
const AGENTS_MAX: usize = 1024;
/// Devices of a part that senders speak for; 65,536 in all.
const SHARD_MAX: usize = 4096;
/// A device that was not heard of for this long makes room for another: a day.
const IDLE_MS: i64 = 86_400_000;
/// How often devices that are idle are looked for where there is no room.
const LOOK_INTERVAL_MS: i64 = 60_000;

/// The devices behind senders. Clones are handles to the same ones.
#[derive(Debug, Clone, Default)]
pub struct Agents(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Shard {
    senders: HashMap<Address, Sender, RandomState>,
    agents: usize,
    /// When idle devices of all senders may be looked for again.
    look_again_ms: i64,
}

#[derive(Debug, Default)]
struct Sender {
    /// When each was last heard of, milliseconds since 1970.
    agents: HashMap<Address, i64, RandomState>,
    /// How often a device found no place.
    refused: u64,
    /// When that last happened.
    refused_ms: i64,
    look_again_ms: i64,
}

impl Agents {
    /// The device in whose name something counts that a sender says is of `agent`: that device, or the sender itself where it
    /// speaks for too many. `now_ms` is the time, milliseconds since 1970.
    #[must_use]
    pub fn of(&self, sender: &Address, agent: &Address, now_ms: i64) -> Address {
        if sender == agent {
            return *sender;
        }
        let mut shard = self.shard(sender);
        if shard.admit(sender, agent, now_ms) {
            return *agent;
        }
        if let Some(sender) = shard.senders.get_mut(sender) {
            sender.refused += 1;
            sender.refused_ms = sender.refused_ms.max(now_ms);
        }
        self.0.refused.add(1);
        *sender
    }

    /// How often a device of a sender found no place, and when that last happened, milliseconds since 1970.
    #[must_use]
    pub fn refused(&self, sender: &Address) -> Option<(u64, i64)> {
        let shard = self.shard(sender);
        shard.senders.get(sender).filter(|sender| sender.refused > 0).map(|sender| (sender.refused, sender.refused_ms))
    }

    /// Writes what is counted.
    pub fn write(&self, out: &mut Exposition) {
        let help = "Devices that exporters speak for, by the addresses that they tell beside their own.";
        let known: usize = self.0.shards.iter().map(|shard| lock(shard).agents).sum();
        out.gauge("collector_agents", help, &[], known);
        let help = "Times that something counted as an exporter's own because it speaks for too many devices.";
        out.counter("collector_agents_refused_total", help, &[], self.0.refused.get());
    }

    fn shard(&self, sender: &Address) -> MutexGuard<'_, Shard> {
        lock(&self.0.shards[self.0.hasher.hash_one(sender) as usize % SHARDS])
    }
}

impl Shard {
    fn admit(&mut self, sender: &Address, agent: &Address, now_ms: i64) -> bool {
        if let Some(heard_ms) = self.senders.get_mut(sender).and_then(|sender| sender.agents.get_mut(agent)) {
            *heard_ms = now_ms.max(*heard_ms);
            return true;
        }
        if self.agents >= SHARD_MAX && now_ms >= self.look_again_ms {
            self.look_again_ms = now_ms + LOOK_INTERVAL_MS;
            self.forget_idle(now_ms);
        }
        if self.agents >= SHARD_MAX {
            return false;
        }
        let of = self.senders.entry(*sender).or_default();
        if of.agents.len() >= AGENTS_MAX && now_ms >= of.look_again_ms {
            of.look_again_ms = now_ms + LOOK_INTERVAL_MS;
            self.agents -= of.forget_idle(now_ms);
        }
        if of.agents.len() >= AGENTS_MAX {
            return false;
        }
        of.agents.insert(*agent, now_ms);
        self.agents += 1;
        true
    }

    fn forget_idle(&mut self, now_ms: i64) {
        self.agents -= self.senders.values_mut().map(|sender| sender.forget_idle(now_ms)).sum::<usize>();
        self.senders.retain(|_, sender| !sender.agents.is_empty());
    }
}

impl Sender {
    /// How many made room.
    fn forget_idle(&mut self, now_ms: i64) -> usize {
        let before = self.agents.len();
        self.agents.retain(|_, heard_ms| *heard_ms >= now_ms - IDLE_MS);
        before - self.agents.len()
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Address = [1; 16];
    const OTHER: Address = [2; 16];

    fn agent(number: usize) -> Address {
        (1_000_000 + number as u128).to_be_bytes()
    }

    #[test]
    fn a_sender_speaks_for_so_many_and_takes_no_place_of_another() {
        let agents = Agents::default();
        assert_eq!(agents.of(&SENDER, &SENDER, 0), SENDER);
        for number in 0..AGENTS_MAX {
            assert_eq!(agents.of(&SENDER, &agent(number), 0), agent(number));
        }
        assert_eq!(agents.of(&SENDER, &agent(AGENTS_MAX), 1), SENDER, "it is one too many");
        assert_eq!(agents.of(&SENDER, &agent(7), 1), agent(7), "those that have a place keep it");
        assert_eq!(agents.of(&OTHER, &agent(AGENTS_MAX), 1), agent(AGENTS_MAX), "the same device by another way");
        assert_eq!((agents.refused(&SENDER), agents.refused(&OTHER)), (Some((1, 1)), None));
    }

    #[test]
    fn who_is_not_heard_of_makes_room() {
        let agents = Agents::default();
        for number in 0..AGENTS_MAX {
            let _ = agents.of(&SENDER, &agent(number), 0);
        }
        let _ = agents.of(&SENDER, &agent(3), IDLE_MS);
        let late = IDLE_MS + LOOK_INTERVAL_MS + 1;
        assert_eq!(agents.of(&SENDER, &agent(5000), late), agent(5000));
        assert_eq!(agents.shard(&SENDER).agents, 2, "the one that was heard of since, and the new one");
    }

    #[test]
    fn all_together_are_bounded() {
        let agents = Agents::default();
        for sender in 0..200_u128 {
            for number in 0..AGENTS_MAX {
                let _ = agents.of(&(sender + 1).to_be_bytes(), &agent(number), 0);
            }
        }
        let known: usize = agents.0.shards.iter().map(|shard| lock(shard).agents).sum();
        assert!(known <= SHARDS * SHARD_MAX, "{known}");
        assert!(agents.0.refused.get() > 0);
        assert!(agents.0.shards.iter().all(|shard| lock(shard).senders.len() <= 200));
    }
}
