//! Interfaces, which XDP mode they get and why not a better one, and whether the ports are free.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use super::host::wants_xdp;
use super::placement;
use super::running::{Owner, Protocol, Running};
use super::{Case, Finding};
use crate::config::{CaptureMode, Config};
use crate::exporters::status::PassingBy;
use crate::steering::{self, Mode, Probe};
use crate::udp;

/// Bytes that the kernel keeps free before each frame in a umem: `XDP_PACKET_HEADROOM`, `include/uapi/linux/bpf.h`.
const HEADROOM_BYTES: u32 = 256;
/// Ethernet header and two VLAN tags.
const LINK_HEADER_BYTES: u32 = 22;

/// How long an interface is looked at for datagrams that are not addressed to this machine.
const LOOKED_FOR: Duration = Duration::from_secs(1);
/// Addresses of this machine that are named.
const ADDRESSES_SHOWN: usize = 4;

/// Looks at interfaces and ports.
pub(super) fn findings(case: &Case<'_>) -> Vec<Finding> {
    let config = case.config;
    let mut findings: Vec<Finding> = Vec::new();
    if !wants_xdp(config) {
        let why = match config.capture.mode {
            CaptureMode::Udp => "plain UDP sockets, as configured",
            CaptureMode::Auto | CaptureMode::Xdp => "plain UDP sockets: no --interface for XDP is named",
        };
        findings.push(Finding::ok("capture", why));
    } else {
        for interface in &config.capture.interfaces {
            let queues = steering::queues(interface);
            findings.push(self::interface(interface, &queues));
            if queues.is_ok() {
                match &case.running {
                    Some(running) => findings.push(in_use(interface, running)),
                    None => {
                        let (ports, recipients) = (&config.capture.ports, config.capture.recipients(interface));
                        let probe = steering::probe(interface, ports, recipients, LOOKED_FOR);
                        findings.extend(recipients_of(interface, &probe));
                        findings.push(mode(config, interface, probe));
                    }
                }
                findings.extend(frame_size(config, interface));
                findings.extend(placement::findings(config, interface));
            }
        }
    }
    findings.extend(config.capture.ports.iter().map(|port| self::port(case, *port)));
    findings
}

fn interface(name: &str, queues: &Result<u32, steering::Error>) -> Finding {
    let driver = steering::driver(name);
    let driver = driver.as_deref().unwrap_or("none, a virtual interface");
    match queues {
        Ok(queues) => Finding::ok(name, format!("driver: {driver}; receive queues: {queues}")),
        Err(error) => Finding::failed(name, error),
    }
}

/// What a running collector has is left alone: trying it out would take its program off, or fail for it.
fn in_use(interface: &str, running: &Running) -> Finding {
    Finding::ok(format!("XDP on {interface}"), format!("not tried, the collector runs: {}", running.capture()))
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
            Finding::unknown(subject, error.to_string(), "check again as root to try it out")
        }
        (Err(error), _) if config.capture.mode == CaptureMode::Xdp => Finding::failed(subject, &error),
        (Err(error), _) => Finding::warn(
            subject,
            format!("XDP cannot run here: {error}"),
            "until then plain UDP sockets receive, which takes more CPU for each datagram and loses more in a burst",
        ),
    }
}

/// Whose datagrams are taken, and whether those that come now are.
fn recipients_of(interface: &str, probe: &Probe) -> Option<Finding> {
    let subject = format!("taken on {interface}");
    probe.mode.as_ref().ok()?;
    let Some(own) = &probe.own else {
        return Some(Finding::ok(subject, "every datagram to the ports, whoever it is addressed to: a mirror port"));
    };
    if let Some([other_mac, other_address]) = probe.verdicts.only_others() {
        let found = PassingBy { interface: interface.to_owned(), other_mac, other_address };
        return Some(Finding::warn(subject, found.fault(), found.remedy()));
    }
    let addresses = own.addresses.iter().map(|address| IpAddr::from(*address).to_canonical());
    let hosts: Vec<String> = addresses.filter(is_host).map(|address| address.to_string()).collect();
    let others = hosts.len().saturating_sub(ADDRESSES_SHOWN);
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    let shown = hosts.get(..ADDRESSES_SHOWN.min(hosts.len())).unwrap_or_default().join(", ");
    if shown.is_empty() {
        let remedy = "give it an address, or name what counts as one in capture.addresses; a mirror port is named in capture.mirror";
        return Some(Finding::warn(subject, "nothing: this machine has no address there", remedy));
    }
    Some(Finding::ok(subject, format!("datagrams to {shown}{more}")))
}

/// Not a group, nor everybody, nor what routers of a link alone are called by.
fn is_host(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast(),
        IpAddr::V6(address) => !address.is_multicast() && !address.is_unicast_link_local(),
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

fn port(case: &Case<'_>, port: u16) -> Finding {
    let config = case.config;
    let subject = format!("UDP port {port}");
    let settings = udp::Settings {
        address: config.capture.udp_address,
        port,
        receive_buffer_bytes: config.capture.udp_receive_buffer_bytes,
    };
    match udp::ensure_unused(&settings) {
        Ok(()) => Finding::ok(subject, "free"),
        Err(error) => match case.owner(Protocol::Udp, port) {
            Some(Owner::Collector) => Finding::ok(subject, "the running collector's"),
            Some(Owner::Unknown) => Finding::unknown(
                subject,
                "in use, by the running collector as it seems",
                "check again as root to see whose it is",
            ),
            Some(Owner::Another) | None => Finding::failed(subject, &error),
        },
    }
}

impl Case<'_> {
    /// Whose a port in use is, where a collector runs.
    pub(super) fn owner(&self, protocol: Protocol, port: u16) -> Option<Owner> {
        self.running.as_ref().map(|running| running.owner(protocol, port))
    }
}
