//! Mappings: anonymous memory for a umem, ring memory of a socket. Each is unmapped when dropped. What lies inside is
//! not known here.
#![expect(unsafe_code, reason = "mmap and munmap")]

use super::HugePages;
use super::error::{ALLOCATE, Error};
use super::umem::Umem;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};

/// The size of a huge page on x86-64 and, with 4 KiB base pages, on arm64.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Memory from `mmap`.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    len_bytes: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this type only unmaps it.
unsafe impl Send for Mapping {}
// SAFETY: as above; through a shared reference only the address can be read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory of at least `len_bytes` bytes, page-aligned.
    ///
    /// # Errors
    ///
    /// The machine does not have that much.
    pub(super) fn anonymous(len_bytes: usize, huge_pages: HugePages) -> Result<Self, Error> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        if huge_pages == HugePages::Never || len_bytes < HUGE_PAGE_BYTES {
            return Self::map(len_bytes, flags | libc::MAP_POPULATE, None, 0)
                .map_err(|error| refused(len_bytes, error));
        }
        // The machine may have no huge pages reserved, which is the usual case: mmap then says ENOMEM.
        let rounded = len_bytes.next_multiple_of(HUGE_PAGE_BYTES);
        if let Ok(mapping) = Self::map(rounded, flags | libc::MAP_HUGETLB | libc::MAP_POPULATE, None, 0) {
            return Ok(mapping);
        }
        // Not populated here: the pages must be asked for as huge before they are touched. Registering the umem pins
        // them all, so none is missing when the first frame arrives.
        let mapping = Self::map(len_bytes, flags, None, 0).map_err(|error| refused(len_bytes, error))?;
        // SAFETY: the range is the mapping's own. The advice may be refused; then the pages have the ordinary size.
        unsafe { libc::madvise(mapping.start.as_ptr().cast(), mapping.len_bytes, libc::MADV_HUGEPAGE) };
        Ok(mapping)
    }

    /// A ring of the socket, chosen by `offset`: one of the `XDP_*PGOFF*` constants.
    pub(super) fn ring(len_bytes: usize, socket: BorrowedFd<'_>, offset: libc::off_t) -> io::Result<Self> {
        Self::map(len_bytes, libc::MAP_SHARED | libc::MAP_POPULATE, Some(socket), offset)
    }

    pub(super) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) const fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    fn map(
        len_bytes: usize,
        flags: libc::c_int,
        file: Option<BorrowedFd<'_>>,
        offset: libc::off_t,
    ) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let file = file.map_or(-1, |file| file.as_raw_fd());
        // SAFETY: no address is given, so the kernel chooses a free one and nothing of ours is replaced.
        let start = unsafe { libc::mmap(ptr::null_mut(), len_bytes, protection, flags, file, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        let mapping = Self { start, len_bytes };
        // A forked child has no use for this, and would keep the socket open by its copy of a ring and get a copy of a
        // umem's pinned pages. If the advice is refused, it is only slower.
        // SAFETY: the range is the mapping's own.
        unsafe { libc::madvise(start.as_ptr().cast(), len_bytes, libc::MADV_DONTFORK) };
        Ok(mapping)
    }
}

impl Umem<Mapping> {
    /// A umem in memory of its own, not yet known to the kernel.
    ///
    /// # Errors
    ///
    /// The machine does not have that much.
    pub(super) fn allocate(frames: u32, frame_bytes: u32, huge_pages: HugePages) -> Result<Self, Error> {
        let memory = Mapping::anonymous(frames as usize * frame_bytes as usize, huge_pages)?;
        // SAFETY: the mapping is at least as long as the frames together, and zeroed.
        Ok(unsafe { Self::new(memory.start(), frames, frame_bytes, memory) })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping's own, and whoever holds pointers into it holds the mapping too.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len_bytes) };
        debug_assert_eq!(result, 0, "munmap of an own mapping fails only for a wrong range");
    }
}

fn refused(len_bytes: usize, error: io::Error) -> Error {
    Error::system(ALLOCATE, format!("{len_bytes} bytes"), error)
}

#[cfg(test)]
mod tests {
    use super::{HUGE_PAGE_BYTES, HugePages, Mapping};

    #[test]
    fn memory_is_long_enough_whatever_pages_the_machine_has() {
        for (len_bytes, huge_pages) in [
            (4096, HugePages::Auto),
            (4096, HugePages::Never),
            (HUGE_PAGE_BYTES + 4096, HugePages::Auto),
            (HUGE_PAGE_BYTES + 4096, HugePages::Never),
        ] {
            let mapping = Mapping::anonymous(len_bytes, huge_pages).expect("a few megabytes");
            assert!(mapping.len_bytes() >= len_bytes, "{len_bytes} {huge_pages:?}");
            assert_eq!(mapping.start().as_ptr() as usize % 4096, 0, "{len_bytes} {huge_pages:?}");
        }
        let error = Mapping::anonymous(1 << 47, HugePages::Never).expect_err("more than the address space");
        assert!(error.to_string().contains("fewer frames"), "{error}");
    }
}
