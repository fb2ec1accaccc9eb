//! Several servers: one that fails costs nothing while another works, and what belongs to a shard stays with it.

use std::net::SocketAddr;
use std::time::Duration;

use collector::clickhouse::client::Settings;
use collector::clickhouse::{Class, sink};
use collector::metrics::Exposition;

use crate::fake::{Answer, Fake, free_address};
use crate::sink::{Running, at, batch, one_inserter, start, wait_for};

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// One inserter for each shard, which are given as the addresses of their servers.
fn start_at(shards: &[&[SocketAddr]]) -> Running {
    let shards: Vec<Vec<String>> = shards.iter().map(|shard| shard.iter().copied().map(url).collect()).collect();
    let client = Settings { request_timeout: Duration::from_millis(300), ..at(free_address()) };
    start(&client, &sink::Settings { shards, ..one_inserter() })
}

fn is_up(running: &Running, address: SocketAddr) -> bool {
    let mut out = Exposition::default();
    running.counters.write(&mut out);
    out.finish().contains(&format!("collector_clickhouse_endpoint_up{{shard=\"0\",url=\"{}\"}} 1\n", url(address)))
}

#[test]
fn the_next_endpoint_takes_over_and_keeps_what_it_has() {
    for (what, answer) in [
        ("disk full", Answer::Fail(500, "Code: 243. DB::Exception: (NOT_ENOUGH_SPACE)")),
        ("read-only table", Answer::Fail(500, "Code: 242. DB::Exception: (TABLE_IS_READ_ONLY)")),
        ("no answer", Answer::Silence),
        ("half an answer", Answer::Half),
        ("no ClickHouse", Answer::Fail(200, "<html>")),
        ("password", Answer::Fail(403, "Code: 516. DB::Exception: (AUTHENTICATION_FAILED)")),
        ("schema", Answer::Fail(404, "Code: 60. DB::Exception: (UNKNOWN_TABLE)")),
    ] {
        let (first, second) = (Fake::start(&[], answer), Fake::start(&[], Answer::Works));
        let running = start_at(&[&[first.address, second.address]]);
        for number in 1..=5 {
            running.sink.sender().send(batch(number, 10));
            wait_for(what, || running.counters.rows_inserted.get() == 10 * number);
        }
        assert_eq!(first.tokens(), ["token 1-flows"], "{what}");
        let expected = [1, 2, 3, 4, 5].map(|number| format!("token {number}-flows"));
        assert_eq!(second.tokens(), expected, "{what}");
    }
}

#[test]
fn rows_that_one_server_does_not_understand_are_offered_to_another() {
    let (first, second) =
        (Fake::start(&[], Answer::Fail(500, "Code: 226. DB::Exception: x")), Fake::start(&[], Answer::Works));
    let running = start_at(&[&[first.address, second.address]]);
    running.sink.sender().send(batch(1, 10));
    wait_for("the second server", || running.counters.rows_inserted.get() == 10);
    assert_eq!((first.tokens().len(), second.tokens().len()), (1, 1));
}

#[test]
fn too_many_parts_are_those_of_all_replicas() {
    let too_many = Answer::Fail(500, "Code: 252. DB::Exception: Too many parts");
    let (first, second) = (Fake::start(&[too_many], Answer::Works), Fake::start(&[], Answer::Works));
    let running = start_at(&[&[first.address, second.address]]);
    running.sink.sender().send(batch(1, 10));
    wait_for("the first server", || running.counters.rows_inserted.get() == 10);
    assert_eq!((first.tokens().len(), second.tokens().len()), (2, 0));
}

#[test]
fn one_that_was_dead_is_probed_and_takes_over_when_it_is_needed() {
    let (dead, gone) = (free_address(), free_address());
    let alive = Fake::start(&[], Answer::Works);
    let running = start_at(&[&[dead, gone, alive.address]]);
    running.sink.sender().send(batch(1, 10));
    wait_for("the one that lives", || running.counters.rows_inserted.get() == 10);
    assert_eq!(running.counters.errors(Class::Unreachable), 2);
    assert!(!is_up(&running, dead));
    let risen = Fake::start_at(dead, &[], Answer::Works);
    wait_for("the probe", || is_up(&running, dead));
    running.sink.sender().send(batch(2, 10));
    wait_for("the second batch", || running.counters.rows_inserted.get() == 20);
    // No reason to leave the one that works.
    assert_eq!((risen.tokens().len(), alive.tokens().len()), (0, 2));
    drop(alive);
    running.sink.sender().send(batch(3, 10));
    wait_for("the third batch", || running.counters.rows_inserted.get() == 30);
    assert_eq!(risen.tokens(), ["token 3-flows"]);
}

#[test]
fn rows_stay_with_their_shard_and_one_that_fails_does_not_stop_the_other() {
    let parts = Answer::Fail(500, "Code: 252. DB::Exception: Too many parts");
    let (first, second) = (Fake::start(&[], Answer::Silence), Fake::start(&[parts], Answer::Works));
    let running = start_at(&[&[first.address], &[second.address]]);
    let sender = running.sink.sender();
    assert_eq!(sender.shards(), 2);
    sender.send(batch(0, 10).on_shard(0));
    for number in 1..=5 {
        assert_eq!(sender.least_loaded_shard(0), 1);
        sender.send(batch(number, 10).on_shard(1));
        wait_for("the other shard", || running.counters.rows_inserted.get() == 10 * number);
    }
    wait_for("a repeat", || first.tokens().len() > 1);
    assert!(first.tokens().iter().all(|token| token == "token 0-flows"));
    let expected = [1, 1, 2, 3, 4, 5].map(|number| format!("token {number}-flows"));
    assert_eq!(second.tokens(), expected);
}
