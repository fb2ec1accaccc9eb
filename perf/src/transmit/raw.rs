//! System calls and shared memory of raw sockets, for which there is no safe interface. No decisions.
//!
//! What lies in shared memory is read and written by atomic words alone, so that nothing the kernel does at the same time is
//! undefined here; bounds are checked always.
#![expect(unsafe_code, reason = "socket options, addresses and mappings that no safe interface knows")]

use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, off_t, socklen_t};

/// Hands frames of an AF_PACKET socket to the driver without the queueing discipline in between (packet(7)).
pub(super) fn bypass_queueing(socket: &OwnedFd) -> nix::Result<()> {
    set_option(socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1_i32)
}

/// Sizes a ring of an AF_XDP socket: `name` is one of the `XDP_*_RING` constants.
pub(super) fn size_ring(socket: &OwnedFd, name: c_int, descriptors: u32) -> nix::Result<()> {
    set_option(socket, libc::SOL_XDP, name, &descriptors)
}

/// Registers memory as the umem of an AF_XDP socket.
pub(super) fn register(socket: &OwnedFd, memory: &Mapping, chunk_bytes: u32) -> nix::Result<()> {
    let registration = libc::xdp_umem_reg {
        addr: memory.start.as_ptr() as u64,
        len: memory.length as u64,
        chunk_size: chunk_bytes,
        headroom: 0,
        flags: 0,
        tx_metadata_len: 0,
    };
    set_option(socket, libc::SOL_XDP, libc::XDP_UMEM_REG, &registration)
}

/// Where the parts of an AF_XDP socket's rings are.
pub(super) fn ring_offsets(socket: &OwnedFd) -> nix::Result<libc::xdp_mmap_offsets> {
    let mut offsets = MaybeUninit::<libc::xdp_mmap_offsets>::zeroed();
    get_option(socket, libc::XDP_MMAP_OFFSETS, &mut offsets)?;
    // SAFETY: whole numbers alone, of which zeros are ones too.
    Ok(unsafe { offsets.assume_init() })
}

/// Whether a bound AF_XDP socket works without copies.
pub(super) fn is_zero_copy(socket: &OwnedFd) -> nix::Result<bool> {
    let mut options = MaybeUninit::<libc::xdp_options>::zeroed();
    get_option(socket, libc::XDP_OPTIONS, &mut options)?;
    // SAFETY: as in `ring_offsets`.
    let options = unsafe { options.assume_init() };
    Ok(options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0)
}

/// Binds an AF_XDP socket to a queue of an interface: without copies where the driver can, and woken where it wants that.
pub(super) fn bind_queue(socket: &OwnedFd, interface: u32, queue: u32) -> nix::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: libc::XDP_USE_NEED_WAKEUP,
        sxdp_ifindex: interface,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    let length = size_of::<libc::sockaddr_xdp>() as socklen_t;
    // SAFETY: the descriptor is open, and the kernel reads so many bytes of the address during the call alone.
    Errno::result(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) }).map(drop)
}

/// An AF_XDP socket.
pub(super) fn xdp_socket() -> nix::Result<OwnedFd> {
    // SAFETY: takes no pointers.
    let descriptor = Errno::result(unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(descriptor) })
}

/// Memory that is shared with the kernel; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Zeroed memory of this process.
    pub(super) fn anonymous(length: usize) -> nix::Result<Self> {
        Self::map(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE, -1, 0)
    }

    /// A ring of an AF_XDP socket: `offset` is one of the `XDP_*PGOFF*` constants.
    pub(super) fn ring(socket: &OwnedFd, length: usize, offset: off_t) -> nix::Result<Self> {
        Self::map(length, libc::MAP_SHARED | libc::MAP_POPULATE, socket.as_raw_fd(), offset)
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// A 32-bit word at a multiple of 4.
    pub(super) fn word(&self, at: usize) -> &AtomicU32 {
        let place = self.place(at, size_of::<AtomicU32>()).cast();
        // SAFETY: inside the mapping, which lives as long as `self`, and aligned, as mappings begin on a page; everybody, the
        // kernel too, reads and writes it as a whole word.
        unsafe { AtomicU32::from_ptr(place.as_ptr()) }
    }

    /// A 64-bit word at a multiple of 8.
    pub(super) fn double(&self, at: usize) -> &AtomicU64 {
        let place = self.place(at, size_of::<AtomicU64>()).cast();
        // SAFETY: as in `word`.
        unsafe { AtomicU64::from_ptr(place.as_ptr()) }
    }

    /// Copies bytes into it. They are of a chunk that the kernel does not read now.
    pub(super) fn copy_in(&mut self, at: usize, bytes: &[u8]) {
        assert!(at.checked_add(bytes.len()).is_some_and(|end| end <= self.length), "{at} is beyond the memory");
        // SAFETY: not beyond the mapping, as was just checked.
        let place = unsafe { self.start.add(at) };
        // SAFETY: so many bytes are inside the mapping, and `bytes` are not, as nobody gets a reference into it.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.as_ptr(), bytes.len()) };
    }

    /// A place for a value of this size, which is a power of two.
    fn place(&self, at: usize, size: usize) -> NonNull<u8> {
        let is_inside = at.checked_add(size).is_some_and(|end| end <= self.length);
        assert!(is_inside && at.is_multiple_of(size), "{at} is beyond the ring or not aligned");
        // SAFETY: not beyond the mapping, as was just checked.
        unsafe { self.start.add(at) }
    }

    fn map(length: usize, flags: c_int, file: c_int, offset: off_t) -> nix::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: no address is given, so the kernel chooses a free one and nothing is replaced.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, file, offset) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(start.cast()).map(|start| Self { start, length }).ok_or(Errno::EFAULT)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and references into it have ended with their borrows. Unmapping what is mapped
        // does not fail.
        unsafe { libc::munmap(self.start.as_ptr().cast::<c_void>(), self.length) };
    }
}

fn set_option<T: Copy>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> nix::Result<()> {
    let length = size_of::<T>() as socklen_t;
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the descriptor is open, and the kernel reads so many bytes of the value during the call alone.
    Errno::result(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, length) }).map(drop)
}

fn get_option<T: Copy>(socket: &OwnedFd, name: c_int, value: &mut MaybeUninit<T>) -> nix::Result<()> {
    let mut length = size_of::<T>() as socklen_t;
    let value = value.as_mut_ptr().cast();
    // SAFETY: the descriptor is open, and the kernel writes at most so many bytes of the value during the call alone.
    let outcome = unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_XDP, name, value, &raw mut length) };
    Errno::result(outcome).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn memory_is_bounded() {
        let mut memory = Mapping::anonymous(4096).expect("a page");
        memory.copy_in(4092, &[1, 2, 3, 4]);
        assert_eq!(memory.word(4092).load(Ordering::Relaxed).to_ne_bytes(), [1, 2, 3, 4]);
        assert_eq!(memory.double(0).load(Ordering::Relaxed), 0);
        for at in [4096, 4094, usize::MAX - 1] {
            assert!(std::panic::catch_unwind(|| memory.word(at).load(Ordering::Relaxed)).is_err(), "{at}");
        }
        let beyond = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| memory.copy_in(4093, &[0; 4])));
        assert!(beyond.is_err());
    }
}
