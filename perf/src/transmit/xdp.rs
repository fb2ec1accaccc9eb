//! Raw Ethernet frames through the TX ring of an AF_XDP socket (Documentation/networking/af_xdp.rst): frames are copied into the
//! umem and described in the ring, and one system call for some dozens of them makes the kernel look.
//!
//! In copy mode the kernel has looked at all of a batch when it is done, so what it refused can be told; without copies the driver
//! sends when it can, and refuses nothing that was described.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, send};

use super::Frame;
use super::interface::Interface;
use super::raw::{self, Mapping};

/// Descriptors of the TX and completion rings, and chunks of the umem.
const DESCRIPTORS: u32 = 2048;
/// Of the fill ring, which only receivers use and every socket must have.
const FILL_DESCRIPTORS: u32 = 64;
/// Bytes of a chunk: the largest that the kernel takes, a page.
const CHUNK_BYTES: u32 = 4096;
/// How long a frame may take to leave.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the kernel may take to let go of a queue.
const RELEASE: Duration = Duration::from_secs(2);
/// Bytes of a `struct xdp_desc`: address, length, options.
const DESCRIPTOR_BYTES: usize = 16;

/// A queue of an interface.
pub(crate) struct Queue {
    // Before the mappings, which the kernel uses until the socket is closed.
    socket: OwnedFd,
    umem: Mapping,
    tx: Ring,
    completion: Ring,
    /// Chunks that are not on their way; the last one given back is the next, as it is still in the cache.
    free: Vec<u32>,
    is_zero_copy: bool,
    interface: String,
}

/// A ring and our side's cursor of it, which counts on beyond the ring and wraps.
struct Ring {
    memory: Mapping,
    offsets: libc::xdp_ring_offset,
    cursor: u32,
    /// Where our cursor stands for the kernel to read, and where the kernel's does.
    ours: usize,
    kernels: usize,
}

/// Which cursor is ours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Producer,
    Consumer,
}

/// Takes a queue of an interface. The kernel lets go of one some time after the socket that had it was closed.
fn bind(socket: &OwnedFd, interface: u32, queue: u32) -> nix::Result<()> {
    let begun = Instant::now();
    loop {
        match raw::bind_queue(socket, interface, queue) {
            Err(Errno::EBUSY) if begun.elapsed() < RELEASE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            bound => return bound,
        }
    }
}

impl Queue {
    /// Opens it.
    pub(super) fn open(interface: &Interface, queue: u32) -> Result<Self> {
        let place = || format!("cannot send by AF_XDP through queue {queue} of {}", interface.name);
        let socket = raw::xdp_socket().context("cannot open an AF_XDP socket: run as root or with CAP_NET_RAW")?;
        let umem = Mapping::anonymous((DESCRIPTORS * CHUNK_BYTES) as usize).with_context(place)?;
        raw::register(&socket, &umem, CHUNK_BYTES)
            .with_context(|| format!("{}: {} bytes cannot be locked (CAP_IPC_LOCK)", place(), umem.length()))?;
        let sizes = [
            (libc::XDP_UMEM_FILL_RING, FILL_DESCRIPTORS),
            (libc::XDP_UMEM_COMPLETION_RING, DESCRIPTORS),
            (libc::XDP_TX_RING, DESCRIPTORS),
        ];
        for (name, descriptors) in sizes {
            raw::size_ring(&socket, name, descriptors).with_context(place)?;
        }
        let offsets = raw::ring_offsets(&socket).with_context(place)?;
        let completion_at = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;
        let tx_at = libc::XDP_PGOFF_TX_RING;
        let tx = Ring::map(&socket, Side::Producer, offsets.tx, DESCRIPTOR_BYTES, tx_at).with_context(place)?;
        let completion =
            Ring::map(&socket, Side::Consumer, offsets.cr, size_of::<u64>(), completion_at).with_context(place)?;
        bind(&socket, interface.index(), queue)
            .with_context(|| format!("{}: is there such a queue, and nobody else on it?", place()))?;
        let is_zero_copy = raw::is_zero_copy(&socket).with_context(place)?;
        let free = (0..DESCRIPTORS).collect();
        Ok(Self { socket, umem, tx, completion, free, is_zero_copy, interface: interface.name.clone() })
    }

    /// As [`super::Transmitter::send`].
    pub(super) fn send(&mut self, frames: &[Frame<'_>], refused: &mut Vec<usize>) -> Result<()> {
        self.wait_for(frames.len())?;
        let first = self.tx.cursor;
        for frame in frames {
            if frame.bytes.len() > CHUNK_BYTES as usize {
                bail!("a frame of {} bytes is longer than the {CHUNK_BYTES} that AF_XDP takes", frame.bytes.len());
            }
            let chunk = self.free.pop().context("there are as many chunks as were waited for")?;
            let at = chunk * CHUNK_BYTES;
            self.umem.copy_in(at as usize, frame.bytes);
            self.tx.describe(at, frame.bytes.len() as u32);
        }
        self.tx.submit();
        if self.is_zero_copy {
            return self.wake();
        }
        self.push_through(first, refused)
    }

    /// Waits until all frames have left.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.wait_for(DESCRIPTORS as usize)
    }

    /// Waits until so many chunks are free.
    fn wait_for(&mut self, chunks: usize) -> Result<()> {
        let mut since = None;
        while self.reclaim() < chunks {
            self.wake()?;
            if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                let waiting = DESCRIPTORS as usize - self.free.len();
                bail!("{waiting} frames do not leave by {}: is it up, and does it have this queue?", self.interface);
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Calls the kernel until it has looked at all descriptors from number `first` on. One call looks at some, and ends with
    /// EBUSY behind one that the driver dropped (`__xsk_generic_xmit`).
    fn push_through(&mut self, first: u32, refused: &mut Vec<usize>) -> Result<()> {
        let mut looked_at = first;
        while looked_at != self.tx.cursor {
            let outcome = self.call();
            let consumed = self.tx.other_side();
            // The kernel tells how far it is when it has sent one at least, so it may be behind what is known here.
            let sent = consumed.wrapping_sub(looked_at);
            let has_moved = sent > 0 && sent <= DESCRIPTORS;
            match outcome {
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) if has_moved => looked_at = consumed,
                Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => std::thread::yield_now(),
                Err(Errno::EBUSY) => {
                    looked_at = if has_moved { consumed } else { looked_at.wrapping_add(1) };
                    refused.push(looked_at.wrapping_sub(first) as usize - 1);
                }
                Err(error) => return Err(self.told(error)),
            }
            self.reclaim();
        }
        Ok(())
    }

    /// Takes back the chunks of frames that have left; gives how many are free.
    fn reclaim(&mut self) -> usize {
        let produced = self.completion.other_side();
        let waiting = produced.wrapping_sub(self.completion.cursor).min(DESCRIPTORS);
        for _ in 0..waiting {
            self.free.push((self.completion.taken() / u64::from(CHUNK_BYTES)) as u32);
        }
        if waiting > 0 {
            self.completion.submit();
        }
        self.free.len()
    }

    /// Makes the kernel look, where it waits for that.
    fn wake(&self) -> Result<()> {
        if !self.tx.needs_wakeup() {
            return Ok(());
        }
        match self.call() {
            Ok(_) | Err(Errno::EAGAIN | Errno::EBUSY | Errno::EINTR | Errno::ENOBUFS) => Ok(()),
            Err(error) => Err(self.told(error)),
        }
    }

    fn call(&self) -> nix::Result<usize> {
        send(self.socket.as_raw_fd(), &[], MsgFlags::MSG_DONTWAIT)
    }

    fn told(&self, error: Errno) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("cannot send frames by {}: is it up?", self.interface))
    }
}

impl Ring {
    fn map(
        socket: &OwnedFd,
        side: Side,
        offsets: libc::xdp_ring_offset,
        entry_bytes: usize,
        at: libc::off_t,
    ) -> nix::Result<Self> {
        let length = offsets.desc as usize + DESCRIPTORS as usize * entry_bytes;
        let memory = Mapping::ring(socket, length, at)?;
        let cursors = (offsets.producer as usize, offsets.consumer as usize);
        let (ours, kernels) = if side == Side::Producer { cursors } else { (cursors.1, cursors.0) };
        Ok(Self { memory, offsets, cursor: 0, ours, kernels })
    }

    /// Writes a descriptor where the cursor is. There is room, as there are no more chunks than descriptors.
    fn describe(&mut self, address: u32, length: u32) {
        let at = self.offsets.desc as usize + (self.cursor & (DESCRIPTORS - 1)) as usize * DESCRIPTOR_BYTES;
        self.memory.double(at).store(address.into(), Ordering::Relaxed);
        self.memory.word(at + 8).store(length, Ordering::Relaxed);
        self.memory.word(at + 12).store(0, Ordering::Relaxed);
        self.cursor = self.cursor.wrapping_add(1);
    }

    /// The completed address where the cursor is.
    fn taken(&mut self) -> u64 {
        let at = self.offsets.desc as usize + (self.cursor & (DESCRIPTORS - 1)) as usize * size_of::<u64>();
        self.cursor = self.cursor.wrapping_add(1);
        self.memory.double(at).load(Ordering::Relaxed)
    }

    /// Tells the kernel our cursor. Release: it sees what was described before the cursor that covers it, and writes nothing over
    /// what was not yet read.
    fn submit(&self) {
        self.memory.word(self.ours).store(self.cursor, Ordering::Release);
    }

    /// The kernel's cursor. Acquire: what it covers is read, or written, by the kernel.
    fn other_side(&self) -> u32 {
        self.memory.word(self.kernels).load(Ordering::Acquire)
    }

    fn needs_wakeup(&self) -> bool {
        // XDP_RING_NEED_WAKEUP of linux/if_xdp.h.
        self.memory.word(self.offsets.flags as usize).load(Ordering::Relaxed) & 1 != 0
    }
}
