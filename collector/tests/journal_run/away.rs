//! ClickHouse away: what comes waits in the journal, over a stop and a start too; what does not fit is named.

use std::time::Duration;

use crate::process::{Collector, Place, wait_until};
use crate::server::Server;
use crate::traffic::{self, RECORDS, Sender};

/// Datagrams of a round.
const DATAGRAMS: u32 = 200;

fn send_round(senders: &mut [Sender], round: u16) {
    for number in 1..=DATAGRAMS {
        senders.iter_mut().for_each(|sender| sender.send_data(round, number));
        if number.is_multiple_of(20) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[track_caller]
fn check_rounds(server: &Server, senders: &[Sender], rounds: u16) {
    let stored = traffic::stored(server);
    for round in 1..=rounds {
        for sender in senders {
            let name = format!("{} in round {round}", sender.stored_address());
            let found = stored.get(&(sender.stored_address(), round)).unwrap_or_else(|| panic!("{name}: nothing"));
            found.check(&name);
            assert_eq!(found.last, DATAGRAMS, "{name}");
        }
    }
}

#[test]
fn it_starts_collects_and_stops_without_clickhouse_and_stores_later() {
    let Some(place) = Place::with_engine("away") else { return };
    place.change_config("block_age_ms = 60000", "block_age_ms = 100\nblock_rows = 1000");
    let mut server = Server::new(place.directory().join("server"));
    let url = server.url();
    let arguments = ["--capture", "udp", "--workers", "1", "--clickhouse-url", &url];
    let mut senders: Vec<Sender> = (2..=3).map(|host| Sender::new(host, place.udp_port())).collect();
    let datagrams = |round: u64| round * 2 * u64::from(DATAGRAMS);

    let mut collector = Collector::start(&place, &arguments);
    senders.iter_mut().for_each(Sender::send_template);
    send_round(&mut senders, 1);
    collector.wait_for("collector_datagrams_total", 2 + datagrams(1));
    assert!(collector.log().contains("ClickHouse is away"), "{}", collector.log());
    wait_until("the journal's bytes are told", || collector.metric("collector_journal_waiting_bytes") > 0);
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    assert!(collector.log().contains("wait in the journal for the next start"), "{}", collector.log());

    // ClickHouse comes while the collector runs, and goes.
    let mut collector = Collector::start(&place, &arguments);
    send_round(&mut senders, 2);
    server.start();
    collector.wait_for("collector_clickhouse_rows_inserted_total", datagrams(2) * u64::from(RECORDS));
    wait_until("nothing waits", || collector.metric("collector_journal_waiting_bytes") == 0);
    server.stop();
    send_round(&mut senders, 3);
    collector.wait_for("collector_datagrams_total", datagrams(2));
    assert_eq!(collector.terminate(), 0, "{}", collector.log());

    server.start();
    let mut collector = Collector::start(&place, &arguments);
    collector.wait_for("collector_clickhouse_rows_inserted_total", datagrams(1) * u64::from(RECORDS));
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    assert!(!collector.log().contains("wait in the journal for the next start"), "{}", collector.log());
    check_rounds(&server, &senders, 3);
    server.stop();
}

#[test]
fn what_is_beyond_the_budget_is_named() {
    let Some(place) = Place::with_engine("budget") else { return };
    place.change_config(
        "segment_bytes = 1048576\nbudget_bytes = 67108864",
        "segment_bytes = 131072\nbudget_bytes = 262144",
    );
    place.change_config("block_age_ms = 60000", "block_age_ms = 100\nblock_rows = 1000");
    let mut server = Server::new(place.directory().join("server"));
    let url = server.url();
    let arguments = ["--capture", "udp", "--workers", "1", "--clickhouse-url", &url];
    let mut sender = Sender::new(2, place.udp_port());
    let mut collector = Collector::start(&place, &arguments);
    let all = 5_000;
    for number in 1..=all {
        sender.send_data(1, number);
        if number.is_multiple_of(50) {
            // A segment is ready when the one before is full, if they do not fill faster than files are made.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    sender.send_template();
    collector.wait_for("collector_datagrams_total", u64::from(all) + 1);
    wait_until("the oldest is given up", || collector.metric("collector_journal_given_up_total") > 0);
    let lost =
        || collector.metric("collector_journal_given_up_total") + collector.metric("collector_journal_refused_total");
    server.start();
    wait_until("all else is decoded", || collector.metric("collector_journal_undecoded_bytes") == 0);
    let lost = lost();
    assert!(
        collector.log().contains("the oldest datagrams that waited in the journal are lost"),
        "{}",
        collector.log()
    );
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
    let ledger = server.sql(
        "SELECT sum(seen_udp), sum(decoded), sum(journal_given_up) + sum(journal_refused) FROM collector.ledger FORMAT TSV",
    );
    let decoded = u64::from(all) + 1 - lost;
    assert_eq!(ledger, format!("{}\t{decoded}\t{lost}\n", all + 1));
    server.stop();
}
