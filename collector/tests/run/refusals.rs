//! Starts that must fail: exit status 1, one line on standard error that says what happened to what and what to do.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::AtomicBool;

use collector::store::{Child, Settings};

use crate::datagrams::{V5_RECORDS, v5};
use crate::process::{Collector, Place};

const UNREACHABLE: [&str; 2] = ["--clickhouse-url", "http://127.0.0.1:1"];

#[test]
fn a_start_that_cannot_work_says_why_in_one_line() {
    let place = Place::new("refusals");
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken_port = taken.local_addr().expect("its address").port().to_string();
    let broken = place.directory().join("broken.mmdb");
    std::fs::write(&broken, "no database").expect("write");
    let broken = broken.to_str().expect("a path in UTF-8");
    let beside = |more: &[&'static str]| [&UNREACHABLE[..], more].concat();
    let cases: [(&str, Vec<&str>, &[&str]); 8] = [
        ("URL of another kind", vec!["--clickhouse-url", "tcp://127.0.0.1:9000"], &["tcp://127.0.0.1:9000", "http"]),
        ("no such GeoIP file", beside(&["--geoip", "/nowhere.mmdb"]), &["/nowhere.mmdb"]),
        ("broken GeoIP file", [&UNREACHABLE[..], &["--geoip", broken]].concat(), &["broken.mmdb", "MaxMind"]),
        ("no such password file", beside(&["--password-file", "/nowhere/password"]), &["/nowhere/password"]),
        ("state directory", beside(&["--state-dir", "/proc/version/x"]), &["/proc/version/x", "--state-dir"]),
        ("no interface for xdp", beside(&["--capture", "xdp"]), &["--interface"]),
        (
            "no such interface",
            beside(&["--interface", "nosuch0"]),
            &["\"nosuch0\" does not exist", "those that do: lo"],
        ),
        (
            "port in use",
            [&UNREACHABLE[..], &["--port", &taken_port]].concat(),
            &["bind", &taken_port, "another program"],
        ),
    ];
    for (name, arguments, parts) in cases {
        check(&place, name, &arguments, parts);
    }
}

#[test]
fn a_broken_configuration_is_refused_with_its_place() {
    let place = Place::new("configuration");
    let file = place.config();
    let file = file.to_str().expect("a path in UTF-8");
    let cases: [(&str, &str, &[&str]); 7] = [
        (
            "stored and discarded",
            "[clickhouse]\nurl = \"http://127.0.0.1:1\"\ndiscard = true\n",
            &["clickhouse.discard", "leave out discard"],
        ),
        ("no TOML", "state_dir = \n", &[":1: string values must be quoted", file]),
        ("unknown key", "[capture]\nprots = [2055]\n", &[file, "prots", "ports"]),
        ("unknown table", "[clickhous]\n", &[file, "clickhous", "clickhouse"]),
        ("wrong type", "[capture]\nports = \"all\"\n", &[file, ":3: invalid type"]),
        ("no port", "[capture]\nports = []\n", &["capture.ports"]),
        (
            "no such CA file",
            "[clickhouse]\nurl = \"https://127.0.0.1:1\"\nca_file = \"/nowhere.pem\"\n",
            &["/nowhere.pem"],
        ),
    ];
    for (name, text, parts) in cases {
        let state = format!("state_dir = \"{}\"\n", place.directory().join("state").display());
        let state = if text.starts_with("state_dir") { "" } else { &state };
        std::fs::write(place.config(), format!("{state}{text}")).expect("write the configuration");
        check(&place, name, &[], parts);
    }
    std::fs::remove_file(place.config()).expect("remove the configuration");
    check(&place, "no file", &[], &[file, "No such file"]);
}

#[test]
fn what_another_program_holds_is_named() {
    let Some(place) = Place::with_engine("held") else { return };
    let (metrics, store) = place.tcp_addresses();
    let udp = ["--capture", "udp"];
    let taken = TcpListener::bind(store).expect("a free port");
    check(&place, "store's address", &udp, &["cannot listen on", &store.to_string(), "in use", "[store]"]);
    drop(taken);
    let taken = TcpListener::bind(metrics).expect("a free port");
    check(&place, "metrics' address", &udp, &[&metrics.to_string(), "in use", "--metrics"]);
    drop(taken);

    let mut holder = Collector::start(&place, &udp);
    let state = place.directory().join("state");
    let state = state.to_str().expect("a path in UTF-8");
    check(&place, "state directory", &udp, &[state, "another collector", "--state-dir"]);
    let elsewhere = place.directory().join("elsewhere");
    let elsewhere = elsewhere.to_str().expect("a path in UTF-8");
    let port = place.udp_port().to_string();
    check(&place, "port", &["--capture", "udp", "--state-dir", elsewhere], &[&port, "another program", "ss -ulpn"]);
    assert_eq!(holder.terminate(), 0, "the one that was there first is not disturbed: {}", holder.log());
}

#[test]
fn a_missing_engine_is_named_with_the_ways_to_get_one() {
    let place = Place::new("engine");
    let mut command = place.command(&["--capture", "udp"]);
    command.env("COLLECTOR_LIBCHDB", "/nowhere/libchdb.so");
    let parts = ["the store did not start", "/nowhere/libchdb.so: no such file", "COLLECTOR_LIBCHDB"];
    check_output("named by the environment", &command.output().expect("start"), &parts);

    let broken = place.directory().join("libchdb.so");
    std::fs::write(&broken, "no library").expect("write");
    let mut command = place.command(&["--capture", "udp"]);
    command.env("COLLECTOR_LIBCHDB", &broken);
    let parts = ["the store did not start", "libchdb.so: ", "cargo xtask libchdb"];
    check_output("no library", &command.output().expect("start"), &parts);
}

#[test]
fn a_wrong_password_waits_is_named_and_not_shown() {
    let Some(place) = Place::with_engine("password") else { return };
    let secret = |name: &str, text: &str| {
        let path = place.directory().join(name);
        std::fs::write(&path, text).expect("write a password");
        path.to_str().expect("a path in UTF-8").to_owned()
    };
    let (right, wrong) = (secret("right", "correct horse\n"), secret("wrong", "battery staple\n"));
    let settings = Settings {
        data_dir: place.directory().join("server"),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        library: None,
        database: "collector".to_owned(),
        user: Some("flows".to_owned()),
        password: Some("correct horse".to_owned()),
        connections: 2,
        memory_bytes: None,
        until_stdin_closes: true,
    };
    let program = Path::new(env!("CARGO_BIN_EXE_collector"));
    let server = Child::start_program(program, &settings, &AtomicBool::new(false)).expect("the engine starts");
    let url = server.url();
    let asking = ["--capture", "udp", "--clickhouse-url", &url, "--user"];
    for (name, who) in [
        ("wrong password", ["flows", "--password-file", &wrong].as_slice()),
        ("no password", &["flows"]),
        ("wrong user", &["nobody", "--password-file", &right]),
    ] {
        let mut collector = Collector::start(&place, &[&asking[..], who].concat());
        for _ in 0..3 {
            collector.send(&v5());
        }
        collector.wait_for("collector_datagrams_total", 3);
        assert_eq!(collector.metric("collector_clickhouse_alarms"), 1, "{name}");
        assert_eq!(collector.terminate(), 0, "{name}: {}", collector.log());
        let log = collector.log();
        let line = log.lines().find(|line| line.contains("ClickHouse takes no rows")).unwrap_or_default();
        for part in ["ERROR", "datagrams are kept in the journal", "refused user", who[0], &url, "--password-file"] {
            assert!(line.contains(part), "{name}: no {part:?} in {log}");
        }
        assert!(!log.contains("horse") && !log.contains("staple"), "{name}: a password in {log}");
    }
    let mut collector = Collector::start(&place, &[&asking[..], &["flows", "--password-file", &right]].concat());
    // All that came while nobody let it in.
    collector.wait_for("collector_clickhouse_rows_inserted_total", 3 * 3 * V5_RECORDS);
    assert_eq!(collector.metric("collector_clickhouse_alarms"), 0);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    server.stop().expect("the engine stops");
}

#[track_caller]
fn check(place: &Place<'_>, name: &str, arguments: &[&str], parts: &[&str]) {
    let output = place.command(arguments).output().expect("start the collector");
    check_output(name, &output, parts);
}

/// Exit status 1, and all `parts` in the last line on standard error.
#[track_caller]
pub(crate) fn check_output(name: &str, output: &Output, parts: &[&str]) {
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{name}: {log}");
    let last = log.lines().last().unwrap_or_default();
    assert!(last.starts_with("collector: "), "{name}: {log}");
    for part in parts {
        assert!(last.contains(part), "{name}: no {part:?} in {last:?}");
    }
    assert!(!last.contains("horse") && !last.contains("staple"), "{name}: a password in {last:?}");
    eprintln!("{name}: {last}");
}
