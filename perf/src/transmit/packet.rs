//! Raw Ethernet frames by `sendmmsg` through AF_PACKET, straight to the driver's queue.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockType, bind, sendmmsg, socket};

use super::interface::Interface;
use super::{BATCH, Frame, raw};

/// A raw socket on an interface.
pub(crate) struct Link {
    socket: OwnedFd,
    interface: String,
    headers: MultiHeaders<()>,
}

impl Link {
    /// Opens it.
    pub(super) fn open(interface: &Interface) -> Result<Self> {
        let name = &interface.name;
        // Protocol 0: nothing is received.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
            .context("cannot open a raw socket: run as root or with CAP_NET_RAW")?;
        bind(socket.as_raw_fd(), &interface.link).with_context(|| format!("cannot send by {name}"))?;
        raw::bypass_queueing(&socket).with_context(|| format!("cannot pass by the queueing discipline of {name}"))?;
        Ok(Self { socket, interface: name.clone(), headers: MultiHeaders::preallocate(BATCH, None) })
    }

    /// As [`super::Transmitter::send`].
    pub(super) fn send(&mut self, frames: &[Frame<'_>], refused: &mut Vec<usize>) -> Result<()> {
        let slices: Vec<[IoSlice<'_>; 1]> = frames.iter().map(|frame| [IoSlice::new(frame.bytes)]).collect();
        let none = [None; BATCH];
        let mut done = 0;
        while done < frames.len() {
            let left = &slices[done..];
            match sendmmsg(self.socket.as_raw_fd(), &mut self.headers, left, none, [], MsgFlags::empty()) {
                Ok(taken) => done += taken.count(),
                // The driver had no room for the first of them (net_xmit_errno in linux/netdevice.h).
                Err(Errno::ENOBUFS | Errno::EAGAIN) => {
                    refused.push(done);
                    done += 1;
                }
                Err(Errno::EINTR) => {}
                Err(error) => {
                    let length = frames[done].bytes.len();
                    return Err(error).with_context(|| {
                        let name = &self.interface;
                        format!("cannot send a frame of {length} bytes by {name}: is it up, and is its MTU that large? (--payload, --records)")
                    });
                }
            }
        }
        Ok(())
    }
}
