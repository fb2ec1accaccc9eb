//! Blocks of pcapng files: sections, interfaces and the three kinds of packet blocks; all others are passed over.
//!
//! Source: draft-ietf-opsawg-pcapng, section 4.

use std::ops::Range;

use super::reader::Endian;

const INTERFACE_DESCRIPTION: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const OPTION_END: u16 = 0;
const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;

/// Interfaces of one section that are remembered; a file with more is no capture of anything.
const MAX_INTERFACES: usize = 65_536;

/// Bytes of a block before its body (type, length) and after it (length again).
const FRONT_BYTES: usize = 8;
const BACK_BYTES: usize = 4;

/// What holds for the blocks up to the next section header.
#[derive(Debug)]
pub(super) struct Section {
    /// Byte order of this section.
    pub(super) endian: Endian,
    interfaces: Vec<Interface>,
}

/// One interface of a section.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    snap_bytes: usize,
    resolution: Resolution,
    offset_seconds: i64,
}

/// What one unit of an interface's time stamps is.
#[derive(Debug, Clone, Copy)]
enum Resolution {
    /// 10 to the power of minus this many seconds.
    Decimal(u8),
    /// 2 to the power of minus this many seconds.
    Binary(u8),
}

/// What a block was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A packet: its time if the block has one, link type, and where its bytes are in the block.
    Packet { time_ns: Option<i64>, link: u16, data: Range<usize> },
    /// Anything else.
    Other,
}

impl Default for Section {
    fn default() -> Self {
        Self { endian: Endian::Little, interfaces: Vec::new() }
    }
}

impl Section {
    /// Type of a section header block; reads the same in both byte orders.
    pub(super) const MAGIC: u32 = 0x0a0d_0d0a;

    /// Byte order of a section, from the first word of its header's body.
    pub(super) fn byte_order(magic: [u8; 4]) -> Option<Endian> {
        match magic {
            [0x4d, 0x3c, 0x2b, 0x1a] => Some(Endian::Little),
            [0x1a, 0x2b, 0x3c, 0x4d] => Some(Endian::Big),
            _ => None,
        }
    }

    /// Takes one whole block, whose two lengths were checked against `block`.
    ///
    /// # Errors
    /// What is wrong with the block.
    pub(super) fn take(&mut self, kind: u32, block: &[u8]) -> Result<Block, &'static str> {
        let end = block.len().checked_sub(BACK_BYTES).ok_or("a block length that cannot be")?;
        let body = block.get(FRONT_BYTES..end).ok_or("a block length that cannot be")?;
        match kind {
            Self::MAGIC => self.start(body),
            INTERFACE_DESCRIPTION => self.interface(body),
            ENHANCED_PACKET => self.timed_packet(body, |endian, body| u32_at(endian, body, 0)),
            // The obsolete block has a drop count in the upper half of the word.
            OBSOLETE_PACKET => self.timed_packet(body, |endian, body| u16_at(endian, body, 0).map(u32::from)),
            SIMPLE_PACKET => self.simple_packet(body),
            _ => Ok(Block::Other),
        }
    }

    fn start(&mut self, body: &[u8]) -> Result<Block, &'static str> {
        self.interfaces.clear();
        let major = u16_at(self.endian, body, 4).ok_or("a section header that is too short")?;
        if major != 1 {
            return Err("a section of another format version than 1");
        }
        Ok(Block::Other)
    }

    fn interface(&mut self, body: &[u8]) -> Result<Block, &'static str> {
        let link = u16_at(self.endian, body, 0).ok_or("an interface description that is too short")?;
        let snap = u32_at(self.endian, body, 4).ok_or("an interface description that is too short")?;
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err("more than 65536 interfaces in a section");
        }
        let mut interface = Interface {
            link,
            snap_bytes: if snap == 0 { usize::MAX } else { snap as usize },
            resolution: Resolution::Decimal(6),
            offset_seconds: 0,
        };
        let mut options = body.get(8..).unwrap_or(&[]);
        while let (Some(code), Some(length)) = (u16_at(self.endian, options, 0), u16_at(self.endian, options, 2)) {
            let length = usize::from(length);
            let Some(value) = options.get(4..4 + length) else { break };
            match (code, value) {
                (OPTION_END, _) => break,
                (OPTION_TIME_RESOLUTION, [unit]) if unit & 0x80 == 0 => {
                    interface.resolution = Resolution::Decimal(*unit)
                }
                (OPTION_TIME_RESOLUTION, [unit]) => interface.resolution = Resolution::Binary(unit & 0x7f),
                (OPTION_TIME_OFFSET, value) => {
                    let offset = value.first_chunk().ok_or("a time offset of the wrong length")?;
                    interface.offset_seconds = self.endian.u64(*offset).cast_signed();
                }
                _ => {}
            }
            options = options.get(4 + length.next_multiple_of(4)..).unwrap_or(&[]);
        }
        self.interfaces.push(interface);
        Ok(Block::Other)
    }

    /// An enhanced packet block, or the obsolete one that differs in how it names the interface.
    fn timed_packet(
        &self,
        body: &[u8],
        interface: impl Fn(Endian, &[u8]) -> Option<u32>,
    ) -> Result<Block, &'static str> {
        const HEADER_BYTES: usize = 20;
        let short = "a packet block that is too short";
        let index = interface(self.endian, body).ok_or(short)? as usize;
        let high = u32_at(self.endian, body, 4).ok_or(short)?;
        let low = u32_at(self.endian, body, 8).ok_or(short)?;
        let length = u32_at(self.endian, body, 12).ok_or(short)? as usize;
        let interface = self.interfaces.get(index).ok_or("a packet of an interface that was not described")?;
        if body.len() < HEADER_BYTES || length > body.len() - HEADER_BYTES {
            return Err("a packet longer than its block");
        }
        let start = FRONT_BYTES + HEADER_BYTES;
        let time_ns = interface.time_ns(u64::from(high) << 32 | u64::from(low));
        Ok(Block::Packet { time_ns: Some(time_ns), link: interface.link, data: start..start + length })
    }

    fn simple_packet(&self, body: &[u8]) -> Result<Block, &'static str> {
        let original = u32_at(self.endian, body, 0).ok_or("a packet block that is too short")? as usize;
        let interface = self.interfaces.first().ok_or("a packet of an interface that was not described")?;
        let length = original.min(interface.snap_bytes).min(body.len() - 4);
        let start = FRONT_BYTES + 4;
        Ok(Block::Packet { time_ns: None, link: interface.link, data: start..start + length })
    }
}

impl Interface {
    /// A time stamp in nanoseconds since 1970; 0 where it is beyond what 64 bits hold.
    fn time_ns(&self, stamp: u64) -> i64 {
        let stamp = u128::from(stamp);
        let nanoseconds = match self.resolution {
            Resolution::Decimal(digits @ 0..=9) => stamp * 10_u128.pow(u32::from(9 - digits)),
            Resolution::Decimal(digits) => stamp / 10_u128.checked_pow(u32::from(digits) - 9).unwrap_or(u128::MAX),
            Resolution::Binary(bits) => (stamp * 1_000_000_000) >> bits,
        };
        let offset = i128::from(self.offset_seconds) * 1_000_000_000;
        let sum = i128::try_from(nanoseconds).ok().and_then(|nanoseconds| nanoseconds.checked_add(offset));
        sum.and_then(|sum| i64::try_from(sum).ok()).unwrap_or(0)
    }
}

fn u16_at(endian: Endian, bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| endian.u16(*chunk))
}

fn u32_at(endian: Endian, bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|chunk| endian.u32(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resolution: Resolution, offset_seconds: i64, stamp: u64, expected_ns: i64) {
        let interface = Interface { link: 1, snap_bytes: 0, resolution, offset_seconds };
        assert_eq!(interface.time_ns(stamp), expected_ns, "{interface:?} {stamp}");
    }

    #[test]
    fn time_stamps_of_every_resolution() {
        check(Resolution::Decimal(6), 0, 1_500_000_000_000_001, 1_500_000_000_000_001_000);
        check(Resolution::Decimal(9), 0, 1_500_000_000_000_000_001, 1_500_000_000_000_000_001);
        check(Resolution::Decimal(0), 0, 7, 7_000_000_000);
        check(Resolution::Decimal(12), 0, 1_999, 1);
        check(Resolution::Decimal(127), 0, u64::MAX, 0);
        check(Resolution::Binary(10), 0, 1536, 1_500_000_000);
        check(Resolution::Binary(127), 0, u64::MAX, 0);
        check(Resolution::Decimal(3), 1_000, 1, 1_000_001_000_000);
        check(Resolution::Decimal(3), -1, 1_000, 0);
        check(Resolution::Decimal(0), 0, u64::MAX, 0);
        check(Resolution::Decimal(6), i64::MAX, 0, 0);
    }
}
