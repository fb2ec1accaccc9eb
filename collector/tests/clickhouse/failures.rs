//! Each way an insert can fail: which class it is, and that the rows are stored in the end, under the same token, or named as lost.

use std::time::Duration;

use collector::clickhouse::client::Settings;
use collector::clickhouse::counters::Loss;
use collector::clickhouse::{Class, sink};

use crate::fake::{Answer, Fake};
use crate::sink::{PATIENCE, at, batch, one_inserter, start, wait_for};

/// Answers that are no acknowledgement, with their class.
const FAILURES: [(&str, Answer, Class); 30] = [
    ("too many parts", Answer::Fail(500, "Code: 252. DB::Exception: Too many parts"), Class::TooManyParts),
    ("too many queries", Answer::Fail(500, "Code: 202. DB::Exception: Too many simultaneous queries"), Class::Busy),
    ("overload", Answer::Fail(503, "Code: 745. DB::Exception: (SERVER_OVERLOADED)"), Class::Busy),
    ("cancelled", Answer::Fail(500, "Code: 394. DB::Exception: Query was cancelled"), Class::Busy),
    ("memory", Answer::Fail(500, "Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)"), Class::Memory),
    ("disk", Answer::Fail(500, "Code: 243. DB::Exception: (NOT_ENOUGH_SPACE)"), Class::DiskFull),
    ("read-only table", Answer::Fail(500, "Code: 242. DB::Exception: (TABLE_IS_READ_ONLY)"), Class::Unavailable),
    ("Keeper", Answer::Fail(500, "Code: 999. DB::Exception: Coordination error: Connection loss"), Class::Unavailable),
    ("replicas", Answer::Fail(500, "Code: 285. DB::Exception: (TOO_FEW_LIVE_REPLICAS)"), Class::Unavailable),
    ("unknown outcome", Answer::Fail(500, "Code: 319. DB::Exception: (UNKNOWN_STATUS_OF_INSERT)"), Class::Unavailable),
    ("slow query", Answer::Fail(408, "Code: 159. DB::Exception: (TIMEOUT_EXCEEDED)"), Class::Timeout),
    ("read-only user", Answer::Fail(500, "Code: 164. DB::Exception: (READONLY)"), Class::Denied),
    ("password", Answer::Fail(403, "Code: 516. DB::Exception: (AUTHENTICATION_FAILED)"), Class::Denied),
    ("setting", Answer::Fail(500, "Code: 452. DB::Exception: (SETTING_CONSTRAINT_VIOLATION)"), Class::Settings),
    ("database", Answer::Fail(404, "Code: 81. DB::Exception: (UNKNOWN_DATABASE)"), Class::NoDatabase),
    ("table", Answer::Fail(404, "Code: 60. DB::Exception: (UNKNOWN_TABLE)"), Class::Schema),
    ("column", Answer::Fail(404, "Code: 16. DB::Exception: (NO_SUCH_COLUMN_IN_TABLE)"), Class::Schema),
    ("type", Answer::Fail(400, "Code: 53. DB::Exception: (TYPE_MISMATCH)"), Class::Schema),
    ("code in a header", Answer::Coded(500, "252"), Class::TooManyParts),
    ("code in a header with status 200", Answer::Coded(200, "241"), Class::Memory),
    ("500 and no code", Answer::Fail(500, "Internal Server Error"), Class::Other),
    ("500 and nothing", Answer::Fail(500, ""), Class::Other),
    ("a proxy without a server", Answer::Fail(503, "<html>Service Unavailable</html>"), Class::Unavailable),
    ("a proxy that will not wait", Answer::Fail(504, "<html>Gateway Timeout</html>"), Class::Timeout),
    ("a proxy with a limit", Answer::Fail(413, "<html>Request Entity Too Large</html>"), Class::TooLarge),
    ("a redirect", Answer::Redirect(302, "https://login.example/"), Class::NotClickHouse),
    ("200 and a page", Answer::Fail(200, "<html>Log in</html>"), Class::NotClickHouse),
    ("200 of nobody knows whom", Answer::Fail(200, ""), Class::NotClickHouse),
    (
        "200 and an exception",
        Answer::Fine("Code: 243. DB::Exception: Not enough space. (NOT_ENOUGH_SPACE)"),
        Class::DiskFull,
    ),
    ("half an answer", Answer::Half, Class::Network),
];

#[test]
fn no_failure_is_taken_for_an_acknowledgement() {
    for (what, answer, class) in FAILURES {
        let fake = Fake::start(&[answer], Answer::Works);
        let running = start(&at(fake.address), &one_inserter());
        running.sink.sender().send(batch(1, 10));
        wait_for(what, || running.counters.rows_inserted.get() == 10);
        assert_eq!(fake.tokens(), ["token 1-flows", "token 1-flows"], "{what}");
        let classes: Vec<&str> =
            Class::ALL.into_iter().filter(|class| running.counters.errors(*class) > 0).map(Class::label).collect();
        assert_eq!(classes, [class.label()], "{what}");
        assert_eq!((running.counters.failing(), running.counters.alarms()), (0, 0), "{what}");
    }
}

#[test]
fn what_somebody_must_see_to_raises_the_alarm_until_it_passes() {
    let full = Answer::Fail(500, "Code: 243. DB::Exception: (NOT_ENOUGH_SPACE)");
    let fake = Fake::start(&[full, full], Answer::Works);
    let running = start(&at(fake.address), &one_inserter());
    running.sink.sender().send(batch(1, 10));
    wait_for("the alarm", || running.counters.alarms() == 1);
    wait_for("the insert", || running.counters.rows_inserted.get() == 10);
    assert_eq!(running.counters.alarms(), 0);
}

#[test]
fn a_batch_that_may_be_at_fault_lets_the_others_past_and_the_next_blocks_are_smaller() {
    let memory = Answer::Fail(500, "Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)");
    let fake = Fake::start(&[memory; 5], Answer::Works);
    let running = start(&at(fake.address), &one_inserter());
    let sender = running.sink.sender();
    assert_eq!(sender.block_rows(65_536), 65_536);
    for number in 1..=3 {
        sender.send(batch(number, 10));
    }
    wait_for("all inserts", || running.counters.rows_inserted.get() == 30);
    let tokens = fake.tokens();
    assert_eq!(tokens[..5], ["token 1-flows"; 5]);
    assert_eq!(tokens[5..], ["token 2-flows", "token 3-flows", "token 1-flows"]);
    assert_eq!(running.counters.rows_given_up_total(), 0);
    assert_eq!(sender.block_rows(65_536), 32_768);
}

#[test]
fn a_stop_keeps_what_can_be_made_again() {
    let fake = Fake::start(&[], Answer::Silence);
    let running = start(&at(fake.address), &sink::Settings { pending_rows: 15, ..one_inserter() });
    let sender = running.sink.sender();
    let (called, receipts) = std::sync::mpsc::channel();
    for number in 1..=3 {
        let called = called.clone();
        assert_eq!(sender.has_room(), number <= 2, "{number}");
        sender.send(batch(number, 10).with_receipt(Box::new(move || called.send(number).unwrap())));
    }
    wait_for("the first insert", || fake.inserts().len() == 1);
    let stopped = running.sink.stop(Duration::ZERO);
    assert_eq!((stopped.rows_inserted, stopped.rows_given_up, stopped.rows_kept), (0, 0, 30));
    drop(called);
    assert_eq!(receipts.iter().count(), 0);
}

#[test]
fn what_clickhouse_will_never_take_is_named_and_its_receipt_called() {
    let fake = Fake::start(&[Answer::Fail(400, "Code: 33. DB::Exception: (CANNOT_READ_ALL_DATA)"); 3], Answer::Works);
    let running = start(&at(fake.address), &one_inserter());
    let sender = running.sink.sender();
    let (called, receipts) = std::sync::mpsc::channel();
    for number in [1, 2] {
        let called = called.clone();
        sender.send(batch(number, 10).with_receipt(Box::new(move || called.send(number).unwrap())));
    }
    assert_eq!([receipts.recv_timeout(PATIENCE), receipts.recv_timeout(PATIENCE)], [Ok(1), Ok(2)]);
    assert_eq!((running.counters.rows_given_up(Loss::Rejected), running.counters.rows_inserted.get()), (10, 10));
}

#[test]
fn an_exchange_keeps_inserts_off() {
    let lock_file = std::env::temp_dir().join(format!("collector-sink-{}.lock", std::process::id()));
    let fake = Fake::start(&[], Answer::Works);
    let settings = sink::Settings { lock_file: Some(lock_file.clone()), ..one_inserter() };
    let running = start(&Settings { ..at(fake.address) }, &settings);
    let lock = collector::clickhouse::lock::InsertLock::open(&lock_file).unwrap();
    let alone = lock.exclusive(PATIENCE).unwrap().unwrap();
    running.sink.sender().send(batch(1, 10));
    // Long enough for an insert that does not look.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(fake.requests(), 0);
    drop(alone);
    wait_for("the insert", || running.counters.rows_inserted.get() == 10);
    for path in [lock_file.with_extension("gate"), lock_file] {
        std::fs::remove_file(path).unwrap();
    }
}
