//! The entries of a block with most bytes, most packets or most flows, as they come, without keeping all of them.

use super::groups::{Entry, Long};
use super::sums::Sums;

/// Entries that are kept for each of bytes, packets and flows.
pub(super) const KEPT: usize = 1000;
/// Entries that are kept until it is looked which of them are the busiest.
const MOST: usize = 8 * KEPT;

/// What entries are compared by.
const MEASURES: [fn(&Sums) -> u64; 3] = [|sums| sums.bytes, |sums| sums.packets, |sums| sums.flows];

/// An exporter's rank and one of its entries.
pub(super) type Candidate = (u32, Entry<Long>);

/// The busiest so far.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    /// In the order in which they came.
    candidates: Vec<Candidate>,
    /// Once that many were seen: what the last of the busiest has, for each measure. Who comes later has to have more.
    least: Option<[u64; 3]>,
    values: Vec<u64>,
    is_kept: Vec<bool>,
}

impl Busiest {
    /// Takes an entry. Those that are surely not among the busiest go to `other`, this one or some that came before.
    #[inline]
    pub(super) fn offer(&mut self, candidate: Candidate, mut other: impl FnMut(&Candidate)) {
        let Sums { bytes, packets, flows, .. } = candidate.1.sums;
        if let Some([least_bytes, least_packets, least_flows]) = self.least
            && bytes <= least_bytes
            && packets <= least_packets
            && flows <= least_flows
        {
            return other(&candidate);
        }
        self.candidates.push(candidate);
        if self.candidates.len() >= MOST {
            self.choose(other);
        }
    }

    /// Leaves the busiest alone; of equals those that came first. The others go to `other`.
    #[cold]
    pub(super) fn choose(&mut self, mut other: impl FnMut(&Candidate)) {
        if self.candidates.len() <= KEPT {
            return;
        }
        self.is_kept.clear();
        self.is_kept.resize(self.candidates.len(), false);
        self.least = Some(MEASURES.map(|measure| self.mark_greatest(measure)));
        let mut is_kept = self.is_kept.iter();
        self.candidates.retain(|candidate| {
            let is_kept = is_kept.next().is_some_and(|is_kept| *is_kept);
            if !is_kept {
                other(candidate);
            }
            is_kept
        });
    }

    /// Marks those with most; returns how much the last of them has.
    fn mark_greatest(&mut self, measure: fn(&Sums) -> u64) -> u64 {
        self.values.clear();
        self.values.extend(self.candidates.iter().map(|(_, entry)| measure(&entry.sums)));
        let place = self.values.len() - KEPT;
        let (_, least, greater) = self.values.select_nth_unstable(place);
        let least = *least;
        let mut equals = KEPT - greater.iter().filter(|value| **value > least).count();
        for ((_, entry), is_kept) in self.candidates.iter().zip(&mut self.is_kept) {
            let value = measure(&entry.sums);
            if value > least {
                *is_kept = true;
            } else if value == least && equals > 0 {
                *is_kept = true;
                equals -= 1;
            }
        }
        least
    }

    /// Those that are left.
    pub(super) fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    pub(super) fn clear(&mut self) {
        self.candidates.clear();
        self.least = None;
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    #[test]
    fn those_that_are_left_are_the_busiest() {
        let mut busiest = Busiest::default();
        let mut state = 1_u64;
        for (count, range) in [(10, 5), (KEPT, 3), (KEPT + 1, 3), (MOST, 1), (5 * MOST, 50), (5 * MOST, u64::MAX)] {
            for is_rising in [false, true] {
                let candidates: Vec<Candidate> = (0..count)
                    .map(|place| {
                        let mut number = || {
                            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                            let number = (state >> 16) % range;
                            if is_rising { number / 2 + place as u64 } else { number }
                        };
                        let sums = Sums { bytes: number(), packets: number(), flows: number(), ..Sums::default() };
                        (place as u32, Entry { key: Long { address: [0, place as u64], bucket: 0 }, sums })
                    })
                    .collect();
                let mut others = Vec::new();
                busiest.clear();
                candidates.iter().for_each(|candidate| busiest.offer(*candidate, |other| others.push(other.0)));
                busiest.choose(|other| others.push(other.0));
                let mut expected: Vec<u32> = Vec::new();
                for measure in MEASURES {
                    let mut ranking: Vec<_> =
                        candidates.iter().map(|(place, entry)| (Reverse(measure(&entry.sums)), *place)).collect();
                    ranking.sort_unstable();
                    expected.extend(ranking.iter().take(KEPT).map(|(_, place)| *place));
                }
                expected.sort_unstable();
                expected.dedup();
                let found: Vec<u32> = busiest.candidates().iter().map(|(place, _)| *place).collect();
                assert_eq!(found, expected, "{count} below {range}");
                others.extend(found);
                others.sort_unstable();
                assert_eq!(others, (0..count as u32).collect::<Vec<_>>(), "{count} below {range}: each is somewhere");
            }
        }
    }
}
