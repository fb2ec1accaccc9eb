//! What the kernel keeps the store's process from, whatever its engine is asked to do: other files, other hosts, other processes.
//!
//! The engine is a large program that runs other people's queries, and knows functions, formats and table engines that open
//! files and connections. Landlock (`Documentation/userspace-api/landlock.rst`) leaves it its data directory, its library and
//! a few facts about the machine; seccomp (`Documentation/userspace-api/seccomp_filter.rst`) leaves it no way to make a
//! socket, to start a program, to mount, or to look into another process. A kernel without the one still has the other, and what
//! is missing is said. Not here: capabilities ([`super::privileges`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use super::Error;

/// The newest kernel interface whose rules are asked for; an older kernel enforces those that it knows.
const NEWEST: ABI = ABI::V6;

/// What the engine may read beside its own: its program and the files of symbols, which it reads to describe an exception (and
/// aborts where one is there that it cannot open); what it measures the machine by; the names of this host; and the zone that times are written in.
const READABLE: [&str; 23] = [
    "/dev/urandom",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/timezone",
    "/proc/cpuinfo",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/self/auxv",
    "/proc/self/cgroup",
    "/proc/self/exe",
    "/proc/self/stat",
    "/proc/self/statm",
    "/proc/self/status",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
    "/usr/lib/debug",
    "/usr/share/zoneinfo",
];
/// The control groups, by which the engine knows its bound of memory.
const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// Calls that the engine has no business with: sockets other than those it was given or accepts, programs, mounts, name
/// spaces, other processes, the kernel itself.
const REFUSED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kcmp,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_mknodat,
    libc::SYS_personality,
];
/// Calls whose first argument must be this process.
const TO_ITSELF: [i64; 4] = [libc::SYS_kill, libc::SYS_tgkill, libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo];

/// How much of the rules about files, connections and signals the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landlock {
    /// Every rule.
    Full,
    /// Those that this kernel knows: files from Linux 5.13 on, connections from 6.7, signals from 6.12.
    Partial,
    /// None: the kernel has no Landlock, or it is switched off.
    Missing,
}

/// Shuts the calling thread, and all that it starts from now on, in for good. To be called while there is one thread.
///
/// # Errors
///
/// When a rule cannot be made or put in force.
pub(super) fn enter(data_dir: &Path, library: &File) -> Result<Landlock, Error> {
    let landlock = restrict_files(data_dir, library).map_err(|error| Error::Cage(error.to_string()))?;
    restrict_calls().map_err(|error| Error::Cage(error.to_string()))?;
    Ok(landlock)
}

fn restrict_files(data_dir: &Path, library: &File) -> Result<Landlock, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let own = AccessFs::from_all(NEWEST)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rule(PathBeneath::new(library, AccessFs::ReadFile))?;
    rules = allow(rules, data_dir, own)?;
    rules = allow(rules, Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile)?;
    let places = READABLE
        .iter()
        .map(PathBuf::from)
        .chain([PathBuf::from(CONTROL_GROUPS)])
        .chain(library_directory())
        .chain(own_symbols());
    for place in places {
        rules = allow(rules, &place, read)?;
    }
    Ok(match rules.restrict_self()?.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::Missing,
    })
}

/// Allows `access` to a place that may be missing on this machine.
fn allow(rules: RulesetCreated, place: &Path, access: BitFlags<AccessFs>) -> Result<RulesetCreated, RulesetError> {
    let Ok(found) = PathFd::new(place) else { return Ok(rules) };
    let access = if place.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(found, access))
}

/// The directory of the C library, from which the engine takes its mathematics.
fn library_directory() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libc.so"));
    Path::new(library?).parent().map(Path::to_path_buf)
}

/// Where the program's symbols lie when they were stripped off it.
fn own_symbols() -> Option<PathBuf> {
    let mut path = std::env::current_exe().ok()?.into_os_string();
    path.push(".debug");
    Some(path.into())
}

fn restrict_calls() -> Result<(), seccompiler::Error> {
    let process = u64::from(std::process::id());
    let another = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, process)?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    for call in TO_ITSELF {
        rules.insert(call, vec![SeccompRule::new(vec![another.clone()])?]);
    }
    let new_user = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
    let into_name_space =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(new_user), new_user)?;
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![into_name_space])?]);
    put_in_force(rules, libc::EPERM)?;
    // Its flags lie in memory, which a filter cannot read; the C library then makes threads by the older call.
    put_in_force(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

/// Has the kernel answer the calls that `rules` match with `errno`, and let all others pass.
fn put_in_force(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<(), seccompiler::Error> {
    let refusal = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into()?)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)
}
