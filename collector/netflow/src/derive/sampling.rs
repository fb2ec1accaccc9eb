//! A flow's sampling rate, and where it came from.

use std::ops::Range;

use crate::columns::{FlowColumns, SamplingSource, Scratch};
use crate::counts::Counts;
use crate::options::{Group, Options, Part, SamplingRates, SamplingScope, rate_of_intervals, rate_of_sizes};
use crate::plan::{Plan, Slot};
use crate::record::DataSet;

/// A flow metered as it came in, in the direction column.
const INGRESS: u8 = 1;
/// A flow metered as it went out, in the direction column.
const EGRESS: u8 = 2;

/// The parts of the exporter that records name, the narrowest first.
const PARTS: [(Part, Slot); 5] = [
    (Part::ObservationPoint, Slot::ObservationPoint),
    (Part::Port, Slot::Port),
    (Part::LineCard, Slot::LineCard),
    (Part::MeteringProcess, Slot::MeteringProcess),
    (Part::ExportingProcess, Slot::ExportingProcess),
];

/// The rate: from the record, else from the options for what the record names: its sampler, its sequence of selectors, its
/// interface, its part of the exporter; else for its template or its domain; else the one that all parts of a kind, or all
/// samplers, have alike, where the record does not name its own; else from the header. A rate for something else is none.
pub(super) fn complete(
    set: &DataSet<'_>,
    options: Option<&Options>,
    rows: Range<usize>,
    out: &mut FlowColumns,
    counts: &mut Counts,
) {
    let plan = set.template.plan();
    let rates = options.map(|options| &*options.sampling).filter(|rates| !rates.is_empty());
    let of_all = of_all(set, plan, rates);
    let is_unplaced = rates.is_some() && of_all.1 == SamplingSource::None;
    let is_told = plan.tells_sampling();
    let names_part = PARTS.iter().any(|(_, slot)| plan.has_slot(*slot));
    let by_scope = rates.filter(|rates| {
        let is_domain_alone = rates.len() == 1 && rates.get(&SamplingScope::Domain).is_some();
        !is_domain_alone && (rates.has_interfaces() || names_sampler(plan) || names_part)
    });
    if !is_told && by_scope.is_none() {
        let unplaced = if is_unplaced { rows.len() } else { 0 };
        counts.rates_unplaced = counts.rates_unplaced.wrapping_add(u64::try_from(unplaced).unwrap_or(u64::MAX));
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
    let (ins, outs) = (in_if.cells(rows.clone()), out_if.cells(rows.clone()));
    let directions = direction.cells(rows);
    let of = |record: usize, column: &[u32]| column.get(record).copied().unwrap_or(0);
    // Flows of one set mostly share their sampler, and often their interfaces, with the flow before.
    let (mut by_sampler, mut by_metered, mut by_part) = (None, None, None);
    let mut unplaced = 0_u64;
    for (record, (rate, source)) in rows_without {
        let named = Named::of(scratch, record, names_part);
        let metered = (of(record, ins), of(record, outs), directions.get(record).copied().unwrap_or(0));
        let found = remembered(&mut by_sampler, named, |named| by_selector(by_scope, named))
            .or_else(|| remembered(&mut by_metered, metered, |it| by_interface(by_scope, it)))
            .or_else(|| remembered(&mut by_part, named, |named| by_part_alone(by_scope, named)));
        let (found, found_source) = found.map_or(of_all, |rate| (rate, SamplingSource::Option));
        unplaced = unplaced.wrapping_add(u64::from(found_source == SamplingSource::None));
        *rate = found;
        *source = found_source as u8;
    }
    counts.rates_unplaced = counts.rates_unplaced.wrapping_add(unplaced);
}

fn names_sampler(plan: &Plan) -> bool {
    plan.has_slot(Slot::Sampler) || plan.has_slot(Slot::SelectionSequence)
}

/// The rate of records that name nothing that has another.
fn of_all(set: &DataSet<'_>, plan: &Plan, rates: Option<&SamplingRates>) -> (u64, SamplingSource) {
    let by_template = |rates: &SamplingRates| rates.get(&SamplingScope::Template(set.template_id?));
    let by_any_sampler = |rates: &SamplingRates| rates.of_every_sampler().filter(|_| !names_sampler(plan));
    let by_any_part = |rates: &SamplingRates| {
        let is_named = |part: Part| PARTS.iter().any(|(named, slot)| *named == part && plan.has_slot(*slot));
        // Where those of the narrowest kind differ, what holds for a wider one need not hold for any of them.
        let kind = Part::ALL.into_iter().find(|part| rates.has(Group::Parts(*part)) && !is_named(*part))?;
        rates.of_all(Group::Parts(kind))
    };
    let by_options = rates.and_then(|rates| {
        let by_domain = by_template(rates).or_else(|| rates.get(&SamplingScope::Domain));
        by_domain.or_else(|| by_any_part(rates)).or_else(|| by_any_sampler(rates))
    });
    // NetFlow v5: the upper two bits are the mode; an interval of 0 says nothing.
    let by_header = set.header.sampling.map(|sampling| u64::from(sampling & 0x3fff)).filter(|rate| *rate > 0);
    match (by_options, by_header) {
        (Some(rate), _) => (rate, SamplingSource::Option),
        (None, Some(rate)) => (rate, SamplingSource::Header),
        (None, None) => (1, SamplingSource::None),
    }
}

/// What a record names that may have a rate of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Named {
    sampler: Option<u64>,
    sequence: Option<u64>,
    /// As in [`PARTS`].
    parts: [Option<u64>; 5],
}

impl Named {
    fn of(scratch: &Scratch, record: usize, names_part: bool) -> Self {
        let value = |slot: Slot| scratch.values(slot).get(record).copied();
        let parts = if names_part { PARTS.map(|(_, slot)| value(slot)) } else { [None; 5] };
        Self { sampler: value(Slot::Sampler), sequence: value(Slot::SelectionSequence), parts }
    }

    fn parts(&self) -> impl Iterator<Item = (Part, u64)> {
        PARTS.iter().zip(self.parts).filter_map(|((part, _), id)| Some((*part, id?)))
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

/// The rate announced for a sampler or a sequence of selectors. Where parts of the exporter number their samplers alike, that of the
/// record's part, or of all of them.
fn by_selector(rates: &SamplingRates, named: Named) -> Option<u64> {
    let of_sampler = |sampler: u64| {
        let small = u32::try_from(sampler).ok();
        let of_part =
            |(part, id): (Part, u64)| rates.get(&SamplingScope::SamplerOfPart(part, u32::try_from(id).ok()?, small?));
        let of_all_parts = || rates.of_all(Group::Sampler(small?)).filter(|_| named.parts().next().is_none());
        named.parts().find_map(of_part).or_else(|| rates.get(&SamplingScope::Sampler(sampler))).or_else(of_all_parts)
    };
    let by_sampler = named.sampler.and_then(of_sampler);
    by_sampler.or_else(|| rates.get(&SamplingScope::SelectionSequence(named.sequence?)))
}

/// The rate announced for a part of the exporter, or that all its samplers have alike.
fn by_part_alone(rates: &SamplingRates, named: Named) -> Option<u64> {
    named.parts().find_map(|(part, id)| {
        let of_samplers =
            || rates.of_all(Group::Part(part, u32::try_from(id).ok()?)).filter(|_| named.sampler.is_none());
        rates.get(&SamplingScope::Part(part, id)).or_else(of_samplers)
    })
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
