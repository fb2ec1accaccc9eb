//! An interface with its program, and rings for the queues that it has at the moment.
//!
//! How many queues an interface has is known once the program is attached, because drivers change it then (virtio_net gives XDP queues
//! of its own to send by), and may be changed at any time (`ethtool -L`). Rings follow; while they are laid out anew, plain UDP
//! sockets receive.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use crate::config::{self, Bind, Checksum, Spread};
use crate::steering::{self, Mode, Steering, Verdicts};
use crate::worker::checksum::Checks;
use crate::worker::layout;
use crate::worker::rings::{Feed, Ring};
use crate::xsk;

use super::capture::{DoorSettings, Error};

/// After rings could not be opened it is tried again, first after a second, at last after so long.
const PAUSE_MOST: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// One interface with its program.
#[derive(Debug)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// The program and its maps.
    pub(super) steering: Steering,
    /// What programs met that were on this interface before.
    pub(super) before: Verdicts,
    /// The number of the program among all that ever were.
    pub(super) program: u32,
    /// Queues that have rings: the first ones.
    pub(super) queues: u32,
    /// Queues when they were looked at last: the program runs on all of these.
    seen: u32,
    workers: usize,
    sockets_per_queue: u32,
    ring: xsk::Settings,
    checks: Checks,
    busy_poll_us: u32,
    access: &'static str,
    retry: Retry,
}

/// When something that failed is tried again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    pause: Option<Duration>,
    at: Option<Instant>,
}

impl Retry {
    /// Whether it is too early.
    pub(super) fn waits(&self) -> bool {
        self.at.is_some_and(|at| Instant::now() < at)
    }

    /// It failed once more; whether that is worth to be said.
    pub(super) fn failed(&mut self) -> bool {
        let pause = self.pause.map_or(PAUSE_FIRST, |pause| (2 * pause).min(PAUSE_MOST));
        let is_news = self.pause.is_none() || pause == PAUSE_MOST;
        (self.pause, self.at) = (Some(pause), Some(Instant::now() + pause));
        is_news
    }
}

/// A ring and the worker that it is for.
pub(super) type Placed = (usize, Ring);

/// What became of an interface's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// All rings of queues from this one on are not fed any more.
    Fewer { from_queue: u32 },
    /// There are more.
    More,
}

impl Interface {
    /// Attaches the program and opens rings for the queues that the interface has then.
    ///
    /// # Errors
    /// When XDP cannot run here.
    pub(super) fn open(
        settings: &config::Capture,
        door: &DoorSettings,
        name: &str,
        workers: usize,
        program: u32,
    ) -> Result<(Self, Vec<Placed>), Error> {
        let ring = xsk::Settings {
            interface: name.to_owned(),
            queue: 0,
            sockets: 1,
            frame_bytes: settings.frame_bytes,
            frames_per_socket: settings.frames_per_socket,
            ring_descriptors: settings.ring_descriptors,
            bind: match settings.bind {
                Bind::Auto => xsk::Bind::Auto,
                Bind::ZeroCopy => xsk::Bind::ZeroCopy,
                Bind::Copy => xsk::Bind::Copy,
            },
            huge_pages: xsk::HugePages::Auto,
        };
        // With fewer queues than workers there are fewer slots in use than queues and workers together.
        let slots = steering::queues_most(name)?.saturating_add(u32::try_from(workers).unwrap_or(u32::MAX));
        let steering = Steering::attach(&steering::Settings {
            interface: name.to_owned(),
            ports: settings.ports.clone(),
            recipients: settings.recipients(name),
            attach: settings.attach.into(),
            // Nothing is steered until there are rings, which may be more on a queue than one.
            sockets_per_queue: 1,
            queues: slots,
            spread: match settings.spread {
                Spread::ByExporter => steering::Spread::ByExporter,
                Spread::RoundRobin => steering::Spread::RoundRobin,
            },
            frame_bytes_max: ring.largest_frame_bytes(),
            rules: door.rules.clone(),
            exporters: door.exporters,
        })?;
        if let Some(refused) = steering.native_refused() {
            tracing::warn!(interface = name, %refused, "XDP runs in generic mode, which takes more CPU for each datagram");
        }
        let mut interface = Self {
            name: name.to_owned(),
            steering,
            before: Verdicts::default(),
            program,
            queues: 0,
            seen: 0,
            workers,
            sockets_per_queue: 0,
            ring,
            checks: checks(settings.checksum, name),
            busy_poll_us: u32::try_from(settings.busy_poll.as_micros()).unwrap_or(u32::MAX),
            access: "no queue",
            retry: Retry::default(),
        };
        let queues = steering::queues(name)?;
        let rings = interface.fill(queues)?;
        interface.seen = queues;
        Ok((interface, rings))
    }

    /// Whether the interface that the program was attached to is still the one of this name.
    pub(super) fn is_there(&self) -> bool {
        steering::index(&self.name) == Some(self.steering.interface_index())
    }

    /// What the programs on this interface have met.
    pub(super) fn verdicts(&self) -> Result<Verdicts, steering::Error> {
        Ok(self.before.plus(self.steering.verdicts()?))
    }

    /// The mode in force, for a person: `native XDP, copy, 4 queues, 1 socket each`.
    pub(super) fn mode(&self) -> String {
        let Self { queues, sockets_per_queue, access, .. } = self;
        let (s_queues, s_sockets) = (plural(*queues), plural(*sockets_per_queue));
        let mode = self.steering.mode().label();
        format!("{mode} XDP, {access}, {queues} queue{s_queues}, {sockets_per_queue} socket{s_sockets} each")
    }

    /// Follows the number of queues: `give` gets rings for new ones. Queues that went get nothing any more, their rings can go.
    pub(super) fn follow(&mut self, give: impl FnMut(Placed)) -> Change {
        let Ok(queues) = steering::queues(&self.name) else { return Change::None };
        if queues == 0 || (queues == self.queues && queues == self.seen) || self.retry.waits() {
            return Change::None;
        }
        let had = self.queues;
        match self.follow_to(queues, give) {
            Ok(change) => {
                self.retry = Retry::default();
                let (interface, mode) = (&self.name, self.mode());
                tracing::warn!(interface, queues, had, mode, "the interface's queues changed: rings follow");
                change
            }
            Err(error) => {
                if self.retry.failed() {
                    tracing::error!(
                        interface = self.name,
                        queues,
                        with_rings = self.queues,
                        %error,
                        "the interface's queues changed and rings cannot follow: plain UDP sockets receive what comes to the others"
                    );
                }
                Change::None
            }
        }
    }

    fn follow_to(&mut self, mut queues: u32, give: impl FnMut(Placed)) -> Result<Change, Error> {
        if queues > self.seen && self.steering.mode() == Mode::Native {
            self.steering.attach_again()?;
            queues = steering::queues(&self.name)?;
        }
        self.seen = queues;
        if self.queues > 0 && layout::sockets_per_queue(self.workers, queues) != self.sockets_per_queue {
            // Every ring gets another place, so that every worker has some; opened anew at one of the next looks.
            self.shrink(0)?;
            return Ok(Change::Fewer { from_queue: 0 });
        }
        if queues < self.queues {
            self.shrink(queues)?;
            return Ok(Change::Fewer { from_queue: queues });
        }
        self.fill(queues)?.into_iter().for_each(give);
        Ok(Change::More)
    }

    /// Opens rings for the queues up to `queues` that have none. Where that fails, none is added.
    fn fill(&mut self, queues: u32) -> Result<Vec<Placed>, Error> {
        if self.queues == 0 {
            self.sockets_per_queue = layout::sockets_per_queue(self.workers, queues);
            self.ring.sockets = self.sockets_per_queue;
        }
        let mut rings = Vec::new();
        for queue in self.queues..queues {
            for (number, receiver) in (0..).zip(xsk::open(&xsk::Settings { queue, ..self.ring.clone() })?) {
                if self.busy_poll_us > 0 {
                    receiver.busy_poll(self.busy_poll_us)?;
                }
                self.access = receiver.mode().label();
                let slot = steering::slot(queue, self.sockets_per_queue, number);
                rings.push((slot, Ring::new(receiver, Feed { program: self.program, queue }, self.checks)));
            }
        }
        for (slot, ring) in &rings {
            self.steering.register(*slot, ring.as_fd())?;
        }
        self.steering.share_queues(self.sockets_per_queue)?;
        self.queues = queues;
        let workers = self.workers;
        Ok(rings.into_iter().map(|(slot, ring)| (slot as usize % workers, ring)).collect())
    }

    /// Feeds no ring of the queues from `queues` on any more.
    fn shrink(&mut self, queues: u32) -> Result<(), Error> {
        if queues == 0 {
            self.steering.share_queues(0)?;
        }
        for slot in queues * self.sockets_per_queue..self.queues * self.sockets_per_queue {
            self.steering.unregister(slot)?;
        }
        self.queues = queues;
        Ok(())
    }
}

fn checks(checksum: Checksum, interface: &str) -> Checks {
    match checksum {
        Checksum::Verify => Checks::Strict,
        Checksum::Trust => Checks::None,
        Checksum::Auto if steering::has_local_senders(interface) => Checks::OrUnfinished,
        Checksum::Auto => Checks::Strict,
    }
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}
