//! What a worker counts, and how others get to see it.
//!
//! The worker counts in plain integers of its own and publishes a copy a few times a second, so that counting costs the hot
//! path nothing but an addition.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use netflow::report::Class;
use nix::errno::Errno;

use crate::front_door::Refusal;
use crate::ledger::RingDrops;
use crate::metrics::Exposition;
use crate::worker::checksum::Fault;
use crate::worker::pipeline::Counts;
use crate::worker::standing::Standing;
use crate::xsk;

/// By which way a datagram came to the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// An AF_XDP ring.
    Xdp,
    /// A UDP socket.
    Udp,
}

impl Path {
    /// All ways.
    pub const ALL: [Self; 2] = [Self::Xdp, Self::Udp];

    /// The way as a metric's label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Xdp => "xdp",
            Self::Udp => "udp",
        }
    }
}

/// One AF_XDP socket's counters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ring {
    /// The kernel's count.
    pub kernel: xsk::Statistics,
    /// Our own.
    pub ours: xsk::Counters,
}

impl Ring {
    /// Adds the counters of another socket.
    pub fn merge(&mut self, other: &Self) {
        for (sum, count) in [
            (&mut self.ours.frames, other.ours.frames),
            (&mut self.ours.bytes, other.ours.bytes),
            (&mut self.ours.wakeups, other.ours.wakeups),
            (&mut self.ours.wakeups_failed, other.ours.wakeups_failed),
            (&mut self.ours.polls, other.ours.polls),
            (&mut self.ours.outside_umem, other.ours.outside_umem),
            (&mut self.ours.crosses_frame, other.ours.crosses_frame),
            (&mut self.ours.continued, other.ours.continued),
            (&mut self.ours.not_returned, other.ours.not_returned),
            (&mut self.kernel.rx_dropped, other.kernel.rx_dropped),
            (&mut self.kernel.rx_ring_full, other.kernel.rx_ring_full),
            (&mut self.kernel.rx_invalid_descriptors, other.kernel.rx_invalid_descriptors),
        ] {
            *sum += count;
        }
        // Sockets of one queue share its fill ring and report the same number.
        self.kernel.fill_ring_empty = self.kernel.fill_ring_empty.max(other.kernel.fill_ring_empty);
    }

    /// The counters of `ring` now.
    #[must_use]
    pub fn of(ring: &super::rings::Ring) -> Self {
        let receiver = &ring.receiver;
        Self { kernel: receiver.statistics().unwrap_or_default(), ours: receiver.counters() }
    }
}

/// A worker's counts since it started.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Datagrams by [`Path`].
    datagrams: [u64; 2],
    /// Payload bytes by [`Path`].
    bytes: [u64; 2],
    /// Datagrams and payload bytes that the front door refused, by [`Path`] and [`Refusal`].
    refused: [[(u64, u64); 2]; 2],
    /// Frames that came over a ring without the time of their receipt: the driver has no room for it. The worker's clock was
    /// taken.
    pub frames_without_time: u64,
    /// Frames that came over a ring but hold no datagram, by reason.
    frames_not_ours: BTreeMap<&'static str, u64>,
    /// Datagrams that came over a ring and were refused for their UDP checksum, by [`Fault`].
    bad_checksums: [u64; Fault::ALL.len()],
    /// Failed receive calls, by the kernel's reason.
    socket_errors: BTreeMap<&'static str, u64>,
    /// Datagrams that the kernel dropped because a socket's buffer was full.
    pub socket_drops: u64,
    /// Datagrams longer than the receive buffer.
    pub socket_truncated: u64,
    /// What decoding counted.
    pub decoded: Counts,
    /// The worker's journal.
    pub journal: Standing,
    /// Per AF_XDP socket.
    pub rings: Vec<Ring>,
}

impl Tally {
    /// Counts one datagram of `bytes` payload.
    pub fn datagram(&mut self, path: Path, bytes: usize) {
        self.datagrams[path as usize] += 1;
        self.bytes[path as usize] += bytes as u64;
    }

    /// Counts a datagram of `bytes` payload that the front door refused.
    pub fn refused(&mut self, path: Path, refusal: Refusal, bytes: usize) {
        let (datagrams, sum) = &mut self.refused[path as usize][refusal as usize];
        *datagrams += 1;
        *sum += bytes as u64;
    }

    /// Datagrams by all ways.
    #[must_use]
    pub fn datagrams(&self) -> u64 {
        self.datagrams.iter().sum()
    }

    /// What the rings have lost, as the kernel counts it.
    #[must_use]
    pub fn ring_drops(&self) -> RingDrops {
        RingDrops {
            ring_full: self.rings.iter().map(|ring| ring.kernel.rx_ring_full).sum(),
            fill_ring_empty: self.rings.iter().map(|ring| ring.kernel.rx_dropped).sum(),
        }
    }

    /// Counts a frame that holds no datagram.
    pub fn frame_not_ours(&mut self, reason: &'static str) {
        *self.frames_not_ours.entry(reason).or_default() += 1;
    }

    /// Counts a datagram that is refused for its checksum.
    pub fn bad_checksum(&mut self, fault: Fault) {
        self.bad_checksums[fault as usize] += 1;
    }

    /// Datagrams refused for their checksum.
    #[must_use]
    pub fn bad_checksums(&self) -> u64 {
        self.bad_checksums.iter().sum()
    }

    /// Counts a failed receive call.
    pub fn socket_error(&mut self, error: &io::Error) {
        let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
        *self.socket_errors.entry(errno.desc()).or_default() += 1;
    }

    /// Adds a worker's counts to these, for sums over workers.
    pub fn merge(&mut self, other: &Self) {
        for path in 0..Path::ALL.len() {
            self.datagrams[path] += other.datagrams[path];
            self.bytes[path] += other.bytes[path];
            for (sum, count) in self.refused[path].iter_mut().zip(&other.refused[path]) {
                sum.0 += count.0;
                sum.1 += count.1;
            }
        }
        for (sum, count) in self.bad_checksums.iter_mut().zip(other.bad_checksums) {
            *sum += count;
        }
        for (reason, count) in &other.frames_not_ours {
            *self.frames_not_ours.entry(reason).or_default() += count;
        }
        for (reason, count) in &other.socket_errors {
            *self.socket_errors.entry(reason).or_default() += count;
        }
        self.frames_without_time += other.frames_without_time;
        self.socket_drops += other.socket_drops;
        self.socket_truncated += other.socket_truncated;
        self.decoded.blocks += other.decoded.blocks;
        self.decoded.report.merge(&other.decoded.report);
        self.decoded.rollups.merge(&other.decoded.rollups);
        self.rings.extend_from_slice(&other.rings);
    }
}

/// The last published copy of a worker's [`Tally`].
#[derive(Debug, Default)]
pub struct Shared(Mutex<Tally>);

impl Shared {
    /// Makes a copy of `tally` visible.
    pub fn publish(&self, tally: &Tally) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone_from(tally);
    }

    /// The copy published last.
    #[must_use]
    pub fn read(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Tally {
    /// Writes a worker's counters; `worker` is its number.
    pub fn write(&self, out: &mut Exposition, worker: &str) {
        for path in Path::ALL {
            let labels = [("worker", worker), ("path", path.label())];
            let index = path as usize;
            out.counter(
                "collector_datagrams_total",
                "Datagrams that reached a worker.",
                &labels,
                self.datagrams[index],
            );
            out.counter(
                "collector_datagram_bytes_total",
                "Payload bytes of these datagrams.",
                &labels,
                self.bytes[index],
            );
        }
        for refusal in Refusal::ALL {
            // What the XDP program refuses is in its verdicts: no worker sees it.
            let labels = [("worker", worker), ("path", Path::Udp.label()), ("reason", refusal.label())];
            let (datagrams, bytes) = self.refused[Path::Udp as usize][refusal as usize];
            let help = "Datagrams that the front door refused.";
            out.counter("collector_refused_total", help, &labels, datagrams);
            let help = "Payload bytes of the datagrams that the front door refused.";
            out.counter("collector_refused_bytes_total", help, &labels, bytes);
        }
        for fault in Fault::ALL {
            let labels = [("worker", worker), ("reason", fault.label())];
            let help = "Datagrams from a ring that were refused for their UDP checksum: wrong, or missing over IPv6.";
            out.counter("collector_bad_checksum_total", help, &labels, self.bad_checksums[fault as usize]);
        }
        for (reason, count) in &self.frames_not_ours {
            let labels = [("worker", worker), ("reason", *reason)];
            out.counter(
                "collector_frames_without_datagram_total",
                "Frames from a ring that hold no datagram.",
                &labels,
                *count,
            );
        }
        for (reason, count) in &self.socket_errors {
            let labels = [("worker", worker), ("reason", *reason)];
            out.counter("collector_socket_errors_total", "Failed receive calls.", &labels, *count);
        }
        let worker_only = [("worker", worker)];
        out.counter(
            "collector_socket_drops_total",
            "Datagrams the kernel dropped because the UDP socket's buffer was full (SO_RXQ_OVFL).",
            &worker_only,
            self.socket_drops,
        );
        out.counter(
            "collector_socket_truncated_total",
            "Datagrams longer than the receive buffer.",
            &worker_only,
            self.socket_truncated,
        );
        out.counter("collector_blocks_total", "Blocks handed on to the sink.", &worker_only, self.decoded.blocks);
        self.decoded.rollups.write(out, worker);
        self.journal.write(out, &self.decoded, worker);
        self.write_report(out, worker);
        self.write_rings(out, worker);
    }

    fn write_report(&self, out: &mut Exposition, worker: &str) {
        for (event, count) in self.decoded.report.iter() {
            let (name, help) = match event.class() {
                Class::Ordinary => ("collector_decoded_total", "What decoding gave."),
                Class::Noted => ("collector_noted_total", "What was decoded although something about it was wrong."),
                Class::Unused => ("collector_unused_total", "Well-formed parts of datagrams that could not be used."),
                Class::Unopened => {
                    ("collector_unopened_total", "Sampled packets whose row is of less than what they carry, by why.")
                }
                Class::Malformed => {
                    ("collector_malformed_total", "Parts of datagrams given up because they are malformed.")
                }
            };
            out.counter(name, help, &[("worker", worker), ("event", event.label())], count);
        }
    }

    fn write_rings(&self, out: &mut Exposition, worker: &str) {
        let mut sum = Ring::default();
        self.rings.iter().for_each(|ring| sum.merge(ring));
        for (name, help, count) in [
            ("frames_total", "Frames lent by the rings.", sum.ours.frames),
            (
                "frames_without_time_total",
                "Frames without the program's time of receipt, for want of room in front of them.",
                self.frames_without_time,
            ),
            ("wakeups_total", "System calls made because the kernel asked for one.", sum.ours.wakeups),
            ("polls_total", "System calls that took frames from the driver in the place of sleeping.", sum.ours.polls),
            ("bad_descriptors_total", "Descriptors that point outside a frame.", sum.ours.bad_descriptors()),
            ("frames_not_returned_total", "Frames the fill ring had no room for.", sum.ours.not_returned),
            (
                "dropped_total",
                "Frames the kernel dropped: too long, or no frame in the fill ring.",
                sum.kernel.rx_dropped,
            ),
            ("ring_full_total", "Frames the kernel dropped because the worker was too slow.", sum.kernel.rx_ring_full),
            (
                "refused_descriptors_total",
                "Our descriptors that the kernel refused.",
                sum.kernel.rx_invalid_descriptors,
            ),
        ] {
            out.counter(&format!("collector_ring_{name}"), help, &[("worker", worker)], count);
        }
        let fill_ring_empty = sum.kernel.fill_ring_empty;
        let help = "How often the kernel found the fill ring empty, the worst of the worker's queues.";
        out.counter("collector_ring_fill_empty_total", help, &[("worker", worker)], fill_ring_empty);
    }
}
