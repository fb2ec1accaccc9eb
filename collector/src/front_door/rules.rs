//! From the configuration to one answer for each exporter.
//!
//! Allowed prefixes and prefixes with limits of their own are laid over each other once, so that one lookup of the longest
//! prefix answers both questions: here, and in the XDP program.

use collector_ebpf::Limit;
use netflow::columns::Address;

use crate::prefix::{Prefix, PrefixMap};

/// What the operator wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who may send; everybody if empty.
    pub allowed: Vec<Prefix>,
    /// The limit of each exporter that has none of its own.
    pub limit: Option<Limit>,
    /// Limits of the exporters in these prefixes, each exporter for itself; the longest prefix wins.
    pub limits: Vec<(Prefix, Limit)>,
}

/// The answer for an exporter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// It may not send.
    Refused,
    /// It may send within this limit.
    Limited(Limit),
}

/// The rules, ready to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    rulings: PrefixMap<Ruling>,
    elsewhere: Ruling,
}

impl Default for Rules {
    /// Everybody may send without limit.
    fn default() -> Self {
        Self::new(&Settings::default())
    }
}

impl Rules {
    /// Lays the prefixes over each other.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let allowed: PrefixMap<()> = settings.allowed.iter().map(|prefix| (*prefix, ())).collect();
        let limits: PrefixMap<Limit> = settings.limits.iter().copied().collect();
        let everywhere = settings.limit.unwrap_or(Limit::NONE);
        let prefixes = allowed.iter().map(|(prefix, ())| prefix).chain(limits.iter().map(|(prefix, _)| prefix));
        // An address that this prefix is the longest to hold is held by exactly those others that cover the prefix.
        let rulings = prefixes.map(|prefix| {
            let is_allowed = allowed.is_empty() || allowed.covering(prefix).is_some();
            let limit = limits.covering(prefix).copied().unwrap_or(everywhere);
            (prefix, if is_allowed { Ruling::Limited(limit) } else { Ruling::Refused })
        });
        let elsewhere = if allowed.is_empty() { Ruling::Limited(everywhere) } else { Ruling::Refused };
        Self { rulings: rulings.collect(), elsewhere }
    }

    /// The answer for an exporter.
    #[must_use]
    pub fn of(&self, exporter: &Address) -> Ruling {
        self.rulings.get(exporter).copied().unwrap_or(self.elsewhere)
    }

    /// The answers by prefix; the longest prefix that holds an exporter wins.
    pub fn by_prefix(&self) -> impl Iterator<Item = (Prefix, Ruling)> {
        self.rulings.iter().map(|(prefix, ruling)| (prefix, *ruling))
    }

    /// The answer for whom no prefix holds.
    #[must_use]
    pub fn elsewhere(&self) -> Ruling {
        self.elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn prefixes_and_limits_are_laid_over_each_other() {
        use Ruling::{Limited, Refused};
        let (few, more, none) = (Limit::new(1, 1), Limit::new(100, 10), Limit::NONE);
        let open: &[&str] = &[];
        let closed: &[&str] = &["10.0.0.0/8", "2001:db8::/32", "10.1.0.0/16"];
        // Allowed, the limit of all, limits by prefix, exporter, answer.
        type Row<'r> = (&'r [&'r str], Option<Limit>, &'r [(&'r str, Limit)], &'r str, Ruling);
        let rows: [Row<'_>; 13] = [
            (open, None, &[], "10.0.0.1", Limited(none)),
            (open, Some(few), &[], "10.0.0.1", Limited(few)),
            (open, Some(few), &[("10.0.0.1", more)], "10.0.0.1", Limited(more)),
            (open, Some(few), &[("10.0.0.1", more)], "10.0.0.2", Limited(few)),
            (open, Some(few), &[("10.0.0.0/24", none)], "10.0.0.2", Limited(none)),
            (closed, None, &[], "10.0.0.1", Limited(none)),
            (closed, None, &[], "11.0.0.1", Refused),
            (closed, None, &[], "2001:db8::9", Limited(none)),
            (closed, None, &[], "2001:db9::9", Refused),
            (closed, Some(few), &[("10.1.2.0/24", more)], "10.1.2.3", Limited(more)),
            (closed, Some(few), &[("10.0.0.0/7", more)], "10.1.2.3", Limited(more)),
            (closed, Some(few), &[("10.0.0.0/7", more)], "11.1.2.3", Refused),
            (&["::/0"], None, &[], "192.0.2.1", Limited(none)),
        ];
        for (allowed, limit, limits, exporter, expected) in rows {
            let settings = Settings {
                allowed: allowed.iter().map(|text| prefix(text)).collect(),
                limit,
                limits: limits.iter().map(|(text, limit)| (prefix(text), *limit)).collect(),
            };
            assert_eq!(Rules::new(&settings).of(&prefix(exporter).first()), expected, "{settings:?} {exporter}");
        }
    }
}
