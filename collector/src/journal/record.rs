//! Records: one datagram each, with a header of 40 bytes, padded to a multiple of 8. Numbers are little-endian.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | CRC-32C of the journal's id, of the record's position (8 bytes), and of all that follows, without padding |
//! | 4 | 4 | length of the datagram |
//! | 8 | 8 | receive time, nanoseconds since 1970 |
//! | 16 | 16 | exporter address, IPv4 mapped |
//! | 32 | 2 | exporter's port |
//! | 34 | 1 | by which way it arrived |
//! | 35 | 1 | zero |
//! | 36 | 4 | mark: the CRC-32C of the journal's id, the length, and an eighth of the position, exclusive or |
//!
//! The mark tells in one comparison where no record begins, whatever an exporter wrote into its datagrams. What an earlier use
//! of the file left is no record, for its position was another one.

use super::{Id, Position};

/// Length of a record's header in bytes.
pub(super) const HEADER: usize = 40;
/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;
/// Longest datagram: what a UDP length field can say.
pub(super) const PAYLOAD_MAX: usize = 65_535;
/// Longest record.
pub(super) const RECORD_MAX: usize = size(PAYLOAD_MAX);

/// A datagram in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was received, nanoseconds since 1970.
    pub received_ns: i64,
    /// Exporter address, IPv4 mapped.
    pub exporter: [u8; 16],
    /// Exporter's port; 0 if not known.
    pub port: u16,
    /// By which way it arrived: the caller's numbers.
    pub path: u8,
    /// The UDP payload.
    pub payload: &'a [u8],
}

/// What the records of a journal have in common: a checksum of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    pub(super) fn of(id: &Id) -> Self {
        Self(crc32c::crc32c(id))
    }

    fn mark(self, position: Position, length: u32) -> u32 {
        self.0 ^ length ^ (position.0 / ALIGN as u64) as u32
    }

    fn checksum(self, position: Position, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &position.0.to_le_bytes()), bytes)
    }
}

/// What stands at some offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole record, and its length with padding.
    Record(Entry<'a>, usize),
    /// The beginning of a record that is not whole.
    Torn,
    /// Neither.
    Nothing,
}

/// Bytes that a datagram of `payload` bytes takes in a segment.
pub(super) const fn size(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGN)
}

/// Writes a record to the start of `out`, which must have [`size`] bytes. The checksum comes last.
pub(super) fn write(entry: &Entry<'_>, length: u32, seed: Seed, position: Position, out: &mut [u8]) {
    let end = HEADER + entry.payload.len();
    let mut header = [0; HEADER];
    header[4..8].copy_from_slice(&length.to_le_bytes());
    header[8..16].copy_from_slice(&entry.received_ns.to_le_bytes());
    header[16..32].copy_from_slice(&entry.exporter);
    header[32..34].copy_from_slice(&entry.port.to_le_bytes());
    header[34] = entry.path;
    header[36..].copy_from_slice(&seed.mark(position, length).to_le_bytes());
    out[..HEADER].copy_from_slice(&header);
    out[HEADER..end].copy_from_slice(entry.payload);
    out[end..size(entry.payload.len())].fill(0);
    let crc = seed.checksum(position, &out[4..end]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
}

/// Reads and checks what stands at the start of `bytes`, which is at `position` of the journal. Any bytes will do.
pub(super) fn read(bytes: &[u8], seed: Seed, position: Position) -> Found<'_> {
    let (Some(crc), Some(length), Some(mark)) = (word(bytes, 0), word(bytes, 4), word(bytes, 36)) else {
        return Found::Nothing;
    };
    if mark != seed.mark(position, length) || length > PAYLOAD_MAX as u32 {
        return Found::Nothing;
    }
    match parse(bytes) {
        Some((entry, size)) if crc == seed.checksum(position, &bytes[4..HEADER + entry.payload.len()]) => {
            Found::Record(entry, size)
        }
        _ => Found::Torn,
    }
}

/// Reads the record at the start of `bytes`, which this process wrote and so need not check; and its length with padding.
pub(super) fn parse(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let length = word(bytes, 4)? as usize;
    let header = bytes.first_chunk::<HEADER>()?;
    let payload = bytes.get(HEADER..HEADER.checked_add(length)?)?;
    let (mut received, mut exporter) = ([0; 8], [0; 16]);
    received.copy_from_slice(&header[8..16]);
    exporter.copy_from_slice(&header[16..32]);
    let entry = Entry {
        received_ns: i64::from_le_bytes(received),
        exporter,
        port: u16::from_le_bytes([header[32], header[33]]),
        path: header[34],
        payload,
    };
    Some((entry, size(length)))
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}
