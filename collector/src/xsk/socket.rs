//! The system calls of an AF_XDP socket, each wrapped once: create, register, size and map rings, bind, wake, ask for
//! statistics. No decisions beyond the bind mode.
#![expect(unsafe_code, reason = "nix has no face for AF_XDP's socket options and addresses")]

use super::error::{BIND, BUSY_POLL, CREATE, Error, REGISTER};
use super::memory::Mapping;
use super::ring::{Descriptor, FillRing, Layout, RxRing};
use super::umem::Umem;
use super::{Bind, Mode, Settings};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{getsockopt, sockopt::SocketError};
use std::io;
use std::mem::{MaybeUninit, align_of, offset_of, size_of};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::thread::sleep;
use std::time::Duration;

/// How often a busy queue is tried again. The kernel takes a closed socket apart in the background, so the queue of a
/// program that has just ended is busy for a moment; the pauses double from 10 ms and come to 2.5 s.
const BUSY_RETRIES: u32 = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Descriptors in the completion ring. A receive-only socket completes nothing, but binding demands the ring
/// (`xsk_validate_queues`), so it gets the smallest and is never mapped.
const COMPLETION_DESCRIPTORS: u32 = 1;

/// What the kernel counted for a socket, `struct xdp_statistics` of `linux/if_xdp.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames dropped: longer than a umem frame, or no frame was in the fill ring.
    pub rx_dropped: u64,
    /// Descriptors of ours that the kernel refused.
    pub rx_invalid_descriptors: u64,
    /// Frames dropped because the RX ring was full: the worker is too slow.
    pub rx_ring_full: u64,
    /// How often the kernel found the fill ring empty. Counted per queue: each socket on it reports the same number.
    pub fill_ring_empty: u64,
}

/// An AF_XDP socket.
pub(super) struct Socket {
    fd: OwnedFd,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    pub(super) fn new() -> Result<Self, Error> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if fd < 0 {
            return Err(Error::last_os(CREATE, "AF_XDP"));
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    pub(super) fn register_umem(&self, umem: &Umem<Mapping>) -> Result<(), Error> {
        let registration = libc::xdp_umem_reg {
            addr: umem.base().as_ptr() as u64,
            len: umem.len_bytes(),
            chunk_size: umem.frame_bytes() as u32,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        self.set(libc::XDP_UMEM_REG, &registration)
            .map_err(|error| Error::system(REGISTER, format!("{} bytes", umem.len_bytes()), error))
    }

    /// Makes and maps the fill ring, and makes the completion ring.
    pub(super) fn create_fill_ring(&self, descriptors: u32) -> Result<FillRing<Mapping>, Error> {
        let create = || {
            self.set(libc::XDP_UMEM_COMPLETION_RING, &COMPLETION_DESCRIPTORS)?;
            self.set(libc::XDP_UMEM_FILL_RING, &descriptors)?;
            let offsets: libc::xdp_mmap_offsets = self.get(libc::XDP_MMAP_OFFSETS)?;
            let start = libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t;
            let (layout, mapping) = self.map_ring::<u64>(&offsets.fr, descriptors, start)?;
            // SAFETY: the layout was checked against the mapping, `descriptors` is a power of two or the kernel would
            // have refused it, and this is the only producer made for this socket.
            Ok(unsafe { FillRing::new(layout, mapping) })
        };
        create().map_err(|error| Error::system("create fill ring", format!("{descriptors} descriptors"), error))
    }

    /// Makes and maps the RX ring.
    pub(super) fn create_rx_ring(&self, descriptors: u32) -> Result<RxRing<Mapping>, Error> {
        let create = || {
            self.set(libc::XDP_RX_RING, &descriptors)?;
            let offsets: libc::xdp_mmap_offsets = self.get(libc::XDP_MMAP_OFFSETS)?;
            let (layout, mapping) = self.map_ring::<Descriptor>(&offsets.rx, descriptors, libc::XDP_PGOFF_RX_RING)?;
            // SAFETY: as in `create_fill_ring`; this is the only consumer made for this socket.
            Ok(unsafe { RxRing::new(layout, mapping) })
        };
        create().map_err(|error| Error::system("create RX ring", format!("{descriptors} descriptors"), error))
    }

    /// Binds to the queue in the best mode that the settings allow; tries again while the queue is busy.
    pub(super) fn bind(&self, settings: &Settings) -> Result<Mode, Error> {
        let interface = interface_index(settings)?;
        let mut pause = FIRST_PAUSE;
        let mut result = self.bind_best(settings, interface);
        for _ in 0..BUSY_RETRIES {
            let Err(error) = &result else { break };
            if error.raw_os_error() != Some(libc::EBUSY) {
                break;
            }
            sleep(pause);
            pause *= 2;
            result = self.bind_best(settings, interface);
        }
        result.map_err(|error| Error::system(BIND, queue_name(settings), error))?;
        self.mode().map_err(|error| Error::system("ask for the mode", queue_name(settings), error))
    }

    /// Binds to the queue that `owner` is bound to, sharing its umem, fill and completion ring, and so its mode.
    pub(super) fn bind_shared(&self, settings: &Settings, owner: &Self) -> Result<(), Error> {
        let interface = interface_index(settings)?;
        // No other flag is allowed beside this one: they are the owner's (`xsk_bind`).
        self.bind_to(interface, settings.queue, libc::XDP_SHARED_UMEM, Some(owner))
            .map_err(|error| Error::system("bind another socket", queue_name(settings), error))
    }

    /// Makes the kernel look at the fill ring (`xsk_recvmsg`).
    pub(super) fn wake(&self) -> io::Result<()> {
        // SAFETY: with a length of zero nothing is written through the null pointers.
        let result = unsafe {
            libc::recvfrom(
                self.fd.as_raw_fd(),
                ptr::null_mut(),
                0,
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        };
        check(result as libc::c_int)
    }

    pub(super) fn take_error(&self) -> io::Result<Option<io::Error>> {
        let errno = getsockopt(&self.fd, SocketError)?;
        Ok(if errno == 0 { None } else { Some(io::Error::from_raw_os_error(errno)) })
    }

    pub(super) fn statistics(&self) -> io::Result<Statistics> {
        let kernel: libc::xdp_statistics = self.get(libc::XDP_STATISTICS)?;
        Ok(Statistics {
            rx_dropped: kernel.rx_dropped,
            rx_invalid_descriptors: kernel.rx_invalid_descs,
            rx_ring_full: kernel.rx_ring_full,
            fill_ring_empty: kernel.rx_fill_ring_empty_descs,
        })
    }

    fn mode(&self) -> io::Result<Mode> {
        let options: libc::xdp_options = self.get(libc::XDP_OPTIONS)?;
        Ok(if options.flags & libc::XDP_OPTIONS_ZEROCOPY == 0 { Mode::Copy } else { Mode::ZeroCopy })
    }

    fn bind_best(&self, settings: &Settings, interface: u32) -> io::Result<()> {
        let bind = |flag| self.bind_to(interface, settings.queue, flag | libc::XDP_USE_NEED_WAKEUP, None);
        match settings.bind {
            Bind::ZeroCopy => bind(libc::XDP_ZEROCOPY),
            Bind::Copy => bind(libc::XDP_COPY),
            Bind::Auto => match bind(libc::XDP_ZEROCOPY) {
                // Copy mode would find the queue just as busy; drivers give too many other errors to list them.
                Err(error) if error.raw_os_error() != Some(libc::EBUSY) => bind(libc::XDP_COPY),
                result => result,
            },
        }
    }

    fn bind_to(&self, interface: u32, queue: u32, flags: u16, owner: Option<&Self>) -> io::Result<()> {
        let address = libc::sockaddr_xdp {
            sxdp_family: libc::AF_XDP as u16,
            sxdp_flags: flags,
            sxdp_ifindex: interface,
            sxdp_queue_id: queue,
            sxdp_shared_umem_fd: owner.map_or(0, |owner| owner.fd.as_raw_fd() as u32),
        };
        let len = size_of::<libc::sockaddr_xdp>() as libc::socklen_t;
        // SAFETY: the address lives across the call and is as long as said.
        check(unsafe { libc::bind(self.fd.as_raw_fd(), (&raw const address).cast(), len) })
    }

    /// Has system calls on this socket take frames from the driver themselves, for up to so many microseconds, and has the driver
    /// leave its interrupts alone as long as they do. Linux 5.11, `Documentation/networking/napi.rst`.
    pub(super) fn busy_poll(&self, micros: u32) -> Result<(), Error> {
        /// `SO_PREFER_BUSY_POLL` and `SO_BUSY_POLL_BUDGET` of `include/uapi/asm-generic/socket.h`.
        const PREFER_BUSY_POLL: libc::c_int = 69;
        const BUSY_POLL_BUDGET: libc::c_int = 70;
        let micros = libc::c_int::try_from(micros).unwrap_or(libc::c_int::MAX);
        for (option, value) in
            [(PREFER_BUSY_POLL, 1), (libc::SO_BUSY_POLL, micros), (BUSY_POLL_BUDGET, super::BATCH as libc::c_int)]
        {
            self.set_at(libc::SOL_SOCKET, option, &value)
                .map_err(|error| Error::system(BUSY_POLL, format!("option {option}"), error))?;
        }
        Ok(())
    }

    /// Maps a ring and checks that every part of it lies inside the mapping.
    fn map_ring<E>(
        &self,
        offsets: &libc::xdp_ring_offset,
        descriptors: u32,
        start: libc::off_t,
    ) -> io::Result<(Layout<E>, Mapping)> {
        let len_bytes = offsets.desc as usize + descriptors as usize * size_of::<E>();
        let mapping = Mapping::ring(len_bytes, self.as_fd(), start)?;
        let layout = Layout {
            producer: part(&mapping, offsets.producer, size_of::<u32>())?,
            consumer: part(&mapping, offsets.consumer, size_of::<u32>())?,
            flags: part(&mapping, offsets.flags, size_of::<u32>())?,
            entries: part(&mapping, offsets.desc, descriptors as usize * size_of::<E>())?,
            size: descriptors,
        };
        Ok((layout, mapping))
    }

    fn set<T>(&self, option: libc::c_int, value: &T) -> io::Result<()> {
        self.set_at(libc::SOL_XDP, option, value)
    }

    fn set_at<T>(&self, level: libc::c_int, option: libc::c_int, value: &T) -> io::Result<()> {
        let len = size_of::<T>() as libc::socklen_t;
        // SAFETY: `value` is valid for `len` bytes, which the kernel copies.
        check(unsafe { libc::setsockopt(self.fd.as_raw_fd(), level, option, ptr::from_ref(value).cast(), len) })
    }

    /// `T` is one of the plain structs of integers that the kernel fills for `option`.
    fn get<T: KernelStruct>(&self, option: libc::c_int) -> io::Result<T> {
        let mut value = MaybeUninit::<T>::zeroed();
        let mut len = size_of::<T>() as libc::socklen_t;
        // SAFETY: `value` is valid for writes of `len` bytes, and the kernel writes no more.
        check(unsafe {
            libc::getsockopt(self.fd.as_raw_fd(), libc::SOL_XDP, option, value.as_mut_ptr().cast(), &raw mut len)
        })?;
        // An old kernel fills a shorter struct: its rings have no flags word, which need-wakeup cannot do without.
        if len as usize != size_of::<T>() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "the kernel is older than Linux 5.11"));
        }
        // SAFETY: all fields are integers, zeroed and then written by the kernel.
        Ok(unsafe { value.assume_init() })
    }
}

/// The plain structs of integers that `getsockopt` fills: any bytes are a valid value.
trait KernelStruct {}
impl KernelStruct for libc::xdp_mmap_offsets {}
impl KernelStruct for libc::xdp_options {}
impl KernelStruct for libc::xdp_statistics {}

fn part<T>(mapping: &Mapping, offset_bytes: u64, len_bytes: usize) -> io::Result<NonNull<T>> {
    let offset_bytes = offset_bytes as usize;
    let fits = offset_bytes.checked_add(len_bytes).is_some_and(|end| end <= mapping.len_bytes());
    if !fits || !offset_bytes.is_multiple_of(align_of::<T>()) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's ring offsets lie outside the ring"));
    }
    // SAFETY: the offset was just found to lie inside the mapping.
    Ok(unsafe { mapping.start().add(offset_bytes) }.cast())
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn interface_index(settings: &Settings) -> Result<u32, Error> {
    if_nametoindex(settings.interface.as_str()).map_err(|_| Error::NoSuchInterface(settings.interface.clone()))
}

fn queue_name(settings: &Settings) -> String {
    format!("{} queue {}", settings.interface, settings.queue)
}

/// The rings read and write `Descriptor` and the wake-up flag where the kernel has its own.
const _: () = {
    assert!(size_of::<Descriptor>() == size_of::<libc::xdp_desc>());
    assert!(align_of::<Descriptor>() == align_of::<libc::xdp_desc>());
    assert!(offset_of!(Descriptor, addr) == offset_of!(libc::xdp_desc, addr));
    assert!(offset_of!(Descriptor, len) == offset_of!(libc::xdp_desc, len));
    assert!(offset_of!(Descriptor, options) == offset_of!(libc::xdp_desc, options));
    assert!(super::ring::NEED_WAKEUP == libc::XDP_RING_NEED_WAKEUP);
    assert!(super::umem::CONTINUED == libc::XDP_PKT_CONTD);
};
