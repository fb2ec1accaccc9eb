//! The program in the kernel and its maps, not yet on any interface.
//!
//! Apart from [`super::Steering`] so that the steering table can be tested on frames in memory.

use std::fmt;
use std::os::fd::BorrowedFd;

use aya::maps::{Array, Map, MapData, MapError, PerCpuArray, XskMap};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use collector_ebpf::maps::{self, ConfigWords, PORT_WORDS, port_bit, port_word};
use collector_ebpf::{Config, Verdict};
use netflow::columns::Address;

use super::accounts::{Accounts, Over};
use super::clock::Clockwork;
use super::minutes::ExporterMinute;
use super::own::{Own, OwnMaps};
use super::rules::RuleMaps;
use super::{Error, Settings, interface};
use crate::front_door::{Rules, now_ns};

/// The compiled program, made by `cargo xtask ebpf`.
static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/../collector-ebpf/steer.bpf.o"));

/// Which frames the driver may hand to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buffers {
    /// Frames in one buffer: drivers then refuse native mode to interfaces with jumbo frames.
    One,
    /// Frames in several buffers too, which stay with the kernel. Linux 5.18 and later.
    Several,
}

impl Buffers {
    const fn program(self) -> &'static str {
        match self {
            Self::One => maps::PROGRAM,
            Self::Several => maps::PROGRAM_FRAGS,
        }
    }
}

/// The loaded program. Dropping it unloads it, unless it hangs on an interface.
pub struct Program {
    /// Keeps the program and the maps that only the program writes.
    ebpf: Ebpf,
    buffers: Buffers,
    ports: Array<MapData, u64>,
    /// What `ports` holds, so that only words that differ are written.
    port_words: Box<[u64]>,
    sockets: XskMap<MapData>,
    config: Config,
    configuration: Array<MapData, ConfigWords>,
    verdicts: PerCpuArray<MapData, u64>,
    /// What changes while the program runs: its clock, and the rules' generation.
    settings: Array<MapData, u64>,
    clockwork: Clockwork,
    rules: RuleMaps,
    own: OwnMaps,
    accounts: Accounts,
}

impl Program {
    /// Loads the program, with the ports, the spread and room for the sockets of `settings`: for frames in several buffers
    /// where the kernel has those, else for frames in one. Nothing is addressed to this machine until [`Program::set_own`] or
    /// [`Program::take_all`] is called.
    ///
    /// # Errors
    ///
    /// A missing capability, a kernel that rejects the program, no memory for the maps.
    pub fn load(settings: &Settings) -> Result<Self, Error> {
        let why_several = match Self::load_for(settings, Buffers::Several) {
            Err(Error::Rejected { reason }) => reason,
            outcome => return outcome,
        };
        match Self::load_for(settings, Buffers::One) {
            Err(Error::Rejected { reason }) => {
                Err(Error::both_rejected([(Buffers::Several.program(), why_several), (Buffers::One.program(), reason)]))
            }
            outcome => outcome,
        }
    }

    /// Loads the program for such frames and no others.
    ///
    /// # Errors
    ///
    /// As for [`Program::load`].
    pub fn load_for(settings: &Settings, buffers: Buffers) -> Result<Self, Error> {
        let Some(slots @ 1..) = settings.queues.checked_mul(settings.sockets_per_queue) else {
            return Err(Error::NoSlots { queues: settings.queues, sockets_per_queue: settings.sockets_per_queue });
        };
        interface::lift_locked_memory_limit();
        let mut ebpf = EbpfLoader::new()
            .map_max_entries(maps::SOCKETS, slots)
            .map_max_entries(maps::KNOWN, settings.exporters.max(1))
            .map_max_entries(maps::NEWCOMERS, settings.exporters.max(1))
            .load(OBJECT)
            .map_err(|error| Error::loading(&error))?;
        xdp_of(&mut ebpf, buffers).load().map_err(|error| Error::loading(&error.into()))?;

        let config = Config {
            sockets_per_queue: settings.sockets_per_queue,
            spread: settings.spread,
            frame_bytes_max: settings.frame_bytes_max,
        };
        let mut configuration: Array<_, ConfigWords> = taken(&mut ebpf, maps::CONFIG)?;
        configuration.set(0, config.to_words(), 0).map_err(|error| Error::map(maps::CONFIG, error))?;
        let mut run_time_settings = taken(&mut ebpf, maps::SETTINGS)?;
        let clockwork = Clockwork::start(&mut run_time_settings)?;
        let accounts =
            [taken(&mut ebpf, maps::KNOWN)?, taken(&mut ebpf, maps::NEWCOMERS)?, taken(&mut ebpf, maps::REFUSED)?];
        let mut program = Self {
            buffers,
            ports: taken(&mut ebpf, maps::PORTS)?,
            port_words: vec![0; PORT_WORDS as usize].into_boxed_slice(),
            sockets: taken(&mut ebpf, maps::SOCKETS)?,
            config,
            configuration,
            verdicts: taken(&mut ebpf, maps::VERDICTS)?,
            settings: run_time_settings,
            clockwork,
            rules: RuleMaps::new(taken(&mut ebpf, maps::PREFIXES)?, taken(&mut ebpf, maps::LIMITS)?),
            own: OwnMaps::new(
                taken(&mut ebpf, maps::OWN)?,
                taken(&mut ebpf, maps::ADDRESSES)?,
                taken(&mut ebpf, maps::NETWORKS)?,
                taken(&mut ebpf, maps::MACS)?,
            ),
            accounts: Accounts::new(accounts, taken(&mut ebpf, maps::SUMS)?, settings.exporters.max(1) as usize),
            ebpf,
        };
        program.set_rules(&settings.rules)?;
        program.set_ports(&settings.ports)?;
        Ok(program)
    }

    /// See [`super::Steering::set_ports`].
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn set_ports(&mut self, ports: &[u16]) -> Result<(), Error> {
        let mut wanted = vec![0_u64; PORT_WORDS as usize];
        for &port in ports {
            wanted[port_word(port) as usize] |= port_bit(port);
        }
        for ((index, held), wanted) in (0..).zip(&mut self.port_words).zip(wanted) {
            if *held == wanted {
                continue;
            }
            self.ports.set(index, wanted, 0).map_err(|error| Error::map(maps::PORTS, error))?;
            *held = wanted;
        }
        Ok(())
    }

    /// See [`super::Steering::register`].
    ///
    /// # Errors
    ///
    /// The slot is outside the map, or `socket` is no AF_XDP socket.
    pub fn register(&mut self, slot: u32, socket: BorrowedFd<'_>) -> Result<(), Error> {
        self.sockets.set(slot, socket, 0).map_err(|error| Error::registering(slot, self.sockets.len(), error))
    }

    /// See [`super::Steering::unregister`].
    ///
    /// # Errors
    ///
    /// The slot is outside the map.
    pub fn unregister(&mut self, slot: u32) -> Result<(), Error> {
        match self.sockets.unset(slot) {
            // The kernel empties a slot when its socket closes.
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(error) => Err(Error::registering(slot, self.sockets.len(), error)),
        }
    }

    /// See [`super::Steering::share_queues`].
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn share_queues(&mut self, sockets_per_queue: u32) -> Result<(), Error> {
        let config = Config { sockets_per_queue, ..self.config };
        self.configuration.set(0, config.to_words(), 0).map_err(|error| Error::map(maps::CONFIG, error))?;
        self.config = config;
        Ok(())
    }

    /// See [`super::Steering::verdicts`].
    ///
    /// # Errors
    ///
    /// The kernel refused to read the map.
    pub fn verdicts(&self) -> Result<Verdicts, Error> {
        let mut verdicts = Verdicts::default();
        for (verdict, sum) in Verdict::ALL.into_iter().zip(&mut verdicts.0) {
            let counts = self.verdicts.get(&verdict.index(), 0).map_err(|error| Error::map(maps::VERDICTS, error))?;
            *sum = counts.iter().sum();
        }
        Ok(verdicts)
    }

    /// See [`super::Steering::set_rules`].
    ///
    /// # Errors
    ///
    /// Too many prefixes or limits, or the kernel refused to change a map.
    pub fn set_rules(&mut self, rules: &Rules) -> Result<(), Error> {
        self.rules.replace(&mut self.settings, rules)
    }

    /// Has the program take what is addressed to `own`, effective at once; returns how many MACs, addresses and networks the maps have no
    /// room for.
    ///
    /// # Errors
    ///
    /// The kernel refused to change a map.
    pub fn set_own(&mut self, own: &Own) -> Result<usize, Error> {
        if self.own.held() == own {
            return Ok(0);
        }
        self.own.replace(own)
    }

    /// Has the program take datagrams whoever they are addressed to.
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn take_all(&mut self) -> Result<(), Error> {
        self.own.take_all()
    }

    /// What counts as addressed to this machine.
    #[must_use]
    pub fn own(&self) -> &Own {
        self.own.held()
    }

    /// See [`super::Steering::keep_time`].
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn keep_time(&mut self) -> Result<bool, Error> {
        self.clockwork.keep(&mut self.settings)
    }

    /// Makes the program's clock say `wall_ns` (nanoseconds since 1970, UTC) now, until [`Program::keep_time`] is called.
    ///
    /// # Errors
    ///
    /// The kernel refused to change the map.
    pub fn set_time(&mut self, wall_ns: u64) -> Result<(), Error> {
        self.clockwork.set_to(&mut self.settings, wall_ns)
    }

    /// See [`super::Steering::admit`].
    ///
    /// # Errors
    ///
    /// The kernel refused to read or change a map.
    pub fn admit(&mut self, exporters: &[Address]) -> Result<usize, Error> {
        self.accounts.admit(exporters, now_ns(), self.clockwork.present().minute)
    }

    /// See [`super::Steering::exporter_minutes`].
    ///
    /// # Errors
    ///
    /// The kernel refused to read a map.
    pub fn exporter_minutes(&mut self, up_to_minute: u32) -> Result<Vec<ExporterMinute>, Error> {
        let present = self.clockwork.present();
        if !present.is_settled {
            return Ok(Vec::new());
        }
        self.accounts.minutes(Over::UpTo { minute: u64::from(up_to_minute), present: present.minute })
    }

    /// See [`super::Steering::last_exporter_minutes`]. The program must not run any more.
    ///
    /// # Errors
    ///
    /// The kernel refused to read a map.
    pub fn last_exporter_minutes(&mut self) -> Result<Vec<ExporterMinute>, Error> {
        self.accounts.minutes(Over::All)
    }

    /// The kernel's number of the program.
    pub(super) fn id(&mut self) -> Option<u32> {
        self.xdp_mut().info().ok().map(|info| info.id())
    }

    /// The program as the kernel knows it: to attach it, or to run it on frames in memory.
    pub fn xdp_mut(&mut self) -> &mut Xdp {
        xdp_of(&mut self.ebpf, self.buffers)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Program")
            .field("buffers", &self.buffers)
            .field("slots", &self.sockets.len())
            .finish_non_exhaustive()
    }
}

fn xdp_of(ebpf: &mut Ebpf, buffers: Buffers) -> &mut Xdp {
    let program = ebpf.program_mut(buffers.program()).expect("the object has the program");
    program.try_into().expect("the program is an XDP program")
}

fn taken<M: TryFrom<Map, Error = MapError>>(ebpf: &mut Ebpf, name: &'static str) -> Result<M, Error> {
    let map = ebpf.take_map(name).expect("the object has the map");
    M::try_from(map).map_err(|error| Error::map(name, error))
}

/// How often each verdict was reached, summed over all CPUs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verdicts([u64; Verdict::COUNT]);

impl Verdicts {
    /// Frames with this verdict.
    #[must_use]
    pub const fn get(&self, verdict: Verdict) -> u64 {
        self.0[verdict.index() as usize]
    }

    /// Every verdict with its frames.
    pub fn iter(&self) -> impl Iterator<Item = (Verdict, u64)> {
        Verdict::ALL.into_iter().zip(self.0)
    }

    /// Datagrams to our ports that were addressed to another MAC and to another address, if there were any and none to this machine: then
    /// most likely the interface is a mirror port.
    #[must_use]
    pub fn only_others(&self) -> Option<[u64; 2]> {
        let to_us = [Verdict::Steered, Verdict::NoSocket, Verdict::Oversize, Verdict::NotAllowed, Verdict::RateLimited];
        let to_others = [Verdict::OtherMac, Verdict::OtherAddress].map(|verdict| self.get(verdict));
        let are_all = to_us.iter().all(|verdict| self.get(*verdict) == 0) && to_others.iter().sum::<u64>() > 0;
        are_all.then_some(to_others)
    }

    /// The sum of two counts.
    #[must_use]
    pub fn plus(&self, other: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index] + other.0[index]))
    }

    /// All frames that the program has seen.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}
