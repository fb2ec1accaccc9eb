//! Plans: which bytes of a record go into which column. Made once for a template, executed for each of its data sets.
//!
//! Of the elements that say the same thing the first class present is taken; elements of one class (the IPv4 and the IPv6
//! form of an address) complete each other: a later one fills the cells that are still empty. So do counts of what came in and of
//! the same after the metering point (OUT_BYTES): where a flow has none of the one, it has the other. An element that is repeated
//! counts where it stands first. A field whose length makes no sense for its column is left out, as if it were not there.

mod rules;
mod target;
mod totalled;

use crate::template::{FieldSpecifier, VARIABLE};

pub(crate) use target::{Addr, Clock, Name, Number, SLOTS, Slot, Target};
pub(crate) use totalled::Totalled;

/// Where one field of a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op {
    /// The column.
    pub(crate) target: Target,
    /// Number of variable-length fields before this one.
    pub(crate) run: usize,
    /// Bytes of fixed-length fields before this one.
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
    pub(crate) offset: usize,
}

/// What a template's records tell of address translation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Nat {
    /// Nothing.
    #[default]
    Silent,
    /// Flows; where they were translated, to what.
    OfFlows,
    /// Events, which are no flows.
    Log,
    /// Events of flows that are counted too.
    LogOfFlows,
    /// Events in Nokia's form: when a translation began.
    NokiaCreate,
    /// Events in Nokia's form: when a translation ended.
    NokiaDelete,
}

/// How to decode the data sets of one template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In wire order, but for those that complete others, which come behind them.
    pub(crate) ops: Box<[Op]>,
    /// From the top of the stack down.
    pub(crate) labels: Box<[LabelOp]>,
    /// Which fields no column takes, by their place in the template; fill bytes are not among them.
    pub(crate) unused: Box<[usize]>,
    /// Bit n is set if the template writes slot n.
    slots: u64,
    /// How counts are told that are totals of a flow, if there are any.
    pub(crate) totalled: Option<Totalled>,
    /// The clock that gives the start of the flow.
    pub(crate) start: Option<Clock>,
    /// The clock that gives the end of the flow.
    pub(crate) end: Option<Clock>,
    /// The clock that gives the start of the other direction.
    pub(crate) reverse_start: Option<Clock>,
    /// The clock that gives the end of the other direction.
    pub(crate) reverse_end: Option<Clock>,
    /// What it tells of address translation.
    pub(crate) nat: Nat,
    /// Whether ICMP type and code, if any, have to be taken from the destination port.
    pub(crate) is_icmp_in_port: bool,
    /// Whether the record says its sampling rate as one number.
    pub(crate) has_sampling_rate: bool,
    /// Whether octets or packets are those of the flow's initiator, who may be at its destination.
    pub(crate) is_by_initiator: bool,
    /// Whether the record has octets.
    pub(crate) has_bytes: bool,
    /// Whether the record has packets.
    pub(crate) has_packets: bool,
    /// Whether the record has the beginning of a packet.
    pub(crate) has_section: bool,
}

const FIRST_LABEL: u16 = 70;
const LAST_LABEL: u16 = 79;
const PADDING_OCTETS: u16 = 210;
const INTERFACE_NAME: u16 = 82;
const VRF_NAME: u16 = 236;
const INITIATOR_OCTETS: u16 = 231;
const RESPONDER_OCTETS: u16 = 232;
const INITIATOR_PACKETS: u16 = 298;
const RESPONDER_PACKETS: u16 = 299;
const FIREWALL_EVENT: Target = Target::Number(Number::FirewallEvent);
const FLOW_ID: Target = Target::Slot(Slot::FlowId);
/// Nokia's enterprise number and its subscriber string, which every one of its NAT records has.
const NOKIA_SUBSCRIBER: (u32, u16) = (637, 93);

#[derive(Clone, Copy)]
struct Candidate {
    /// Which field of the template.
    field: usize,
    enterprise: u32,
    element: u16,
    class: u8,
    op: Op,
}

/// The candidate whose class is taken for a column.
fn best(candidates: &[Candidate], column: Target) -> Option<&Candidate> {
    let of_column = candidates.iter().filter(|candidate| candidate.op.target.column() == column);
    of_column.min_by_key(|candidate| candidate.class)
}

impl Candidate {
    /// Whether it counts after the metering point what another counts before it.
    fn completes(&self, other: &Self) -> bool {
        let pairs = [(1, 23), (85, 171), (352, 417), (353, 420), (2, 24), (86, 172)];
        self.enterprise == other.enterprise && pairs.contains(&(other.element, self.element))
    }
}

impl Plan {
    /// Compiles the fields of a data template.
    pub(crate) fn new(version: u8, fields: &[FieldSpecifier]) -> Self {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut labels: Vec<LabelOp> = Vec::new();
        let mut unused: Vec<usize> = Vec::new();
        let (mut run, mut offset) = (0_usize, 0_usize);
        for (index, field) in fields.iter().enumerate() {
            if let Some(level) = label_level(field).filter(|level| labels.iter().all(|label| label.level != *level)) {
                labels.push(LabelOp { level, offset });
            } else if field.enterprise != 0 || field.element != PADDING_OCTETS {
                unused.push(index);
            }
            for rule in rules::of(version, field) {
                let is_repeated = |other: &Candidate| {
                    (other.enterprise, other.element) == (field.enterprise, field.element)
                        && other.op.target == rule.target
                };
                if !candidates.iter().any(is_repeated) {
                    let op = Op { target: rule.target, run, offset, width: field.length, is_fill: false };
                    let (enterprise, element) = (field.enterprise, field.element);
                    candidates.push(Candidate { field: index, enterprise, element, class: rule.class, op });
                }
            }
            let is_free = |target: &Target| candidates.iter().all(|other| other.op.target != *target);
            if let Some(target) = targets_of_name(field).into_iter().flatten().find(is_free) {
                let op = Op { target, run, offset, width: field.length, is_fill: false };
                candidates.push(Candidate { field: index, enterprise: 0, element: field.element, class: 0, op });
            }
            if field.length == VARIABLE {
                run = run.saturating_add(1);
            } else {
                offset = offset.saturating_add(usize::from(field.length));
            }
        }
        labels.sort_by_key(|label| label.level);
        drop_pointless(&mut candidates);
        Self::choose(&candidates, labels, unused)
    }

    /// Keeps the best class for each column.
    fn choose(candidates: &[Candidate], labels: Vec<LabelOp>, mut unused: Vec<usize>) -> Self {
        let mut ops: Vec<Op> = Vec::new();
        let best_of = |target: Target| best(candidates, target.column());
        let is_best = |one: &&Candidate| best_of(one.op.target).is_none_or(|best| best.class == one.class);
        let completes = |one: &&Candidate| best_of(one.op.target).is_some_and(|best| one.completes(best));
        for candidate in candidates.iter().filter(is_best).chain(candidates.iter().filter(completes)) {
            let column = candidate.op.target.column();
            let is_fill = ops.iter().any(|op| op.target.column() == column);
            ops.push(Op { is_fill, ..candidate.op });
            let is_identity = column.slot().is_some_and(Slot::is_identity);
            unused.retain(|field| *field != candidate.field || is_identity);
        }
        let totalled = Totalled::of(candidates, &ops);
        if totalled.is_none() {
            ops.retain(|op| op.target != FLOW_ID);
        }
        let has = |target: Target| ops.iter().any(|op| op.target.column() == target);
        let clock =
            |column: Target| ops.iter().find(|op| op.target.column() == column).and_then(|op| op.target.clock());
        let has_ports = has(Target::Number(Number::DstPort)) && has(Target::Number(Number::Protocol));
        let by_initiator = |element| candidates.iter().any(|candidate| candidate.element == element);
        let mut plan = Self {
            start: clock(Target::Start(Clock::Absolute)),
            end: clock(Target::End(Clock::Absolute)),
            reverse_start: clock(Target::Slot(Slot::ReverseStart)),
            reverse_end: clock(Target::Slot(Slot::ReverseEnd)),
            nat: Nat::Silent,
            totalled,
            is_icmp_in_port: has_ports && !has(Target::Number(Number::IcmpType)),
            has_sampling_rate: has(Target::Number(Number::SamplingRate)),
            is_by_initiator: by_initiator(RESPONDER_OCTETS) || by_initiator(RESPONDER_PACKETS),
            has_bytes: has(Target::Number(Number::Bytes)),
            has_packets: has(Target::Number(Number::Packets)),
            has_section: has(Target::Section(crate::frame::Layer::Ethernet)),
            slots: ops.iter().filter_map(|op| op.target.slot()).fold(0, |bits, slot| bits | slot.bit()),
            ops: ops.into(),
            labels: labels.into(),
            unused: unused.into(),
        };
        plan.nat = plan.nat_of(candidates);
        plan
    }

    fn nat_of(&self, candidates: &[Candidate]) -> Nat {
        let is_event =
            self.has_slot(Slot::NatEvent) || self.has_slot(Slot::BlockStart) || self.has_slot(Slot::BlockSize);
        let is_flow = self.has_bytes || self.has_packets || self.has_section;
        let is_nokia = candidates.iter().any(|other| (other.enterprise, other.element) == NOKIA_SUBSCRIBER);
        let is_translated = [
            Target::Addr(Addr::PostNatSrc),
            Target::Addr(Addr::PostNatDst),
            Target::Number(Number::PostNatSrcPort),
            Target::Number(Number::PostNatDstPort),
        ];
        match (is_event, is_flow) {
            (true, true) => Nat::LogOfFlows,
            (true, false) => Nat::Log,
            (false, false) if is_nokia && self.start.is_none() => Nat::NokiaDelete,
            (false, false) if is_nokia => Nat::NokiaCreate,
            (false, _) if !is_translated.iter().any(|target| self.writes(*target)) => Nat::Silent,
            (false, false) if self.writes(Target::Addr(Addr::Src)) && !self.writes(FIREWALL_EVENT) => Nat::Log,
            (false, _) => Nat::OfFlows,
        }
    }

    /// Whether the template writes the column of a target.
    pub(crate) fn writes(&self, target: Target) -> bool {
        self.ops.iter().any(|op| op.target.column() == target)
    }

    /// Whether the record may tell of both directions.
    pub(crate) fn is_biflow(&self) -> bool {
        self.has_slot(Slot::ReverseBytes) || self.has_slot(Slot::ReversePackets)
    }

    /// Whether a sampling rate of zero in the record is one that was told.
    pub(crate) fn tells_zero(&self) -> bool {
        let has_intervals = self.has_slot(Slot::Interval) && self.has_slot(Slot::Space);
        self.has_sampling_rate || has_intervals || self.has_slot(Slot::Size) && self.has_slot(Slot::Population)
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

/// Names of interfaces and VRFs do not say whether they are those of the way in or out: the first is the way in, a second
/// one the way out.
fn targets_of_name(field: &FieldSpecifier) -> Option<[Target; 2]> {
    let names = match (field.enterprise, field.element) {
        (0, INTERFACE_NAME) => [Name::InIf, Name::OutIf],
        (0, VRF_NAME) => [Name::IngressVrf, Name::EgressVrf],
        _ => return None,
    };
    (field.length > 0).then_some(names.map(Target::Name))
}

/// The level of a label stack entry, 0 being the top. One without TTL has three bytes, one with TTL has four (RFC 3032
/// section 2.1).
fn label_level(field: &FieldSpecifier) -> Option<usize> {
    let is_label = field.enterprise == 0
        && (FIRST_LABEL..=LAST_LABEL).contains(&field.element)
        && (field.length == 3 || field.length == 4);
    is_label.then(|| usize::from(field.element.wrapping_sub(FIRST_LABEL)))
}

/// Takes away what means nothing without something else: a responder's counters where the flow is not counted by the
/// initiator's (Huawei sends them beside counters of the flow itself), the rest of the other direction without any counter,
/// an event's time without event, a frame's length without frame.
fn drop_pointless(candidates: &mut Vec<Candidate>) {
    let is_best =
        |all: &[Candidate], column: Target, element: u16| best(all, column).is_some_and(|best| best.element == element);
    let octets_by_initiator = is_best(candidates, Target::Number(Number::Bytes), INITIATOR_OCTETS);
    let packets_by_initiator = is_best(candidates, Target::Number(Number::Packets), INITIATOR_PACKETS);
    candidates.retain(|candidate| match (candidate.enterprise, candidate.element) {
        (0, RESPONDER_OCTETS) => octets_by_initiator,
        (0, RESPONDER_PACKETS) => packets_by_initiator,
        _ => true,
    });
    let has_slot = |slots: &[Slot]| {
        let is_one = |candidate: &Candidate| candidate.op.target.slot().is_some_and(|slot| slots.contains(&slot));
        candidates.iter().any(is_one)
    };
    let is_biflow = has_slot(&[Slot::ReverseBytes, Slot::ReversePackets]);
    let is_event = has_slot(&[Slot::NatEvent, Slot::BlockStart, Slot::BlockSize]);
    let has_section = candidates.iter().any(|candidate| matches!(candidate.op.target, Target::Section(_)));
    candidates.retain(|candidate| match candidate.op.target.slot() {
        Some(
            Slot::ReverseTcpFlags
            | Slot::ReverseLaterTcpFlags
            | Slot::ReverseTos
            | Slot::ReverseVlan
            | Slot::ReverseEndReason
            | Slot::ReverseStart
            | Slot::ReverseEnd
            | Slot::ReverseDelay
            | Slot::BiflowDirection,
        ) => is_biflow,
        Some(Slot::EventTime) => is_event,
        Some(Slot::FrameLength) => has_section,
        _ => true,
    });
}
