//! Memory that is about to be used, brought near the processor ahead of time.
#![expect(unsafe_code, reason = "asks the processor for cache lines, which no safe function does")]

#[cfg(target_arch = "x86_64")]
const LINE_BYTES: usize = 64;

/// Asks for the lines of a value that is soon read or written.
pub(crate) fn value<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        let first = std::ptr::from_ref(value).cast::<i8>();
        let before = first.addr() % LINE_BYTES;
        for offset in (0..before + size_of::<T>()).step_by(LINE_BYTES) {
            // SAFETY: the instruction reads nothing and meets no fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(offset)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Asks for the lines of bytes that are soon written.
pub(crate) fn to_write(bytes: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};

        for line in bytes.chunks(LINE_BYTES) {
            // SAFETY: the instruction reads nothing and meets no fault, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(line.as_ptr().cast()) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = bytes;
}
