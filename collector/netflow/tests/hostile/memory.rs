//! An allocator that knows how many bytes a thread has in use, and the most there were.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

fn count(bytes: isize) {
    IN_USE.set(IN_USE.get() + bytes);
    MOST.set(MOST.get().max(IN_USE.get()));
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: the caller keeps to the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were in use during `work` beyond those before it, and those that still are after it.
pub(crate) fn used<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    let before = IN_USE.get();
    MOST.set(before);
    let result = work();
    let bytes = |now: isize| usize::try_from(now - before).unwrap_or(0);
    (result, bytes(MOST.get()), bytes(IN_USE.get()))
}

#[test]
fn what_is_in_use_is_known() {
    let (kept, most, still) = used(|| {
        drop(vec![0_u8; 10_000]);
        vec![0_u8; 1000]
    });
    assert_eq!((kept.len(), most, still), (1000, 10_000, 1000));
}
