//! The front door's rules in the program's maps, changed while the program runs.
//!
//! At no moment of a change is an exporter refused that both the old and the new rules allow: what opens is written first, what
//! closes last. Accounts remember their rule until the generation changes, which is the end of a change.

use std::collections::{HashMap, HashSet};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, MapData};
use collector_ebpf::limit::LimitWords;
use collector_ebpf::maps::{ExporterKey, LIMITS, PREFIXES, PREFIXES_MAX, SETTING_RULES, SETTINGS};
use collector_ebpf::rule::LIMITS_PER_GENERATION;
use collector_ebpf::{DatedRule, Limit, Rule};

use super::Error;
use crate::front_door::{Rules, Ruling};
use crate::prefix::Prefix;

/// The maps, and what they hold.
pub(super) struct RuleMaps {
    prefixes: LpmTrie<MapData, ExporterKey, u32>,
    limits: Array<MapData, LimitWords>,
    held: HashSet<Prefix>,
    in_force: DatedRule,
}

impl RuleMaps {
    /// Takes over the maps, which are empty.
    pub(super) fn new(prefixes: LpmTrie<MapData, ExporterKey, u32>, limits: Array<MapData, LimitWords>) -> Self {
        let in_force = DatedRule { generation: 0, rule: Rule::limited(0, 0) };
        Self { prefixes, limits, held: HashSet::new(), in_force }
    }

    /// Puts `rules` in force.
    pub(super) fn replace(&mut self, settings: &mut Array<MapData, u64>, rules: &Rules) -> Result<(), Error> {
        let by_prefix: HashMap<Prefix, Ruling> = rules.by_prefix().collect();
        let numbers = Numbers::of(self.in_force.generation.wrapping_add(1).max(1), rules)?;
        if by_prefix.len() + self.held.len() > PREFIXES_MAX as usize {
            return Err(Error::TooManyPrefixes { prefixes: by_prefix.len(), most: PREFIXES_MAX as usize / 2 });
        }
        for (limit, rule) in &numbers.rules {
            self.limits.set(rule.number(), limit.to_words(), 0).map_err(|error| Error::map(LIMITS, error))?;
        }
        let elsewhere = numbers.rule(rules.elsewhere());
        if !elsewhere.is_refused() {
            self.write_elsewhere(settings, elsewhere, self.in_force.generation)?;
        }
        for (prefix, ruling) in &by_prefix {
            let number = numbers.rule(*ruling).number();
            self.prefixes.insert(&key(*prefix), number, 0).map_err(|error| Error::map(PREFIXES, error))?;
            self.held.insert(*prefix);
        }
        // Who is held by no new prefix gets the new answer before the old prefixes go.
        self.write_elsewhere(settings, elsewhere, self.in_force.generation)?;
        let stale: Vec<Prefix> = self.held.iter().copied().filter(|prefix| !by_prefix.contains_key(prefix)).collect();
        for prefix in stale {
            self.prefixes.remove(&key(prefix)).map_err(|error| Error::map(PREFIXES, error))?;
            self.held.remove(&prefix);
        }
        self.write_elsewhere(settings, elsewhere, numbers.generation)
    }

    fn write_elsewhere(
        &mut self,
        settings: &mut Array<MapData, u64>,
        rule: Rule,
        generation: u32,
    ) -> Result<(), Error> {
        let dated = DatedRule { generation, rule };
        settings.set(SETTING_RULES, dated.to_word(), 0).map_err(|error| Error::map(SETTINGS, error))?;
        self.in_force = dated;
        Ok(())
    }
}

/// The numbers that the limits of a generation get.
struct Numbers {
    generation: u32,
    rules: HashMap<Limit, Rule>,
}

impl Numbers {
    fn of(generation: u32, rules: &Rules) -> Result<Self, Error> {
        let rulings = rules.by_prefix().map(|(_, ruling)| ruling).chain([rules.elsewhere()]);
        let mut numbered = HashMap::new();
        for ruling in rulings {
            let Ruling::Limited(limit) = ruling else { continue };
            let next = numbered.len() as u32;
            numbered.entry(limit).or_insert_with(|| Rule::limited(generation, next));
        }
        if numbered.len() > LIMITS_PER_GENERATION as usize {
            return Err(Error::TooManyLimits { limits: numbered.len(), most: LIMITS_PER_GENERATION as usize });
        }
        Ok(Self { generation, rules: numbered })
    }

    fn rule(&self, ruling: Ruling) -> Rule {
        match ruling {
            Ruling::Refused => Rule::REFUSED,
            Ruling::Limited(limit) => self.rules.get(&limit).copied().unwrap_or(Rule::limited(self.generation, 0)),
        }
    }
}

fn key(prefix: Prefix) -> Key<ExporterKey> {
    Key::new(u32::from(prefix.bits()), prefix.first())
}
