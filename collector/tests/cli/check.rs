//! `collector check`: as anybody, with what is there and what is missing.

use std::net::{TcpListener, UdpSocket};

use nix::unistd::{Gid, Uid, geteuid};
use std::os::unix::process::CommandExt as _;

use crate::{TemporaryFile, collector, mmdb, run, stderr, stdout};

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
fn geoip_files_are_told_with_what_they_give() {
    let lite = r#"{"country": "Oman", "country_code": "OM", "asn": "AS64500", "as_name": "Net"}"#;
    let good = TemporaryFile::new("lite.mmdb", &mmdb::file("ipinfo generic_lite.mmdb", &[("198.18.0.0/15", lite)]));
    let text = format!("ok GeoIP {}: ipinfo generic_lite.mmdb, gives country and AS, 1 networks", good.path());
    check(&["--geoip", good.path(), "--discard"], 0, &text);
    let record = r#"{"hosting": true, "country": "Oman"}"#;
    let bad = TemporaryFile::new("bad.mmdb", &mmdb::file("Own", &[("198.18.0.0/15", record)]));
    let text = format!("{} (Own) gives neither country nor city nor AS: its fields are country, hosting;", bad.path());
    check(&["--geoip", bad.path(), "--discard"], 1, &text);
    // Nothing but the header of a pcap file.
    let capture = TemporaryFile::new(
        "geoip.pcap",
        &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0],
    );
    let state = std::env::temp_dir().join(format!("collector-geoip-state-{}", std::process::id()));
    let state = state.to_str().expect("UTF-8");
    let port = free_port();
    for command in [
        &["run", "--port", &port, "--discard", "--metrics", "off", "--state-dir", state][..],
        &["decode", capture.path()],
    ] {
        let output = run(&[command, &["--geoip", bad.path()]].concat());
        assert_eq!(output.status.code(), Some(1), "{command:?}");
        assert!(stderr(&output).contains(&text), "{command:?}: {}", stderr(&output));
    }
    let _ = std::fs::remove_dir_all(state);
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
