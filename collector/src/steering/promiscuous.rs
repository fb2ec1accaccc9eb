//! Has an interface take frames of every MAC, as a mirror port must, for as long as a value lives.
//!
//! By a packet socket that receives nothing: the kernel undoes it when the socket closes, however the process ends (packet(7),
//! `PACKET_MR_PROMISC`), and it adds up with what others asked for.

use std::io;
use std::os::fd::OwnedFd;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socket};
use nix::{setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// Adds a membership.
    AddMembership, SetOnly, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, libc::packet_mreq
);

/// An interface that takes every frame.
#[derive(Debug)]
pub(super) struct Promiscuous {
    _socket: OwnedFd,
}

impl Promiscuous {
    /// Needs CAP_NET_RAW, as AF_XDP does.
    pub(super) fn set(interface_index: u32) -> io::Result<Self> {
        // Protocol 0: no frame is copied to it.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        let membership = libc::packet_mreq {
            mr_ifindex: interface_index.cast_signed(),
            mr_type: libc::PACKET_MR_PROMISC as libc::c_ushort,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        setsockopt(&socket, AddMembership, &membership)?;
        Ok(Self { _socket: socket })
    }
}
