//! Which information element goes into which column: the one table of it. Numbers from IANA's IPFIX registry (RFC 7012),
//! which are those of NetFlow v9 where v9 has them (RFC 3954 section 8).

use crate::template::{FieldSpecifier, VARIABLE};

/// A column of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addr {
    Src,
    Dst,
    NextHop,
    BgpNextHop,
    PostNatSrc,
    PostNatDst,
}

/// A column that takes an unsigned number as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    SrcPort,
    DstPort,
    Protocol,
    Tos,
    TcpFlags,
    IcmpType,
    IcmpCode,
    InIf,
    OutIf,
    SrcAs,
    DstAs,
    SrcPrefixLen,
    DstPrefixLen,
    SrcVlan,
    DstVlan,
    SrcMac,
    DstMac,
    FlowEndReason,
    Bytes,
    Packets,
    SamplingRate,
    ApplicationId,
    PostNatSrcPort,
    PostNatDstPort,
    IngressVrf,
    EgressVrf,
}

/// How a time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Any of the following: stands for the column.
    Absolute,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// NTP timestamp, or what some exporters send instead: microseconds since 1970.
    Microseconds,
    /// NTP timestamp, or what some exporters send instead: nanoseconds since 1970.
    Nanoseconds,
    /// Milliseconds of the uptime that the header of NetFlow v5 and v9 tells.
    Uptime,
    /// Milliseconds since systemInitTimeMilliseconds (IPFIX).
    SinceInit,
    /// Microseconds before the export time.
    BeforeExport,
}

/// A number that no column takes, but that a column is derived from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Slot {
    /// Uptime at the start of the flow, milliseconds.
    First,
    /// Uptime at the end of the flow, milliseconds.
    Last,
    /// When the exporter started, milliseconds since 1970.
    SystemInit,
    /// Duration of the flow, milliseconds.
    Duration,
    /// Sampler (48) or selector (302) id.
    Sampler,
    /// Packets sampled in a row (305).
    Interval,
    /// Packets skipped in a row (306).
    Space,
    /// Packets sampled (309) of a population.
    Size,
    /// Packets that the sample was taken of (310).
    Population,
}

impl Slot {
    /// One bit for each slot.
    pub(crate) const fn bit(self) -> u16 {
        1 << (self as u16)
    }
}

/// Number of [`Slot`]s.
pub(crate) const SLOTS: usize = 9;

/// Where a field goes, and how it is turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Addr(Addr),
    Number(Number),
    /// DSCP into the upper six bits of the TOS column.
    Dscp,
    /// Type out of type * 256 + code.
    IcmpTypeOfPair,
    /// Code out of type * 256 + code.
    IcmpCodeOfPair,
    /// 0 ingress, 1 egress.
    Direction,
    ForwardingStatus,
    Start(Clock),
    End(Clock),
    Slot(Slot),
    /// Duration in microseconds into its slot.
    DurationMicroseconds,
    ApplicationName,
}

impl Target {
    /// The target that stands for the column: equal for all targets that write the same one.
    pub(crate) fn column(self) -> Self {
        match self {
            Self::Dscp => Self::Number(Number::Tos),
            Self::IcmpTypeOfPair => Self::Number(Number::IcmpType),
            Self::IcmpCodeOfPair => Self::Number(Number::IcmpCode),
            Self::Start(_) => Self::Start(Clock::Absolute),
            Self::End(_) => Self::End(Clock::Absolute),
            Self::DurationMicroseconds => Self::Slot(Slot::Duration),
            Self::Addr(_)
            | Self::Number(_)
            | Self::Direction
            | Self::ForwardingStatus
            | Self::Slot(_)
            | Self::ApplicationName => self,
        }
    }

    /// The clock of a time column.
    pub(crate) fn clock(self) -> Option<Clock> {
        if let Self::Start(clock) | Self::End(clock) = self { Some(clock) } else { None }
    }

    /// The slot it writes.
    pub(crate) fn slot(self) -> Option<Slot> {
        if let Self::Slot(slot) = self.column() { Some(slot) } else { None }
    }

    /// Whether a field of this length can be what the column wants.
    fn takes(self, length: u16) -> bool {
        if length == VARIABLE {
            return true;
        }
        match self {
            Self::Addr(_) => length == 4 || length == 16,
            Self::Number(Number::SrcMac | Number::DstMac) => length == 6,
            Self::Start(Clock::Microseconds | Clock::Nanoseconds)
            | Self::End(Clock::Microseconds | Clock::Nanoseconds) => length == 8,
            Self::ApplicationName => length > 0,
            Self::Number(_)
            | Self::Dscp
            | Self::IcmpTypeOfPair
            | Self::IcmpCodeOfPair
            | Self::Direction
            | Self::ForwardingStatus
            | Self::Start(_)
            | Self::End(_)
            | Self::Slot(_)
            | Self::DurationMicroseconds => (1..=8).contains(&length),
        }
    }
}

/// One way into a column; the lowest class present in a template is taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) target: Target,
    pub(crate) class: u8,
}

const fn rule(target: Target, class: u8) -> Option<Rule> {
    Some(Rule { target, class })
}

const fn number(number: Number, class: u8) -> Option<Rule> {
    rule(Target::Number(number), class)
}

const fn addr(addr: Addr, class: u8) -> Option<Rule> {
    rule(Target::Addr(addr), class)
}

const fn slot(slot: Slot) -> Option<Rule> {
    rule(Target::Slot(slot), 0)
}

/// The rules for one field of an IANA element.
pub(crate) fn of(version: u8, field: &FieldSpecifier) -> impl Iterator<Item = Rule> {
    let length = field.length;
    by_element(version, field.element).into_iter().flatten().filter(move |rule| rule.target.takes(length))
}

fn by_element(version: u8, element: u16) -> [Option<Rule>; 2] {
    let uptime = if version == 10 { Clock::SinceInit } else { Clock::Uptime };
    let one = match element {
        8 | 27 => addr(Addr::Src, 0),
        12 | 28 => addr(Addr::Dst, 0),
        44 | 170 => addr(Addr::Src, 1),
        45 | 169 => addr(Addr::Dst, 1),
        15 | 62 => addr(Addr::NextHop, 0),
        18 | 63 => addr(Addr::BgpNextHop, 0),
        225 | 281 => addr(Addr::PostNatSrc, 0),
        226 | 282 => addr(Addr::PostNatDst, 0),
        7 => number(Number::SrcPort, 0),
        180 | 182 => number(Number::SrcPort, 1),
        11 => number(Number::DstPort, 0),
        181 | 183 => number(Number::DstPort, 1),
        227 => number(Number::PostNatSrcPort, 0),
        228 => number(Number::PostNatDstPort, 0),
        4 => number(Number::Protocol, 0),
        5 => number(Number::Tos, 0),
        195 => rule(Target::Dscp, 1),
        6 => number(Number::TcpFlags, 0),
        32 | 139 => return [rule(Target::IcmpTypeOfPair, 0), rule(Target::IcmpCodeOfPair, 0)],
        176 | 178 => number(Number::IcmpType, 1),
        177 | 179 => number(Number::IcmpCode, 1),
        10 => number(Number::InIf, 0),
        252 => number(Number::InIf, 1),
        14 => number(Number::OutIf, 0),
        253 => number(Number::OutIf, 1),
        16 => number(Number::SrcAs, 0),
        17 => number(Number::DstAs, 0),
        9 | 29 => number(Number::SrcPrefixLen, 0),
        13 | 30 => number(Number::DstPrefixLen, 0),
        58 => number(Number::SrcVlan, 0),
        243 => number(Number::SrcVlan, 1),
        59 => number(Number::DstVlan, 0),
        254 => number(Number::DstVlan, 1),
        56 => number(Number::SrcMac, 0),
        81 => number(Number::SrcMac, 1),
        80 => number(Number::DstMac, 0),
        57 => number(Number::DstMac, 1),
        61 => rule(Target::Direction, 0),
        89 => rule(Target::ForwardingStatus, 0),
        136 => number(Number::FlowEndReason, 0),
        // Delta, total, after the metering point, layer 2, initiator's half: whichever the exporter counts by.
        1 => number(Number::Bytes, 0),
        85 => number(Number::Bytes, 1),
        23 => number(Number::Bytes, 2),
        171 => number(Number::Bytes, 3),
        352 => number(Number::Bytes, 4),
        353 => number(Number::Bytes, 5),
        231 => number(Number::Bytes, 6),
        2 => number(Number::Packets, 0),
        86 => number(Number::Packets, 1),
        24 => number(Number::Packets, 2),
        172 => number(Number::Packets, 3),
        298 => number(Number::Packets, 4),
        34 | 50 => number(Number::SamplingRate, 0),
        48 => rule(Target::Slot(Slot::Sampler), 0),
        302 => rule(Target::Slot(Slot::Sampler), 1),
        305 => slot(Slot::Interval),
        306 => slot(Slot::Space),
        309 => slot(Slot::Size),
        310 => slot(Slot::Population),
        95 => number(Number::ApplicationId, 0),
        96 => rule(Target::ApplicationName, 0),
        234 => number(Number::IngressVrf, 0),
        235 => number(Number::EgressVrf, 0),
        160 => slot(Slot::SystemInit),
        161 => slot(Slot::Duration),
        162 => rule(Target::DurationMicroseconds, 1),
        _ => None,
    };
    if one.is_some() {
        return [one, None];
    }
    match element {
        152 => [rule(Target::Start(Clock::Milliseconds), 0), None],
        153 => [rule(Target::End(Clock::Milliseconds), 0), None],
        154 => [rule(Target::Start(Clock::Microseconds), 1), None],
        155 => [rule(Target::End(Clock::Microseconds), 1), None],
        156 => [rule(Target::Start(Clock::Nanoseconds), 1), None],
        157 => [rule(Target::End(Clock::Nanoseconds), 1), None],
        150 => [rule(Target::Start(Clock::Seconds), 2), None],
        151 => [rule(Target::End(Clock::Seconds), 2), None],
        22 => [rule(Target::Start(uptime), 3), None],
        21 => [rule(Target::End(uptime), 3), None],
        158 => [rule(Target::Start(Clock::BeforeExport), 4), None],
        159 => [rule(Target::End(Clock::BeforeExport), 4), None],
        // The time of an event, such as a NAT binding or a firewall's decision, is both its start and its end.
        323 => [rule(Target::Start(Clock::Milliseconds), 5), rule(Target::End(Clock::Milliseconds), 5)],
        324 => [rule(Target::Start(Clock::Microseconds), 6), rule(Target::End(Clock::Microseconds), 6)],
        325 => [rule(Target::Start(Clock::Nanoseconds), 6), rule(Target::End(Clock::Nanoseconds), 6)],
        322 => [rule(Target::Start(Clock::Seconds), 7), rule(Target::End(Clock::Seconds), 7)],
        // Cisco ASA before it used IANA's numbers: addresses and ports after translation.
        40_001 if version == 9 => [addr(Addr::PostNatSrc, 1), None],
        40_002 if version == 9 => [addr(Addr::PostNatDst, 1), None],
        40_003 if version == 9 => [number(Number::PostNatSrcPort, 1), None],
        40_004 if version == 9 => [number(Number::PostNatDstPort, 1), None],
        _ => [None, None],
    }
}
