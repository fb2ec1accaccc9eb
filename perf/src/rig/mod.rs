//! What measurements are made with: network namespaces joined by a veth pair, programs inside them with the processor time of each of
//! their threads, and their answers over HTTP.
//!
//! All of it is gone again when dropped, also after an error or Ctrl-C: long waits go through [`pause`], which ends with
//! an error once a signal came. What is measured, and what it means, is not decided here.

/// What became of what was sent.
mod account;
/// Programs under measurement.
mod child;
/// The collector as a program.
mod collector;
/// Processor time of threads.
mod cpu;
/// Questions over HTTP, asked inside a namespace.
mod http;
/// What is sent.
mod load;
/// Network namespaces and the pair of them.
mod netns;
/// A directory that goes along.
mod scratch;
/// The end of a load.
mod settle;
/// A store as a program.
mod store;
/// System calls of threads.
mod syscalls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use account::{Account, Counters};
pub(crate) use child::{Child, Finished};
pub(crate) use collector::{Collector, Run, quoted};
pub(crate) use cpu::{ThreadCpu, between, machine_busy_s};
pub(crate) use http::{Connection, Message, http, metrics};
pub(crate) use load::{Load, Sent, Templates};
pub(crate) use netns::{Namespace, Pair};
pub(crate) use scratch::Scratch;
pub(crate) use settle::settle;
pub(crate) use store::Store;
pub(crate) use syscalls::count as count_syscalls;

static SIGNALLED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Refuses without root, and from here on takes SIGINT and SIGTERM for the wish to end tidily.
///
/// # Errors
///
/// When the user is not root, or the signals cannot be taken.
pub(crate) fn prepare(command: &str) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "perf {command} makes network namespaces: run it as root");
    if SIGNALLED.get().is_none() {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot take signals")?;
        }
        let _ = SIGNALLED.set(flag);
    }
    netns::remove_orphans();
    Ok(())
}

/// Sleeps.
///
/// # Errors
///
/// At once when a signal has asked for the end.
pub(crate) fn pause(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        if SIGNALLED.get().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            bail!("ended by a signal");
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(Duration::from_millis(50)));
    }
}

/// Asks again and again, every 20 ms, until there is an answer.
///
/// # Errors
///
/// When `ask` fails, a signal came, or `patience` is over, which names `what` was waited for.
pub(crate) fn wait_for<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask()? {
            return Ok(answer);
        }
        ensure!(Instant::now() < end, "{what} did not happen within {} s", patience.as_secs());
        pause(Duration::from_millis(20))?;
    }
}
