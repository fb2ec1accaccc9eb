//! Steering: puts the XDP program on an interface, tells it our addresses, our ports and the front door's rules, gives it the AF_XDP
//! sockets, reads its verdicts and its accounts of exporters.
//!
//! The program hangs on the interface by a BPF link that this process alone holds. Dropping [`Steering`], or the death of the
//! process by whatever signal, closes the link and leaves the interface as it was found; nothing is pinned, so no bpffs is
//! needed. Not here: the sockets themselves and what becomes of their frames.

mod accounts;
mod clock;
mod error;
mod host;
mod interface;
mod minutes;
mod netlink;
mod own;
mod probe;
mod program;
mod promiscuous;
mod rules;

use std::fmt;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use aya::programs::XdpMode;
use aya::programs::links::FdLink;
use netflow::columns::Address;

use crate::front_door::Rules;
use crate::prefix::Prefix;
use host::Host;
use promiscuous::Promiscuous;

pub use collector_ebpf::maps::slot;
pub use collector_ebpf::{Spread, Verdict};
pub use error::Error;
pub use interface::{CAPABILITIES, driver, has_local_senders, interfaces, missing_capabilities, queues, queues_most};
pub use minutes::{Count, ExporterMinute};
pub use own::{Mac, Own, Recipients};
pub use probe::{Probe, probe};
pub use program::{Buffers, Program, Verdicts};

/// How long detaching may take before it is given up.
const DETACH_TIME_MAX: Duration = Duration::from_secs(1);
const DETACH_POLL_TIME: Duration = Duration::from_millis(1);

/// In which mode to attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// Native, and generic where the driver cannot.
    Auto,
    /// Native or not at all.
    Native,
    /// Generic, even where the driver could do better.
    Generic,
}

/// What to attach, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of the interface.
    pub interface: String,
    /// Destination ports that are ours.
    pub ports: Vec<u16>,
    /// Whose datagrams to these ports are taken.
    pub recipients: Recipients,
    /// Mode to attach in.
    pub attach: Attach,
    /// AF_XDP sockets that share one queue, until [`Steering::share_queues`] says otherwise.
    pub sockets_per_queue: u32,
    /// Queues that can have so many sockets, counted from queue 0.
    pub queues: u32,
    /// Which socket of its queue gets a datagram.
    pub spread: Spread,
    /// The longest frame in bytes that fits into the umem; the kernel gets longer ones. Zero sets no bound.
    pub frame_bytes_max: u32,
    /// Who may send, and how fast.
    pub rules: Rules,
    /// Exporters that can have a lasting account, and newcomers that can have one for a while.
    pub exporters: u32,
}

/// Who runs the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The driver, before the kernel makes a packet of the frame.
    Native,
    /// The kernel's network stack, on a packet already made: works everywhere, slower.
    Generic,
}

impl Mode {
    /// The name in metrics and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.label())
    }
}

/// The program on an interface, for as long as this value lives.
#[derive(Debug)]
pub struct Steering {
    /// Taken when this is dropped.
    link: Option<FdLink>,
    interface: String,
    interface_index: u32,
    program: Program,
    mode: Mode,
    native_refused: Option<Error>,
    recipients: Recipients,
    /// None where everybody's datagrams are taken.
    host: Option<Host>,
    /// There where they are.
    _promiscuous: Option<Promiscuous>,
}

impl Steering {
    /// Loads the program and attaches it. The program steers nothing until sockets are registered.
    ///
    /// # Errors
    ///
    /// No such interface, a missing capability, another program on the interface, a driver without native XDP where native
    /// was demanded, a kernel that is too old: each says what to do.
    pub fn attach(settings: &Settings) -> Result<Self, Error> {
        let interface_index = interface::index(&settings.interface)?;
        let mut program = Program::load(settings)?;
        let failed = |source| Error::addresses(&settings.interface, source);
        let (mut host, mut promiscuous) = (None, None);
        match &settings.recipients {
            Recipients::Everybody => {
                program.take_all()?;
                let failed = |source| Error::promiscuous(&settings.interface, source);
                promiscuous = Some(Promiscuous::set(interface_index).map_err(failed)?);
            }
            Recipients::Ours { listen, addresses } => {
                let opened = host.insert(Host::open(interface_index).map_err(failed)?);
                tell_left_out(&settings.interface, program.set_own(&opened.own(*listen, addresses))?);
            }
        }
        let (link, mode, native_refused) = match settings.attach {
            Attach::Native => (link(&mut program, &settings.interface, Mode::Native)?, Mode::Native, None),
            Attach::Generic => (link(&mut program, &settings.interface, Mode::Generic)?, Mode::Generic, None),
            Attach::Auto => match link(&mut program, &settings.interface, Mode::Native) {
                Ok(link) => (link, Mode::Native, None),
                Err(refused @ Error::NoNative { .. }) => {
                    (link(&mut program, &settings.interface, Mode::Generic)?, Mode::Generic, Some(refused))
                }
                Err(error) => return Err(error),
            },
        };
        Ok(Self {
            link: Some(link),
            interface: settings.interface.clone(),
            interface_index,
            program,
            mode,
            native_refused,
            recipients: settings.recipients.clone(),
            host,
            _promiscuous: promiscuous,
        })
    }

    /// The mode in force.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Why the mode is not native, where native was tried.
    #[must_use]
    pub const fn native_refused(&self) -> Option<&Error> {
        self.native_refused.as_ref()
    }

    /// Takes the program off the interface and puts it on again, with all that it knows: a driver may not run it on queues that came
    /// after it (veth). Until then nothing is steered.
    ///
    /// # Errors
    ///
    /// The driver refuses it now; it is off then.
    pub fn attach_again(&mut self) -> Result<(), Error> {
        self.detach();
        self.link = Some(link(&mut self.program, &self.interface, self.mode)?);
        Ok(())
    }

    /// Makes `ports` the set of our ports, effective at once.
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map; ports written before that stay changed.
    pub fn set_ports(&mut self, ports: &[u16]) -> Result<(), Error> {
        self.program.set_ports(ports)
    }

    /// Follows this machine's addresses and the interface's MAC; to be called some times a second. True if they changed. An address that
    /// was added a moment ago has its datagrams from the UDP sockets until then.
    ///
    /// # Errors
    ///
    /// The kernel did not answer, or refused to change a map: what counts as ours stays as it was, and is asked for again later.
    pub fn follow(&mut self) -> Result<bool, Error> {
        let Some(host) = &mut self.host else { return Ok(false) };
        let is_read = host.follow().map_err(|source| Error::addresses(&self.interface, source))?;
        if is_read { self.tell_own() } else { Ok(false) }
    }

    /// Makes `addresses` those that are as good as the machine's own, effective at once.
    ///
    /// # Errors
    ///
    /// The kernel refused to change a map.
    pub fn set_addresses(&mut self, more: &[Prefix]) -> Result<(), Error> {
        if let Recipients::Ours { addresses, .. } = &mut self.recipients {
            *addresses = more.to_vec();
        }
        self.tell_own().map(drop)
    }

    /// The MACs and addresses that count as this machine's; none where everybody's datagrams are taken.
    #[must_use]
    pub fn own(&self) -> Option<&Own> {
        self.host.as_ref().map(|_| self.program.own())
    }

    /// The kernel's number of the interface.
    #[must_use]
    pub const fn interface_index(&self) -> u32 {
        self.interface_index
    }

    /// Has so many sockets share each queue, effective at once: each has another slot then. With zero nothing is steered.
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn share_queues(&mut self, sockets_per_queue: u32) -> Result<(), Error> {
        self.program.share_queues(sockets_per_queue)
    }

    /// Takes the socket out of a slot: what would have gone there is left to the kernel.
    ///
    /// # Errors
    ///
    /// The slot is outside the map.
    pub fn unregister(&mut self, slot: u32) -> Result<(), Error> {
        self.program.unregister(slot)
    }

    /// Puts an AF_XDP socket into a slot, see [`collector_ebpf::maps::slot`]. The kernel empties the slot when the socket closes.
    ///
    /// # Errors
    ///
    /// The slot is outside the map, or `socket` is no AF_XDP socket.
    pub fn register(&mut self, slot: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        self.program.register(slot, socket)
    }

    /// Puts other rules in force, effective for the next datagrams. Exporters that both the old and the new rules allow lose
    /// nothing.
    ///
    /// # Errors
    ///
    /// Too many prefixes or different limits; the kernel refused to change a map, and what was written before that stays changed.
    pub fn set_rules(&mut self, rules: &Rules) -> Result<(), Error> {
        self.program.set_rules(rules)
    }

    /// Follows the system's clock if it was set; to be called once a second. True if it was set.
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn keep_time(&mut self) -> Result<bool, Error> {
        self.program.keep_time()
    }

    /// Gives lasting accounts to exporters whose datagrams made sense: no flood of forged addresses can evict their counts or
    /// refill their token buckets. Returns how many got none, because all are taken by exporters that sent within the hour.
    ///
    /// # Errors
    ///
    /// The kernel refused to read or change a map.
    pub fn admit(&mut self, exporters: &[Address]) -> Result<usize, Error> {
        self.program.admit(exporters)
    }

    /// What became of each exporter's datagrams in the minutes up to and with `up_to_minute` (since 1970, UTC) that are over
    /// and were not handed out before. The sums are exact: what cannot be told apart any more comes under `::`.
    ///
    /// To be called once or twice a minute. Without a call for more than two minutes, counts of a minute come under a later
    /// one. In the first second of a minute, and after the clock was set, nothing is over yet and nothing is handed out. A
    /// clock that is set back makes minutes come again, with what was counted in them then.
    ///
    /// # Errors
    ///
    /// The kernel refused to read a map.
    pub fn exporter_minutes(&mut self, up_to_minute: u32) -> Result<Vec<ExporterMinute>, Error> {
        self.program.exporter_minutes(up_to_minute)
    }

    /// Takes the program off the interface and returns all that [`Steering::exporter_minutes`] did not hand out yet, the
    /// minute in force too. Rings and sockets stay as they are.
    ///
    /// # Errors
    ///
    /// The kernel refused to read a map.
    pub fn last_exporter_minutes(&mut self) -> Result<Vec<ExporterMinute>, Error> {
        self.detach();
        self.program.last_exporter_minutes()
    }

    /// How often each verdict was reached since the program was attached, over all CPUs.
    ///
    /// # Errors
    ///
    /// The kernel refused to read the map.
    pub fn verdicts(&self) -> Result<Verdicts, Error> {
        self.program.verdicts()
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.detach();
    }
}

impl Steering {
    fn tell_own(&mut self) -> Result<bool, Error> {
        let (Some(host), Recipients::Ours { listen, addresses }) = (&self.host, &self.recipients) else {
            return Ok(false);
        };
        let own = host.own(*listen, addresses);
        if own == *self.program.own() {
            return Ok(false);
        }
        tell_left_out(&self.interface, self.program.set_own(&own)?);
        Ok(true)
    }

    /// Detaches, and returns when the program is off the interface.
    ///
    /// A child process between fork and exec holds a copy of the link for a moment; then the kernel detaches when that goes.
    fn detach(&mut self) {
        let Some(link) = self.link.take() else { return };
        let program_id = self.program.id();
        drop(link);
        let give_up = Instant::now() + DETACH_TIME_MAX;
        while program_id.is_some() && netlink::program_id(self.interface_index) == program_id {
            if Instant::now() > give_up {
                tracing::warn!(
                    interface = self.interface,
                    "the XDP program stays attached: another process holds its link"
                );
                return;
            }
            std::thread::sleep(DETACH_POLL_TIME);
        }
    }
}

/// The kernel's number of the interface of this name, if there is one.
#[must_use]
pub fn index(interface: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(interface).ok()
}

/// Says that the machine has more addresses than the program can know: datagrams to the others take the UDP sockets.
fn tell_left_out(interface: &str, left_out: usize) {
    if left_out > 0 {
        tracing::warn!(
            interface,
            left_out,
            "more addresses than the XDP program has room for: UDP sockets take the others'"
        );
    }
}

/// Attaches by a BPF link.
fn link(program: &mut Program, interface: &str, mode: Mode) -> Result<FdLink, Error> {
    let xdp_mode = match mode {
        Mode::Native => XdpMode::Driver,
        Mode::Generic => XdpMode::Skb,
    };
    let xdp = program.xdp_mut();
    let attached = xdp.attach(interface, xdp_mode).and_then(|link| xdp.take_link(link));
    let link = attached.map_err(|error| Error::attaching(interface, mode, &error))?;
    // Without links the kernel would leave the program on the interface when this process dies.
    FdLink::try_from(link).map_err(|_| Error::NoLinks { interface: interface.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steering_may_be_made_on_one_thread_and_dropped_on_another() {
        fn check<T: Send>() {}
        check::<Steering>();
        check::<Error>();
    }
}
