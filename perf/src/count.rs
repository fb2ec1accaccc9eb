//! `perf count`: a UDP socket whose datagrams are counted and nothing else. What receiving costs at the least: the floor under every
//! collector that reads from sockets.

use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce};
use nix::sys::socket::{MsgFlags, MultiHeaders, getsockopt, recvmmsg, setsockopt};
use serde_json::{Value, json};

/// Datagrams that one `recvmmsg` takes at most.
const BATCH: usize = 64;
/// Bytes of a datagram that are looked at: all of any that fits an Ethernet frame.
const DATAGRAM_BYTES: usize = 2048;
/// How long a system call waits before it is looked at whether the end has come.
const PATIENCE: Duration = Duration::from_millis(100);

/// What `perf count` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Address and port to count at.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// The system call that takes datagrams.
    #[arg(long, value_name = "CALL", value_enum, default_value_t = Call::Recvfrom)]
    call: Call,
    /// Receive buffer of the socket; beyond `net.core.rmem_max` it needs `CAP_NET_ADMIN`.
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    buffer: usize,
    /// Ends after so many seconds; without it, at SIGINT or SIGTERM.
    #[arg(long, value_name = "S")]
    seconds: Option<f64>,
}

/// The system call that takes datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Call {
    /// One datagram a call.
    Recvfrom,
    /// Up to 64 datagrams a call.
    Recvmmsg,
}

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    datagrams: u64,
    bytes: u64,
    /// System calls that brought something.
    calls: u64,
}

/// Counts until told to stop, and prints what was counted.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&ended)).context("cannot take signals")?;
    }
    println!("{}", count(arguments, &ended)?);
    Ok(())
}

fn count(arguments: &Arguments, ended: &AtomicBool) -> Result<Value> {
    let socket = open(arguments.listen, arguments.buffer)?;
    let buffer_bytes = getsockopt(&socket, RcvBuf).context("cannot read SO_RCVBUF")?;
    let end = arguments.seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds));
    let is_over = || ended.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end);
    let mut counted = Counted::default();
    match arguments.call {
        Call::Recvfrom => count_singly(&socket, &mut counted, is_over),
        Call::Recvmmsg => count_in_batches(&socket, &mut counted, is_over),
    }?;
    let usage = getrusage(UsageWho::RUSAGE_SELF).context("cannot read the processor time")?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(json!({
        "listen": arguments.listen.to_string(), "call": arguments.call.name(), "buffer_bytes": buffer_bytes,
        "datagrams": counted.datagrams, "bytes": counted.bytes, "calls": counted.calls,
        "user_s": seconds(usage.user_time()), "kernel_s": seconds(usage.system_time()),
    }))
}

fn open(listen: SocketAddr, buffer_bytes: usize) -> Result<UdpSocket> {
    let socket = UdpSocket::bind(listen).with_context(|| format!("cannot listen at {listen}"))?;
    socket.set_read_timeout(Some(PATIENCE)).context("cannot set a time-out")?;
    if setsockopt(&socket, RcvBufForce, &buffer_bytes).is_err() {
        setsockopt(&socket, RcvBuf, &buffer_bytes).context("cannot set SO_RCVBUF")?;
    }
    Ok(socket)
}

/// Whether the end has come is asked when nothing is there, and each [`BATCH`] datagrams, which costs nothing beside that many
/// system calls.
fn count_singly(socket: &UdpSocket, counted: &mut Counted, is_over: impl Fn() -> bool) -> Result<()> {
    let mut buffer = [0; DATAGRAM_BYTES];
    loop {
        for _ in 0..BATCH {
            match socket.recv_from(&mut buffer) {
                Ok((length, _)) => {
                    counted.datagrams += 1;
                    counted.bytes += length as u64;
                    counted.calls += 1;
                }
                Err(error) if is_patience(error.raw_os_error()) => break,
                Err(error) => return Err(error).context("recvfrom"),
            }
        }
        if is_over() {
            return Ok(());
        }
    }
}

fn count_in_batches(socket: &UdpSocket, counted: &mut Counted, is_over: impl Fn() -> bool) -> Result<()> {
    let mut buffers = vec![[0; DATAGRAM_BYTES]; BATCH];
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    while !is_over() {
        let mut buffers = buffers.iter_mut();
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            std::array::from_fn(|_| [IoSliceMut::new(buffers.next().map_or(&mut [], |buffer| buffer.as_mut_slice()))]);
        // Waits for the first datagram, and takes with it what is there.
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Ok(messages) => {
                counted.calls += 1;
                for message in messages {
                    counted.datagrams += 1;
                    counted.bytes += message.bytes as u64;
                }
            }
            Err(error) if is_patience(Some(error as i32)) => {}
            Err(error) => return Err(error).context("recvmmsg"),
        }
    }
    Ok(())
}

/// Whether a system call ended without a datagram and without a fault.
fn is_patience(error: Option<i32>) -> bool {
    error.is_some_and(|error| matches!(Errno::from_raw(error), Errno::EAGAIN | Errno::EINTR))
}

impl Call {
    /// As it is given on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Recvfrom => "recvfrom",
            Self::Recvmmsg => "recvmmsg",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_datagram_is_counted_by_either_call() {
        for call in [Call::Recvfrom, Call::Recvmmsg] {
            let socket = open("127.0.0.1:0".parse().expect("an address"), 1 << 20).expect("a free port on loopback");
            let to = socket.local_addr().expect("it is bound");
            let sender = UdpSocket::bind("127.0.0.1:0").expect("a free port on loopback");
            for length in [0, 1, 1400] {
                sender.send_to(&vec![7; length], to).expect("loopback takes it");
            }
            let mut counted = Counted::default();
            match call {
                Call::Recvfrom => count_singly(&socket, &mut counted, || true),
                Call::Recvmmsg => {
                    let asked = std::cell::Cell::new(false);
                    count_in_batches(&socket, &mut counted, || asked.replace(true))
                }
            }
            .expect("it receives");
            let calls = if call == Call::Recvfrom { 3 } else { 1 };
            assert_eq!(counted, Counted { datagrams: 3, bytes: 1401, calls }, "{}", call.name());
        }
    }

    #[test]
    fn the_end_comes_by_time_and_by_signal() {
        let check = |seconds, signalled| {
            let listen = "127.0.0.1:0".parse().expect("an address");
            let arguments = Arguments { listen, call: Call::Recvmmsg, buffer: 1 << 20, seconds };
            let told = count(&arguments, &AtomicBool::new(signalled)).expect("it ends");
            assert_eq!((told["datagrams"].as_u64(), told["call"].as_str()), (Some(0), Some("recvmmsg")));
        };
        check(Some(0.0), false);
        check(None, true);
    }
}
