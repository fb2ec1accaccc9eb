//! AF_XDP: moves frames from one NIC queue into the rings of one or several sockets and lends them, one by one, to a
//! closure. This is the only code that knows rings, descriptors and the umem.
//!
//! It does not load or attach the XDP program, does not fill the XSKMAP, does not know what a frame contains, keeps no
//! thread and never waits for a frame: the worker waits with `poll` on [`Receiver`]'s file descriptor.
//!
//! Words and rules are those of the kernel's document,
//! <https://docs.kernel.org/networking/af_xdp.html>; line references are to `net/xdp/xsk.c` and `xsk_buff_pool.c` of
//! Linux 6.12, <https://elixir.bootlin.com/linux/v6.12/source/net/xdp/xsk.c>.
//!
//! Several sockets on one queue share the queue's buffer pool: one umem, one fill ring and one completion ring, but an
//! RX ring each (`xsk_bind`: a socket with `XDP_SHARED_UMEM` on the same device and queue must not bring rings of its
//! own, or it gets `EINVAL`). The kernel takes the fill ring for single-producer, so the producers here, one per worker
//! thread, take turns behind a mutex, once for a whole batch of frames.

mod error;
mod lend;
mod memory;
mod metadata;
mod receiver;
mod ring;
mod socket;
mod umem;

#[cfg(test)]
mod model;

pub use error::Error;
pub use lend::{BATCH, Counters};
pub use metadata::{METADATA_BYTES, Metadata};
pub use receiver::Receiver;
pub use socket::Statistics;

use receiver::Queue;
use socket::Socket;
use std::sync::Arc;
use umem::Umem;

/// Bytes that the kernel keeps free in front of each received frame, `XDP_PACKET_HEADROOM` of `linux/bpf.h`.
const PACKET_HEADROOM_BYTES: u32 = 256;

/// No frame is longer: a page.
pub const FRAME_BYTES_MAX: usize = 4096;

/// What to open on one queue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Name of the interface, as `ip link` shows it in the calling thread's network namespace.
    pub interface: String,
    /// Receive queue of the interface, from 0.
    pub queue: u32,
    /// How many sockets share this queue: one for each worker that it feeds.
    pub sockets: u32,
    /// Bytes of umem per frame: 2048 or 4096. See [`Settings::largest_frame_bytes`].
    pub frame_bytes: u32,
    /// Frames in the umem for each socket. At least `ring_descriptors`, so that a worker that stands still, its ring
    /// full, cannot hold the frames that the others need; twice as many also feeds the NIC's own ring in zero-copy mode.
    pub frames_per_socket: u32,
    /// Descriptors in each RX ring: a power of two. This is how long a worker may be late before frames are lost.
    pub ring_descriptors: u32,
    /// Which bind mode to ask the kernel for.
    pub bind: Bind,
    /// Which memory to take for the umem.
    pub huge_pages: HugePages,
}

impl Settings {
    /// The longest frame, in bytes without the frame check sequence, that fits; the kernel drops longer ones and counts
    /// them in [`Statistics::rx_dropped`] (`xsk_pool_get_rx_frame_size`).
    #[must_use]
    pub const fn largest_frame_bytes(&self) -> u32 {
        self.frame_bytes.saturating_sub(PACKET_HEADROOM_BYTES)
    }
}

/// Which bind mode to ask the kernel for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bind {
    /// Zero-copy, or copy where the driver or the attach mode cannot.
    #[default]
    Auto,
    /// Zero-copy or an error. Impossible with a program attached in generic mode.
    ZeroCopy,
    /// Copy, for drivers whose zero-copy is broken.
    Copy,
}

/// Which memory to take for the umem.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Reserved huge pages where the machine has some free, otherwise transparent ones where the kernel grants them.
    #[default]
    Auto,
    /// Pages of the ordinary size.
    Never,
}

/// The bind mode in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The NIC writes into the umem.
    ZeroCopy,
    /// The kernel copies each frame into the umem.
    Copy,
}

impl Mode {
    /// The word for logs and metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ZeroCopy => "zero-copy",
            Self::Copy => "copy",
        }
    }
}

/// Opens the sockets of one queue, in the calling thread's network namespace: one [`Receiver`] each.
///
/// Frames arrive once the program redirects into an XSKMAP slot that holds the receiver. The queue is given back when
/// the last receiver is dropped; they are meant to be dropped together, because the first one's socket lives in the
/// kernel for as long as the shared fill ring is mapped.
///
/// # Errors
///
/// Each says what to do: settings that contradict each other, no such interface or queue, missing capability, memory
/// limit, a queue that another program holds (after 2.5 seconds of trying).
pub fn open(settings: &Settings) -> Result<Vec<Receiver>, Error> {
    validate(settings)?;
    let frames = settings.frames_per_socket * settings.sockets;
    let umem = Umem::allocate(frames, settings.frame_bytes, settings.huge_pages)?;

    let first = Socket::new()?;
    first.register_umem(&umem)?;
    // The fill ring has room for every frame of the umem, so that giving a frame back can never fail.
    let fill = first.create_fill_ring(frames.next_power_of_two())?;
    let rx = first.create_rx_ring(settings.ring_descriptors)?;
    let mode = first.bind(settings)?;

    let mut opened = vec![(first, rx)];
    for _ in 1..settings.sockets {
        let socket = Socket::new()?;
        let rx = socket.create_rx_ring(settings.ring_descriptors)?;
        socket.bind_shared(settings, &opened[0].0)?;
        opened.push((socket, rx));
    }

    let queue = Arc::new(Queue::new(fill, umem));
    Ok(opened.into_iter().map(|(socket, rx)| Receiver::new(rx, socket, Arc::clone(&queue), mode)).collect())
}

fn validate(settings: &Settings) -> Result<(), Error> {
    if settings.sockets == 0 {
        return Err(Error::Settings("sockets must be at least 1"));
    }
    if settings.frame_bytes != 2048 && settings.frame_bytes != 4096 {
        return Err(Error::Settings("frame_bytes must be 2048 or 4096"));
    }
    if !settings.ring_descriptors.is_power_of_two() {
        return Err(Error::Settings("ring_descriptors must be a power of two"));
    }
    if settings.frames_per_socket < settings.ring_descriptors {
        return Err(Error::Settings("frames_per_socket must be at least ring_descriptors"));
    }
    let frames = settings.frames_per_socket.checked_mul(settings.sockets);
    if frames.is_none_or(|frames| frames > 1 << 24) {
        return Err(Error::Settings("frames_per_socket times sockets must be at most 16777216"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Bind, HugePages, Settings, open};

    #[test]
    fn settings_that_contradict_each_other_are_refused_before_any_system_call() {
        check("sockets", |settings| settings.sockets = 0);
        check("frame_bytes", |settings| settings.frame_bytes = 3000);
        check("ring_descriptors", |settings| settings.ring_descriptors = 100);
        check("ring_descriptors", |settings| settings.ring_descriptors = 0);
        check("frames_per_socket", |settings| settings.frames_per_socket = 32);
        check("16777216", |settings| settings.sockets = u32::MAX);
        check("16777216", |settings| settings.frames_per_socket = (1 << 24) + 1);
    }

    fn check(named: &str, spoil: impl Fn(&mut Settings)) {
        let mut settings = Settings {
            interface: "no-such-interface".into(),
            queue: 0,
            sockets: 1,
            frame_bytes: 2048,
            frames_per_socket: 64,
            ring_descriptors: 64,
            bind: Bind::Auto,
            huge_pages: HugePages::Never,
        };
        spoil(&mut settings);
        let Err(error) = open(&settings) else { panic!("{settings:?} was accepted") };
        assert!(error.to_string().contains(named), "{error} does not name {named}");
    }
}
