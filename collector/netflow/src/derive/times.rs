//! Start and end of flows, out of what the exporter told, and what cannot be so.

use std::ops::Range;

use crate::clock::Now;
use crate::columns::{FlowColumns, flags};
use crate::header::Header;
use crate::options::Options;
use crate::plan::{Clock, Plan, Slot};
use crate::record::DataSet;
use crate::skew::ClockSkew;

/// A flow record cannot last longer than its exporter's 32-bit uptime can tell apart from the future.
const LONGEST_UPTIME_MS: u32 = 1 << 31;

/// How far the exporter's clock may be from the collector's, and an end behind the receipt: more is an error.
const DAY_MS: i64 = 86_400_000;
/// A header's clock that is off by less may be that of the records all the same.
const HOUR_MS: u64 = 3_600_000;
/// Exporters that tell the start in milliseconds and the end in whole seconds cut off part of the end, which is given back.
const CUT_OFF_MS: i64 = 999;
/// The longest that a flow may have lasted. Firewalls report connections that were open for months, and active timeouts
/// make everybody else's flows shorter than a week; what is longer has a start of zero, or one that wrapped.
const LONGEST_MS: i64 = 366 * DAY_MS;

/// Moves starts and ends that cannot be, says so in the rows' flags, and counts these rows. An end may be a day after the
/// receipt, or, of a clock that is off and was not corrected, after the export if that is later. A later one is moved to the
/// receipt, and so is one before 1970. A start after the end, or more than [`LONGEST_MS`] before it, is moved to the end.
pub(super) fn clamp(header: &Header, rows: Range<usize>, out: &mut FlowColumns) -> u64 {
    let latest = header.received_ms.max(exporter_ms(header)).saturating_add(DAY_MS).max(0);
    // What is negative is huge without its sign, so that one comparison finds both.
    let is_beyond = |value: i64, limit: i64| value.cast_unsigned() > limit.cast_unsigned();
    let is_wrong = |start: i64, end: i64| is_beyond(end.wrapping_sub(start), LONGEST_MS) | is_beyond(end, latest);
    let (starts, ends) = (out.start_ms.cells(rows.clone()), out.end_ms.cells(rows.clone()));
    // Nearly always there is nothing to do: that is found out without a branch for each row.
    if !starts.iter().zip(&*ends).fold(false, |any, (start, end)| any | is_wrong(*start, *end)) {
        return 0;
    }
    let mut clamped = 0_u64;
    let flags = out.flags.iter_mut().skip(rows.start);
    for ((start, end), flags) in
        starts.iter_mut().zip(ends).zip(flags).filter(|((start, end), _)| is_wrong(**start, **end))
    {
        if !is_beyond(*end, latest) && !is_beyond(start.wrapping_sub(*end), CUT_OFF_MS) {
            *end = *start;
            continue;
        }
        clamped = clamped.saturating_add(1);
        if is_beyond(*end, latest) {
            *end = header.received_ms;
            *flags |= flags::END_CLAMPED;
        }
        if is_wrong(*start, *end) {
            *start = *end;
            *flags |= flags::START_CLAMPED;
        }
    }
    clamped
}

/// Start and end; the receive time where the exporter does not tell. Of an exporter with a wrong clock, a start alone is
/// followed by the time of its export.
pub(super) fn complete(
    plan: &Plan,
    set: &DataSet<'_>,
    options: Option<&Options>,
    rows: Range<usize>,
    out: &mut FlowColumns,
) {
    since_init(plan, set, options, rows.clone(), out);
    if let ClockSkew::Steady(seconds) = set.header.skew {
        correct(plan, set.header, seconds, rows.clone(), out);
    }
    without_init(plan, set, rows.clone(), out);
    let is_exact = |clock| matches!(clock, Some(Clock::Uptime | Clock::BeforeExport));
    if is_exact(plan.start) && is_exact(plan.end) {
        return;
    }
    let (starts, ends) = (out.start_ms.cells(rows.clone()), out.end_ms.cells(rows));
    // 0 stands for a time that was not told.
    let is_untold = |times: &[i64]| times.iter().fold(false, |any, time| any | (*time == 0));
    if !is_untold(starts) && !is_untold(ends) {
        return;
    }
    let received_ms = set.header.received_ms;
    let exporter_ms = exporter_ms(set.header);
    let durations = out.scratch.values(Slot::Duration).iter().map(|duration| Some(duration.cast_signed()));
    let durations = durations.chain(std::iter::repeat(None));
    for ((start, end), duration) in starts.iter_mut().zip(ends).zip(durations) {
        match (*start, *end, duration) {
            (0, 0, duration) => {
                *end = received_ms;
                *start = received_ms.saturating_sub(duration.unwrap_or(0));
            }
            (0, _, duration) => *start = end.saturating_sub(duration.unwrap_or(0)),
            (_, 0, Some(duration)) => *end = start.saturating_add(duration),
            (_, 0, None) => *end = exporter_ms.max(*start),
            _ => {}
        }
    }
}

/// What the receive time is by the clock that times were told by, or would be after they were corrected.
pub(crate) fn exporter_ms(header: &Header) -> i64 {
    match header.skew {
        ClockSkew::Small | ClockSkew::Steady(_) => header.received_ms,
        ClockSkew::Unsteady => header.export_ms,
    }
}

/// Takes a steady clock skew off the times that were told.
fn correct(plan: &Plan, header: &Header, seconds: i64, rows: Range<usize>, out: &mut FlowColumns) {
    let clock = plan.end.or(plan.start);
    out.clock_skew.lengthen(rows.start);
    let (starts, ends) = (out.start_ms.cells(rows.clone()), out.end_ms.cells(rows.clone()));
    let (skews, flags) = (out.clock_skew.cells(rows.clone()), out.flags.cells(rows));
    for ((start, end), (skew, flags)) in starts.iter_mut().zip(ends).zip(skews.iter_mut().zip(flags)) {
        let told = if *end == 0 { *start } else { *end };
        if !is_by_clock_of(header, clock, told) {
            continue;
        }
        for time in [start, end].into_iter().filter(|time| **time != 0) {
            *time = time.saturating_sub(seconds.saturating_mul(1000));
        }
        *skew = seconds;
        *flags |= flags::CLOCK_CORRECTED;
    }
}

/// Whether a time was told by the clock that stamped the header. Where that one is off by an hour or more, a date in the record that
/// is nearer to the receipt than half of it is by another, and a right one: some exporters leave the header's time at zero.
pub(crate) fn is_by_clock_of(header: &Header, clock: Option<Clock>, told_ms: i64) -> bool {
    let skew_ms = header.skew.correction_ms().unsigned_abs();
    let is_date = match clock {
        Some(Clock::Seconds | Clock::Milliseconds | Clock::Microseconds | Clock::Nanoseconds | Clock::Absolute) => true,
        Some(Clock::Uptime | Clock::BeforeExport | Clock::SinceInit) | None => false,
    };
    let is_right = is_date && skew_ms >= HOUR_MS && told_ms.abs_diff(header.received_ms) < skew_ms / 2;
    told_ms != 0 && skew_ms != 0 && !is_right
}

/// flowStartSysUpTime and flowEndSysUpTime of IPFIX, whose header has no uptime: they count from
/// systemInitTimeMilliseconds, in the record or in the exporter's options.
fn since_init(plan: &Plan, set: &DataSet<'_>, options: Option<&Options>, rows: Range<usize>, out: &mut FlowColumns) {
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
        let starts = out.start_ms.cells(rows.clone()).iter_mut();
        starts
            .zip(out.scratch.values(Slot::First).iter().zip(inits()).map(read))
            .for_each(|(cell, start)| *cell = start);
    }
    if plan.end == Some(Clock::SinceInit) {
        let ends = out.end_ms.cells(rows.clone()).iter_mut();
        ends.zip(out.scratch.values(Slot::Last).iter().zip(inits()).map(read)).for_each(|(cell, end)| *cell = end);
    }
}

/// Uptimes of IPFIX where the exporter's start is unknown too: the flow is taken to have ended when it was received.
fn without_init(plan: &Plan, set: &DataSet<'_>, rows: Range<usize>, out: &mut FlowColumns) {
    if plan.start != Some(Clock::SinceInit) || plan.end != Some(Clock::SinceInit) {
        return;
    }
    let received_ms = set.header.received_ms;
    let uptimes = out.scratch.values(Slot::First).iter().zip(out.scratch.values(Slot::Last));
    let cells = out.start_ms.iter_mut().zip(&mut out.end_ms).take(rows.end).skip(rows.start);
    for ((start, end), (first, last)) in cells.zip(uptimes).filter(|((_, end), _)| **end == 0) {
        let duration_ms = (*last as u32).wrapping_sub(*first as u32);
        *end = received_ms;
        *start = received_ms.saturating_sub(if duration_ms < LONGEST_UPTIME_MS { i64::from(duration_ms) } else { 0 });
    }
}
