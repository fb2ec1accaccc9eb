//! Questions to the kernel by rtnetlink, answered message by message, and its word that something changed.
//!
//! See `Documentation/userspace-api/netlink/intro.rst`. Nothing of the machine is changed here.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::{setsockopt_impl, sockopt_impl};

use crate::steering::netlink::{u16_at, u32_at};

sockopt_impl!(
    /// Has the kernel heed the filters in a question.
    StrictChecks, SetOnly, libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, bool
);

/// `include/uapi/linux/netlink.h` and `rtnetlink.h`.
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x001;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x010;
const RTMGRP_LINK: u32 = 0x001;
const RTMGRP_IPV4_IFADDR: u32 = 0x010;
const RTMGRP_IPV6_IFADDR: u32 = 0x100;
const HEADER_BYTES: usize = 16;

/// The kernel answers in pieces of up to 32 KiB.
const PIECE_BYTES: usize = 64 * 1024;
/// How long the kernel may take for a piece.
const PATIENCE_SECONDS: i64 = 2;
/// Words of changes that are taken away at a time; what is left is taken the next time.
const EVENTS_MOST: usize = 4096;

/// A socket to ask on.
#[derive(Debug)]
pub(super) struct Questions {
    socket: OwnedFd,
    piece: Vec<u8>,
    sequence: u32,
}

impl Questions {
    pub(super) fn open() -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_CLOEXEC)?;
        setsockopt(&socket, StrictChecks, &true)?;
        setsockopt(&socket, ReceiveTimeout, &TimeVal::seconds(PATIENCE_SECONDS))?;
        Ok(Self { socket, piece: vec![0; PIECE_BYTES], sequence: 0 })
    }

    /// Asks for all objects of `kind`, filtered by `body`, and gives the answer's messages without their headers.
    pub(super) fn dump(&mut self, kind: u16, body: &[u8], mut message: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        send(self.socket.as_raw_fd(), &question(kind, self.sequence, body), MsgFlags::empty())?;
        let mut is_torn = false;
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut self.piece, MsgFlags::empty())?;
            let mut rest = self.piece.get(..length).unwrap_or_default();
            while let Some(Message { kind, flags, sequence, body, behind }) = Message::first(rest) {
                rest = behind;
                // An answer to a question that was given up.
                if sequence != self.sequence {
                    continue;
                }
                is_torn |= flags & NLM_F_DUMP_INTR != 0;
                match kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        let code = u32_at(body, 0).unwrap_or(0).cast_signed();
                        return match code {
                            0 if is_torn => Err(io::ErrorKind::Interrupted.into()),
                            0 => Ok(()),
                            code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                        };
                    }
                    _ => message(body),
                }
            }
        }
    }
}

/// A message in front of others.
struct Message<'b> {
    kind: u16,
    flags: u16,
    sequence: u32,
    body: &'b [u8],
    behind: &'b [u8],
}

impl<'b> Message<'b> {
    /// `struct nlmsghdr`, in the byte order of the machine.
    fn first(bytes: &'b [u8]) -> Option<Self> {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let body = bytes.get(HEADER_BYTES..length)?;
        let behind = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Self { kind: u16_at(bytes, 4)?, flags: u16_at(bytes, 6)?, sequence: u32_at(bytes, 8)?, body, behind })
    }
}

fn question(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let mut question = Vec::with_capacity(HEADER_BYTES + body.len());
    question.extend(((HEADER_BYTES + body.len()) as u32).to_ne_bytes());
    question.extend(kind.to_ne_bytes());
    question.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    question.extend(sequence.to_ne_bytes());
    // The port: the kernel knows whose socket it is.
    question.extend([0; 4]);
    question.extend(body);
    question
}

/// A socket on which the kernel tells that an address or an interface changed.
#[derive(Debug)]
pub(super) struct Events {
    socket: OwnedFd,
}

impl Events {
    pub(super) fn open() -> io::Result<Self> {
        let socket = open(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        let groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { socket })
    }

    /// Whether something was told since the last time; also if the kernel had no room to tell it (`ENOBUFS`).
    pub(super) fn take(&mut self) -> bool {
        let mut is_told = false;
        for _ in 0..EVENTS_MOST {
            // What it was does not matter: everything is read anew.
            match recv(self.socket.as_raw_fd(), &mut [0; 1], MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => is_told = true,
                Err(Errno::EINTR) => {}
                Err(_) => break,
            }
        }
        is_told
    }
}

fn open(flags: SockFlag) -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart_and_broken_ones_end_the_piece() {
        let mut piece = question(7, 3, &[1, 2, 3]);
        piece.resize(20, 0);
        piece.extend(question(8, 4, &[]));
        let first = Message::first(&piece).expect("whole");
        assert_eq!((first.kind, first.sequence, first.body), (7, 3, &[1, 2, 3][..]));
        let second = Message::first(first.behind).expect("whole");
        assert_eq!((second.kind, second.sequence, second.body, second.behind.len()), (8, 4, &[][..], 0));
        for end in 0..19 {
            assert!(Message::first(&piece[..end]).is_none(), "{end}");
        }
        // A length that would not lead on.
        for length in [0_u32, 15] {
            piece[..4].copy_from_slice(&length.to_ne_bytes());
            assert!(Message::first(&piece).is_none(), "{length}");
        }
    }
}
