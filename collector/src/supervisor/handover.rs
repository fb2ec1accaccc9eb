//! UDP sockets that outlive a restart: systemd keeps them for the service while no process has them, and the kernel keeps what
//! comes to them, up to their buffers' size. Whoever runs without systemd, or as a service without a store for file descriptors, loses
//! what comes between the end of one process and the sockets of the next.
//!
//! The protocol is that of sd_notify(3) (`FDSTORE=1`) and sd_listen_fds(3). Every socket that is handed over must be read: those of one
//! port share its datagrams, whether anybody reads them or not.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};

use listenfd::ListenFd;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Where systemd takes notes.
const NOTIFY_VARIABLE: &str = "NOTIFY_SOCKET";
/// What the names of our sockets in the store begin with; the port follows.
const NAME: &str = "udp-";

/// Sockets of the last run, by port.
#[derive(Debug, Default)]
pub(super) struct Handover(Vec<(u16, OwnedFd)>);

impl Handover {
    /// Takes what this process was started with.
    pub(super) fn take() -> Self {
        let mut handed = ListenFd::from_env();
        let mut sockets = Vec::new();
        for index in 0..handed.len() {
            // What is no UDP socket is none of ours, and stays where it is.
            let Ok(Some(socket)) = handed.take_udp_socket(index) else { continue };
            let Ok(address) = socket.local_addr() else { continue };
            sockets.push((address.port(), socket.into()));
        }
        Self(sockets)
    }

    /// Whether a port has any.
    pub(super) fn has(&self, port: u16) -> bool {
        self.0.iter().any(|(of, _)| *of == port)
    }

    /// Those of a port.
    pub(super) fn of_port(&mut self, port: u16) -> Vec<OwnedFd> {
        let (found, left) = std::mem::take(&mut self.0).into_iter().partition(|(of, _)| *of == port);
        self.0 = left;
        let found: Vec<(u16, OwnedFd)> = found;
        found.into_iter().map(|(_, socket)| socket).collect()
    }

    /// Gives up those that nobody took: their ports are not configured any more.
    pub(super) fn give_up_rest(self) {
        for (port, _socket) in self.0 {
            tell(&format!("FDSTOREREMOVE=1\nFDNAME={NAME}{port}"), None);
        }
    }
}

/// Has systemd keep a socket; false where there is nobody to.
pub(super) fn keep(port: u16, socket: BorrowedFd<'_>) -> bool {
    tell(&format!("FDSTORE=1\nFDNAME={NAME}{port}"), Some(socket))
}

/// Sends a note to systemd; false where it takes none.
fn tell(note: &str, socket: Option<BorrowedFd<'_>>) -> bool {
    let Some(path) = std::env::var_os(NOTIFY_VARIABLE) else { return false };
    let address = match path.to_str().and_then(|path| path.strip_prefix('@')) {
        Some(name) => UnixAddress::from_abstract_name(name),
        None => UnixAddress::from_pathname(&path),
    };
    let sent = address.and_then(|address| {
        let systemd = UnixDatagram::unbound()?;
        systemd.connect_addr(&address)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = socket.into_iter().collect();
        if !descriptors.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        sendmsg(systemd.as_fd(), &[IoSlice::new(note.as_bytes())], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    });
    if let Err(error) = &sent {
        tracing::warn!(%error, "systemd does not take sockets into its keeping: what comes during a restart is lost");
    }
    sent.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_port() {
        let socket = || std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free").into();
        let mut handover = Handover(vec![(2055, socket()), (4739, socket()), (2055, socket())]);
        assert!(handover.has(4739) && !handover.has(1));
        assert_eq!(handover.of_port(2055).len(), 2);
        assert_eq!(handover.of_port(2055).len(), 0);
        assert!(handover.has(4739));
    }
}
