//! What a flow record says only together with its message, its exporter's options, or its other fields: row by row, after
//! the fields are in their columns.

mod deltas;
mod names;
mod sampling;
mod times;

pub(crate) use times::{exporter_ms, is_by_clock_of};

use std::ops::Range;

use crate::columns::{FlowColumns, flags};
use crate::counts::Counts;
use crate::options::Options;
use crate::plan::{Nat, Slot};
use crate::plausible::Told;
use crate::record::DataSet;
use crate::skew::ClockSkew;
use crate::tables::Tables;
use crate::{kept, plausible, reverse, section, translate};

/// ICMP and ICMPv6.
pub(crate) const ICMP: [u8; 2] = [1, 58];

/// Completes the rows from `first_row` on, `records` of them, which a plan has just filled.
pub(crate) fn complete(
    set: &DataSet<'_>,
    options: Option<&Options>,
    first_row: usize,
    records: usize,
    tables: &mut Tables,
    counts: &mut Counts,
) {
    let rows = first_row.saturating_add(records);
    let plan = set.template.plan();
    let header = set.header;
    let out = &mut tables.flows;
    out.received_ms.fill_to(rows, header.received_ms);
    out.exporter.fill_to(rows, header.exporter);
    out.domain.fill_to(rows, header.domain);
    out.version.fill_to(rows, header.version);
    out.template_id.fill_to(rows, set.template_id.unwrap_or(0));
    let row_flags = if header.skew == ClockSkew::Unsteady { flags::CLOCK_OFF } else { 0 };
    out.flags.fill_to(rows, row_flags);
    if let Some(totalled) = &plan.totalled {
        deltas::keep_times(totalled, first_row..rows, out);
    }
    times::complete(plan, set, options, first_row..rows, out);
    counts.times_clamped = counts.times_clamped.wrapping_add(times::clamp(header, first_row..rows, out));
    sampling::complete(set, options, first_row..rows, out, counts);
    if plan.is_icmp_in_port {
        icmp(first_row..rows, out);
    }
    if out.raw.keep {
        kept::append(set, first_row, out);
    }
    // Columns that no field has written are longer at the end only, except where rows are looked at as a whole.
    let is_special = plan.has_section || plan.is_biflow() || plan.nat != Nat::Silent;
    if plan.is_biflow() {
        out.resize(rows);
    } else if is_special || plan.has_slot(Slot::LaterTcpFlags) {
        out.lengthen(rows);
    }
    if plan.has_section {
        section::complete(plan, first_row, out);
    }
    if plan.has_slot(Slot::LaterTcpFlags) {
        later_flags(first_row, out);
    }
    if let Some(options) = options {
        names::complete(options, first_row, rows, out);
    }
    if plan.is_by_initiator && plan.has_slot(Slot::BiflowDirection) {
        reverse::turn(plan, first_row, out);
    }
    if let Some(totalled) = &plan.totalled {
        deltas::complete(set, totalled, first_row, records, out, counts);
    }
    let is_kept = translate::append(plan, header, first_row, records, tables, counts);
    if is_kept && plan.is_biflow() {
        let end = tables.flows.len();
        reverse::append(plan, first_row, &mut tables.flows, counts);
        let rows = end..tables.flows.len();
        counts.times_clamped = counts.times_clamped.wrapping_add(times::clamp(header, rows, &mut tables.flows));
    }
    if plan.has_bytes || plan.has_packets || plan.has_section {
        let Tables { flows, limits, .. } = tables;
        let implausible = plausible::judge(Told::by(plan), limits, first_row..flows.len(), flows);
        counts.implausible = counts.implausible.wrapping_add(implausible);
    }
}

/// By Cisco's custom, which others follow, an ICMP flow without an ICMP element has type * 256 + code as its destination
/// port.
fn icmp(rows: Range<usize>, out: &mut FlowColumns) {
    let (protocols, ports) = (out.protocol.cells(rows.clone()), out.dst_port.cells(rows.clone()));
    let is_icmp = |protocol: u8| protocol == ICMP[0] || protocol == ICMP[1];
    if !protocols.iter().fold(false, |any, protocol| any | is_icmp(*protocol)) {
        return;
    }
    let (kinds, codes) = (out.icmp_type.cells(rows.clone()), out.icmp_code.cells(rows));
    for ((kind, code), (protocol, port)) in kinds.iter_mut().zip(codes).zip(protocols.iter().zip(ports)) {
        if is_icmp(*protocol) {
            [*kind, *code] = port.to_be_bytes();
        }
    }
}

/// YAF tells the flags of a flow's first packet and those of the others apart.
fn later_flags(first_row: usize, out: &mut FlowColumns) {
    let later = out.scratch.values(Slot::LaterTcpFlags);
    for (flags, later) in out.tcp_flags.iter_mut().skip(first_row).zip(later) {
        *flags |= *later as u16;
    }
}
