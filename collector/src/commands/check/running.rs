//! The collector that runs already: whether there is one with this state directory, and what of the machine it has.
//!
//! It is looked at from outside and never disturbed: its lock is not tried, its interfaces are left alone.

use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::Finding;
use crate::commands::exporters::reachable;
use crate::config::Config;

/// How long its metrics page may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The state of a listening TCP socket in `/proc/net/tcp` (`include/net/tcp_states.h`).
const LISTENING: &str = "0A";

/// A collector that holds the state directory.
#[derive(Debug)]
pub(super) struct Running {
    /// Where it can be seen.
    process: Option<u32>,
    /// How it captures, as it says itself on its metrics page.
    capture: Option<String>,
    /// Inodes of the sockets of it and its children; none where they may not be looked at.
    sockets: Option<HashSet<u64>>,
}

/// Whose a port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Collector,
    Another,
    Unknown,
}

/// Kinds of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Udp,
    Tcp,
}

impl Running {
    /// The collector that runs with the state directory of `config`.
    pub(super) fn find(config: &Config) -> Option<Self> {
        let page = || config.metrics.listen.and_then(capture_of);
        match lock_holder(&config.state_dir.join("lock")) {
            Lock::Free => None,
            Lock::Held(process) => Some(Self { process, capture: page(), sockets: process.and_then(sockets_of) }),
            // The directory is closed to this user: who answers at its address is the best that can be known.
            Lock::Unseen => page().map(|capture| Self { process: None, capture: Some(capture), sockets: None }),
        }
    }

    pub(super) fn finding(&self) -> Finding {
        let process = self.process.map_or_else(String::new, |process| format!("process {process}, "));
        let capture = self.capture.as_deref().unwrap_or("its metrics page does not answer");
        let text = format!("runs: {process}{capture}. What it has is not tried out");
        Finding::ok("collector", text)
    }

    /// How it takes datagrams in by an interface.
    pub(super) fn capture(&self) -> &str {
        self.capture.as_deref().unwrap_or("the log of its start says how")
    }

    /// Whose a port in use is.
    pub(super) fn owner(&self, protocol: Protocol, port: u16) -> Owner {
        let Some(own) = &self.sockets else { return Owner::Unknown };
        let on_port = sockets_on(protocol, port);
        match (on_port.is_empty(), on_port.iter().any(|inode| own.contains(inode))) {
            (true, _) => Owner::Unknown,
            (false, true) => Owner::Collector,
            (false, false) => Owner::Another,
        }
    }
}

enum Lock {
    Free,
    Held(Option<u32>),
    Unseen,
}

/// Who holds a lock file, by the kernel's list of locks: trying the lock could make a start fail that happens just now.
fn lock_holder(path: &Path) -> Lock {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Lock::Free,
        Err(_) => return Lock::Unseen,
    };
    let Ok(locks) = fs::read_to_string("/proc/locks") else { return Lock::Unseen };
    locks.lines().find_map(|line| holder(line, metadata.ino())).map_or(Lock::Free, Lock::Held)
}

/// The process of a line such as `1: FLOCK  ADVISORY  WRITE 4711 00:2d:1234 0 EOF`, if it locks the file `inode`; 0 is one that is
/// not seen from here.
fn holder(line: &str, inode: u64) -> Option<Option<u32>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, _, process, file, ..] = fields[..] else { return None };
    let (_, found) = file.rsplit_once(':')?;
    (found.parse() == Ok(inode)).then(|| process.parse().ok().filter(|process| *process != 0))
}

/// The sockets of a process and its children, by inode.
fn sockets_of(process: u32) -> Option<HashSet<u64>> {
    let mut all = HashSet::new();
    let mut left = vec![process];
    let mut is_seen = false;
    while let Some(process) = left.pop() {
        let entries = fs::read_dir(format!("/proc/{process}/fd"));
        is_seen |= entries.is_ok();
        for entry in entries.into_iter().flatten().flatten() {
            let Ok(target) = fs::read_link(entry.path()) else { continue };
            let inode: Option<u64> =
                target.to_str().and_then(|text| text.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            all.extend(inode);
        }
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        for task in tasks {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            left.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    is_seen.then_some(all)
}

/// Inodes of the sockets at a port: all UDP sockets, those TCP sockets that listen.
fn sockets_on(protocol: Protocol, port: u16) -> Vec<u64> {
    let tables = match protocol {
        Protocol::Udp => ["/proc/self/net/udp", "/proc/self/net/udp6"],
        Protocol::Tcp => ["/proc/self/net/tcp", "/proc/self/net/tcp6"],
    };
    let tables: Vec<String> = tables.into_iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(|line| inode_on(line, protocol, port)).collect()
}

/// The inode of a line of such a table, if it is of the port.
fn inode_on(line: &str, protocol: Protocol, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let is_open = protocol == Protocol::Udp || *fields.get(3)? == LISTENING;
    (u16::from_str_radix(local, 16) == Ok(port) && is_open).then(|| fields.get(9)?.parse().ok())?
}

/// What the page at an address says of capture, if it is a collector's.
fn capture_of(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&reachable(address), PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET /metrics HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let info = answer.lines().find(|line| line.starts_with("collector_info{"))?;
    let (_, capture) = info.split_once("capture=\"")?;
    Some(capture.split_once('"')?.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_sockets_are_read_as_the_kernel_writes_them() {
        let line = "4: FLOCK  ADVISORY  WRITE 4711 00:2d:1234 0 EOF";
        assert_eq!(holder(line, 1234), Some(Some(4711)));
        assert_eq!(holder(line, 234), None);
        assert_eq!(holder("4: FLOCK  ADVISORY  WRITE 0 00:2d:1234 0 EOF", 1234), Some(None));
        assert_eq!(holder("4: POSIX  ADVISORY  WRITE 4711 00:2d:1234 0 EOF", 1234), None);
        assert_eq!(holder("4: -> FLOCK  ADVISORY  WRITE 4711 00:2d:1234 0 EOF", 1234), None);
        let udp =
            "  61: 0100007F:0807 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 9876 2 0 0";
        assert_eq!(inode_on(udp, Protocol::Udp, 2055), Some(9876));
        assert_eq!(inode_on(udp, Protocol::Udp, 2056), None);
        let tcp =
            "   0: 0100007F:1FBB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 55 1 0 100";
        assert_eq!(inode_on(tcp, Protocol::Tcp, 8123), Some(55));
        assert_eq!(inode_on(&tcp.replace(" 0A ", " 06 "), Protocol::Tcp, 8123), None);
    }
}
