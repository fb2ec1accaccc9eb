//! Sampling rates in force, from the rows of blocks: the decoder has settled there which of all sources counts.
//!
//! An exporter may sample its interfaces at different rates. Rows that all have one rate speak for the domain; where they
//! differ, each input interface is followed by itself.

use netflow::FlowColumns;
use netflow::columns::SamplingSource;

/// Domains and interfaces that are followed; of others a change is not seen.
const PLACES_MAX: usize = 256;
/// Changes from one rate to another that are remembered so that each is logged once.
const LOGGED_MAX: usize = 64;

/// A rate and where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampled {
    /// One packet in this many was looked at.
    pub rate: u64,
    /// A [`SamplingSource`] by its number.
    pub source: u8,
}

impl Sampled {
    /// Where the rate came from, in a word.
    #[must_use]
    pub(super) fn source_label(self) -> &'static str {
        match self.source {
            source if source == SamplingSource::Record as u8 => "record",
            source if source == SamplingSource::Option as u8 => "option",
            source if source == SamplingSource::Header as u8 => "header",
            source if source == SamplingSource::Configuration as u8 => "configuration",
            _ => "none",
        }
    }
}

/// The rates of one exporter.
#[derive(Debug, Clone, Default)]
pub(super) struct Rates {
    /// By domain and input interface; no interface stands for the whole domain.
    places: Vec<((u32, Option<u32>), Sampled)>,
    logged: Vec<(u64, u64)>,
    pub(super) changes: u64,
}

/// A change that was not logged before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changed {
    pub(super) domain: u32,
    pub(super) before: Sampled,
    pub(super) now: Sampled,
}

impl Rates {
    /// Takes the rows `start..end` of one domain; the changes that are news.
    pub(super) fn take(&mut self, domain: u32, flows: &FlowColumns, start: usize, end: usize) -> Vec<Changed> {
        let (Some(rates), Some(sources), Some(interfaces)) =
            (flows.sampling_rate.get(start..end), flows.sampling_source.get(start..end), flows.in_if.get(start..end))
        else {
            return Vec::new();
        };
        let mut news = Vec::new();
        let Some((first_rate, first_source)) = rates.first().zip(sources.first()) else { return news };
        let is_uniform = rates.iter().all(|rate| rate == first_rate) && sources.iter().all(|one| one == first_source);
        if is_uniform {
            let now = Sampled { rate: *first_rate, source: *first_source };
            news.extend(self.set(domain, None, now));
            return news;
        }
        let mut last = None;
        for ((rate, source), interface) in rates.iter().zip(sources).zip(interfaces) {
            let now = Sampled { rate: *rate, source: *source };
            if last.replace((*interface, now)) != Some((*interface, now)) {
                news.extend(self.set(domain, Some(*interface), now));
            }
        }
        news
    }

    fn set(&mut self, domain: u32, interface: Option<u32>, now: Sampled) -> Option<Changed> {
        let place = (domain, interface);
        let Some((_, in_force)) = self.places.iter_mut().find(|(key, _)| *key == place) else {
            if self.places.len() < PLACES_MAX {
                self.places.push((place, now));
            }
            return None;
        };
        let before = std::mem::replace(in_force, now);
        if before.rate == now.rate {
            return None;
        }
        self.changes += 1;
        let is_logged = self.logged.contains(&(before.rate, now.rate));
        if is_logged || self.logged.len() >= LOGGED_MAX {
            return None;
        }
        self.logged.push((before.rate, now.rate));
        Some(Changed { domain, before, now })
    }

    /// The rates in force, each once.
    pub(super) fn in_force(&self) -> Vec<Sampled> {
        let mut all: Vec<Sampled> = self.places.iter().map(|(_, sampled)| *sampled).collect();
        all.sort_unstable_by_key(|sampled| (sampled.source, sampled.rate));
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flows(rows: &[(u32, u64)]) -> FlowColumns {
        let mut flows = FlowColumns::default();
        flows.resize(rows.len());
        for (row, (interface, rate)) in rows.iter().enumerate() {
            flows.in_if[row] = *interface;
            flows.sampling_rate[row] = *rate;
            flows.sampling_source[row] = SamplingSource::Option as u8;
        }
        flows
    }

    #[test]
    fn a_change_is_counted_each_time_and_told_once() {
        let mut rates = Rates::default();
        for (rows, told, changes) in [
            (&[(1, 100), (2, 100)][..], 0, 0),
            (&[(1, 100)], 0, 0),
            (&[(1, 200)], 1, 1),
            (&[(1, 100)], 1, 2),
            (&[(1, 200), (2, 200)], 0, 3),
            (&[(1, 10), (2, 20), (1, 10), (2, 20)], 0, 3),
            (&[(1, 10), (2, 30)], 1, 4),
        ] {
            let flows = flows(rows);
            let news = rates.take(5, &flows, 0, rows.len());
            assert_eq!((news.len(), rates.changes), (told, changes), "{rows:?}");
        }
        let in_force: Vec<u64> = rates.in_force().iter().map(|sampled| sampled.rate).collect();
        assert_eq!(in_force, [10, 30, 200]);
        assert_eq!(rates.in_force()[0].source_label(), "option");
    }
}
