//! Batches with rows of several tables: each table's rows are one insert, only what is missing is repeated, and an observer is
//! told once what became of each row.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use collector::batch::{Cells, Column, DECODED, Part, Rows, Table};
use collector::clickhouse::counters::Loss;
use collector::clickhouse::{Batch, Client, Observer, schema, sink};

use crate::engine::{Engine, block_on};
use crate::fake::{Answer, Fake};
use crate::rows::{Numbers, block, flows_only};
use crate::sink::{
    CANNOT_READ, FINE, NO_TABLE, PATIENCE, TOO_MANY_PARTS, at, batch_of, encoded, one_inserter, start_observed,
    wait_for,
};

/// Rows by table and by what became of them.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<(&'static str, &'static str), usize>>);

impl Seen {
    fn add(&self, part: Part<'_>, outcome: &'static str) {
        assert!(!part.is_empty());
        if let Some(provenance) = part.provenance() {
            assert_eq!(provenance.exporters.len(), part.len());
            assert_eq!((provenance.domains.len(), provenance.received_ms.len()), (part.len(), part.len()));
        }
        *self.0.lock().unwrap().entry((part.table().name, outcome)).or_default() += part.len();
    }

    /// As `table outcome rows`, sorted.
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|((table, outcome), rows)| format!("{table} {outcome} {rows}")).collect()
    }
}

impl Observer for Seen {
    fn stored(&self, part: Part<'_>) {
        self.add(part, "stored");
    }

    fn discarded(&self, part: Part<'_>) {
        panic!("rows of {} were thrown away", part.table().name);
    }

    fn lost(&self, part: Part<'_>, loss: Loss) {
        self.add(part, loss.label());
    }
}

/// Rows that no worker made.
#[derive(Debug)]
struct Notes(Vec<u32>);

static NOTES: Table = Table {
    name: "notes",
    columns: &[
        Column { name: "minute", kind: "DateTime('UTC')", codec: "ZSTD(1)", comment: "When" },
        Column { name: "balance", kind: "Int64", codec: "ZSTD(1)", comment: "How much" },
    ],
};
static BALANCES: [i64; 3] = [-1, 0, i64::MAX];

impl Rows for Notes {
    fn tables(&self) -> &'static [&'static Table] {
        static TABLES: [&Table; 1] = [&NOTES];
        &TABLES
    }

    fn count(&self, _table: usize) -> usize {
        self.0.len()
    }

    fn cells(&self, _table: usize, column: usize) -> Cells<'_> {
        if column == 0 { Cells::Seconds(&self.0) } else { Cells::I64(&BALANCES[..self.0.len()]) }
    }
}

fn notes(number: u64) -> Batch {
    Batch::of_rows(Arc::new(Notes(vec![0, 60, u32::MAX])), format!("note {number}"))
}

#[test]
fn each_table_is_repeated_by_itself_until_it_is_acknowledged() {
    let fake = Fake::start(&[TOO_MANY_PARTS, FINE, NO_TABLE, NO_TABLE], FINE);
    let seen = Arc::new(Seen::default());
    let running = start_observed(&at(fake.address), &one_inserter(), Arc::clone(&seen) as _);
    let batch = || batch_of(block(0, 100, 10, &mut Numbers(1)), 1);
    running.sink.sender().send(batch());
    wait_for("the inserts", || running.counters.rows_inserted.get() == 115);
    let expected = batch();
    let inserts = fake.inserts();
    let tables = [0, 0, 1, 1, 1, 2];
    assert_eq!(inserts.len(), tables.len());
    for (insert, table) in inserts.iter().zip(tables) {
        let part = expected.parts().nth(table).unwrap();
        assert_eq!(insert.parameters["insert_deduplication_token"], format!("token 1-{}", part.table().name));
        assert!(insert.parameters["query"].starts_with(&format!("INSERT INTO {} (", part.table().name)));
        assert!(insert.body == encoded(part));
    }
    assert_eq!(seen.lines(), ["flows stored 100", "interface_counters stored 5", "nat_events stored 10"]);
}

#[test]
fn a_table_that_is_refused_is_given_up_alone() {
    let fake = Fake::start(&[FINE, CANNOT_READ, CANNOT_READ, CANNOT_READ], FINE);
    let seen = Arc::new(Seen::default());
    let running = start_observed(&at(fake.address), &one_inserter(), Arc::clone(&seen) as _);
    running.sink.sender().send(batch_of(block(0, 100, 10, &mut Numbers(1)), 1));
    wait_for("the last table", || running.counters.rows_inserted.get() == 105);
    assert_eq!(running.counters.table("nat_events").given_up[Loss::Rejected as usize], 10);
    assert_eq!(running.counters.table("flows").inserted, 100);
    assert_eq!(running.counters.rows_waiting(), 0);
    assert_eq!(seen.lines(), ["flows stored 100", "interface_counters stored 5", "nat_events rejected 10"]);
}

#[test]
fn an_observer_is_told_of_every_row_once_however_it_is_lost() {
    let fake = Fake::start(&[FINE], Answer::Silence);
    let seen = Arc::new(Seen::default());
    let settings = sink::Settings { pending_rows: 250, ..one_inserter() };
    let running = start_observed(&at(fake.address), &settings, Arc::clone(&seen) as _);
    let sender = running.sink.sender();
    sender.send(batch_of(block(0, 100, 10, &mut Numbers(1)), 1));
    // The first table is stored, the second under way.
    wait_for("the second insert", || fake.inserts().len() == 2);
    // Of these three the first is given up for the bound, the others wait with what is left of the batch under way.
    for number in 2..=4 {
        sender.send(batch_of(flows_only(0, 100, 10, &mut Numbers(number)), number));
    }
    let drained = running.sink.drain(Duration::ZERO);
    assert_eq!((drained.rows_inserted, drained.rows_given_up), (0, 215));
    let _ = running.sink.stop(Duration::ZERO);
    sender.send(notes(5));
    let counters = &running.counters;
    assert_eq!(counters.rows_received.get(), counters.rows_inserted.get() + counters.rows_given_up_total());
    assert_eq!(
        seen.lines(),
        [
            "flows bound 100",
            "flows stopped 200",
            "flows stored 100",
            "interface_counters stopped 5",
            "nat_events stopped 10",
            "notes stopped 3"
        ]
    );
}

#[test]
fn a_drain_settles_what_was_sent_and_leaves_the_sink_open() {
    let seen = Arc::new(Seen::default());
    let fake = Fake::start(&[TOO_MANY_PARTS, TOO_MANY_PARTS], FINE);
    let running = start_observed(&at(fake.address), &sink::Settings::default(), Arc::clone(&seen) as _);
    let sender = running.sink.sender();
    for number in 0..5 {
        sender.send(batch_of(flows_only(0, 100, 10, &mut Numbers(number)), number));
    }
    let drained = running.sink.drain(PATIENCE);
    // What was inserted before the drain began is not among its rows, but it was seen.
    assert_eq!(drained.rows_given_up, 0);
    assert_eq!(seen.lines(), ["flows stored 500"]);
    sender.send(notes(1));
    let stopped = running.sink.stop(PATIENCE);
    assert_eq!(stopped.rows_given_up, 0);
    assert_eq!(seen.lines(), ["flows stored 500", "notes stored 3"]);
}

#[test]
fn rows_of_every_table_reach_the_engine_once() {
    let Some(engine) = Engine::start() else { return };
    let settings = engine.settings("sink_tables");
    let client: Client = engine.client(&settings);
    block_on(schema::apply(&client)).unwrap();
    block_on(
        client.execute("CREATE TABLE notes (minute DateTime('UTC'), balance Int64) ENGINE = MergeTree ORDER BY minute"),
    )
    .unwrap();
    let running = start_observed(&settings, &sink::Settings::default(), Arc::new(()));
    let sender = running.sink.sender();
    sender.send(notes(1));
    for number in 0..3 {
        sender.send(batch_of(block(1000 * number, 1000, 10, &mut Numbers(number)), number));
    }
    let _ = running.sink.stop(PATIENCE);
    // The totals are those of datagrams; no datagram made the notes.
    let rows = 3 * (1000 + 100 + 50);
    assert_eq!((running.counters.rows_inserted.get(), running.counters.rows_given_up_total()), (rows, 0));
    assert_eq!(running.counters.table("notes").inserted, 3);
    for (table, rows) in DECODED.iter().zip([3000, 300, 150]) {
        let count = block_on(client.query(&format!("SELECT count() FROM {}", table.name), "TSV")).unwrap();
        assert_eq!(count, format!("{rows}\n"), "{}", table.name);
    }
    let found =
        block_on(client.query("SELECT toUnixTimestamp(minute), balance FROM notes ORDER BY minute", "TSV")).unwrap();
    assert_eq!(found, format!("0\t-1\n60\t0\n{}\t{}\n", u32::MAX, i64::MAX));
}
