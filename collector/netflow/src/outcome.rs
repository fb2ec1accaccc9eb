//! What became of one datagram, for whoever keeps account of them.

use crate::columns::Address;
use crate::header::Header;
use crate::report::Event;
use crate::sflow;
use crate::skew::ClockSkew;

/// What became of one datagram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What its header says; `None` if it has none that can be read.
    pub message: Option<Message>,
    /// Data records and options data records decoded, those of sets that were held apart; sFlow: samples.
    pub records: u32,
    /// Of these, flow records; sFlow: flow samples.
    pub flow_records: u32,
    /// Whether `records` are all that the datagram has: no set was without template, reserved or broken.
    pub is_complete: bool,
    /// Data sets of this datagram that were held because their template was not known. Each is told of once more, by its own
    /// header: to [`crate::Store::decoded`], maybe still within this datagram, or by the keeper when it gives the set up.
    pub sets_held: u32,
    /// Data sets given up for want of a template.
    pub sets_refused: u32,
    /// The first thing about it that breaks the protocol.
    pub fault: Option<Event>,
    /// Sampled packets whose row is of less than what they carry, and what kept the last of them closed.
    pub unopened: (u32, Option<Event>),
}

impl Outcome {
    /// Whether the datagram speaks for its sender: it is of a known version, and nothing about it breaks the protocol.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.message.is_some() && self.fault.is_none()
    }
}

/// What the header of a datagram says, in host byte order, for any version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// Source address of the datagram.
    pub exporter: Address,
    /// Address that the exporter gives itself in the header (sFlow); its source address where it gives itself none.
    pub agent: Address,
    /// 1, 5, 7, 9 or 10; 102, 104 and 105 are sFlow v2, v4 and v5.
    pub version: u8,
    /// Observation domain, source id, engine or sub-agent.
    pub domain: u32,
    /// Sequence number as the version counts: flows (v5, v7), datagrams (v9, sFlow), data records (IPFIX); 0 in v1.
    pub sequence: u32,
    /// When the message left the exporter, milliseconds since 1970; sFlow does not say.
    pub export_ms: Option<i64>,
    /// Milliseconds since the exporter started, wrapping; IPFIX does not say.
    pub uptime_ms: Option<u32>,
    /// What is known of the clock that `export_ms` was told by.
    pub skew: ClockSkew,
}

impl From<&Header> for Message {
    fn from(header: &Header) -> Self {
        Self {
            exporter: header.exporter,
            agent: header.exporter,
            version: header.version,
            domain: header.domain,
            sequence: header.sequence,
            export_ms: Some(header.export_ms),
            uptime_ms: header.uptime_ms,
            skew: header.skew,
        }
    }
}

impl From<&sflow::Header> for Message {
    fn from(header: &sflow::Header) -> Self {
        Self {
            exporter: header.exporter,
            agent: header.device(),
            version: header.version_number(),
            domain: header.sub_agent,
            sequence: header.sequence,
            export_ms: None,
            uptime_ms: Some(header.uptime_ms),
            skew: ClockSkew::Small,
        }
    }
}
