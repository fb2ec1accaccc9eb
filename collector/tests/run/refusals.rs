//! Starts that must fail: exit status 1, one line on standard error that says what happened to what and what to do.

use std::net::{Ipv4Addr, UdpSocket};

use crate::process::Place;

#[test]
fn a_start_that_cannot_work_says_why_in_one_line() {
    let place = Place::new("refusals");
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken_port = taken.local_addr().expect("its address").port().to_string();
    let broken = place.directory().join("broken.mmdb");
    std::fs::write(&broken, "no database").expect("write");
    let broken = broken.to_str().expect("a path in UTF-8");
    let unreachable = ["--clickhouse-url", "http://127.0.0.1:1"];
    let cases: [(&str, Vec<&str>, &[&str]); 6] = [
        ("ClickHouse unreachable", unreachable.to_vec(), &["127.0.0.1:1"]),
        ("no such GeoIP file", [&unreachable[..], &["--geoip", "/nowhere.mmdb"]].concat(), &["/nowhere.mmdb"]),
        ("broken GeoIP file", [&unreachable[..], &["--geoip", broken]].concat(), &["broken.mmdb"]),
        (
            "state directory",
            [&unreachable[..], &["--state-dir", "/proc/version/x"]].concat(),
            &["/proc/version/x", "--state-dir"],
        ),
        ("interface for xdp", vec!["--clickhouse-url", "http://127.0.0.1:1", "--capture", "xdp"], &["--interface"]),
        (
            "port in use",
            [&unreachable[..], &["--port", &taken_port]].concat(),
            &["bind", &taken_port, "another program"],
        ),
    ];
    for (name, arguments, parts) in cases {
        check(&place, name, &arguments, parts);
    }
}

#[track_caller]
fn check(place: &Place, name: &str, arguments: &[&str], parts: &[&str]) {
    let output = place.command(arguments).output().expect("start the collector");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{name}: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("collector: "), "{name}: {log}");
    for part in parts {
        assert!(last.contains(part), "{name}: no {part:?} in {last:?}");
    }
}
