//! What can go wrong while the program is set up: one line each, with the operation, the object and the remedy.

use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::programs::ProgramError;

use super::{Mode, interface, netlink};

/// Why steering could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel said EPERM.
    #[error(
        "{operation}: not permitted, {reason}; start as root, or with CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN and CAP_NET_RAW"
    )]
    NotPermitted {
        /// What was tried.
        operation: &'static str,
        /// Which capability is missing, as far as can be seen.
        reason: String,
    },
    /// No interface of this name.
    #[error("interface {interface:?} does not exist; those that do: {existing}")]
    NoInterface {
        /// The name.
        interface: String,
        /// Names that exist.
        existing: String,
    },
    /// `/sys` was mounted for another network namespace, or not at all.
    #[error(
        "count the queues of {interface}: /sys does not show this network namespace; start by `ip netns exec`, or say how many queues there are"
    )]
    ForeignSys {
        /// The interface.
        interface: String,
    },
    /// Someone else's program is on the interface.
    #[error(
        "attach XDP to {interface}: it already has {program}; `bpftool net show dev {interface}` shows it, `ip link set dev {interface} xdp off` or the end of the process that attached it removes it"
    )]
    Occupied {
        /// The interface.
        interface: String,
        /// The program, by its number where that is known.
        program: String,
    },
    /// The driver, or the way it is set up, rules out native mode.
    #[error("attach XDP to {interface} in native mode: {driver} {reason}; generic mode may do (--attach auto)")]
    NoNative {
        /// The interface.
        interface: String,
        /// Its driver, in words.
        driver: String,
        /// What the driver answered, as the end of a sentence about it.
        reason: String,
    },
    /// The kernel refuses the program on this interface in any mode.
    #[error("attach XDP to {interface} in {mode} mode: {reason}; plain UDP sockets still work (--capture udp)")]
    Attach {
        /// The interface.
        interface: String,
        /// The mode that was tried.
        mode: Mode,
        /// What the kernel answered.
        reason: String,
    },
    /// A kernel without BPF links for XDP, so before 5.9.
    #[error(
        "attach XDP to {interface}: this kernel has no BPF links for XDP; Linux 5.9 or later is needed, `ip link set dev {interface} xdp off` removes the program"
    )]
    NoLinks {
        /// The interface.
        interface: String,
    },
    /// The verifier, or a kernel without what the program uses.
    #[error(
        "load the XDP program: the kernel rejects it: {reason}; Linux 5.11 or later is needed: where it is one, report this line \
         with what `uname -r` says"
    )]
    Rejected {
        /// The last lines of the verifier, for each of the programs that were tried.
        reason: String,
    },
    /// A map could not be made, read or written.
    #[error("XDP map {map}: {reason}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What the kernel answered.
        reason: String,
    },
    /// More prefixes than the map has room for, the old ones and the new ones together.
    #[error(
        "put the front door's rules in force: {prefixes} prefixes are too many, {most} is the most; join neighbouring ones in \
         front_door.allowed"
    )]
    TooManyPrefixes {
        /// Prefixes asked for.
        prefixes: usize,
        /// How many fit.
        most: usize,
    },
    /// More different limits than the map has room for.
    #[error(
        "put the front door's rules in force: {limits} different limits are too many, {most} is the most; give exporters of a kind \
         the same datagrams_per_second and burst"
    )]
    TooManyLimits {
        /// Different limits asked for.
        limits: usize,
        /// How many fit.
        most: usize,
    },
    /// A slot outside the map.
    #[error(
        "register an AF_XDP socket in slot {slot}: there are {slots} slots, queues x sockets_per_queue; raise one of them"
    )]
    NoSlot {
        /// The slot.
        slot: u32,
        /// How many there are.
        slots: u32,
    },
    /// The kernel does not take this socket.
    #[error("register an AF_XDP socket in slot {slot}: {reason}; the socket must be one of address family AF_XDP")]
    Register {
        /// The slot.
        slot: u32,
        /// What the kernel answered.
        reason: String,
    },
    /// The kernel did not say what this machine's addresses are, or does not let an interface take every frame.
    #[error("{operation}: {source}{remedy}")]
    Host {
        /// What was tried.
        operation: String,
        /// What the kernel answered.
        source: io::Error,
        /// What to do, as the end of the sentence.
        remedy: &'static str,
    },
    /// Nothing to steer to.
    #[error(
        "load the XDP program: {queues} queues x {sockets_per_queue} sockets gives no usable number of slots; both must be 1 or more"
    )]
    NoSlots {
        /// Queues asked for.
        queues: u32,
        /// Sockets asked for on each.
        sockets_per_queue: u32,
    },
}

impl Error {
    /// Loading the object, its maps or its program failed.
    pub(super) fn loading(error: &EbpfError) -> Self {
        if refused_for_want_of_capability(error) {
            return Self::not_permitted("load the XDP program");
        }
        if let EbpfError::ProgramError(ProgramError::LoadError { io_error, verifier_log }) = error {
            let log = verifier_log.to_string();
            return Self::Rejected { reason: format!("{io_error}: {}", last_words(&log)) };
        }
        Self::Rejected { reason: chain(error) }
    }

    /// Of two programs that do the same both were refused, for reasons that may differ.
    pub(super) fn both_rejected([(first, why_first), (second, why_second)]: [(&str, String); 2]) -> Self {
        let reason = match why_first == why_second {
            true => format!("{first} and {second}: {why_first}"),
            false => format!("{first}: {why_first}; {second}: {why_second}"),
        };
        Self::Rejected { reason }
    }

    /// The reason as a metric's label.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::NotPermitted { .. } => "not_permitted",
            Self::NoInterface { .. } => "no_interface",
            Self::ForeignSys { .. } => "foreign_sys",
            Self::Occupied { .. } => "occupied",
            Self::NoNative { .. } => "no_native",
            Self::Attach { .. } => "attach",
            Self::NoLinks { .. } => "no_links",
            Self::Rejected { .. } => "verifier",
            Self::Map { .. } => "map",
            Self::TooManyPrefixes { .. } | Self::TooManyLimits { .. } => "rules",
            Self::Host { .. } => "host",
            Self::NoSlot { .. } | Self::Register { .. } | Self::NoSlots { .. } => "slots",
        }
    }

    /// Attaching to `interface` failed.
    pub(super) fn attaching(interface: &str, mode: Mode, error: &ProgramError) -> Self {
        let code = os_error(error).and_then(|error| error.raw_os_error());
        match code {
            Some(libc::EPERM | libc::EACCES) => Self::not_permitted("attach the XDP program"),
            // EEXIST: there is a program in the other mode.
            Some(libc::EBUSY | libc::EEXIST) => Self::occupied(interface),
            _ if mode == Mode::Native => Self::NoNative {
                interface: interface.to_owned(),
                driver: interface::driver(interface)
                    .map_or_else(|| "this virtual interface".to_owned(), |driver| format!("driver {driver}")),
                reason: match code {
                    Some(libc::EOPNOTSUPP) => "has no native XDP".to_owned(),
                    _ => format!("refuses, often for its MTU, LRO or too few queues: {}", chain(error)),
                },
            },
            _ => Self::Attach { interface: interface.to_owned(), mode, reason: chain(error) },
        }
    }

    /// rtnetlink did not answer.
    pub(super) fn addresses(interface: &str, source: io::Error) -> Self {
        let operation = format!("ask the kernel for this machine's addresses, for {interface}");
        Self::Host {
            operation,
            source,
            remedy: "; sockets of AF_NETLINK must be allowed (systemd: RestrictAddressFamilies=)",
        }
    }

    /// A mirror port does not take every frame.
    pub(super) fn promiscuous(interface: &str, source: io::Error) -> Self {
        let operation = format!("have {interface} take frames of every MAC");
        Self::Host {
            operation,
            source,
            remedy: "; CAP_NET_RAW and sockets of AF_PACKET are needed (systemd: AmbientCapabilities=, RestrictAddressFamilies=)",
        }
    }

    /// A map could not be read or written.
    pub(super) fn map(map: &'static str, error: MapError) -> Self {
        Self::Map { map, reason: chain(&error) }
    }

    /// A socket could not be put into a slot of a map of `slots`.
    pub(super) fn registering(slot: u32, slots: u32, error: MapError) -> Self {
        if matches!(error, MapError::OutOfBounds { .. }) {
            return Self::NoSlot { slot, slots };
        }
        Self::Register { slot, reason: chain(&error) }
    }

    fn not_permitted(operation: &'static str) -> Self {
        let missing = interface::missing_capabilities();
        let reason = if missing.is_empty() {
            "though all capabilities are there (a container or a locked-down kernel?)".to_owned()
        } else {
            format!("{} missing", missing.join(", "))
        };
        Self::NotPermitted { operation, reason }
    }

    fn occupied(interface: &str) -> Self {
        let program_id = interface::index(interface).ok().and_then(netlink::program_id);
        let program = program_id.map_or_else(|| "an XDP program".to_owned(), |id| format!("XDP program {id}"));
        Self::Occupied { interface: interface.to_owned(), program }
    }
}

/// EPERM as such, or any refusal while a capability is missing: without CAP_PERFMON the verifier rejects with EACCES.
fn refused_for_want_of_capability(error: &EbpfError) -> bool {
    match os_error(error).and_then(|error| error.raw_os_error()) {
        Some(libc::EPERM) => true,
        Some(libc::EACCES) => !interface::missing_capabilities().is_empty(),
        _ => false,
    }
}

/// The operating system's error at the root of `error`.
fn os_error<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io_error) = error.downcast_ref::<io::Error>() {
            return Some(io_error);
        }
        next = error.source();
    }
    None
}

/// The error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !line.contains(&cause_text) {
            line.push_str(": ");
            line.push_str(&cause_text);
        }
        next = cause.source();
    }
    line.replace('\n', " ")
}

/// Lines of the verifier that are quoted: what it refuses, and the instructions before it.
const LAST_LINES: usize = 3;
/// No more of a line than this is quoted: the registers of an instruction may fill many screens.
const LINE_CHARACTERS: usize = 160;

/// The verifier's last lines, which say why, on one line. Below them stand statistics only.
fn last_words(log: &str) -> String {
    let is_statistics =
        |line: &str| ["processed ", "verification time ", "stack depth "].iter().any(|start| line.starts_with(start));
    let mut lines: Vec<String> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_statistics(line))
        .rev()
        .take(LAST_LINES)
        .map(|line| line.chars().take(LINE_CHARACTERS).collect())
        .collect();
    lines.reverse();
    if lines.is_empty() {
        return "the verifier gives no reason".to_owned();
    }
    lines.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_quoted_with_its_reason() {
        let short = "0: R1=ctx()\n5: (bf) r4 = r2\nR2 invalid mem access 'scalar'\n";
        let long = format!("1: R1=ctx()\n9: (0f) r3 += r5 {}\nR3 is bad\n", "x".repeat(1000));
        let statistics =
            "verification time 12 usec\nstack depth 64\nprocessed 6 insns (limit 1000000) max_states_per_insn 0\n\n";
        for statistics in ["", statistics, "stack depth 64+0\n"] {
            let words = last_words(&format!("{short}{statistics}"));
            assert_eq!(words, "0: R1=ctx() | 5: (bf) r4 = r2 | R2 invalid mem access 'scalar'");
            let words = last_words(&format!("{long}{statistics}"));
            assert!(words.ends_with("x | R3 is bad") && words.len() < 200, "{words}");
        }
        assert_eq!(last_words(statistics), "the verifier gives no reason");
        assert_eq!(last_words(""), "the verifier gives no reason");
    }

    #[test]
    fn both_programs_reasons_are_shown_where_they_differ() {
        let both = |first: &str, second: &str| {
            Error::both_rejected([("one", first.to_owned()), ("two", second.to_owned())]).to_string()
        };
        assert!(both("same", "same").contains("rejects it: one and two: same; Linux"));
        assert!(both("this", "that").contains("rejects it: one: this; two: that; Linux"));
    }

    #[test]
    fn causes_are_on_one_line_and_said_once() {
        let cause = io::Error::from_raw_os_error(libc::ENOMEM);
        let error = MapError::CreateError { name: "PORTS".to_owned(), io_error: cause };
        assert_eq!(chain(&error), "failed to create map `PORTS`: Cannot allocate memory (os error 12)");
        assert_eq!(os_error(&error).and_then(io::Error::raw_os_error), Some(libc::ENOMEM));
    }
}
