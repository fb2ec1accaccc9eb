//! A ring and a socket that get more than they hold while the collector stands still.

use std::net::UdpSocket;
use std::time::Duration;

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};

use crate::netns::{self, COLLECTOR, COLLECTOR_V4, VethPair, privileged};
use crate::process::{Collector, Place, wait_until};
use crate::table::Table;
use crate::v5;

const EXPORTER: &str = "192.0.2.1";
/// Descriptors of the ring in this test.
const RING: usize = 1024;
const SENT: usize = 3 * RING;
/// Datagrams that are sent without a pause.
const VETH_TRAIN: usize = 64;

#[test]
fn what_an_overloaded_ring_loses_is_named() {
    let Some(_turn) = privileged("what_an_overloaded_ring_loses_is_named") else { return };
    let pair = VethPair::new("ring");
    let Some(place) = Place::inside(&pair.collector, "ring") else { return };
    place
        .change_config("[capture]", &format!("[capture]\nring_descriptors = {RING}\nframes_per_socket = {}", 2 * RING));
    let mut collector = Collector::start(&place, &["--interface", COLLECTOR, "--capture", "xdp", "--workers", "1"]);
    assert_eq!(send(&pair, place.udp_port(), 1), 1);
    collector.wait_for("collector_datagrams_total", 1);
    collector.signal(SIGSTOP);
    let arrived = 1 + send(&pair, place.udp_port(), SENT);
    collector.signal(SIGCONT);
    collector.wait_for("verdict=\"steered\"", arrived);
    let received = |collector: &Collector<'_>| collector.metric("collector_datagrams_total{");
    let lost = |collector: &Collector<'_>| collector.metric("collector_ring_ring_full_total");
    wait_until("all are received or lost", || received(&collector) + lost(&collector) == arrived);
    let lost = lost(&collector);
    assert!(lost > 0, "{}", collector.metrics());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let collector = Collector::start(&place, &["--capture", "udp"]);
    let table = Table::read(&collector);
    table.check_equations();
    let (arrived, lost) = (arrived as i64, lost as i64);
    table.check("ring", EXPORTER, &[("seen_xdp", arrived), ("received_xdp", arrived - lost), ("ring_full", lost)]);
    table.check("ring", EXPORTER, &[("decoded", arrived - lost), ("fill_ring_empty", 0), ("ring_other", 0)]);
    table.check("ring", EXPORTER, &[("rows_stored", arrived - lost)]);
}

#[test]
fn what_an_overflowing_socket_loses_is_named() {
    let Some(_turn) = privileged("what_an_overflowing_socket_loses_is_named") else { return };
    let pair = VethPair::new("socket");
    let Some(place) = Place::inside(&pair.collector, "socket") else { return };
    place.change_config("[capture]", "[capture]\nudp_receive_buffer_bytes = 65536");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--workers", "1"]);
    collector.signal(SIGSTOP);
    let arrived = send(&pair, place.udp_port(), SENT);
    collector.signal(SIGCONT);
    let received = |collector: &Collector<'_>| collector.metric("collector_datagrams_total{");
    let lost = |collector: &Collector<'_>| collector.metric("collector_socket_drops_total");
    // The kernel tells of the loss with the first datagram after it.
    wait_until("the loss is known", || {
        let before = received(&collector);
        send(&pair, place.udp_port(), 1);
        wait_until("it comes", || received(&collector) > before);
        lost(&collector) > 0
    });
    wait_until("the last copy of the counters is out", || {
        let before = (received(&collector), lost(&collector));
        std::thread::sleep(Duration::from_millis(600));
        before == (received(&collector), lost(&collector))
    });
    let (received, lost) = (received(&collector) as i64, lost(&collector) as i64);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let collector = Collector::start(&place, &["--capture", "udp"]);
    let table = Table::read(&collector);
    table.check_equations();
    assert!(received + lost >= arrived as i64, "{received} {lost} {arrived}");
    table.check("socket", EXPORTER, &[("seen_udp", received), ("decoded", received), ("rows_stored", received)]);
    table.check("socket", "::", &[("seen_udp", lost), ("socket_overflow", lost), ("decoded", 0)]);
}

/// Sends this many datagrams and returns how many of them reached the other side. A veth holds 256 frames until the
/// kernel gets round to them, which on a busy machine may be late in spite of the pauses; it drops what is more before
/// the program sees it.
fn send(pair: &VethPair, port: u16, count: usize) -> u64 {
    let dropped = pair.exporter.enter(|| {
        let before = dropped_by_the_veth();
        let socket = UdpSocket::bind((EXPORTER, 0)).expect("the address is ours");
        for number in 0..count {
            socket.send_to(&v5(1), (COLLECTOR_V4, port)).expect("the veth pair is up");
            if number % VETH_TRAIN == VETH_TRAIN - 1 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        dropped_by_the_veth() - before
    });
    count as u64 - dropped
}

/// What the exporter's interface has dropped of what it sent.
fn dropped_by_the_veth() -> u64 {
    const TX_DROPPED: usize = 11;
    let counters = std::fs::read_to_string("/proc/thread-self/net/dev").expect("procfs is mounted");
    let of_the_interface =
        counters.lines().find_map(|line| line.trim().strip_prefix(netns::EXPORTER)?.strip_prefix(':'));
    let dropped = of_the_interface.and_then(|fields| fields.split_whitespace().nth(TX_DROPPED));
    dropped.and_then(|field| field.parse().ok()).expect("the interface has its counters")
}
