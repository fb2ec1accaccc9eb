//! What becomes of the interface: the collector leaves it as it found it, however it ends, and goes on after the cable was
//! pulled.
//!
//! The binary runs in a network namespace on one end of a veth pair, the exporter sends from the other. Needs root and the
//! engine.

use std::net::UdpSocket;

use nix::sys::signal::Signal::{self, SIGABRT, SIGINT, SIGKILL, SIGTERM};

use crate::datagrams::{V9_RECORDS, v9_data, v9_template};
use crate::netns::{COLLECTOR, COLLECTOR_MAC, COLLECTOR_V4, EXPORTER, VethPair, privileged};
use crate::process::{Collector, Place, wait_until};

/// The metric of frames that the program redirected.
const STEERED: &str = "verdict=\"steered\"";
/// The metric of datagrams that came by the plain UDP socket.
pub(crate) const BY_UDP: &str = "collector_datagrams_total{worker=\"0\",path=\"udp\"}";

#[test]
fn the_interface_is_left_as_it_was_found() {
    let Some(_turn) = privileged("the_interface_is_left_as_it_was_found") else { return };
    // Asked to end it stores what it holds, killed it does not; the status is the signal's number where that ended it.
    for (attach, signal, status) in [
        ("native", SIGTERM, Ok(())),
        ("generic", SIGTERM, Ok(())),
        ("native", SIGINT, Ok(())),
        ("native", SIGKILL, Err(SIGKILL)),
        ("generic", SIGKILL, Err(SIGKILL)),
        ("native", SIGABRT, Err(SIGABRT)),
    ] {
        check_ending(attach, signal, status);
    }
}

fn check_ending(attach: &str, signal: Signal, status: Result<(), Signal>) {
    let name = format!("{attach} until {signal}");
    let pair = VethPair::new("ending");
    let Some(place) = Place::inside(&pair.collector, &format!("ending-{attach}-{signal}")) else { return };
    let before = state(&pair);
    let arguments = ["--interface", COLLECTOR, "--capture", "xdp", "--attach", attach];
    let mut collector = Collector::start(&place, &arguments);
    let attached = pair.collector.ip(&format!("-d link show dev {COLLECTOR}"));
    assert!(attached.contains(" xdp") && attached.contains("prog/xdp"), "{name}: {attached}");
    let log = collector.log();
    assert!(log.contains(&format!("{attach} XDP, copy, 1 queue, ")), "{name}: the mode in force is said: {log}");
    send(&pair, &place, &[v9_template(), v9_data()]);
    collector.wait_for("collector_datagrams_total", 2);
    collector.wait_for(STEERED, 2);

    collector.signal(signal);
    let expected = status.map_or_else(|signal| -(signal as i32), |()| 0);
    assert_eq!(collector.wait(), expected, "{name}: {}", collector.log());
    wait_until(&format!("{name}: nothing is left on the interface"), || state(&pair) == before);
    if status.is_ok() {
        let collector = Collector::start(&place, &["--capture", "udp"]);
        assert_eq!(collector.sql("SELECT count() FROM collector.flows"), format!("{V9_RECORDS}\n"), "{name}");
    }
}

#[test]
fn datagrams_arrive_again_after_the_cable_was_pulled() {
    let Some(_turn) = privileged("datagrams_arrive_again_after_the_cable_was_pulled") else { return };
    for attach in ["native", "generic"] {
        check_pulled(attach);
    }
}

fn check_pulled(attach: &str) {
    let pair = VethPair::new("pulled");
    let Some(place) = Place::inside(&pair.collector, &format!("pulled-{attach}")) else { return };
    let before = state(&pair);
    let arguments = ["--interface", COLLECTOR, "--capture", "xdp", "--attach", attach];
    let mut collector = Collector::start(&place, &arguments);
    send(&pair, &place, &[v9_template()]);
    collector.wait_for(STEERED, 1);

    let mut sent = 1;
    let mut send_more = |what: &str| {
        wait_until(&format!("{attach}: the link is up after {what}"), || {
            pair.exporter.ip(&format!("link show dev {EXPORTER}")).contains("state UP")
        });
        send(&pair, &place, &vec![v9_data(); 50]);
        sent += 50;
        collector.wait_for("collector_datagrams_total{", sent);
        collector.wait_for(STEERED, sent);
    };
    send_more("the start");
    pair.collector.ip(&format!("link set {COLLECTOR} down"));
    pair.collector.ip(&format!("link set {COLLECTOR} up"));
    send_more("the collector's side was down");
    pair.exporter.ip(&format!("link set {EXPORTER} down"));
    pair.exporter.ip(&format!("link set {EXPORTER} up"));
    // An interface that goes down forgets its neighbours, even those that were set by hand.
    let neighbour = format!("{COLLECTOR_V4} lladdr {COLLECTOR_MAC} nud permanent dev {EXPORTER}");
    pair.exporter.ip(&format!("neighbour replace {neighbour}"));
    send_more("the exporter's side was down");
    assert_eq!(collector.metric("event=\"flow_record\""), (sent - 1) * V9_RECORDS, "{attach}");
    assert_eq!(collector.metric(BY_UDP), 0, "{attach}: all of them came over the ring");
    assert_eq!(collector.terminate(), 0, "{attach}: {}", collector.log());
    wait_until(&format!("{attach}: nothing is left on the interface"), || state(&pair) == before);
}

#[test]
fn an_interface_that_vanishes_is_told_and_survived() {
    let Some(_turn) = privileged("an_interface_that_vanishes_is_told_and_survived") else { return };
    let pair = VethPair::new("vanished");
    let Some(place) = Place::inside(&pair.collector, "vanished") else { return };
    let mut collector = Collector::start(&place, &["--interface", COLLECTOR, "--capture", "xdp"]);
    send(&pair, &place, &[v9_template()]);
    collector.wait_for(STEERED, 1);
    pair.exporter.ip(&format!("link delete {EXPORTER}"));
    wait_until("the log says so", || collector.log().contains("an interface is gone"));
    pair.collector.enter(|| {
        let exporter = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
        exporter.send_to(&v9_template(), ("127.0.0.1", place.udp_port())).expect("send over loopback");
    });
    collector.wait_for(BY_UDP, 1);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

/// Everything that `ip` and `ethtool` say of the collector's interface and that does not change by itself.
fn state(pair: &VethPair) -> String {
    let mut ethtool = pair.collector.command("ethtool");
    let features = ethtool.args(["-k", COLLECTOR]).output().expect("ethtool is installed");
    assert!(features.status.success(), "{features:?}");
    pair.collector.ip(&format!("-d link show dev {COLLECTOR}")) + &String::from_utf8_lossy(&features.stdout)
}

/// Sends datagrams from the exporter's side.
pub(crate) fn send(pair: &VethPair, place: &Place<'_>, datagrams: &[Vec<u8>]) {
    pair.exporter.enter(|| {
        let exporter = UdpSocket::bind(("192.0.2.1", 0)).expect("the address is ours");
        for datagram in datagrams {
            exporter.send_to(datagram, (COLLECTOR_V4, place.udp_port())).expect("the veth pair is up");
        }
    });
}
