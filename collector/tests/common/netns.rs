//! Network namespaces for privileged tests: made by `ip`, taken away on drop, also when the test fails. A test runs code
//! of its own inside one in a thread; nothing of the machine's own network is touched.

use nix::sched::{CloneFlags, setns};
use nix::unistd::geteuid;
use std::fs::File;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// The right of a test that needs root to run: none if it cannot run here, which is said aloud, or fails the test if
/// `COLLECTOR_REQUIRE_PRIVILEGED` is set.
///
/// Such tests of one process run one after another: a child process that one of them starts holds copies of the others'
/// descriptors until it executes its program, and so keeps their sockets open and their XDP programs attached.
pub(crate) fn privileged(test: &str) -> Option<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    if geteuid().is_root() {
        return Some(TURN.lock().unwrap_or_else(PoisonError::into_inner));
    }
    assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{test} must run as root");
    eprintln!("SKIPPED: {test}: needs root for network namespaces");
    None
}

/// A network namespace with its loopback up. Dropping it takes its interfaces along.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace whose name starts with `label` and is unique on this machine.
    pub(crate) fn new(label: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let namespace = Self { name: format!("{label}-{}-{number}", std::process::id()) };
        run(Command::new("ip").args(["netns", "add", &namespace.name]));
        namespace.ip("link set lo up");
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments, separated by blanks, in the namespace; returns what it prints.
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = run(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// A command that will run in the namespace.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `work` in a thread inside the namespace and waits for it. Sockets made there stay in the namespace wherever
    /// they are used later.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let path = format!("/run/netns/{}", self.name);
        let namespace = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let result = thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&namespace, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace of its own");
                work()
            });
            inside.join()
        });
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let result = Command::new("ip").args(["netns", "delete", &self.name]).output();
        if !result.as_ref().is_ok_and(|output| output.status.success()) {
            eprintln!("network namespace {} could not be deleted: {result:?}", self.name);
        }
    }
}

/// Two namespaces joined by a veth pair with one queue: `EXPORTER` on one side, `COLLECTOR` on the other.
///
/// The exporter's side cuts large sends, fills in checksums and writes VLAN tags itself, as if there were a wire: a veth
/// pair would otherwise hand over super-frames, frames without checksum, and tags beside the frame. It knows the
/// collector's hardware address, so that the first datagrams do not wait for an answer.
pub(crate) struct VethPair {
    pub(crate) exporter: Namespace,
    pub(crate) collector: Namespace,
}

/// Names of the interfaces.
pub(crate) const EXPORTER: &str = "exporter0";
pub(crate) const COLLECTOR: &str = "collector0";
/// Addresses of the collector's side. The exporter's side has `.1` to `.9` and `::1` to `::9` in the same networks.
pub(crate) const COLLECTOR_V4: &str = "192.0.2.254";
pub(crate) const COLLECTOR_V6: &str = "2001:db8::fe";
pub(crate) const COLLECTOR_MAC: &str = "02:00:00:00:00:fe";

impl VethPair {
    pub(crate) fn new(label: &str) -> Self {
        let exporter = Namespace::new(&format!("{label}-exporter"));
        let collector = Namespace::new(&format!("{label}-collector"));
        exporter.ip(&format!(
            "link add {EXPORTER} numtxqueues 1 numrxqueues 1 type veth \
             peer {COLLECTOR} address {COLLECTOR_MAC} netns {} numtxqueues 1 numrxqueues 1",
            collector.name()
        ));
        for offload in ["gso", "tso", "tx", "txvlan", "tx-vlan-stag-hw-insert"] {
            run(exporter.command("ethtool").args(["-K", EXPORTER, offload, "off"]));
        }
        for number in 1..=9 {
            exporter.ip(&format!("address add 192.0.2.{number}/24 dev {EXPORTER}"));
            exporter.ip(&format!("address add 2001:db8::{number}/64 dev {EXPORTER} nodad"));
        }
        collector.ip(&format!("address add {COLLECTOR_V4}/24 dev {COLLECTOR}"));
        collector.ip(&format!("address add {COLLECTOR_V6}/64 dev {COLLECTOR} nodad"));
        exporter.ip(&format!("link set {EXPORTER} up"));
        collector.ip(&format!("link set {COLLECTOR} up"));
        for address in [COLLECTOR_V4, COLLECTOR_V6] {
            exporter.ip(&format!("neighbour add {address} lladdr {COLLECTOR_MAC} nud permanent dev {EXPORTER}"));
        }
        Self { exporter, collector }
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn namespaces_are_taken_away_on_drop() {
    let Some(_turn) = privileged("namespaces_are_taken_away_on_drop") else { return };
    let pair = VethPair::new("guard");
    let names = [pair.exporter.name().to_owned(), pair.collector.name().to_owned()];
    let interfaces = pair.collector.enter(|| std::fs::read_to_string("/proc/thread-self/net/dev"));
    assert!(interfaces.expect("procfs is mounted").contains(COLLECTOR));
    let listed = || {
        let output = run(Command::new("ip").args(["netns", "list"]));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(names.iter().all(|name| listed().contains(name.as_str())));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _pair = pair;
        panic!("on purpose: the namespaces must go all the same");
    }));
    assert!(panicked.is_err());
    assert!(names.iter().all(|name| !listed().contains(name.as_str())));
}
