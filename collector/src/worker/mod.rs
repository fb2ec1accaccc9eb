//! One pinned thread: receive, decode, enrich, batch.
//!
//! A worker owns its rings and sockets, its block and its counters; it shares templates, GeoIP tables and the way to
//! ClickHouse, none of which it ever waits for. Which rings it gets and when it stops is the supervisor's business.

/// How many workers, how many sockets on a queue.
pub mod layout;
/// What the ledger and the directory of exporters want to know of the decoder.
mod noted;
/// Which core a worker runs on.
pub mod pin;
/// What happens to a datagram once a worker has it in hand.
pub mod pipeline;
/// What a worker counts, and how others get to see it.
pub mod tally;

use std::io;
use std::os::fd::AsFd as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::worker::pipeline::Pipeline;
use crate::worker::tally::Shared;
use crate::xsk;
use crate::{front_door, udp};

/// While the rings are busy and the sockets were empty, the sockets are looked at once in this many rounds.
const SOCKET_STRIDE: u32 = 16;
/// By how much the times of frames in one ring may be out of order: the program stamps them on several CPUs.
const DISORDER_MS: i64 = 100;
/// How long an idle worker sleeps at most: blocks age and a stop is noticed within this time.
const IDLE: Duration = Duration::from_millis(50);
/// How often a worker publishes its counters.
const PUBLISH: Duration = Duration::from_millis(250);
/// After a stop is asked for, a worker takes what is queued until nothing comes for one round, but no longer than this.
const DRAIN: Duration = Duration::from_secs(2);

/// Where a worker's datagrams come from.
#[derive(Default)]
pub struct Sources {
    /// AF_XDP sockets.
    pub rings: Vec<xsk::Receiver>,
    /// UDP sockets.
    pub sockets: Vec<udp::Socket>,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    index: usize,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

impl Worker {
    /// Starts worker `index` on `core` (anywhere when `None`).
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        index: usize,
        core: Option<usize>,
        sources: Sources,
        pipeline: Pipeline,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let published = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            if let Some(core) = core
                && let Err(error) = pin::pin_to_core(core)
            {
                tracing::warn!(worker = index, core, %error, "could not pin the worker: it may move between cores");
            }
            let horizons = vec![0; sources.rings.len()];
            let mut work = Loop { sources, pipeline, shared: published, round: 0, horizons };
            let ended = catch_unwind(AssertUnwindSafe(|| work.run(&stop)));
            if let Err(panic) = ended {
                work.give_up();
                resume_unwind(panic);
            }
        })?;
        Ok(Self { index, thread, shared })
    }

    /// Its number, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it counted until lately.
    #[must_use]
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether it has ended: after a stop, or because it panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end; false when it panicked.
    #[must_use]
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}

struct Loop {
    sources: Sources,
    pipeline: Pipeline,
    shared: Arc<Shared>,
    round: u32,
    /// Until when everything was taken out of each ring, milliseconds since 1970.
    horizons: Vec<i64>,
}

impl Loop {
    fn run(&mut self, stop: &AtomicBool) {
        let mut published = Instant::now();
        let mut sockets_ready = true;
        let mut stop_by: Option<Instant> = None;
        loop {
            self.round = self.round.wrapping_add(1);
            let is_stopping = stop.load(Ordering::Relaxed);
            let received_ms = now_ms();
            let now_ns = front_door::now_ns();
            let from_rings = self.take_from_rings(received_ms, now_ns);
            let look_at_sockets = sockets_ready || is_stopping || self.round.is_multiple_of(SOCKET_STRIDE);
            let from_sockets = if look_at_sockets { self.take_from_sockets(received_ms, now_ns) } else { 0 };
            let received = from_rings + from_sockets;
            let now = Instant::now();
            self.pipeline.tick(now, received_ms);
            if now.duration_since(published) >= PUBLISH {
                published = now;
                self.publish();
            }
            if is_stopping {
                let by = *stop_by.get_or_insert(now + DRAIN);
                if received == 0 || now >= by {
                    break;
                }
                continue;
            }
            // Sockets that had something are looked at again, so that busy rings do not starve them.
            sockets_ready = if received == 0 { self.wait() } else { from_sockets > 0 };
        }
        self.pipeline.seal();
        self.publish();
    }

    /// After a panic: says what went with it.
    fn give_up(&mut self) {
        self.pipeline.give_up();
        self.publish();
    }

    fn take_from_rings(&mut self, received_ms: i64, now_ns: u64) -> usize {
        let pipeline = &mut self.pipeline;
        let mut received = 0;
        for (ring, horizon_ms) in self.sources.rings.iter_mut().zip(&mut self.horizons) {
            let mut last_ms = None;
            let taken = ring.receive(|frame, metadata| {
                last_ms = pipeline.frame(frame, metadata, received_ms, now_ns).or(last_ms);
            });
            // A ring is in the order of its times, but for what two CPUs do in the same moment.
            *horizon_ms = if taken == 0 { received_ms } else { last_ms.unwrap_or(*horizon_ms) } - DISORDER_MS;
            received += taken;
        }
        received
    }

    fn take_from_sockets(&mut self, received_ms: i64, now_ns: u64) -> usize {
        let pipeline = &mut self.pipeline;
        let mut received = 0;
        for socket in &mut self.sources.sockets {
            match socket.receive(|source, payload| pipeline.from_socket(source.address, payload, received_ms, now_ns)) {
                Ok(count) => received += count,
                Err(error) => pipeline.tally.socket_error(&error),
            }
        }
        received
    }

    /// Sleeps until a ring or socket has something; true when a socket may.
    fn wait(&self) -> bool {
        let rings = self.sources.rings.iter().map(|ring| PollFd::new(ring.as_fd(), PollFlags::POLLIN));
        let sockets = self.sources.sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<PollFd<'_>> = rings.chain(sockets).collect();
        let timeout = PollTimeout::try_from(IDLE).unwrap_or(PollTimeout::ZERO);
        // A signal ends the sleep early; that is as good as its end.
        let _ = poll(&mut fds, timeout);
        fds.iter().skip(self.sources.rings.len()).any(|fd| fd.any().unwrap_or(true))
    }

    fn publish(&mut self) {
        for ring in &self.sources.rings {
            // Said once: reading the error clears it. The UDP sockets go on, and so do the other interfaces.
            if let Ok(Some(error)) = ring.take_error() {
                tracing::error!(%error, "an interface is gone: restart the collector once it is back");
            }
        }
        self.pipeline.tally.rings = self.sources.rings.iter().map(tally::Ring::of).collect();
        self.pipeline.tally.socket_drops = self.sources.sockets.iter().map(udp::Socket::kernel_drops).sum();
        self.pipeline.tally.socket_truncated = self.sources.sockets.iter().map(udp::Socket::truncated).sum();
        self.shared.publish(&self.pipeline.tally);
        self.pipeline.hand_over(self.horizons.iter().copied().min().unwrap_or(i64::MAX));
    }
}

/// Milliseconds since 1970; 0 before.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
