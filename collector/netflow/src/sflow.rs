//! sFlow version 5, after sflow.org's `sflow_version_5.txt` and "sFlow Dropped Packet Notification Structures".
//!
//! A datagram is a header and samples; a sample is some numbers and records; all of it is XDR. Nothing is kept between
//! datagrams. Samples and records of an unknown format are passed over by their length. The numbers of samples and records
//! only end the walk early: they never make it longer than the bytes are.

/// Samples as they came.
mod sample;

mod beside;
pub(crate) mod counters;
pub(crate) mod flow;
pub(crate) mod neutral;
pub(crate) mod record;
mod structures;
mod xdr;

pub use sample::{Detail, Interface, Kind, Sample};

use crate::columns::{Address, is_unspecified};
use crate::header::Datagram;
use crate::report::{Event, Report};
use flow::SampledFlow;
use xdr::Reader;

/// The version in a datagram's first word. NetFlow has its version in the first half of it, where sFlow has zero.
const VERSION: u32 = 5;

/// What the header of a datagram says, in host byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Source address of the datagram.
    pub exporter: Address,
    /// When the datagram was received, milliseconds since 1970.
    pub received_ms: i64,
    /// Address that the exporter gives itself, all zero if none; unlike `exporter` behind address translation, or where the
    /// exporter sends over several routes.
    pub agent: Address,
    /// Which of the exporter's sources of datagrams this is; each counts its own sequence.
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
}

/// Whether a payload is sFlow version 5.
pub(crate) fn is_sflow(payload: &[u8]) -> bool {
    Reader::new(payload).word() == Some(VERSION)
}

/// The samples of one datagram; counts what happens on the way.
pub(crate) struct Samples<'a, 'b> {
    header: Header,
    left: u32,
    body: Reader<'a>,
    report: &'b mut Report,
    /// Hears of every sample.
    heard: &'b mut dyn FnMut(&Sample<'_>),
}

/// A sample, and what a flow sample says about its packet.
pub(crate) struct Sampled<'a> {
    pub(crate) sample: Sample<'a>,
    /// For every flow sample, and for no other.
    pub(crate) flow: Option<SampledFlow<'a>>,
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
        let _version = body.word();
        if !Reader::new(body.rest()).word().as_ref().is_none_or(is_known) {
            report.count(Event::AgentAddressUnknown);
            return None;
        }
        let Some((header, left)) = read_header(datagram, &mut body) else {
            report.count(Event::HeaderTruncated);
            return None;
        };
        report.count(Event::DatagramSflow);
        Some(Self { header, left, body, report, heard })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The number of flow samples, or a few more if some turn out to be broken.
    pub(crate) fn flow_samples(&self) -> usize {
        let mut body = self.body;
        let formats = (0..self.left).map_while(|_| {
            let (format, length) = body.word().zip(body.word())?;
            body.opaque(length)?;
            Some(format)
        });
        formats.filter(|format| sample::is_flow(*format)).count()
    }

    /// The bytes of the next sample behind its format.
    fn take(&mut self) -> Option<(u32, &'a [u8])> {
        if self.left == 0 {
            if !self.body.rest().is_empty() {
                self.report.count(Event::TrailingBytes);
                self.body = Reader::new(&[]);
            }
            return None;
        }
        if self.body.rest().is_empty() {
            self.left = 0;
            self.report.count(Event::SamplesMissing);
            return None;
        }
        self.left = self.left.saturating_sub(1);
        let format = self.body.word();
        let length = self.body.word();
        let Some((format, bytes)) = format.zip(length.and_then(|length| self.body.opaque(length))) else {
            self.left = 0;
            self.body = Reader::new(&[]);
            self.report.count(Event::SampleTruncated);
            return None;
        };
        Some((format, bytes))
    }

    fn count(&mut self, sample: &Sample<'_>) {
        let event = match sample.detail {
            Detail::Flow { .. } => Event::FlowSample,
            Detail::Counter => Event::CounterSample,
            Detail::Drop { .. } => Event::DropSample,
        };
        self.report.count(event);
        if sample.is_truncated() {
            self.report.count(Event::SampleRecordTruncated);
        }
    }
}

impl<'a> Iterator for Samples<'a, '_> {
    type Item = Sampled<'a>;

    fn next(&mut self) -> Option<Sampled<'a>> {
        loop {
            let (format, bytes) = self.take()?;
            let Some(layout) = sample::Layout::of(format) else {
                self.report.count(Event::SampleUnknown);
                continue;
            };
            let Some(sample) = Sample::read(self.header, layout, bytes) else {
                self.report.count(Event::SampleTooShort);
                continue;
            };
            self.count(&sample);
            (self.heard)(&sample);
            let is_flow = sample.kind() == Kind::Flow;
            let flow = is_flow.then(|| SampledFlow::of(&sample, self.report));
            return Some(Sampled { sample, flow });
        }
    }
}

/// The header, and the number of samples.
fn read_header(datagram: &Datagram<'_>, body: &mut Reader<'_>) -> Option<(Header, u32)> {
    let header = Header {
        exporter: datagram.exporter,
        received_ms: datagram.received_ms,
        agent: body.address()?,
        sub_agent: body.word()?,
        sequence: body.word()?,
        uptime_ms: body.word()?,
    };
    Some((header, body.word()?))
}
