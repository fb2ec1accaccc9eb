//! The door that workers ask, and the handle that others have to it.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, Cache};
use foldhash::{HashSet, HashSetExt as _};
use netflow::columns::Address;

use super::Refusal;
use super::buckets::Buckets;
use super::rules::{Rules, Ruling};

/// How often a worker vouches for an exporter anew, so that it does not fall idle: every ten minutes.
const VOUCH_AGAIN_NS: u64 = 600_000_000_000;

/// What all doors share. Cloning gives another handle to the same.
#[derive(Debug, Clone)]
pub struct FrontDoor {
    rules: Arc<ArcSwap<Rules>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    buckets: Buckets,
    exporters_max: usize,
    /// Exporters that were vouched for since somebody asked.
    vouched: Mutex<Vec<Address>>,
}

impl FrontDoor {
    /// Puts the first rules in force; up to `exporters_max` exporters can be known.
    #[must_use]
    pub fn new(rules: Rules, exporters_max: usize) -> Self {
        let shared = Shared { buckets: Buckets::new(exporters_max), exporters_max, vouched: Mutex::default() };
        Self { rules: Arc::new(ArcSwap::from_pointee(rules)), shared: Arc::new(shared) }
    }

    /// A door for one worker.
    #[must_use]
    pub fn door(&self) -> Door {
        Door {
            rules: Cache::new(Arc::clone(&self.rules)),
            shared: Arc::clone(&self.shared),
            vouched: HashSet::new(),
            vouched_since_ns: 0,
        }
    }

    /// Puts other rules in force, for the next datagram on. Buckets stay as full as they are.
    pub fn replace(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// Exporters that workers vouched for since this was last asked, for the XDP program to keep their accounts.
    #[must_use]
    pub fn take_vouched(&self) -> Vec<Address> {
        std::mem::take(&mut *self.shared.vouched.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A worker's door.
#[derive(Debug)]
pub struct Door {
    rules: Cache<Arc<ArcSwap<Rules>>, Arc<Rules>>,
    shared: Arc<Shared>,
    /// Whom this worker vouched for lately.
    vouched: HashSet<Address>,
    vouched_since_ns: u64,
}

impl Door {
    /// Judges a datagram that came by a socket at `now_ns` of a clock that never goes back.
    ///
    /// # Errors
    /// Why the datagram must not be used.
    pub fn admit(&mut self, exporter: &Address, now_ns: u64) -> Result<(), Refusal> {
        let limit = match self.rules.load().of(exporter) {
            Ruling::Refused => return Err(Refusal::NotAllowed),
            Ruling::Limited(limit) => limit,
        };
        if limit.is_none() || self.shared.buckets.take_token(exporter, limit, now_ns) {
            return Ok(());
        }
        Err(Refusal::RateLimited)
    }

    /// Whether this worker vouched for the exporter lately, or may not: then there is no need to look at its datagrams.
    #[must_use]
    pub fn is_vouched(&self, exporter: &Address) -> bool {
        self.vouched.contains(exporter)
    }

    /// Says that a datagram of the exporter made sense: from now on no flood of forged addresses takes what is kept of it.
    pub fn vouch(&mut self, exporter: &Address, now_ns: u64) {
        let is_old = now_ns.saturating_sub(self.vouched_since_ns) > VOUCH_AGAIN_NS;
        if is_old || self.vouched.len() >= self.shared.exporters_max {
            self.vouched.clear();
            self.vouched_since_ns = now_ns;
        }
        if !self.vouched.insert(*exporter) || !self.shared.buckets.vouch(exporter, now_ns) {
            return;
        }
        let mut vouched = self.shared.vouched.lock().unwrap_or_else(PoisonError::into_inner);
        // Nobody may be asking, where no XDP program runs.
        if vouched.len() < self.shared.exporters_max {
            vouched.push(*exporter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::front_door::{Limit, Settings};
    use crate::prefix::Prefix;

    fn address(text: &str) -> Address {
        text.parse::<Prefix>().expect("a prefix").first()
    }

    fn rules(allowed: &[&str], limit: Option<Limit>) -> Rules {
        let allowed = allowed.iter().map(|text| text.parse().expect("a prefix")).collect();
        Rules::new(&Settings { allowed, limit, limits: Vec::new() })
    }

    #[test]
    fn rules_hold_at_every_door_and_change_at_once() {
        let front_door = FrontDoor::new(rules(&["10.0.0.0/8"], Some(Limit::new(1, 3))), 100);
        let (mut one, mut other) = (front_door.door(), front_door.door());
        let (friend, stranger) = (address("10.0.0.1"), address("192.0.2.1"));
        assert_eq!(one.admit(&stranger, 1), Err(Refusal::NotAllowed));
        assert_eq!(other.admit(&stranger, 1), Err(Refusal::NotAllowed));
        // Three tokens for both doors together.
        let answers = [one.admit(&friend, 1), other.admit(&friend, 1), one.admit(&friend, 1), other.admit(&friend, 1)];
        assert_eq!(answers, [Ok(()), Ok(()), Ok(()), Err(Refusal::RateLimited)]);
        front_door.replace(rules(&["192.0.2.0/24"], None));
        assert_eq!(one.admit(&friend, 1), Err(Refusal::NotAllowed));
        assert!((0..100).all(|_| other.admit(&stranger, 1).is_ok()));
    }

    #[test]
    fn exporters_are_vouched_for_once_in_ten_minutes() {
        let front_door = FrontDoor::new(Rules::default(), 100);
        let mut door = front_door.door();
        let exporter = address("10.0.0.1");
        for (now_ns, expected) in [(1, 1), (2, 0), (VOUCH_AGAIN_NS + 2, 1), (VOUCH_AGAIN_NS + 3, 0)] {
            door.vouch(&exporter, now_ns);
            assert_eq!(front_door.take_vouched().len(), expected, "{now_ns}");
        }
        for number in 0..1000_u32 {
            let mut exporter = exporter;
            exporter[12..].copy_from_slice(&number.to_be_bytes());
            door.vouch(&exporter, 5);
        }
        assert!(front_door.take_vouched().len() <= 100);
    }
}
