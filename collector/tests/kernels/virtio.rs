//! virtio_net, the driver that virtual machines have.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use crate::datagrams::{v9_data, v9_template};
use crate::netns::{COLLECTOR, COLLECTOR_V4, EXPORTER, Namespace, privileged};
use crate::process::{Collector, Place};

/// The interfaces that the machine has, by the order of their slots.
const UNDER_TEST: &str = "eth0";
const SENDER: &str = "eth1";
const EXPORTER_V4: &str = "192.0.2.1";
/// So many ports that every queue gets some of them, whatever the host's hash is.
const SOURCE_PORTS: u16 = 64;
const EACH: u64 = 30;

#[test]
#[ignore = "needs a machine with two interfaces of virtio: cargo xtask kernels"]
fn every_queue_of_virtio_net_feeds_a_ring() {
    let Some(_turn) = privileged("every_queue_of_virtio_net_feeds_a_ring") else { return };
    let (exporter, collector) = (Namespace::new("exporter"), Namespace::new("collector"));
    for (namespace, interface, name, address) in
        [(&collector, UNDER_TEST, COLLECTOR, COLLECTOR_V4), (&exporter, SENDER, EXPORTER, EXPORTER_V4)]
    {
        take(namespace, interface, name);
        namespace.ip(&format!("address add {address}/24 dev {name}"));
        namespace.ip(&format!("link set {name} up"));
    }
    // In the driver XDP has queues of its own to send by, so that twice as many receive.
    for (attach, queues) in [("native", 4), ("generic", 2)] {
        check(attach, queues, &exporter, &collector);
    }
}

/// Takes an interface of the machine into the namespace, under another name. It goes back when the namespace goes.
fn take(namespace: &Namespace, interface: &str, name: &str) {
    let mut ip = Command::new("ip");
    let output = ip.args(["link", "set", interface, "netns", namespace.name(), "name", name]).output();
    let output = output.expect("ip is installed");
    assert!(output.status.success(), "{interface}: {}", String::from_utf8_lossy(&output.stderr));
}

fn check(attach: &str, queues: u64, exporter: &Namespace, namespace: &Namespace) {
    let place = Place::discarding(namespace, &format!("virtio-{attach}"));
    let arguments = ["--interface", COLLECTOR, "--capture", "xdp", "--attach", attach];
    let mut collector = Collector::start(&place, &arguments);
    assert!(collector.log().contains(&format!("{attach} XDP")), "{}", collector.log());
    let sent = exporter.enter(|| {
        let mut sent = 0;
        for port in 0..SOURCE_PORTS {
            let socket = UdpSocket::bind((EXPORTER_V4, 20_000 + port)).expect("the address is ours");
            let mut send = |datagram: &[u8]| {
                socket.send_to(datagram, (COLLECTOR_V4, place.udp_port())).expect("the interface is up");
                sent += 1;
            };
            send(&v9_template());
            (0..EACH).for_each(|_| send(&v9_data()));
            // Emulation is slow: no queue of the machine may overflow.
            std::thread::sleep(Duration::from_millis(20));
        }
        sent
    });
    collector.wait_for("collector_datagrams_total{", sent);
    assert_eq!(collector.metric("collector_xdp_queues{interface=\"collector0\"}"), queues, "{attach}");
    // The program's counters are read once a second.
    collector.wait_for("verdict=\"steered\"", sent);
    assert_eq!(collector.metric("path=\"udp\""), 0, "{attach}: {}", collector.metrics());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
