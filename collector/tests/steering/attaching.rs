//! Attaching: the mode that comes of it, what is left behind, and what each obstacle says.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aya::programs::{TestRun, TestRunOptions};
use collector::steering::{Attach, Mode, Program, Settings, Steering, Verdict, driver, interfaces, probe, queues};

use crate::frames::plain;
use crate::privileged::{af_xdp_socket, in_namespace, ip, privileged};
use crate::table::{PORT, load, settings};

/// Interface that the child process attaches to.
const CHILD_INTERFACE: &str = "COLLECTOR_TEST_INTERFACE";
/// What the child prints in front of its answer, on a line that also holds libtest's own words.
const CHILD_SAYS: &str = "child says: ";

fn on(interface: &str, attach: Attach) -> Settings {
    Settings { interface: interface.to_owned(), attach, ..settings() }
}

fn veth() {
    ip("link add left numrxqueues 2 numtxqueues 2 type veth peer name right numrxqueues 2 numtxqueues 2");
    ip("link set left up");
    ip("link set right up");
}

/// Whether the kernel shows an XDP program on `interface`, and in which mode.
fn shown(interface: &str) -> Option<Mode> {
    let line = ip(&format!("link show dev {interface}"));
    if line.contains("xdpgeneric") {
        return Some(Mode::Generic);
    }
    line.contains("xdp").then_some(Mode::Native)
}

#[test]
fn the_interface_is_left_as_it_was_found() {
    if !privileged("the_interface_is_left_as_it_was_found") {
        return;
    }
    in_namespace(|| {
        veth();
        let rows = [
            ("left", Attach::Auto, Mode::Native, false),
            ("left", Attach::Native, Mode::Native, false),
            ("left", Attach::Generic, Mode::Generic, false),
            ("lo", Attach::Auto, Mode::Generic, true),
            ("lo", Attach::Generic, Mode::Generic, false),
        ];
        for (interface, attach, mode, refused) in rows {
            let steering = Steering::attach(&on(interface, attach)).expect("attach");
            assert_eq!(steering.mode(), mode, "{interface} {attach:?}");
            assert_eq!(shown(interface), Some(mode), "{interface} {attach:?}");
            assert_eq!(steering.native_refused().is_some(), refused, "{interface} {attach:?}");
            drop(steering);
            assert_eq!(shown(interface), None, "{interface} {attach:?}");
        }
    });
}

#[test]
fn jumbo_frames_do_not_cost_native_mode() {
    if !privileged("jumbo_frames_do_not_cost_native_mode") {
        return;
    }
    in_namespace(|| {
        ip("link add left mtu 9000 type veth peer name right mtu 9000");
        ip("link set left up");
        ip("link set right up");
        let steering = Steering::attach(&on("left", Attach::Auto)).expect("attach");
        assert_eq!((steering.mode(), shown("left")), (Mode::Native, Some(Mode::Native)));
    });
}

#[test]
fn the_death_of_the_process_detaches() {
    if !privileged("the_death_of_the_process_detaches") {
        return;
    }
    in_namespace(|| {
        veth();
        let mut child = Command::new(std::env::current_exe().expect("own path"));
        let (mut child, answer) = start(&mut child, "left");
        assert_eq!(answer, "native");
        assert_eq!(shown("left"), Some(Mode::Native));
        child.kill().expect("SIGKILL");
        child.wait().expect("reap");
        assert_eq!(shown("left"), None);
    });
}

#[test]
fn obstacles_say_what_to_do() {
    if !privileged("obstacles_say_what_to_do") {
        return;
    }
    in_namespace(|| {
        veth();
        let fails = |settings: &Settings, words: &[&str]| {
            let message = Steering::attach(settings).expect_err("must fail").to_string();
            assert!(!message.contains('\n'), "{message}");
            for word in words {
                assert!(message.contains(word), "{word:?} is not in {message:?}");
            }
        };
        fails(&on("eth9", Attach::Auto), &["eth9", "does not exist", "lo", "left", "right"]);
        fails(&on("lo", Attach::Native), &["lo", "has no native XDP", "generic mode"]);
        fails(&Settings { queues: 0, ..on("lo", Attach::Auto) }, &["slots", "1 or more"]);
        fails(&Settings { queues: u32::MAX, sockets_per_queue: 2, ..on("lo", Attach::Auto) }, &["slots"]);
        for (first, second) in [
            (Attach::Native, Attach::Auto),
            (Attach::Generic, Attach::Auto),
            (Attach::Native, Attach::Generic),
            (Attach::Generic, Attach::Native),
        ] {
            let steering = Steering::attach(&on("left", first)).expect("attach");
            let shown = ip("link show dev left");
            let id = shown.split("prog/xdp id ").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id");
            fails(&on("left", second), &[&format!("XDP program {id};"), "bpftool", "xdp off"]);
            drop(steering);
        }
        let mut steering = Steering::attach(&on("left", Attach::Auto)).expect("attach");
        let foreign = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let message = steering.register(0, foreign.as_fd()).expect_err("no AF_XDP socket").to_string();
        assert!(message.contains("slot 0") && message.contains("AF_XDP"), "{message}");
        let socket = af_xdp_socket();
        let message = steering.register(1, socket.as_fd()).expect_err("no such slot").to_string();
        assert!(message.contains("slot 1") && message.contains("1 slots"), "{message}");
        steering.register(0, socket.as_fd()).expect("the slot that there is");
    });
}

#[test]
fn missing_capabilities_are_named_and_four_are_enough() {
    if !privileged("missing_capabilities_are_named_and_four_are_enough") {
        return;
    }
    let rows = [
        ("-all", "CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW missing"),
        ("-all,+bpf,+perfmon,+net_raw", "CAP_NET_ADMIN missing"),
        ("-all,+bpf,+net_admin,+net_raw", "CAP_PERFMON missing"),
        ("-all,+perfmon,+net_admin,+net_raw", "CAP_BPF missing"),
        ("-all,+bpf,+perfmon,+net_admin,+net_raw", "native"),
    ];
    in_namespace(|| {
        veth();
        for (capabilities, expected) in rows {
            let mut child = Command::new("setpriv");
            child.arg(format!("--bounding-set={capabilities}")).arg(std::env::current_exe().expect("own path"));
            let (mut child, answer) = start(&mut child, "left");
            child.kill().expect("SIGKILL");
            child.wait().expect("reap");
            assert!(answer.contains(expected), "{capabilities}: {answer}");
        }
    });
}

#[test]
fn a_probe_says_what_xdp_gets_and_leaves_nothing() {
    if !privileged("a_probe_says_what_xdp_gets_and_leaves_nothing") {
        return;
    }
    in_namespace(|| {
        veth();
        for (interface, mode, refused) in [("left", Mode::Native, false), ("lo", Mode::Generic, true)] {
            let probe = probe(interface, &[PORT], settings().recipients, Duration::ZERO);
            assert_eq!(probe.mode.expect("some mode"), mode, "{interface}");
            assert_eq!(probe.native_refused.is_some(), refused, "{interface}");
            assert_eq!(shown(interface), None, "{interface}");
        }
        assert!(probe("eth9", &[], settings().recipients, Duration::ZERO).mode.is_err());
        assert!(interfaces().iter().any(|name| name == "left"));
        assert_eq!(driver("left"), None);
        // This thread has left the namespace that /sys was mounted for.
        let message = queues("left").expect_err("not in /sys").to_string();
        assert!(message.contains("left") && message.contains("ip netns exec"), "{message}");
    });
}

#[test]
fn what_is_not_steered_reaches_an_ordinary_socket() {
    if !privileged("what_is_not_steered_reaches_an_ordinary_socket") {
        return;
    }
    in_namespace(|| {
        let steering = Steering::attach(&on("lo", Attach::Generic)).expect("attach");
        let ours = UdpSocket::bind("127.0.0.1:2055").expect("bind");
        let other = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let exporter = UdpSocket::bind("127.0.0.1:0").expect("bind");
        let mut buffer = [0; 64];
        for receiver in [&ours, &other] {
            exporter.send_to(b"datagram", receiver.local_addr().expect("address")).expect("send");
            let (length, _) = receiver.recv_from(&mut buffer).expect("receive");
            assert_eq!(&buffer[..length], b"datagram");
        }
        let verdicts = steering.verdicts().expect("read the verdicts");
        assert_eq!(verdicts.get(Verdict::NoSocket), 1);
        assert_eq!(verdicts.get(Verdict::OtherPort), 1);
        assert_eq!(verdicts.get(Verdict::Steered), 0);
    });
}

#[test]
fn a_socket_of_another_queue_counts_as_none() {
    if !privileged("a_socket_of_another_queue_counts_as_none") {
        return;
    }
    in_namespace(|| {
        veth();
        let two_queues = Settings { queues: 2, ..on("left", Attach::Native) };
        // The kernel runs test frames on queue 1 only while the interface has its receive queues set up for XDP.
        let _steering = Steering::attach(&two_queues).expect("attach");
        let index = nix::net::if_::if_nametoindex("left").expect("left exists");
        let socket_of_queue_0 = af_xdp_socket();
        let mut program = load(&two_queues);
        program.register(0, socket_of_queue_0.as_fd()).expect("register the socket");
        let verdict_on_queue = |program: &mut Program, queue: u32| {
            let before = program.verdicts().expect("read the verdicts");
            let frame = plain(2055);
            // `struct xdp_md`: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
            let context: Vec<u8> =
                [0, frame.len() as u32, 0, index, queue, 0].into_iter().flat_map(u32::to_ne_bytes).collect();
            let options = TestRunOptions { data_in: Some(&frame), ctx_in: Some(&context), ..TestRunOptions::new() };
            program.xdp_mut().test_run(options).expect("run the program");
            let after = program.verdicts().expect("read the verdicts");
            Verdict::ALL.into_iter().find(|&verdict| after.get(verdict) != before.get(verdict)).expect("a verdict")
        };
        assert_eq!(verdict_on_queue(&mut program, 0), Verdict::Steered);
        assert_eq!(verdict_on_queue(&mut program, 1), Verdict::NoSocket, "slot 1 is empty");
        program.register(1, socket_of_queue_0.as_fd()).expect("register the socket");
        assert_eq!(verdict_on_queue(&mut program, 1), Verdict::NoSocket, "slot 1 has a socket of queue 0");
    });
}

/// Starts this test binary again, to do no more than attach to `interface`, and waits for its answer.
fn start(command: &mut Command, interface: &str) -> (Child, String) {
    command.args(["--exact", "attaching::child", "--ignored", "--nocapture"]);
    command.env(CHILD_INTERFACE, interface).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("start the child");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let answer = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once(CHILD_SAYS).map(|(_, answer)| answer.to_owned()))
        .expect("an answer of the child");
    (child, answer)
}

/// Not a test: the child process of the tests above. It ends when its standard input does, so never outlives them.
#[test]
#[ignore = "started by other tests"]
fn child() {
    let Some(interface) = std::env::var_os(CHILD_INTERFACE) else { return };
    let steering = Steering::attach(&on(&interface.to_string_lossy(), Attach::Auto));
    match &steering {
        Ok(steering) => println!("{CHILD_SAYS}{}", steering.mode()),
        Err(error) => println!("{CHILD_SAYS}{error}"),
    }
    std::io::stdin().lines().for_each(drop);
}
