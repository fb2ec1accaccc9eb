//! Which information element tells what of a flow, and how it is written (IANA's IPFIX registry, RFC 7012).
//!
//! Elements that are not here are carried as bytes without meaning.

use std::net::IpAddr;

use crate::clock::{Clock, ntp_microseconds, ntp_nanoseconds};
use crate::flow::{Direction, Flow};
use crate::template::{Field, Protocol, VARIABLE};
use crate::wire::{largest, number, shortest};

macro_rules! numbers {
    ($($name:ident $field:ident: $type:ty = $($element:literal)|+, $width:literal;)*) => {
        /// A number of a flow.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Number {
            $(#[doc = stringify!($field)] $name,)*
        }

        impl Number {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            fn of(element: u16) -> Option<Self> {
                match element {
                    $($($element)|+ => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// What the flow says.
            #[must_use]
            pub fn get(self, flow: &Flow) -> u64 {
                match self {
                    $(Self::$name => u64::from(flow.$field),)*
                }
            }

            /// Makes the flow say it; what does not fit is cut off in front.
            pub fn set(self, flow: &mut Flow, value: u64) {
                match self {
                    $(Self::$name => flow.$field = value as $type,)*
                }
            }
        }

        /// Elements of numbers, with the lengths of their types in bytes.
        pub const NUMBERS: &[(u16, u16)] = &[$($(($element, $width),)+)*];
    };
}

numbers! {
    SourcePort source_port: u16 = 7 | 180 | 182, 2;
    DestinationPort destination_port: u16 = 11 | 181 | 183, 2;
    PostNatSourcePort post_nat_source_port: u16 = 227, 2;
    PostNatDestinationPort post_nat_destination_port: u16 = 228, 2;
    Protocol protocol: u8 = 4, 1;
    Tos tos: u8 = 5, 1;
    TcpFlags tcp_flags: u16 = 6, 2;
    IcmpType icmp_type: u8 = 176 | 178, 1;
    IcmpCode icmp_code: u8 = 177 | 179, 1;
    Input input: u32 = 10 | 252, 4;
    Output output: u32 = 14 | 253, 4;
    SourceAs source_as: u32 = 16, 4;
    DestinationAs destination_as: u32 = 17, 4;
    SourcePrefix source_prefix: u8 = 9 | 29, 1;
    DestinationPrefix destination_prefix: u8 = 13 | 30, 1;
    SourceVlan source_vlan: u16 = 58 | 243, 2;
    DestinationVlan destination_vlan: u16 = 59 | 254, 2;
    SourceMac source_mac: u64 = 56 | 81, 6;
    DestinationMac destination_mac: u64 = 80 | 57, 6;
    ForwardingStatus forwarding_status: u8 = 89, 1;
    EndReason end_reason: u8 = 136, 1;
    Octets octets: u64 = 1 | 85 | 23 | 352, 8;
    Packets packets: u64 = 2 | 86 | 24, 8;
    SamplingRate sampling_rate: u64 = 34 | 50, 4;
    Sampler sampler: u64 = 48 | 302, 8;
    ApplicationId application_id: u64 = 95, 4;
    IngressVrf ingress_vrf: u32 = 234, 4;
    EgressVrf egress_vrf: u32 = 235, 4;
}

/// Elements of addresses, with their lengths.
pub const ADDRESSES: &[(u16, u16)] = &[
    (8, 4),
    (27, 16),
    (12, 4),
    (28, 16),
    (15, 4),
    (62, 16),
    (18, 4),
    (63, 16),
    (225, 4),
    (281, 16),
    (226, 4),
    (282, 16),
];

/// How a record tells when its flow began and ended, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Time {
    /// 152 and 153.
    Milliseconds,
    /// 154 and 155, as NTP timestamps.
    Microseconds,
    /// 156 and 157, as NTP timestamps.
    Nanoseconds,
    /// 150 and 151.
    Seconds,
    /// 22 and 21; in NetFlow v9, whose header has the uptime.
    Uptime,
    /// 158 and 159.
    BeforeExport,
}

/// Every way to tell the time: elements of start and end, length.
pub const TIMES: &[(Time, u16, u16, u16)] = &[
    (Time::Milliseconds, 152, 153, 8),
    (Time::Microseconds, 154, 155, 8),
    (Time::Nanoseconds, 156, 157, 8),
    (Time::Seconds, 150, 151, 4),
    (Time::Uptime, 22, 21, 4),
    (Time::BeforeExport, 158, 159, 4),
];

/// What a field tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Number(Number),
    Address(usize),
    Start(Time),
    End(Time),
    Direction,
    /// DSCP: the upper six bits of the TOS byte.
    Dscp,
    /// ICMP type * 256 + code.
    IcmpPair,
    /// MPLS label stack entry, 0 on top.
    Label(usize),
    ApplicationName,
    /// When the exporter started, milliseconds since 1970.
    Boot,
}

/// What a field tells of a flow; `None` if nothing.
pub(crate) fn meaning(protocol: Protocol, field: &Field) -> Option<Meaning> {
    if field.enterprise != 0 {
        return None;
    }
    if let Some(number) = Number::of(field.element) {
        return Some(Meaning::Number(number));
    }
    if let Some(index) = ADDRESSES.iter().position(|(element, _)| *element == field.element) {
        return Some(Meaning::Address(index / 2));
    }
    for (time, start, end, _) in TIMES {
        // IPFIX has no uptime in its header: there these count from an announced start.
        if *time == Time::Uptime && protocol == Protocol::Ipfix {
            continue;
        }
        if field.element == *start {
            return Some(Meaning::Start(*time));
        }
        if field.element == *end {
            return Some(Meaning::End(*time));
        }
    }
    Some(match field.element {
        61 => Meaning::Direction,
        195 => Meaning::Dscp,
        32 | 139 => Meaning::IcmpPair,
        level @ 70..=79 => Meaning::Label(usize::from(level - 70)),
        96 => Meaning::ApplicationName,
        160 => Meaning::Boot,
        _ => return None,
    })
}

/// The addresses of a flow in the order of [`ADDRESSES`], one for each pair.
pub(crate) fn addresses(flow: &mut Flow) -> [&mut Option<IpAddr>; 6] {
    [
        &mut flow.source,
        &mut flow.destination,
        &mut flow.next_hop,
        &mut flow.bgp_next_hop,
        &mut flow.post_nat_source,
        &mut flow.post_nat_destination,
    ]
}

/// One of them.
pub(crate) fn address_of(flow: &Flow, index: usize) -> Option<IpAddr> {
    let all = [
        flow.source,
        flow.destination,
        flow.next_hop,
        flow.bgp_next_hop,
        flow.post_nat_source,
        flow.post_nat_destination,
    ];
    all[index]
}

/// Whether a field of this length can hold it.
pub(crate) fn fits(meaning: Meaning, length: u16) -> bool {
    match meaning {
        Meaning::Number(Number::SourceMac | Number::DestinationMac) => length == 6 || length == VARIABLE,
        Meaning::Address(_) => length == 4 || length == 16 || length == VARIABLE,
        Meaning::Start(Time::Microseconds | Time::Nanoseconds)
        | Meaning::End(Time::Microseconds | Time::Nanoseconds) => length == 8,
        Meaning::Label(_) => length == 3 || length == 4,
        Meaning::ApplicationName => length > 0,
        Meaning::Number(_) | Meaning::Direction | Meaning::Dscp | Meaning::IcmpPair | Meaning::Boot => {
            (1..=8).contains(&length) || length == VARIABLE
        }
        Meaning::Start(_) | Meaning::End(_) => (1..=8).contains(&length),
    }
}

/// The bytes of a field.
pub(crate) fn encode(meaning: Meaning, field: &Field, clock: Clock, flow: &Flow) -> Vec<u8> {
    let length = field.length;
    if !fits(meaning, length) {
        return vec![0; if length == VARIABLE { 0 } else { usize::from(length) }];
    }
    match meaning {
        Meaning::Number(value) => sized(value.get(flow), length),
        Meaning::Address(index) => address(address_of(flow, index), length),
        Meaning::Start(time) => sized(flow.start_ms.map_or(0, |ms| told(time, clock, ms)), length),
        Meaning::End(time) => sized(flow.end_ms.map_or(0, |ms| told(time, clock, ms)), length),
        Meaning::Direction => sized(
            match flow.direction {
                Direction::Ingress => 0,
                Direction::Egress => 1,
                Direction::Unknown => largest(1),
            },
            length,
        ),
        Meaning::Dscp => sized(u64::from(flow.tos >> 2), length),
        Meaning::IcmpPair => sized(u64::from(flow.icmp_type) << 8 | u64::from(flow.icmp_code), length),
        Meaning::Label(level) => sized(label(flow, level) << if length == 4 { 8 } else { 0 }, length),
        Meaning::ApplicationName => {
            let mut name = flow.application_name.clone().into_bytes();
            if length != VARIABLE {
                name.resize(usize::from(length), 0);
            }
            name
        }
        Meaning::Boot => sized(clock.boot_ms().unsigned_abs(), length),
    }
}

/// A number in a field of this length; in the fewest bytes where that is variable.
fn sized(value: u64, length: u16) -> Vec<u8> {
    if length == VARIABLE { shortest(value) } else { number(value, usize::from(length)) }
}

fn address(address: Option<IpAddr>, length: u16) -> Vec<u8> {
    match (address, length) {
        (Some(IpAddr::V4(four)), 4 | VARIABLE) => four.octets().to_vec(),
        (Some(IpAddr::V6(six)), 16 | VARIABLE) => six.octets().to_vec(),
        (_, VARIABLE) => Vec::new(),
        (_, length) => vec![0; usize::from(length)],
    }
}

/// A label stack entry without TTL; the last has the bottom-of-stack bit (RFC 3032 section 2.1).
fn label(flow: &Flow, level: usize) -> u64 {
    let is_last = level + 1 == flow.labels.len();
    flow.labels.get(level).map_or(0, |label| u64::from(*label) << 4 | u64::from(is_last))
}

fn told(time: Time, clock: Clock, ms: i64) -> u64 {
    match time {
        Time::Milliseconds => ms.unsigned_abs(),
        Time::Microseconds => ntp_microseconds(ms),
        Time::Nanoseconds => ntp_nanoseconds(ms),
        Time::Seconds => (ms / 1000).unsigned_abs(),
        Time::Uptime => u64::from(clock.uptime_at(ms)),
        Time::BeforeExport => clock.microseconds_before(ms),
    }
}
