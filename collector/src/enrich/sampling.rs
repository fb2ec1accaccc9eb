//! Sampling rates from the configuration: by exporter's prefix, and there by interface, for exporters that do not announce theirs
//! or announce it wrongly.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};
use netflow::FlowColumns;
use netflow::columns::{Address, SamplingSource};

use super::names::Prefix;
use crate::prefix::PrefixMap;

/// The value of the column `direction` for flows that were metered on their way out.
const EGRESS: u8 = 2;

/// What an operator says about the sampling of an exporter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sampling {
    /// One packet in this many is looked at, on interfaces that have no rate of their own.
    pub rate: Option<NonZeroU64>,
    /// The same for an interface, by ifIndex.
    pub interfaces: HashMap<u32, NonZeroU64>,
    /// Whether this stands above what the exporter says.
    pub overrides: bool,
}

impl Sampling {
    /// The rate of an interface.
    fn of(&self, if_index: u32) -> Option<NonZeroU64> {
        self.interfaces.get(&if_index).copied().or(self.rate)
    }
}

/// The configured sampling of all exporters; made once, never changed. The longest prefix that holds the device's own address or
/// that which its datagrams come from wins, also for interfaces it does not name; of two as long, the device's.
#[derive(Debug, Clone, Default)]
pub struct SamplingRates(PrefixMap<Sampling>);

impl SamplingRates {
    /// Takes the rates over; the later of two for the same prefix holds.
    #[must_use]
    pub fn new(rates: impl IntoIterator<Item = (Prefix, Sampling)>) -> Self {
        Self(rates.into_iter().collect())
    }

    /// Sets rate and source of the flow records from row `from` on, where there is a rate for them.
    pub(super) fn apply(&self, flows: &mut FlowColumns, from: usize) {
        if self.0.is_empty() {
            return;
        }
        let mut run: Option<([Address; 2], Option<&Sampling>)> = None;
        for row in from..flows.len() {
            // An exporter's records come some dozens at a time.
            let [exporter, agent] = [flows.exporter[row], flows.agents()[row]];
            let sampling = match run {
                Some((known, sampling)) if known == [exporter, agent] => sampling,
                _ => run.insert(([exporter, agent], self.0.get_of_either(&agent, &exporter))).1,
            };
            let Some(sampling) = sampling else { continue };
            if !sampling.overrides && flows.sampling_source[row] != SamplingSource::None as u8 {
                continue;
            }
            let if_index = if flows.direction[row] == EGRESS { flows.out_if[row] } else { flows.in_if[row] };
            let Some(rate) = sampling.of(if_index) else { continue };
            flows.sampling_rate[row] = rate.get();
            flows.sampling_source[row] = SamplingSource::Configuration as u8;
        }
    }
}

/// The rates in force, shared: cloning gives another handle to the same ones.
#[derive(Debug, Clone, Default)]
pub struct PublishedRates(Arc<ArcSwap<SamplingRates>>);

/// One thread's view of the rates in force.
pub(super) type CurrentRates = Cache<Arc<ArcSwap<SamplingRates>>, Arc<SamplingRates>>;

impl PublishedRates {
    /// Puts the first rates in force.
    #[must_use]
    pub fn new(rates: SamplingRates) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(rates)))
    }

    /// Puts other rates in force, for the rows that are enriched from now on.
    pub fn replace(&self, rates: SamplingRates) {
        self.0.store(Arc::new(rates));
    }

    pub(super) fn current(&self) -> CurrentRates {
        Cache::new(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: u8 = SamplingSource::None as u8;
    const OPTION: u8 = SamplingSource::Option as u8;
    const CONFIGURATION: u8 = SamplingSource::Configuration as u8;

    /// An entry as (prefix, rate or 0, rates by ifIndex, whether they override).
    type Entry = (&'static str, u64, &'static [(u32, u64)], bool);

    fn rates(rates: &[Entry]) -> SamplingRates {
        SamplingRates::new(rates.iter().map(|(prefix, rate, interfaces, overrides)| {
            let interfaces = interfaces.iter().map(|(index, rate)| (*index, NonZeroU64::new(*rate).unwrap()));
            let sampling =
                Sampling { rate: NonZeroU64::new(*rate), interfaces: interfaces.collect(), overrides: *overrides };
            (prefix.parse().unwrap(), sampling)
        }))
    }

    /// One flow record as (exporter, direction, in_if, out_if, rate, source).
    type Row = (&'static str, u8, u32, u32, u64, u8);

    fn applied(rates: &SamplingRates, rows: &[Row], from: usize) -> Vec<(u64, u8)> {
        let mut flows = FlowColumns::default();
        flows.resize(rows.len());
        for (row, (exporter, direction, in_if, out_if, rate, source)) in rows.iter().enumerate() {
            flows.exporter[row] = exporter.parse::<std::net::Ipv4Addr>().unwrap().to_ipv6_mapped().octets();
            (flows.direction[row], flows.in_if[row], flows.out_if[row]) = (*direction, *in_if, *out_if);
            (flows.sampling_rate[row], flows.sampling_source[row]) = (*rate, *source);
        }
        rates.apply(&mut flows, from);
        flows.sampling_rate.iter().copied().zip(flows.sampling_source.iter().copied()).collect()
    }

    #[test]
    fn who_gets_which_rate() {
        let rates = rates(&[
            ("10.0.0.0/8", 1000, &[(3, 30), (4, 40)], false),
            ("10.1.0.0/16", 0, &[(3, 5)], true),
            ("10.2.0.1", 2, &[], true),
        ]);
        let cases: [(Row, (u64, u8)); 11] = [
            (("10.0.0.1", 0, 1, 2, 1, NONE), (1000, CONFIGURATION)),
            (("10.0.0.1", 0, 3, 4, 1, NONE), (30, CONFIGURATION)),
            (("10.0.0.1", 1, 3, 4, 1, NONE), (30, CONFIGURATION)),
            (("10.0.0.1", 2, 3, 4, 1, NONE), (40, CONFIGURATION)),
            (("10.0.0.1", 0, 3, 4, 77, OPTION), (77, OPTION)),
            (("10.1.0.1", 0, 3, 4, 77, OPTION), (5, CONFIGURATION)),
            (("10.1.0.1", 0, 9, 4, 77, OPTION), (77, OPTION)),
            (("10.1.0.1", 0, 9, 4, 1, NONE), (1, NONE)),
            (("10.2.0.1", 0, 3, 4, 77, OPTION), (2, CONFIGURATION)),
            (("10.2.0.2", 0, 9, 4, 1, NONE), (1000, CONFIGURATION)),
            (("192.0.2.1", 0, 3, 4, 1, NONE), (1, NONE)),
        ];
        for (row, expected) in cases {
            assert_eq!(applied(&rates, &[row], 0), [expected], "{row:?}");
        }
        let (rows, expected): (Vec<Row>, Vec<(u64, u8)>) = cases.into_iter().unzip();
        assert_eq!(applied(&rates, &rows, 0), expected);
    }

    #[test]
    fn rows_before_the_new_ones_stay_as_they_are() {
        let rates = rates(&[("10.0.0.0/8", 9, &[], true)]);
        let row: Row = ("10.0.0.1", 0, 0, 0, 1, NONE);
        assert_eq!(applied(&rates, &[row, row], 1), [(1, NONE), (9, CONFIGURATION)]);
        assert_eq!(applied(&SamplingRates::default(), &[row], 0), [(1, NONE)]);
    }
}
