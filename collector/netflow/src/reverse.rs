//! Rows for the other direction of records that tell of both (RFC 5103; Cisco's NSEL): the forward row with its ends
//! changed over, and the counters, flags and times of its own.

use crate::columns::{FlowColumns, flags};
use crate::counts::Counts;
use crate::derive::ICMP;
use crate::flat::Flat;
use crate::plan::{Clock, Plan, Slot};
use crate::text::Text;

/// biflowDirection (239): the flow's source is not its initiator (RFC 5103 section 6.3).
const REVERSE_INITIATOR: u64 = 2;

/// Octets and packets of initiator and responder (231, 232, 298, 299) belong to the other direction than usual where the
/// initiator is the flow's destination. RFC 5103's own elements always count from source to destination and back.
pub(crate) fn turn(plan: &Plan, first_row: usize, out: &mut FlowColumns) {
    let turned = |directions: &[u64], row: usize| directions.get(row) == Some(&REVERSE_INITIATOR);
    let directions = std::mem::take(out.scratch.slot(Slot::BiflowDirection));
    let halves = [(Slot::ReverseBytes, &mut out.bytes), (Slot::ReversePackets, &mut out.packets)];
    for (slot, forward) in halves.into_iter().filter(|(slot, _)| plan.has_slot(*slot)) {
        let pairs = forward.iter_mut().skip(first_row).zip(out.scratch.slot(slot));
        for (_, (forward, reverse)) in pairs.enumerate().filter(|(row, _)| turned(&directions, *row)) {
            std::mem::swap(forward, reverse);
        }
    }
    *out.scratch.slot(Slot::BiflowDirection) = directions;
}

/// Appends a row for each record whose other direction has octets or packets.
pub(crate) fn append(plan: &Plan, first_row: usize, out: &mut FlowColumns, counts: &mut Counts) {
    let mut rows = std::mem::take(&mut out.scratch.rows);
    let end = out.len();
    let is_told = |slot: Slot, record: usize| out.scratch.values(slot).get(record).is_some_and(|count| *count > 0);
    rows.extend((first_row..end).filter(|row| {
        let record = row.saturating_sub(first_row);
        is_told(Slot::ReverseBytes, record) || is_told(Slot::ReversePackets, record)
    }));
    if !rows.is_empty() {
        change_over(&rows, out);
        if plan.is_icmp_in_port {
            icmp_ports(end, out);
        }
        tell(plan, first_row, end, &rows, out);
        counts.reverse_rows = counts.reverse_rows.wrapping_add(u64::try_from(rows.len()).unwrap_or(u64::MAX));
    }
    out.scratch.rows = rows;
}

/// Appends copies of rows, source for destination and in for out.
fn change_over(rows: &[usize], out: &mut FlowColumns) {
    let end = out.len();
    for column in [&mut out.received_ms, &mut out.start_ms, &mut out.end_ms] {
        copy(column, rows);
    }
    copy(&mut out.exporter, rows);
    if !out.agent.is_unwritten() {
        copy(&mut out.agent, rows);
    }
    if !out.clock_skew.is_unwritten() {
        copy(&mut out.clock_skew, rows);
    }
    copy(&mut out.domain, rows);
    copy(&mut out.template_id, rows);
    for column in [
        &mut out.version,
        &mut out.protocol,
        &mut out.tos,
        &mut out.forwarding_status,
        &mut out.flow_end_reason,
        &mut out.sampling_source,
        &mut out.firewall_event,
        &mut out.icmp_type,
        &mut out.icmp_code,
        &mut out.direction,
        &mut out.flags,
    ] {
        copy(column, rows);
    }
    copy(&mut out.firewall_ext_event, rows);
    copy(&mut out.sampling_rate, rows);
    copy(&mut out.application_id, rows);
    cross(&mut out.src_addr, &mut out.dst_addr, rows);
    cross(&mut out.post_nat_src_addr, &mut out.post_nat_dst_addr, rows);
    cross(&mut out.src_port, &mut out.dst_port, rows);
    cross(&mut out.post_nat_src_port, &mut out.post_nat_dst_port, rows);
    cross(&mut out.in_if, &mut out.out_if, rows);
    cross(&mut out.src_as, &mut out.dst_as, rows);
    cross(&mut out.src_prefix_len, &mut out.dst_prefix_len, rows);
    cross(&mut out.src_vlan, &mut out.dst_vlan, rows);
    cross(&mut out.src_mac, &mut out.dst_mac, rows);
    cross(&mut out.ingress_vrf, &mut out.egress_vrf, rows);
    copy_names(&mut out.application_name, rows);
    copy_names(&mut out.user_name, rows);
    cross_names(&mut out.in_if_name, &mut out.out_if_name, rows);
    cross_names(&mut out.ingress_vrf_name, &mut out.egress_vrf_name, rows);
    // Octets, packets and flags are told or zero; next hops and labels are those of the forward direction alone.
    out.resize(end.saturating_add(rows.len()));
    for flags in out.flags.iter_mut().skip(end) {
        *flags |= flags::REVERSE;
    }
    for direction in out.direction.iter_mut().skip(end) {
        // What came in by an interface is answered by what goes out there.
        *direction = match *direction {
            1 => 2,
            2 => 1,
            unknown => unknown,
        };
    }
    for (kind, protocol) in out.icmp_type.iter_mut().zip(&out.protocol).skip(end) {
        // An echo request is answered by an echo reply.
        *kind = match (*protocol, *kind) {
            (1, 8) => 0,
            (1, 0) => 8,
            (58, 128) => 129,
            (58, 129) => 128,
            (_, other) => other,
        };
    }
}

/// The ports of ICMP are none: type * 256 + code is in the destination port of either direction.
fn icmp_ports(end: usize, out: &mut FlowColumns) {
    let kinds = out.protocol.iter().zip(out.icmp_type.iter().zip(&out.icmp_code));
    let ports = out.src_port.iter_mut().zip(&mut out.dst_port);
    for ((source, destination), (protocol, (kind, code))) in ports.zip(kinds).skip(end) {
        if ICMP.contains(protocol) {
            *source = *destination;
            *destination = u16::from_be_bytes([*kind, *code]);
        }
    }
}

/// What the records say of the other direction itself. The rows from `end` on are its.
fn tell(plan: &Plan, first_row: usize, end: usize, rows: &[usize], out: &mut FlowColumns) {
    let of = |slot: Slot| {
        let values = out.scratch.values(slot);
        rows.iter().map(move |row| values.get(row.saturating_sub(first_row)).copied())
    };
    put(&mut out.bytes, end, of(Slot::ReverseBytes), |value| value);
    put(&mut out.packets, end, of(Slot::ReversePackets), |value| value);
    put(&mut out.tcp_flags, end, of(Slot::ReverseTcpFlags), |value| value as u16);
    put(&mut out.tos, end, of(Slot::ReverseTos), |value| value as u8);
    put(&mut out.src_vlan, end, of(Slot::ReverseVlan), |value| value as u16);
    put(&mut out.flow_end_reason, end, of(Slot::ReverseEndReason), |value| value as u8);
    for (flags, later) in out.tcp_flags.iter_mut().skip(end).zip(of(Slot::ReverseLaterTcpFlags)) {
        *flags |= later.unwrap_or(0) as u16;
    }
    for (start, delay) in out.start_ms.iter_mut().skip(end).zip(of(Slot::ReverseDelay)) {
        *start = start.saturating_add(delay.unwrap_or(0).min(u64::from(u32::MAX)).cast_signed());
    }
    // Uptimes of IPFIX are told from those of the forward direction, whose times are known by now.
    let times = [
        (&mut out.start_ms, Slot::ReverseStart, plan.reverse_start, Slot::First, flags::START_CLAMPED),
        (&mut out.end_ms, Slot::ReverseEnd, plan.reverse_end, Slot::Last, flags::END_CLAMPED),
    ];
    for (column, slot, clock, forward, was_clamped) in times {
        let cells = column.iter_mut().zip(&mut out.flags).zip(&out.clock_skew).skip(end);
        for ((((time, flags), skew), told), forward) in cells.zip(of(slot)).zip(of(forward)) {
            match (clock, told, forward) {
                (Some(Clock::SinceInit), Some(told), Some(forward)) => {
                    let later_ms = (told as u32).wrapping_sub(forward as u32).cast_signed();
                    *time = time.saturating_add(i64::from(later_ms));
                }
                (Some(Clock::SinceInit), ..) | (_, None | Some(0), _) => {}
                (_, Some(told), _) => {
                    *time = told.cast_signed().saturating_sub(skew.saturating_mul(1000));
                    // The forward direction's time was not believed; this one is another.
                    *flags &= !was_clamped;
                }
            }
        }
    }
    // An end of the forward direction is none before a start of this one.
    let spans = out.start_ms.iter().zip(&mut out.end_ms).skip(end).zip(of(Slot::ReverseEnd));
    for ((start, end), _) in spans.filter(|(_, told)| told.is_none_or(|told| told == 0)) {
        *end = (*end).max(*start);
    }
}

fn put<T>(column: &mut [T], first_row: usize, values: impl Iterator<Item = Option<u64>>, turn: impl Fn(u64) -> T) {
    for (cell, value) in column.iter_mut().skip(first_row).zip(values) {
        if let Some(value) = value {
            *cell = turn(value);
        }
    }
}

fn copy<T: Copy + Default>(column: &mut Flat<T>, rows: &[usize]) {
    for row in rows {
        column.push(column.get(*row).copied().unwrap_or_default());
    }
}

fn cross<T: Copy + Default>(one: &mut Flat<T>, other: &mut Flat<T>, rows: &[usize]) {
    for row in rows {
        let (left, right) = (one.get(*row).copied(), other.get(*row).copied());
        one.push(right.unwrap_or_default());
        other.push(left.unwrap_or_default());
    }
}

fn copy_names(column: &mut Text, rows: &[usize]) {
    for row in rows {
        column.push(column.keys().get(*row).copied().unwrap_or(0));
    }
}

/// Two columns have a dictionary each.
fn cross_names(one: &mut Text, other: &mut Text, rows: &[usize]) {
    for row in rows {
        let of_other = one.key(other.get(*row));
        let of_one = other.key(one.get(*row));
        one.push(of_other);
        other.push(of_one);
    }
}
