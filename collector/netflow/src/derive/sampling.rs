//! A flow's sampling rate, and where it came from.

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
    first_row: usize,
    rows: usize,
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
        out.sampling_rate.resize(rows, of_all.0);
        out.sampling_source.resize(rows, of_all.1 as u8);
        return;
    }
    out.sampling_rate.resize(rows, 0);
    out.sampling_source.resize(rows, SamplingSource::Record as u8);
    out.in_if.resize(rows, 0);
    out.out_if.resize(rows, 0);
    out.direction.resize(rows, 0);
    parts(plan, first_row, out);
    if plan.tells_zero() {
        let zeros = out.sampling_rate.iter().skip(first_row).filter(|rate| **rate == 0).count();
        counts.rates_zero = counts.rates_zero.wrapping_add(u64::try_from(zeros).unwrap_or(u64::MAX));
    }
    let optional = |slot| out.scratch.values(slot).iter().copied().map(Some).chain(std::iter::repeat(None));
    let samplers = optional(Slot::Sampler).zip(optional(Slot::SelectionSequence));
    let metered = out.in_if.iter().zip(&out.out_if).zip(&out.direction);
    let metered = metered.map(|((in_if, out_if), direction)| (*in_if, *out_if, *direction));
    let rows = out.sampling_rate.iter_mut().zip(&mut out.sampling_source).zip(metered).skip(first_row).zip(samplers);
    let mut memo = None;
    for (((rate, source), metered), sampler) in rows.filter(|(((rate, _), _), _)| **rate == 0) {
        // Flows of one set mostly share sampler and interfaces with the flow before.
        let found = match memo {
            Some((key, found)) if key == (sampler, metered) => found,
            _ => by_scope.and_then(|rates| {
                let (sampler, sequence) = sampler;
                let by_sampler = sampler.and_then(|sampler| rates.get(&SamplingScope::Sampler(sampler)));
                let by_sequence = || rates.get(&SamplingScope::SelectionSequence(sequence?));
                by_sampler.or_else(by_sequence).or_else(|| by_interface(rates, metered))
            }),
        };
        memo = Some(((sampler, metered), found));
        let (found, found_source) = found.map_or(of_all, |rate| (rate, SamplingSource::Option));
        *rate = found;
        *source = found_source as u8;
    }
}

/// The rate announced for the interface where a flow was metered: (input interface, output interface, direction column).
fn by_interface(rates: &SamplingRates, (in_if, out_if, direction): (u32, u32, u8)) -> Option<u64> {
    let ingress = || rates.get(&SamplingScope::Interface(in_if));
    let egress = || rates.get(&SamplingScope::EgressInterface(out_if));
    match direction {
        INGRESS => ingress(),
        EGRESS => egress().or_else(|| rates.get(&SamplingScope::Interface(out_if))),
        _ => ingress().or_else(egress),
    }
}

/// Rates told in two numbers: so many sampled and so many skipped, or so many of a population.
fn parts(plan: &Plan, first_row: usize, out: &mut FlowColumns) {
    let tell = |is_told: bool, part: Slot, rest: Slot, rate: fn(u64, u64) -> u64, out: &mut FlowColumns| {
        if !is_told {
            return;
        }
        let numbers = out.scratch.values(part).iter().zip(out.scratch.values(rest));
        for (cell, (part, rest)) in out.sampling_rate.iter_mut().skip(first_row).zip(numbers) {
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
