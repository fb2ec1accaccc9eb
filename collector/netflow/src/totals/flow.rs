//! A flow whose counts are totals, and what it has reported so far.

use crate::columns::Address;

/// What tells one flow of an exporter from all others: its device, observation domain and what it counts; its flowId where it has one, and
/// its ends; without a flowId also when it began, where it came in, and on which VLAN and VRF. What is not told is zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowKey {
    /// Protocol version.
    pub version: u8,
    /// The device, where a record tells another than the sender.
    pub agent: Address,
    /// Observation domain.
    pub domain: u32,
    /// The element that octets, or packets where there are none, come from.
    pub element: u16,
    /// flowId (148).
    pub flow_id: u64,
    /// When it began, as the exporter told it.
    pub start: i64,
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// Source and destination port.
    pub ports: (u16, u16),
    /// IP protocol number.
    pub protocol: u8,
    /// ICMP type and code.
    pub icmp: (u8, u8),
    /// Input interface.
    pub in_if: u32,
    /// VRF of the incoming side.
    pub vrf: u32,
    /// VLAN of the incoming frame.
    pub vlan: u16,
    /// Where it was metered.
    pub direction: u8,
}

/// What a flow has reported so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reported {
    /// Octets and packets, then those of the other direction.
    pub counts: [u64; 4],
    /// The time that its latest report is about, milliseconds since 1970 by the exporter's clock.
    pub at_ms: i64,
    /// Sequence number of the message with its latest report.
    pub sequence: u32,
    /// When it began, as told; 0 where not told. Of flows with a flowId, whose key does not have it.
    pub start: i64,
    /// Whether it may have reported something before all that is remembered.
    pub is_partial: bool,
}

impl FlowKey {
    /// All of it in numbers.
    pub(super) fn words(&self) -> [u64; 12] {
        let address = |address: Address| {
            let address = u128::from_be_bytes(address);
            [(address >> 64) as u64, address as u64]
        };
        let pair = |one: u32, other: u32| u64::from(one) << 32 | u64::from(other);
        let short = |one: u16, other: u16| u32::from(one) << 16 | u32::from(other);
        let [[a, b], [c, d], [e, f]] = [self.agent, self.source, self.destination].map(address);
        let bytes = u32::from_be_bytes([self.version, self.protocol, self.icmp.0, self.icmp.1]);
        [
            a,
            b,
            c,
            d,
            e,
            f,
            self.flow_id,
            self.start.cast_unsigned(),
            pair(self.domain, self.in_if),
            pair(self.vrf, short(self.ports.0, self.ports.1)),
            pair(short(self.element, self.vlan), bytes),
            u64::from(self.direction),
        ]
    }
}

impl Reported {
    /// Takes over these counts, and the time of a report unless it is an earlier one.
    pub(super) fn advance(&mut self, told: &Self, counts: [u64; 4]) {
        if !told.is_before(self) {
            (self.at_ms, self.sequence) = (told.at_ms, told.sequence);
        }
        if self.start == 0 {
            self.start = told.start;
        }
        self.counts = counts;
    }

    /// Whether a report may be of the flow that is remembered under its key: an id is used again.
    pub(super) fn is_same(&self, told: &Self) -> bool {
        self.start == told.start || self.start == 0 || told.start == 0
    }

    /// Whether a report is about an earlier time than another, or was sent before it.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        let is_sent_before = || self.sequence.wrapping_sub(other.sequence).cast_signed() < 0;
        self.at_ms < other.at_ms || self.at_ms == other.at_ms && is_sent_before()
    }
}
