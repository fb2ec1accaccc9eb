//! Interfaces, which XDP mode they get and why not a better one, and whether the ports are free.

use std::fs;

use super::Finding;
use super::host::wants_xdp;
use super::placement;
use crate::config::{CaptureMode, Config};
use crate::steering::{self, Mode, Probe};
use crate::udp;

/// Bytes that the kernel keeps free before each frame in a umem: `XDP_PACKET_HEADROOM`, `include/uapi/linux/bpf.h`.
const HEADROOM_BYTES: u32 = 256;
/// Ethernet header and two VLAN tags.
const LINK_HEADER_BYTES: u32 = 22;

/// Looks at interfaces and ports.
pub(super) fn findings(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    if !wants_xdp(config) {
        let why = match config.capture.mode {
            CaptureMode::Udp => "plain UDP sockets, as configured",
            CaptureMode::Auto | CaptureMode::Xdp => "plain UDP sockets: no --interface for XDP is named",
        };
        findings.push(Finding::ok("capture", why));
    } else {
        for interface in &config.capture.interfaces {
            let probe = steering::probe(interface);
            findings.push(self::interface(interface, &probe));
            if probe.queues.is_ok() {
                findings.push(mode(config, interface, probe));
                findings.extend(frame_size(config, interface));
                findings.extend(placement::findings(config, interface));
            }
        }
    }
    findings.extend(config.capture.ports.iter().map(|port| self::port(config, *port)));
    findings
}

fn interface(name: &str, probe: &Probe) -> Finding {
    let driver = probe.driver.as_deref().unwrap_or("none, a virtual interface");
    match &probe.queues {
        Ok(queues) => Finding::ok(name, format!("driver: {driver}; receive queues: {queues}")),
        Err(error) => Finding::failed(name, error),
    }
}

/// The mode in which XDP runs, found by trying.
fn mode(config: &Config, interface: &str, probe: Probe) -> Finding {
    let subject = format!("XDP on {interface}");
    match (probe.mode, probe.native_refused) {
        (Ok(Mode::Native), _) => {
            Finding::ok(subject, "native mode; zero-copy is tried when the sockets open, the log says what they got")
        }
        (Ok(Mode::Generic), refused) => {
            let why = refused.map_or_else(String::new, |error| format!(": {error}"));
            Finding::warn(
                subject,
                format!("generic mode{why}"),
                "it works on any driver, but takes more CPU for each datagram",
            )
        }
        (Err(error), _) if !steering::missing_capabilities().is_empty() => {
            Finding::unknown(subject, error.to_string(), "check again as root")
        }
        (Err(error), _) if config.capture.mode == CaptureMode::Xdp => Finding::failed(subject, &error),
        (Err(error), _) => Finding::warn(subject, error.to_string(), "plain UDP sockets are used until then"),
    }
}

/// Whether the interface's frames fit the umem's; longer ones go the slow way through the kernel.
fn frame_size(config: &Config, interface: &str) -> Option<Finding> {
    let mtu = fs::read_to_string(format!("/sys/class/net/{interface}/mtu")).ok()?;
    let longest: u32 = mtu.trim().parse::<u32>().ok()?.saturating_add(LINK_HEADER_BYTES);
    let room = config.capture.frame_bytes - HEADROOM_BYTES;
    (longest > room).then(|| {
        Finding::warn(
            format!("frames on {interface}"),
            format!("up to {longest} bytes by the MTU, capture.frame_bytes leaves room for {room}"),
            "longer datagrams take plain UDP sockets; set capture.frame_bytes = 4096, or a smaller MTU",
        )
    })
}

fn port(config: &Config, port: u16) -> Finding {
    let subject = format!("UDP port {port}");
    let settings = udp::Settings {
        address: config.capture.udp_address,
        port,
        receive_buffer_bytes: config.capture.udp_receive_buffer_bytes,
    };
    match udp::ensure_unused(&settings) {
        Ok(()) => Finding::ok(subject, "free"),
        Err(error) => Finding::failed(subject, &error),
    }
}
