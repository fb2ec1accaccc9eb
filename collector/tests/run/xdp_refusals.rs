//! Starts without the rights, the driver or the memory that XDP needs: refused with `--capture xdp`, and with
//! `--capture auto` told, while plain UDP sockets receive.
//!
//! Root without capabilities stands for an unprivileged user: rights are capabilities to the kernel, and root can read the
//! binary wherever it was built. Needs root and the engine.

use std::process::Command;

use crate::datagrams::{V9_RECORDS, v9_data, v9_template};
use crate::interface::{BY_UDP, send};
use crate::netns::{COLLECTOR, VethPair, privileged};
use crate::process::{Collector, Place};
use crate::refusals::check_output;

/// Without any rights.
const UNPRIVILEGED: &[&str] = &["setpriv", "--inh-caps=-all", "--bounding-set=-all"];
/// An interface type without native XDP.
const BRIDGE: &str = "bridge0";

/// A start that fails: what it is run by, with which flags, and parts of the line that it ends with.
type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "an unprivileged user",
        UNPRIVILEGED,
        &["--interface", COLLECTOR],
        &["load the XDP program: not permitted", "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW missing", "root"],
    ),
    (
        "no right to load programs",
        &["setpriv", "--inh-caps=-all", "--bounding-set=-bpf,-perfmon,-sys_admin"],
        &["--interface", COLLECTOR],
        &["load the XDP program: not permitted", "CAP_BPF, CAP_PERFMON missing", "start as root"],
    ),
    (
        "no right to verify packet arithmetic",
        &["setpriv", "--inh-caps=-all", "--bounding-set=-perfmon,-sys_admin"],
        &["--interface", COLLECTOR],
        &["load the XDP program: not permitted", "CAP_PERFMON missing"],
    ),
    (
        "no right to attach",
        &["setpriv", "--inh-caps=-all", "--bounding-set=-net_admin,-sys_admin"],
        &["--interface", COLLECTOR],
        &["not permitted", "CAP_NET_ADMIN missing"],
    ),
    (
        "no right to AF_XDP sockets",
        &["setpriv", "--inh-caps=-all", "--bounding-set=-net_raw"],
        &["--interface", COLLECTOR],
        &["create socket on AF_XDP", "CAP_NET_RAW"],
    ),
    (
        "too little locked memory",
        &["prlimit", "--memlock=65536:65536", "setpriv", "--inh-caps=-all", "--bounding-set=-ipc_lock,-sys_resource"],
        &["--interface", COLLECTOR],
        &["register umem", "exceeds the memlock limit", "LimitMEMLOCK=infinity", "fewer frames"],
    ),
    ("no such interface", &[], &["--interface", "nosuch0"], &["\"nosuch0\" does not exist; those that do: lo, "]),
    (
        "a driver without native XDP",
        &[],
        &["--interface", BRIDGE, "--attach", "native"],
        &["attach XDP to bridge0 in native mode", "has no native XDP", "--attach auto"],
    ),
    (
        "a driver without zero-copy",
        &[],
        &["--interface", COLLECTOR, "--attach", "native"],
        &["bind on collector0 queue 0", "zero-copy", "copy mode"],
    ),
];

#[test]
fn what_xdp_lacks_is_named() {
    let Some(_turn) = privileged("what_xdp_lacks_is_named") else { return };
    let pair = VethPair::new("refused");
    pair.collector.ip(&format!("link add {BRIDGE} type bridge"));
    for (name, by, flags, parts) in CASES {
        let Some(place) = Place::inside(&pair.collector, "xdp-refused") else { return };
        if *name == "a driver without zero-copy" {
            place.change_config("[capture]", "[capture]\nbind = \"zero-copy\"");
        }
        let output = run(place.command_by(by, &[&["--capture", "xdp"], *flags].concat()));
        check_output(name, &output, parts);
        let link = pair.collector.ip(&format!("link show dev {COLLECTOR}"));
        assert!(!link.contains("xdp"), "{name}: {link}");
    }
}

#[test]
fn an_interface_with_another_program_is_not_taken_over() {
    let Some(_turn) = privileged("an_interface_with_another_program_is_not_taken_over") else { return };
    let pair = VethPair::new("occupied");
    let Some(first) = Place::inside(&pair.collector, "occupied-first") else { return };
    let Some(second) = Place::inside(&pair.collector, "occupied-second") else { return };
    let xdp = ["--interface", COLLECTOR, "--capture", "xdp"];
    let mut collector = Collector::start(&first, &xdp);
    let parts = ["attach XDP to collector0: it already has XDP program", "bpftool net show"];
    check_output("occupied", &run(second.command(&xdp)), &parts);
    send(&pair, &first, &[v9_template(), v9_data()]);
    collector.wait_for("verdict=\"steered\"", 2);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn auto_says_why_not_xdp_and_goes_on_with_udp() {
    let Some(_turn) = privileged("auto_says_why_not_xdp_and_goes_on_with_udp") else { return };
    let no_rights: &[&str] = &["load the XDP program: not permitted", "CAP_BPF"];
    let no_native: &[&str] = &["attach XDP to bridge0 in native mode", "has no native XDP"];
    check_auto("rights", UNPRIVILEGED, &["--interface", COLLECTOR], no_rights, (COLLECTOR, "not_permitted"));
    check_auto("native", &[], &["--interface", BRIDGE, "--attach", "native"], no_native, (BRIDGE, "no_native"));
}

fn check_auto(name: &str, by: &[&str], flags: &[&str], reasons: &[&str], (interface, label): (&str, &str)) {
    let pair = VethPair::new("auto");
    pair.collector.ip(&format!("link add {BRIDGE} type bridge"));
    let Some(place) = Place::inside(&pair.collector, &format!("auto-{name}")) else { return };
    let mut collector = Collector::start_by(&place, by, &[&["--capture", "auto"], flags].concat());
    let log = collector.log();
    for part in [reasons, &["plain UDP sockets receive instead"]].concat() {
        assert!(log.contains(part), "{name}: no {part:?} in {log}");
    }
    assert_eq!(collector.metric("capture=\"plain UDP sockets\""), 1, "{name}: {}", collector.metrics());
    let refused = format!("collector_xdp_refused{{interface=\"{interface}\",reason=\"{label}\"}}");
    assert_eq!(collector.metric(&refused), 1, "{name}: {}", collector.metrics());
    send(&pair, &place, &[v9_template(), v9_data()]);
    collector.wait_for(BY_UDP, 2);
    assert_eq!(collector.terminate(), 0, "{name}: {}", collector.log());
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    assert_eq!(collector.sql("SELECT count() FROM collector.flows"), format!("{V9_RECORDS}\n"), "{name}");
    assert_eq!(collector.terminate(), 0, "{name}: {}", collector.log());
}

#[test]
fn auto_says_why_generic_and_not_native() {
    let Some(_turn) = privileged("auto_says_why_generic_and_not_native") else { return };
    let pair = VethPair::new("generic");
    pair.collector.ip(&format!("link add {BRIDGE} type bridge"));
    pair.collector.ip(&format!("link set {BRIDGE} up"));
    let Some(place) = Place::inside(&pair.collector, "generic") else { return };
    let mut collector = Collector::start(&place, &["--interface", BRIDGE]);
    for part in ["attach XDP to bridge0 in native mode", "XDP runs in generic mode", "bridge0: generic XDP, copy"] {
        assert!(collector.log().contains(part), "no {part:?} in {}", collector.log());
    }
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

fn run(mut command: Command) -> std::process::Output {
    command.output().expect("start the collector")
}
