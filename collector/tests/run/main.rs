//! `collector run` as a user runs it: the binary, real datagrams over loopback, the embedded store.
//!
//! Needs the engine's library (COLLECTOR_LIBCHDB or the usual places); without it the tests say so and are skipped.

/// What `collector exporters` advises, followed.
mod advice;
/// `collector check` beside a collector that runs.
mod check;
/// Datagrams whose UDP checksum is not right.
mod checksums;
/// Datagrams with known contents.
mod datagrams;
/// The sink that discards.
mod discard;
/// A disk that is full, at the start and while running.
mod disk;
/// Exporters that may not send or send too fast, and reloading.
mod front_door;
/// What becomes of the interface: left as it was found, and pulled cables.
mod interface;
/// What the log says, and how.
mod logs;
/// Network namespaces.
#[path = "../common/netns.rs"]
mod netns;
/// The running binary.
mod process;
/// Whose datagrams are taken.
mod recipients;
/// Starts that must fail, each with one line that says what to do.
mod refusals;
/// What a restart loses under load, and what outlives it.
mod restart;
/// Frames that no plain socket sends.
#[path = "../common/wire.rs"]
mod wire;
/// Starts without the rights or the driver that XDP needs.
mod xdp_refusals;

use std::time::Duration;

use datagrams::{V5_RECORDS, V9_RECORDS, v5, v9_data, v9_template};
use process::{Collector, Place, engine_present};

#[test]
fn a_stop_stores_what_is_held_and_a_restart_knows_the_templates() {
    let Some(place) = Place::with_engine("stop") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    collector.send(&v5());
    collector.send(&v9_template());
    collector.send(&v9_data());
    collector.wait_for("collector_datagrams_total", 3);
    assert_eq!(collector.metric("collector_clickhouse_rows_inserted_total"), 0, "blocks are too young to be stored");
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    let stored = collector.sql("SELECT count(), countIf(version = 5), countIf(version = 9) FROM collector.flows");
    assert_eq!(stored, format!("{}\t{V5_RECORDS}\t{V9_RECORDS}\n", V5_RECORDS + V9_RECORDS));
    let row = collector.sql(
        "SELECT src_addr, dst_port, bytes, packets, template_id, src_country, exporter_name \
         FROM collector.flows WHERE version = 9 ORDER BY bytes LIMIT 1 FORMAT TSV",
    );
    assert_eq!(row, "::ffff:10.0.0.1\t443\t1000\t10\t256\tunknown\tlab\n");
    // No template was sent to this process: it comes from the snapshot.
    collector.send(&v9_data());
    collector.wait_for("collector_datagrams_total", 1);
    assert_eq!(collector.metric("event=\"set_held\""), 0, "{}", collector.metrics());
    assert_eq!(collector.metric("event=\"flow_record\""), V9_RECORDS);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn rows_on_standard_output_are_the_rows_stored() {
    let Some(place) = Place::with_engine("stdout") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp", "--stdout", "json"]);
    collector.send(&v9_template());
    collector.send(&v9_data());
    collector.wait_for("collector_datagrams_total", 2);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    let printed = collector.stdout();
    let rows: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
    assert_eq!(rows.len() as u64, V9_RECORDS, "{printed}");
    assert_eq!(rows[0]["src_addr"], "10.0.0.1");
    assert_eq!(rows[0]["dst_port"], 443);
    assert_eq!(rows[0]["sampling_source"], "none");
}

#[test]
fn a_second_signal_ends_at_once_and_the_store_goes_along() {
    let Some(place) = Place::with_engine("twice") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    let store = collector.child_process();
    process::signal(store, nix::sys::signal::Signal::SIGSTOP);
    collector.send(&v5());
    collector.wait_for("collector_datagrams_total", 1);
    collector.signal(nix::sys::signal::Signal::SIGTERM);
    // The first signal waits for a store that does not answer; it must still be waiting when the second comes.
    std::thread::sleep(Duration::from_millis(500));
    assert!(collector.is_running(), "{}", collector.log());
    collector.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(collector.wait(), 128 + 15, "{}", collector.log());
    process::signal(store, nix::sys::signal::Signal::SIGCONT);
    process::wait_until("the store ends with its parent", || !process::is_alive(store));
}

#[test]
fn a_store_that_was_away_gets_every_row_once() {
    let Some(place) = Place::with_engine("away") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    collector.send(&v9_template());
    process::signal(collector.child_process(), nix::sys::signal::Signal::SIGKILL);
    for _ in 0..100 {
        collector.send(&v9_data());
    }
    collector.wait_for("collector_datagrams_total", 101);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    assert_eq!(collector.sql("SELECT count() FROM collector.flows"), format!("{}\n", 100 * V9_RECORDS));
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn malformed_datagrams_cost_a_counter_and_nothing_else() {
    let Some(place) = Place::with_engine("malformed") else { return };
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    collector.send(&[]);
    collector.send(&[0, 9]);
    collector.send(&[0, 77, 1, 2, 3, 4]);
    collector.send(&v9_data());
    collector.send(&v5());
    collector.wait_for("collector_datagrams_total", 5);
    assert_eq!(collector.metric("event=\"header_truncated\""), 2, "{}", collector.metrics());
    assert_eq!(collector.metric("event=\"version_unknown\""), 1);
    assert_eq!(collector.metric("event=\"set_held\""), 1);
    assert_eq!(collector.metric("collector_held_sets "), 1);
    assert_eq!(collector.metric("event=\"flow_record\""), V5_RECORDS);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn the_engine_is_there_where_it_must_be() {
    assert!(engine_present() || std::env::var_os("COLLECTOR_REQUIRE_PRIVILEGED").is_none());
}
