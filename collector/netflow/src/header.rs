//! Datagrams and the headers of NetFlow and IPFIX messages.

use crate::columns::Address;
use crate::skew::ClockSkew;
use crate::store::DomainKey;
use crate::wire::{u16_at, u32_at};

/// One UDP payload as it was received.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// The bytes after the UDP header.
    pub payload: &'a [u8],
    /// Source address of the datagram.
    pub exporter: Address,
    /// When it was received, milliseconds since 1970.
    pub received_ms: i64,
}

/// What the header of a message says, in host byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source address of the datagram.
    pub exporter: Address,
    /// When the datagram was received, milliseconds since 1970.
    pub received_ms: i64,
    /// 1, 5, 7, 9 or 10.
    pub version: u8,
    /// Observation domain (IPFIX), source id (NetFlow v9), engine type * 256 + engine id (NetFlow v5); 0 in
    /// NetFlow v1 and v7.
    pub domain: u32,
    /// Sequence number as the version counts: flows (v5, v7), datagrams (v9), data records (IPFIX). NetFlow v1 has none: 0.
    pub sequence: u32,
    /// When the message left the exporter, milliseconds since 1970; v9 and IPFIX say whole seconds.
    pub export_ms: i64,
    /// Milliseconds since the exporter started, wrapping; IPFIX does not say.
    pub uptime_ms: Option<u32>,
    /// Records the message has by its header (all but IPFIX); known to lie.
    pub count: Option<u16>,
    /// Sampling mode in the upper two bits, interval in the lower 14 (v5).
    pub sampling: Option<u16>,
    /// What is known of the clock that `export_ms` and the times in the records were told by.
    pub skew: ClockSkew,
}

/// Length of the NetFlow v1 header in bytes.
pub(crate) const V1_HEADER: usize = 16;
/// Length of the NetFlow v5 and v7 headers in bytes.
pub(crate) const V5_HEADER: usize = 24;
/// Length of the NetFlow v9 header in bytes (RFC 3954 section 5.1).
pub(crate) const V9_HEADER: usize = 20;
/// Length of the IPFIX message header in bytes (RFC 7011 section 3.1).
pub(crate) const IPFIX_HEADER: usize = 16;

impl Header {
    /// Reads a NetFlow v1 header; `None` if the datagram is shorter.
    pub(crate) fn v1(datagram: &Datagram<'_>) -> Option<Self> {
        let bytes = datagram.payload.get(..V1_HEADER)?;
        Some(Self {
            exporter: datagram.exporter,
            received_ms: datagram.received_ms,
            version: 1,
            domain: 0,
            sequence: 0,
            export_ms: seconds_as_ms(u32_at(bytes, 8)?).saturating_add(residual_ms(u32_at(bytes, 12)?)),
            uptime_ms: u32_at(bytes, 4),
            count: u16_at(bytes, 2),
            sampling: None,
            skew: ClockSkew::Small,
        })
    }

    /// Reads a NetFlow v7 header: that of v5 without engine and sampling. `None` if the datagram is shorter.
    pub(crate) fn v7(datagram: &Datagram<'_>) -> Option<Self> {
        Some(Self { version: 7, domain: 0, sampling: None, ..Self::v5(datagram)? })
    }

    /// Reads a NetFlow v5 header; `None` if the datagram is shorter.
    pub(crate) fn v5(datagram: &Datagram<'_>) -> Option<Self> {
        let bytes = datagram.payload.get(..V5_HEADER)?;
        Some(Self {
            exporter: datagram.exporter,
            received_ms: datagram.received_ms,
            version: 5,
            domain: u32::from(u16_at(bytes, 20)?),
            sequence: u32_at(bytes, 16)?,
            export_ms: seconds_as_ms(u32_at(bytes, 8)?).saturating_add(residual_ms(u32_at(bytes, 12)?)),
            uptime_ms: u32_at(bytes, 4),
            count: u16_at(bytes, 2),
            sampling: u16_at(bytes, 22),
            skew: ClockSkew::Small,
        })
    }

    /// Reads a NetFlow v9 header; `None` if the datagram is shorter.
    pub(crate) fn v9(datagram: &Datagram<'_>) -> Option<Self> {
        let bytes = datagram.payload.get(..V9_HEADER)?;
        Some(Self {
            exporter: datagram.exporter,
            received_ms: datagram.received_ms,
            version: 9,
            domain: u32_at(bytes, 16)?,
            sequence: u32_at(bytes, 12)?,
            export_ms: seconds_as_ms(u32_at(bytes, 8)?),
            uptime_ms: u32_at(bytes, 4),
            count: u16_at(bytes, 2),
            sampling: None,
            skew: ClockSkew::Small,
        })
    }

    /// Reads an IPFIX message header; `None` if the datagram is shorter.
    pub(crate) fn ipfix(datagram: &Datagram<'_>) -> Option<Self> {
        let bytes = datagram.payload.get(..IPFIX_HEADER)?;
        Some(Self {
            exporter: datagram.exporter,
            received_ms: datagram.received_ms,
            version: 10,
            domain: u32_at(bytes, 12)?,
            sequence: u32_at(bytes, 8)?,
            export_ms: seconds_as_ms(u32_at(bytes, 4)?),
            uptime_ms: None,
            count: None,
            sampling: None,
            skew: ClockSkew::Small,
        })
    }

    /// The exporter's clock less the collector's as this message shows it, milliseconds. Whole seconds are cut off by half of one
    /// on average.
    pub(crate) fn measured_skew_ms(&self) -> i64 {
        let cut_off_ms = if matches!(self.version, 9 | 10) { 500 } else { 0 };
        self.export_ms.saturating_add(cut_off_ms).saturating_sub(self.received_ms)
    }

    /// The stream of templates the message belongs to.
    #[must_use]
    pub fn domain_key(&self) -> DomainKey {
        DomainKey { exporter: self.exporter, version: self.version, domain: self.domain }
    }
}

/// Residual nanoseconds of the export time as milliseconds; a second or more of them, which some exporters send, is left out.
fn residual_ms(nanoseconds: u32) -> i64 {
    if nanoseconds < 1_000_000_000 { i64::from(nanoseconds / 1_000_000) } else { 0 }
}

fn seconds_as_ms(seconds: u32) -> i64 {
    i64::from(seconds).saturating_mul(1000)
}
