//! `collector check`: as anybody, with what is there and what is missing.

use std::net::{TcpListener, UdpSocket};

use nix::unistd::{Gid, Uid, geteuid};
use std::os::unix::process::CommandExt as _;

use crate::{collector, run, stderr, stdout};

/// A UDP port that nobody has, as an argument.
fn free_port() -> String {
    let socket = UdpSocket::bind("[::]:0").expect("a port is free");
    socket.local_addr().expect("it is bound").port().to_string()
}

/// Runs the check with ports and a state directory that suit a test; one line of its answer by subject.
#[track_caller]
fn check(args: &[&str], code: i32, line: &str) {
    let directory = std::env::temp_dir();
    let port = free_port();
    let usual = ["check", "--port", &port, "--metrics", "off", "--state-dir", directory.to_str().expect("UTF-8")];
    let output = run(&[&usual, args].concat());
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(&output), stderr(&output));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        stdout(&output).lines().any(|found| words(found).contains(line)),
        "want {line:?}, got\n{}",
        stdout(&output)
    );
}

#[test]
fn what_fails_is_told_with_the_remedy() {
    let url = ["--clickhouse-url", "http://127.0.0.1:1"];
    check(&url, 1, "fail ClickHouse");
    check(&["--geoip", "/nonexistent.mmdb"], 1, "fail GeoIP");
}

#[test]
fn an_unknown_interface_is_told_with_the_known_ones() {
    check(&["--interface", "nosuch0"], 1, "fail nosuch0");
}

#[test]
fn ports_in_use_are_told() {
    let socket = UdpSocket::bind("[::]:0").expect("a port is free");
    let port = socket.local_addr().expect("it is bound").port().to_string();
    check(&["--port", &port], 1, &format!("fail UDP port {port}"));
    let page = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = page.local_addr().expect("it is bound").to_string();
    let output = run(&["check", "--port", &free_port(), "--metrics", &address]);
    assert!(stdout(&output).contains(&format!("fail  metrics page     {address}")), "{}", stdout(&output));
}

#[test]
fn it_needs_no_root() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: not root, so the other tests show this already");
        return;
    }
    let mut command = collector(&["check", "--interface", "lo", "--port", &free_port(), "--metrics", "off"]);
    let nobody = Uid::from_raw(65_534);
    command.uid(nobody.as_raw()).gid(Gid::from_raw(65_534).as_raw());
    let output = command.output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: the binary cannot be run as another user from here");
        return;
    };
    let text = stdout(&output);
    assert!(text.contains("warn  rights           XDP lacks CAP_BPF"), "{text}{}", stderr(&output));
    assert!(text.contains("?     XDP on lo"), "{text}");
    assert!(text.contains("check again as root"), "{text}");
}
