//! Numbers that look random and are the same for the same seed: SplitMix64.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, share: u32) -> bool {
        self.below(1000) < u64::from(share)
    }

    /// A number from 0 to 1, the end left out.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A rank below `limit`, which is not 0; each doubling of ranks is as likely as the next (Zipf's law with exponent 1).
    pub fn zipf(&mut self, limit: u64) -> u64 {
        let rank = (limit as f64 + 1.0).powf(self.fraction());
        (rank as u64).saturating_sub(1).min(limit - 1)
    }

    /// A number from `least` on whose tail is heavy: a Pareto distribution of this shape.
    pub fn heavy(&mut self, least: f64, shape: f64) -> u64 {
        (least / (1.0 - self.fraction()).powf(shape.recip())) as u64
    }

    /// One of some.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn pick<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len() as u64) as usize]
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.bits() as u8).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_decide() {
        let draw = |seed| -> Vec<u64> {
            let mut random = Random::new(seed);
            (0..5).map(|_| random.bits()).collect()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!(draw(1_234_567)[0], 6_457_827_717_110_365_317, "as published with the algorithm");
    }

    #[test]
    fn tails_are_heavy() {
        let mut random = Random::new(7);
        let draws: Vec<u64> = (0..10_000).map(|_| random.heavy(40.0, 1.1)).collect();
        assert!(draws.iter().all(|draw| *draw >= 40));
        let mut sorted = draws.clone();
        sorted.sort_unstable();
        let total: u64 = sorted.iter().sum();
        assert!(sorted[9_900..].iter().sum::<u64>() > total / 4, "one in a hundred has a quarter of all");
    }
}
