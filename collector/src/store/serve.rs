//! The store's process: bind, start the engine, answer until told to stop, close the engine.
//!
//! Not here: arguments, and what is answered.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::cage::{self, Landlock};
use super::engine::Engine;
use super::http::{self, Access};
use super::libchdb::LibraryFile;
use super::lifeline::{self, Told};
use super::{Error, Settings, child, priority, privileges};

/// How long requests that run may take to end once the store is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// Requests that may be in their threads: those that run, those that wait, those whose body still comes in.
const THREADS: usize = 256;
/// The engine checks the depth of its recursions against the stack it finds.
const STACK_BYTES: usize = 8 << 20;

/// Runs the store until SIGTERM or SIGINT, or until standard input closes where the settings say so.
///
/// The calling thread, which must be the process's only one, loses its capabilities for good.
///
/// # Errors
///
/// When it cannot listen, load the engine, or open the data directory.
pub fn serve(settings: &Settings) -> Result<(), Error> {
    let unusable = |source| Error::DataDirectory { path: settings.data_dir.clone(), source };
    std::fs::create_dir_all(&settings.data_dir).map_err(unusable)?;
    // Found and opened with all privileges: root's alone may lead through a private home to the repository.
    let library = LibraryFile::find(settings.library.as_deref())?;
    // Listening comes first: an address in use is found out before the engine is loaded. Who connects meanwhile waits.
    let (listener, told) = if settings.until_stdin_closes {
        lifeline::hear(std::io::stdin()).map_err(Error::Lifeline)?
    } else {
        (child::bind(settings)?, Told { password: settings.password.clone() })
    };
    privileges::give_up()?;
    match cage::enter(&settings.data_dir, library.file())? {
        Landlock::Full => {}
        Landlock::Partial => tracing::info!(
            "the store is shut in by an older Landlock: other files are out of its reach, connections and programs by seccomp alone"
        ),
        Landlock::Missing => tracing::warn!(
            "this kernel has no Landlock, or it is switched off (lsm= on the kernel's command line): a query that gets around \
             the engine's privileges reads what the store's user may read"
        ),
    }
    if settings.until_stdin_closes
        && let Err(error) = priority::yield_to_others()
    {
        tracing::warn!(%error, "the store takes turns with receiving: under full load datagrams may be lost for it");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(THREADS)
        .thread_stack_size(STACK_BYTES)
        .thread_name("store")
        .enable_all()
        .build()
        .map_err(Error::Server)?;
    let result = runtime.block_on(run(settings, library, listener, told));
    // Queries that outlived the grace period must not keep the process.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result
}

async fn run(settings: &Settings, library: LibraryFile, listener: TcpListener, told: Told) -> Result<(), Error> {
    let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
    let listener = listener.map_err(Error::Server)?;
    let mut stop = stop_signal(settings.until_stdin_closes).map_err(Error::Server)?;
    let starting = settings.clone();
    let engine = tokio::task::spawn_blocking(move || Engine::start(&starting, library))
        .await
        .map_err(|error| Error::Server(std::io::Error::other(error)))??;
    let engine = Arc::new(engine);
    let access = Access {
        user: settings.user.clone().unwrap_or_else(|| "default".to_owned()),
        password: told.password.unwrap_or_default(),
    };
    let local = listener.local_addr().unwrap_or(settings.listen);
    tracing::info!(address = %local, version = %engine.version, data = %settings.data_dir.display(), "the store answers");
    if settings.until_stdin_closes {
        child::announce();
    }
    let router = http::router(engine.clone(), access);
    let mut stopping = stop.clone();
    let graceful = axum::serve(listener, router).with_graceful_shutdown(async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    });
    let deadline = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = async { graceful.await } => result.map_err(Error::Server)?,
        () = deadline => tracing::warn!("stopping with requests unanswered"),
    }
    engine.reads.close();
    engine.inserts.close();
    tracing::info!("the store has stopped");
    Ok(())
}

/// Becomes `true` on SIGTERM, SIGINT, or the end of standard input.
fn stop_signal(until_stdin_closes: bool) -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let sender = Arc::new(sender);
    let on_signal = sender.clone();
    tokio::spawn(async move {
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        let _ = on_signal.send(true);
        tracing::info!(signal, "the store stops");
    });
    if until_stdin_closes {
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            // Ends with the input alone: being interrupted by a signal, as when the process was stopped and goes on, is no end.
            let ended = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
            let _ = sender.send(true);
            tracing::debug!(?ended, "the store stops: its standard input has ended");
        })?;
    }
    Ok(receiver)
}
