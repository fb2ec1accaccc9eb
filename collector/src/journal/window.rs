//! The bytes of a file, a part of it in memory at a time: a file that is cut short while it is read is an end, not a fault.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::record::RECORD_MAX;
use super::scan::Source;

/// Bytes that are read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A part of a file in memory.
pub(super) struct Window {
    file: File,
    bytes: Vec<u8>,
    /// Where in the file it begins.
    from: usize,
    /// Where reading ends.
    end: usize,
    /// Whether the file ends with it.
    is_last: bool,
    /// Where a second look was taken.
    looked_again: Option<usize>,
}

impl Window {
    /// The first `end` bytes of a file, or as many as it has.
    pub(super) fn open(path: &Path, end: usize) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self { file, bytes: Vec::new(), from: 0, end, is_last: false, looked_again: None })
    }

    fn fill(&mut self, offset: usize) -> io::Result<()> {
        let wanted = WINDOW_BYTES.min(self.end.saturating_sub(offset));
        self.bytes.resize(wanted, 0);
        self.from = offset;
        let mut filled = 0;
        while filled < wanted {
            match self.file.read_at(&mut self.bytes[filled..], (offset + filled) as u64) {
                Ok(0) => break,
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(filled);
        self.is_last = filled < wanted || offset + filled == self.end;
        Ok(())
    }

    /// Whether what [`Source::at`] owes for `offset` is in memory.
    fn has(&self, offset: usize) -> bool {
        let until = self.from + self.bytes.len();
        offset >= self.from && !self.bytes.is_empty() && (self.is_last || offset + RECORD_MAX <= until)
    }
}

impl Source for Window {
    fn at(&mut self, offset: usize) -> io::Result<&[u8]> {
        if !self.has(offset) {
            self.fill(offset)?;
        }
        Ok(self.bytes.get(offset - self.from..).unwrap_or(&[]))
    }

    fn is_news(&mut self, offset: usize) -> bool {
        if self.looked_again == Some(offset) {
            return false;
        }
        self.looked_again = Some(offset);
        self.bytes.clear();
        true
    }
}
