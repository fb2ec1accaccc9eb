//! Facts about interfaces and about this process that decide what XDP can do.
//!
//! Names and indices are those of the calling thread's network namespace. Not here: changing anything about an interface.

use std::fs;
use std::path::{Path, PathBuf};

use nix::net::if_::{if_nameindex, if_nametoindex};
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};

use super::{Error, netlink};

/// What loading, attaching and AF_XDP sockets need, with the numbers of `include/uapi/linux/capability.h`.
///
/// CAP_PERFMON is there because the walk adds header lengths to a packet pointer, which the verifier otherwise forbids.
pub const CAPABILITIES: [(u32, &str); 4] =
    [(39, "CAP_BPF"), (38, "CAP_PERFMON"), (12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

/// The index of `interface`.
pub(super) fn index(interface: &str) -> Result<u32, Error> {
    if_nametoindex(interface)
        .map_err(|_| Error::NoInterface { interface: interface.to_owned(), existing: interfaces().join(", ") })
}

/// Names of the interfaces that exist.
#[must_use]
pub fn interfaces() -> Vec<String> {
    let Ok(interfaces) = if_nameindex() else { return Vec::new() };
    interfaces.iter().map(|interface| interface.name().to_string_lossy().into_owned()).collect()
}

/// How many receive queues of `interface` are in use.
///
/// # Errors
///
/// There is no such interface, or `/sys` shows another network namespace than this thread's.
pub fn queues(interface: &str) -> Result<u32, Error> {
    let index = index(interface)?;
    let foreign = || Error::ForeignSys { interface: interface.to_owned() };
    let directory = directory(interface).ok_or_else(foreign)?;
    let shown = fs::read_to_string(directory.join("ifindex")).map_err(|_| foreign())?;
    if shown.trim().parse() != Ok(index) {
        return Err(foreign());
    }
    let entries = fs::read_dir(directory.join("queues")).map_err(|_| foreign())?;
    let receive = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("rx-")).count();
    u32::try_from(receive).map_err(|_| foreign())
}

/// How many receive queues `interface` can have.
///
/// # Errors
///
/// As for [`queues`].
pub fn queues_most(interface: &str) -> Result<u32, Error> {
    let queues = queues(interface)?;
    Ok(netlink::queues_most(index(interface)?).map_or(queues, |most| most.max(queues)))
}

/// The driver of `interface`; none for a virtual interface.
#[must_use]
pub fn driver(interface: &str) -> Option<String> {
    let link = fs::read_link(directory(interface)?.join("device/driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Drivers of virtual cards by which the host hands over frames of itself and of other guests, whose checksums nobody has finished:
/// of virtio, Xen, VMware, Hyper-V and POWER.
const GUEST_DRIVERS: [&str; 5] = ["virtio_net", "vif", "vmxnet3", "hv_netvsc", "ibmveth"];
/// Interfaces that only pass on what comes by those below them, as `DEVTYPE` in `/sys` names them.
const PASSING_ON: [&str; 2] = ["DEVTYPE=vlan", "DEVTYPE=bond"];
/// As many as the kernel lets stand on each other (`MAX_NEST_DEV` of `include/linux/netdevice.h`).
const STACK_MAX: usize = 8;

/// Whether frames may come by `interface` from senders on the same machine or host, who leave UDP checksums to it: a virtual
/// interface (veth, loopback, tap, bridge, ...) or the virtual card of a guest, but no real network card. Where nothing can be found
/// out, it may be.
#[must_use]
pub fn has_local_senders(interface: &str) -> bool {
    local_senders(interface, STACK_MAX)
}

fn local_senders(interface: &str, depth: usize) -> bool {
    if let Some(driver) = driver(interface) {
        return GUEST_DRIVERS.contains(&driver.as_str());
    }
    let Some(directory) = directory(interface).filter(|_| depth > 0) else { return true };
    let kind = fs::read_to_string(directory.join("uevent")).unwrap_or_default();
    if !kind.lines().any(|line| PASSING_ON.contains(&line)) {
        return true;
    }
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let lower: Vec<String> = names.filter_map(|name| name.strip_prefix("lower_").map(str::to_owned)).collect();
    lower.is_empty() || lower.iter().any(|name| local_senders(name, depth - 1))
}

/// The folder of `interface` in `/sys`, unless its name would lead elsewhere.
fn directory(interface: &str) -> Option<PathBuf> {
    let plain = !interface.is_empty() && !interface.contains('/') && interface != "." && interface != "..";
    plain.then(|| Path::new("/sys/class/net").join(interface))
}

/// The capabilities that XDP needs and that this process does not have. CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    const CAP_SYS_ADMIN: u32 = 21;
    let effective = fs::read_to_string("/proc/self/status").ok().and_then(|status| effective_capabilities(&status));
    let Some(effective) = effective else { return Vec::new() };
    let has = |number: u32| effective & (1 << number) != 0;
    let stands_in = |number: u32| matches!(number, 38 | 39) && has(CAP_SYS_ADMIN);
    CAPABILITIES.into_iter().filter(|&(number, _)| !has(number) && !stands_in(number)).map(|(_, name)| name).collect()
}

fn effective_capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// Kernels before 5.11 charge maps to the limit of locked memory. Where it cannot be lifted, loading says what is missing.
pub(super) fn lift_locked_memory_limit() {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_interface_is_answered_with_the_known_ones() {
        for name in ["nosuch0", "", "..", "a/b"] {
            let message = queues(name).expect_err(name).to_string();
            assert!(message.contains("lo"), "{message}");
        }
    }

    #[test]
    fn loopback_has_a_queue_and_no_driver() {
        assert!(has_local_senders("lo") && has_local_senders("nosuch0") && has_local_senders(".."));
        assert_eq!(driver("lo"), None);
        assert!(queues("lo").expect("lo exists") >= 1);
    }

    #[test]
    fn capabilities_are_read_from_the_status_file() {
        let status = "Name:\tx\nCapPrm:\t0\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n";
        assert_eq!(effective_capabilities(status), Some(0x1ff_ffff_ffff));
        assert_eq!(effective_capabilities("Name:\tx\n"), None);
    }
}
