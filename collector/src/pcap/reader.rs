//! Packets of a capture file, either format, one at a time in a buffer that is used again.
//!
//! Formats: draft-ietf-opsawg-pcap (pcap, microseconds and nanoseconds, both byte orders) and draft-ietf-opsawg-pcapng.

use std::io::{ErrorKind, Read};
use std::ops::Range;

use super::blocks::{Block, Section};
use super::error::PcapError;

/// No record or block is longer: libpcap's own limit for a packet is 256 KiB, 16 MiB is Wireshark's for a block.
const MAX_RECORD_BYTES: usize = 16 << 20;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;

/// Byte order of a file or section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// One captured packet; its bytes are [`Reader::data`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Position among the packets of the file, from 1.
    pub number: u64,
    /// Capture time, nanoseconds since 1970; the time of the packet before where the file has none.
    pub time_ns: i64,
    /// Link type, <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcaplinktype-08.html>.
    pub link: u16,
}

/// Reads the packets of a capture.
#[derive(Debug)]
pub struct Reader<R> {
    input: Input<R>,
    format: Format,
    packets: u64,
    time_ns: i64,
    data: Range<usize>,
}

#[derive(Debug)]
enum Format {
    Pcap { endian: Endian, fraction_ns: i64, link: u16 },
    PcapNg(Section),
}

impl<R: Read> Reader<R> {
    /// Starts to read: takes the file header.
    ///
    /// # Errors
    /// [`PcapError::NotACapture`], [`PcapError::Io`].
    pub fn new(input: R) -> Result<Self, PcapError> {
        let mut input = Input { inner: input, buffer: Vec::new(), position: 0, truncated: false };
        if !input.fill(0, 4)? {
            return Err(PcapError::NotACapture("it is shorter than a file header"));
        }
        let magic = input.array(0);
        let format = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MAGIC_MICROSECONDS, _) => Self::pcap(&mut input, Endian::Little, 1000)?,
            (MAGIC_NANOSECONDS, _) => Self::pcap(&mut input, Endian::Little, 1)?,
            (_, MAGIC_MICROSECONDS) => Self::pcap(&mut input, Endian::Big, 1000)?,
            (_, MAGIC_NANOSECONDS) => Self::pcap(&mut input, Endian::Big, 1)?,
            (Section::MAGIC, _) => Format::PcapNg(Self::first_section(&mut input)?),
            _ => return Err(PcapError::NotACapture(of_another_format(magic))),
        };
        Ok(Self { input, format, packets: 0, time_ns: 0, data: 0..0 })
    }

    /// The next packet, or nothing at the end of the file.
    ///
    /// # Errors
    /// [`PcapError::Damaged`] where a length cannot be, [`PcapError::Io`].
    pub fn next_packet(&mut self) -> Result<Option<Packet>, PcapError> {
        let found = match &mut self.format {
            Format::Pcap { endian, fraction_ns, link } => {
                pcap_record(&mut self.input, *endian, *fraction_ns)?.map(|(time_ns, data)| (Some(time_ns), *link, data))
            }
            Format::PcapNg(section) => loop {
                let Some(kind) = next_block(&mut self.input, section)? else { break None };
                let position = self.input.position;
                let damaged = |what| PcapError::Damaged { position, what };
                if let Block::Packet { time_ns, link, data } =
                    section.take(kind, &self.input.buffer).map_err(damaged)?
                {
                    break Some((time_ns, link, data));
                }
            },
        };
        let Some((time_ns, link, data)) = found else { return Ok(None) };
        self.packets += 1;
        self.time_ns = time_ns.unwrap_or(self.time_ns);
        self.data = data;
        Ok(Some(Packet { number: self.packets, time_ns: self.time_ns, link }))
    }

    /// Bytes of the packet that [`Reader::next_packet`] found last, from its link-layer header on.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.input.buffer.get(self.data.clone()).unwrap_or(&[])
    }

    /// Packets found so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Whether the file ended in the middle of a packet; known once there is no next packet.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.input.truncated
    }

    /// The rest of the 24-byte file header, of which the magic was read.
    fn pcap(input: &mut Input<R>, endian: Endian, fraction_ns: i64) -> Result<Format, PcapError> {
        if !input.fill(4, 24)? {
            return Err(PcapError::NotACapture("it is shorter than a file header"));
        }
        // The upper half of the word says how long a frame check sequence is; nobody needs it.
        let link = endian.u32(input.array(20)) as u16;
        Ok(Format::Pcap { endian, fraction_ns, link })
    }

    /// The first section header block, of which the type was read.
    fn first_section(input: &mut Input<R>) -> Result<Section, PcapError> {
        let mut section = Section::default();
        match rest_of_block(input, &mut section) {
            Ok(Some(kind)) => section
                .take(kind, &input.buffer)
                .map(|_| section)
                .map_err(|_| PcapError::NotACapture("its section header is not valid")),
            Ok(None) => Err(PcapError::NotACapture("it is shorter than a section header")),
            Err(PcapError::Damaged { .. }) => Err(PcapError::NotACapture("its section header is not valid")),
            Err(other) => Err(other),
        }
    }
}

/// What a file is that is no capture, by its first bytes, and what to do about it.
fn of_another_format(magic: [u8; 4]) -> &'static str {
    match magic {
        [0x1f, 0x8b, ..] => "it is compressed, pass it through gunzip first",
        [0x28, 0xb5, 0x2f, 0xfd] => "it is compressed, pass it through zstd -d first",
        [0xfd, b'7', b'z', b'X'] => "it is compressed, pass it through xz -d first",
        [0x04, 0x22, 0x4d, 0x18] => "it is compressed, pass it through lz4 -d first",
        [b'B', b'Z', b'h', _] => "it is compressed, pass it through bunzip2 first",
        [b'P', b'K', 3, 4] => "it is a zip archive, unpack it first",
        [b's', b'n', b'o', b'o'] => "it is a capture of snoop, convert it with editcap -F pcapng",
        [b'R', b'T', b'S', b'S'] | [b'G', b'M', b'B', b'U'] => {
            "it is a capture of Network Monitor, convert it with editcap -F pcapng"
        }
        [0x0c, 0xa5, ..] | [0xa5, 0x0c, ..] => "it has flows that nfcapd stored, not datagrams: send it with nfreplay",
        [0x34, 0xcd, 0xb2, 0xa1] | [0xa1, 0xb2, 0xcd, 0x34] => {
            "it is of a modified pcap format, convert it with editcap -F pcapng"
        }
        _ => "its first four bytes are of neither format",
    }
}

/// One record of a pcap file into the buffer: its time, and where its bytes are.
fn pcap_record<R: Read>(
    input: &mut Input<R>,
    endian: Endian,
    fraction_ns: i64,
) -> Result<Option<(i64, Range<usize>)>, PcapError> {
    const HEADER_BYTES: usize = 16;
    input.begin();
    if !input.fill(0, HEADER_BYTES)? {
        return Ok(None);
    }
    let seconds = i64::from(endian.u32(input.array(0)));
    let fraction = i64::from(endian.u32(input.array(4)));
    let length = endian.u32(input.array(8)) as usize;
    if length > MAX_RECORD_BYTES {
        return Err(PcapError::Damaged { position: input.position, what: "a packet of more than 16 MiB" });
    }
    if !input.fill(HEADER_BYTES, HEADER_BYTES + length)? {
        return Ok(None);
    }
    Ok(Some((seconds * 1_000_000_000 + fraction * fraction_ns, HEADER_BYTES..HEADER_BYTES + length)))
}

/// One whole block of a pcapng file into the buffer: its type.
fn next_block<R: Read>(input: &mut Input<R>, section: &mut Section) -> Result<Option<u32>, PcapError> {
    input.begin();
    if !input.fill(0, 4)? {
        return Ok(None);
    }
    rest_of_block(input, section)
}

/// The rest of a block whose type is in the buffer. A section header sets the byte order before its length is read.
fn rest_of_block<R: Read>(input: &mut Input<R>, section: &mut Section) -> Result<Option<u32>, PcapError> {
    if !input.fill(4, 12)? {
        return Ok(None);
    }
    let damaged = |input: &Input<R>, what| PcapError::Damaged { position: input.position, what };
    if u32::from_le_bytes(input.array(0)) == Section::MAGIC {
        let endian = Section::byte_order(input.array(8));
        section.endian = endian.ok_or_else(|| damaged(input, "a section without a byte-order magic"))?;
    }
    let kind = section.endian.u32(input.array(0));
    let length = section.endian.u32(input.array(4)) as usize;
    if length < 12 || !length.is_multiple_of(4) || length > MAX_RECORD_BYTES {
        return Err(damaged(input, "a block length that cannot be"));
    }
    if !input.fill(12, length)? {
        return Ok(None);
    }
    if section.endian.u32(input.array(length - 4)) as usize != length {
        return Err(damaged(input, "a block whose two lengths differ"));
    }
    Ok(Some(kind))
}

impl Endian {
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    pub(super) fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            Self::Little => u64::from_le_bytes(bytes),
            Self::Big => u64::from_be_bytes(bytes),
        }
    }
}

/// The file, read record by record into one buffer.
#[derive(Debug)]
struct Input<R> {
    inner: R,
    buffer: Vec<u8>,
    /// Offset in the file of the record or block in the buffer.
    position: u64,
    truncated: bool,
}

impl<R: Read> Input<R> {
    /// Starts the next record.
    fn begin(&mut self) {
        self.position += self.buffer.len() as u64;
        self.buffer.clear();
    }

    /// Makes the buffer, which holds `from` bytes of the record, hold `to` of them; false where the file ends before.
    fn fill(&mut self, from: usize, to: usize) -> Result<bool, PcapError> {
        debug_assert_eq!(self.buffer.len(), from, "records are read front to back");
        self.buffer.resize(to, 0);
        let mut have = from;
        while have < to {
            match self.inner.read(&mut self.buffer[have..]) {
                Ok(0) => break,
                Ok(read) => have += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        // An end between two records is the end; anywhere else something is missing.
        self.truncated = have < to && have > 0;
        self.buffer.truncate(have);
        Ok(have == to)
    }

    /// Bytes of the record that was filled up to there.
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.buffer.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
    }
}
