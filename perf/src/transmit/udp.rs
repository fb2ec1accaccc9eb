//! A socket for each exporter, bound to its address, and `sendmmsg` for datagrams of one exporter in a row.

use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg};

use super::{BATCH, Frame};

/// Bytes that a socket may hold until they leave: a batch of full datagrams, with the kernel's own for each.
const BUFFER_BYTES: usize = 4 << 20;
/// Open files beside the exporters' sockets.
const OTHER_FILES: u64 = 64;

/// Sockets, by exporter.
pub(crate) struct Sockets {
    sockets: Vec<UdpSocket>,
    to: SocketAddr,
    headers: MultiHeaders<()>,
    /// Frames by exporter, each exporter's in their order.
    order: Vec<usize>,
}

impl Sockets {
    /// Sockets of these addresses; without, one of an address that the system chooses.
    pub(super) fn open(addresses: Option<&[IpAddr]>, to: SocketAddr) -> Result<Self> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let addresses = addresses.map_or_else(|| vec![any], <[IpAddr]>::to_vec);
        allow_files(addresses.len() as u64 + OTHER_FILES)?;
        let open = |address: &IpAddr| -> Result<UdpSocket> {
            let socket = UdpSocket::bind((*address, 0)).with_context(|| {
                format!("cannot send from {address}: is it an address of this machine? (--via packet or xdp takes any)")
            })?;
            socket.connect(to).with_context(|| format!("cannot reach {to}"))?;
            // Less than asked for where the machine's limit is lower: a blocking socket then waits more often.
            nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::SndBuf, &BUFFER_BYTES)
                .with_context(|| format!("cannot set the buffer of {address}"))?;
            Ok(socket)
        };
        let sockets = addresses.iter().map(open).collect::<Result<_>>()?;
        Ok(Self { sockets, to, headers: MultiHeaders::preallocate(BATCH, None), order: Vec::with_capacity(BATCH) })
    }

    /// Addresses and ports that they send from.
    pub(super) fn sources(&self) -> Result<Vec<SocketAddr>> {
        self.sockets.iter().map(|socket| socket.local_addr().context("the socket has no address")).collect()
    }

    /// As [`super::Transmitter::send`]: each exporter's datagrams in their order.
    pub(super) fn send(&mut self, frames: &[Frame<'_>], refused: &mut Vec<usize>) -> Result<()> {
        let mut order = std::mem::take(&mut self.order);
        order.clear();
        order.extend(0..frames.len());
        order.sort_by_key(|index| frames[*index].source);
        let outcome = order
            .chunk_by(|one, other| frames[*one].source == frames[*other].source)
            .try_for_each(|indices| self.send_of_one(frames, indices, refused));
        self.order = order;
        outcome
    }

    fn send_of_one(&mut self, frames: &[Frame<'_>], mut indices: &[usize], refused: &mut Vec<usize>) -> Result<()> {
        let mut had_refusal = false;
        while let Some(first) = indices.first() {
            let frame = frames[*first];
            match self.hand_over(frames, indices) {
                Ok(taken) => {
                    indices = &indices[taken..];
                    had_refusal = false;
                }
                // An earlier datagram found nobody listening, which is no reason not to send this one.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused && !had_refusal => had_refusal = true,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused || is_full(&error) => {
                    refused.push(*first);
                    indices = &indices[1..];
                    had_refusal = false;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let length = frame.payload().len();
                    return Err(error).with_context(|| format!("cannot send {length} bytes to {}", self.to));
                }
            }
        }
        Ok(())
    }

    /// How many of the first ones were taken: one at least.
    fn hand_over(&mut self, frames: &[Frame<'_>], indices: &[usize]) -> std::io::Result<usize> {
        let socket = &self.sockets[frames[indices[0]].source];
        if let [only] = indices {
            return socket.send(frames[*only].payload()).map(|_| 1);
        }
        let slices: Vec<[IoSlice<'_>; 1]> =
            indices.iter().map(|index| [IoSlice::new(frames[*index].payload())]).collect();
        let none = [None; BATCH];
        Ok(sendmmsg(socket.as_raw_fd(), &mut self.headers, &slices, none, [], MsgFlags::empty())?.count())
    }
}

/// Whether the kernel had no room, so that the next datagram may be taken.
fn is_full(error: &std::io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw).is_some_and(|errno| matches!(errno, Errno::ENOBUFS | Errno::EAGAIN))
}

/// Raises the limit of open files as far as it must and may.
fn allow_files(count: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("cannot read the limit of open files")?;
    if soft >= count {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, count, hard.max(count)).with_context(|| {
        format!("{count} sockets are more than the {hard} files that a process may open: raise `ulimit -n`, or use --via packet")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use perf::envelope::Envelope;
    use std::time::Duration;

    #[test]
    fn datagrams_of_each_exporter_arrive_in_order() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("loopback is there");
        receiver.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket has a timeout");
        let to = receiver.local_addr().expect("it is bound");
        let addresses: Vec<IpAddr> = (1..=3).map(|number| [127, 0, 0, number].into()).collect();
        let mut sockets = Sockets::open(Some(&addresses), to).expect("loopback has many addresses");
        let sources = sockets.sources().expect("they are bound");
        let payloads: Vec<Vec<u8>> = (0..BATCH).map(|number| vec![number as u8; 1 + number]).collect();
        let bytes: Vec<Vec<u8>> = payloads.iter().map(|payload| [&[0; 42][..], payload].concat()).collect();
        let frames: Vec<Frame<'_>> = (0..BATCH)
            .map(|number| Frame { bytes: &bytes[number], payload_at: 42, source: number * number % 3 })
            .collect();
        let mut refused = Vec::new();
        sockets.send(&frames, &mut refused).expect("it is sent");
        assert_eq!(refused, [0_usize; 0]);
        let mut expected: Vec<(usize, &[u8])> = frames.iter().map(|frame| (frame.source, frame.payload())).collect();
        expected.sort_by_key(|(source, _)| *source);
        let mut buffer = [0; 2048];
        for (source, payload) in expected {
            let (length, from) = receiver.recv_from(&mut buffer).expect("it arrives");
            assert_eq!((from, &buffer[..length]), (sources[source], payload));
        }
    }

    #[test]
    fn nobody_listening_is_no_refusal_for_ever() {
        // A port that was just free: each datagram is answered by ICMP, and the next call tells of it.
        let closed = UdpSocket::bind("127.0.0.1:0").expect("loopback is there").local_addr().expect("it is bound");
        let mut sockets = Sockets::open(None, closed).expect("a socket");
        let envelope = Envelope {
            source: sockets.sources().expect("it is bound")[0],
            destination: closed,
            source_mac: [0; 6],
            destination_mac: [0; 6],
            has_checksum: false,
        };
        let bytes = envelope.frame(b"datagram");
        let frames = [Frame { bytes: &bytes, payload_at: envelope.length(), source: 0 }; 10];
        let mut refused = Vec::new();
        for _ in 0..5 {
            sockets.send(&frames, &mut refused).expect("errors of earlier datagrams end nothing");
        }
    }
}
