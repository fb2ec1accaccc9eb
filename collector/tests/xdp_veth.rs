//! AF_XDP over a veth pair: every datagram sent in one namespace is counted in the other, in native and in generic mode,
//! on one socket and on several; what is not for the ring reaches a UDP socket; nothing stays behind. Needs root.

#[path = "common/netns.rs"]
mod netns;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/wire.rs"]
mod wire;

use collector::steering::Attach;
use collector::xsk::{Bind, Receiver, Settings, Statistics, open};
use collector_ebpf::Verdict;
use netns::{COLLECTOR, COLLECTOR_V4, COLLECTOR_V6, EXPORTER, VethPair, privileged};
use rig::{PORT, Rig, send, send_from};
use std::net::{IpAddr, Ipv6Addr, UdpSocket};
use wire::{Wire, frame};

const ATTACHMENTS: [Attach; 2] = [Attach::Native, Attach::Generic];
/// Nine IPv4 and nine IPv6 addresses.
const EXPORTERS: usize = 18;

#[test]
fn every_datagram_reaches_the_socket_of_its_exporter() {
    let Some(_turn) = privileged("every_datagram_reaches_the_socket_of_its_exporter") else { return };
    for attach in ATTACHMENTS {
        for sockets in [1, 3] {
            check_counts(attach, sockets);
        }
    }
}

fn check_counts(attach: Attach, sockets: u32) {
    const EACH: u32 = 100;
    let name = format!("{attach:?} with {sockets} sockets");
    let pair = VethPair::new("counts");
    let mut rig = Rig::new(&pair, attach, sockets);
    let sent = pair.exporter.enter(|| {
        let v4 = (1..=9).map(|host| (format!("192.0.2.{host}"), COLLECTOR_V4));
        let v6 = (1..=9).map(|host| (format!("2001:db8::{host}"), COLLECTOR_V6));
        v4.chain(v6).map(|(source, to)| send_from(&source, to, EACH)).sum::<u64>()
    });
    assert_eq!(sent, EXPORTERS as u64 * u64::from(EACH));

    let seen = rig.receive(sent);
    assert_eq!(seen.len(), EXPORTERS, "{name}");
    for (exporter, (socket, numbers)) in &seen {
        let exporter = Ipv6Addr::from(*exporter).to_canonical();
        assert!(numbers.iter().copied().eq(0..EACH), "{name}: {exporter} on socket {socket}: {numbers:?}");
    }
    let used = rig.receivers.iter().filter(|receiver| receiver.counters().frames > 0).count();
    assert!(used > 1 || sockets == 1, "{name}: only {used} sockets got frames");

    assert_eq!(rig.steering.verdicts().expect("the map is there").get(Verdict::Steered), sent, "{name}");
    for receiver in &rig.receivers {
        let counters = receiver.counters();
        assert_eq!(counters.bad_descriptors() + counters.not_returned, 0, "{name}: {counters:?}");
        assert_eq!(counters.wakeups, 0, "{name}: copy mode never asks for a wake-up");
        let statistics = receiver.statistics().expect("the socket is open");
        assert_eq!(statistics, Statistics::default(), "{name}");
    }
    assert_eq!(rig.udp_datagrams(), Vec::<Vec<u8>>::new(), "{name}: nothing may arrive twice");
}

#[test]
fn tagged_frames_reach_the_ring() {
    let Some(_turn) = privileged("tagged_frames_reach_the_ring") else { return };
    for attach in ATTACHMENTS {
        check_tagged(attach);
    }
}

fn check_tagged(attach: Attach) {
    const EACH: u32 = 20;
    const Q: [u8; 4] = [0x81, 0x00, 0x00, 42];
    const AD: [u8; 4] = [0x88, 0xa8, 0x00, 100];
    let pair = VethPair::new("tagged");
    let mut rig = Rig::new(&pair, attach, 2);
    let stacks: [&[[u8; 4]]; 4] = [&[], &[Q], &[AD, Q], &[Q, Q]];
    let exporters = (1..=4).flat_map(|host| [format!("192.0.2.{host}"), format!("2001:db8::{host}")]);
    let exporters: Vec<IpAddr> = exporters.map(|address| address.parse().expect("an address")).collect();
    pair.exporter.enter(|| {
        let wire = Wire::new(EXPORTER);
        for (exporter, tags) in exporters.iter().zip(stacks.iter().flat_map(|tags| [tags, tags])) {
            for number in 0..EACH {
                wire.send(&frame(tags, *exporter, PORT, &number.to_be_bytes()));
            }
        }
    });
    let seen = rig.receive(exporters.len() as u64 * u64::from(EACH));
    for exporter in exporters {
        let (_, numbers) = seen.get(&mapped(exporter)).unwrap_or_else(|| panic!("{attach:?}: nothing of {exporter}"));
        assert!(numbers.iter().copied().eq(0..EACH), "{attach:?} {exporter}: {numbers:?}");
    }
    // Without VLAN devices on this side the kernel could not have delivered the tagged ones: only the ring could.
    assert_eq!(rig.udp_datagrams(), Vec::<Vec<u8>>::new(), "{attach:?}");
}

#[test]
fn what_the_program_passes_reaches_the_udp_socket() {
    let Some(_turn) = privileged("what_the_program_passes_reaches_the_udp_socket") else { return };
    for attach in ATTACHMENTS {
        check_passed(attach);
    }
}

fn check_passed(attach: Attach) {
    let pair = VethPair::new("passed");
    let mut rig = Rig::new(&pair, attach, 2);
    let other = pair.collector.enter(|| UdpSocket::bind("[::]:9999").expect("a fresh namespace has all ports free"));
    pair.exporter.enter(|| {
        let sender = UdpSocket::bind("192.0.2.1:0").expect("the address is ours");
        // Three fragments, and three again below.
        send(&sender, COLLECTOR_V4, PORT, &[1; 4000]);
        send(&sender, COLLECTOR_V4, 9999, &[2; 100]);
        let sender = UdpSocket::bind("[2001:db8::1]:0").expect("the address is ours");
        send(&sender, COLLECTOR_V6, PORT, &[3; 4000]);
        send(&sender, COLLECTOR_V6, PORT, &[4; 4]);
    });
    let mut buffer = [0; 2000];
    let (len, _) = other.recv_from(&mut buffer).expect("the datagram to another port");
    assert_eq!(buffer[..len], [2; 100], "{attach:?}");
    rig.receive(1);
    let datagrams = rig.wait_for_udp(2);
    assert_eq!(datagrams, [vec![1; 4000], vec![3; 4000]], "{attach:?}");
    let verdicts = rig.steering.verdicts().expect("the map is there");
    assert_eq!(verdicts.get(Verdict::Fragment), 6, "{attach:?}");
    assert_eq!(verdicts.get(Verdict::OtherPort), 1, "{attach:?}");
}

#[test]
fn without_sockets_everything_reaches_the_udp_socket() {
    let Some(_turn) = privileged("without_sockets_everything_reaches_the_udp_socket") else { return };
    let pair = VethPair::new("nosocket");
    let mut rig = Rig::new(&pair, Attach::Native, 1);
    rig.receivers.clear();
    let sent = pair.exporter.enter(|| send_from("192.0.2.1", COLLECTOR_V4, 20));
    assert_eq!(rig.wait_for_udp(20).len() as u64, sent);
    assert_eq!(rig.steering.verdicts().expect("the map is there").get(Verdict::NoSocket), sent);
}

#[test]
fn a_worker_that_is_late_loses_what_the_ring_cannot_hold_and_it_is_counted() {
    let Some(_turn) = privileged("a_worker_that_is_late_loses_what_the_ring_cannot_hold_and_it_is_counted") else {
        return;
    };
    for attach in ATTACHMENTS {
        let pair = VethPair::new("late");
        let mut rig = Rig::new(&pair, attach, 1);
        let excess = 500;
        let sent = pair.exporter.enter(|| send_from("192.0.2.1", COLLECTOR_V4, rig::RING_DESCRIPTORS + excess));
        rig.wait_for_steered(sent);
        let seen = rig.receive(u64::from(rig::RING_DESCRIPTORS));
        assert_eq!(seen.len(), 1);
        let statistics = rig.receivers[0].statistics().expect("the socket is open");
        assert_eq!(statistics.rx_ring_full, u64::from(excess), "{attach:?}");
        // All frames are back: the ring can be filled once more.
        let sent = pair.exporter.enter(|| send_from("192.0.2.2", COLLECTOR_V4, rig::RING_DESCRIPTORS));
        assert_eq!(rig.receive(sent).values().map(|(_, numbers)| numbers.len() as u64).sum::<u64>(), sent);
    }
}

#[test]
fn detaching_leaves_the_interface_as_it_was() {
    let Some(_turn) = privileged("detaching_leaves_the_interface_as_it_was") else { return };
    for attach in ATTACHMENTS {
        let pair = VethPair::new("detach");
        let show = || pair.collector.ip(&format!("-d link show {COLLECTOR}"));
        let before = show();
        assert!(!before.contains("xdp"), "{before}");
        let rig = Rig::new(&pair, attach, 2);
        assert!(show().contains("xdp"), "{attach:?}: {}", show());
        drop(rig);
        assert_eq!(show(), before, "{attach:?}");
        // The queue is free again as well, if perhaps not at once.
        drop(Rig::new(&pair, attach, 1));
    }
}

#[test]
fn a_queue_or_interface_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    let Some(_turn) = privileged("a_queue_or_interface_that_cannot_be_had_is_an_error_that_says_what_to_do") else {
        return;
    };
    let pair = VethPair::new("refused");
    let check = |name: &str, settings: Settings, remedy: &str| {
        let Err(error) = pair.collector.enter(|| open(&settings)) else { panic!("{name}: opened") };
        let text = error.to_string();
        assert!(text.contains(remedy) && !text.contains('\n'), "{name}: {text}");
    };
    let good = rig::xsk_settings(1);
    check("no such interface", Settings { interface: "eth99".into(), ..good.clone() }, "ip link");
    check("no such queue", Settings { queue: 7, ..good.clone() }, "ethtool -l");
    check("zero-copy", Settings { bind: Bind::ZeroCopy, ..good.clone() }, "copy mode");
    let held = pair.collector.enter(|| open(&good)).expect("the queue is free");
    check("held queue", good.clone(), "another AF_XDP socket");
    drop(held);
    pair.collector.enter(|| open(&good)).expect("the queue is free again");
}

#[test]
fn a_vanished_interface_is_reported_once() {
    let Some(_turn) = privileged("a_vanished_interface_is_reported_once") else { return };
    let pair = VethPair::new("vanished");
    let mut receivers = pair.collector.enter(|| open(&rig::xsk_settings(2))).expect("the queue is free");
    let error = |receiver: &Receiver| {
        let error = receiver.take_error().expect("the socket is open");
        error.and_then(|error| error.raw_os_error())
    };
    assert!(receivers.iter().all(|receiver| error(receiver).is_none()));
    pair.collector.ip(&format!("link delete {COLLECTOR}"));
    for receiver in &mut receivers {
        assert_eq!(error(receiver), Some(libc::ENETDOWN));
        assert_eq!(error(receiver), None);
        assert_eq!(receiver.receive(|_, _| panic!("no interface, no frame")), 0);
    }
}

#[test]
fn a_memlock_limit_that_is_too_small_is_an_error_that_says_what_to_do() {
    const TEST: &str = "a_memlock_limit_that_is_too_small_is_an_error_that_says_what_to_do";
    /// Set in the child, which has neither the limit nor the capability.
    const CHILD: &str = "XDP_VETH_LIMITED_CHILD";
    if std::env::var_os(CHILD).is_some() {
        let Err(error) = open(&rig::xsk_settings(1)) else { panic!("opened") };
        let text = error.to_string();
        assert!(text.contains("LimitMEMLOCK") && text.contains("CAP_IPC_LOCK") && !text.contains('\n'), "{text}");
        return;
    }
    let Some(_turn) = privileged(TEST) else { return };
    let pair = VethPair::new("memlock");
    let status = pair
        .collector
        .command("setpriv")
        .args(["--bounding-set", "-ipc_lock", "prlimit", "--memlock=65536"])
        .arg(std::env::current_exe().expect("the test runs from a file"))
        .args(["--exact", TEST])
        .env(CHILD, "1")
        .status();
    assert!(status.expect("util-linux is installed").success());
}

/// The exporter as the walk names it.
fn mapped(exporter: IpAddr) -> [u8; 16] {
    match exporter {
        IpAddr::V4(exporter) => exporter.to_ipv6_mapped().octets(),
        IpAddr::V6(exporter) => exporter.octets(),
    }
}
