//! Samples as they came: their numbers and their records.

use super::Header;
use super::records::Records;
use super::xdr::Reader;

/// What a sample is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One packet out of many.
    Flow,
    /// Counters of an interface or of the exporter.
    Counter,
    /// One packet that the exporter discarded.
    Drop,
}

/// Where a packet came in or went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// What `value` is: 0 an interface index, 1 the reason of a discard, 2 a number of interfaces.
    pub format: u32,
    /// In format 0: 0 unknown, 0x3fffffff the exporter itself.
    pub value: u32,
}

/// What samples of one kind have beside their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Of a flow sample.
    Flow {
        /// One packet in this many was looked at.
        rate: u32,
        /// Packets that could have been looked at so far.
        pool: u32,
        /// Samples that the exporter lost so far.
        drops: u32,
        /// Where the packet came in.
        input: Interface,
        /// Where the packet went out.
        output: Interface,
    },
    /// Of a counter sample: nothing.
    Counter,
    /// Of a discarded packet.
    Drop {
        /// Notifications that the exporter lost so far.
        drops: u32,
        /// Interface index; 0 unknown.
        input: u32,
        /// Interface index; 0 unknown.
        output: u32,
        /// Why it was discarded, by the numbers of sFlow's `drop_reason`.
        reason: u32,
    },
}

/// One sample.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Header of the datagram it came in.
    pub header: Header,
    /// Format of the sample, of sFlow's own (enterprise 0).
    pub format: u32,
    /// Sequence number: samples of this data source.
    pub sequence: u32,
    /// Kind of data source: 0 interface, 1 VLAN, 2 physical entity.
    pub source_type: u32,
    /// Index of the data source.
    pub source_index: u32,
    /// What samples of this kind have beside.
    pub detail: Detail,
    record_count: u32,
    body: &'a [u8],
}

/// The layouts of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Flow,
    Counter,
    FlowExpanded,
    CounterExpanded,
    Drop,
}

impl Layout {
    /// The layout of a data format: enterprise in the upper 20 bits, format in the lower 12.
    pub(super) fn of(data_format: u32) -> Option<Self> {
        Some(match data_format {
            1 => Self::Flow,
            2 => Self::Counter,
            3 => Self::FlowExpanded,
            4 => Self::CounterExpanded,
            5 => Self::Drop,
            _ => return None,
        })
    }

    fn format(self) -> u32 {
        match self {
            Self::Flow => 1,
            Self::Counter => 2,
            Self::FlowExpanded => 3,
            Self::CounterExpanded => 4,
            Self::Drop => 5,
        }
    }
}

/// Whether samples of this data format are flow samples.
pub(super) fn is_flow(data_format: u32) -> bool {
    matches!(Layout::of(data_format), Some(Layout::Flow | Layout::FlowExpanded))
}

impl<'a> Sample<'a> {
    /// Reads what stands before the records; `None` if the sample is shorter.
    pub(super) fn read(header: Header, layout: Layout, bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let sequence = reader.word()?;
        let (source_type, source_index) = match layout {
            Layout::Flow | Layout::Counter => {
                let packed = reader.word()?;
                (packed >> 24, packed & 0x00ff_ffff)
            }
            Layout::FlowExpanded | Layout::CounterExpanded | Layout::Drop => (reader.word()?, reader.word()?),
        };
        let detail = match layout {
            Layout::Flow | Layout::FlowExpanded => Detail::Flow {
                rate: reader.word()?,
                pool: reader.word()?,
                drops: reader.word()?,
                input: interface(layout, &mut reader)?,
                output: interface(layout, &mut reader)?,
            },
            Layout::Counter | Layout::CounterExpanded => Detail::Counter,
            Layout::Drop => Detail::Drop {
                drops: reader.word()?,
                input: reader.word()?,
                output: reader.word()?,
                reason: reader.word()?,
            },
        };
        let record_count = reader.word()?;
        let body = reader.rest();
        let format = layout.format();
        Some(Self { header, format, sequence, source_type, source_index, detail, record_count, body })
    }

    /// What it is about.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.detail {
            Detail::Flow { .. } => Kind::Flow,
            Detail::Counter => Kind::Counter,
            Detail::Drop { .. } => Kind::Drop,
        }
    }

    /// Reads a sample of versions 2 and 4, whose end is that of its last record: what stands before the records, and how they ended.
    /// `None` if the bytes end before.
    pub(super) fn older(header: Header, kind: Kind, reader: &mut Reader<'a>) -> Option<(Self, Records<'a>)> {
        const SEVERAL: u32 = 0x8000_0000;
        let sequence = reader.word()?;
        let source = reader.word()?;
        let (format, detail) = match kind {
            Kind::Flow | Kind::Drop => {
                let (rate, pool, drops) = (reader.word()?, reader.word()?, reader.word()?);
                let (input, output) = (reader.word()?, reader.word()?);
                let input = Interface { format: 0, value: input };
                let output = match output & SEVERAL {
                    0 => Interface { format: 0, value: output },
                    _ => Interface { format: 2, value: output ^ SEVERAL },
                };
                (1, Detail::Flow { rate, pool, drops, input, output })
            }
            Kind::Counter => {
                let _interval = reader.word()?;
                (2, Detail::Counter)
            }
        };
        let (source_type, source_index, body) = (source >> 24, source & 0x00ff_ffff, reader.rest());
        let sample = Self { header, format, sequence, source_type, source_index, detail, record_count: 0, body };
        let mut records = sample.records();
        records.by_ref().for_each(drop);
        *reader = records.rest();
        Some((sample, records))
    }

    pub(crate) fn records(&self) -> Records<'a> {
        match self.header.version {
            5 => Records::new(self.record_count, self.body),
            version => Records::older(version, self.kind(), self.body),
        }
    }

    /// Whether records are counted that are not there, or not whole.
    pub(super) fn is_truncated(&self) -> bool {
        let mut records = self.records();
        records.by_ref().for_each(drop);
        records.is_truncated()
    }
}

/// An interface: two bits of format and 30 of value, or expanded to a word each.
fn interface(layout: Layout, reader: &mut Reader<'_>) -> Option<Interface> {
    let first = reader.word()?;
    if layout == Layout::FlowExpanded {
        return Some(Interface { format: first, value: reader.word()? });
    }
    Some(Interface { format: first >> 30, value: first & 0x3fff_ffff })
}
