//! What a snapshot holds of running totals, as plain values.

use netflow::totals::{FlowKey, Reported, State};

/// What the flows of an exporter have reported so far: [`State`] in a form that can be saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedTotals {
    /// Whose.
    pub exporter: [u8; 16],
    /// As in [`State`].
    pub since_ms: i64,
    /// As in [`State`].
    pub latest_ms: i64,
    /// As in [`State`].
    pub began_ms: [i64; 2],
    /// As in [`State`].
    pub flows: [Vec<SavedFlow>; 4],
}

/// One flow: [`FlowKey`] and [`Reported`] in a form that can be saved.
#[derive(Debug, Clone, PartialEq, Eq, rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
pub struct SavedFlow {
    /// Protocol version, IP protocol number, direction.
    pub numbers: [u8; 3],
    /// Source port, destination port, element, VLAN.
    pub words: [u16; 4],
    /// Observation domain, input interface, VRF, sequence number.
    pub longs: [u32; 4],
    /// ICMP type and code.
    pub icmp: [u8; 2],
    /// flowId.
    pub flow_id: u64,
    /// Device, source and destination address.
    pub addresses: [[u8; 16]; 3],
    /// When it began: in its key, and beside.
    pub starts: [i64; 2],
    /// The time that its latest report is about.
    pub at_ms: i64,
    /// Octets and packets, then those of the other direction.
    pub counts: [u64; 4],
    /// Whether it may have reported something before all that is remembered.
    pub is_partial: bool,
}

impl SavedTotals {
    pub(super) fn of(exporter: [u8; 16], state: &State) -> Self {
        let State { since_ms, latest_ms, began_ms, flows } = state;
        let flows = flows.each_ref().map(|flows| flows.iter().map(|(key, flow)| SavedFlow::of(key, flow)).collect());
        Self { exporter, since_ms: *since_ms, latest_ms: *latest_ms, began_ms: *began_ms, flows }
    }

    pub(super) fn state(&self) -> State {
        let Self { since_ms, latest_ms, began_ms, flows, .. } = self;
        let flows = flows.each_ref().map(|flows| flows.iter().map(SavedFlow::flow).collect());
        State { since_ms: *since_ms, latest_ms: *latest_ms, began_ms: *began_ms, flows }
    }
}

impl SavedFlow {
    fn of(key: &FlowKey, flow: &Reported) -> Self {
        Self {
            numbers: [key.version, key.protocol, key.direction],
            words: [key.ports.0, key.ports.1, key.element, key.vlan],
            longs: [key.domain, key.in_if, key.vrf, flow.sequence],
            icmp: [key.icmp.0, key.icmp.1],
            flow_id: key.flow_id,
            addresses: [key.agent, key.source, key.destination],
            starts: [key.start, flow.start],
            at_ms: flow.at_ms,
            counts: flow.counts,
            is_partial: flow.is_partial,
        }
    }

    fn flow(&self) -> (FlowKey, Reported) {
        let Self { flow_id, at_ms, counts, is_partial, .. } = *self;
        let ([version, protocol, direction], [kind, code]) = (self.numbers, self.icmp);
        let [source_port, destination_port, element, vlan] = self.words;
        let [domain, in_if, vrf, sequence] = self.longs;
        let ([agent, source, destination], [start, beside]) = (self.addresses, self.starts);
        let (ports, icmp) = ((source_port, destination_port), (kind, code));
        let ends = FlowKey { source, destination, ports, protocol, icmp, ..FlowKey::default() };
        let key = FlowKey { version, agent, domain, element, flow_id, start, in_if, vrf, vlan, direction, ..ends };
        (key, Reported { counts, at_ms, sequence, start: beside, is_partial })
    }
}
