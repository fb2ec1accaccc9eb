//! Standard output for much data, which a reader such as `head` may close at any time: that ends the program quietly.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, Stdout, Write};

/// Buffered standard output; a closed pipe is an error that [`reader_is_gone`] knows.
pub(super) struct Output(BufWriter<Marked>);

/// Standard output whose broken pipes can be told from those of sockets.
struct Marked(Stdout);

/// The reader of standard output has closed it.
#[derive(Debug)]
struct ReaderGone;

impl Output {
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(64 << 10, Marked(io::stdout())))
    }
}

/// Whether `error` says no more than that nobody reads standard output any longer.
pub(super) fn reader_is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.is::<ReaderGone>()
            || cause
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                .is_some_and(|inner| inner.is::<ReaderGone>())
    })
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Write for Marked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

fn mark(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::BrokenPipe { io::Error::new(ErrorKind::BrokenPipe, ReaderGone) } else { error }
}

impl fmt::Display for ReaderGone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("standard output was closed")
    }
}

impl std::error::Error for ReaderGone {}
