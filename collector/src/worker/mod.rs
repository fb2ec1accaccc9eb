//! One pinned thread: receive into the journal; decode from it, enrich, batch.
//!
//! A worker owns its rings and sockets, its journal, its block and its counters; it shares templates, GeoIP tables and the way to
//! ClickHouse. It never waits for any of them: when ClickHouse takes no more, decoding stands still and the journal grows. Which
//! rings it gets and when it stops is the supervisor's business.

/// UDP checksums of frames.
pub mod checksum;
/// The gate between journal and decoder.
pub mod gate;
/// What happens when the decoder panics.
mod guard;
/// What happens to a datagram when it is received.
pub mod intake;
/// How many workers, how many sockets on a queue.
pub mod layout;
/// What the ledger and the directory of exporters want to know of the decoder.
mod noted;
/// Which core a worker runs on.
pub mod pin;
/// What happens to a datagram once it is in the journal.
pub mod pipeline;
/// From rings and sockets into the journal.
mod reception;
/// A worker's rings, and how they change while it runs.
pub mod rings;
/// How a worker's journal stands.
pub mod standing;
/// What a worker counts, and how others get to see it.
pub mod tally;

use std::io;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::journal::{Journal, Position, Progress};
use crate::udp;
use crate::utc::{now_ms, now_ns};
use crate::worker::gate::Gate;
use crate::worker::intake::Intake;
use crate::worker::pipeline::{Mode, Pipeline};
use crate::worker::reception::Reception;
use crate::worker::rings::{Exchange, Ring};
use crate::worker::tally::Shared;

/// While the rings are busy and the sockets were empty, the sockets are looked at once in this many rounds.
const SOCKET_STRIDE: u32 = 16;
/// Datagrams that are decoded between two looks at rings and sockets: so few that these do not overflow meanwhile.
const DECODED_MOST: usize = 256;
/// How long an idle worker sleeps at most: blocks age and a stop is noticed within this time.
const IDLE: Duration = Duration::from_millis(50);
/// How long it sleeps at most while datagrams wait in the journal for ClickHouse to take rows.
const HELD_UP: Duration = Duration::from_millis(2);
/// How long a worker sleeps once everything is taken and decoded, before it has the kernel wake it for the next datagram: datagrams
/// that come one by one are taken together then, and cost no system call each.
const NAP: Duration = Duration::from_micros(200);
/// How long it leaves rings and sockets alone while the journal's next file is being made: they hold more than comes meanwhile.
const HELD_BACK: Duration = Duration::from_micros(500);
/// How long segments are given up one after the other before rings and sockets are looked at again.
const GIVE_UP: Duration = Duration::from_millis(10);
/// How often a worker publishes its counters.
const PUBLISH: Duration = Duration::from_millis(250);
/// After a stop is asked for, a worker takes what is queued until nothing comes for one round, but no longer than this.
const DRAIN: Duration = Duration::from_secs(2);

/// Where a worker's datagrams come from.
#[derive(Default)]
pub struct Sources {
    /// AF_XDP sockets.
    pub rings: Vec<Ring>,
    /// UDP sockets.
    pub sockets: Vec<udp::Socket>,
}

/// The parts of a worker.
pub struct Parts {
    /// Its rings and sockets.
    pub sources: Sources,
    /// What takes datagrams from them,
    pub intake: Intake,
    /// and where they are kept.
    pub journal: Journal,
    /// How long after the last datagram rings are asked for more before the worker sleeps.
    pub busy_poll: Duration,
}

/// Stops workers in two steps: first what they have received is decoded, while they go on receiving into their journals; then they
/// receive no more. What came in between is decoded after the next start.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<Asked>);

#[derive(Debug, Default)]
struct Asked {
    decoding_ends: OnceLock<Instant>,
    receiving_ends: AtomicBool,
}

impl Stop {
    /// Asks all workers to decode what they have, until `by` at the latest, and nothing that comes later.
    pub fn end_decoding(&self, by: Instant) {
        // Asked once.
        let _ = self.0.decoding_ends.set(by);
    }

    /// Asks all workers to take what is queued, and to end.
    pub fn end_receiving(&self) {
        self.0.receiving_ends.store(true, Ordering::Release);
    }

    fn decoding_ends(&self) -> Option<Instant> {
        self.0.decoding_ends.get().copied()
    }

    fn is_over(&self) -> bool {
        self.0.receiving_ends.load(Ordering::Acquire)
    }
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    index: usize,
    thread: JoinHandle<Journal>,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    decoded: Arc<OnceLock<Option<Position>>>,
    rings: Arc<Exchange>,
}

impl Worker {
    /// Starts worker `index` on `core` (anywhere when `None`). It receives at once, and decodes when its gate is opened.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(index: usize, core: Option<usize>, parts: Parts, stop: Stop) -> io::Result<Self> {
        let (shared, gate, rings) = (Arc::new(Shared::default()), Arc::new(Gate::default()), Arc::default());
        let (published, watched, exchange) = (Arc::clone(&shared), Arc::clone(&gate), Arc::clone(&rings));
        let decoded = Arc::<OnceLock<Option<Position>>>::default();
        let told = Arc::clone(&decoded);
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            if let Some(core) = core
                && let Err(error) = pin::pin_to_core(core)
            {
                tracing::warn!(worker = index, core, %error, "could not pin the worker: it may move between cores");
            }
            let Parts { sources, intake, journal, busy_poll } = parts;
            let progress = journal.progress();
            let work = Loop {
                reception: Reception { sources, intake, journal, is_held_back: false },
                progress,
                pipeline: None,
                busy_poll,
                shared: published,
                gate: watched,
                decoded: told,
                decoding_to: None,
                exchange,
                gone: tally::Ring::default(),
                is_decoding: false,
                has_received: false,
                sockets_were_busy: false,
                round: 0,
            };
            work.run(&stop)
        })?;
        Ok(Self { index, thread, shared, gate, decoded, rings })
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

    /// The gate between its journal and its decoder.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Once decoding has ended after [`Stop::end_decoding`]: everything before this is decoded and handed on; nothing inside if the
    /// worker never decoded.
    #[must_use]
    pub fn decoded(&self) -> Option<Option<Position>> {
        self.decoded.get().copied()
    }

    /// Where it gets rings and lets them go.
    #[must_use]
    pub fn rings(&self) -> &Arc<Exchange> {
        &self.rings
    }

    /// Whether it has ended: after a stop, or because it panicked.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end and gives its journal; nothing when it panicked.
    #[must_use]
    pub fn join(self) -> Option<Journal> {
        self.thread.join().ok()
    }
}

struct Loop {
    reception: Reception,
    progress: Progress,
    /// What makes rows of datagrams, once the gate was open.
    pipeline: Option<Box<Pipeline>>,
    busy_poll: Duration,
    shared: Arc<Shared>,
    gate: Arc<Gate>,
    /// Set when decoding has ended.
    decoded: Arc<OnceLock<Option<Position>>>,
    /// Up to where is decoded before decoding ends, once that is asked for.
    decoding_to: Option<Position>,
    exchange: Arc<Exchange>,
    /// What the rings have counted that went.
    gone: tally::Ring,
    /// Whether the gate was open in the last round.
    is_decoding: bool,
    /// Whether anything was received since the worker slept last, and by sockets.
    has_received: bool,
    sockets_were_busy: bool,
    round: u32,
}

impl Loop {
    fn run(mut self, stop: &Stop) -> Journal {
        let mut published = Instant::now();
        let (mut sockets_ready, mut last_received) = (true, published);
        let mut drained_by: Option<Instant> = None;
        loop {
            self.round = self.round.wrapping_add(1);
            let is_stopping = stop.is_over();
            self.reception.is_held_back = false;
            let from_rings = self.reception.take_from_rings(now_ns());
            let look_at_sockets = sockets_ready || is_stopping || self.round.is_multiple_of(SOCKET_STRIDE);
            let from_sockets = if look_at_sockets { self.reception.take_from_sockets() } else { 0 };
            let received = from_rings + from_sockets;
            self.has_received |= received > 0;
            self.sockets_were_busy |= from_sockets > 0;
            let decoded = self.decode();
            let now = Instant::now();
            self.end_decoding(stop, now);
            if now.duration_since(published) >= PUBLISH {
                published = now;
                self.publish();
            }
            if is_stopping {
                let by = *drained_by.get_or_insert(now + DRAIN);
                if (received == 0 && !self.reception.is_held_back) || now >= by {
                    break;
                }
                if received == 0 {
                    std::thread::sleep(HELD_BACK);
                }
                continue;
            }
            if received > 0 {
                last_received = now;
            }
            if received + decoded == 0
                && !self.reception.is_held_back
                && !self.reception.sources.rings.is_empty()
                && now.duration_since(last_received) < self.busy_poll
            {
                self.reception.sources.rings.iter_mut().for_each(|ring| ring.receiver.poll_driver());
                continue;
            }
            // Sockets that had something are looked at again, so that busy rings do not starve them.
            sockets_ready = if received + decoded == 0 { self.wait() } else { from_sockets > 0 };
        }
        self.publish();
        self.reception.journal
    }

    /// Ends decoding where that is asked for: once everything is decoded that had been received by then, or time is up.
    fn end_decoding(&mut self, stop: &Stop, now: Instant) {
        let Some(by) = stop.decoding_ends().filter(|_| self.decoded.get().is_none()) else { return };
        let Self { reception, pipeline, .. } = self;
        let to = *self.decoding_to.get_or_insert_with(|| reception.journal.tip());
        let is_through = pipeline.as_ref().is_some_and(|pipeline| pipeline.position() >= to);
        if !is_through && now < by {
            return;
        }
        // A range that cannot be written down was not handed on: it is decoded again after the next start.
        let position = pipeline.as_mut().map(|pipeline| {
            let _ = pipeline.seal();
            self.progress.begun()
        });
        self.publish();
        // Told once.
        let _ = self.decoded.set(position);
    }

    /// Decodes some of what is in the journal, if the gate is open; how many datagrams.
    fn decode(&mut self) -> usize {
        if self.decoded.get().is_some() {
            return 0;
        }
        if !self.gate.is_open() {
            self.stand_at_gate();
            return 0;
        }
        if !self.is_decoding {
            self.is_decoding = true;
            if let Some((from, mut pipeline)) = self.gate.take_begin() {
                pipeline.go_to(from, Mode::News);
                self.pipeline = Some(pipeline);
            }
        }
        let Self { reception, pipeline, .. } = self;
        let Some(pipeline) = pipeline else { return 0 };
        let decoded = pipeline.decode(&reception.journal, DECODED_MOST);
        // Many rows take longer to seal than a ring holds datagrams.
        pipeline.tick(Instant::now(), &mut || {
            reception.take_from_rings(now_ns());
        });
        decoded
    }

    /// Hands on what is decoded, and says where that ends.
    fn stand_at_gate(&mut self) {
        let Some(pipeline) = self.pipeline.as_mut().filter(|_| self.is_decoding) else { return };
        if pipeline.seal() {
            self.is_decoding = false;
            self.gate.stand_at(pipeline.position());
        }
    }

    /// Everything before it is decoded.
    fn position(&self) -> Position {
        self.pipeline.as_ref().map_or_else(|| self.progress.begun(), |pipeline| pipeline.position())
    }

    /// Gives up the oldest of what waits where there is more than may be, or the disk has no room for more.
    fn keep_within_budget(&mut self) {
        let decoded = self.position();
        let Reception { journal, intake, .. } = &mut self.reception;
        journal.tend(now_ns());
        let (before, bytes_before) = (intake.tally.journal.given_up, intake.tally.journal.given_up_bytes);
        let begun = Instant::now();
        while journal.give_up_oldest(decoded, |entry| intake.give_up(entry)).is_some() && begun.elapsed() < GIVE_UP {}
        if intake.tally.journal.given_up > before {
            let standing = &intake.tally.journal;
            tracing::error!(
                datagrams = standing.given_up - before,
                bytes = standing.given_up_bytes - bytes_before,
                "the oldest datagrams that waited in the journal are lost: more wait than the budget or the disk allow"
            );
        }
    }

    /// Sleeps until a ring or socket has something; true when a socket may.
    fn wait(&mut self) -> bool {
        if self.reception.is_held_back {
            // They would end the sleep at once, and the thread that makes the file may need the processor.
            std::thread::sleep(HELD_BACK);
            return true;
        }
        if std::mem::take(&mut self.has_received) {
            std::thread::sleep(NAP);
            return std::mem::take(&mut self.sockets_were_busy);
        }
        let rings =
            self.reception.sources.rings.iter().map(|ring| PollFd::new(ring.receiver.as_fd(), PollFlags::POLLIN));
        let sockets =
            self.reception.sources.sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN));
        let mut fds: Vec<PollFd<'_>> = rings.chain(sockets).collect();
        let is_decoding = self.is_decoding && self.decoded.get().is_none();
        let is_held_up = is_decoding && self.reception.journal.tip() > self.position();
        let timeout = if is_held_up { HELD_UP } else { IDLE };
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::ZERO);
        // A signal ends the sleep early; that is as good as its end.
        let _ = poll(&mut fds, timeout);
        fds.iter().skip(self.reception.sources.rings.len()).any(|fd| fd.any().unwrap_or(true))
    }

    fn publish(&mut self) {
        self.keep_within_budget();
        let position = self.position();
        let Self { reception, progress, pipeline, exchange, gone, .. } = self;
        let Reception { sources, intake, journal, .. } = reception;
        rings::follow(&mut sources.rings, exchange, gone);
        let horizon_ms = sources.rings.iter().map(|ring| ring.horizon_ms).min().unwrap_or(i64::MAX);
        let tally = &mut intake.tally;
        let counted = sources.rings.iter().map(tally::Ring::of);
        tally.rings = std::iter::once(*gone).chain(counted).collect();
        tally.socket_drops = sources.sockets.iter().map(udp::Socket::kernel_drops).sum();
        tally.socket_truncated = sources.sockets.iter().map(udp::Socket::truncated).sum();
        if let Some(pipeline) = pipeline {
            tally.decoded.clone_from(&pipeline.counts);
        }
        tally.journal.read(journal, progress, position);
        self.shared.publish(tally);
        intake.hand_over(horizon_ms, now_ms());
    }
}
