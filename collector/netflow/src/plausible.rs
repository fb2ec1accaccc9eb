//! Counts that cannot be: more octets than so many packets can hold, or fewer than their headers take, packets without number, or more
//! than any link carries while the flow lived. Records that were read with another exporter's template look like that.
//!
//! The counts are judged as the exporter counted, before the sampling rate is applied.

use std::ops::Range;

use crate::columns::FlowColumns;
use crate::columns::flags::{END_CLAMPED, IMPLAUSIBLE, START_CLAMPED};
use crate::flat::Flat;
use crate::plan::{Plan, Slot};

/// Header of an IPv4 packet, which every packet has at least.
const SMALLEST_PACKET: u64 = 20;
/// Flows tell their times in whole seconds, or by clocks that tick slowly: so much longer than it says a flow may have lived.
const LEEWAY_MS: u64 = 1000;
/// The life of a flow that does not tell how long it lived.
const DAY_MS: u64 = 86_400_000;

/// Beyond what counts are implausible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Octets of the largest packet, link headers included.
    pub packet_bytes: u64,
    /// Octets that the fastest link carries in a millisecond.
    pub link_bytes_per_ms: u64,
}

impl Default for Limits {
    /// An IPv6 packet of 65,535 octets behind its header, and a link header; 800 Gbit/s.
    fn default() -> Self {
        Self { packet_bytes: 65_600, link_bytes_per_ms: 100_000_000 }
    }
}

/// What there is to be judged by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// Octets and packets.
    has_both: bool,
    /// Octets are those of whole packets, not of what transport protocols carry.
    has_headers: bool,
    /// When the flow began and ended.
    has_life: bool,
}

impl Told {
    /// By records of a template.
    pub(crate) fn by(plan: &Plan) -> Self {
        if plan.has_section {
            return Self::PACKETS;
        }
        let has_time = plan.start.is_some() || plan.end.is_some();
        let has_life = plan.start.is_some() && plan.end.is_some() || has_time && plan.has_slot(Slot::Duration);
        let has_both = plan.has_bytes && plan.has_packets;
        Self { has_both, has_headers: !plan.is_by_initiator, has_life }
    }

    /// By samples of packets.
    pub(crate) const PACKETS: Self = Self { has_both: true, has_headers: false, has_life: false };
}

/// Flags the rows whose counts cannot be; how many. Nearly always none is: that is found out without a branch for each row.
pub(crate) fn judge(told: Told, limits: &Limits, rows: Range<usize>, out: &mut FlowColumns) -> u64 {
    let FlowColumns { bytes, packets, start_ms, end_ms, flags, .. } = out;
    // Columns that nothing has written may be shorter.
    let of_rows = |column: &'_ Flat<u64>| rows.start.min(column.len())..rows.end.min(column.len());
    let (bytes, packets) = (bytes.get(of_rows(bytes)).unwrap_or(&[]), packets.get(of_rows(packets)).unwrap_or(&[]));
    if !is_suspicious(told, limits, bytes, packets) {
        return 0;
    }
    let of = |column: &[u64], record: usize| column.get(record).copied().unwrap_or(0);
    let (starts, ends) = (start_ms.cells(rows.clone()), end_ms.cells(rows.clone()));
    let times = starts.iter().zip(ends.iter()).map(|(start, end)| end.saturating_sub(*start).max(0).unsigned_abs());
    let mut implausible = 0_u64;
    for (record, (lived_ms, row_flags)) in times.zip(flags.cells(rows)).enumerate() {
        let was_moved = *row_flags & (START_CLAMPED | END_CLAMPED) != 0;
        let lived_ms = if told.has_life && !was_moved { lived_ms } else { lived_ms.max(DAY_MS) };
        if !is_plausible(told, limits, of(bytes, record), of(packets, record), lived_ms) {
            *row_flags |= IMPLAUSIBLE;
            implausible = implausible.saturating_add(1);
        }
    }
    implausible
}

/// Whether any row needs a closer look: true for every row that is implausible, and for few others.
fn is_suspicious(told: Told, limits: &Limits, bytes: &[u64], packets: &[u64]) -> bool {
    // More octets than so many packets hold are at least so many times the power of two below that: found by a shift.
    let shift = limits.packet_bytes.max(1).ilog2();
    let most = |column: &[u64]| column.iter().fold(0, |bits, value| bits | value);
    let leeway = limits.link_bytes_per_ms.saturating_mul(LEEWAY_MS);
    let is_much = most(bytes) > leeway || most(packets) > leeway / SMALLEST_PACKET;
    if !told.has_both {
        return is_much;
    }
    let pairs = bytes.iter().zip(packets);
    is_much
        || pairs.fold(false, |any, (bytes, packets)| any | (bytes >> shift >= *packets) | (bytes >> 5 < *packets))
        || packets.len() < bytes.len() && most(bytes) > 0
}

/// Whether one row's counts can be.
fn is_plausible(told: Told, limits: &Limits, bytes: u64, packets: u64, lived_ms: u64) -> bool {
    let carried = limits.link_bytes_per_ms.saturating_mul(lived_ms.saturating_add(LEEWAY_MS));
    let least = packets.saturating_mul(SMALLEST_PACKET);
    if bytes.max(least) > carried {
        return false;
    }
    // A flow without octets tells of none, not of empty packets: denied connections, or a direction that nothing went.
    if !told.has_both || bytes == 0 {
        return true;
    }
    bytes <= packets.saturating_mul(limits.packet_bytes) && (bytes >= least || !told.has_headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Told = Told { has_both: true, has_headers: true, has_life: true };

    /// Whether a row is found implausible, alone and among others that are not.
    #[track_caller]
    fn check(told: Told, bytes: u64, packets: u64, lived_ms: i64, expected: bool) {
        for neighbours in [0, 3, 100] {
            let mut flows = FlowColumns::default();
            flows.resize(neighbours);
            flows.bytes.fill(1000);
            flows.packets.fill(2);
            for (column, value) in [(&mut flows.bytes, bytes), (&mut flows.packets, packets)] {
                column.push(value);
            }
            for (column, value) in
                [(&mut flows.start_ms, 0), (&mut flows.end_ms, lived_ms), (&mut flows.received_ms, 0)]
            {
                column.push(value);
            }
            flows.resize(neighbours.saturating_add(1));
            let rows = 0..flows.len();
            let found = judge(told, &Limits::default(), rows, &mut flows);
            assert_eq!(found, u64::from(expected), "{bytes} {packets} {lived_ms} {neighbours}");
            let flagged: Vec<u8> = flows.flags.iter().copied().filter(|flags| *flags != 0).collect();
            assert_eq!(flagged, vec![IMPLAUSIBLE; usize::from(expected)]);
        }
    }

    #[test]
    fn what_packets_can_hold() {
        for (bytes, packets, expected) in [
            (0, 0, false),
            (40, 1, false),
            (20, 1, false),
            (19, 1, true),
            (199, 10, true),
            (0, 10, false),
            (1, 0, true),
            (65_600, 1, false),
            (65_601, 1, true),
            (656_000, 10, false),
            (656_001, 10, true),
            (9000 * 1_000_000, 1_000_000, false),
            (u64::MAX, u64::MAX, true),
            (u64::MAX, 1, true),
            (1, u64::MAX, true),
            (1_000_000_000_000, 1000, true),
        ] {
            check(ALL, bytes, packets, 1_000_000, expected);
        }
    }

    #[test]
    fn payload_alone_may_be_less_than_its_headers() {
        let told = Told { has_headers: false, ..ALL };
        check(told, 1, 10, 1000, false);
        check(told, 656_001, 10, 1000, true);
    }

    #[test]
    fn octets_alone_are_judged_by_time() {
        let told = Told { has_both: false, ..ALL };
        check(told, 1 << 40, 0, 12_000, false);
        check(told, 1 << 40, 0, 9_000, true);
    }

    #[test]
    fn what_a_link_carries_in_the_life_of_the_flow() {
        let packets = 1 << 30;
        // 100 MB a millisecond, and a second of leeway.
        check(ALL, 100_000_000 * 1000, packets, 0, false);
        check(ALL, 100_000_000 * 1000 + 1, packets, 0, true);
        check(ALL, 100_000_000 * 61_000, packets, 60_000, false);
        check(ALL, 100_000_000 * 61_000 + 1, packets, 60_000, true);
        // A life that is not told may have been a day.
        let unknown = Told { has_life: false, ..ALL };
        check(unknown, 100_000_000 * 61_000 + 1, packets, 0, false);
        check(unknown, 100_000_000 * 86_401_000 + 1, u64::MAX >> 10, 0, true);
        // Packets alone.
        check(ALL, 0, 100_000_000 * 1000, 0, true);
    }

    #[test]
    fn a_larger_packet_and_a_slower_link_may_be_configured() {
        let limits = Limits { packet_bytes: 524_288, link_bytes_per_ms: 1_250_000 };
        for (bytes, packets, expected) in
            [(524_288, 1, 0), (524_289, 1, 1), (1_250_000_000, 1_000_000, 0), (1_250_000_001, 1_000_000, 1)]
        {
            let mut flows = FlowColumns::default();
            flows.bytes.push(bytes);
            flows.packets.push(packets);
            flows.resize(1);
            flows.lengthen(1);
            assert_eq!(judge(ALL, &limits, 0..1, &mut flows), expected, "{bytes} {packets}");
        }
    }
}
