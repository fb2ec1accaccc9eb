//! The umem: memory for frames, cut into equal parts. Turns a descriptor into a slice after checking, in release builds
//! too, that the slice lies inside one frame. No system calls: where the memory comes from is `memory`'s business, and
//! which frames the kernel owns at a time is the rings'.
#![expect(unsafe_code, reason = "frames lie in memory that the kernel writes")]

use super::ring::Descriptor;
use super::{METADATA_BYTES, Metadata};
use std::ptr::NonNull;

/// `XDP_PKT_CONTD` of `linux/if_xdp.h`: the packet goes on in the next descriptor.
pub(super) const CONTINUED: u32 = 1;

/// Why a descriptor was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadDescriptor {
    /// It starts outside the umem; there is no frame to give back either.
    OutsideUmem,
    /// It ends beyond the frame in which it starts.
    CrossesFrame,
    /// It is a part of a packet of several frames, which this socket never asked for (`XDP_USE_SG`).
    Continued,
}

/// Frames of `frame_bytes` each; `M` owns the memory.
pub(super) struct Umem<M> {
    base: NonNull<u8>,
    len_bytes: u64,
    /// A power of two.
    frame_bytes: u64,
    _memory: M,
}

// SAFETY: the pointer goes to memory that `M` owns and that moves with it.
unsafe impl<M: Send> Send for Umem<M> {}
// SAFETY: a shared umem only computes addresses; reading goes through `lend`, whose caller owns the frame.
unsafe impl<M: Sync> Sync for Umem<M> {}

impl<M> Umem<M> {
    /// # Safety
    ///
    /// `base` must be valid for reads of `frames * frame_bytes` initialised bytes while `memory` lives.
    pub(super) unsafe fn new(base: NonNull<u8>, frames: u32, frame_bytes: u32, memory: M) -> Self {
        debug_assert!(frame_bytes.is_power_of_two());
        let len_bytes = u64::from(frames) * u64::from(frame_bytes);
        Self { base, len_bytes, frame_bytes: u64::from(frame_bytes), _memory: memory }
    }

    pub(super) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) const fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub(super) const fn frame_bytes(&self) -> u64 {
        self.frame_bytes
    }

    /// The frames by their offsets, as a fill ring takes them.
    pub(super) fn frames(&self) -> impl Iterator<Item = u64> {
        let frame_bytes = self.frame_bytes;
        (0..self.len_bytes / frame_bytes).map(move |index| index * frame_bytes)
    }

    /// The frame that a descriptor starts in, to be given back; none if it starts outside the umem.
    pub(super) const fn frame_of(&self, descriptor: Descriptor) -> Option<u64> {
        if descriptor.addr >= self.len_bytes {
            return None;
        }
        Some(descriptor.addr & !(self.frame_bytes - 1))
    }

    /// The bytes of a received frame.
    ///
    /// # Errors
    ///
    /// The descriptor does not lie inside one frame of the umem, or is not a whole packet.
    ///
    /// # Safety
    ///
    /// The descriptor must come from the RX ring, and its frame must not be given to the fill ring, nor its entry
    /// released, while the slice is in use: until then the kernel does not write there.
    pub(super) unsafe fn lend(&self, descriptor: Descriptor) -> Result<&[u8], BadDescriptor> {
        let Some(frame) = self.frame_of(descriptor) else {
            return Err(BadDescriptor::OutsideUmem);
        };
        let offset = descriptor.addr - frame;
        if u64::from(descriptor.len) > self.frame_bytes - offset {
            return Err(BadDescriptor::CrossesFrame);
        }
        if descriptor.options & CONTINUED != 0 {
            return Err(BadDescriptor::Continued);
        }
        // SAFETY: `addr` is below `len_bytes`, and the mapping is that long.
        let start = unsafe { self.base.add(descriptor.addr as usize) };
        // SAFETY: `addr + len` is at most the end of the frame, so inside the umem; the caller owns the frame.
        Ok(unsafe { std::slice::from_raw_parts(start.as_ptr(), descriptor.len as usize) })
    }
}

impl<M> Umem<M> {
    /// Takes the metadata in front of a received packet, which is zeroes afterwards: a frame is used again, and what the next
    /// packet finds there must not pass for its own. Zeroes too where a frame begins with the packet.
    ///
    /// # Safety
    ///
    /// As for [`Umem::lend`], and nothing may be lent of this frame meanwhile.
    pub(super) unsafe fn take_metadata(&self, descriptor: Descriptor) -> Metadata {
        let inside = self.frame_of(descriptor).is_some_and(|frame| descriptor.addr - frame >= METADATA_BYTES as u64);
        if !inside {
            return [0; METADATA_BYTES];
        }
        // SAFETY: `addr` is below `len_bytes`, and at least so many bytes of its frame lie in front of it.
        let start = unsafe { self.base.add(descriptor.addr as usize - METADATA_BYTES) }.cast::<Metadata>();
        // SAFETY: the bytes lie inside the frame, which the caller owns; arrays of bytes need no alignment.
        unsafe { start.replace([0; METADATA_BYTES]) }
    }
}

#[cfg(test)]
mod tests {
    use super::{BadDescriptor, Descriptor, Umem};
    use std::ptr::NonNull;

    const FRAMES: u32 = 4;
    const FRAME_BYTES: u32 = 2048;
    const END: u64 = FRAMES as u64 * FRAME_BYTES as u64;

    #[test]
    fn descriptors_are_followed_only_inside_one_frame() {
        use BadDescriptor::{Continued, CrossesFrame, OutsideUmem};
        let table = [
            ("first frame behind the headroom", 256, 100, 0, Ok(Some(0))),
            ("whole frame", 2048, 2048, 0, Ok(Some(2048))),
            ("last byte", END - 1, 1, 0, Ok(Some(END - 2048))),
            ("empty at the end of a frame", 4095, 0, 0, Ok(Some(2048))),
            ("one byte into the next frame", 2048, 2049, 0, Err((CrossesFrame, Some(2048)))),
            ("beyond the last frame", END - 1, 2, 0, Err((CrossesFrame, Some(END - 2048)))),
            ("length that would wrap", 0, u32::MAX, 0, Err((CrossesFrame, Some(0)))),
            ("starts at the end", END, 0, 0, Err((OutsideUmem, None))),
            ("address that would wrap", u64::MAX, 1, 0, Err((OutsideUmem, None))),
            ("part of a packet", 256, 100, 1, Err((Continued, Some(0)))),
        ];
        for (name, addr, len, options, expected) in table {
            check(name, Descriptor { addr, len, options }, expected);
        }
    }

    fn check(name: &str, descriptor: Descriptor, expected: Result<Option<u64>, (BadDescriptor, Option<u64>)>) {
        let pattern: Vec<u8> = (0..=u8::MAX).collect::<Vec<_>>().repeat(END as usize / 256);
        let mut bytes = pattern.clone();
        let base = NonNull::new(bytes.as_mut_ptr()).expect("a vector's pointer is not null");
        // SAFETY: `bytes` is as long as the umem says and moves into it, which does not move its contents.
        let umem = unsafe { Umem::new(base, FRAMES, FRAME_BYTES, bytes) };
        // SAFETY: nothing else touches the bytes.
        let lent = unsafe { umem.lend(descriptor) };
        let frame = umem.frame_of(descriptor);
        match expected {
            Ok(expected_frame) => {
                let lent = lent.unwrap_or_else(|error| panic!("{name}: {error:?}"));
                assert_eq!(frame, expected_frame, "{name}");
                assert_eq!(lent, &pattern[descriptor.addr as usize..][..descriptor.len as usize], "{name}");
            }
            Err((reason, expected_frame)) => {
                assert_eq!(lent.err(), Some(reason), "{name}");
                assert_eq!(frame, expected_frame, "{name}");
            }
        }
    }
}
