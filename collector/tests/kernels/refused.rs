//! A kernel that is too old refuses the program: what it says is told wherever somebody may look, and plain UDP sockets receive.

use std::process::Command;

use crate::datagrams::v5;
use crate::netns::privileged;
use crate::process::{Collector, Place};

/// What the verifier of a kernel without the program's helpers says.
const REASON: &str = "invalid func";

#[test]
#[ignore = "needs a kernel before Linux 5.11: cargo xtask kernels debian11"]
fn the_reason_is_told_and_udp_sockets_receive() {
    let Some(_turn) = privileged("the_reason_is_told_and_udp_sockets_receive") else { return };
    let place = Place::new("refused");
    let mut check = Command::new(env!("CARGO_BIN_EXE_collector"));
    check.arg("--config").arg(place.config()).args(["check", "--this-user", "--interface", "lo"]);
    let said = check.output().expect("start the collector").stdout;
    let said = String::from_utf8_lossy(&said).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("XDP cannot run here") && said.contains(REASON), "{said}");

    let mut collector = Collector::start(&place, &["--interface", "lo", "--discard"]);
    let log = collector.log();
    for part in ["XDP cannot run here", "verifier", REASON, "steer_frags: ", "; steer: "] {
        assert!(log.contains(part), "no {part:?} in {log}");
    }
    assert!(!log.contains("stack depth"), "{log}");
    assert_eq!(collector.metric("collector_xdp_refused{interface=\"lo\",reason=\"verifier\"}"), 1);
    collector.send(&v5());
    collector.wait_for("collector_datagrams_total{worker=\"0\",path=\"udp\"}", 1);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
