//! Kernel, rights and limits.

use std::fs;
use std::path::Path;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use nix::sys::utsname::uname;

use super::service::Who;
use super::{Case, Finding};
use crate::config::{CaptureMode, Config};
use crate::steering;
use crate::worker::layout;

/// BPF links for XDP, which make the program go away with the process, came with Linux 5.9; all that the AF_XDP sockets use
/// with 5.11.
const KERNEL_NEEDED: (u32, u32) = (5, 11);
/// `include/uapi/linux/capability.h`.
const CAP_NET_ADMIN: u32 = 12;
const CAP_IPC_LOCK: u32 = 14;

/// Looks at kernel, rights and limits.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let (config, who) = (case.config, &case.who);
    let mut findings = vec![kernel(config), processors(config)];
    if wants_xdp(config) {
        findings.extend([capabilities(config, who), kernel_types(), locked_memory(config, who)]);
    }
    findings.push(receive_buffer(config, who));
    findings
}

/// Whether anything of XDP is asked for.
pub(super) fn wants_xdp(config: &Config) -> bool {
    config.capture.mode != CaptureMode::Udp && !config.capture.interfaces.is_empty()
}

fn kernel(config: &Config) -> Finding {
    let Ok(name) = uname() else { return Finding::unknown("kernel", "not known", "use Linux") };
    let release = name.release().to_string_lossy().into_owned();
    let version = version(&release);
    if version.is_some_and(|version| version >= KERNEL_NEEDED) || !wants_xdp(config) {
        return Finding::ok("kernel", release);
    }
    let remedy = "XDP needs Linux 5.11 or later; --capture udp works without";
    match config.capture.mode {
        CaptureMode::Xdp => Finding::fail("kernel", release, remedy),
        CaptureMode::Auto | CaptureMode::Udp => Finding::warn("kernel", release, remedy),
    }
}

/// Major and minor number of a release such as `6.1.0-18-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn processors(config: &Config) -> Finding {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let text = format!("{usable} usable");
    match config.capture.workers {
        Some(workers) if workers > usable => Finding::warn(
            "CPUs",
            format!("{text}, {workers} workers"),
            format!("workers that share a CPU wait for each other: use at most {usable}, or leave workers at 0"),
        ),
        _ => Finding::ok("CPUs", text),
    }
}

fn capabilities(config: &Config, who: &Who) -> Finding {
    let missing = who.missing_capabilities();
    if missing.is_empty() {
        let by_unit = if matches!(who, Who::Service(_)) { ", by the unit" } else { "" };
        return Finding::ok("rights", format!("all that XDP needs{by_unit}"));
    }
    let text = format!("XDP lacks {}", missing.join(", "));
    let remedy = "run as root, or give the service these capabilities (systemd: AmbientCapabilities=)";
    match config.capture.mode {
        CaptureMode::Xdp => Finding::fail("rights", text, remedy),
        CaptureMode::Auto | CaptureMode::Udp => {
            Finding::warn("rights", text, format!("{remedy}; until then plain UDP sockets are used"))
        }
    }
}

fn kernel_types() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Finding::ok("kernel types", "BTF is there");
    }
    Finding::warn(
        "kernel types",
        "no /sys/kernel/btf/vmlinux",
        "XDP works without; a kernel with CONFIG_DEBUG_INFO_BTF lets bpftool show more",
    )
}

/// The umem is charged to the limit of locked memory, unless the process may lock what it wants
/// (`xdp_umem_account_pages` in `net/xdp/xdp_umem.c`).
fn locked_memory(config: &Config, who: &Who) -> Finding {
    let capture = &config.capture;
    let queues: Vec<u32> = capture.interfaces.iter().map(|name| steering::queues(name).unwrap_or(1)).collect();
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = layout::workers(capture.workers, queues.iter().copied().max(), usable);
    let sockets: u64 =
        queues.iter().map(|queues| u64::from(*queues) * u64::from(layout::sockets_per_queue(workers, *queues))).sum();
    let wanted = sockets * u64::from(capture.frames_per_socket) * u64::from(capture.frame_bytes);
    if who.has_capability("CAP_IPC_LOCK").unwrap_or_else(|| has_capability(CAP_IPC_LOCK)) {
        return Finding::ok("locked memory", format!("{} for frames, no limit for this user", mebibytes(wanted)));
    }
    if who.lock_limit() == Some("infinity") {
        return Finding::ok("locked memory", format!("{} for frames, no limit by the unit", mebibytes(wanted)));
    }
    match getrlimit(Resource::RLIMIT_MEMLOCK) {
        Ok((limit, _)) if limit == RLIM_INFINITY || limit >= wanted => {
            Finding::ok("locked memory", format!("{} for frames, within the limit", mebibytes(wanted)))
        }
        Ok((limit, _)) => Finding::warn(
            "locked memory",
            format!("the limit is {}, frames need {}", mebibytes(limit), mebibytes(wanted)),
            "raise it (systemd: LimitMEMLOCK=infinity, shell: ulimit -l), or lower capture.frames_per_socket",
        ),
        Err(error) => Finding::unknown("locked memory", error.to_string(), "see `ulimit -l`"),
    }
}

fn receive_buffer(config: &Config, who: &Who) -> Finding {
    let wanted = config.capture.udp_receive_buffer_bytes as u64;
    let text = format!("{} for each UDP socket", mebibytes(wanted));
    if who.has_capability("CAP_NET_ADMIN").unwrap_or_else(|| has_capability(CAP_NET_ADMIN)) {
        return Finding::ok("receive buffer", text);
    }
    let limit = fs::read_to_string("/proc/sys/net/core/rmem_max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    match limit {
        Some(limit) if limit >= wanted => Finding::ok("receive buffer", text),
        Some(limit) => Finding::warn(
            "receive buffer",
            format!("{text} wanted, net.core.rmem_max allows {}", mebibytes(limit)),
            format!("sysctl -w net.core.rmem_max={wanted}, or give the service CAP_NET_ADMIN"),
        ),
        None => Finding::unknown("receive buffer", text, "read /proc/sys/net/core/rmem_max"),
    }
}

fn has_capability(number: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|text| u64::from_str_radix(text.trim(), 16).ok()).unwrap_or(0);
    effective & (1 << number) != 0
}

/// A number of bytes for people.
pub(super) fn mebibytes(bytes: u64) -> String {
    match bytes {
        0..0x10_0000 => format!("{} KiB", bytes >> 10),
        0x10_0000..0x2_8000_0000 => format!("{} MiB", bytes >> 20),
        _ => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_have_a_version() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.10"), Some((5, 10)));
        assert_eq!(version("6.18-rc1"), Some((6, 18)));
        assert_eq!(version("weird"), None);
    }

    #[test]
    fn bytes_are_shown_in_a_fitting_unit() {
        assert_eq!(mebibytes(65_536), "64 KiB");
        assert_eq!(mebibytes(8 << 20), "8 MiB");
        assert_eq!(mebibytes(100 << 30), "100 GiB");
    }
}
