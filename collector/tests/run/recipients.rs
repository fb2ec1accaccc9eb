//! Whose datagrams the running collector takes: those addressed to its machine, as a UDP socket would get them, and others' only where an
//! interface is called a mirror port. Needs root; no engine.

use std::net::{IpAddr, UdpSocket};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::datagrams::v5;
use crate::interface::BY_UDP;
use crate::netns::{COLLECTOR, COLLECTOR_MAC, COLLECTOR_V4, EXPORTER, Namespace, VethPair, privileged};
use crate::process::{Collector, Place, wait_until};
use crate::wire::{Wire, frame};

/// The other collector, behind this machine.
const BEHIND_V4: &str = "198.51.100.2";
const BEHIND_V6: &str = "2001:db8:51::2";
/// The metric of datagrams that came by a ring.
const BY_XDP: &str = "collector_datagrams_total{worker=\"0\",path=\"xdp\"}";

/// Another collector behind the one of the pair, which forwards.
fn behind(pair: &VethPair) -> Namespace {
    let behind = Namespace::new("behind");
    const BEHIND_MAC: &str = "02:00:00:00:00:be";
    pair.collector.ip(&format!("link add inner0 type veth peer behind0 address {BEHIND_MAC} netns {}", behind.name()));
    pair.collector.ip("address add 198.51.100.1/30 dev inner0");
    pair.collector.ip("address add 2001:db8:51::1/64 dev inner0 nodad");
    pair.collector.ip("link set inner0 up");
    behind.ip(&format!("address add {BEHIND_V4}/30 dev behind0"));
    behind.ip(&format!("address add {BEHIND_V6}/64 dev behind0 nodad"));
    behind.ip("link set behind0 up");
    behind.ip("route add default via 198.51.100.1");
    behind.ip("-6 route add default via 2001:db8:51::1");
    // Known from the start, so that the first datagrams do not wait for an answer.
    for address in [BEHIND_V4, BEHIND_V6] {
        pair.collector.ip(&format!("neighbour add {address} lladdr {BEHIND_MAC} nud permanent dev inner0"));
    }
    pair.exporter.ip(&format!("route add 198.51.100.0/30 via {COLLECTOR_V4}"));
    pair.exporter.ip("-6 route add 2001:db8:51::/64 via 2001:db8::fe");
    let forward = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];
    let set = pair.collector.command("sysctl").arg("-qw").args(forward).status().expect("sysctl is installed");
    assert!(set.success());
    behind
}

fn send(pair: &VethPair, from: &str, to: &str, port: u16, count: usize) {
    pair.exporter.enter(|| {
        let exporter = UdpSocket::bind((from.parse::<IpAddr>().expect("an address"), 0)).expect("the address is ours");
        for _ in 0..count {
            exporter.send_to(&v5(), (to.parse::<IpAddr>().expect("an address"), port)).expect("the veth pair is up");
        }
    });
}

fn received(socket: &UdpSocket) -> usize {
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    std::iter::from_fn(|| socket.recv_from(&mut [0; 2048]).ok()).count()
}

#[test]
fn what_passes_through_reaches_the_one_behind() {
    let Some(_turn) = privileged("what_passes_through_reaches_the_one_behind") else { return };
    for attach in ["native", "generic"] {
        let pair = VethPair::new("through");
        let behind = behind(&pair);
        let place = Place::discarding(&pair.collector, &format!("through-{attach}"));
        let xdp = ["--capture", "xdp", "--interface", COLLECTOR, "--attach", attach];
        let mut collector = Collector::start(&place, &xdp);
        let other = behind.enter(|| UdpSocket::bind(("::", place.udp_port())).expect("a fresh namespace"));
        for (from, to) in [("192.0.2.1", BEHIND_V4), ("2001:db8::1", BEHIND_V6)] {
            send(&pair, from, to, place.udp_port(), 5);
            assert_eq!(received(&other), 5, "{attach} {to}: {}", collector.metrics());
        }
        // An address of the other interface is this machine's as well.
        for (from, to) in
            [("192.0.2.1", COLLECTOR_V4), ("192.0.2.1", "198.51.100.1"), ("2001:db8::1", "2001:db8:51::1")]
        {
            send(&pair, from, to, place.udp_port(), 2);
        }
        collector.wait_for(BY_XDP, 6);
        collector.wait_for("verdict=\"other_address\"", 10);
        assert_eq!(collector.metric(BY_UDP), 0, "{attach}");
        assert_eq!(collector.terminate(), 0, "{}", collector.log());

        // By name it takes them: the other one gets nothing.
        let mut collector = Collector::start(&place, &["--capture", "xdp", "--mirror", COLLECTOR, "--attach", attach]);
        send(&pair, "192.0.2.1", BEHIND_V4, place.udp_port(), 5);
        let wire = pair.exporter.enter(|| Wire::new(EXPORTER));
        let mut elsewhere = frame(&[], "192.0.2.1".parse().expect("an address"), place.udp_port(), &v5());
        elsewhere[5] ^= 1;
        wire.send(&elsewhere);
        collector.wait_for(BY_XDP, 6);
        assert_eq!(received(&other), 0, "{attach}");
        assert_eq!(collector.terminate(), 0, "{}", collector.log());
    }
}

#[test]
fn an_address_that_comes_while_running_loses_nothing_and_one_that_goes_takes_nothing() {
    let Some(_turn) = privileged("an_address_that_comes_while_running") else { return };
    const MOVED: &str = "192.0.2.200";
    let pair = VethPair::new("moved");
    pair.exporter.ip(&format!("neighbour add {MOVED} lladdr {COLLECTOR_MAC} nud permanent dev {EXPORTER}"));
    let place = Place::discarding(&pair.collector, "moved");
    let mut collector = Collector::start(&place, &["--capture", "xdp", "--interface", COLLECTOR]);
    let port = place.udp_port();
    let mut expected = 0;
    for round in 0..3 {
        pair.collector.ip(&format!("address add {MOVED}/24 dev {COLLECTOR}"));
        send(&pair, "192.0.2.1", MOVED, port, 20);
        expected += 20;
        collector.wait_for("collector_datagrams_total{", expected);
        // By the ring soon.
        let before = collector.metric(BY_XDP);
        wait_until(&format!("round {round}: taken by XDP"), || {
            send(&pair, "192.0.2.1", MOVED, port, 1);
            expected += 1;
            collector.metric(BY_XDP) > before
        });
        collector.wait_for("collector_datagrams_total{", expected);
        pair.collector.ip(&format!("address del {MOVED}/24 dev {COLLECTOR}"));
        let passed = collector.metric("verdict=\"other_address\"");
        wait_until(&format!("round {round}: left alone"), || {
            send(&pair, "192.0.2.1", MOVED, port, 1);
            std::thread::sleep(Duration::from_millis(1100));
            collector.metric("verdict=\"other_address\"") > passed
        });
        expected = collector.metric("collector_datagrams_total{");
    }
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn an_address_of_the_configuration_is_taken_and_follows_a_reload() {
    let Some(_turn) = privileged("an_address_of_the_configuration_is_taken_and_follows_a_reload") else { return };
    let pair = VethPair::new("anycast");
    let place = Place::discarding(&pair.collector, "anycast");
    place.change_config("[capture]\n", "[capture]\naddresses = [\"198.51.100.0/30\"]\n");
    let mut collector = Collector::start(&place, &["--capture", "xdp", "--interface", COLLECTOR]);
    pair.exporter.ip(&format!("route add 198.51.100.0/24 via {COLLECTOR_V4}"));
    send(&pair, "192.0.2.1", BEHIND_V4, place.udp_port(), 3);
    collector.wait_for(BY_XDP, 3);
    place.change_config("198.51.100.0/30", "198.51.100.9");
    collector.signal(nix::sys::signal::Signal::SIGHUP);
    wait_until("it is reloaded", || collector.log().contains("reloaded the configuration"));
    send(&pair, "192.0.2.1", BEHIND_V4, place.udp_port(), 3);
    send(&pair, "192.0.2.1", "198.51.100.9", place.udp_port(), 2);
    collector.wait_for(BY_XDP, 5);
    collector.wait_for("verdict=\"other_address\"", 3);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn a_mirror_port_that_is_not_called_one_is_told_with_the_remedy() {
    let Some(_turn) = privileged("a_mirror_port_that_is_not_called_one_is_told_with_the_remedy") else { return };
    let pair = VethPair::new("mirror");
    let place = Place::discarding(&pair.collector, "mirror");
    let wire = pair.exporter.enter(|| Wire::new(EXPORTER));
    let mut elsewhere = frame(&[], "192.0.2.1".parse().expect("an address"), place.udp_port(), &v5());
    elsewhere[5] ^= 1;

    // Before anything runs.
    let is_done = AtomicBool::new(false);
    let checked = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                wire.send(&elsewhere);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let output = place.command(&["check", "--interface", COLLECTOR]).output().expect("start the collector");
        is_done.store(true, Ordering::Relaxed);
        output
    });
    assert_told(&checked, "warn  taken on collector0 datagrams to the collector's ports pass by collector0");

    let mut collector = Collector::start(&place, &["--capture", "xdp", "--interface", COLLECTOR]);
    for _ in 0..20 {
        wire.send(&elsewhere);
    }
    collector.wait_for("verdict=\"other_mac\"", 20);
    wait_until("the log says so", || collector.log().contains("pass by collector0"));
    let exporters = place.command(&["exporters"]).output().expect("start the collector");
    assert_told(&exporters, "pass by collector0 and are left alone: 20 to another MAC, 0 to another address");
    // Once is enough, and never where something is addressed to this machine.
    send(&pair, "192.0.2.1", COLLECTOR_V4, place.udp_port(), 1);
    collector.wait_for(BY_XDP, 1);
    wait_until("it is not told any more", || {
        let output = place.command(&["exporters"]).output().expect("start the collector");
        !String::from_utf8_lossy(&output.stdout).contains("pass by")
    });
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    assert_eq!(collector.log().matches("pass by collector0").count(), 1, "{}", collector.log());

    let checked = place.command(&["check", "--interface", COLLECTOR]).output().expect("start the collector");
    let text = String::from_utf8_lossy(&checked.stdout);
    assert!(text.contains("ok    taken on collector0") && text.contains(COLLECTOR_V4), "{text}");
}

fn assert_told(output: &Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(what) && text.contains("mirror = [\"collector0\"]"), "{text}");
}
