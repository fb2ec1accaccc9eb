//! sFlow version 5, after sflow.org's `sflow_version_5.txt` and "sFlow Dropped Packet Notification Structures"; and versions 2 and 4, after
//! RFC 3176 and what sFlow's authors wrote before and after it.
//!
//! A datagram is a header and samples; a sample is some numbers and records; all of it is XDR. Nothing is kept between
//! datagrams. Samples and records of an unknown format are passed over by their length; those of versions 2 and 4 have none, and what
//! is behind them is given up. The numbers of samples and records only end the walk early: they never make it longer than the
//! bytes are.

/// Samples as they came.
mod sample;

mod beside;
pub(crate) mod counters;
pub(crate) mod flow;
pub(crate) mod neutral;
pub(crate) mod record;
mod records;
mod structures;
mod xdr;

pub use sample::{Detail, Interface, Kind, Sample};

use crate::columns::{Address, is_unspecified};
use crate::header::Datagram;
use crate::report::{Event, Report};
use flow::SampledFlow;
use xdr::Reader;

/// The version in a datagram's first word. NetFlow has its version in the first half of it, where sFlow has zero.
fn version(payload: &[u8]) -> Option<u8> {
    match Reader::new(payload).word()? {
        version @ (2 | 4 | 5) => Some(version as u8),
        _ => None,
    }
}

/// What the header of a datagram says, in host byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source address of the datagram.
    pub exporter: Address,
    /// When the datagram was received, milliseconds since 1970.
    pub received_ms: i64,
    /// 2, 4 or 5.
    pub version: u8,
    /// Address that the exporter gives itself, all zero if none; unlike `exporter` behind address translation, or where the
    /// exporter sends over several routes.
    pub agent: Address,
    /// Which of the exporter's sources of datagrams this is; each counts its own sequence. 0 before version 5.
    pub sub_agent: u32,
    /// Sequence number: datagrams of this sub-agent.
    pub sequence: u32,
    /// Milliseconds since the exporter started, wrapping.
    pub uptime_ms: u32,
}

impl Header {
    /// The address that the exporter gives itself, or the source address of the datagram where it gives itself none.
    #[must_use]
    pub fn device(&self) -> Address {
        if is_unspecified(self.agent) { self.exporter } else { self.agent }
    }

    /// The number of the version among those of all protocols: 5 alone is NetFlow's.
    #[must_use]
    pub fn version_number(&self) -> u8 {
        self.version.wrapping_add(100)
    }
}

/// Whether a payload is sFlow.
pub(crate) fn is_sflow(payload: &[u8]) -> bool {
    version(payload).is_some()
}

/// The samples of one datagram; counts what happens on the way.
pub(crate) struct Samples<'a, 'b> {
    header: Header,
    left: u32,
    body: Reader<'a>,
    /// What the flow sample at hand says about its packet.
    flow: SampledFlow<'a>,
    report: &'b mut Report,
    /// Hears of every sample.
    heard: &'b mut dyn FnMut(&Sample<'_>),
}

impl<'a, 'b> Samples<'a, 'b> {
    /// Reads the header of a datagram of which [`is_sflow`] holds; `None`, and counted, if it is no good.
    pub(crate) fn new(
        datagram: &Datagram<'a>,
        report: &'b mut Report,
        heard: &'b mut dyn FnMut(&Sample<'_>),
    ) -> Option<Self> {
        let mut body = Reader::new(datagram.payload);
        let is_known = |kind: &u32| *kind <= 2;
        let version = version(datagram.payload)?;
        let _version = body.word();
        if !Reader::new(body.rest()).word().as_ref().is_none_or(is_known) {
            report.count(Event::AgentAddressUnknown);
            return None;
        }
        let Some((header, left)) = read_header(version, datagram, &mut body) else {
            report.count(Event::HeaderTruncated);
            return None;
        };
        report.count(Event::DatagramSflow);
        Some(Self { header, left, body, flow: SampledFlow::default(), report, heard })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The number of flow samples, or a few more if some turn out to be broken.
    pub(crate) fn flow_samples(&self) -> usize {
        let mut body = self.body;
        if self.header.version < 5 {
            let samples = (0..self.left).map_while(|_| {
                let kind = older_kind(body.word()?)?;
                Sample::older(self.header, kind, &mut body)?;
                Some(kind)
            });
            return samples.filter(|kind| *kind == Kind::Flow).count();
        }
        let formats = (0..self.left).map_while(|_| {
            let (format, length) = body.word().zip(body.word())?;
            body.opaque(length)?;
            Some(format)
        });
        formats.filter(|format| sample::is_flow(*format)).count()
    }

    /// The next sample, and what it says about its packet: for every flow sample, and for no other.
    pub(crate) fn next(&mut self) -> Option<(Sample<'a>, Option<&SampledFlow<'a>>)> {
        let sample = if self.header.version < 5 { self.take_older()? } else { self.take()? };
        self.count(&sample);
        (self.heard)(&sample);
        if sample.kind() != Kind::Flow {
            return Some((sample, None));
        }
        self.flow.read(&sample, self.report);
        Some((sample, Some(&self.flow)))
    }

    /// Whether there is another sample; counts where there should be one, or nothing.
    fn is_next(&mut self) -> bool {
        if self.left == 0 {
            if !self.body.rest().is_empty() {
                self.report.count(Event::TrailingBytes);
                self.body = Reader::new(&[]);
            }
            return false;
        }
        if self.body.rest().is_empty() {
            self.left = 0;
            self.report.count(Event::SamplesMissing);
            return false;
        }
        self.left = self.left.saturating_sub(1);
        true
    }

    /// The next sample of version 5.
    fn take(&mut self) -> Option<Sample<'a>> {
        while self.is_next() {
            let (format, bytes) = self.take_bytes()?;
            let Some(layout) = sample::Layout::of(format) else {
                self.report.count(Event::SampleUnknown);
                continue;
            };
            match Sample::read(self.header, layout, bytes) {
                Some(sample) => return Some(sample),
                None => self.report.count(Event::SampleTooShort),
            }
        }
        None
    }

    /// The bytes of a sample behind its format.
    fn take_bytes(&mut self) -> Option<(u32, &'a [u8])> {
        let format = self.body.word();
        let length = self.body.word();
        let found = format.zip(length.and_then(|length| self.body.opaque(length)));
        if found.is_none() {
            self.end(Event::SampleTruncated);
        }
        found
    }

    /// The next sample of versions 2 and 4.
    fn take_older(&mut self) -> Option<Sample<'a>> {
        if !self.is_next() {
            return None;
        }
        let Some(kind) = self.body.word().map(older_kind) else {
            self.end(Event::SampleTruncated);
            return None;
        };
        let Some(kind) = kind else {
            self.lose(Event::SampleUnknown);
            return None;
        };
        let Some((sample, records)) = Sample::older(self.header, kind, &mut self.body) else {
            self.end(Event::SampleTruncated);
            return None;
        };
        if records.is_unknown() {
            self.lose(Event::SampleRecordUnknown);
        }
        Some(sample)
    }

    /// Nothing more is read.
    fn end(&mut self, event: Event) {
        self.left = 0;
        self.body = Reader::new(&[]);
        self.report.count(event);
    }

    /// Nothing more is found, for what stands before it has no length.
    fn lose(&mut self, event: Event) {
        if self.left > 0 {
            self.report.count(Event::SamplesUnreachable);
        }
        self.end(event);
    }

    fn count(&mut self, sample: &Sample<'_>) {
        let event = match sample.detail {
            Detail::Flow { .. } => Event::FlowSample,
            Detail::Counter => Event::CounterSample,
            Detail::Drop { .. } => Event::DropSample,
        };
        self.report.count(event);
        // Records of flow samples are walked when they are read.
        if event != Event::FlowSample && sample.is_truncated() {
            self.report.count(Event::SampleRecordTruncated);
        }
    }
}

/// What samples of versions 2 and 4 are about.
fn older_kind(format: u32) -> Option<Kind> {
    match format {
        1 => Some(Kind::Flow),
        2 => Some(Kind::Counter),
        _ => None,
    }
}

/// The header, and the number of samples.
fn read_header(version: u8, datagram: &Datagram<'_>, body: &mut Reader<'_>) -> Option<(Header, u32)> {
    let header = Header {
        version,
        exporter: datagram.exporter,
        received_ms: datagram.received_ms,
        agent: body.address()?,
        sub_agent: if version < 5 { 0 } else { body.word()? },
        sequence: body.word()?,
        uptime_ms: body.word()?,
    };
    Some((header, body.word()?))
}
