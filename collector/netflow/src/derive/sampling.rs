//! A flow's sampling rate, and where it came from.

use std::ops::Range;

use crate::columns::{FlowColumns, SamplingSource};
use crate::counts::Counts;
use crate::options::{Options, SamplingRates, SamplingScope, rate_of_intervals, rate_of_sizes};
use crate::plan::{Plan, Slot};
use crate::record::DataSet;

/// A flow metered as it came in, in the direction column.
const INGRESS: u8 = 1;
/// A flow metered as it went out, in the direction column.
const EGRESS: u8 = 2;

/// The rate: from the record, else from the options for its sampler, its sequence of selectors, its interface, its domain or, where the record names
/// no sampler, all samplers alike; else from the header.
pub(super) fn complete(
    set: &DataSet<'_>,
    options: Option<&Options>,
    rows: Range<usize>,
    out: &mut FlowColumns,
    counts: &mut Counts,
) {
    let plan = set.template.plan();
    let rates = options.map(|options| &options.sampling).filter(|rates| !rates.is_empty());
    let by_domain = rates.and_then(|rates| rates.get(&SamplingScope::Domain));
    let names_sampler = plan.has_slot(Slot::Sampler) || plan.has_slot(Slot::SelectionSequence);
    let by_any_sampler = rates.filter(|_| !names_sampler).and_then(|rates| rates.of_every_sampler());
    // NetFlow v5: the upper two bits are the mode; an interval of 0 says nothing.
    let by_header = set.header.sampling.map(|sampling| u64::from(sampling & 0x3fff)).filter(|rate| *rate > 0);
    let of_all = match (by_domain.or(by_any_sampler), by_header) {
        (Some(rate), _) => (rate, SamplingSource::Option),
        (None, Some(rate)) => (rate, SamplingSource::Header),
        (None, None) => (1, SamplingSource::None),
    };
    let is_told = plan.tells_sampling();
    let by_scope = rates.filter(|rates| by_domain.is_none() || rates.len() > 1);
    if !is_told && by_scope.is_none() {
        out.sampling_rate.over(rows.clone()).fill(of_all.0);
        out.sampling_source.over(rows).fill(of_all.1 as u8);
        return;
    }
    out.sampling_source.over(rows.clone()).fill(SamplingSource::Record as u8);
    let is_zero = |rates: &[u64]| rates.iter().fold(false, |any, rate| any | (*rate == 0));
    // Where the record says its rate, it nearly always does.
    if !is_zero(out.sampling_rate.cells(rows.clone())) {
        return;
    }
    parts(plan, rows.clone(), out);
    let FlowColumns { sampling_rate, sampling_source, in_if, out_if, direction, scratch, .. } = out;
    let (rates_told, sources) = (sampling_rate.cells(rows.clone()), sampling_source.cells(rows.clone()));
    if plan.tells_zero() {
        let zeros = rates_told.iter().filter(|rate| **rate == 0).count();
        counts.rates_zero = counts.rates_zero.wrapping_add(u64::try_from(zeros).unwrap_or(u64::MAX));
    }
    let rows_without = rates_told.iter_mut().zip(sources).enumerate().filter(|(_, (rate, _))| **rate == 0);
    let Some(by_scope) = by_scope else {
        return rows_without.for_each(|(_, (rate, source))| (*rate, *source) = (of_all.0, of_all.1 as u8));
    };
    let (samplers, sequences) = (scratch.values(Slot::Sampler), scratch.values(Slot::SelectionSequence));
    let (ins, outs) = (in_if.cells(rows.clone()), out_if.cells(rows.clone()));
    let directions = direction.cells(rows);
    let of = |record: usize, column: &[u32]| column.get(record).copied().unwrap_or(0);
    // Flows of one set mostly share their sampler, and often their interfaces, with the flow before.
    let (mut by_sampler, mut by_metered) = (None, None);
    for (record, (rate, source)) in rows_without {
        let selectors = (samplers.get(record).copied(), sequences.get(record).copied());
        let of_selectors = remembered(&mut by_sampler, selectors, |selectors| rates_of(by_scope, selectors));
        let metered = (of(record, ins), of(record, outs), directions.get(record).copied().unwrap_or(0));
        let found = of_selectors.or_else(|| remembered(&mut by_metered, metered, |it| by_interface(by_scope, it)));
        let (found, found_source) = found.map_or(of_all, |rate| (rate, SamplingSource::Option));
        *rate = found;
        *source = found_source as u8;
    }
}

/// What was found for the same key before, or what is found now.
fn remembered<K: Copy + PartialEq>(
    memo: &mut Option<(K, Option<u64>)>,
    key: K,
    find: impl Fn(K) -> Option<u64>,
) -> Option<u64> {
    match memo {
        Some((known, found)) if *known == key => *found,
        _ => {
            let found = find(key);
            *memo = Some((key, found));
            found
        }
    }
}

/// The rate announced for a sampler or a sequence of selectors.
fn rates_of(rates: &SamplingRates, (sampler, sequence): (Option<u64>, Option<u64>)) -> Option<u64> {
    let by_sampler = sampler.and_then(|sampler| rates.get(&SamplingScope::Sampler(sampler)));
    by_sampler.or_else(|| rates.get(&SamplingScope::SelectionSequence(sequence?)))
}

/// The rate announced for the interface where a flow was metered: (input interface, output interface, direction column).
fn by_interface(rates: &SamplingRates, (in_if, out_if, direction): (u32, u32, u8)) -> Option<u64> {
    if !rates.has_interfaces() {
        return None;
    }
    let ingress = || rates.get(&SamplingScope::Interface(in_if));
    let egress = || rates.get(&SamplingScope::EgressInterface(out_if));
    match direction {
        INGRESS => ingress(),
        EGRESS => egress().or_else(|| rates.get(&SamplingScope::Interface(out_if))),
        _ => ingress().or_else(egress),
    }
}

/// Rates told in two numbers: so many sampled and so many skipped, or so many of a population.
fn parts(plan: &Plan, rows: Range<usize>, out: &mut FlowColumns) {
    let tell = |is_told: bool, part: Slot, rest: Slot, rate: fn(u64, u64) -> u64, out: &mut FlowColumns| {
        if !is_told {
            return;
        }
        let numbers = out.scratch.values(part).iter().zip(out.scratch.values(rest));
        for (cell, (part, rest)) in out.sampling_rate.cells(rows.clone()).iter_mut().zip(numbers) {
            if *cell == 0 {
                *cell = rate(*part, *rest);
            }
        }
    };
    let has_intervals = plan.has_slot(Slot::Interval) && plan.has_slot(Slot::Space);
    tell(has_intervals, Slot::Interval, Slot::Space, rate_of_intervals, out);
    let has_sizes = plan.has_slot(Slot::Size) && plan.has_slot(Slot::Population);
    tell(has_sizes, Slot::Size, Slot::Population, rate_of_sizes, out);
}
