//! The records of samples: where each begins and ends. In version 5 each has its length; in versions 2 and 4 (RFC 3176) the structures
//! follow each other, and where one of them is not known nothing behind it can be found.

use super::record::{FlowData, Unread};
use super::sample::Kind;
use super::xdr::Reader;

/// The version whose records have their lengths.
const VERSION_5: u8 = 5;

/// One record: an opaque structure and its format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Record<'a> {
    /// Version of the datagram, by which some structures differ.
    pub(crate) version: u8,
    /// Enterprise in the upper 20 bits, format in the lower 12; by the numbers of version 5.
    pub(crate) data_format: u32,
    pub(crate) bytes: &'a [u8],
}

impl Record<'_> {
    /// Enterprise number; 0 is sFlow's own.
    pub(crate) fn enterprise(&self) -> u32 {
        self.data_format >> 12
    }

    /// Format within the enterprise.
    pub(crate) fn format(&self) -> u32 {
        self.data_format & 0x0fff
    }
}

/// The records of one sample.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    version: u8,
    next: Next,
    body: Reader<'a>,
    is_truncated: bool,
    is_unknown: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// So many records, each with its format and length.
    Counted(u32),
    /// The packet's header or numbers, and what is said beside it.
    Packet,
    /// So many structures of what is said beside the packet.
    Beside(u32),
    /// Counters behind the number of their kind.
    Counters,
    /// A structure of this format and so many bytes, the last one.
    Last(u32, usize),
}

impl<'a> Records<'a> {
    /// Records of version 5.
    pub(super) fn new(count: u32, body: &'a [u8]) -> Self {
        Self::of(VERSION_5, Next::Counted(count), body)
    }

    /// Records of versions 2 and 4, from behind the numbers of the sample.
    pub(super) fn older(version: u8, kind: Kind, body: &'a [u8]) -> Self {
        let next = match kind {
            Kind::Flow | Kind::Drop => Next::Packet,
            Kind::Counter => Next::Counters,
        };
        Self::of(version, next, body)
    }

    fn of(version: u8, next: Next, body: &'a [u8]) -> Self {
        Self { version, next, body: Reader::new(body), is_truncated: false, is_unknown: false }
    }

    /// Whether there are fewer whole records than counted; known when there is no next.
    pub(super) fn is_truncated(&self) -> bool {
        self.is_truncated
    }

    /// Whether it ended at a structure that is not known and has no length; known when there is no next.
    pub(super) fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// What is behind the records that were taken.
    pub(super) fn rest(&self) -> Reader<'a> {
        self.body
    }

    /// No more records, for the bytes ended.
    fn cut(&mut self) -> Option<Record<'a>> {
        self.next = Next::Counted(0);
        self.is_truncated = true;
        None
    }

    /// No more records, for what follows is not known.
    fn lost(&mut self) -> Option<Record<'a>> {
        self.next = Next::Counted(0);
        self.is_unknown = true;
        None
    }

    fn counted(&mut self, left: u32) -> Option<Record<'a>> {
        self.next = Next::Counted(left.checked_sub(1)?);
        let (data_format, length) = (self.body.word(), self.body.word());
        let Some((data_format, bytes)) = data_format.zip(length.and_then(|length| self.body.opaque(length))) else {
            return self.cut();
        };
        Some(Record { version: self.version, data_format, bytes })
    }

    fn packet(&mut self) -> Option<Record<'a>> {
        let data_format = match self.body.word() {
            Some(1) => 1,
            Some(2) => 3,
            Some(3) => 4,
            Some(_) => return self.lost(),
            None => return self.cut(),
        };
        let record = self.structure(data_format)?;
        let count = self.body.word();
        self.is_truncated |= count.is_none();
        self.next = Next::Beside(count.unwrap_or(0));
        Some(record)
    }

    fn beside(&mut self, left: u32) -> Option<Record<'a>> {
        self.next = Next::Beside(left.checked_sub(1)?);
        match self.body.word() {
            Some(kind @ 1..=5) => self.structure(kind.saturating_add(1000)),
            Some(_) => self.lost(),
            None => self.cut(),
        }
    }

    /// A structure that ends where its last field does.
    fn structure(&mut self, data_format: u32) -> Option<Record<'a>> {
        let before = self.body.rest();
        let mut behind = self.body;
        let is_whole = match FlowData::read_from(self.version, data_format, &mut behind) {
            Ok(FlowData::Header(header)) => !header.is_short(),
            Ok(_) => true,
            Err(Unread::Unknown | Unread::Unused) => return self.lost(),
            Err(Unread::Short) => return self.cut(),
        };
        if !is_whole {
            self.next = Next::Counted(0);
            self.is_truncated = true;
            behind = Reader::new(&[]);
        }
        self.body = behind;
        let length = before.len().saturating_sub(behind.rest().len());
        Some(Record { version: self.version, data_format, bytes: before.get(..length).unwrap_or(before) })
    }

    /// Counters of an interface and of its kind of link, by the numbers of `counters_version`; or those of a VLAN alone.
    fn counters(&mut self) -> Option<Record<'a>> {
        const GENERIC: (u32, usize) = (1, 88);
        const ETHERNET: (u32, usize) = (2, 52);
        const TOKEN_RING: (u32, usize) = (3, 72);
        const VG: (u32, usize) = (4, 80);
        const VLAN: (u32, usize) = (5, 28);
        let ((format, length), more) = match self.body.word() {
            Some(1 | 4 | 6) => (GENERIC, None),
            Some(2) => (GENERIC, Some(ETHERNET)),
            Some(3) => (GENERIC, Some(TOKEN_RING)),
            Some(5) => (GENERIC, Some(VG)),
            Some(7) => (VLAN, None),
            Some(_) => return self.lost(),
            None => return self.cut(),
        };
        self.next = more.map_or(Next::Counted(0), |(format, length)| Next::Last(format, length));
        self.fixed(format, length)
    }

    fn fixed(&mut self, data_format: u32, length: usize) -> Option<Record<'a>> {
        let Some((bytes, rest)) = self.body.rest().split_at_checked(length) else { return self.cut() };
        self.body = Reader::new(rest);
        Some(Record { version: self.version, data_format, bytes })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    #[inline]
    fn next(&mut self) -> Option<Record<'a>> {
        match self.next {
            Next::Counted(left) => self.counted(left),
            Next::Packet => self.packet(),
            Next::Beside(left) => self.beside(left),
            Next::Counters => self.counters(),
            Next::Last(format, length) => {
                self.next = Next::Counted(0);
                self.fixed(format, length)
            }
        }
    }
}
