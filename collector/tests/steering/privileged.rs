//! What the tests with privileges share: the check for them, a network namespace, an AF_XDP socket.

#![expect(unsafe_code, reason = "no safe binding makes an AF_XDP socket")]

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

/// Whether the calling test may run; says so if not, and panics where skipping is not allowed.
pub(crate) fn privileged(test: &str) -> bool {
    if geteuid().is_root() {
        return true;
    }
    assert!(std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none(), "{test} must run as root");
    eprintln!("SKIPPED: {test} needs root");
    false
}

/// Runs `body` on a thread of its own in a fresh network namespace, which ends with the thread and takes its interfaces along.
pub(crate) fn in_namespace(body: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("make a network namespace");
            ip("link set lo up");
            body();
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs `ip` with these words and returns what it printed.
pub(crate) fn ip(words: &str) -> String {
    let output = Command::new("ip").args(words.split(' ')).output().expect("start ip");
    assert!(output.status.success(), "ip {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// An AF_XDP socket that is bound to nothing: it counts as one of queue 0.
pub(crate) fn af_xdp_socket() -> OwnedFd {
    // SAFETY: socket(2) takes no pointers.
    let descriptor = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    assert!(descriptor >= 0, "AF_XDP socket: {}", std::io::Error::last_os_error());
    // SAFETY: the descriptor was just opened and nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}
