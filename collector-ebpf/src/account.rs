//! What the program keeps of an exporter: its token bucket, its rule, and what became of its datagrams in the last minutes.
//!
//! An account is a row of words, so that it is a map entry as it stands. The counts of a minute only grow: a minute that takes
//! the place of an older one goes on where that one ended, and user space takes differences. So nothing is ever reset, and no
//! datagram can fall between a reader and a reset. Not here: the maps, and who gets an account in which.

use crate::Verdict;

/// Minutes for which an account has places: the present one, and those that user space has not read yet. A power of two.
pub const MINUTES_KEPT: u64 = 4;

/// Words of one minute: its number, a count for each [`Fate`], and one that is spare.
const MINUTE_WORDS: usize = 8;
/// Words in front of the minutes.
const HEAD_WORDS: usize = 4;
/// Words of an account.
pub const ACCOUNT_WORDS: usize = HEAD_WORDS + MINUTES_KEPT as usize * MINUTE_WORDS;
/// Words of the sums over all exporters without a lasting account: the minutes of an account without its head.
pub const SUM_WORDS: usize = MINUTES_KEPT as usize * MINUTE_WORDS;

/// An account as the maps hold it, in the byte order of the machine.
pub type Account = [u64; ACCOUNT_WORDS];
/// The sums as the map [`crate::maps::SUMS`] holds them.
pub type Sums = [u64; SUM_WORDS];

/// Word of an account: when it was opened, in nanoseconds of the monotonic clock. Tells an account from one that was evicted.
pub const OPENED: usize = 0;
/// Word of an account: when its next datagram is due, see [`crate::Limit`].
pub const DUE: usize = 1;
/// Word of an account: the rule for its exporter and of which generation it is, see [`crate::Rule`].
pub const RULE: usize = 2;

/// What became of a datagram to a port of ours, where the program decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Redirected to an AF_XDP socket.
    Steered = 0,
    /// Dropped: the exporter is in none of the allowed prefixes.
    NotAllowed = 1,
    /// Dropped: the exporter sends faster than it may.
    RateLimited = 2,
}

impl Fate {
    /// Every fate, each at the index that is its number.
    pub const ALL: [Self; 3] = [Self::Steered, Self::NotAllowed, Self::RateLimited];

    /// The verdict that counts the same frames.
    #[inline(always)]
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Steered => Verdict::Steered,
            Self::NotAllowed => Verdict::NotAllowed,
            Self::RateLimited => Verdict::RateLimited,
        }
    }
}

/// The word in the sums where the minute at `place` has its number.
#[inline(always)]
#[must_use]
pub const fn sum_minute(place: usize) -> usize {
    (place & (MINUTES_KEPT as usize - 1)) * MINUTE_WORDS
}

/// The word in the sums with the datagrams of this fate in the minute at `place`; the next one has their payload bytes.
#[inline(always)]
#[must_use]
pub const fn sum_count(place: usize, fate: Fate) -> usize {
    sum_minute(place) + 1 + 2 * fate as usize
}

/// The word in an account where the minute at `place` has its number.
#[inline(always)]
#[must_use]
pub const fn minute(place: usize) -> usize {
    HEAD_WORDS + sum_minute(place)
}

/// The word in an account with the datagrams of this fate in the minute at `place`; the next one has their payload bytes.
#[inline(always)]
#[must_use]
pub const fn count(place: usize, fate: Fate) -> usize {
    HEAD_WORDS + sum_count(place, fate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_has_two_meanings_and_all_lie_inside() {
        let mut words = vec![OPENED, DUE, RULE];
        for place in 0..MINUTES_KEPT as usize {
            words.push(minute(place));
            for fate in Fate::ALL {
                words.extend([count(place, fate), count(place, fate) + 1]);
            }
        }
        let distinct: std::collections::BTreeSet<usize> = words.iter().copied().collect();
        assert_eq!(distinct.len(), words.len());
        assert!(words.iter().all(|&word| word < ACCOUNT_WORDS));
        assert_eq!(count(3, Fate::RateLimited) - HEAD_WORDS, sum_count(3, Fate::RateLimited));
        assert!(sum_count(3, Fate::RateLimited) + 1 < SUM_WORDS);
    }
}
