//! Plans: which bytes of a record go into which column. Made once for a template, executed for each of its data sets.
//!
//! Of the elements that say the same thing the first class present is taken; elements of one class (the IPv4 and the IPv6
//! form of an address) complete each other: a later one fills the cells that are still empty. An element that is repeated
//! counts where it stands first. A field whose length makes no sense for its column is left out, as if it were not there.

mod rules;

use crate::template::{FieldSpecifier, VARIABLE};

pub(crate) use rules::{Addr, Clock, Number, SLOTS, Slot, Target};

/// Where one field of a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    /// The column.
    pub(crate) target: Target,
    /// Number of variable-length fields before this one.
    pub(crate) run: usize,
    /// Bytes between the end of the last variable-length field before (or the start of the record) and this one.
    pub(crate) offset: usize,
    /// Length in bytes, or [`VARIABLE`].
    pub(crate) width: u16,
    /// Whether another op has written the column: only empty cells are filled.
    pub(crate) is_fill: bool,
}

/// Where one entry of the MPLS label stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LabelOp {
    /// 0 is the top of the stack.
    pub(crate) level: usize,
    /// As in [`Op`].
    pub(crate) run: usize,
    /// As in [`Op`].
    pub(crate) offset: usize,
}

/// How to decode the data sets of one template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In wire order.
    pub(crate) ops: Box<[Op]>,
    /// From the top of the stack down.
    pub(crate) labels: Box<[LabelOp]>,
    /// Bit n is set if the template writes slot n.
    slots: u16,
    /// The clock that gives the start of the flow.
    pub(crate) start: Option<Clock>,
    /// The clock that gives the end of the flow.
    pub(crate) end: Option<Clock>,
    /// Whether ICMP type and code, if any, have to be taken from the destination port.
    pub(crate) is_icmp_in_port: bool,
    /// Whether the record says its sampling rate as one number.
    pub(crate) has_sampling_rate: bool,
    /// Whether the record has an application id.
    pub(crate) has_application_id: bool,
}

/// Entries of the MPLS label stack that have an element (70 to 79).
pub(crate) const LABELS: usize = 10;
const FIRST_LABEL: u16 = 70;
const LAST_LABEL: u16 = 79;

struct Candidate {
    element: u16,
    class: u8,
    op: Op,
}

impl Plan {
    /// Compiles the fields of a data template.
    pub(crate) fn new(version: u8, fields: &[FieldSpecifier]) -> Self {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut labels: Vec<LabelOp> = Vec::new();
        let (mut run, mut offset) = (0_usize, 0_usize);
        for field in fields {
            let is_variable = field.length == VARIABLE;
            if field.enterprise == 0 && (FIRST_LABEL..=LAST_LABEL).contains(&field.element) {
                let level = usize::from(field.element.wrapping_sub(FIRST_LABEL));
                let is_new = labels.iter().all(|label| label.level != level);
                // A stack entry without TTL has three bytes, one with TTL has four (RFC 3032 section 2.1).
                if is_new && (field.length == 3 || field.length == 4) {
                    labels.push(LabelOp { level, run, offset });
                }
            }
            if field.enterprise == 0 {
                for rule in rules::of(version, field) {
                    let is_repeated =
                        |other: &Candidate| other.element == field.element && other.op.target == rule.target;
                    if !candidates.iter().any(is_repeated) {
                        let op = Op { target: rule.target, run, offset, width: field.length, is_fill: false };
                        candidates.push(Candidate { element: field.element, class: rule.class, op });
                    }
                }
            }
            if is_variable {
                run = run.saturating_add(1);
                offset = 0;
            } else {
                offset = offset.saturating_add(usize::from(field.length));
            }
        }
        labels.sort_by_key(|label| label.level);
        Self::choose(&candidates, labels)
    }

    /// Keeps the best class for each column.
    fn choose(candidates: &[Candidate], labels: Vec<LabelOp>) -> Self {
        let mut ops: Vec<Op> = Vec::new();
        for candidate in candidates {
            let column = candidate.op.target.column();
            let rivals = || candidates.iter().filter(move |rival| rival.op.target.column() == column);
            if rivals().any(|rival| rival.class < candidate.class) {
                continue;
            }
            let is_fill = ops.iter().any(|op| op.target.column() == column);
            ops.push(Op { is_fill, ..candidate.op });
        }
        let has = |target: Target| ops.iter().any(|op| op.target == target);
        let clock =
            |column: Target| ops.iter().find(|op| op.target.column() == column).and_then(|op| op.target.clock());
        let has_icmp = has(Target::Number(Number::IcmpType)) || has(Target::IcmpTypeOfPair);
        let has_ports = has(Target::Number(Number::DstPort)) && has(Target::Number(Number::Protocol));
        Self {
            start: clock(Target::Start(Clock::Absolute)),
            end: clock(Target::End(Clock::Absolute)),
            is_icmp_in_port: has_ports && !has_icmp,
            has_sampling_rate: has(Target::Number(Number::SamplingRate)),
            has_application_id: has(Target::Number(Number::ApplicationId)),
            slots: ops.iter().filter_map(|op| op.target.slot()).fold(0, |bits, slot| bits | slot.bit()),
            ops: ops.into(),
            labels: labels.into(),
        }
    }

    /// Whether the record may say its sampling rate, in one number or in two.
    pub(crate) fn tells_sampling(&self) -> bool {
        self.has_sampling_rate || self.has_slot(Slot::Interval) || self.has_slot(Slot::Size)
    }

    /// Whether the template writes a slot.
    pub(crate) fn has_slot(&self, slot: Slot) -> bool {
        self.slots & slot.bit() != 0
    }
}
