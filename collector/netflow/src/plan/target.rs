//! Where a field of a record goes: a column, a number that columns are derived from, or a packet's beginning to be read.

use crate::frame::Layer;
use crate::template::VARIABLE;

/// A column of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Addr {
    Src,
    Dst,
    NextHop,
    BgpNextHop,
    PostNatSrc,
    PostNatDst,
    Agent,
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
    FirewallEvent,
    FirewallExtEvent,
}

/// A column of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    Application,
    User,
    InIf,
    OutIf,
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
#[repr(u8)]
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
    /// What a packet passed of several selectors (301).
    SelectionSequence,
    /// Packets sampled in a row (305), or flows (396), or for how long (307, 398).
    Interval,
    /// What is skipped between (306, 397, 308, 399).
    Space,
    /// Packets sampled (309) of a population.
    Size,
    /// Packets that the sample was taken of (310).
    Population,
    /// Flags that the exporter tells apart from those of the first packet (YAF).
    LaterTcpFlags,
    /// Octets of the frame or packet that a section was cut from (312, 224).
    FrameLength,
    /// Octets of the other direction.
    ReverseBytes,
    /// Packets of the other direction.
    ReversePackets,
    /// TCP flags of the other direction.
    ReverseTcpFlags,
    /// As [`Slot::LaterTcpFlags`], of the other direction.
    ReverseLaterTcpFlags,
    /// TOS of the other direction.
    ReverseTos,
    /// VLAN of the other direction's incoming frames.
    ReverseVlan,
    /// Flow end reason of the other direction.
    ReverseEndReason,
    /// Start of the other direction, milliseconds since 1970, or uptime if so told.
    ReverseStart,
    /// End of the other direction, milliseconds since 1970, or uptime if so told.
    ReverseEnd,
    /// Milliseconds from the start of the flow to the first packet of the other direction (YAF).
    ReverseDelay,
    /// Which end of the flow is its source (239, RFC 5103 section 6.3).
    BiflowDirection,
    /// natEvent (230).
    NatEvent,
    /// First port of a block (361).
    BlockStart,
    /// Last port of a block (362).
    BlockEnd,
    /// Distance between ports of a block (363).
    BlockStep,
    /// Number of ports of a block (364).
    BlockSize,
    /// NAT pool (283).
    PoolId,
    /// Name of the NAT pool (284): key in its dictionary.
    PoolName,
    /// When a NAT event happened, milliseconds since 1970.
    EventTime,
    /// flowId (148), where counts are totals of a flow.
    FlowId,
    /// observationPointId (138).
    ObservationPoint,
    /// portId (142).
    Port,
    /// lineCardId (141).
    LineCard,
    /// meteringProcessId (143).
    MeteringProcess,
    /// exportingProcessId (144).
    ExportingProcess,
}

impl Slot {
    /// What tells flows or their parts of the exporter apart, and may be wanted by itself.
    pub(super) fn is_identity(self) -> bool {
        matches!(
            self,
            Self::FlowId
                | Self::ObservationPoint
                | Self::Port
                | Self::LineCard
                | Self::MeteringProcess
                | Self::ExportingProcess
        )
    }

    /// One bit for each slot.
    pub(crate) const fn bit(self) -> u64 {
        1 << (self as u32)
    }
}

/// Number of [`Slot`]s.
pub(crate) const SLOTS: usize = 37;

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
    /// A sampling probability (311) as a rate.
    SamplingProbability,
    Name(Name),
    /// Name of a NAT pool.
    PoolName,
    /// The other direction's start.
    ReverseStart(Clock),
    /// The other direction's end.
    ReverseEnd(Clock),
    /// When a NAT event happened.
    EventTime(Clock),
    /// The beginning of a sampled packet.
    Section(Layer),
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
            Self::SamplingProbability => Self::Number(Number::SamplingRate),
            Self::PoolName => Self::Slot(Slot::PoolName),
            Self::ReverseStart(_) => Self::Slot(Slot::ReverseStart),
            Self::ReverseEnd(_) => Self::Slot(Slot::ReverseEnd),
            Self::EventTime(_) => Self::Slot(Slot::EventTime),
            Self::Section(_) => Self::Section(Layer::Ethernet),
            Self::Addr(_)
            | Self::Number(_)
            | Self::Direction
            | Self::ForwardingStatus
            | Self::Slot(_)
            | Self::Name(_) => self,
        }
    }

    /// The clock of a time column.
    pub(crate) fn clock(self) -> Option<Clock> {
        match self {
            Self::Start(clock) | Self::End(clock) | Self::ReverseStart(clock) | Self::ReverseEnd(clock) => Some(clock),
            Self::Addr(_)
            | Self::Number(_)
            | Self::Dscp
            | Self::IcmpTypeOfPair
            | Self::IcmpCodeOfPair
            | Self::Direction
            | Self::ForwardingStatus
            | Self::Slot(_)
            | Self::DurationMicroseconds
            | Self::SamplingProbability
            | Self::Name(_)
            | Self::PoolName
            | Self::EventTime(_)
            | Self::Section(_) => None,
        }
    }

    /// The slot it writes.
    pub(crate) fn slot(self) -> Option<Slot> {
        if let Self::Slot(slot) = self.column() { Some(slot) } else { None }
    }

    /// Whether a field of this length can be what the column wants.
    pub(super) fn takes(self, length: u16) -> bool {
        if length == VARIABLE {
            return true;
        }
        match self {
            Self::Addr(_) => length == 4 || length == 16,
            Self::Number(Number::SrcMac | Number::DstMac) => length == 6,
            Self::Start(Clock::Microseconds | Clock::Nanoseconds)
            | Self::End(Clock::Microseconds | Clock::Nanoseconds)
            | Self::ReverseStart(Clock::Microseconds | Clock::Nanoseconds)
            | Self::ReverseEnd(Clock::Microseconds | Clock::Nanoseconds)
            | Self::EventTime(Clock::Microseconds | Clock::Nanoseconds) => length == 8,
            Self::SamplingProbability => length == 4 || length == 8,
            Self::Name(_) | Self::PoolName | Self::Section(_) => length > 0,
            Self::Number(_)
            | Self::Dscp
            | Self::IcmpTypeOfPair
            | Self::IcmpCodeOfPair
            | Self::Direction
            | Self::ForwardingStatus
            | Self::Start(_)
            | Self::End(_)
            | Self::ReverseStart(_)
            | Self::ReverseEnd(_)
            | Self::EventTime(_)
            | Self::Slot(_)
            | Self::DurationMicroseconds => (1..=8).contains(&length),
        }
    }
}
