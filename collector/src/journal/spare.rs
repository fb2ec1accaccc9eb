//! Getting files ready before they are needed, and synchronising them: what takes time, on a thread of its own.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded, unbounded};

use super::segment::{self, Id, Segment};

/// Between two attempts on a full disk.
const RETRY: Duration = Duration::from_millis(500);

/// The thread, and what it has made ready.
#[derive(Debug)]
pub(super) struct Spares {
    ready: Receiver<Segment>,
    old: Sender<PathBuf>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    /// Whether the last attempt to make a segment failed.
    is_failing: AtomicBool,
    /// The segment that is written now, where it is to be synchronised.
    active: Mutex<Option<File>>,
}

/// What the thread needs to know.
pub(super) struct Work {
    pub(super) directory: PathBuf,
    pub(super) id: Id,
    pub(super) next_number: u64,
    pub(super) size: NonZeroUsize,
    pub(super) sync_every: Option<Duration>,
}

impl Spares {
    /// Starts the thread.
    pub(super) fn start(work: Work) -> io::Result<Self> {
        let (is_ready, ready) = bounded(1);
        let (old, olds) = unbounded();
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn({
            let shared = Arc::clone(&shared);
            move || run(work, &is_ready, &olds, &shared)
        })?;
        Ok(Self { ready, old, shared, thread: Some(thread) })
    }

    /// A segment that is ready, if there is one; never waits.
    pub(super) fn take(&self) -> Option<Segment> {
        let segment = self.ready.try_recv().ok()?;
        *self.shared.active.lock().unwrap_or_else(PoisonError::into_inner) = segment.file().ok();
        Some(segment)
    }

    /// Waits for a segment, for tests and for the start.
    pub(super) fn wait(&self, longest: Duration) -> Option<Segment> {
        let segment = self.ready.recv_timeout(longest).ok()?;
        *self.shared.active.lock().unwrap_or_else(PoisonError::into_inner) = segment.file().ok();
        Some(segment)
    }

    /// Whether the disk refuses.
    pub(super) fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }

    /// Gives back a file whose data is no longer wanted.
    pub(super) fn give(&self, path: PathBuf) {
        // The thread ends only with this value.
        let _ = self.old.send(path);
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Makes room, so that a thread that waits to hand over sees the stop.
        let _ = self.ready.try_recv();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(mut work: Work, is_ready: &Sender<Segment>, olds: &Receiver<PathBuf>, shared: &Shared) {
    let pause = work.sync_every.unwrap_or(RETRY).min(RETRY);
    let mut made: Option<Segment> = None;
    while !shared.stop.load(Ordering::Relaxed) {
        if made.is_none() {
            made = make(&mut work, olds, shared);
        }
        let Some(segment) = made.take() else {
            std::thread::sleep(pause);
            continue;
        };
        // Handing over waits until the one before was taken, which is when the next is due.
        match is_ready.send_timeout(segment, pause) {
            Ok(()) => {}
            Err(crossbeam::channel::SendTimeoutError::Timeout(segment)) => made = Some(segment),
            Err(crossbeam::channel::SendTimeoutError::Disconnected(_)) => return,
        }
        synchronise(&work, shared);
    }
}

/// The next segment, from an old file where there is one.
fn make(work: &mut Work, olds: &Receiver<PathBuf>, shared: &Shared) -> Option<Segment> {
    let path = segment::path_of(&work.directory, work.next_number);
    let renamed = match olds.try_recv() {
        Ok(old) => std::fs::rename(&old, &path),
        Err(_) => Ok(()),
    };
    let segment = renamed.and_then(|()| Segment::create(path.clone(), work.id, work.next_number, work.size));
    let was_failing = shared.is_failing.swap(segment.is_err(), Ordering::Relaxed);
    match segment {
        Ok(segment) => {
            if was_failing {
                tracing::info!(directory = %work.directory.display(), "the journal has room again");
            }
            work.next_number += 1;
            Some(segment)
        }
        Err(error) => {
            if !was_failing {
                tracing::error!(%error, path = %path.display(), "the journal cannot grow: datagrams are not kept until there is room");
            }
            // Blocks that could be had are given back, for others.
            let _ = std::fs::remove_file(&path);
            None
        }
    }
}

fn synchronise(work: &Work, shared: &Shared) {
    if work.sync_every.is_none() {
        return;
    }
    let file =
        shared.active.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|file| file.try_clone().ok());
    if let Some(file) = file
        && let Err(error) = file.sync_data()
    {
        tracing::error!(%error, directory = %work.directory.display(), "the journal could not be synchronised");
    }
}
