//! Why a queue could not be opened: each error names the operation, the object and what to do about it, in one line.
//! Nothing here is on the path of a frame.

use std::io;

/// Why the sockets of a queue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict each other.
    #[error("AF_XDP settings: {0}")]
    Settings(&'static str),
    /// There is no interface of this name in the network namespace.
    #[error("AF_XDP: no interface named {0}: `ip link` lists those there are")]
    NoSuchInterface(String),
    /// A system call failed.
    #[error("AF_XDP: {operation} on {object}: {source}{remedy}")]
    System {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do about it; starts with ": " or is empty.
        remedy: &'static str,
    },
}

impl Error {
    /// Wraps `errno` of the call that just failed.
    pub(super) fn last_os(operation: &'static str, object: impl Into<String>) -> Self {
        Self::system(operation, object, io::Error::last_os_error())
    }

    pub(super) fn system(operation: &'static str, object: impl Into<String>, source: io::Error) -> Self {
        let remedy = remedy(operation, source.raw_os_error().unwrap_or(0));
        Self::System { operation, object: object.into(), source, remedy }
    }

    /// The operating system's error number, if it was the system that refused.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::System { source, .. } => source.raw_os_error(),
            Self::Settings(_) | Self::NoSuchInterface(_) => None,
        }
    }
}

/// The operations that fail for reasons which an operator can remove.
pub(super) const CREATE: &str = "create socket";
pub(super) const ALLOCATE: &str = "allocate umem";
pub(super) const REGISTER: &str = "register umem";
pub(super) const BIND: &str = "bind";
pub(super) const BUSY_POLL: &str = "set busy polling";

/// `xsk_create`, `xdp_umem_reg`, `xdp_umem_account_pages`, `xsk_bind` and `xp_assign_dev` say these for these reasons.
fn remedy(operation: &str, errno: i32) -> &'static str {
    match (operation, errno) {
        (BUSY_POLL, libc::EPERM) => ": run as root or grant CAP_NET_ADMIN, or leave out capture.busy_poll_us",
        (BUSY_POLL, _) => ": it takes Linux 5.11 or later; leave out capture.busy_poll_us",
        (CREATE, libc::EPERM) => ": run as root or grant CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW)",
        (CREATE, libc::EAFNOSUPPORT) => ": this kernel has no AF_XDP (CONFIG_XDP_SOCKETS): use --capture udp",
        (REGISTER, libc::ENOBUFS) => {
            ": the umem exceeds the memlock limit: raise it (`ulimit -l`, systemd: LimitMEMLOCK=infinity), grant \
             CAP_IPC_LOCK, or use fewer frames (frames_per_socket in [capture])"
        }
        (REGISTER, libc::EPERM) => ": grant CAP_IPC_LOCK or raise the memlock limit (systemd: LimitMEMLOCK=infinity)",
        (ALLOCATE | REGISTER, libc::ENOMEM) => ": not enough memory: use fewer frames (frames_per_socket in [capture])",
        (BIND, libc::EBUSY) => ": another AF_XDP socket holds this queue: stop that program or choose another queue",
        (BIND, libc::ENETDOWN) => ": the interface is down: `ip link set NAME up`",
        (BIND, libc::EINVAL) => {
            ": does the queue exist (`ethtool -l NAME`) and is the MTU below the frame size? Try copy mode"
        }
        (BIND, libc::EOPNOTSUPP | libc::EPROTONOSUPPORT) => {
            ": driver or attach mode has no zero-copy: use copy mode, or let the mode be chosen (bind = \"auto\" in [capture])"
        }
        (BIND, libc::EPERM) => ": run as root or grant CAP_NET_ADMIN and CAP_NET_RAW",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::{ALLOCATE, BIND, CREATE, Error, REGISTER};
    use std::io;

    #[test]
    fn errors_say_what_to_do_in_one_line() {
        check(CREATE, libc::EPERM, "CAP_NET_RAW");
        check(CREATE, libc::EAFNOSUPPORT, "--capture udp");
        check(REGISTER, libc::ENOBUFS, "LimitMEMLOCK");
        check(REGISTER, libc::EPERM, "CAP_IPC_LOCK");
        check(ALLOCATE, libc::ENOMEM, "fewer frames");
        check(BIND, libc::EBUSY, "another AF_XDP socket");
        check(BIND, libc::ENETDOWN, "ip link set");
        check(BIND, libc::EINVAL, "ethtool -l");
        check(BIND, libc::EOPNOTSUPP, "copy mode");
    }

    fn check(operation: &'static str, errno: i32, remedy: &str) {
        let text = Error::system(operation, "eth0 queue 3", io::Error::from_raw_os_error(errno)).to_string();
        assert!(text.contains(operation) && text.contains("eth0 queue 3"), "{text}");
        assert!(text.contains(remedy), "{text} lacks {remedy}");
        assert!(!text.contains('\n'), "{text}");
    }
}
