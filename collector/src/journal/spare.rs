//! Getting files ready before they are needed, and synchronising them: what takes time, on a thread of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::Id;
use super::mapping::Mapping;
use super::segment::{self, Blank};

/// Between two attempts on a full disk.
const RETRY: Duration = Duration::from_millis(500);
/// The thread has nothing to do but what it is told.
const IDLE: Duration = Duration::from_secs(3600);
/// Files that are ready at any time, so that the next is there while another is being made.
const READY: usize = 2;
/// Most files that are ready while many are taken,
const READY_MOST: usize = 8;
/// and the most bytes that those beyond [`READY`] may take.
const AHEAD_BYTES: usize = 512 << 20;
/// For so long a file that was taken is taken for a sign that another will be.
const LATELY: Duration = Duration::from_secs(2);
/// Old files that are kept to be made ready; more are removed.
const OLD: usize = 2;

/// The thread, and what it has made ready.
#[derive(Debug)]
pub(super) struct Spares {
    ready: Receiver<Blank>,
    orders: Sender<Order>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether the last attempt to make a file ready failed.
    is_failing: AtomicBool,
    /// Old files that were given and not used yet.
    old: AtomicUsize,
    /// What is to be synchronised: the segment that is written now, before it those that were since the last time.
    written: Mutex<Vec<Arc<File>>>,
}

#[derive(Debug)]
enum Order {
    /// A file was taken: make another.
    Taken,
    /// A file whose content is no longer wanted.
    Old(PathBuf),
    /// A mapping that is no longer needed.
    Unmap(Mapping),
    Stop,
}

/// What the thread needs to know.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) directory: PathBuf,
    pub(super) id: Id,
    /// Number in the name of the next new file.
    pub(super) next_file: u64,
    pub(super) size: NonZeroUsize,
    pub(super) sync_every: Option<Duration>,
}

impl Spares {
    /// Starts the thread, with old files to begin with.
    pub(super) fn start(work: Work, old: Vec<PathBuf>) -> io::Result<Self> {
        let (is_ready, ready) = bounded(READY_MOST);
        let (orders, ordered) = unbounded();
        let shared = Arc::new(Shared::default());
        let mut spares = Self { ready, orders, shared: Arc::clone(&shared), thread: None };
        old.into_iter().for_each(|path| spares.give(path));
        let maker = Maker { work, is_ready, shared, old: VecDeque::new(), taken: VecDeque::new() };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || maker.run(&ordered))?;
        spares.thread = Some(thread);
        Ok(spares)
    }

    /// A file that is ready, if there is one; never waits.
    pub(super) fn take(&self) -> Option<Blank> {
        self.taken(self.ready.try_recv().ok()?)
    }

    /// Waits for a file while there is hope: for the start.
    pub(super) fn wait(&self, longest: Duration) -> Option<Blank> {
        let end = Instant::now() + longest;
        loop {
            match self.ready.recv_timeout(Duration::from_millis(10)) {
                Ok(blank) => return self.taken(blank),
                Err(RecvTimeoutError::Timeout) if !self.is_failing() && Instant::now() < end => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn taken(&self, blank: Blank) -> Option<Blank> {
        self.shared.written.lock().unwrap_or_else(PoisonError::into_inner).push(blank.file());
        self.order(Order::Taken);
        Some(blank)
    }

    /// Whether the disk refuses.
    pub(super) fn is_failing(&self) -> bool {
        self.shared.is_failing.load(Ordering::Relaxed)
    }

    /// Whether an old file would help: the disk refuses, and none is on the way.
    pub(super) fn is_in_need(&self) -> bool {
        self.is_failing() && self.shared.old.load(Ordering::Relaxed) == 0
    }

    /// Whether a file is ready.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Gives back a file whose content is no longer wanted.
    pub(super) fn give(&self, path: PathBuf) {
        self.shared.old.fetch_add(1, Ordering::Relaxed);
        self.order(Order::Old(path));
    }

    /// Has a mapping undone.
    pub(super) fn unmap(&self, mapping: Mapping) {
        self.order(Order::Unmap(mapping));
    }

    fn order(&self, order: Order) {
        // The thread ends only with this value.
        let _ = self.orders.send(order);
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread has.
#[derive(Debug)]
struct Maker {
    work: Work,
    is_ready: Sender<Blank>,
    shared: Arc<Shared>,
    old: VecDeque<PathBuf>,
    /// When files were taken lately.
    taken: VecDeque<Instant>,
}

impl Maker {
    fn run(mut self, ordered: &Receiver<Order>) {
        let mut synchronised = Instant::now();
        loop {
            // What was given back is used before anything new is made.
            let is_waiting = ordered.is_empty() && (self.is_ready.len() >= self.wanted() || !self.make());
            let failing = if self.shared.is_failing.load(Ordering::Relaxed) { RETRY } else { IDLE };
            let sync = self.work.sync_every.map_or(IDLE, |every| every.saturating_sub(synchronised.elapsed()));
            let wait = if is_waiting { failing.min(sync) } else { Duration::ZERO };
            match ordered.recv_timeout(wait) {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(Order::Old(path)) => self.keep(path),
                Ok(Order::Unmap(mapping)) => drop(mapping),
                Ok(Order::Taken) => self.taken.push_back(Instant::now()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.work.sync_every.is_some_and(|every| synchronised.elapsed() >= every) {
                synchronised = Instant::now();
                self.synchronise();
            } else if self.work.sync_every.is_none() {
                self.written();
            }
        }
        if self.work.sync_every.is_some() {
            self.synchronise();
        }
    }

    /// How many files are to be ready: more after more were taken, so that a burst finds ahead of it what it used up lately.
    fn wanted(&mut self) -> usize {
        while self.taken.front().is_some_and(|taken| taken.elapsed() > LATELY) {
            self.taken.pop_front();
        }
        wanted(self.taken.len(), self.work.size)
    }

    fn keep(&mut self, path: PathBuf) {
        if let Err(error) = segment::void(&path, &self.work.id, self.work.size) {
            tracing::warn!(%error, path = %path.display(), "a file of the journal cannot be used again");
        }
        self.old.push_back(path);
        // While many are taken, making a new one is dearer than using an old one again.
        let most = OLD.max(self.wanted());
        while self.old.len() > most {
            let Some(path) = self.old.pop_front() else { break };
            self.shared.old.fetch_sub(1, Ordering::Relaxed);
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(%error, path = %path.display(), "a file of the journal that is not needed any more cannot be removed");
            }
        }
    }

    /// Makes a file ready, an old one where there is one; whether that succeeded.
    fn make(&mut self) -> bool {
        let old = self.old.pop_front();
        let is_old = old.is_some();
        let path = old.unwrap_or_else(|| segment::path_of(&self.work.directory, self.work.next_file));
        let made = Blank::make(path.clone(), &self.work.id, self.work.size, self.work.sync_every.is_some());
        let made = made.and_then(|blank| self.enter(blank));
        if is_old {
            self.shared.old.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.work.next_file += 1;
        }
        let was_failing = self.shared.is_failing.swap(made.is_err(), Ordering::Relaxed);
        match made {
            Ok(blank) => {
                if was_failing {
                    tracing::info!(directory = %self.work.directory.display(), "the journal has room again");
                }
                // Only this thread sends, and it saw that there is room.
                let _ = self.is_ready.try_send(blank);
                true
            }
            Err(error) => {
                if !was_failing {
                    tracing::error!(%error, path = %path.display(), "the journal cannot grow: free space on its disk, or give it less to keep");
                }
                // Blocks that could be had are given back, for others.
                let _ = std::fs::remove_file(&path);
                false
            }
        }
    }

    /// Sees to it that a new file is found after power loss.
    fn enter(&self, blank: Blank) -> io::Result<Blank> {
        if self.work.sync_every.is_some() {
            File::open(&self.work.directory)?.sync_all()?;
        }
        Ok(blank)
    }

    fn synchronise(&self) {
        for file in self.written() {
            if let Err(error) = file.sync_data() {
                tracing::error!(%error, directory = %self.work.directory.display(), "the journal could not be synchronised: power loss would lose it");
            }
        }
    }

    /// The files that were written since the last time; of them, only the last is still written.
    fn written(&self) -> Vec<Arc<File>> {
        let mut written = self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let last = written.last().cloned();
        std::mem::replace(&mut *written, last.into_iter().collect())
    }
}

/// How many files of `size` bytes are to be ready after so many were taken lately.
fn wanted(taken: usize, size: NonZeroUsize) -> usize {
    let most = (AHEAD_BYTES / size.get()).clamp(READY, READY_MOST);
    (READY + taken).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_files_are_ready_while_more_are_taken() {
        for (taken, size, files) in [
            (0, 64 << 20, READY),
            (3, 64 << 20, READY + 3),
            (100, 64 << 20, READY_MOST),
            (100, 1 << 30, READY),
            (100, 128 << 20, 4),
            (100, 128 << 10, READY_MOST),
        ] {
            assert_eq!(wanted(taken, NonZeroUsize::new(size).unwrap()), files, "{taken} files of {size} bytes");
        }
    }
}
