//! What a flow record says only together with its message, its exporter's options, or its other fields: row by row, after
//! the fields are in their columns.

use crate::clock::Now;
use crate::columns::{FlowColumns, SamplingSource};
use crate::options::{Options, SamplingRates, SamplingScope, rate_of_intervals, rate_of_sizes};
use crate::plan::{Clock, Plan, Slot};
use crate::record::DataSet;

/// ICMP and ICMPv6.
const ICMP: [u8; 2] = [1, 58];
/// A flow metered as it came in, in the direction column.
const INGRESS: u8 = 1;
/// A flow metered as it went out, in the direction column.
const EGRESS: u8 = 2;
/// A flow record cannot last longer than its exporter's 32-bit uptime can tell apart from the future.
const LONGEST_MS: u32 = 1 << 31;

/// Completes the rows from `first_row` on, `records` of them, which a plan has just filled.
pub(crate) fn complete(
    set: &DataSet<'_>,
    options: Option<&Options>,
    first_row: usize,
    records: usize,
    out: &mut FlowColumns,
) {
    let rows = first_row.saturating_add(records);
    let plan = set.template.plan();
    let header = set.header;
    out.received_ms.resize(rows, header.received_ms);
    out.exporter.resize(rows, header.exporter);
    out.domain.resize(rows, header.domain);
    out.version.resize(rows, header.version);
    out.template_id.resize(rows, set.template_id.unwrap_or(0));
    times(plan, set, options, first_row, rows, out);
    sampling(set, options, first_row, rows, out);
    if plan.is_icmp_in_port {
        icmp(first_row, out);
    }
    // At last: a column that no field wrote is made as long as the others, and stays zero.
    out.resize(rows);
    if let Some(options) = options.filter(|options| plan.has_application_id && !options.applications.is_empty()) {
        applications(options, first_row, out);
    }
}

/// Start and end; the receive time where the exporter does not tell.
fn times(
    plan: &Plan,
    set: &DataSet<'_>,
    options: Option<&Options>,
    first_row: usize,
    rows: usize,
    out: &mut FlowColumns,
) {
    since_init(plan, set, options, first_row, rows, out);
    let is_exact = |clock| matches!(clock, Some(Clock::Uptime | Clock::BeforeExport));
    if is_exact(plan.start) && is_exact(plan.end) {
        return;
    }
    // 0 stands for a time that was not told.
    out.start_ms.resize(rows, 0);
    out.end_ms.resize(rows, 0);
    let received_ms = set.header.received_ms;
    let durations = out.scratch.values(Slot::Duration).iter().map(|duration| Some(duration.cast_signed()));
    let durations = durations.chain(std::iter::repeat(None));
    let cells = out.start_ms.iter_mut().zip(&mut out.end_ms).skip(first_row);
    for ((start, end), duration) in cells.zip(durations) {
        match (*start, *end, duration) {
            (0, 0, duration) => {
                *end = received_ms;
                *start = received_ms.saturating_sub(duration.unwrap_or(0));
            }
            (0, _, duration) => *start = end.saturating_sub(duration.unwrap_or(0)),
            (_, 0, Some(duration)) => *end = start.saturating_add(duration),
            (_, 0, None) => *end = received_ms,
            _ => {}
        }
    }
}

/// flowStartSysUpTime and flowEndSysUpTime of IPFIX, whose header has no uptime: they count from
/// systemInitTimeMilliseconds, in the record or in the exporter's options. Where that is unknown too, the flow is taken to
/// have ended when it was received.
fn since_init(
    plan: &Plan,
    set: &DataSet<'_>,
    options: Option<&Options>,
    first_row: usize,
    rows: usize,
    out: &mut FlowColumns,
) {
    let announced_ms = options.and_then(|options| options.system_init_ms);
    let export_ms = set.header.export_ms;
    let in_records = out.scratch.values(Slot::SystemInit).iter().map(|init| Some(init.cast_signed()));
    let inits = || in_records.clone().chain(std::iter::repeat(announced_ms));
    // An uptime wraps: of the times it may mean, the one near the export. An export before the start is a broken header.
    let now = |init_ms: i64| {
        let export_ms = export_ms.max(init_ms);
        Now { export_ms, uptime_ms: export_ms.saturating_sub(init_ms) as u32 }
    };
    let read = |(value, init_ms): (&u64, Option<i64>)| init_ms.map_or(0, |init_ms| now(init_ms).uptime(*value as u32));
    if plan.start == Some(Clock::SinceInit) {
        out.start_ms.extend(out.scratch.values(Slot::First).iter().zip(inits()).map(read));
    }
    if plan.end == Some(Clock::SinceInit) {
        out.end_ms.extend(out.scratch.values(Slot::Last).iter().zip(inits()).map(read));
    }
    if plan.start != Some(Clock::SinceInit) || plan.end != Some(Clock::SinceInit) {
        return;
    }
    let received_ms = set.header.received_ms;
    let uptimes = out.scratch.values(Slot::First).iter().zip(out.scratch.values(Slot::Last));
    let cells = out.start_ms.iter_mut().zip(&mut out.end_ms).take(rows).skip(first_row);
    for ((start, end), (first, last)) in cells.zip(uptimes).filter(|((_, end), _)| **end == 0) {
        let duration_ms = (*last as u32).wrapping_sub(*first as u32);
        *end = received_ms;
        *start = received_ms.saturating_sub(if duration_ms < LONGEST_MS { i64::from(duration_ms) } else { 0 });
    }
}

/// By Cisco's custom, which others follow, an ICMP flow without an ICMP element has type * 256 + code as its destination
/// port.
fn icmp(first_row: usize, out: &mut FlowColumns) {
    let (Some(protocols), Some(ports)) = (out.protocol.get(first_row..), out.dst_port.get(first_row..)) else { return };
    let of_port = |(protocol, port): (&u8, &u16)| if ICMP.contains(protocol) { *port } else { 0 };
    out.icmp_type.extend(protocols.iter().zip(ports).map(|flow| of_port(flow).to_be_bytes()[0]));
    out.icmp_code.extend(protocols.iter().zip(ports).map(|flow| of_port(flow).to_be_bytes()[1]));
}

/// The rate: from the record, else from the options for its sampler, its interface, its domain or, where the record names
/// no sampler, all samplers alike; else from the header.
fn sampling(set: &DataSet<'_>, options: Option<&Options>, first_row: usize, rows: usize, out: &mut FlowColumns) {
    let plan = set.template.plan();
    let rates = options.map(|options| &options.sampling).filter(|rates| !rates.is_empty());
    let by_domain = rates.and_then(|rates| rates.get(&SamplingScope::Domain));
    let names_sampler = plan.has_slot(Slot::Sampler);
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
    let samplers = out.scratch.values(Slot::Sampler).iter().copied().map(Some).chain(std::iter::repeat(None));
    let metered = out.in_if.iter().zip(&out.out_if).zip(&out.direction);
    let metered = metered.map(|((in_if, out_if), direction)| (*in_if, *out_if, *direction));
    let rows = out.sampling_rate.iter_mut().zip(&mut out.sampling_source).zip(metered).skip(first_row).zip(samplers);
    let mut memo = None;
    for (((rate, source), metered), sampler) in rows.filter(|(((rate, _), _), _)| **rate == 0) {
        // Flows of one set mostly share sampler and interfaces with the flow before.
        let found = match memo {
            Some((key, found)) if key == (sampler, metered) => found,
            _ => by_scope.and_then(|rates| {
                let by_sampler = sampler.and_then(|sampler| rates.get(&SamplingScope::Sampler(sampler)));
                by_sampler.or_else(|| by_interface(rates, metered))
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

/// Names for application ids that the exporter announced, where the record has none of its own.
fn applications(options: &Options, first_row: usize, out: &mut FlowColumns) {
    // A small direct-mapped memory in front of the two maps: id and key of the name. Id 0 has no name.
    let mut memo = [(0_u64, 0_u32); 16];
    for (row, id) in out.application_id.iter().enumerate().skip(first_row).filter(|(_, id)| **id != 0) {
        if out.application_name.keys().get(row) != Some(&0) {
            continue;
        }
        let Some(known) = memo.get_mut((id % 16) as usize) else { continue };
        if known.0 != *id {
            *known = (*id, options.applications.get(id).map_or(0, |name| out.application_name.key(name)));
        }
        if let Some(key) = out.application_name.keys_mut().get_mut(row) {
            *key = known.1;
        }
    }
}
