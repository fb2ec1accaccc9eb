//! Counts since a flow began, as what is new since its last report: see [`crate::totals`].

use std::sync::PoisonError;

use crate::columns::{FlowColumns, flags};
use crate::counts::Counts;
use crate::header::Header;
use crate::plan::{Clock, Slot, Totalled};
use crate::record::DataSet;
use crate::skew::ClockSkew;
use crate::totals::{FlowKey, FlowReport, Meaning, News, Reported};

/// Firewall events: the end of a flow, and counts while it lives.
const DELETED: u8 = 2;
const UPDATED: u8 = 5;
/// Flow end reason "active timeout": the flow goes on.
const ACTIVE_TIMEOUT: u8 = 2;

/// Keeps what records say about when flows began and ended, before anything is made of it.
pub(super) fn keep_times(totalled: &Totalled, rows: std::ops::Range<usize>, out: &mut FlowColumns) {
    let FlowColumns { start_ms, end_ms, scratch, .. } = out;
    scratch.told_times.clear();
    let (starts, ends) = (start_ms.cells(rows.clone()), end_ms.cells(rows));
    let start = |start: &i64| if totalled.start.is_some() { *start } else { 0 };
    scratch.told_times.extend(starts.iter().map(start).zip(ends.iter().copied()));
}

/// Puts what is new in the place of totals, in the rows from `first_row` on.
pub(super) fn complete(
    set: &DataSet<'_>,
    totalled: &Totalled,
    first_row: usize,
    records: usize,
    out: &mut FlowColumns,
    counts: &mut Counts,
) {
    for column in [&mut out.bytes, &mut out.packets] {
        column.lengthen(first_row.saturating_add(records));
    }
    let mut totals = set.totals.map(|totals| totals.lock().unwrap_or_else(PoisonError::into_inner));
    for record in 0..records {
        let row = first_row.saturating_add(record);
        let rows = Rows { totalled, header: set.header, out, record, row };
        let Some(report) = rows.report() else { continue };
        let news = match &mut totals {
            Some(totals) => totals.take(&report),
            None if report.meaning == Meaning::Update => continue,
            // Nobody remembers anything.
            None => News { counts: report.told.counts, is_known: false },
        };
        put(totalled, record, row, news.counts, out);
        if !news.is_known {
            counts.totals_unknown = counts.totals_unknown.wrapping_add(1);
            if let Some(flags) = out.flags.get_mut(row) {
                *flags |= flags::TOTAL;
            }
        }
    }
}

/// Where the other direction's counts are.
const REVERSE: [Slot; 2] = [Slot::ReverseBytes, Slot::ReversePackets];

fn put(totalled: &Totalled, record: usize, row: usize, news: [u64; 4], out: &mut FlowColumns) {
    let FlowColumns { bytes, packets, scratch, .. } = out;
    let forward = [bytes.get_mut(row), packets.get_mut(row)];
    let [reverse_bytes, reverse_packets] = REVERSE;
    let cells = forward.into_iter().zip(totalled.bits).zip(news);
    for ((cell, bits), new) in cells {
        if let Some(cell) = cell.filter(|_| bits > 0) {
            *cell = new;
        }
    }
    for (slot, at) in [(reverse_bytes, 2), (reverse_packets, 3)] {
        let is_total = totalled.bits.get(at).is_some_and(|bits| *bits > 0);
        if let (Some(cell), Some(new), true) = (scratch.slot(slot).get_mut(record), news.get(at), is_total) {
            *cell = *new;
        }
    }
}

/// One record and its row.
struct Rows<'a> {
    totalled: &'a Totalled,
    header: &'a Header,
    out: &'a FlowColumns,
    record: usize,
    row: usize,
}

impl Rows<'_> {
    /// What it reports; `None` if its counts are what they seem.
    fn report(&self) -> Option<FlowReport> {
        let out = self.out;
        let event = self.of(&out.firewall_event);
        let meaning = match (self.totalled.is_by_event, event) {
            (false, _) => Meaning::Total,
            (true, DELETED) => Meaning::Final,
            (true, UPDATED) => Meaning::Update,
            (true, _) => return None,
        };
        let end_reason = self.of(&out.flow_end_reason);
        let (told_start, told_end) = out.scratch.told_times.get(self.record).copied().unwrap_or_default();
        let start = self.start(told_start);
        let flow_id = self.slot(Slot::FlowId);
        let count = |at: usize, count: u64| if self.totalled.bits.get(at) == Some(&0) { 0 } else { count };
        let counts = [
            count(0, self.of(&out.bytes)),
            count(1, self.of(&out.packets)),
            count(2, self.slot(Slot::ReverseBytes)),
            count(3, self.slot(Slot::ReversePackets)),
        ];
        let at_ms = if told_end > 0 { told_end } else { self.header.export_ms };
        Some(FlowReport {
            key: self.key(flow_id, start).into(),
            told: Reported {
                counts,
                at_ms,
                sequence: self.header.sequence,
                start: if flow_id == 0 { 0 } else { start },
                is_partial: false,
            },
            bits: self.totalled.bits,
            meaning,
            is_end: event == DELETED || end_reason > 0 && end_reason != ACTIVE_TIMEOUT,
            began_ms: (start != 0).then(|| self.began_ms(told_start)),
            received_ms: self.header.received_ms,
        })
    }

    fn key(&self, flow_id: u64, start: i64) -> FlowKey {
        let out = self.out;
        let key = FlowKey {
            version: self.header.version,
            agent: self.of(&out.agent),
            domain: self.header.domain,
            element: self.totalled.element,
            flow_id,
            source: self.of(&out.src_addr),
            destination: self.of(&out.dst_addr),
            ports: (self.of(&out.src_port), self.of(&out.dst_port)),
            protocol: self.of(&out.protocol),
            ..FlowKey::default()
        };
        if flow_id != 0 {
            return key;
        }
        FlowKey {
            start,
            icmp: (self.of(&out.icmp_type), self.of(&out.icmp_code)),
            in_if: self.of(&out.in_if),
            vrf: self.of(&out.ingress_vrf),
            vlan: self.of(&out.src_vlan),
            direction: self.of(&out.direction),
            ..key
        }
    }

    /// When the flow began, in a form that is the same in all of its reports; 0 if there is none.
    fn start(&self, told_ms: i64) -> i64 {
        let header = self.header;
        match self.totalled.start {
            None => 0,
            // What is made of an uptime moves by the header's rounding; the uptime itself does not.
            Some(Clock::Uptime) => {
                let ago_ms = header.export_ms.saturating_sub(told_ms) as u32;
                i64::from(header.uptime_ms.unwrap_or(0).wrapping_sub(ago_ms)).saturating_add(1)
            }
            Some(Clock::SinceInit) => self.slot(Slot::First).cast_signed().saturating_add(1),
            Some(Clock::BeforeExport) => 0,
            Some(Clock::Absolute | Clock::Seconds | Clock::Milliseconds | Clock::Microseconds | Clock::Nanoseconds) => {
                told_ms
            }
        }
    }

    /// When the flow began by the collector's clock: the exporter's may be another.
    fn began_ms(&self, told_ms: i64) -> i64 {
        let began_ms = self.of(&self.out.start_ms);
        if told_ms == 0 || matches!(self.header.skew, ClockSkew::Steady(_)) {
            return began_ms;
        }
        self.header.received_ms.saturating_sub(self.header.export_ms.saturating_sub(told_ms))
    }

    fn of<T: Copy + Default>(&self, column: &[T]) -> T {
        column.get(self.row).copied().unwrap_or_default()
    }

    /// A number of the record; 0 if it does not tell.
    fn slot(&self, slot: Slot) -> u64 {
        self.out.scratch.values(slot).get(self.record).copied().unwrap_or(0)
    }
}
