//! The demo, end to end: softflowd and pmacctd's nfprobe meter real traffic, and every flow that they say they sent
//! is in the real engine.
//!
//! The demo of the repository is such a run already, so this starts it, for each way in which datagrams can come. It runs
//! only under `cargo xtask test`: it may install packages and fetch the engine, which a plain `cargo test` should not.

use std::process::Command;

/// `--capture` and `--wire` of the demo.
const WAYS: [(&str, &str); 3] = [("xdp", "ipv4"), ("xdp", "ipv6"), ("udp", "ipv4")];

#[test]
fn every_flow_the_exporters_say_they_sent_is_stored() {
    if std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none() {
        eprintln!("SKIPPED: every_flow_the_exporters_say_they_sent_is_stored: run `cargo xtask test` as root");
        return;
    }
    for (capture, wire) in WAYS {
        check(capture, wire);
    }
}

fn check(capture: &str, wire: &str) {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "xtask", "--", "demo", "--once", "--seconds", "8"])
        .args(["--capture", capture, "--wire", wire, "--binary", env!("CARGO_BIN_EXE_collector")])
        .output()
        .expect("cargo runs");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{capture} over {wire}: {}\n{stdout}\n{stderr}", output.status);
}
