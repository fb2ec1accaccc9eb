//! Which information element goes into which column: the one table of it. Numbers from IANA's IPFIX registry (RFC 7012),
//! which are those of NetFlow v9 where v9 has them (RFC 3954 section 8), and from vendors' documents.

use super::target::{Addr, Clock, Name, Number, Slot, Target};
use crate::element::REVERSE;
use crate::frame::Layer;
use crate::template::FieldSpecifier;

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

const fn name(name: Name, class: u8) -> Option<Rule> {
    rule(Target::Name(name), class)
}

/// The rules for one field. NetFlow v9 has no enterprise numbers: there vendors use element numbers from 32768 on.
pub(crate) fn of(version: u8, field: &FieldSpecifier) -> impl Iterator<Item = Rule> {
    let length = field.length;
    let rules = match (field.enterprise, field.element) {
        (0, 32_768..) if version == 9 => [of_netflow9(field.element), None, None],
        (0, element) => by_element(version, element),
        (REVERSE, element) => [of_reverse(version, element), None, None],
        (enterprise, element) => of_vendor(enterprise, element),
    };
    rules.into_iter().flatten().filter(move |rule| rule.target.takes(length))
}

fn by_element(version: u8, element: u16) -> [Option<Rule>; 3] {
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
        // The device that metered the flow, as a mediator passes it on (RFC 7119), before who exported it, as a proxy does.
        403 | 404 => addr(Addr::Agent, 0),
        130 | 131 => addr(Addr::Agent, 1),
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
        32 | 139 => return [rule(Target::IcmpTypeOfPair, 0), rule(Target::IcmpCodeOfPair, 0), None],
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
        // Delta, total, the same after the metering point, layer 2, initiator's half: whichever the exporter counts by. What was
        // dropped (132 to 135), copied to a group (19, 20, 174, 175, 418, 421) or counts whole selections (391, 392) is none of it.
        1 => number(Number::Bytes, 0),
        85 => number(Number::Bytes, 1),
        23 => number(Number::Bytes, 2),
        171 => number(Number::Bytes, 3),
        352 => number(Number::Bytes, 4),
        353 => number(Number::Bytes, 5),
        417 => number(Number::Bytes, 6),
        420 => number(Number::Bytes, 7),
        231 => number(Number::Bytes, 8),
        2 => number(Number::Packets, 0),
        86 => number(Number::Packets, 1),
        24 => number(Number::Packets, 2),
        172 => number(Number::Packets, 3),
        430 => number(Number::Packets, 4),
        431 => number(Number::Packets, 5),
        298 => number(Number::Packets, 6),
        // Each half where the exporter tells of both.
        232 => rule(Target::Slot(Slot::ReverseBytes), 8),
        299 => rule(Target::Slot(Slot::ReversePackets), 6),
        148 => slot(Slot::FlowId),
        138 => slot(Slot::ObservationPoint),
        141 => slot(Slot::LineCard),
        142 => slot(Slot::Port),
        143 => slot(Slot::MeteringProcess),
        144 => slot(Slot::ExportingProcess),
        239 => slot(Slot::BiflowDirection),
        34 | 50 => number(Number::SamplingRate, 0),
        311 => rule(Target::SamplingProbability, 1),
        301 => slot(Slot::SelectionSequence),
        48 => rule(Target::Slot(Slot::Sampler), 0),
        302 => rule(Target::Slot(Slot::Sampler), 1),
        // Packets, flows (RFC 7014), or their times.
        305 => slot(Slot::Interval),
        306 => slot(Slot::Space),
        396 => rule(Target::Slot(Slot::Interval), 1),
        397 => rule(Target::Slot(Slot::Space), 1),
        307 => rule(Target::Slot(Slot::Interval), 2),
        308 => rule(Target::Slot(Slot::Space), 2),
        398 => rule(Target::Slot(Slot::Interval), 3),
        399 => rule(Target::Slot(Slot::Space), 3),
        309 => slot(Slot::Size),
        310 => slot(Slot::Population),
        95 => number(Number::ApplicationId, 0),
        96 => name(Name::Application, 0),
        371 => name(Name::User, 0),
        233 => number(Number::FirewallEvent, 0),
        230 => slot(Slot::NatEvent),
        361 => slot(Slot::BlockStart),
        362 => slot(Slot::BlockEnd),
        363 => slot(Slot::BlockStep),
        364 => slot(Slot::BlockSize),
        283 => slot(Slot::PoolId),
        284 => rule(Target::PoolName, 0),
        312 => rule(Target::Slot(Slot::FrameLength), 0),
        224 => rule(Target::Slot(Slot::FrameLength), 1),
        315 => rule(Target::Section(Layer::Ethernet), 0),
        313 => rule(Target::Section(Layer::Ip), 1),
        317 => rule(Target::Section(Layer::Ip), 2),
        316 => rule(Target::Section(Layer::Mpls), 3),
        104 => rule(Target::Section(Layer::Ethernet), 4),
        234 => number(Number::IngressVrf, 0),
        235 => number(Number::EgressVrf, 0),
        160 => slot(Slot::SystemInit),
        161 => slot(Slot::Duration),
        162 => rule(Target::DurationMicroseconds, 1),
        _ => None,
    };
    if one.is_some() { [one, None, None] } else { of_time(uptime, element) }
}

/// Times, the exactest first.
fn of_time(uptime: Clock, element: u16) -> [Option<Rule>; 3] {
    // The time of an event, such as a NAT binding or a firewall's decision, is both its start and its end.
    let event = |clock: Clock, class: u8| {
        [rule(Target::Start(clock), class), rule(Target::End(clock), class), rule(Target::EventTime(clock), class)]
    };
    let one = match element {
        152 => rule(Target::Start(Clock::Milliseconds), 0),
        153 => rule(Target::End(Clock::Milliseconds), 0),
        154 => rule(Target::Start(Clock::Microseconds), 1),
        155 => rule(Target::End(Clock::Microseconds), 1),
        156 => rule(Target::Start(Clock::Nanoseconds), 1),
        157 => rule(Target::End(Clock::Nanoseconds), 1),
        150 => rule(Target::Start(Clock::Seconds), 2),
        151 => rule(Target::End(Clock::Seconds), 2),
        22 => rule(Target::Start(uptime), 3),
        21 => rule(Target::End(uptime), 3),
        158 => rule(Target::Start(Clock::BeforeExport), 4),
        159 => rule(Target::End(Clock::BeforeExport), 4),
        323 => return event(Clock::Milliseconds, 5),
        324 => return event(Clock::Microseconds, 6),
        325 => return event(Clock::Nanoseconds, 6),
        322 => return event(Clock::Seconds, 7),
        // When another collector had it.
        258 => return event(Clock::Milliseconds, 8),
        _ => None,
    };
    [one, None, None]
}

/// Cisco ASA (NSEL) and Palo Alto (PAN-OS), which number their own elements from 32768 on.
fn of_netflow9(element: u16) -> Option<Rule> {
    match element {
        33_002 => number(Number::FirewallExtEvent, 0),
        40_000 => name(Name::User, 1),
        // ASA before it used IANA's numbers.
        40_001 => addr(Addr::PostNatSrc, 1),
        40_002 => addr(Addr::PostNatDst, 1),
        40_003 => number(Number::PostNatSrcPort, 1),
        40_004 => number(Number::PostNatDstPort, 1),
        40_005 => number(Number::FirewallEvent, 1),
        56_701 => name(Name::Application, 1),
        56_702 => name(Name::User, 2),
        _ => None,
    }
}

/// The other direction of a biflow (RFC 5103 section 6.1).
fn of_reverse(version: u8, element: u16) -> Option<Rule> {
    let uptime = if version == 10 { Clock::SinceInit } else { Clock::Uptime };
    let slot = |slot: Slot, class: u8| rule(Target::Slot(slot), class);
    match element {
        1 => slot(Slot::ReverseBytes, 0),
        85 => slot(Slot::ReverseBytes, 1),
        23 => slot(Slot::ReverseBytes, 2),
        171 => slot(Slot::ReverseBytes, 3),
        352 => slot(Slot::ReverseBytes, 4),
        353 => slot(Slot::ReverseBytes, 5),
        417 => slot(Slot::ReverseBytes, 6),
        420 => slot(Slot::ReverseBytes, 7),
        2 => slot(Slot::ReversePackets, 0),
        86 => slot(Slot::ReversePackets, 1),
        24 => slot(Slot::ReversePackets, 2),
        172 => slot(Slot::ReversePackets, 3),
        430 => slot(Slot::ReversePackets, 4),
        431 => slot(Slot::ReversePackets, 5),
        6 => slot(Slot::ReverseTcpFlags, 0),
        5 => slot(Slot::ReverseTos, 0),
        58 => slot(Slot::ReverseVlan, 0),
        136 => slot(Slot::ReverseEndReason, 0),
        152 => rule(Target::ReverseStart(Clock::Milliseconds), 0),
        153 => rule(Target::ReverseEnd(Clock::Milliseconds), 0),
        154 => rule(Target::ReverseStart(Clock::Microseconds), 1),
        155 => rule(Target::ReverseEnd(Clock::Microseconds), 1),
        156 => rule(Target::ReverseStart(Clock::Nanoseconds), 1),
        157 => rule(Target::ReverseEnd(Clock::Nanoseconds), 1),
        150 => rule(Target::ReverseStart(Clock::Seconds), 2),
        151 => rule(Target::ReverseEnd(Clock::Seconds), 2),
        22 => rule(Target::ReverseStart(uptime), 3),
        21 => rule(Target::ReverseEnd(uptime), 3),
        158 => rule(Target::ReverseStart(Clock::BeforeExport), 4),
        159 => rule(Target::ReverseEnd(Clock::BeforeExport), 4),
        _ => None,
    }
}

/// Elements of vendors that mean what a column means. YAF (6871) marks the other direction by adding 16384.
fn of_vendor(enterprise: u32, element: u16) -> [Option<Rule>; 3] {
    let one = match (enterprise, element) {
        // Cisco's in IPFIX: the NetFlow v9 number without its top bit.
        (9, 234 | 7_232..=7_237) => of_netflow9(element | 0x8000),
        // Nokia's NAT logs.
        (637, 91) => number(Number::IngressVrf, 1),
        (637, 92) => number(Number::EgressVrf, 1),
        (637, 93) => name(Name::User, 1),
        (3054, 111) => name(Name::Application, 2),
        (3054, 176) => rule(Target::Slot(Slot::ReverseBytes), 9),
        (3054, 177) => rule(Target::Slot(Slot::ReversePackets), 7),
        (3054, 181) | (5951, 250) | (15_397, 28) => name(Name::User, 3),
        (5951, 205) => name(Name::User, 4),
        (5951, 238) | (15_397, 1) => name(Name::Application, 3),
        (6871, 14) => number(Number::TcpFlags, 1),
        (6871, 15) => slot(Slot::LaterTcpFlags),
        (6871, 16_398) => rule(Target::Slot(Slot::ReverseTcpFlags), 1),
        (6871, 16_399) => slot(Slot::ReverseLaterTcpFlags),
        (6871, 21) => slot(Slot::ReverseDelay),
        _ => None,
    };
    [one, None, None]
}
