//! Records: one datagram each, with a header of 40 bytes, padded to a multiple of 8. Numbers are little-endian.
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 4 | CRC-32C of the record's position (8 bytes) and of all that follows, without padding |
//! | 4 | 4 | length of the datagram; all ones: no record follows in this segment |
//! | 8 | 8 | receive time, nanoseconds since 1970 |
//! | 16 | 16 | exporter address, IPv4 mapped |
//! | 32 | 2 | exporter's port |
//! | 34 | 1 | by which way it arrived |
//! | 35 | 5 | zero |

use super::Position;

/// Length of a record's header in bytes.
pub(super) const HEADER: usize = 40;
/// Records begin at multiples of this.
pub(super) const ALIGN: usize = 8;
/// Longest datagram: what a UDP length field can say.
pub(super) const PAYLOAD_MAX: usize = 65_535;
/// Length field of the mark behind the last record of a segment.
const END: u32 = u32::MAX;

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

/// What stands at some offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole record, and its length with padding.
    Record(Entry<'a>, usize),
    /// The mark that no record follows.
    End,
    /// Neither.
    Nothing,
}

/// Bytes that a datagram of `payload` bytes takes in a segment.
pub(super) const fn size(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(ALIGN)
}

/// Writes a record to the start of `out`, which must have [`size`] bytes.
pub(super) fn write(entry: &Entry<'_>, length: u32, position: Position, out: &mut [u8]) {
    let end = HEADER + entry.payload.len();
    out[4..8].copy_from_slice(&length.to_le_bytes());
    out[8..16].copy_from_slice(&entry.received_ns.to_le_bytes());
    out[16..32].copy_from_slice(&entry.exporter);
    out[32..34].copy_from_slice(&entry.port.to_le_bytes());
    out[34] = entry.path;
    out[35..HEADER].fill(0);
    out[HEADER..end].copy_from_slice(entry.payload);
    out[end..size(entry.payload.len())].fill(0);
    let crc = checksum(position, &out[4..end]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
}

/// Writes the mark that no record follows, if there is room for it; where there is none, none is needed.
pub(super) fn write_end(position: Position, out: &mut [u8]) {
    if let Some(mark) = out.get_mut(..ALIGN) {
        mark[4..].copy_from_slice(&END.to_le_bytes());
        let crc = checksum(position, &END.to_le_bytes());
        mark[..4].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Reads and checks what stands at the start of `bytes`, which is at `position` of the journal.
pub(super) fn read(bytes: &[u8], position: Position) -> Found<'_> {
    match parse(bytes) {
        Found::Record(entry, size) => {
            let end = HEADER + entry.payload.len();
            let is_whole = word(bytes, 0) == Some(checksum(position, &bytes[4..end]));
            if is_whole { Found::Record(entry, size) } else { Found::Nothing }
        }
        Found::End if word(bytes, 0) == Some(checksum(position, &END.to_le_bytes())) => Found::End,
        Found::End | Found::Nothing => Found::Nothing,
    }
}

/// Reads what stands at the start of `bytes` and was written by this process, so that it need not be checked.
pub(super) fn parse(bytes: &[u8]) -> Found<'_> {
    let Some(length) = word(bytes, 4) else { return Found::Nothing };
    if length == END {
        return Found::End;
    }
    let length = length as usize;
    let (Some(header), Some(payload)) = (bytes.first_chunk::<HEADER>(), bytes.get(HEADER..HEADER + length)) else {
        return Found::Nothing;
    };
    if length > PAYLOAD_MAX {
        return Found::Nothing;
    }
    let (mut received, mut exporter, mut port) = ([0; 8], [0; 16], [0; 2]);
    received.copy_from_slice(&header[8..16]);
    exporter.copy_from_slice(&header[16..32]);
    port.copy_from_slice(&header[32..34]);
    let entry = Entry {
        received_ns: i64::from_le_bytes(received),
        exporter,
        port: u16::from_le_bytes(port),
        path: header[34],
        payload,
    };
    Found::Record(entry, size(length))
}

fn word(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

fn checksum(position: Position, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&position.0.to_le_bytes()), bytes)
}
