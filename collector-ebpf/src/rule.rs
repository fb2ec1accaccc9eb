//! What the front door says about an exporter: a number in a map, found by its longest prefix.
//!
//! Rules change while the program runs. Accounts remember theirs together with the generation of the rules, one word for
//! both, so that a remembered rule is either whole and of today or looked up again. Not here: what the operator wrote.

/// Limits of one generation. Two generations have places of their own, so that no account ever means another's limit.
pub const LIMITS_PER_GENERATION: u32 = 1024;

/// What an exporter may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule(u32);

impl Rule {
    /// It is in none of the allowed prefixes.
    pub const REFUSED: Self = Self(u32::MAX);

    /// It may send within the limit of this number, which is below [`LIMITS_PER_GENERATION`], of this generation.
    #[must_use]
    pub const fn limited(generation: u32, limit: u32) -> Self {
        Self((generation % 2) * LIMITS_PER_GENERATION + limit % LIMITS_PER_GENERATION)
    }

    /// The rule in a map entry.
    #[inline(always)]
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    /// The map entry. Where the exporter is not refused this is the index of its limit in [`crate::maps::LIMITS`].
    #[inline(always)]
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether it may not send at all.
    #[inline(always)]
    #[must_use]
    pub const fn is_refused(self) -> bool {
        self.0 == Self::REFUSED.0
    }
}

/// A rule and the generation that it belongs to, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatedRule {
    /// Number of the rules in force, from 1; an account that was never asked for has 0.
    pub generation: u32,
    /// The rule.
    pub rule: Rule,
}

impl DatedRule {
    /// The word.
    #[inline(always)]
    #[must_use]
    pub const fn to_word(self) -> u64 {
        ((self.generation as u64) << 32) | self.rule.0 as u64
    }

    /// The rule in a word.
    #[inline(always)]
    #[must_use]
    pub const fn from_word(word: u64) -> Self {
        Self { generation: (word >> 32) as u32, rule: Rule(word as u32) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_survive_the_word_and_generations_do_not_share_limits() {
        for rule in [Rule::REFUSED, Rule::limited(1, 0), Rule::limited(2, 1023)] {
            let dated = DatedRule { generation: u32::MAX, rule };
            assert_eq!(DatedRule::from_word(dated.to_word()), dated);
            assert_eq!(rule.is_refused(), rule == Rule::REFUSED);
            assert_eq!(Rule::from_number(rule.number()), rule);
        }
        for limit in 0..LIMITS_PER_GENERATION {
            assert_ne!(Rule::limited(6, limit), Rule::limited(7, limit));
            assert!(Rule::limited(7, limit).number() < 2 * LIMITS_PER_GENERATION);
        }
    }
}
