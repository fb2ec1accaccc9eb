//! Takes up GeoIP files that were replaced while running: a thread that waits for news from their directories and looks at
//! the files themselves from time to time, for where there is no news (network file systems, symbolic links).
//!
//! Files that cannot be used are refused: the tables made before stay in force, one line is logged, and nothing is tried
//! again before a file changes again.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, RecvTimeoutError, Sender};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::counters::Counters;
use super::error::Error;
use super::geo::Geo;
use super::published::Published;
use super::signature::Signature;

/// How the files are watched.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The files, in order of precedence.
    pub files: Vec<PathBuf>,
    /// How often to look at the files without news.
    pub look_every: Duration,
    /// How long a file must have been left alone before it is read: whoever replaces it may still be writing.
    pub settle: Duration,
}

impl Settings {
    /// Watches `files` with the usual times.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files, look_every: Duration::from_secs(60), settle: Duration::from_secs(2) }
    }
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    counters: Arc<Counters>,
    news: Sender<News>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    /// Something happened in one of the directories.
    Changed,
    /// The watcher is being dropped.
    Stop,
}

struct Watch {
    settings: Settings,
    published: Published,
    counters: Arc<Counters>,
    news: Receiver<News>,
    /// The files as they were when they were last tried.
    tried: Vec<Option<Signature>>,
    /// Tells of changes for as long as it lives.
    _directories: Option<RecommendedWatcher>,
}

impl Watcher {
    /// Starts watching. What is in force at this moment was made from the files by [`Geo::open`]; a change since then is seen.
    ///
    /// # Errors
    /// The thread could not be started. That a directory cannot be watched is no error: its files are looked at instead.
    pub fn start(settings: Settings, published: Published) -> Result<Self, Error> {
        let (sender, news) = channel::bounded(1);
        let counters = Arc::new(Counters::default());
        let geo = published.load();
        let tried = settings.files.iter().map(|path| loaded_signature(&geo, path)).collect();
        let directories = watch_directories(&settings.files, sender.clone());
        let counted = Arc::clone(&counters);
        let watch = Watch { settings, published, counters: counted, news, tried, _directories: directories };
        let thread = thread::Builder::new().name("geoip".to_owned()).spawn(move || watch.run());
        let thread = thread.map_err(|source| Error::Thread { source })?;
        Ok(Self { counters, news: sender, thread: Some(thread) })
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // Fails only where the thread is gone already. It takes news at once unless it is loading a file.
        let _ = self.news.send(News::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by the panic hook.
            let _ = thread.join();
        }
    }
}

impl Watch {
    fn run(mut self) {
        loop {
            match self.news.recv_timeout(self.settings.look_every) {
                Ok(News::Changed) | Err(RecvTimeoutError::Timeout) => {}
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.signatures() == self.tried {
                continue;
            }
            let Some(settled) = self.settle() else { return };
            if settled != self.tried {
                self.tried = settled;
                self.load();
            }
        }
    }

    /// Waits until the files are left alone; `None` when the watcher stops.
    fn settle(&self) -> Option<Vec<Option<Signature>>> {
        let mut before = self.signatures();
        loop {
            self.pause()?;
            let now = self.signatures();
            if now == before {
                return Some(now);
            }
            before = now;
        }
    }

    /// Waits for the settling time, whatever else happens in the directories; `None` when the watcher stops.
    fn pause(&self) -> Option<()> {
        let until = Instant::now() + self.settings.settle;
        loop {
            match self.news.recv_deadline(until) {
                Ok(News::Changed) => {}
                Ok(News::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => return Some(()),
            }
        }
    }

    fn load(&self) {
        match Geo::open(&self.settings.files) {
            Ok(geo) => {
                tracing::info!(
                    networks = geo.networks(),
                    seconds = geo.build_time().as_secs_f64(),
                    "took up replaced GeoIP files"
                );
                self.published.replace(geo);
                self.counters.taken_up.add(1);
            }
            Err(error) => {
                tracing::error!("{error}; what was loaded before stays in force");
                self.counters.refused.add(1);
            }
        }
    }

    fn signatures(&self) -> Vec<Option<Signature>> {
        self.settings.files.iter().map(|path| Signature::at(path)).collect()
    }
}

fn loaded_signature(geo: &Geo, path: &Path) -> Option<Signature> {
    geo.files().iter().find(|file| file.path == path).map(|file| file.signature)
}

/// Watches the directories, not the files: a file that is replaced by renaming is another one under the same name.
fn watch_directories(files: &[PathBuf], news: Sender<News>) -> Option<RecommendedWatcher> {
    let told = move |_event| {
        // A full channel means that the thread has news waiting already.
        let _ = news.try_send(News::Changed);
    };
    let mut directories: Vec<&Path> = files.iter().map(|file| directory_of(file)).collect();
    directories.sort_unstable();
    directories.dedup();
    let watching = notify::recommended_watcher(told).and_then(|mut watcher| {
        for directory in directories {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    watching
        .inspect_err(|error| {
            tracing::warn!("cannot watch the directories of the GeoIP files ({error}); looking at the files instead")
        })
        .ok()
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
