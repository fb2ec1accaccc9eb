//! Starting `collector store` as the collector does: the listening socket comes over standard input, whose end is its end.

use std::io::IoSlice;
use std::net::TcpListener;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

/// Starts `command`, which is `collector store --until-stdin-closes`, and lends it `listener`; it ends with the socket.
pub(crate) fn start(mut command: Command, listener: &TcpListener) -> (Child, UnixStream) {
    let (lifeline, stdin) = UnixStream::pair().expect("a socket pair");
    let child = command.stdin(OwnedFd::from(stdin)).spawn().expect("start the store");
    // The command holds the child's end too.
    drop(command);
    let descriptors = [listener.as_raw_fd()];
    let (message, ancillary) = ([IoSlice::new(b"{}")], [ControlMessage::ScmRights(&descriptors)]);
    sendmsg::<()>(lifeline.as_raw_fd(), &message, &ancillary, MsgFlags::empty(), None).expect("room in the socket");
    (child, lifeline)
}
