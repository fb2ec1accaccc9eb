//! One socket's receiving end: frames out, statistics, wake-ups. Opening is `super::open`'s business, waiting is the
//! worker's.

use super::lend::{Counters, Refill, lend};
use super::memory::Mapping;
use super::ring::{FillRing, RxRing};
use super::socket::{Socket, Statistics};
use super::umem::Umem;
use super::{Error, Metadata, Mode};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};

/// One AF_XDP socket. The fields are dropped in order: ring unmapped, socket closed, the queue's memory last.
pub struct Receiver {
    rx: RxRing<Mapping>,
    socket: Socket,
    queue: Arc<Queue>,
    mode: Mode,
    counters: Counters,
}

/// What the sockets of a queue share. The fill ring is unmapped before the umem.
pub(super) struct Queue {
    /// Behind a lock because the kernel's side of the ring (`xskq_cons_*` of `net/xdp/xsk_queue.h`) supports a single
    /// producer, and every worker on this queue produces. Taken once for each batch, uncontended with one socket.
    fill: Mutex<FillRing<Mapping>>,
    umem: Umem<Mapping>,
}

impl Queue {
    /// Gives all frames to the kernel.
    pub(super) fn new(mut fill: FillRing<Mapping>, umem: Umem<Mapping>) -> Self {
        for frame in umem.frames() {
            let taken = fill.push(&[frame]);
            debug_assert_eq!(taken, 1, "the fill ring is made to hold every frame");
        }
        Self { fill: Mutex::new(fill), umem }
    }
}

impl Receiver {
    pub(super) fn new(rx: RxRing<Mapping>, socket: Socket, queue: Arc<Queue>, mode: Mode) -> Self {
        Self { rx, socket, queue, mode, counters: Counters::default() }
    }

    /// Lends the frames of one batch, oldest first, each from its first Ethernet byte and without the frame check
    /// sequence, and with what the XDP program put in front of it. Each goes back to the fill ring when the batch ends. Returns how many ring entries were consumed: zero
    /// means that the ring is empty and the worker may wait.
    ///
    /// A system call is made only if the kernel asks for it.
    pub fn receive(&mut self, frame: impl FnMut(&[u8], Metadata)) -> usize {
        let (consumed, refill) = lend(&mut self.rx, &self.queue.fill, &self.queue.umem, &mut self.counters, frame);
        if refill == Refill::NeedsWakeup {
            self.wake();
        }
        consumed
    }

    /// Has [`Receiver::poll_driver`] take frames from the driver for up to so many microseconds a call, without an interrupt.
    ///
    /// # Errors
    ///
    /// The kernel is older than Linux 5.11, or CAP_NET_ADMIN is missing.
    pub fn busy_poll(&self, micros: u32) -> Result<(), Error> {
        self.socket.busy_poll(micros)
    }

    /// Takes what the driver has into the ring, on this thread, where [`Receiver::busy_poll`] was set: in the place of sleeping.
    pub fn poll_driver(&mut self) {
        self.counters.polls += 1;
        // As for waking: what fails is tried again with the next look.
        let _ = self.socket.wake();
    }

    fn wake(&mut self) {
        self.counters.wakeups += 1;
        // Failing is normal while the interface is down or the driver is busy; the flag stays, so the next batch or
        // the next look tries again.
        if self.socket.wake().is_err() {
            self.counters.wakeups_failed += 1;
        }
    }

    /// The bind mode in force.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What happened here since opening.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The error that the kernel keeps for this socket, once: `ENETDOWN` when the interface is gone for good. `poll`
    /// does not report it (`xsk_poll` leaves an unbound socket's mask empty), so a worker asks now and then.
    ///
    /// # Errors
    ///
    /// The system call's.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.take_error()
    }

    /// What the kernel counted.
    ///
    /// # Errors
    ///
    /// The system call's.
    pub fn statistics(&self) -> io::Result<Statistics> {
        self.socket.statistics()
    }
}

/// For the XSKMAP and for `poll`.
impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

const _: () = {
    const fn moves_into_a_worker<T: Send>() {}
    moves_into_a_worker::<Receiver>();
};
