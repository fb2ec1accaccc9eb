//! Mapped files. What lies inside is not known here.
#![expect(unsafe_code, reason = "mmap, madvise, msync and munmap, and slices of what they map")]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// A file mapped for reading and writing, shared with the kernel's page cache. Its blocks must be allocated: writing to a hole of a
/// full disk would end the process.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len_bytes: NonZeroUsize,
}

// SAFETY: a mapping belongs to the process, not to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the first `len_bytes` of `file`.
    pub(super) fn of(file: &File, len_bytes: NonZeroUsize) -> io::Result<Self> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: no address is given, so the kernel chooses a free one and nothing of ours is replaced.
        let start = unsafe { mmap(None, len_bytes, protection, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { start: start.cast(), len_bytes })
    }

    /// Brings the pages into memory, ready to be written, so that appending meets no page fault. Linux 5.14; before it, nothing.
    ///
    /// # Errors
    /// A page cannot be written, where a write to memory would end the process: a file system that allocated no block, a broken disk.
    pub(super) fn populate(&self) -> io::Result<()> {
        /// `MADV_POPULATE_WRITE` of `include/uapi/asm-generic/mman-common.h`.
        const POPULATE_WRITE: i32 = 23;
        // SAFETY: the range is the mapping's own; the advice changes no content.
        let refused = unsafe { libc::madvise(self.start.as_ptr().cast(), self.len_bytes.get(), POPULATE_WRITE) } != 0;
        let error = refused.then(io::Error::last_os_error);
        error.filter(|error| matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EHWPOISON))).map_or(Ok(()), Err)
    }

    pub(super) fn len_bytes(&self) -> NonZeroUsize {
        self.len_bytes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is that long, initialised by the kernel, and nobody writes it while it is borrowed: the file is
        // locked against other collectors, and writing needs this value mutably.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len_bytes.get()) }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for reading, and the borrow is unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len_bytes.get()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own and nothing borrows it any more.
        let _ = unsafe { munmap(self.start.cast(), self.len_bytes.get()) };
    }
}
