//! The socket between a collector and the store's process that it starts: what the child must know comes over it, and its end is
//! the child's end.
//!
//! It is the child's standard input. The first message brings the listening socket, which the collector binds once and keeps: no
//! other process can take the port while a child is away. User and password come with it, because arguments are visible to
//! every user of the machine and the environment to every process of the same user. Not here: starting the process.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

/// The longest first message in bytes.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// What a child is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    /// The password of the user that may ask.
    pub(super) password: Option<String>,
}

/// A new pair: the collector's end and what becomes the child's standard input.
pub(super) fn pair() -> io::Result<(UnixStream, OwnedFd)> {
    let (ours, childs) = UnixStream::pair()?;
    Ok((ours, childs.into()))
}

/// Sends the first message.
pub(super) fn tell(lifeline: &UnixStream, listener: &TcpListener, told: &Told) -> io::Result<()> {
    let message = serde_json::to_vec(told)?;
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the store's password is too long"));
    }
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [listener.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    // A message this short goes into the empty socket whole.
    sendmsg(lifeline, &[IoSlice::new(&message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the first message from `lifeline`, which is standard input.
pub(super) fn hear(lifeline: impl AsFd) -> io::Result<(TcpListener, Told)> {
    let mut message = vec![0; MESSAGE_BYTES_MAX];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(lifeline, &mut [IoSliceMut::new(&mut message)], &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "more than one descriptor came with it"));
    }
    let listener = ancillary.drain().find_map(|message| {
        let RecvAncillaryMessage::ScmRights(mut descriptors) = message else { return None };
        descriptors.next()
    });
    let listener =
        listener.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no listening socket came with it"))?;
    message.truncate(received.bytes);
    Ok((TcpListener::from(listener), serde_json::from_slice(&message)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_child_listens_where_its_collector_does_and_knows_the_password() {
        let (ours, childs) = pair().expect("a socket pair");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let told = Told { password: Some("\"quoted\"\n".to_owned()) };
        tell(&ours, &listener, &told).expect("room in the socket");
        let (heard_listener, heard) = hear(&childs).expect("the message");
        assert_eq!(heard, told);
        assert_eq!(heard_listener.local_addr().ok(), listener.local_addr().ok());
    }

    #[test]
    fn without_a_listening_socket_nothing_is_believed() {
        let (ours, childs) = pair().expect("a socket pair");
        io::Write::write_all(&mut &ours, b"{\"password\":null}").expect("room in the socket");
        assert_eq!(hear(&childs).map(|_| ()).map_err(|error| error.kind()), Err(io::ErrorKind::InvalidData));
        drop(ours);
        assert!(hear(&childs).is_err(), "the collector is gone");
    }
}
