//! Executes a plan: the records of a data set into columns, one field after the other. A column may be shorter than the
//! table, as long as no field has written it, or longer, with empty cells for rows to come: see [`cells`].

use std::ops::Range;

use crate::announce::rate_of_probability;
use crate::arrays::Column;
use crate::clock::Now;
use crate::columns::{Address, FlowColumns, is_unspecified};
use crate::counts::Counts;
use crate::derive;
use crate::flat::Flat;
use crate::frame::{Frame, Layer};
use crate::leaf::mac;
use crate::options::{NAME_LIMIT, Options};
use crate::plan::{Addr, Clock, Name, Number, Op, Slot, Target};
use crate::record::DataSet;
use crate::source::{Fixed, Source};
use crate::straight;
use crate::tables::Tables;
use crate::template::{Template, VARIABLE};
use crate::text::Text;
use crate::walk::Taken;
use crate::wire::unsigned;

/// Appends the flow records of a data set, and what they tell of address translation.
pub(crate) fn fill(set: &DataSet<'_>, options: Option<&Options>, out: &mut Tables, counts: &mut Counts) -> Taken {
    let first_row = out.flows.len();
    let now = Now { export_ms: set.header.export_ms, uptime_ms: set.header.uptime_ms.unwrap_or(0) };
    out.flows.scratch.clear();
    let filled = match set.template.record_length() {
        Some(0) => Taken { records: 0, is_truncated: false },
        Some(record_length) => match straight::records(set.header.version, set.bytes) {
            Some(records) => {
                straight::fill(records, &(first_row..first_row.saturating_add(records.len())), now, &mut out.flows);
                Taken { records: records.len(), is_truncated: false }
            }
            None => fill_by_plan(set.template, set.bytes, record_length, now, out),
        },
        None => fill_moving(set, now, out),
    };
    if filled.records > 0 {
        derive::complete(set, options, first_row, filled.records, out, counts);
    }
    filled
}

/// The records of a template without variable-length fields.
pub(crate) fn fill_by_plan(
    template: &Template,
    bytes: &[u8],
    record_length: usize,
    now: Now,
    out: &mut Tables,
) -> Taken {
    let source = Fixed::new(bytes, record_length);
    execute(template, &source, &source, now, out);
    Taken { records: source.records(), is_truncated: false }
}

fn fill_moving(set: &DataSet<'_>, now: Now, out: &mut Tables) -> Taken {
    let mut packed = std::mem::take(&mut out.flows.scratch.packed);
    let is_truncated = packed.take(set.template, set.bytes);
    let source = packed.source(set.template, set.bytes);
    execute(set.template, &source, &source.fixed, now, out);
    let records = source.records();
    out.flows.scratch.packed = packed;
    Taken { records, is_truncated }
}

/// Runs the plan of a template. `fixed` are the fields of fixed length of the same records.
fn execute(template: &Template, source: &impl Source, fixed: &Fixed<'_>, now: Now, out: &mut Tables) {
    let plan = template.plan();
    let first_row = out.flows.len();
    let rows = first_row..first_row.saturating_add(source.records());
    for (op, leaf) in plan.ops.iter().zip(template.leaves()) {
        match leaf {
            Some(leaf) => leaf.run(op, fixed, now, rows.clone(), &mut out.flows),
            None => run(op, source, now, first_row, out),
        }
    }
    if !plan.labels.is_empty() {
        let stacks = &mut out.flows.mpls_labels;
        stacks.lengthen(first_row);
        for record in fixed.iter() {
            stacks.push(plan.labels.iter().map(|label| label_at(record, label.offset)));
        }
    }
}

/// The label stack entry without its TTL at `offset`.
fn label_at(bytes: &[u8], offset: usize) -> u32 {
    let range = offset..offset.saturating_add(3);
    bytes.get(range).and_then(unsigned).unwrap_or(0) as u32
}

/// Writes one field of all records into its column, or where the column's cells are empty, from `first_row` on.
fn run(op: &Op, source: &impl Source, now: Now, first_row: usize, tables: &mut Tables) {
    let out = &mut tables.flows;
    let rows = first_row..first_row.saturating_add(source.records());
    match op.target {
        Target::Addr(column) => addresses(op, source, written(op, address_column(column, out), rows)),
        Target::Number(column) => number(column, op, source, rows, out),
        Target::Dscp => turned(op, source, written(op, &mut out.tos, rows), |value| (value << 2) as u8),
        Target::IcmpTypeOfPair => turned(op, source, written(op, &mut out.icmp_type, rows), |value| (value >> 8) as u8),
        Target::IcmpCodeOfPair => turned(op, source, written(op, &mut out.icmp_code, rows), |value| value as u8),
        Target::Direction => turned(op, source, written(op, &mut out.direction, rows), direction),
        Target::ForwardingStatus => {
            let width = op.width;
            turned(op, source, written(op, &mut out.forwarding_status, rows), |value| forwarding_status(value, width));
        }
        Target::SamplingProbability => {
            let rates = source.values(op).map(|value| rate_of_probability(value).unwrap_or(0));
            out.sampling_rate.cells(rows).iter_mut().zip(rates).for_each(|(cell, rate)| *cell = rate);
        }
        Target::Start(Clock::SinceInit) => slot(op, source, out.scratch.slot(Slot::First), |value| value),
        Target::End(Clock::SinceInit) => slot(op, source, out.scratch.slot(Slot::Last), |value| value),
        Target::Start(clock) => time(op, source, written(op, &mut out.start_ms, rows), clock, now),
        Target::End(clock) => time(op, source, written(op, &mut out.end_ms, rows), clock, now),
        Target::ReverseStart(clock) => time_slot(op, source, out.scratch.slot(Slot::ReverseStart), clock, now),
        Target::ReverseEnd(clock) => time_slot(op, source, out.scratch.slot(Slot::ReverseEnd), clock, now),
        Target::EventTime(clock) => time_slot(op, source, out.scratch.slot(Slot::EventTime), clock, now),
        Target::Slot(column) => slot(op, source, out.scratch.slot(column), |value| value),
        Target::DurationMicroseconds => slot(op, source, out.scratch.slot(Slot::Duration), |value| value / 1000),
        Target::Name(column) => names(op, source, first_row, name_column(column, out)),
        Target::PoolName => {
            let keys = source.tails(op).map(|tail| tables.nat_events.pool_name.key_of_bytes(tail, NAME_LIMIT));
            out.scratch.slot(Slot::PoolName).extend(keys.map(u64::from));
        }
        Target::Section(layer) => sections(op, source, layer, &mut out.scratch.frames),
    }
}

fn name_column(column: Name, out: &mut FlowColumns) -> &mut Text {
    match column {
        Name::Application => &mut out.application_name,
        Name::User => &mut out.user_name,
        Name::InIf => &mut out.in_if_name,
        Name::OutIf => &mut out.out_if_name,
        Name::IngressVrf => &mut out.ingress_vrf_name,
        Name::EgressVrf => &mut out.egress_vrf_name,
    }
}

fn names(op: &Op, source: &impl Source, first_row: usize, column: &mut Text) {
    if !op.is_fill {
        column.lengthen(first_row);
        source.tails(op).for_each(|tail| {
            let key = column.key_of_bytes(tail, NAME_LIMIT);
            column.push(key);
        });
        return;
    }
    for (row, tail) in source.tails(op).enumerate() {
        let key = column.key_of_bytes(tail, NAME_LIMIT);
        if let Some(cell) = column.keys_mut().get_mut(first_row.saturating_add(row)).filter(|cell| **cell == 0) {
            *cell = key;
        }
    }
}

/// A template has one section that counts: elements of one class are the same one.
fn sections(op: &Op, source: &impl Source, layer: Layer, frames: &mut Vec<Frame>) {
    if !op.is_fill {
        frames.extend(source.values(op).map(|bytes| Frame::read(layer, bytes)));
    }
}

fn number(column: Number, op: &Op, source: &impl Source, rows: Range<usize>, out: &mut FlowColumns) {
    match column {
        Number::SrcPort => plain(op, source, rows, &mut out.src_port),
        Number::DstPort => plain(op, source, rows, &mut out.dst_port),
        Number::Protocol => plain(op, source, rows, &mut out.protocol),
        Number::Tos => plain(op, source, rows, &mut out.tos),
        Number::TcpFlags => plain(op, source, rows, &mut out.tcp_flags),
        Number::IcmpType => plain(op, source, rows, &mut out.icmp_type),
        Number::IcmpCode => plain(op, source, rows, &mut out.icmp_code),
        Number::InIf => plain(op, source, rows, &mut out.in_if),
        Number::OutIf => plain(op, source, rows, &mut out.out_if),
        Number::SrcAs => plain(op, source, rows, &mut out.src_as),
        Number::DstAs => plain(op, source, rows, &mut out.dst_as),
        Number::SrcPrefixLen => plain(op, source, rows, &mut out.src_prefix_len),
        Number::DstPrefixLen => plain(op, source, rows, &mut out.dst_prefix_len),
        Number::SrcVlan => plain(op, source, rows, &mut out.src_vlan),
        Number::DstVlan => plain(op, source, rows, &mut out.dst_vlan),
        Number::SrcMac => plain(op, source, rows, &mut out.src_mac),
        Number::DstMac => plain(op, source, rows, &mut out.dst_mac),
        Number::FlowEndReason => plain(op, source, rows, &mut out.flow_end_reason),
        Number::Bytes => plain(op, source, rows, &mut out.bytes),
        Number::Packets => plain(op, source, rows, &mut out.packets),
        Number::SamplingRate => plain(op, source, rows, &mut out.sampling_rate),
        Number::ApplicationId => plain(op, source, rows, &mut out.application_id),
        Number::PostNatSrcPort => plain(op, source, rows, &mut out.post_nat_src_port),
        Number::PostNatDstPort => plain(op, source, rows, &mut out.post_nat_dst_port),
        Number::IngressVrf => plain(op, source, rows, &mut out.ingress_vrf),
        Number::EgressVrf => plain(op, source, rows, &mut out.egress_vrf),
        Number::FirewallEvent => plain(op, source, rows, &mut out.firewall_event),
        Number::FirewallExtEvent => plain(op, source, rows, &mut out.firewall_ext_event),
    }
}

fn address_column(column: Addr, out: &mut FlowColumns) -> &mut Flat<Address> {
    match column {
        Addr::Src => &mut out.src_addr,
        Addr::Dst => &mut out.dst_addr,
        Addr::NextHop => &mut out.next_hop,
        Addr::BgpNextHop => &mut out.bgp_next_hop,
        Addr::PostNatSrc => &mut out.post_nat_src_addr,
        Addr::PostNatDst => &mut out.post_nat_dst_addr,
        Addr::Agent => &mut out.agent,
    }
}

/// The integer types of columns: the low bytes of the number on the wire.
trait Cell: Copy + Default + PartialEq {
    fn low(value: u64) -> Self;
}

macro_rules! cell {
    ($($type:ty)*) => {
        $(impl Cell for $type {
            #[inline]
            fn low(value: u64) -> Self {
                value as $type
            }
        })*
    };
}

cell!(u8 u16 u32 u64);

fn plain<T: Cell>(op: &Op, source: &impl Source, rows: Range<usize>, column: &mut Flat<T>) {
    turned(op, source, written(op, column, rows), T::low);
}

/// The cells that an op writes: all of them, or those that are empty.
fn written<'a, T: Copy + Default>(op: &Op, column: &'a mut Flat<T>, rows: Range<usize>) -> &'a mut [T] {
    if op.is_fill { column.cells(rows) } else { column.over(rows) }
}

/// One loop for each width that exporters use; the rest is read byte by byte.
fn turned<T: Copy + Default + PartialEq>(op: &Op, source: &impl Source, cells: &mut [T], turn: impl Fn(u64) -> T) {
    if op.is_fill {
        for (cell, value) in cells.iter_mut().zip(source.values(op)).filter(|(cell, _)| **cell == T::default()) {
            *cell = turn(unsigned(value).unwrap_or(0));
        }
        return;
    }
    match op.width {
        1 => source.write(op.offset, cells, |[byte]| turn(u64::from(byte))),
        2 => source.write(op.offset, cells, |bytes| turn(u64::from(u16::from_be_bytes(bytes)))),
        4 => source.write(op.offset, cells, |bytes| turn(u64::from(u32::from_be_bytes(bytes)))),
        6 => source.write(op.offset, cells, |bytes| turn(mac(bytes))),
        8 => source.write(op.offset, cells, |bytes| turn(u64::from_be_bytes(bytes))),
        _ => {
            for (cell, value) in cells.iter_mut().zip(source.values(op)) {
                *cell = turn(unsigned(value).unwrap_or(0));
            }
        }
    }
}

/// Slots are as long as there are records so far, and no longer.
fn slot(op: &Op, source: &impl Source, column: &mut Vec<u64>, turn: impl Fn(u64) -> u64) {
    if !op.is_fill {
        column.resize(column.len().saturating_add(source.records()), 0);
    }
    // The cells of the group at hand are the last ones.
    let first = column.len().saturating_sub(source.records());
    turned(op, source, column.get_mut(first..).unwrap_or(&mut []), turn);
}

/// A time into a slot; an uptime that says nothing yet, as it stands.
fn time_slot(op: &Op, source: &impl Source, column: &mut Vec<u64>, clock: Clock, now: Now) {
    slot(
        op,
        source,
        column,
        |value| if clock == Clock::SinceInit { value } else { now.read(clock, value).cast_unsigned() },
    );
}

/// The clock is chosen outside the loops.
fn time(op: &Op, source: &impl Source, cells: &mut [i64], clock: Clock, now: Now) {
    match clock {
        Clock::Uptime => turned(op, source, cells, |value| now.read(Clock::Uptime, value)),
        Clock::Milliseconds => turned(op, source, cells, |value| now.read(Clock::Milliseconds, value)),
        Clock::Seconds
        | Clock::Microseconds
        | Clock::Nanoseconds
        | Clock::BeforeExport
        | Clock::Absolute
        | Clock::SinceInit => turned(op, source, cells, |value| now.read(clock, value)),
    }
}

fn addresses(op: &Op, source: &impl Source, cells: &mut [Address]) {
    if op.is_fill {
        for (cell, value) in cells.iter_mut().zip(source.values(op)) {
            let other = address(value);
            if is_unspecified(*cell) && !is_unspecified(other) {
                *cell = other;
            }
        }
        return;
    }
    match op.width {
        4 => source.write(op.offset, cells, mapped),
        16 => source.write(op.offset, cells, |bytes: Address| bytes),
        _ => cells.iter_mut().zip(source.values(op)).for_each(|(cell, value)| *cell = address(value)),
    }
}

/// An IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2).
#[inline]
pub(crate) fn mapped([a, b, c, d]: [u8; 4]) -> Address {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

fn address(value: &[u8]) -> Address {
    if let Ok(four) = <[u8; 4]>::try_from(value) {
        return mapped(four);
    }
    <[u8; 16]>::try_from(value).unwrap_or_default()
}

pub(crate) fn direction(value: u64) -> u8 {
    match value {
        0 => 1,
        1 => 2,
        _ => 0,
    }
}

/// The status byte (RFC 7270 section 4.12). A longer field holds it as a number, in its last byte; some exporters put it
/// first and fill up with zeros.
fn forwarding_status(value: u64, width: u16) -> u8 {
    let last = value as u8;
    if last != 0 || value == 0 || width == VARIABLE {
        return last;
    }
    let shift = u32::from(width.saturating_sub(1)).saturating_mul(8);
    value.checked_shr(shift).unwrap_or(0) as u8
}
