//! Decoded flow records as a struct of arrays, in host byte order: what ClickHouse's Native format wants, column by column.

use std::ops::Range;

use crate::arrays::struct_of_arrays;
use crate::flat::Flat;
use crate::frame::Frame;
use crate::plan::{SLOTS, Slot};
use crate::raw::Raw;
use crate::report::Event;
use crate::source::Packed;
use crate::text::Text;

/// An address as 16 bytes in network order; IPv4 is mapped (`::ffff:a.b.c.d`). All zero where the record has none.
pub type Address = [u8; 16];

/// Where a row's sampling rate came from; the numbers are those of the table's `Enum8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SamplingSource {
    /// Nobody said; the rate is 1.
    None = 0,
    /// The flow record or sample itself.
    Record = 1,
    /// An options data record of the exporter.
    Option = 2,
    /// The header of a NetFlow v5 datagram.
    Header = 3,
    /// The collector's configuration.
    Configuration = 4,
}

/// Bits of the column `flags`.
pub mod flags {
    /// The start told by the exporter cannot be: it was moved to the end.
    pub const START_CLAMPED: u8 = 1;
    /// The end told by the exporter cannot be: it was moved to the time of receipt.
    pub const END_CLAMPED: u8 = 1 << 1;
    /// The exporter's clock is off, and not by a steady skew: the times are as told, and the flow counts at its receipt.
    pub const CLOCK_OFF: u8 = 1 << 2;
    /// The other direction of a record that tells of both.
    pub const REVERSE: u8 = 1 << 3;
    /// Its data set waited for a template.
    pub const HELD: u8 = 1 << 4;
    /// The times are those told less the exporter's steady clock skew.
    pub const CLOCK_CORRECTED: u8 = 1 << 6;
    /// Its counts are a running total of the flow: how much of it the flow had reported before is not known.
    pub const TOTAL: u8 = 1 << 5;
    /// The counts cannot be: see [`crate::plausible`]. The flow is in no sum.
    pub const IMPLAUSIBLE: u8 = 1 << 7;
}

/// A column of arrays of MPLS label stack entries, top first (label in the upper 20 of 24 bits, RFC 3032 without TTL).
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// End of each row's labels in `values`.
    pub ends: Flat<u64>,
    /// All rows' labels, one after the other: the 20-bit label alone.
    pub values: Vec<u32>,
}

/// Numbers of the data set at hand that no column takes, but that columns are derived from. Kept here to be allocated once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    slots: Slots,
    none: Vec<u64>,
    /// Records with variable-length fields, taken apart.
    pub(crate) packed: Packed,
    /// The beginnings of packets that records bring with them.
    pub(crate) frames: Vec<Frame>,
    /// What kept the packets in these closed, all those of the datagram at hand.
    pub(crate) unopened: Vec<Event>,
    /// Rows that have another direction.
    pub(crate) rows: Vec<usize>,
    /// When flows whose counts are totals began and ended, as told.
    pub(crate) told_times: Vec<(i64, i64)>,
}

/// A column for each slot.
#[derive(Debug, Clone)]
struct Slots([Vec<u64>; SLOTS]);

impl Default for Slots {
    fn default() -> Self {
        Self([const { Vec::new() }; SLOTS])
    }
}

impl Scratch {
    /// A slot to be filled, one number for each record.
    pub(crate) fn slot(&mut self, slot: Slot) -> &mut Vec<u64> {
        self.slots.0.get_mut(slot as usize).unwrap_or(&mut self.none)
    }

    /// The numbers of a slot; empty if the template does not write it.
    pub(crate) fn values(&self, slot: Slot) -> &[u64] {
        self.slots.0.get(slot as usize).unwrap_or(&self.none)
    }

    /// Forgets the numbers, keeps the memory.
    pub(crate) fn clear(&mut self) {
        for slot in &mut self.slots.0 {
            slot.clear();
        }
        self.frames.clear();
        self.rows.clear();
        self.told_times.clear();
    }
}

struct_of_arrays! {
    /// Flow records, one column for each field; all are [`FlowColumns::len`] long.
    FlowColumns {
        /// When the datagram was received, milliseconds since 1970.
        received_ms: Flat<i64>,
        /// Start of the flow, milliseconds since 1970; the receive time where the exporter does not say.
        start_ms: Flat<i64>,
        /// End of the flow, milliseconds since 1970; the receive time where the exporter does not say.
        end_ms: Flat<i64>,
        /// Seconds taken off both times, as the exporter's clock is ahead; negative where it is behind.
        clock_skew: Flat<i64>,
        /// Exporter address: source of the datagram.
        exporter: Flat<Address>,
        /// Address of the device that the flow was metered by, where the record or the datagram tells one that differs from the
        /// source of the datagram; see [`FlowColumns::agents`].
        agent: Flat<Address>,
        /// Observation domain (IPFIX), source id (NetFlow v9), engine type * 256 + engine id (NetFlow v5), sub-agent
        /// id (sFlow); 0 in NetFlow v1 and v7.
        domain: Flat<u32>,
        /// 1, 5, 7, 9 or 10; 102, 104 and 105 are sFlow v2, v4 and v5.
        version: Flat<u8>,
        /// Template id; 0 where the protocol has no templates.
        template_id: Flat<u16>,
        /// Source address.
        src_addr: Flat<Address>,
        /// Destination address.
        dst_addr: Flat<Address>,
        /// Source transport port.
        src_port: Flat<u16>,
        /// Destination transport port.
        dst_port: Flat<u16>,
        /// IP protocol number.
        protocol: Flat<u8>,
        /// IPv4 TOS or IPv6 traffic class byte.
        tos: Flat<u8>,
        /// TCP flags seen (element 6, 16 bits).
        tcp_flags: Flat<u16>,
        /// ICMP or ICMPv6 type.
        icmp_type: Flat<u8>,
        /// ICMP or ICMPv6 code.
        icmp_code: Flat<u8>,
        /// Next hop.
        next_hop: Flat<Address>,
        /// BGP next hop.
        bgp_next_hop: Flat<Address>,
        /// Input interface index.
        in_if: Flat<u32>,
        /// Output interface index.
        out_if: Flat<u32>,
        /// Source AS as the exporter says.
        src_as: Flat<u32>,
        /// Destination AS as the exporter says.
        dst_as: Flat<u32>,
        /// Source prefix length.
        src_prefix_len: Flat<u8>,
        /// Destination prefix length.
        dst_prefix_len: Flat<u8>,
        /// VLAN of the incoming frame (elements 58, 243).
        src_vlan: Flat<u16>,
        /// VLAN of the outgoing frame (elements 59, 254).
        dst_vlan: Flat<u16>,
        /// Source MAC address in the lower 48 bits.
        src_mac: Flat<u64>,
        /// Destination MAC address in the lower 48 bits.
        dst_mac: Flat<u64>,
        /// 0 unknown, 1 ingress, 2 egress (element 61 plus one).
        direction: Flat<u8>,
        /// Forwarding status (element 89, RFC 7270 section 4.12).
        forwarding_status: Flat<u8>,
        /// Flow end reason (element 136).
        flow_end_reason: Flat<u8>,
        /// Octets, as counted by the exporter: not multiplied by the sampling rate.
        bytes: Flat<u64>,
        /// Packets, as counted by the exporter: not multiplied by the sampling rate.
        packets: Flat<u64>,
        /// One packet in this many was looked at; 1 where nobody says.
        sampling_rate: Flat<u64>,
        /// Where `sampling_rate` came from: a [`SamplingSource`].
        sampling_source: Flat<u8>,
        /// Application id (element 95): classification engine in the top byte of its wire form, then the selector.
        application_id: Flat<u64>,
        /// Source address after NAT.
        post_nat_src_addr: Flat<Address>,
        /// Destination address after NAT.
        post_nat_dst_addr: Flat<Address>,
        /// Source port after NAPT.
        post_nat_src_port: Flat<u16>,
        /// Destination port after NAPT.
        post_nat_dst_port: Flat<u16>,
        /// VRF id of the incoming side (element 234).
        ingress_vrf: Flat<u32>,
        /// VRF id of the outgoing side (element 235).
        egress_vrf: Flat<u32>,
        /// MPLS label stack, top first.
        mpls_labels: Labels,
        /// Application name, from the record (element 96, Palo Alto's App-ID) or from the exporter's options.
        application_name: Text,
        /// User name, where a firewall says.
        user_name: Text,
        /// Name of the input interface, from the record or from the exporter's options.
        in_if_name: Text,
        /// Name of the output interface, from the record or from the exporter's options.
        out_if_name: Text,
        /// Name of the VRF of the incoming side, from the record or from the exporter's options.
        ingress_vrf_name: Text,
        /// Name of the VRF of the outgoing side, from the record or from the exporter's options.
        egress_vrf_name: Text,
        /// What a firewall did (element 233, Cisco's 40005): 0 nothing told, 1 created, 2 deleted, 3 denied, 4 alert, 5 update.
        firewall_event: Flat<u8>,
        /// Cisco's extended event code (element 33002): why.
        firewall_ext_event: Flat<u16>,
        /// Bits of [`flags`].
        flags: Flat<u8>,
        /// Fields that no other column takes, if asked for.
        raw: Raw,
        ;
        scratch: Scratch,
        agents_done: usize,
    }
}

impl FlowColumns {
    /// The device that each flow was metered by: what the record or the datagram says, else the source of the datagram. Rows that
    /// were not completed yet (see [`crate::Tables::complete`]) may have an empty cell where nothing is said.
    ///
    /// Most exporters say nothing: then no cell is written for it, and this is the column of exporters itself.
    #[must_use]
    pub fn agents(&self) -> &[Address] {
        if self.agent.is_unwritten() { &self.exporter } else { &self.agent }
    }

    /// The device that one flow was metered by.
    pub(crate) fn agent_of(&self, row: usize) -> Address {
        let told = self.agent.get(row).copied().filter(|agent| !is_unspecified(*agent));
        told.or_else(|| self.exporter.get(row).copied()).unwrap_or_default()
    }

    /// Fills the agent's cells of rows of which nothing was said, once for each row as long as rows only get more. All columns
    /// are of one length.
    pub(crate) fn complete_agents(&mut self) {
        if self.agent.is_unwritten() {
            return;
        }
        let rows = self.len();
        let first = std::mem::replace(&mut self.agents_done, rows);
        for (agent, exporter) in self.agent.iter_mut().zip(&self.exporter).skip(first) {
            if is_unspecified(*agent) {
                *agent = *exporter;
            }
        }
    }

    /// Says that rows were taken away.
    pub(crate) fn forget_agents(&mut self) {
        self.agents_done = 0;
    }
}

/// Whether an address is none: all zero, or the mapped 0.0.0.0.
pub(crate) fn is_unspecified(address: Address) -> bool {
    address == Address::default() || address == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]
}

impl Labels {
    /// Appends one row's stack of entries without TTL, top first. A record has a field for each level it might have; the
    /// unused ones are zero, which no real entry is: the last has its bottom-of-stack bit set, and label 0 is only last.
    pub(crate) fn push(&mut self, entries: impl Iterator<Item = u32>) {
        self.values.extend(entries.filter(|entry| *entry != 0).map(|entry| entry >> 4));
        self.ends.push(u64::try_from(self.values.len()).unwrap_or(u64::MAX));
    }

    /// Gives a row that is there, and empty like all after it, its labels. Rows are set in ascending order.
    pub(crate) fn set(&mut self, row: usize, labels: &[u32]) {
        self.values.extend(labels);
        if let Some(end) = self.ends.get_mut(row) {
            *end = u64::try_from(self.values.len()).unwrap_or(u64::MAX);
        }
    }

    /// Makes the column `rows` long: appends empty stacks, or cuts.
    pub fn resize(&mut self, rows: usize) {
        if rows < self.ends.len() {
            self.values.truncate(start_of(&self.ends, rows));
        }
        resize_ends(&mut self.ends, rows, self.values.len());
    }

    /// Makes room for `rows` in all.
    pub fn reserve(&mut self, rows: usize) {
        self.ends.reserve(rows);
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Forgets the rows, keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.values.clear();
    }

    /// One row's labels.
    #[must_use]
    pub fn get(&self, row: usize) -> &[u32] {
        self.values.get(range_of(&self.ends, row)).unwrap_or(&[])
    }
}

/// Makes ends `rows` long: rows without values after those that have `values` in all, or fewer rows. Nothing is written for rows
/// before the first value.
pub(crate) fn resize_ends(ends: &mut Flat<u64>, rows: usize, values: usize) {
    if values > 0 {
        ends.fill_to(rows, u64::try_from(values).unwrap_or(u64::MAX));
    }
    ends.resize(rows);
}

/// Where the values of a row begin in a column whose rows have several values each, and `ends` where each row's end.
pub(crate) fn start_of(ends: &[u64], row: usize) -> usize {
    let end_before = row.checked_sub(1).and_then(|before| ends.get(before)).copied();
    usize::try_from(end_before.unwrap_or(0)).unwrap_or(0)
}

/// Where the values of a row are; none if there is no such row.
pub(crate) fn range_of(ends: &[u64], row: usize) -> Range<usize> {
    let start = start_of(ends, row);
    start..ends.get(row).map_or(start, |end| usize::try_from(*end).unwrap_or(0))
}
