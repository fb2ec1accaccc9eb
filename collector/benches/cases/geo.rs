//! Addresses to places, by the tables made from MaxMind DB files.

use std::sync::Arc;

use collector::enrich::Geo;
use netflow::columns::Address;
use perf::random::Random;

use super::{Case, Size, places};

/// Addresses of a round.
const ADDRESSES: usize = 65_536;
/// Hosts that have nearly all the traffic, the first of them the most.
const HOSTS: u64 = 400_000;

/// Addresses looked up one after the other.
pub(crate) struct Located {
    geo: Arc<Geo>,
    addresses: Vec<Address>,
}

impl Located {
    /// IPv4 as traffic has them: a few hosts again and again.
    pub(crate) fn v4_heavy(size: Size) -> Self {
        Self::new(size, |random| places::v4_address(size, scatter(random.zipf(HOSTS))))
    }

    /// IPv4 of anywhere in the networks that the files know.
    pub(crate) fn v4_uniform(size: Size) -> Self {
        Self::new(size, |random| places::v4_address(size, random.bits()))
    }

    /// IPv6 as traffic has them.
    pub(crate) fn v6_heavy(size: Size) -> Self {
        Self::new(size, |random| places::v6_address(size, scatter(random.zipf(HOSTS))))
    }

    /// IPv6 of anywhere in the networks that the files know.
    pub(crate) fn v6_uniform(size: Size) -> Self {
        Self::new(size, |random| places::v6_address(size, random.bits()))
    }

    fn new(size: Size, mut address: impl FnMut(&mut Random) -> Address) -> Self {
        let mut random = Random::new(7);
        let count = if size == Size::Small { ADDRESSES / 8 } else { ADDRESSES };
        Self { geo: places::geo(size).load(), addresses: (0..count).map(|_| address(&mut random)).collect() }
    }
}

impl Case for Located {
    fn round(&mut self) -> usize {
        for address in &self.addresses {
            std::hint::black_box(self.geo.lookup(address));
        }
        self.addresses.len()
    }
}

/// Hosts of neighbouring ranks are not neighbours.
fn scatter(rank: u64) -> u64 {
    Random::new(rank).bits()
}
