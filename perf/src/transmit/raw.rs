//! System calls of raw sockets for which nix has no safe interface.
#![expect(unsafe_code, reason = "socket options that no safe interface knows")]

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int, socklen_t};

/// Hands frames of an AF_PACKET socket to the driver without the queueing discipline in between (packet(7)).
pub(super) fn bypass_queueing(socket: &OwnedFd) -> nix::Result<()> {
    set_option(socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1_i32)
}

/// Sets a socket option of a plain type.
pub(super) fn set_option<T: Copy>(socket: &OwnedFd, level: c_int, name: c_int, value: &T) -> nix::Result<()> {
    // SAFETY: the descriptor is open, and the kernel reads `size_of::<T>()` bytes at `value` during the call alone.
    let outcome = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), size_of::<T>() as socklen_t)
    };
    Errno::result(outcome).map(drop)
}
