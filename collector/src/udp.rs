//! Plain UDP sockets: they take what the XDP program passes up (fragments, other queues, unknown extension headers) and
//! the whole load where XDP cannot run. Lends datagrams with their source; counts what the kernel dropped.
//!
//! Not here: waiting (the worker polls the file descriptor), threads, what a datagram means.

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, RcvBuf, RcvBufForce, ReusePort, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage, bind, cmsg_space,
    getsockname, getsockopt, recvmmsg, setsockopt, socket,
};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Datagrams per system call.
pub const BATCH: usize = 64;
/// No UDP payload is longer: its length field has 16 bits (RFC 768), and jumbograms (RFC 2675) are not flow data.
pub const LARGEST_DATAGRAM_BYTES: usize = 65_535;
/// Added to each buffer so that they do not start at the same offset of a page: the heads of 64 page-aligned datagrams
/// would compete for the same few cache sets. The unused tails are never touched, so they take no memory.
const STAGGER_BYTES: usize = 1_537;

/// What to listen on.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address to bind; unspecified means every address, IPv4 and IPv6 alike.
    pub address: IpAddr,
    /// The port, in host byte order.
    pub port: u16,
    /// Bytes of kernel memory for datagrams that wait; the kernel counts its own overhead of some 500 bytes for each
    /// datagram, and doubles the number for that reason.
    pub receive_buffer_bytes: usize,
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// IPv6 address, or IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2), in network order.
    pub address: [u8; 16],
    /// Source port, in host byte order.
    pub port: u16,
}

/// Why a socket could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("UDP: {operation} on {address}: {source}{remedy}")]
pub struct Error {
    operation: &'static str,
    address: SocketAddr,
    source: io::Error,
    remedy: &'static str,
}

impl Error {
    /// The operating system's error number.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.source.raw_os_error()
    }
}

/// One UDP socket, non-blocking. Several on the same port, one for each worker, share the load by exporter
/// (`SO_REUSEPORT`: the kernel picks by a hash of addresses and ports).
pub struct Socket {
    fd: OwnedFd,
    buffers: Vec<u8>,
    datagram_bytes: usize,
    truncated: u64,
    kernel_drops: DropCounter,
}

impl Socket {
    /// Binds a socket; with an unspecified address to both families, or to IPv4 where the machine has no IPv6.
    ///
    /// # Errors
    ///
    /// The port belongs to a program that does not share it, the address is not one of this machine, or the process
    /// lacks a right; each says what to do.
    pub fn bind(settings: &Settings) -> Result<Self, Error> {
        Self::with_datagram_bytes(settings, LARGEST_DATAGRAM_BYTES)
    }

    /// Takes over a socket that was bound before, by an earlier process.
    ///
    /// # Errors
    ///
    /// It is not bound where the settings say; the socket is closed.
    pub fn adopt(fd: OwnedFd, settings: &Settings) -> Result<Self, Error> {
        let socket = Self {
            fd,
            buffers: vec![0; BATCH * (LARGEST_DATAGRAM_BYTES + STAGGER_BYTES)],
            datagram_bytes: LARGEST_DATAGRAM_BYTES,
            truncated: 0,
            kernel_drops: DropCounter { is_resumed: true, ..DropCounter::default() },
        };
        let address = SocketAddr::new(settings.address, settings.port);
        let is_same = |bound: SocketAddr| {
            bound.port() == settings.port
                && (bound.ip() == settings.address || bound.ip().is_unspecified() && settings.address.is_unspecified())
        };
        match socket.local_address() {
            Ok(bound) if is_same(bound) => Ok(socket),
            Ok(_) => Err(Error {
                operation: "take over a socket",
                address,
                source: io::ErrorKind::AddrNotAvailable.into(),
                remedy: "",
            }),
            Err(source) => Err(Error { operation: "take over a socket", address, source, remedy: "" }),
        }
    }

    fn with_datagram_bytes(settings: &Settings, datagram_bytes: usize) -> Result<Self, Error> {
        Ok(Self {
            fd: open(settings, Sharing::Shared)?,
            buffers: vec![0; BATCH * (datagram_bytes + STAGGER_BYTES)],
            datagram_bytes,
            truncated: 0,
            kernel_drops: DropCounter::default(),
        })
    }

    /// Lends the datagrams of one batch, oldest first, and returns how many there were: zero means that none waits.
    ///
    /// # Errors
    ///
    /// The system call's, other than that nothing waits or that a signal came.
    pub fn receive(&mut self, mut datagram: impl FnMut(Source, &[u8])) -> io::Result<usize> {
        // Made anew for each batch because `recvmmsg` shortens the control length in each header to what it wrote, and
        // `nix` never restores it: a header used twice would report no drops.
        let control = Vec::with_capacity(cmsg_space::<u32>());
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, Some(control));
        let mut chunks = self.buffers.chunks_exact_mut(self.datagram_bytes + STAGGER_BYTES);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] = std::array::from_fn(|_| {
            [IoSliceMut::new(chunks.next().map_or(&mut [], |chunk| &mut chunk[..self.datagram_bytes]))]
        });
        let messages =
            match recvmmsg(self.fd.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
                Ok(messages) => messages,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
                Err(error) => return Err(error.into()),
            };

        let mut received = 0;
        for message in messages {
            received += 1;
            for control in message.cmsgs().into_iter().flatten() {
                if let ControlMessageOwned::RxqOvfl(total) = control {
                    self.kernel_drops.observe(total);
                }
            }
            let source = message.address.as_ref().and_then(Source::from_storage);
            let whole = !message.flags.contains(MsgFlags::MSG_TRUNC);
            // A socket of either family has no sources of a third, so this is a datagram that was cut off.
            let (Some(source), true) = (source, whole) else {
                self.truncated += 1;
                continue;
            };
            datagram(source, message.iovs().next().unwrap_or(&[]));
        }
        Ok(received)
    }

    /// Datagrams that the kernel dropped for want of buffer space since the socket was bound, as far as known: the
    /// count travels with the first datagram that is queued after the loss (`SO_RXQ_OVFL`, socket(7)).
    #[must_use]
    pub const fn kernel_drops(&self) -> u64 {
        self.kernel_drops.total
    }

    /// Datagrams that did not fit the buffer and were not lent.
    #[must_use]
    pub const fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Bytes of kernel memory that the socket got: twice what was asked for, or less if the process may not exceed
    /// `net.core.rmem_max`.
    ///
    /// # Errors
    ///
    /// The system call's.
    pub fn receive_buffer_bytes(&self) -> io::Result<usize> {
        Ok(getsockopt(&self.fd, RcvBuf)?)
    }

    /// The address bound: the kernel's choice of port if the settings said 0.
    ///
    /// # Errors
    ///
    /// The system call's.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address: SockaddrStorage = getsockname(self.fd.as_raw_fd())?;
        let source = Source::from_storage(&address).ok_or(io::ErrorKind::InvalidData)?;
        Ok(SocketAddr::new(Ipv6Addr::from(source.address).to_canonical(), source.port))
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Checks that nobody listens on the port yet. To be asked once, before the workers bind: two collectors of the same
/// user would otherwise share the port silently, each getting a part of the datagrams.
///
/// # Errors
///
/// As for [`Socket::bind`].
pub fn ensure_unused(settings: &Settings) -> Result<(), Error> {
    open(settings, Sharing::Alone).map(drop)
}

impl Source {
    fn from_storage(storage: &SockaddrStorage) -> Option<Self> {
        if let Some(address) = storage.as_sockaddr_in6() {
            return Some(Self { address: address.ip().octets(), port: address.port() });
        }
        let address = storage.as_sockaddr_in()?;
        Some(Self { address: address.ip().to_ipv6_mapped().octets(), port: address.port() })
    }
}

/// Whether other sockets of the same user may bind the same port.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Shared,
    Alone,
}

fn open(settings: &Settings, sharing: Sharing) -> Result<OwnedFd, Error> {
    let address = SocketAddr::new(settings.address, settings.port);
    if !settings.address.is_unspecified() {
        return open_at(address, settings.receive_buffer_bytes, sharing);
    }
    // One socket for both families, unless the machine has no IPv6.
    let both = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), settings.port);
    match open_at(both, settings.receive_buffer_bytes, sharing) {
        Err(error) if matches!(error.errno(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
            let only_v4 = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), settings.port);
            open_at(only_v4, settings.receive_buffer_bytes, sharing)
        }
        result => result,
    }
}

fn open_at(address: SocketAddr, receive_buffer_bytes: usize, sharing: Sharing) -> Result<OwnedFd, Error> {
    let failed =
        |operation| move |errno: Errno| Error { operation, address, source: errno.into(), remedy: remedy(errno) };
    let family = if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(family, SockType::Datagram, flags, None).map_err(failed("create socket"))?;
    if address.is_ipv6() {
        setsockopt(&fd, Ipv6V6Only, &false).map_err(failed("set IPV6_V6ONLY"))?;
    }
    if sharing == Sharing::Shared {
        setsockopt(&fd, ReusePort, &true).map_err(failed("set SO_REUSEPORT"))?;
    }
    setsockopt(&fd, RxqOvfl, &1).map_err(failed("set SO_RXQ_OVFL"))?;
    // The forced form goes beyond net.core.rmem_max and needs CAP_NET_ADMIN.
    if setsockopt(&fd, RcvBufForce, &receive_buffer_bytes).is_err() {
        setsockopt(&fd, RcvBuf, &receive_buffer_bytes).map_err(failed("set SO_RCVBUF"))?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address)).map_err(failed("bind"))?;
    Ok(fd)
}

/// `SO_REUSEPORT` lets sockets share a port only if each of them asked for it and all belong to one user, so an
/// address in use means a program that is not this one, or another user's collector.
fn remedy(errno: Errno) -> &'static str {
    if errno == Errno::EADDRINUSE {
        return ": another program listens there (`ss -ulpn` names it): stop it or choose another port";
    }
    if errno == Errno::EACCES {
        return ": ports below 1024 need root or CAP_NET_BIND_SERVICE";
    }
    if errno == Errno::EADDRNOTAVAIL {
        return ": no interface has this address (`ip address` lists them)";
    }
    ""
}

/// Extends the kernel's 32-bit drop count, which wraps, to 64 bits.
#[derive(Clone, Copy, Debug, Default)]
struct DropCounter {
    last: u32,
    total: u64,
    /// Whether the next count is the first of a socket that another process had: what was lost before is that one's.
    is_resumed: bool,
}

impl DropCounter {
    /// Takes a count that came with a datagram. Two processors that queue at the same moment may swap their counts, so
    /// a step backwards (serial number arithmetic, RFC 1982) is not a wrap.
    fn observe(&mut self, count: u32) {
        if std::mem::take(&mut self.is_resumed) {
            self.last = count;
        }
        let step = count.wrapping_sub(self.last);
        if step < 1 << 31 {
            self.total += u64::from(step);
            self.last = count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{DropCounter, Settings, Socket};
    use std::net::{Ipv4Addr, UdpSocket};

    #[test]
    fn drop_counts_are_extended_across_wraps() {
        let mut resumed = DropCounter { is_resumed: true, ..DropCounter::default() };
        [70, 70, 75].into_iter().for_each(|count| resumed.observe(count));
        assert_eq!(resumed.total, 5, "what another process lost is not counted again");
        for (name, counts, total) in [
            ("none", vec![], 0),
            ("rising", vec![1, 1, 5], 5),
            ("wrapping", vec![1 << 30, 1 << 31, 3 << 30, u32::MAX, 4], (1 << 32) + 4),
            ("out of order", vec![10, 9, 11], 11),
        ] {
            let mut counter = DropCounter::default();
            counts.iter().for_each(|&count| counter.observe(count));
            assert_eq!(counter.total, total, "{name}");
        }
    }

    #[test]
    fn a_datagram_longer_than_the_buffer_is_counted_and_not_lent() {
        let settings = Settings { address: Ipv4Addr::LOCALHOST.into(), port: 0, receive_buffer_bytes: 1 << 20 };
        let mut socket = Socket::with_datagram_bytes(&settings, 100).expect("a free port on loopback");
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port on loopback");
        let to = socket.local_address().expect("the socket is bound");
        for len in [100, 101, 99, 2000] {
            sender.send_to(&vec![7; len], to).expect("loopback takes it");
        }
        let mut lengths = Vec::new();
        let received = socket.receive(|_, bytes| lengths.push(bytes.len())).expect("receiving on loopback");
        assert_eq!((received, lengths, socket.truncated()), (4, vec![100, 99], 2));
    }
}
