//! A program under measurement: where it runs, what it printed, what processor time its threads took. Killed when dropped.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::cpu::{self, ThreadCpu};

/// How much of its standard error is kept: the last lines.
const KEPT_LINES: usize = 200;

/// A running program.
#[derive(Debug)]
pub(crate) struct Child {
    label: String,
    process: std::process::Child,
    stdout: Option<JoinHandle<String>>,
    log: Arc<Mutex<Vec<String>>>,
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    /// The last lines of its standard error.
    pub(crate) log: String,
}

impl Child {
    /// Starts a command, on one core alone if one is given: its threads inherit that, unless they choose by themselves.
    ///
    /// The command is killed when the thread that calls this ends, if it comes from a namespace.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or there is no such core.
    pub(crate) fn spawn(label: &str, mut command: Command, core: Option<usize>) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let this_thread = Pid::from_raw(0);
        let usual = sched_getaffinity(this_thread).context("cannot read this thread's cores")?;
        if let Some(core) = core {
            let mut one = CpuSet::new();
            one.set(core).with_context(|| format!("there is no core {core}"))?;
            sched_setaffinity(this_thread, &one).with_context(|| format!("cannot run on core {core}"))?;
        }
        let spawned = command.spawn();
        sched_setaffinity(this_thread, &usual).context("cannot go back to all cores")?;
        let mut process = spawned.with_context(|| format!("cannot start {label}: {command:?}"))?;
        let stdout = process.stdout.take().map(|mut pipe| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let log = Arc::new(Mutex::new(Vec::new()));
        if let Some(pipe) = process.stderr.take() {
            let log = Arc::clone(&log);
            thread::spawn(move || keep_last_lines(pipe, &log));
        }
        Ok(Self { label: label.to_owned(), process, stdout, log })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it said last on standard error.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Processor time of its threads until now, by name.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn cpu(&self) -> Result<Vec<ThreadCpu>> {
        cpu::of_process(self.id()).with_context(|| format!("{} has ended: {}", self.label, self.log()))
    }

    /// The processes it has started.
    pub(crate) fn children(&self) -> Vec<u32> {
        cpu::children(self.id())
    }

    /// Whether it still runs.
    ///
    /// # Errors
    ///
    /// When it has ended, with what it said.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.process.try_wait().with_context(|| format!("cannot ask for {}", self.label))? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself ({status}): {}", self.label, self.log()),
        }
    }

    /// Sends it a signal; one that has ended does not mind.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Ok(process) = i32::try_from(self.id()) {
            let _ = kill(Pid::from_raw(process), signal);
        }
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    ///
    /// When it does not within `patience`, or a signal came; it is killed then.
    pub(crate) fn finish(mut self, patience: Duration) -> Result<Finished> {
        self.wait(patience)
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    ///
    /// As [`Child::finish`].
    pub(crate) fn terminate(mut self, patience: Duration) -> Result<Finished> {
        self.signal(Signal::SIGTERM);
        self.wait(patience)
    }

    fn wait(&mut self, patience: Duration) -> Result<Finished> {
        let what = format!("the end of {}", self.label);
        let status = super::wait_for(&what, patience, || self.process.try_wait().context("cannot wait for it"))?;
        let stdout = self.stdout.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        Ok(Finished { status, stdout, log: self.log() })
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        let _ = self.process.kill();
        // What it started itself is in its process group, if it has one of its own.
        if let Ok(group) = i32::try_from(self.id()) {
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _ = self.process.wait();
    }
}

impl Finished {
    /// What it printed, if it succeeded.
    ///
    /// # Errors
    ///
    /// When it did not, with what it said.
    pub(crate) fn success(self, label: &str) -> Result<String> {
        if self.status.success() { Ok(self.stdout) } else { bail!("{label} failed ({}): {}", self.status, self.log) }
    }
}

fn keep_last_lines(pipe: impl std::io::Read, log: &Mutex<Vec<String>>) {
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == KEPT_LINES {
            log.remove(0);
        }
        log.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_child_is_heard_and_its_end_is_told() {
        let child = Child::spawn("sh", shell("echo said; echo seen >&2; exit 3"), None).expect("sh is there");
        let finished = child.finish(PATIENCE).expect("it ends");
        assert_eq!((finished.status.code(), finished.stdout.as_str()), (Some(3), "said\n"));
        assert!(finished.success("sh").is_err());
    }

    #[test]
    fn a_child_runs_on_its_core_and_this_thread_does_not() {
        let usual = sched_getaffinity(Pid::from_raw(0)).expect("this thread has cores");
        let child =
            Child::spawn("sh", shell("grep Cpus_allowed_list /proc/self/status"), Some(0)).expect("sh is there");
        let printed = child.finish(PATIENCE).and_then(|finished| finished.success("sh")).expect("it succeeds");
        assert_eq!(printed.split_whitespace().last(), Some("0"));
        assert_eq!(sched_getaffinity(Pid::from_raw(0)).expect("this thread has cores"), usual);
    }

    #[test]
    fn a_child_does_not_outlive_its_owner() {
        let child = Child::spawn("sleep", shell("exec sleep 1000"), None).expect("sh is there");
        let path = format!("/proc/{}", child.id());
        assert!(child.cpu().is_ok());
        drop(child);
        assert!(!std::path::Path::new(&path).exists());
    }
}
