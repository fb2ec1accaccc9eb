//! pcapng (draft-ietf-opsawg-pcapng): sections, interfaces, and packets in their three forms. Other blocks are passed over.

use std::time::Duration;

use super::read::{Error, Packet, Reader};

/// A section header; the same in both byte orders.
pub(super) const SECTION: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
/// Options of an interface: the precision of its times, and seconds to add to them.
const PRECISION: u16 = 9;
const OFFSET: u16 = 14;

/// An interface that packets were captured on.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    snap_bytes: u32,
    /// Units of its times in a second.
    units: u128,
    offset_s: i64,
}

/// All packets.
pub(super) fn packets(file: &[u8]) -> Result<Vec<Packet<'_>>, Error> {
    let (mut packets, mut interfaces) = (Vec::new(), Vec::new());
    let mut reader = Reader { bytes: file, is_big: true };
    let mut at = 0;
    while let Some(kind) = reader.word(at) {
        if kind == SECTION {
            // Says the order of its own length too.
            reader.is_big = reader.slice(at + 8, 4) == Some(&BYTE_ORDER.to_be_bytes());
            interfaces.clear();
        }
        let Some(length) = reader.word(at + 4).map(|length| length as usize) else { break };
        if length < 12 || !length.is_multiple_of(4) {
            return Err(Error::Block(at));
        }
        let Some(body) = reader.slice(at + 8, length - 12) else { break };
        let block = Reader { bytes: body, ..reader };
        match kind {
            INTERFACE => interfaces.push(interface(&block).ok_or(Error::Block(at))?),
            ENHANCED_PACKET | OLD_PACKET => {
                let index = if kind == OLD_PACKET { block.half(0).map(u32::from) } else { block.word(0) };
                let index = index.ok_or(Error::Block(at))?;
                let of: &Interface = interfaces.get(index as usize).ok_or(Error::Interface(at))?;
                packets.push(timed(&block, of).ok_or(Error::Block(at))?);
            }
            SIMPLE_PACKET => {
                let of = interfaces.first().ok_or(Error::Interface(at))?;
                packets.push(simple(&block, of).ok_or(Error::Block(at))?);
            }
            _ => {}
        }
        at += length;
    }
    Ok(packets)
}

fn interface(block: &Reader<'_>) -> Option<Interface> {
    let mut interface =
        Interface { link: block.half(0)?.into(), snap_bytes: block.word(4)?, units: 1_000_000, offset_s: 0 };
    let mut at = 8;
    while let (Some(code), Some(length)) = (block.half(at), block.half(at + 2)) {
        let value = block.slice(at + 4, length.into())?;
        match (code, value) {
            (0, _) => break,
            (PRECISION, [power]) => {
                let (base, power) = if power & 0x80 == 0 { (10_u128, *power) } else { (2, power & 0x7f) };
                interface.units = base.checked_pow(power.into())?;
            }
            (OFFSET, value) if value.len() == 8 => {
                let halves = [block.word(at + 4)?, block.word(at + 8)?].map(u64::from);
                let [high, low] = if block.is_big { halves } else { [halves[1], halves[0]] };
                interface.offset_s = (high << 32 | low).cast_signed();
            }
            _ => {}
        }
        at += 4 + usize::from(length).next_multiple_of(4);
    }
    Some(interface)
}

fn timed<'a>(block: &Reader<'a>, of: &Interface) -> Option<Packet<'a>> {
    let time = u128::from(block.word(4)?) << 32 | u128::from(block.word(8)?);
    let nanoseconds = u64::try_from(time % of.units * 1_000_000_000 / of.units).ok()?;
    let seconds = i64::try_from(time / of.units).ok()?.checked_add(of.offset_s)?;
    let at = Duration::from_secs(u64::try_from(seconds).ok()?) + Duration::from_nanos(nanoseconds);
    Some(Packet { at, link: of.link, bytes: block.slice(20, block.word(12)? as usize)? })
}

fn simple<'a>(block: &Reader<'a>, of: &Interface) -> Option<Packet<'a>> {
    let most = if of.snap_bytes == 0 { u32::MAX } else { of.snap_bytes };
    let length = block.word(0)?.min(most) as usize;
    Some(Packet { at: Duration::ZERO, link: of.link, bytes: block.slice(4, length)? })
}
