//! Loops for fields of the lengths that exporters use, in records of equal length: one function for each column and length, chosen
//! once for a template, so that a data set costs one call for each field. What they write is what the plan's general way writes.

use std::ops::Range;

use crate::clock::Now;
use crate::columns::FlowColumns;
use crate::fill::{direction, mapped};
use crate::plan::{Addr, Clock, Number, Op, Target};
use crate::source::{Fixed, Source as _};

/// The loop of one op.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leaf(fn(usize, &Fixed<'_>, Now, Range<usize>, &mut FlowColumns));

/// The loop that makes each cell of a column of the bytes of a field.
macro_rules! leaf {
    ($column:ident, $turn:expr) => {
        Leaf(|offset, source, _, rows, out| source.write(offset, out.$column.over(rows), $turn))
    };
    ($column:ident, $now:ident, $turn:expr) => {
        Leaf(|offset, source, $now, rows, out| source.write(offset, out.$column.over(rows), $turn))
    };
}
impl Leaf {
    /// Writes one field of all records into these rows of its column.
    pub(crate) fn run(self, op: &Op, source: &Fixed<'_>, now: Now, rows: Range<usize>, out: &mut FlowColumns) {
        self.0(op.offset, source, now, rows, out);
    }

    /// The loop of an op, if there is one.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        if op.is_fill {
            return None;
        }
        match op.target {
            Target::Addr(column) => address(column, op.width),
            Target::Number(column) => number(column, op.width),
            Target::Start(clock) => start(clock, op.width),
            Target::End(clock) => end(clock, op.width),
            Target::Direction if op.width == 1 => Some(leaf!(direction, |[byte]| direction(u64::from(byte)))),
            Target::ForwardingStatus if op.width == 1 => Some(leaf!(forwarding_status, |[byte]| byte)),
            Target::Direction
            | Target::ForwardingStatus
            | Target::Dscp
            | Target::IcmpTypeOfPair
            | Target::IcmpCodeOfPair
            | Target::Slot(_)
            | Target::DurationMicroseconds
            | Target::SamplingProbability
            | Target::Name(_)
            | Target::PoolName
            | Target::ReverseStart(_)
            | Target::ReverseEnd(_)
            | Target::EventTime(_)
            | Target::Section(_) => None,
        }
    }
}

fn address(column: Addr, width: u16) -> Option<Leaf> {
    macro_rules! of {
        ($column:ident) => {
            match width {
                4 => leaf!($column, mapped),
                16 => leaf!($column, |bytes: [u8; 16]| bytes),
                _ => return None,
            }
        };
    }
    Some(match column {
        Addr::Src => of!(src_addr),
        Addr::Dst => of!(dst_addr),
        Addr::NextHop => of!(next_hop),
        Addr::BgpNextHop => of!(bgp_next_hop),
        Addr::PostNatSrc => of!(post_nat_src_addr),
        Addr::PostNatDst => of!(post_nat_dst_addr),
        Addr::Agent => of!(agent),
    })
}

/// A number is cut to the cells of its column, and filled up with zeros.
fn number(column: Number, width: u16) -> Option<Leaf> {
    macro_rules! of {
        ($column:ident: $cell:ty) => {
            match width {
                1 => leaf!($column, |[byte]| <$cell>::from(byte)),
                2 => leaf!($column, |bytes| u16::from_be_bytes(bytes) as $cell),
                4 => leaf!($column, |bytes| u32::from_be_bytes(bytes) as $cell),
                8 => leaf!($column, |bytes| u64::from_be_bytes(bytes) as $cell),
                _ => return None,
            }
        };
        (mac $column:ident) => {
            if width != 6 {
                return None;
            } else {
                leaf!($column, mac)
            }
        };
    }
    Some(match column {
        Number::SrcPort => of!(src_port: u16),
        Number::DstPort => of!(dst_port: u16),
        Number::Protocol => of!(protocol: u8),
        Number::Tos => of!(tos: u8),
        Number::TcpFlags => of!(tcp_flags: u16),
        Number::IcmpType => of!(icmp_type: u8),
        Number::IcmpCode => of!(icmp_code: u8),
        Number::InIf => of!(in_if: u32),
        Number::OutIf => of!(out_if: u32),
        Number::SrcAs => of!(src_as: u32),
        Number::DstAs => of!(dst_as: u32),
        Number::SrcPrefixLen => of!(src_prefix_len: u8),
        Number::DstPrefixLen => of!(dst_prefix_len: u8),
        Number::SrcVlan => of!(src_vlan: u16),
        Number::DstVlan => of!(dst_vlan: u16),
        Number::SrcMac => of!(mac src_mac),
        Number::DstMac => of!(mac dst_mac),
        Number::FlowEndReason => of!(flow_end_reason: u8),
        Number::Bytes => of!(bytes: u64),
        Number::Packets => of!(packets: u64),
        Number::SamplingRate => of!(sampling_rate: u64),
        Number::ApplicationId => of!(application_id: u64),
        Number::PostNatSrcPort => of!(post_nat_src_port: u16),
        Number::PostNatDstPort => of!(post_nat_dst_port: u16),
        Number::IngressVrf => of!(ingress_vrf: u32),
        Number::EgressVrf => of!(egress_vrf: u32),
        Number::FirewallEvent => of!(firewall_event: u8),
        Number::FirewallExtEvent => of!(firewall_ext_event: u16),
    })
}

/// Six bytes as a number.
#[inline]
pub(crate) fn mac([a, b, c, d, e, f]: [u8; 6]) -> u64 {
    u64::from(u16::from_be_bytes([a, b])) << 32 | u64::from(u32::from_be_bytes([c, d, e, f]))
}

/// Times that are read without a look at the record beside them.
macro_rules! time {
    ($clock:ident, $width:ident, $column:ident) => {
        Some(match ($clock, $width) {
            (Clock::Uptime, 4) => leaf!($column, now, |bytes| now.uptime(u32::from_be_bytes(bytes))),
            (Clock::Milliseconds, 8) => {
                leaf!($column, now, |bytes| now.read(Clock::Milliseconds, u64::from_be_bytes(bytes)))
            }
            (Clock::Seconds, 4) => {
                leaf!($column, now, |bytes| now.read(Clock::Seconds, u64::from(u32::from_be_bytes(bytes))))
            }
            _ => return None,
        })
    };
}

fn start(clock: Clock, width: u16) -> Option<Leaf> {
    time!(clock, width, start_ms)
}

fn end(clock: Clock, width: u16) -> Option<Leaf> {
    time!(clock, width, end_ms)
}
