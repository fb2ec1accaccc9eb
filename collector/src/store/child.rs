//! The store as a child process: started, watched, started again when it dies, stopped.
//!
//! The child ends when its standard input closes, so it never outlives its parent, however that one ends. It says on
//! standard output that it answers, and where. The socket it listens on is bound here, once, and lent to each child: while a
//! child is away, who connects waits, and no other process can take its place. Not here: what the child does
//! ([`super::serve`]).

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen};
use tracing::level_filters::LevelFilter;

use super::lifeline::{self, Told};
use super::lines::{self, LastWords};
use super::{Error, Settings};
use crate::metrics::Counter;

/// Connections that wait while no child answers.
const BACKLOG: i32 = 1024;
/// How the child says that it answers.
const READY: &str = "ready";
/// How often the child is looked at.
const WATCH_INTERVAL: Duration = Duration::from_millis(100);
/// How often waiting for the start is told.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);
/// How long a start may take: the engine reads what it knows of all parts.
const START_LIMIT: Duration = Duration::from_secs(300);
/// How long a stop may take before the child is killed.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Between the end of the child and its next start: from the first, doubled each time, to the last.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// A child that ran this long starts again at once.
const STEADY: Duration = Duration::from_secs(60);

/// A running store.
#[derive(Debug)]
pub struct Child {
    address: SocketAddr,
    shared: Arc<Shared>,
    watcher: Option<JoinHandle<()>>,
}

/// A child process, and the socket whose end is its end.
#[derive(Debug)]
struct Process {
    child: std::process::Child,
    lifeline: UnixStream,
}

#[derive(Debug)]
struct Shared {
    program: PathBuf,
    settings: Settings,
    /// Where each child listens.
    listener: TcpListener,
    process: Mutex<Option<Process>>,
    running: AtomicBool,
    stopping: AtomicBool,
    restarts: Counter,
}

impl Child {
    /// Starts this program's `store` command and waits until it answers, or until `stop` is raised.
    ///
    /// # Errors
    ///
    /// When the process cannot be started, with the child's last words when it gave up, and [`Error::Stopped`].
    pub fn start(settings: &Settings, stop: &AtomicBool) -> Result<Self, Error> {
        // The link, not where it points: it works even when the file has been replaced meanwhile.
        let program = PathBuf::from("/proc/self/exe");
        Self::start_program(&program, settings, stop)
    }

    /// The same with another executable of the collector.
    ///
    /// # Errors
    ///
    /// As [`Child::start`].
    pub fn start_program(program: &Path, settings: &Settings, stop: &AtomicBool) -> Result<Self, Error> {
        let listener = bind(settings)?;
        let address = listener.local_addr().unwrap_or(settings.listen);
        let settings = Settings { listen: address, ..settings.clone() };
        let process = spawn(program, &settings, &listener, stop)?;
        let shared = Arc::new(Shared {
            program: program.to_path_buf(),
            settings,
            listener,
            process: Mutex::new(Some(process)),
            running: AtomicBool::new(true),
            stopping: AtomicBool::new(false),
            restarts: Counter::default(),
        });
        let watched = shared.clone();
        let watcher = std::thread::Builder::new().name("store-watch".to_owned()).spawn(move || watched.watch());
        Ok(Self { address, shared, watcher: Some(watcher.map_err(Error::Server)?) })
    }

    /// Where it answers: `http://127.0.0.1:8123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether the process runs and has answered.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.shared.running.load(Ordering::SeqCst)
    }

    /// Process id of the running child.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.shared.process().as_ref().map(|process| process.child.id())
    }

    /// How often it was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.shared.restarts.get()
    }

    /// Stops the store: closes its standard input, waits, and kills it when it does not end.
    ///
    /// # Errors
    ///
    /// When it had to be killed, or ended with an error.
    pub fn stop(mut self) -> Result<(), Error> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> Result<(), Error> {
        self.shared.stopping.store(true, Ordering::SeqCst);
        if let Some(watcher) = self.watcher.take() {
            let _ = watcher.join();
        }
        self.shared.running.store(false, Ordering::SeqCst);
        let Some(Process { child: mut process, lifeline }) = self.shared.process().take() else { return Ok(()) };
        drop(lifeline);
        let deadline = Instant::now() + STOP_LIMIT;
        loop {
            match process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(Error::ChildFailed { reason: format!("it ended with {status}") }),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(WATCH_INTERVAL),
                Ok(None) | Err(_) => break,
            }
        }
        let _ = process.kill();
        let _ = process.wait();
        Err(Error::ChildFailed { reason: format!("it did not stop within {} s and was killed", STOP_LIMIT.as_secs()) })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Err(error) = self.shut_down() {
            tracing::warn!(%error, "stopping the store");
        }
    }
}

impl Shared {
    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Starts the child again whenever it ends.
    fn watch(&self) {
        let (first, last) = BACK_OFF;
        let (mut back_off, mut started) = (first, Instant::now());
        while !self.is_stopping() {
            std::thread::sleep(WATCH_INTERVAL);
            let ended = match self.process().as_mut().map(|process| process.child.try_wait()) {
                Some(Ok(None)) => None,
                Some(Ok(Some(status))) => Some(status.to_string()),
                Some(Err(error)) => Some(error.to_string()),
                None => Some("it could not be started".to_owned()),
            };
            let Some(ended) = ended else { continue };
            self.running.store(false, Ordering::SeqCst);
            if started.elapsed() > STEADY {
                back_off = first;
            }
            tracing::error!(status = %ended, again_in_ms = back_off.as_millis(), "the store's process has ended");
            self.pause(back_off);
            if self.is_stopping() {
                return;
            }
            back_off = (back_off * 2).min(last);
            self.restarts.add(1);
            started = Instant::now();
            match spawn(&self.program, &self.settings, &self.listener, &self.stopping) {
                Ok(process) => {
                    *self.process() = Some(process);
                    self.running.store(true, Ordering::SeqCst);
                    tracing::info!("the store answers again");
                }
                Err(error) => {
                    *self.process() = None;
                    if matches!(error, Error::Stopped) {
                        return;
                    }
                    tracing::error!(%error, "the store could not be started again");
                }
            }
        }
    }

    fn pause(&self, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end && !self.is_stopping() {
            std::thread::sleep(WATCH_INTERVAL);
        }
    }
}

/// The socket for the store, with room for those who connect while nobody answers.
pub(super) fn bind(settings: &Settings) -> Result<TcpListener, Error> {
    let address = settings.listen;
    if !address.ip().is_loopback() && settings.password.is_none() {
        return Err(Error::Exposed { address });
    }
    let bound = TcpListener::bind(address)
        .and_then(|listener| Ok(listen(&listener, Backlog::new(BACKLOG)?).map(|()| listener)?));
    bound.map_err(|source| Error::Listen { address, source })
}

/// Starts the process and waits until it says that it answers. It is killed when `stop` is raised meanwhile: what the
/// engine has acknowledged, it has written.
fn spawn(program: &Path, settings: &Settings, listener: &TcpListener, stop: &AtomicBool) -> Result<Process, Error> {
    let unstarted = |source| Error::Spawn { program: program.to_path_buf(), source };
    let (lifeline, childs_end) = lifeline::pair().map_err(unstarted)?;
    let mut process = command(program, settings).stdin(childs_end).spawn().map_err(unstarted)?;
    let told = Told { password: settings.password.clone() };
    if let Err(source) = lifeline::tell(&lifeline, listener, &told) {
        let _ = process.kill();
        let _ = process.wait();
        return Err(unstarted(source));
    }
    let (sender, ready) = mpsc::channel();
    if let Some(output) = process.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line == READY {
                    let _ = sender.send(());
                }
            }
        });
    }
    let last_words = LastWords::default();
    let logged = process.stderr.take().map(|errors| {
        let last_words = last_words.clone();
        std::thread::spawn(move || lines::say_again(errors, &last_words))
    });
    let begun = Instant::now();
    let mut told = begun;
    loop {
        match ready.recv_timeout(WATCH_INTERVAL) {
            Ok(()) => return Ok(Process { child: process, lifeline }),
            Err(mpsc::RecvTimeoutError::Timeout) if begun.elapsed() < START_LIMIT && !stop.load(Ordering::SeqCst) => {}
            Err(_) => break,
        }
        if told.elapsed() >= PROGRESS_INTERVAL {
            told = Instant::now();
            tracing::info!(seconds = begun.elapsed().as_secs(), "waiting for the store to start");
        }
    }
    let _ = process.kill();
    let status = process.wait();
    let _ = logged.map(JoinHandle::join);
    if stop.load(Ordering::SeqCst) {
        return Err(Error::Stopped);
    }
    let words = last_words.get();
    let reason = match (words.is_empty(), status) {
        (false, _) => words,
        (true, Ok(status)) => format!("its process ended with {status}"),
        (true, Err(error)) => error.to_string(),
    };
    Err(Error::ChildFailed { reason })
}

fn command(program: &Path, settings: &Settings) -> Command {
    let mut command = Command::new(program);
    command.arg("store").arg("--until-stdin-closes");
    command.args(["--log-format", "json", "--log-level", &LevelFilter::current().to_string()]);
    command.arg("--data-dir").arg(&settings.data_dir);
    command.arg("--listen").arg(settings.listen.to_string());
    command.arg("--database").arg(&settings.database);
    command.arg("--connections").arg(settings.connections.to_string());
    if let Some(user) = &settings.user {
        command.arg("--user").arg(user);
    }
    if let Some(library) = &settings.library {
        command.arg("--library").arg(library);
    }
    if let Some(bytes) = settings.memory_bytes {
        command.arg("--memory-bytes").arg(bytes.to_string());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: the Ctrl-C of a terminal goes to the parent alone, which stores what it holds before it stops
    // the child; and signals that the engine sends to its group do not reach the parent.
    command.process_group(0);
    command
}

/// The child's half: tells the parent that the store answers.
pub(super) fn announce() {
    // A parent that has gone closes standard input too, which ends the store.
    let _ = writeln!(std::io::stdout(), "{READY}");
}
