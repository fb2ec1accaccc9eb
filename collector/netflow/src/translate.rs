//! Rows of NAT events: what records log of address translation, and translations that flows tell of (RFC 8158; Cisco's and
//! Huawei's NAT logs; Nokia's IPFIX export of mappings).
//!
//! Rows are made out of the flow columns that the records have just filled. Records that log and count nothing leave no row
//! among the flows.

use crate::columns::{Address, FlowColumns, is_unspecified};
use crate::counts::Counts;
use crate::derive::{exporter_ms, is_by_clock_of};
use crate::flat::Flat;
use crate::header::Header;
use crate::plan::{Clock, Nat, Plan, Slot};
use crate::skew::ClockSkew;
use crate::tables::{NatEvents, Tables};

/// natEvent "NAT44 session create".
const SESSION_CREATE: u64 = 4;
/// natEvent "NAT44 session delete".
const SESSION_DELETE: u64 = 5;
/// Values of natEvent that say that something ended.
const DELETIONS: [u64; 7] = [2, 5, 7, 9, 11, 15, 17];
/// How far behind receipt and export the time of an event may lie.
const DAY_MS: i64 = 86_400_000;

/// Appends the NAT events of `records` records from `first_row` on. False if their flow rows were taken back.
pub(crate) fn append(
    plan: &Plan,
    header: &Header,
    first_row: usize,
    records: usize,
    tables: &mut Tables,
    counts: &mut Counts,
) -> bool {
    if plan.nat == Nat::Silent {
        return true;
    }
    let Tables { flows, nat_events, .. } = tables;
    let before = nat_events.len();
    for record in 0..records {
        let row = first_row.saturating_add(record);
        if plan.nat != Nat::OfFlows || is_translated(flows, row) {
            let log = Log { plan, header, flows, record, row };
            counts.times_clamped = counts.times_clamped.wrapping_add(log.push(nat_events));
        }
    }
    let number = u64::try_from(nat_events.len().saturating_sub(before)).unwrap_or(u64::MAX);
    if matches!(plan.nat, Nat::OfFlows | Nat::LogOfFlows) {
        counts.translations = counts.translations.wrapping_add(number);
        return true;
    }
    counts.nat_events = counts.nat_events.wrapping_add(number);
    flows.resize(first_row);
    false
}

/// Whether an address or port after translation is told, and is another than before.
fn is_translated(flows: &FlowColumns, row: usize) -> bool {
    let addresses = [(&flows.src_addr, &flows.post_nat_src_addr), (&flows.dst_addr, &flows.post_nat_dst_addr)];
    let ports = [(&flows.src_port, &flows.post_nat_src_port), (&flows.dst_port, &flows.post_nat_dst_port)];
    let is_other = |(before, after): (&Flat<Address>, &Flat<Address>)| {
        after.get(row).is_some_and(|address| !is_unspecified(*address)) && before.get(row) != after.get(row)
    };
    let is_other_port = |(before, after): (&Flat<u16>, &Flat<u16>)| {
        after.get(row).is_some_and(|port| *port != 0) && before.get(row) != after.get(row)
    };
    addresses.into_iter().any(is_other) || ports.into_iter().any(is_other_port)
}

/// One record: its row among the flows, and its place in the slots.
struct Log<'a> {
    plan: &'a Plan,
    header: &'a Header,
    flows: &'a FlowColumns,
    record: usize,
    row: usize,
}

impl Log<'_> {
    /// Appends its row; 1 if its time had to be moved.
    fn push(&self, out: &mut NatEvents) -> u64 {
        let flows = self.flows;
        let (event_ms, clock_skew, is_clamped) = self.event_ms();
        let (first, last, step) = self.block();
        let user = flows.user_name.get(self.row);
        let [src_addr, post_nat_src_addr] = self.source(user);
        out.received_ms.push(self.header.received_ms);
        out.event_ms.push(event_ms);
        out.clock_skew.push(clock_skew);
        out.exporter.push(self.header.exporter);
        out.agent.push(flows.agent_of(self.row));
        out.domain.push(self.header.domain);
        out.event.push(self.event() as u8);
        out.protocol.push(self.of(&flows.protocol));
        out.src_addr.push(src_addr);
        out.post_nat_src_addr.push(post_nat_src_addr);
        out.src_port.push(self.of(&flows.src_port));
        out.post_nat_src_port.push(self.of(&flows.post_nat_src_port));
        out.dst_addr.push(self.of(&flows.dst_addr));
        out.post_nat_dst_addr.push(self.of(&flows.post_nat_dst_addr));
        out.dst_port.push(self.of(&flows.dst_port));
        out.post_nat_dst_port.push(self.of(&flows.post_nat_dst_port));
        out.ingress_vrf.push(self.of(&flows.ingress_vrf));
        out.egress_vrf.push(self.of(&flows.egress_vrf));
        out.port_block_start.push(first);
        out.port_block_end.push(last);
        out.port_block_step.push(step);
        out.pool_id.push(self.slot(Slot::PoolId) as u32);
        out.pool_name.push(self.slot(Slot::PoolName) as u32);
        let user = out.user_name.key(user);
        out.user_name.push(user);
        u64::from(is_clamped)
    }

    fn of<T: Copy + Default>(&self, column: &[T]) -> T {
        column.get(self.row).copied().unwrap_or_default()
    }

    /// A number of the record; 0 if it does not tell.
    fn slot(&self, slot: Slot) -> u64 {
        self.flows.scratch.values(slot).get(self.record).copied().unwrap_or(0)
    }

    fn event(&self) -> u64 {
        match self.plan.nat {
            Nat::NokiaCreate => SESSION_CREATE,
            Nat::NokiaDelete => SESSION_DELETE,
            Nat::Silent | Nat::OfFlows | Nat::Log | Nat::LogOfFlows => self.slot(Slot::NatEvent),
        }
    }

    /// When it happened, the clock skew in seconds that was taken off, and whether it had to be moved to the receipt.
    fn event_ms(&self) -> (i64, i64, bool) {
        let told = self.slot(Slot::EventTime).cast_signed();
        let is_end = self.plan.nat == Nat::NokiaDelete || DELETIONS.contains(&self.slot(Slot::NatEvent));
        let of_flow = || self.of(if is_end { &self.flows.end_ms } else { &self.flows.start_ms });
        let (event_ms, clock_skew) = match (told, self.header.skew) {
            (1.., ClockSkew::Steady(seconds)) if is_by_clock_of(self.header, Some(Clock::Absolute), told) => {
                (told.saturating_sub(seconds.saturating_mul(1000)), seconds)
            }
            (1.., _) => (told, 0),
            // Those of the flow are corrected.
            _ => (of_flow(), self.of(&self.flows.clock_skew)),
        };
        let latest = self.header.received_ms.max(exporter_ms(self.header)).saturating_add(DAY_MS);
        if event_ms > latest { (self.header.received_ms, 0, true) } else { (event_ms, clock_skew, false) }
    }

    /// First and last port and their distance. The number of ports (364) says where a block ends that does not say it itself;
    /// a record without a block is about one port.
    fn block(&self) -> (u16, u16, u16) {
        let step = self.slot(Slot::BlockStep).max(1);
        let (first, last, size) = (self.slot(Slot::BlockStart), self.slot(Slot::BlockEnd), self.slot(Slot::BlockSize));
        let port = self.of(&self.flows.post_nat_src_port);
        let first = if first == 0 { u64::from(port) } else { first };
        let last = match (last, size) {
            (0, 0) => first,
            (0, size) => first.saturating_add(size.saturating_sub(1).saturating_mul(step)),
            (last, _) => last,
        };
        let port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
        (port(first), port(last), port(step))
    }

    /// Source address inside and outside. Nokia tells the inside one in the subscriber string alone, as in
    /// `LSN-Host@10.0.0.1`, and the outside one, in one of its two formats, as the source.
    fn source(&self, user: &str) -> [Address; 2] {
        let (source, outside) = (self.of(&self.flows.src_addr), self.of(&self.flows.post_nat_src_addr));
        if !matches!(self.plan.nat, Nat::NokiaCreate | Nat::NokiaDelete) {
            return [source, outside];
        }
        let outside = if is_unspecified(outside) { source } else { outside };
        let text = user.rsplit_once('@').map_or(user, |(_, address)| address);
        let inside = text.parse::<std::net::IpAddr>().map_or_else(
            |_| Address::default(),
            |inside| match inside {
                std::net::IpAddr::V4(inside) => inside.to_ipv6_mapped().octets(),
                std::net::IpAddr::V6(inside) => inside.octets(),
            },
        );
        [inside, outside]
    }
}
