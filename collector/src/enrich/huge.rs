//! Memory for large tables, in huge pages where the kernel has them: a look-up at a random place then does not wait for the page
//! table as well as for the cell.
//!
//! Not here: memory that rings are made of, and the setting of the kernel that huge pages depend on.

use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use memmap2::{Advice, MmapMut};

/// Size of a huge page, bytes.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// Cells of a length that does not change, all zero at first. Pages that are never written take no memory.
#[derive(Debug)]
pub(super) struct Huge<T> {
    memory: Memory<T>,
    cells: usize,
}

#[derive(Debug)]
enum Memory<T> {
    /// The first cell is `offset` bytes in, where a huge page begins.
    Mapped { mapping: MmapMut, offset: usize },
    /// What is small, and what the kernel has no mapping for.
    Heap(Vec<T>),
}

impl<T: Pod> Huge<T> {
    /// `cells` zeros.
    pub(super) fn zeros(cells: usize) -> Self {
        Self { memory: Memory::zeros(cells), cells }
    }

    /// The cells of `from`.
    pub(super) fn of(from: &[T]) -> Self {
        let mut huge = Self::zeros(from.len());
        huge.copy_from_slice(from);
        huge
    }
}

impl<T: Pod> Memory<T> {
    fn zeros(cells: usize) -> Self {
        let bytes = cells * size_of::<T>();
        if bytes < HUGE_PAGE_BYTES {
            return Self::Heap(vec![T::zeroed(); cells]);
        }
        let Ok(mapping) = MmapMut::map_anon(bytes + HUGE_PAGE_BYTES) else {
            return Self::Heap(vec![T::zeroed(); cells]);
        };
        // A kernel without huge pages refuses; then there are ordinary ones.
        let _ = mapping.advise(Advice::HugePage);
        let offset = mapping.as_ptr().align_offset(HUGE_PAGE_BYTES).min(HUGE_PAGE_BYTES);
        Self::Mapped { mapping, offset }
    }
}

impl<T: Pod> Deref for Huge<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.memory {
            Memory::Mapped { mapping, offset } => {
                bytemuck::cast_slice(&mapping[*offset..*offset + self.cells * size_of::<T>()])
            }
            Memory::Heap(cells) => cells,
        }
    }
}

impl<T: Pod> DerefMut for Huge<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Memory::Mapped { mapping, offset } => {
                bytemuck::cast_slice_mut(&mut mapping[*offset..*offset + self.cells * size_of::<T>()])
            }
            Memory::Heap(cells) => cells,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_what_is_written_whatever_their_number() {
        for cells in [0, 1, 1000, HUGE_PAGE_BYTES / 4, HUGE_PAGE_BYTES / 4 * 3 + 7] {
            let mut zeros = Huge::<u32>::zeros(cells);
            assert_eq!(zeros.len(), cells);
            assert!(zeros.iter().all(|cell| *cell == 0));
            if let Some(last) = zeros.last_mut() {
                *last = 7;
            }
            assert_eq!(*Huge::of(&zeros), *zeros);
        }
    }
}
