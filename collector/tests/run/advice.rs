//! `collector exporters` as an operator follows it: the block that it prints goes into the configuration, and the question is settled.

use std::process::Command;

use nix::sys::signal::Signal::SIGHUP;

use crate::datagrams::{v9_data, v9_template};
use crate::process::{Collector, Place, wait_until};

/// What `collector exporters` prints.
fn exporters(place: &Place<'_>) -> String {
    let (metrics, _) = place.tcp_addresses();
    let output = Command::new(env!("CARGO_BIN_EXE_collector"))
        .args(["exporters", "--metrics", &metrics.to_string()])
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn an_exporter_that_counts_every_packet_is_settled_by_the_block_that_is_printed() {
    let place = Place::new("advice");
    place.change_config("block_age_ms = 60000", "block_age_ms = 20");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--discard"]);
    collector.send(&v9_template());
    collector.send(&v9_data());
    wait_until("the question is asked", || exporters(&place).contains("  ? tells no sampling rate: 1 is assumed"));
    let printed = exporters(&place);
    let mut faults = printed.lines().filter(|line| line.starts_with("  ! "));
    assert!(faults.all(|line| line.contains("clock")), "the datagrams were made long ago, all else is well: {printed}");

    let block: Vec<&str> = printed.lines().map(str::trim).skip_while(|line| *line != "[[exporters]]").take(3).collect();
    assert_eq!(block, ["[[exporters]]", "address = \"127.0.0.1\"", "sampling_rate = 1"], "{printed}");
    let configuration = std::fs::read_to_string(place.config()).expect("it was written");
    std::fs::write(place.config(), format!("{configuration}{}\n", block.join("\n"))).expect("it can be written");
    collector.signal(SIGHUP);
    wait_until("the configuration is read again", || collector.log().contains("reloaded the configuration"));
    wait_until("the question is settled", || {
        collector.send(&v9_data());
        let printed = exporters(&place);
        printed.contains("1:1 configuration") && !printed.contains("  ? ")
    });
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}
