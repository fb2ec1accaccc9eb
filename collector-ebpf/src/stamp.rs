//! The receive time that the program puts in front of a frame, for the worker that takes the frame from a ring.

/// What the time is combined with in the second word, so that bytes which no program wrote do not pass for a time.
const CHECK: u64 = 0x6d69_6e75_7465_7321;

/// When a frame came, in nanoseconds since 1970, UTC.
///
/// The bytes lie directly in front of the frame, in the byte order of the machine: the time, then the time combined with a
/// number of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since 1970, UTC.
    pub time_ns: u64,
}

impl Stamp {
    /// Length in front of the frame. The kernel wants a multiple of 4, and no more than 32 (`xdp_metalen_invalid`).
    pub const BYTES: usize = 16;

    /// The two words.
    #[inline(always)]
    #[must_use]
    pub const fn to_words(self) -> [u64; 2] {
        [self.time_ns, self.time_ns ^ CHECK]
    }

    /// The stamp in the bytes in front of a frame, or nothing if none was put there.
    #[inline]
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Option<Self> {
        let words = u128::from_ne_bytes(bytes);
        // The first word is the lower half where the machine is little-endian, as the program is.
        let (time_ns, check) = (words as u64, (words >> 64) as u64);
        (time_ns ^ CHECK == check).then_some(Self { time_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stamps_are_taken_for_stamps() {
        for time_ns in [0, 1, 1_700_000_000_000_000_000, u64::MAX] {
            let [time, check] = Stamp { time_ns }.to_words();
            let mut bytes = [0; Stamp::BYTES];
            bytes[..8].copy_from_slice(&time.to_ne_bytes());
            bytes[8..].copy_from_slice(&check.to_ne_bytes());
            assert_eq!(Stamp::from_bytes(bytes), Some(Stamp { time_ns }));
            for spoiled in 0..Stamp::BYTES {
                let mut bytes = bytes;
                bytes[spoiled] ^= 1;
                assert_eq!(Stamp::from_bytes(bytes), None);
            }
        }
        for bytes in [[0; Stamp::BYTES], [0xff; Stamp::BYTES]] {
            assert_eq!(Stamp::from_bytes(bytes), None);
        }
    }
}
