//! Inserts that are repeated, given up, cut off: every row is inserted or counted as given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use collector::batch::{Block, Part, Pool};
use collector::clickhouse::client::{Compression, Settings};
use collector::clickhouse::counters::Loss;
use collector::clickhouse::sink::{self, Sink};
use collector::clickhouse::{Batch, Class, Counters, Observer, native, schema};

use crate::engine::{self, Engine, block_on};
use crate::fake::{Answer, Fake, free_address};
use crate::rows::{Numbers, flows_only};

pub(crate) const FINE: Answer = Answer::Fine("");
pub(crate) const TOO_MANY_PARTS: Answer =
    Answer::Fail(500, "Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)");
const MEMORY: Answer = Answer::Fail(500, "Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)");
const WRONG_PASSWORD: Answer = Answer::Fail(403, "Code: 516. DB::Exception: (AUTHENTICATION_FAILED)");
pub(crate) const NO_TABLE: Answer = Answer::Fail(404, "Code: 60. DB::Exception: (UNKNOWN_TABLE)");
pub(crate) const CANNOT_READ: Answer = Answer::Fail(400, "Code: 33. DB::Exception: (CANNOT_READ_ALL_DATA)");
const BAD_GATEWAY: Answer = Answer::Fail(502, "<html>Bad Gateway</html>");
/// Far longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    pub(crate) sink: Sink,
    pub(crate) counters: Arc<Counters>,
    pool: Arc<Pool>,
}

pub(crate) fn start(client: &Settings, settings: &sink::Settings) -> Running {
    start_observed(client, settings, Arc::new(()))
}

pub(crate) fn start_observed(client: &Settings, settings: &sink::Settings, observer: Arc<dyn Observer>) -> Running {
    let (counters, pool) = (Arc::new(Counters::default()), Arc::new(Pool::new(8, 1)));
    let sink = Sink::start(client, settings, Arc::clone(&counters), Arc::clone(&pool), observer).unwrap();
    Running { sink, counters, pool }
}

pub(crate) fn one_inserter() -> sink::Settings {
    sink::Settings { inserters: 1, ..sink::Settings::default() }
}

pub(crate) fn at(address: std::net::SocketAddr) -> Settings {
    Settings { url: format!("http://{address}"), compression: Compression::None, ..Settings::default() }
}

pub(crate) fn batch(number: u64, rows: usize) -> Batch {
    batch_of(flows_only(1000 * number, rows, 10, &mut Numbers(number)), number)
}

pub(crate) fn batch_of(block: Block, number: u64) -> Batch {
    Batch::of_block(Box::new(block), format!("token {number}"))
}

pub(crate) fn encoded(part: Part<'_>) -> BytesMut {
    let mut bytes = BytesMut::new();
    native::encode(part, &mut bytes).unwrap();
    bytes
}

pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_insert_is_repeated_with_its_token_until_it_is_acknowledged() {
    // Columns that are copied, and columns that are sent from where they are, which the block must come back from.
    for rows in [100, 20_000] {
        an_insert_is_repeated(rows);
    }
}

fn an_insert_is_repeated(rows: usize) {
    let script = [TOO_MANY_PARTS, MEMORY, WRONG_PASSWORD, NO_TABLE, BAD_GATEWAY];
    let fake = Fake::start(&script, FINE);
    let running = start(&at(fake.address), &one_inserter());
    let bytes = encoded(batch(1, rows).parts().next().unwrap());
    running.sink.sender().send(batch(1, rows));
    wait_for("the insert", || running.counters.rows_inserted.get() == rows as u64);

    let inserts = fake.inserts();
    assert_eq!(inserts.len(), script.len() + 1);
    for insert in &inserts {
        assert!(insert.body == bytes);
        for (name, value) in
            [("insert_deduplication_token", "token 1-flows"), ("async_insert", "0"), ("database", "default")]
        {
            assert_eq!(insert.parameters[name], value);
        }
        let query = &insert.parameters["query"];
        assert!(
            query.starts_with("INSERT INTO flows (`time_received`, ") && query.ends_with(") FORMAT Native"),
            "{query}"
        );
    }
    for class in [Class::TooManyParts, Class::Memory, Class::Denied, Class::Schema, Class::Unavailable] {
        assert_eq!(running.counters.errors(class), 1, "{}", class.label());
    }
    assert_eq!((running.counters.rows_waiting(), running.counters.failing()), (0, 0));
    let drained = running.sink.stop(PATIENCE);
    assert_eq!((drained.rows_inserted, drained.rows_given_up), (0, 0));
    assert!(running.pool.take().decoded.flows.bytes.room() >= rows);
}

#[test]
fn rows_that_are_refused_again_and_again_do_not_block_the_others() {
    let fake = Fake::start(&[CANNOT_READ; 3], FINE);
    let running = start(&at(fake.address), &one_inserter());
    let sender = running.sink.sender();
    sender.send(batch(1, 100));
    sender.send(batch(2, 10));
    wait_for("the second batch", || running.counters.rows_inserted.get() == 10);
    assert_eq!(running.counters.rows_given_up(Loss::Rejected), 100);
    assert_eq!(running.counters.errors(Class::Rejected), 3);
}

#[test]
fn a_block_at_fault_is_never_sent() {
    let fake = Fake::start(&[], FINE);
    let running = start(&at(fake.address), &one_inserter());
    let sender = running.sink.sender();
    let mut ragged = flows_only(1000, 100, 10, &mut Numbers(1));
    ragged.src.asn.resize(99);
    sender.send(batch_of(ragged, 1));
    sender.send(batch_of(Block::default(), 3));
    sender.send(batch(2, 10));
    wait_for("the good batch", || running.counters.rows_inserted.get() == 10);
    assert_eq!(running.counters.rows_given_up(Loss::Block), 100);
    assert_eq!(running.counters.blocks_at_fault.get(), 1);
    assert_eq!(fake.inserts().len(), 1);
}

#[test]
fn past_the_bound_the_oldest_waiting_rows_are_given_up() {
    let fake = Fake::start(&[], Answer::Silence);
    let running = start(&at(fake.address), &sink::Settings { pending_rows: 300, ..one_inserter() });
    let sender = running.sink.sender();
    sender.send(batch(1, 100));
    wait_for("the first insert", || fake.inserts().len() == 1);
    for number in 2..=5 {
        sender.send(batch(number, 100));
    }
    assert_eq!(running.counters.rows_given_up(Loss::Bound), 200);
    assert_eq!(running.counters.rows_waiting(), 300);
    let drained = running.sink.stop(Duration::ZERO);
    assert_eq!((drained.rows_inserted, drained.rows_given_up), (0, 300));
    assert_eq!(running.counters.rows_given_up(Loss::Stopped), 300);
    assert_eq!((running.counters.rows_received.get(), running.counters.rows_waiting()), (500, 0));
}

#[test]
fn a_stop_inserts_what_waits() {
    let fake = Fake::start(&[TOO_MANY_PARTS; 2], FINE);
    let running = start(&at(fake.address), &sink::Settings::default());
    let sender = running.sink.sender();
    for number in 0..5 {
        sender.send(batch(number, 100));
    }
    let _ = running.sink.stop(PATIENCE);
    assert_eq!(running.counters.rows_inserted.get(), 500);
    sender.send(batch(6, 100));
    assert_eq!(running.counters.rows_given_up(Loss::Stopped), 100);
}

#[test]
fn no_answer_in_time_is_a_failure_that_is_repeated() {
    let fake = Fake::start(&[Answer::Silence], FINE);
    let settings = Settings { request_timeout: Duration::from_millis(200), ..at(fake.address) };
    let running = start(&settings, &one_inserter());
    running.sink.sender().send(batch(1, 100));
    wait_for("the insert", || running.counters.rows_inserted.get() == 100);
    assert!(running.counters.errors(Class::Timeout) >= 1);
}

#[test]
fn rows_wait_for_a_server_that_is_not_there_yet() {
    let address = free_address();
    let running = start(&at(address), &sink::Settings::default());
    let sender = running.sink.sender();
    for number in 0..4 {
        sender.send(batch(number, 100));
    }
    wait_for("a refused connection", || running.counters.errors(Class::Unreachable) > 0);
    assert!(running.counters.failing() > 0);
    let fake = Fake::start_at(address, &[], FINE);
    wait_for("the inserts", || running.counters.rows_inserted.get() == 400);
    let mut tokens: Vec<String> =
        fake.inserts().iter().map(|insert| insert.parameters["insert_deduplication_token"].clone()).collect();
    tokens.sort();
    assert_eq!(tokens, ["token 0-flows", "token 1-flows", "token 2-flows", "token 3-flows"]);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let (counters, pool) = (Arc::new(Counters::default()), Arc::new(Pool::new(1, 1)));
    let nothing_may_wait = sink::Settings { pending_rows: 0, ..sink::Settings::default() };
    let nonsense = Settings { url: "nonsense".to_owned(), ..Settings::default() };
    for (client, sink) in [(nonsense, sink::Settings::default()), (Settings::default(), nothing_may_wait)] {
        let refused = Sink::start(&client, &sink, Arc::clone(&counters), Arc::clone(&pool), Arc::new(()));
        assert_eq!(refused.err().unwrap().class, Class::Settings);
    }
}

#[test]
fn a_repeated_insert_stores_nothing_twice() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("dedup"));
    let count = async || client.query("SELECT count() FROM flows", "TSV").await.unwrap();
    block_on(async {
        schema::apply(&client).await.unwrap();
        let mut scratch = BytesMut::new();
        let first = batch(1, 1000);
        for (token, rows) in [("a", "1000\n"), ("a", "1000\n"), ("b", "2000\n"), ("a", "2000\n")] {
            client.insert(first.parts().next().unwrap(), token, &mut scratch).await.unwrap();
            assert_eq!(count().await, rows, "after token {token}");
        }
    });
}

#[test]
fn rows_reach_the_engine_once() {
    let address = free_address();
    let settings = engine::settings(&format!("http://{address}"), "sink");
    let running = start(&settings, &sink::Settings::default());
    let sender = running.sink.sender();
    for number in 0..10 {
        sender.send(batch(number, 1000));
    }
    wait_for("a refused connection", || running.counters.errors(Class::Unreachable) > 0);
    let Some(engine) = Engine::start_at(address) else { return };
    // The database is missing: the rows wait on until somebody applies the schema.
    wait_for("a missing database", || running.counters.errors(Class::NoDatabase) > 0);
    let client = engine.client(&settings);
    block_on(schema::apply(&client)).unwrap();
    wait_for("the inserts", || running.counters.rows_inserted.get() == 10_000);
    let counted = block_on(client.query("SELECT count(), uniqExact(application_id) FROM flows", "TSV")).unwrap();
    assert_eq!(counted, "10000\t10000\n");
}
