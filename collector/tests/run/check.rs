//! `collector check` beside a collector that runs: nobody is told to stop it, and what it has is left alone.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output};

use crate::datagrams::v5;
use crate::netns::{COLLECTOR, COLLECTOR_V4, VethPair, privileged};
use crate::process::{Collector, Place};

/// Runs `collector check` with the configuration of a place, perhaps as another user.
fn check(place: &Place<'_>, inside: Option<&str>, arguments: &[&str], user: Option<u32>) -> (Output, String) {
    let mut command = Command::new(if inside.is_some() { "ip" } else { env!("CARGO_BIN_EXE_collector") });
    if let Some(namespace) = inside {
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_collector")]);
    }
    command.arg("--config").arg(place.config()).args(["check", "--this-user"]).args(arguments);
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let output = command.output().expect("the binary starts");
    let text = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    (output, text)
}

/// What nobody may be told while the collector runs.
const HARMFUL: [&str; 3] = ["stop ", "another program", "xdp off"];

#[test]
fn a_running_collector_is_known_and_no_fault() {
    let Some(place) = Place::with_engine("check") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    let (output, text) = check(&place, None, &["--capture", "udp"], None);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let (metrics, store) = place.tcp_addresses();
    for expected in [
        format!("ok collector runs: process {}, plain UDP sockets", collector.id()),
        format!("ok UDP port {} the running collector's", place.udp_port()),
        format!("ok metrics page {metrics}: the running collector's"),
        format!("ok embedded store {store}: the running collector's"),
    ] {
        assert!(text.contains(&expected), "want {expected:?} in {text}");
    }
    for harmful in HARMFUL {
        assert!(!text.contains(harmful), "{harmful:?} in {text}");
    }

    // A port that somebody else has is a fault still.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let other = socket.local_addr().expect("it is bound").port().to_string();
    let (output, text) = check(&place, None, &["--capture", "udp", "--port", &other], None);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("fail UDP port {other}")), "{text}");
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let (_, text) = check(&place, None, &["--capture", "udp"], None);
    assert!(!text.contains("runs: process") && text.contains("free"), "{text}");
}

#[test]
fn the_program_of_a_running_collector_stays_where_it_is() {
    let Some(_turn) = privileged("the_program_of_a_running_collector_stays_where_it_is") else { return };
    let pair = VethPair::new("check");
    let Some(place) = Place::inside(&pair.collector, "check-xdp") else { return };
    let flags = ["--interface", COLLECTOR, "--capture", "xdp"];
    let mut collector = Collector::start(&place, &flags);
    let (output, text) = check(&place, Some(pair.collector.name()), &flags, None);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains(&format!("ok XDP on {COLLECTOR} not tried, the collector runs: {COLLECTOR}: ")), "{text}");
    for harmful in HARMFUL {
        assert!(!text.contains(harmful), "{harmful:?} in {text}");
    }
    pair.exporter.enter(|| {
        let exporter = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
        for _ in 0..10 {
            exporter.send_to(&v5(), (COLLECTOR_V4, place.udp_port())).expect("the veth pair is up");
        }
    });
    collector.wait_for("collector_datagrams_total{worker=\"0\",path=\"xdp\"}", 10);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn another_user_sees_that_it_runs_by_what_it_tells() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: not root, so nobody else can be played");
        return;
    }
    let place = Place::new("check-other");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--discard"]);
    let nobody = 65_534;
    if Command::new(env!("CARGO_BIN_EXE_collector")).arg("--version").uid(nobody).output().is_err() {
        eprintln!("SKIPPED: the binary cannot be run as another user from here");
        return;
    }
    let (output, text) = check(&place, None, &["--capture", "udp", "--discard"], Some(nobody));
    assert_eq!(output.status.code(), Some(0), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("ok collector runs: plain UDP sockets"), "{text}");
    assert!(text.contains(&format!("? UDP port {} in use, by the running collector", place.udp_port())), "{text}");
    for harmful in HARMFUL {
        assert!(!text.contains(harmful), "{harmful:?} in {text}");
    }
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
