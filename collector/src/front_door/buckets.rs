//! Token buckets of exporters that send by UDP sockets, in bounded memory, shared by all workers.
//!
//! A socket's load is shared out by addresses and ports, so one exporter may send to several workers; its bucket must be one.
//! Exporters whose datagrams made sense are known and keep their buckets. All others are newcomers: when there are too many
//! of them, which only forged addresses bring about, some lose their buckets, and with them no more than a new burst.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use collector_ebpf::Limit;
use foldhash::HashMap;
use foldhash::fast::RandomState;
use netflow::columns::Address;

/// Parts with a lock each, so that workers seldom meet. A power of two.
const SHARDS: usize = 16;
/// A known exporter that was not heard for this long makes room for another one: an hour.
const KNOWN_IDLE_NS: u64 = 3_600_000_000_000;

/// How often a full part looks for idle exporters, which is a walk through all of them: once a second.
const LOOK_INTERVAL_NS: u64 = 1_000_000_000;

/// The buckets of all exporters.
#[derive(Debug)]
pub(super) struct Buckets {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// Known exporters, and newcomers, that may have a bucket.
    exporters_max: usize,
    known: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    known: HashMap<Address, Known>,
    /// When the next datagram of each newcomer is due.
    newcomers: HashMap<Address, u64>,
    /// When idle exporters may be looked for again.
    look_again_ns: u64,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    /// When its next datagram is due.
    due_ns: u64,
    /// When a datagram of it last made sense.
    vouched_ns: u64,
}

impl Buckets {
    /// Buckets for this many known exporters and as many newcomers.
    pub(super) fn new(exporters_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::default(),
            exporters_max,
            known: AtomicUsize::new(0),
        }
    }

    /// Whether the exporter's bucket has a token for a datagram at `now_ns`; it is taken.
    pub(super) fn take_token(&self, exporter: &Address, limit: Limit, now_ns: u64) -> bool {
        let mut shard = self.shard(exporter);
        if let Some(known) = shard.known.get_mut(exporter) {
            return take(&mut known.due_ns, limit, now_ns);
        }
        if !shard.newcomers.contains_key(exporter) {
            shard.make_room(self.exporters_max.div_ceil(SHARDS), now_ns);
        }
        take(shard.newcomers.entry(*exporter).or_default(), limit, now_ns)
    }

    /// Makes the exporter a known one; false where there are too many of them.
    pub(super) fn vouch(&self, exporter: &Address, now_ns: u64) -> bool {
        let mut shard = self.shard(exporter);
        if let Some(known) = shard.known.get_mut(exporter) {
            known.vouched_ns = now_ns;
            return true;
        }
        if self.known.load(Ordering::Relaxed) >= self.exporters_max && now_ns >= shard.look_again_ns {
            shard.look_again_ns = now_ns.saturating_add(LOOK_INTERVAL_NS);
            let before = shard.known.len();
            shard.known.retain(|_, known| now_ns.saturating_sub(known.vouched_ns) < KNOWN_IDLE_NS);
            self.known.fetch_sub(before - shard.known.len(), Ordering::Relaxed);
        }
        // Taken first and given back, so that workers in different shards do not exceed the bound together.
        if self.known.fetch_add(1, Ordering::Relaxed) >= self.exporters_max {
            self.known.fetch_sub(1, Ordering::Relaxed);
            return false;
        }
        let due_ns = shard.newcomers.remove(exporter).unwrap_or(0);
        shard.known.insert(*exporter, Known { due_ns, vouched_ns: now_ns });
        true
    }

    fn shard(&self, exporter: &Address) -> MutexGuard<'_, Shard> {
        let number = self.hasher.hash_one(exporter) as usize % SHARDS;
        self.shards[number].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shard {
    /// Makes room for one newcomer among `newcomers_max`. Buckets that are full again go first, they say nothing; where most
    /// are not, all go, so that a flood does not cost a search for each of its datagrams.
    fn make_room(&mut self, newcomers_max: usize, now_ns: u64) {
        if self.newcomers.len() < newcomers_max {
            return;
        }
        self.newcomers.retain(|_, due_ns| *due_ns > now_ns);
        if self.newcomers.len() > newcomers_max / 2 {
            self.newcomers.clear();
        }
    }
}

fn take(due_ns: &mut u64, limit: Limit, now_ns: u64) -> bool {
    let Some(next_ns) = limit.admit(*due_ns, now_ns) else { return false };
    *due_ns = next_ns;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn exporter(number: u32) -> Address {
        let mut address = [0xfd; 16];
        address[12..].copy_from_slice(&number.to_be_bytes());
        address
    }

    #[test]
    fn a_flood_of_newcomers_takes_no_known_exporters_bucket_and_no_memory() {
        let buckets = Buckets::new(64);
        let limit = Limit::new(1, 2);
        let mut now_ns = 5 * SECOND_NS;
        assert!(buckets.take_token(&exporter(1), limit, now_ns));
        assert!(buckets.vouch(&exporter(1), now_ns));
        assert!(buckets.take_token(&exporter(1), limit, now_ns), "the second token of the burst");
        for number in 0..100_000 {
            now_ns += 1;
            buckets.take_token(&exporter(1000 + number), limit, now_ns);
        }
        assert!(!buckets.take_token(&exporter(1), limit, now_ns), "the bucket that was emptied is still empty");
        let newcomers: usize = buckets.shards.iter().map(|shard| shard.lock().expect("sound").newcomers.len()).sum();
        assert!(newcomers <= 64 + SHARDS, "{newcomers}");
        assert!(buckets.take_token(&exporter(1), limit, now_ns + SECOND_NS));
    }

    #[test]
    fn known_exporters_are_bounded_and_idle_ones_make_room() {
        let buckets = Buckets::new(32);
        let known = |from: u32, now_ns| (from..from + 1000).filter(|n| buckets.vouch(&exporter(*n), now_ns)).count();
        assert_eq!(known(0, SECOND_NS), 32);
        assert_eq!(known(0, SECOND_NS + 1), 32, "the same ones again");
        assert_eq!(known(5000, 2 * SECOND_NS), 0);
        assert_eq!(known(9000, SECOND_NS + 2 * KNOWN_IDLE_NS), 32);
    }
}
