//! Captures that are read: pcap in every byte order and precision (draft-ietf-opsawg-pcap), and pcapng.
//!
//! A file that ends in the middle of a packet, as of a capture that was killed, ends before it.

use std::fmt;
use std::time::Duration;

use super::ng;
use super::write::MAGIC_NANOSECONDS;

const MAGIC_MICROSECONDS: u32 = 0xa1b2_c3d4;
/// As Kuznetzov's patched libpcap wrote it: eight bytes more before each packet.
const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;
const HEADER_BYTES: usize = 24;

/// A packet as it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When, since 1970; zero where the file does not say.
    pub at: Duration,
    /// What its first bytes are: a number of <https://www.tcpdump.org/linktypes.html>.
    pub link: u32,
    /// What was kept of it.
    pub bytes: &'a [u8],
}

/// Why a file is no capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// It begins as neither format does.
    Magic,
    /// A pcapng block has a length that it cannot have, at this offset.
    Block(usize),
    /// A packet of an interface that was not described, at this offset.
    Interface(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => write!(formatter, "it is neither pcap nor pcapng"),
            Self::Block(at) => write!(formatter, "the block at byte {at} has an impossible length"),
            Self::Interface(at) => {
                write!(formatter, "the packet at byte {at} is of an interface that is not described")
            }
        }
    }
}

impl std::error::Error for Error {}

/// All packets of a file, in its order.
///
/// # Errors
///
/// As [`Error`] lists them.
pub fn packets(file: &[u8]) -> Result<Vec<Packet<'_>>, Error> {
    if file.starts_with(&ng::SECTION.to_be_bytes()) {
        return ng::packets(file);
    }
    let Some(magic) = file.first_chunk::<4>() else { return Err(Error::Magic) };
    for is_big in [true, false] {
        let magic = if is_big { u32::from_be_bytes(*magic) } else { u32::from_le_bytes(*magic) };
        let (nanoseconds, extra) = match magic {
            MAGIC_MICROSECONDS => (1000, 0),
            MAGIC_NANOSECONDS => (1, 0),
            MAGIC_MODIFIED => (1000, 8),
            _ => continue,
        };
        return Ok(classic(&Reader { bytes: file, is_big }, nanoseconds, extra));
    }
    Err(Error::Magic)
}

fn classic<'a>(file: &Reader<'a>, unit_ns: u32, extra: usize) -> Vec<Packet<'a>> {
    let mut packets = Vec::new();
    // The upper bits say how long a frame check sequence is.
    let Some(link) = file.word(20).map(|link| link & 0x0fff_ffff) else { return packets };
    let mut at = HEADER_BYTES;
    while let (Some(seconds), Some(fraction), Some(length)) = (file.word(at), file.word(at + 4), file.word(at + 8)) {
        let begin = at + 16 + extra;
        let Some(bytes) = file.slice(begin, length as usize) else { break };
        let since =
            Duration::from_secs(seconds.into()) + Duration::from_nanos(u64::from(fraction) * u64::from(unit_ns));
        packets.push(Packet { at: since, link, bytes });
        at = begin + bytes.len();
    }
    packets
}

/// A file in one byte order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_big: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn slice(&self, at: usize, length: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(length)?)
    }

    pub(super) fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.slice(at, 4)?.try_into().ok()?;
        Some(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn half(&self, at: usize) -> Option<u16> {
        let bytes = self.slice(at, 2)?.try_into().ok()?;
        Some(if self.is_big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }
}
