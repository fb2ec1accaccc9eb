//! pcap files (draft-ietf-opsawg-pcap): Ethernet, nanoseconds, in this machine's byte order.

use std::io::{self, Write};
use std::time::Duration;

/// Times are in nanoseconds.
pub(super) const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
/// Ethernet, among the link types of <https://www.tcpdump.org/linktypes.html>.
pub(super) const ETHERNET: u32 = 1;
/// The longest packet that readers take.
const SNAP_BYTES: u32 = 262_144;

/// A capture that is being written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    file: W,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// What the file refuses.
    pub fn new(mut file: W) -> io::Result<Self> {
        // Version 2.4, time zone, accuracy.
        for word in [MAGIC_NANOSECONDS, u32::from_ne_bytes(version()), 0, 0, SNAP_BYTES, ETHERNET] {
            file.write_all(&word.to_ne_bytes())?;
        }
        Ok(Self { file })
    }

    /// Writes a frame, captured so long after 1970.
    ///
    /// # Errors
    ///
    /// What the file refuses, and times that the format cannot tell (after 2106).
    pub fn frame(&mut self, at: Duration, frame: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(at.as_secs()).map_err(io::Error::other)?;
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        for word in [seconds, at.subsec_nanos(), length, length] {
            self.file.write_all(&word.to_ne_bytes())?;
        }
        self.file.write_all(frame)
    }

    /// Writes what is held back, and gives the file.
    ///
    /// # Errors
    ///
    /// What the file refuses.
    pub fn finish(mut self) -> io::Result<W> {
        self.file.flush()?;
        Ok(self.file)
    }
}

/// Major and minor version, each in this machine's byte order.
fn version() -> [u8; 4] {
    let [a, b] = 2_u16.to_ne_bytes();
    let [c, d] = 4_u16.to_ne_bytes();
    [a, b, c, d]
}
