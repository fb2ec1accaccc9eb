//! Rows on standard output: `--stdout json`.
//!
//! A slow reader must not hold up a worker: what waits is bounded, and what does not fit is counted.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, Sender};

use crate::batch::{Block, json};
use crate::metrics::Counter;

/// Blocks' texts that may wait for the reader.
const WAITING: usize = 16;
/// How long the reader may take over the last rows.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that writes.
pub(super) struct Writer {
    texts: Sender<Vec<u8>>,
    skipped: Arc<Counter>,
    thread: JoinHandle<()>,
}

/// One worker's way to the thread.
pub(super) struct Tap {
    texts: Sender<Vec<u8>>,
    skipped: Arc<Counter>,
}

impl Tap {
    /// Writes a block's rows, unless too much waits for the reader already.
    pub(super) fn show(&self, block: &Block) {
        if self.texts.is_full() || self.texts.try_send(text_of(block)).is_err() {
            self.skipped.add(block.len() as u64);
        }
    }
}

impl Writer {
    /// Starts it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start() -> io::Result<Self> {
        let (texts, waiting) = channel::bounded(WAITING);
        let thread = std::thread::Builder::new().name("stdout".into()).spawn(move || write_all(&waiting))?;
        Ok(Self { texts, skipped: Arc::default(), thread })
    }

    /// What a worker's blocks are shown to.
    pub(super) fn tap(&self) -> Tap {
        Tap { texts: self.texts.clone(), skipped: Arc::clone(&self.skipped) }
    }

    /// Rows that were not written because the reader was too slow or is gone.
    pub(super) fn skipped(&self) -> Arc<Counter> {
        Arc::clone(&self.skipped)
    }

    /// Writes what waits and ends, unless the reader does not read: the end of the collector does not wait for it for long.
    /// All taps must be gone.
    pub(super) fn stop(self) {
        drop(self.texts);
        let by = Instant::now() + PATIENCE;
        while !self.thread.is_finished() && Instant::now() < by {
            std::thread::sleep(Duration::from_millis(10));
        }
        if !self.thread.is_finished() {
            tracing::warn!("standard output does not take the last rows: its reader does not read");
        }
    }
}

fn text_of(block: &Block) -> Vec<u8> {
    let mut text = Vec::new();
    for part in block.decoded_parts() {
        json::write_rows(part, &mut text);
    }
    text
}

fn write_all(texts: &Receiver<Vec<u8>>) {
    let mut stdout = io::stdout().lock();
    for text in texts {
        if let Err(error) = stdout.write_all(&text).and_then(|()| stdout.flush()) {
            tracing::warn!(%error, "standard output is gone: rows are no longer written there");
            return;
        }
    }
}
