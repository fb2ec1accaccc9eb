//! Counts that are totals of a flow instead of what is new: those that say so by their element, and Cisco's firewalls', whose
//! elements 231, 232, 298 and 299 are new in an update (233 is 5) and totals where the flow ends (233 is 2).

use super::target::{Clock, Number, Slot, Target};
use super::{Candidate, FIREWALL_EVENT, Op, best};
use crate::element::REVERSE;
use crate::template::VARIABLE;

/// Octets and packets, then those of the other direction.
const COUNTS: [Target; 4] = [
    Target::Number(Number::Bytes),
    Target::Number(Number::Packets),
    Target::Slot(Slot::ReverseBytes),
    Target::Slot(Slot::ReversePackets),
];

/// How the records of a template tell totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totalled {
    /// How many bits wide each of octets, packets, and those of the other direction is; 0 if it is no total.
    pub(crate) bits: [u32; 4],
    /// The element that octets, or packets where there are none, come from.
    pub(crate) element: u16,
    /// Whether it depends on the firewall's event.
    pub(crate) is_by_event: bool,
    /// How the beginning of the flow is told, if it is.
    pub(crate) start: Option<Clock>,
}

impl Totalled {
    /// What the plan of these ops has of totals.
    pub(super) fn of(candidates: &[Candidate], ops: &[Op]) -> Option<Self> {
        let chosen = COUNTS.map(|column| best(candidates, column));
        let has_event = ops.iter().any(|op| op.target.column() == FIREWALL_EVENT);
        let always = chosen.map(|one| one.filter(|one| is_total(one)));
        let by_event = chosen.map(|one| one.filter(|one| has_event && is_of_a_connection(one)));
        let is_by_event = always.iter().all(Option::is_none);
        let totals = if is_by_event { by_event } else { always };
        let element = totals.iter().flatten().next()?.element;
        let bits = totals.map(|one| one.map_or(0, |one| bits(ops, one.op.target.column())));
        let start = best(candidates, Target::Start(Clock::Absolute));
        // The time of an event is none of the flow.
        let start = start.filter(|start| matches!(start.element, 22 | 150 | 152 | 154 | 156 | 158));
        Some(Self { bits, element, is_by_event, start: start.and_then(|start| start.op.target.clock()) })
    }
}

fn is_total(count: &Candidate) -> bool {
    let is_numbered = count.enterprise == 0 || count.enterprise == REVERSE;
    is_numbered && matches!(count.element, 85 | 86 | 171 | 172 | 353 | 420 | 431)
}

fn is_of_a_connection(count: &Candidate) -> bool {
    count.enterprise == 0 && matches!(count.element, 231 | 232 | 298 | 299)
}

/// The widest field that a column takes.
fn bits(ops: &[Op], column: Target) -> u32 {
    let widths = ops.iter().filter(|op| op.target.column() == column).map(|op| match op.width {
        VARIABLE => 64,
        width => u32::from(width).saturating_mul(8).min(64),
    });
    widths.max().unwrap_or(64)
}
