//! Network namespaces, the veth pairs between them and the programs inside, all gone again when dropped.
//!
//! Names carry the process id, so that several demos run side by side, and what a killed one left is found and removed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::programs;

const PREFIX: &str = "collector-demo-";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// A named network namespace with its loopback up.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace `collector-demo-<process id>-<role>`.
    ///
    /// # Errors
    ///
    /// When `ip` fails, for lack of rights in most cases.
    pub fn create(role: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{role}", std::process::id());
        programs::output(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns exec` takes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` on this namespace's interfaces and returns its output.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub fn ip(&self, arguments: &[&str]) -> Result<String> {
        programs::output(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// A command line for a program inside. It dies with this process, and Ctrl-C of the terminal does not reach it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "setpriv", "--pdeathsig", "KILL"]).arg(program);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `work` in a thread of its own whose sockets belong to this namespace.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started, or cannot enter the namespace.
    pub fn enter<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<Result<T>>> {
        let path = Path::new(NAMES).join(&self.name);
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let body = move || {
            setns(file, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {}", path.display()))?;
            Ok(work())
        };
        thread::Builder::new().name(self.name.clone()).spawn(body).context("cannot start a thread")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = remove(&self.name);
    }
}

/// One end of a veth pair: where it is and what it is called.
#[derive(Debug)]
pub struct End<'a> {
    pub namespace: &'a Namespace,
    pub interface: &'a str,
    /// Of both families, with prefix length.
    pub addresses: Vec<String>,
}

/// Joins two namespaces by a veth pair. Both ends send whole checksums, as frames on a wire have them.
///
/// # Errors
///
/// When `ip` or `ethtool` fails.
pub fn join(ends: [End<'_>; 2]) -> Result<()> {
    let [one, other] = &ends;
    programs::output(Command::new("ip").args(["link", "add", one.interface, "netns", one.namespace.name()]).args([
        "type",
        "veth",
        "peer",
        "name",
        other.interface,
        "netns",
        other.namespace.name(),
    ]))?;
    for end in &ends {
        for address in &end.addresses {
            // Duplicate address detection would keep IPv6 addresses from being used for a second or two.
            let no_detection: &[&str] = if address.contains(':') { &["nodad"] } else { &[] };
            let mut arguments = vec!["address", "add"];
            arguments.extend([address, "dev", end.interface]);
            arguments.extend(no_detection);
            end.namespace.ip(&arguments)?;
        }
        end.namespace.ip(&["link", "set", end.interface, "up"])?;
        let mut ethtool = end.namespace.command("ethtool");
        programs::output(ethtool.args(["-K", end.interface, "tx", "off"]))?;
    }
    Ok(())
}

/// Removes the namespaces of demos that no longer run, with all that is still inside.
pub fn remove_leftovers() {
    let Ok(names) = fs::read_dir(NAMES) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(owner) = owner(&name) else { continue };
        if !Path::new("/proc").join(owner).exists() && remove(&name).is_ok() {
            eprintln!("removed {name}, left by an earlier run");
        }
    }
}

/// The process id in a namespace's name, when it is one of ours.
fn owner(name: &str) -> Option<&str> {
    let (owner, _role) = name.strip_prefix(PREFIX)?.split_once('-')?;
    owner.bytes().all(|byte| byte.is_ascii_digit()).then_some(owner)
}

fn remove(name: &str) -> Result<()> {
    let inside = programs::output(Command::new("ip").args(["netns", "pids", name]))?;
    for pid in inside.lines().filter_map(|line| line.trim().parse().ok()) {
        // A thread of this process that has not left the namespace yet is this process.
        if pid != std::process::id().cast_signed() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    programs::output(Command::new("ip").args(["netns", "delete", name])).map(drop)
}

/// A running program; killed with its children when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a command that [`Namespace::command`] made.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start: {}", programs::line_of(command)))?;
        Ok(Self { name, child })
    }

    /// Its piped standard error, once.
    pub fn take_stderr(&mut self) -> Option<std::process::ChildStderr> {
        self.child.stderr.take()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// When the kernel does not say.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends `signal` to it, not to its children.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(self.pid(), signal);
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it still runs after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < patience {
            if let Some(status) = self.ended().with_context(|| format!("cannot wait for {}", self.name))? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("{} did not end within {} s", self.name, patience.as_secs())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Children may outlive their parent: the group goes even when the program itself has ended.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_have_an_owner() {
        let cases = [
            ("collector-demo-123-exporters", Some("123")),
            ("collector-demo-x-exporters", None),
            ("collector-demo-123", None),
            ("somebody-elses-123-ns", None),
        ];
        for (name, expected) in cases {
            assert_eq!(owner(name), expected, "{name}");
        }
    }
}
