//! The rows that datagrams give, table by table: flows, translations of addresses, counters of interfaces.

use crate::arrays::struct_of_arrays;
use crate::columns::{Address, FlowColumns};
use crate::plausible::Limits;
use crate::text::Text;

/// Rows of all tables, in the order in which their datagrams were decoded.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    /// Flow records.
    pub flows: FlowColumns,
    /// Who got which address and port, and when.
    pub nat_events: NatEvents,
    /// What interfaces have counted.
    pub interface_counters: InterfaceCounters,
    /// Beyond what the counts of a flow are implausible.
    pub limits: Limits,
}

impl Tables {
    /// Rows of all tables together.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.flows.len().saturating_add(self.nat_events.len()).saturating_add(self.interface_counters.len())
    }

    /// Makes all columns of a table equally long, after [`crate::decode_part`].
    pub fn complete(&mut self) {
        self.flows.resize(self.flows.len());
        self.flows.complete_agents();
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.flows.clear();
        self.flows.forget_agents();
        self.nat_events.clear();
        self.interface_counters.clear();
    }
}

struct_of_arrays! {
    /// Events of address translation (RFC 8158), and translations that flow records tell of.
    NatEvents {
        /// When the datagram was received, milliseconds since 1970.
        received_ms: Vec<i64>,
        /// When it happened, milliseconds since 1970; the receive time where the exporter does not say.
        event_ms: Vec<i64>,
        /// Seconds taken off that time, as the exporter's clock is ahead; negative where it is behind.
        clock_skew: Vec<i64>,
        /// Exporter address: source of the datagram.
        exporter: Vec<Address>,
        /// Address of the device that translated: what the record says, else the source of the datagram.
        agent: Vec<Address>,
        /// Observation domain or source id.
        domain: Vec<u32>,
        /// What happened: natEvent (element 230) by IANA's numbers; 0 for a translation that a flow record tells of.
        event: Vec<u8>,
        /// IP protocol number.
        protocol: Vec<u8>,
        /// Inside address.
        src_addr: Vec<Address>,
        /// Outside address.
        post_nat_src_addr: Vec<Address>,
        /// Inside port.
        src_port: Vec<u16>,
        /// Outside port.
        post_nat_src_port: Vec<u16>,
        /// Destination address as the inside host wrote it.
        dst_addr: Vec<Address>,
        /// Destination address after translation.
        post_nat_dst_addr: Vec<Address>,
        /// Destination port as the inside host wrote it.
        dst_port: Vec<u16>,
        /// Destination port after translation.
        post_nat_dst_port: Vec<u16>,
        /// VRF id of the inside (element 234).
        ingress_vrf: Vec<u32>,
        /// VRF id of the outside (element 235).
        egress_vrf: Vec<u32>,
        /// First port of an allocated block (element 361); of a single port, that port.
        port_block_start: Vec<u16>,
        /// Last port of an allocated block (element 362, or made of 361, 363 and 364); of a single port, that port.
        port_block_end: Vec<u16>,
        /// Distance between ports of a block (element 363); 1 where the exporter does not say.
        port_block_step: Vec<u16>,
        /// NAT pool id (element 283).
        pool_id: Vec<u32>,
        /// NAT pool name (element 284).
        pool_name: Text,
        /// Subscriber or user, where the exporter says.
        user_name: Text,
        ;
    }
}

struct_of_arrays! {
    /// Generic interface counters of sFlow (`if_counters`, sFlow version 5 section 5.4), since the exporter started.
    InterfaceCounters {
        /// When the datagram was received, milliseconds since 1970.
        received_ms: Vec<i64>,
        /// Exporter address: source of the datagram.
        exporter: Vec<Address>,
        /// Address that the exporter gives itself; source of the datagram where it gives itself none.
        agent: Vec<Address>,
        /// sFlow sub-agent id.
        domain: Vec<u32>,
        /// Interface index.
        if_index: Vec<u32>,
        /// Interface type, IANA's ifType.
        if_type: Vec<u32>,
        /// Bits per second.
        if_speed: Vec<u64>,
        /// 0 unknown, 1 full duplex, 2 half duplex, 3 in, 4 out.
        if_duplex: Vec<u8>,
        /// Whether ifAdminStatus is up: 1 or 0.
        if_admin_up: Vec<u8>,
        /// Whether ifOperStatus is up: 1 or 0.
        if_oper_up: Vec<u8>,
        /// Octets received.
        in_octets: Vec<u64>,
        /// Unicast packets received.
        in_unicast: Vec<u64>,
        /// Multicast packets received.
        in_multicast: Vec<u64>,
        /// Broadcast packets received.
        in_broadcast: Vec<u64>,
        /// Packets received and discarded.
        in_discards: Vec<u64>,
        /// Packets received with errors.
        in_errors: Vec<u64>,
        /// Packets received of an unknown protocol.
        in_unknown_protocols: Vec<u64>,
        /// Octets sent.
        out_octets: Vec<u64>,
        /// Unicast packets sent.
        out_unicast: Vec<u64>,
        /// Multicast packets sent.
        out_multicast: Vec<u64>,
        /// Broadcast packets sent.
        out_broadcast: Vec<u64>,
        /// Packets discarded instead of sent.
        out_discards: Vec<u64>,
        /// Packets not sent for errors.
        out_errors: Vec<u64>,
        /// Whether the interface is promiscuous: 1 or 0.
        promiscuous: Vec<u8>,
        ;
    }
}
