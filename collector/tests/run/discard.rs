//! The sink that discards: everything but a store.

use crate::datagrams::{V5_RECORDS, V9_RECORDS, v5, v9_data, v9_template};
use crate::process::{Collector, Place};

#[test]
fn rows_are_encoded_and_thrown_away_and_nobody_is_told_otherwise() {
    let place = Place::new("discard");
    // No embedded store could be started with this.
    place.change_config("[store]\n", "[store]\nlibrary = \"/nowhere/libchdb.so\"\n");
    let mut collector = Collector::start(&place, &["--capture", "udp", "--discard"]);
    for datagram in [v5(), v9_template(), v9_data()] {
        collector.send(&datagram);
    }
    collector.wait_for("collector_datagrams_total", 3);
    assert_eq!(collector.metric("collector_sink_discards"), 1);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    assert!(collector.log().contains("NOTHING IS STORED"), "{}", collector.log());
    let discarded = format!("rows_discarded={} ", V5_RECORDS + V9_RECORDS);
    assert!(collector.log().contains(&discarded), "{}", collector.log());

    // What was thrown away is settled: the journal does not send it again.
    place.change_config("block_age_ms = 60000", "block_age_ms = 20\ndiscard = true");
    let mut collector = Collector::start(&place, &["--capture", "udp"]);
    assert_eq!(collector.metric("collector_clickhouse_rows_received_total"), 0, "{}", collector.metrics());
    check_metrics(&collector);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

/// What `/metrics` says of rows that were thrown away.
fn check_metrics(collector: &Collector<'_>) {
    for _ in 0..3 {
        collector.send(&v9_data());
    }
    collector.wait_for("collector_clickhouse_rows_discarded_total", 3 * V9_RECORDS);
    assert!(collector.metric("collector_clickhouse_discarded_bytes_total") > 0);
    for part in
        ["collector_clickhouse_rows_inserted_total", "collector_ledger_rows_stored_total", "rows_given_up_total"]
    {
        assert_eq!(collector.metric(part), 0, "{part}\n{}", collector.metrics());
    }
    collector.wait_for("collector_ledger_rows_decoded_total", 3 * V9_RECORDS);
}
