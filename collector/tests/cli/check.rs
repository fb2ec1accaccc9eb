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

/// A unit file of a service that starts as user 65534, with more lines.
fn unit(name: &str, more: &str) -> TemporaryFile {
    TemporaryFile::new(name, format!("[Service]\nUser=65534\n{more}").as_bytes())
}

#[test]
fn what_the_service_can_do_is_said_and_not_what_this_shell_can() {
    let with_rights = unit(
        "rights.service",
        "AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_NET_RAW\nLimitMEMLOCK=infinity\nStateDirectory=flows\n",
    );
    let usual = ["--interface", "lo", "--discard", "--unit"];
    let of = |unit: &TemporaryFile, more: &[&'static str], code, line: &str| {
        check(&[&usual[..], &[unit.path()], more].concat(), code, line);
    };
    of(&with_rights, &[], 0, &format!("ok service {} starts as user 65534", with_rights.path()));
    of(&with_rights, &[], 0, "ok rights all that XDP needs, by the unit");
    of(&with_rights, &[], 0, "frames, no limit by the unit");
    let state = "ok state directory /var/lib/flows/x: systemd makes it for user 65534 (StateDirectory=)";
    let output = run(&[
        "check",
        "--state-dir",
        "/var/lib/flows/x",
        "--metrics",
        "off",
        "--discard",
        "--port",
        &free_port(),
        "--unit",
        with_rights.path(),
    ]);
    let text = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(state), "{text}");

    let without = unit("without.service", "ProtectSystem=strict\n");
    of(&without, &["--capture", "xdp"], 1, "fail rights XDP lacks CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN, CAP_NET_RAW");
    of(&without, &[], 1, "the unit has ProtectSystem=strict");
    let stranger = TemporaryFile::new("stranger.service", b"[Service]\nUser=nosuchuser\n");
    of(&stranger, &[], 1, "starts as user nosuchuser, who does not exist");
}

#[test]
fn files_that_the_service_cannot_read_are_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let record = r#"{"country_code": "OM"}"#;
    let file = TemporaryFile::new("closed.mmdb", &mmdb::file("country", &[("198.18.0.0/15", record)]));
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let (plain, hiding) = (unit("plain.service", ""), unit("hiding.service", "PrivateTmp=yes\n"));
    let args = |unit| ["--discard", "--geoip", file.path(), "--unit", unit];
    check(&args(plain.path()), 1, &format!("fail service {}: user 65534 cannot read it", file.path()));
    check(&args(hiding.path()), 1, &format!("fail service {}: the unit has PrivateTmp=", file.path()));
}
