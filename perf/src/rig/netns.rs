//! Network namespaces, made by `ip` and taken away on drop, and the pair of them that a measurement runs in.
//!
//! Names carry the process id, so that measurements do not meet, and so that what a killed one left is found.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

const PREFIX: &str = "perf-";
/// Where `ip netns` keeps its names.
const NAMES: &str = "/run/netns";

/// A namespace with its loopback up.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes the namespace `perf-<process id>-<label>`.
    ///
    /// # Errors
    ///
    /// When `ip` fails.
    pub(crate) fn new(label: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{label}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns exec` takes it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments, separated by blanks, in the namespace; returns what it prints.
    ///
    /// # Errors
    ///
    /// When `ip` fails, with what it said.
    pub(crate) fn ip(&self, arguments: &str) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// A command that will run in the namespace, as the process that is started: the programs in between replace themselves. It is
    /// killed when the thread that starts it ends, and a terminal's Ctrl-C does not reach it.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, "setpriv", "--pdeathsig", "KILL"]).arg(program);
        command.process_group(0);
        command.stdin(Stdio::null());
        command
    }

    /// Runs `work` in a thread inside the namespace and waits for it. Sockets made there stay in the namespace.
    ///
    /// # Errors
    ///
    /// When the namespace cannot be entered, or `work` panics.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = format!("{NAMES}/{}", self.name);
        let namespace = File::open(&path).with_context(|| format!("cannot open {path}"))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&namespace, CloneFlags::CLONE_NEWNET).with_context(|| format!("cannot enter {path}"))?;
                Ok(work())
            });
            inside.join().map_err(|_| anyhow!("the thread in {path} panicked"))?
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = run(Command::new("ip").args(["netns", "delete", &self.name])) {
            eprintln!("network namespace {} could not be deleted: {error:#}", self.name);
        }
    }
}

/// Two namespaces joined by a veth pair, on which XDP runs natively: who sends, and what is measured.
///
/// The sender's side cuts large sends and fills in checksums itself, as if there were a wire. It takes every address from 198.18.0.0
/// to 198.18.254.255 for its own, so that a UDP socket may be bound to any of them, and knows the receiver's hardware address,
/// so that the first datagrams do not wait for an answer.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sender: Namespace,
    pub(crate) receiver: Namespace,
}

impl Pair {
    /// Names of the interfaces.
    pub(crate) const SENDER_INTERFACE: &str = "sender0";
    pub(crate) const RECEIVER_INTERFACE: &str = "receiver0";
    /// Addresses in one network of 16 bits (RFC 2544 keeps it for measurements).
    pub(crate) const SENDER: &str = "198.18.0.1";
    pub(crate) const RECEIVER: &str = "198.18.255.254";
    pub(crate) const SENDER_MAC: &str = "02:00:00:00:00:01";
    pub(crate) const RECEIVER_MAC: &str = "02:00:00:00:00:fe";

    /// Makes the pair with so many queues on each side.
    ///
    /// # Errors
    ///
    /// When `ip` or `ethtool` fails; what was made so far is gone again.
    pub(crate) fn with_queues(name: &str, queues: u32) -> Result<Self> {
        let sender = Namespace::new(&format!("{name}-sender"))?;
        let receiver = Namespace::new(&format!("{name}-receiver"))?;
        let (here, there) = (Self::SENDER_INTERFACE, Self::RECEIVER_INTERFACE);
        let queues = format!("numtxqueues {queues} numrxqueues {queues}");
        sender.ip(&format!(
            "link add {here} address {} {queues} type veth peer {there} address {} netns {} {queues}",
            Self::SENDER_MAC,
            Self::RECEIVER_MAC,
            receiver.name()
        ))?;
        for offload in ["gso", "tso", "tx"] {
            run(sender.command("ethtool").args(["-K", here, offload, "off"]))?;
        }
        sender.ip(&format!("address add {}/16 dev {here}", Self::SENDER))?;
        receiver.ip(&format!("address add {}/16 dev {there}", Self::RECEIVER))?;
        sender.ip(&format!("link set {here} up"))?;
        receiver.ip(&format!("link set {there} up"))?;
        sender.ip(&format!(
            "neighbour add {} lladdr {} nud permanent dev {here}",
            Self::RECEIVER,
            Self::RECEIVER_MAC
        ))?;
        // 198.18.0.0/17, 198.18.128.0/18, ... 198.18.254.0/24: all but the last 256 addresses, where the receiver's is.
        for length in 17..=24_u32 {
            let below = 0x1_0000_u32 - (1 << (33 - length));
            sender.ip(&format!("route add local 198.18.{}.0/{length} dev lo", below >> 8))?;
        }
        Ok(Self { sender, receiver })
    }
}

/// Deletes namespaces that a process left which is no more.
pub(super) fn remove_orphans() {
    let Ok(entries) = std::fs::read_dir(NAMES) else { return };
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let Some(owner) = owner(&name) else { continue };
        if !std::path::Path::new(&format!("/proc/{owner}")).exists() {
            drop(Namespace { name });
        }
    }
}

/// The process that a namespace belongs to, by its name.
fn owner(name: &str) -> Option<u32> {
    let (process, label) = name.strip_prefix(PREFIX)?.split_once('-')?;
    if label.is_empty() { None } else { process.parse().ok() }
}

/// Runs a command to its end and returns what it printed.
fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {program}: is it installed?"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_carries_datagrams_of_any_address_and_goes() {
        if !nix::unistd::geteuid().is_root() {
            assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "network namespaces need root");
            eprintln!("SKIPPED: a_pair_carries_datagrams_of_any_address_and_goes: needs root for network namespaces");
            return;
        }
        let pair = Pair::with_queues("test", 2).expect("root makes namespaces");
        let bind = |address: &str| std::net::UdpSocket::bind((address, 0)).expect("an address of ours");
        let receiver = pair.receiver.enter(|| bind(Pair::RECEIVER)).expect("it can be entered");
        receiver.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a socket has a time-out");
        let to = receiver.local_addr().expect("it is bound");
        for address in ["198.18.0.1", "198.18.0.2", "198.18.200.7", "198.18.254.255"] {
            let sender = pair.sender.enter(|| bind(address)).expect("it can be entered");
            sender.send_to(b"yes", to).expect("there is a way");
            let (length, from) = receiver.recv_from(&mut [0; 16]).expect("it arrives");
            assert_eq!((length, from.ip().to_string().as_str()), (3, address));
        }
        let names = [pair.sender.name().to_owned(), pair.receiver.name().to_owned()];
        drop(pair);
        assert!(names.iter().all(|name| !std::path::Path::new(NAMES).join(name).exists()));
    }

    #[test]
    fn names_tell_whose_they_are() {
        let check = |name: &str, expected: Option<u32>| assert_eq!(owner(name), expected, "{name}");
        check("perf-17-curve-sender", Some(17));
        check("perf-17-", None);
        check("perf-x-curve", None);
        check("collector-17-curve", None);
    }
}
