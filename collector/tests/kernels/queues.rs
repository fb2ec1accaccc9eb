//! Rings follow the interface: the number of its queues, and the interface itself when it goes and comes back.

use std::net::UdpSocket;
use std::process::Command;

use crate::datagrams::{v9_data, v9_template};
use crate::netns::{COLLECTOR, COLLECTOR_MAC, COLLECTOR_V4, EXPORTER, Namespace, privileged};
use crate::process::{Collector, Place, wait_until};

const QUEUES_MOST: u32 = 4;
/// Exporters, and ports of each: enough that every queue gets some.
const EXPORTERS: u16 = 6;
const PORTS: u16 = 8;
const BY_UDP: &str = "path=\"udp\"";
const STEERED: &str = "verdict=\"steered\"";
const QUEUES: &str = "collector_xdp_queues{interface=\"collector0\"}";
const CHANGES: &str = "collector_xdp_queue_changes_total{interface=\"collector0\"}";
const COMEBACKS: &str = "collector_xdp_comebacks_total{interface=\"collector0\"}";

/// A veth pair whose ends can have several queues, and have one.
struct Pair {
    exporter: Namespace,
    collector: Namespace,
}

impl Pair {
    fn new() -> Self {
        let pair = Self { exporter: Namespace::new("queues-exporter"), collector: Namespace::new("queues-collector") };
        pair.join();
        pair
    }

    fn join(&self) {
        let ends = format!("numtxqueues {QUEUES_MOST} numrxqueues {QUEUES_MOST}");
        let there = self.collector.name();
        self.exporter.ip(&format!(
            "link add {EXPORTER} {ends} type veth peer {COLLECTOR} address {COLLECTOR_MAC} netns {there} {ends}"
        ));
        self.set_queues(1);
        for offload in ["gso", "tso", "tx"] {
            ethtool(&self.exporter, &["-K", EXPORTER, offload, "off"]);
        }
        for host in 1..=EXPORTERS {
            self.exporter.ip(&format!("address add 192.0.2.{host}/24 dev {EXPORTER}"));
        }
        self.collector.ip(&format!("address add {COLLECTOR_V4}/24 dev {COLLECTOR}"));
        self.exporter.ip(&format!("link set {EXPORTER} up"));
        self.collector.ip(&format!("link set {COLLECTOR} up"));
        self.exporter.ip(&format!("neighbour add {COLLECTOR_V4} lladdr {COLLECTOR_MAC} nud permanent dev {EXPORTER}"));
    }

    /// Gives the collector's end so many receive queues, and the exporter's end as many to send by: never more than those.
    fn set_queues(&self, queues: u32) {
        ethtool(&self.exporter, &["-L", EXPORTER, "tx", "1"]);
        ethtool(&self.collector, &["-L", COLLECTOR, "rx", &queues.to_string()]);
        if queues > 1 {
            ethtool(&self.exporter, &["-L", EXPORTER, "tx", &queues.to_string()]);
        }
    }

    /// Sends from every exporter and port, so that all queues get some; how many.
    fn send(&self, port: u16) -> u64 {
        const EACH: u64 = 3;
        self.exporter.enter(|| {
            for host in 1..=EXPORTERS {
                for source in 0..PORTS {
                    let address = format!("192.0.2.{host}:{}", 30_000 + source);
                    let socket = UdpSocket::bind(address).expect("the address is ours");
                    let to = (COLLECTOR_V4, port);
                    socket.send_to(&v9_template(), to).expect("the pair is up");
                    for _ in 1..EACH {
                        socket.send_to(&v9_data(), to).expect("the pair is up");
                    }
                }
            }
        });
        EACH * u64::from(EXPORTERS) * u64::from(PORTS)
    }
}

fn ethtool(namespace: &Namespace, arguments: &[&str]) {
    let mut ip: Command = namespace.command("ethtool");
    let output = ip.args(arguments).output().expect("ip is installed");
    // It is an error to ask for what is there already.
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || said.contains("no channel parameters changed"), "{arguments:?}: {said}");
}

#[test]
fn rings_follow_the_number_of_queues() {
    let Some(_turn) = privileged("rings_follow_the_number_of_queues") else { return };
    for attach in ["native", "generic"] {
        check(attach);
    }
}

fn check(attach: &str) {
    let pair = Pair::new();
    let place = Place::discarding(&pair.collector, &format!("queues-{attach}"));
    let arguments = ["--interface", COLLECTOR, "--capture", "xdp", "--attach", attach, "--workers", "2"];
    let mut collector = Collector::start(&place, &arguments);
    assert_eq!(collector.metric(QUEUES), 1, "{attach}");
    let (mut sent, mut changes) = (0, 0);
    // With one queue two sockets share it, so that each worker has one; with more the places of all rings change.
    for queues in [1, 2, 4] {
        pair.set_queues(queues);
        wait_until(&format!("{attach}: {queues} queues have rings"), || collector.metric(QUEUES) == u64::from(queues));
        let (before, by_udp) = (collector.metric(STEERED), collector.metric(BY_UDP));
        let now = pair.send(place.udp_port());
        sent += now;
        collector.wait_for("collector_datagrams_total{", sent);
        let told = || format!("{queues}: {}\n{}", collector.log(), collector.metrics());
        // The program's counters are read once a second.
        std::thread::sleep(std::time::Duration::from_secs(2));
        assert_eq!(collector.metric(STEERED), before + now, "{attach} {}", told());
        assert_eq!(collector.metric(BY_UDP), by_udp, "{attach}: {queues} queues: all came over rings");
        let changes_now = collector.metric(CHANGES);
        assert!(changes_now > changes || sent == now, "{attach}: {queues} queues: {changes_now}");
        changes = changes_now;
        for worker in 0..2 {
            let frames = collector.metric(&format!("collector_ring_frames_total{{worker=\"{worker}\"}}"));
            assert!(frames > 0, "{attach}: worker {worker} gets some");
        }
    }
    assert_eq!(collector.metric("collector_ring_ring_full_total"), 0, "{attach}");
    assert!(collector.log().contains("queues changed: rings follow"), "{attach}: {}", collector.log());
    assert_eq!(collector.terminate(), 0, "{attach}: {}", collector.log());
}

#[test]
fn what_comes_while_queues_change_is_not_lost() {
    let Some(_turn) = privileged("what_comes_while_queues_change_is_not_lost") else { return };
    let pair = Pair::new();
    let place = Place::discarding(&pair.collector, "queues-busy");
    let arguments = ["--interface", COLLECTOR, "--capture", "xdp", "--workers", "2"];
    let mut collector = Collector::start(&place, &arguments);
    let mut sent = 0;
    for queues in 1..=4 {
        pair.set_queues(queues);
        // Over the seconds in which the program is attached again and rings are laid out anew.
        for _ in 0..30 {
            sent += pair.send(place.udp_port());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    collector.wait_for("collector_datagrams_total{", sent);
    assert!(collector.metric(STEERED) > 0 && collector.metric(CHANGES) >= 3, "{}", collector.metrics());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn an_interface_that_comes_back_is_attached_again() {
    let Some(_turn) = privileged("an_interface_that_comes_back_is_attached_again") else { return };
    let pair = Pair::new();
    let place = Place::discarding(&pair.collector, "comeback");
    let mut collector = Collector::start(&place, &["--interface", COLLECTOR, "--capture", "xdp"]);
    let mut sent = pair.send(place.udp_port());
    collector.wait_for(STEERED, sent);
    for comebacks in 1..=2 {
        pair.collector.ip(&format!("link delete {COLLECTOR}"));
        if comebacks == 1 {
            // The second time it is back before anybody has seen that it was gone.
            wait_until("it is told", || collector.metric("reason=\"gone\"") == 1);
            assert!(collector.log().contains("an interface is gone"), "{}", collector.log());
            assert_eq!(collector.metric("capture=\"plain UDP sockets\""), 1, "{}", collector.metrics());
        }
        pair.join();
        wait_until("it is attached again", || collector.metric(COMEBACKS) == comebacks);
        assert_eq!(collector.metric("reason=\"gone\""), 0, "{}", collector.metrics());
        sent += pair.send(place.udp_port());
        collector.wait_for(STEERED, sent);
        collector.wait_for("collector_datagrams_total{", sent);
    }
    assert_eq!(collector.metric(BY_UDP), 0, "{}", collector.metrics());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
