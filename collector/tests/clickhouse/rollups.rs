//! Rollups as the collector computes them, and as their twins in SQL do: cell by cell the same.

use bytes::BytesMut;
use collector::batch::{Block, Part, Table};
use collector::clickhouse::{Client, schema};
use collector::rollup::{self, Roller};
use netflow::Text;

use crate::engine::{Engine, block_on};
use crate::rows::{BEGIN_MS, Numbers, flows_only};

const DAY_MS: u64 = 86_400_000;
const SUMS: [&str; 5] = ["bytes", "packets", "raw_bytes", "raw_packets", "flows"];

/// Flows of few exporters, interfaces, networks and services over three days: instants, flows of minutes and of days, ends that cannot
/// be, and any number of octets and packets up to `most`.
fn block(rows: usize, most: u64, numbers: &mut Numbers) -> Block {
    let mut block = flows_only(0, rows, 6, numbers);
    let flows = &mut block.decoded.flows;
    for row in 0..rows {
        let received_ms = BEGIN_MS + (numbers.next() % (3 * DAY_MS)) as i64;
        let lived_ms = match numbers.next() % 64 {
            0..8 => 0,
            8..48 => numbers.next() % 60_000,
            48..60 => numbers.next() % 1_800_000,
            // Few, as each is in a thousand minutes.
            60 => numbers.next() % (2 * DAY_MS),
            // Bounds of buckets, and of what is spread.
            _ => [60_000, 300_000, 3_600_000, 60_001, DAY_MS, DAY_MS + 1][(numbers.next() % 6) as usize],
        };
        let end_ms = match numbers.next() % 16 {
            0 => 0,
            1 => received_ms - DAY_MS as i64 - (numbers.next() % 3) as i64 + 1,
            2 => received_ms + DAY_MS as i64 + (numbers.next() % 3) as i64 - 1,
            3 => received_ms / 3_600_000 * 3_600_000,
            _ => received_ms - (numbers.next() % 5_000) as i64,
        };
        flows.received_ms[row] = received_ms;
        flows.end_ms[row] = end_ms;
        flows.start_ms[row] = end_ms - lived_ms as i64;
        if numbers.next().is_multiple_of(50) {
            flows.start_ms[row] = end_ms + 1;
        }
        flows.exporter[row] = [numbers.next() as u8 % 3; 16];
        for address in [&mut flows.src_addr[row], &mut flows.dst_addr[row]] {
            *address = u128::from(numbers.next() % 700).pow(2).to_be_bytes();
        }
        for number in [&mut flows.in_if[row], &mut flows.out_if[row], &mut flows.src_as[row], &mut flows.dst_as[row]] {
            *number &= 0x8000_0003;
        }
        for number in [&mut block.src.asn[row], &mut block.dst.asn[row]] {
            *number &= 0x8000_0007;
        }
        for port in [&mut flows.src_port[row], &mut flows.dst_port[row]] {
            *port = (numbers.next() % 5 * 1000) as u16;
        }
        flows.protocol[row] = [6, 17, 1, 132, 255][(numbers.next() % 5) as usize];
        if most < u64::MAX {
            flows.bytes[row] %= most;
            flows.packets[row] %= most;
            flows.sampling_rate[row] %= 3000;
        }
    }
    block
}

/// Stores flows and rollups of blocks of these rows, and returns how many hosts have rows of their own.
async fn store(client: &Client, blocks: &[usize], most: u64, numbers: &mut Numbers) {
    let mut roller = Roller::default();
    for (number, rows) in blocks.iter().enumerate() {
        let mut block = block(*rows, most, numbers);
        roller.roll(&mut block);
        for part in block.parts().filter(|part| !part.is_empty()) {
            assert_eq!(part.provenance().is_some(), part.table().name == "flows");
            assert_sorted(part);
            client.insert(part, &format!("rollups {number}"), &mut BytesMut::new()).await.unwrap();
        }
    }
}

/// ClickHouse need not sort what is in the order of the table: the time within a day varies fastest.
fn assert_sorted(part: Part<'_>) {
    let Some((_, collector::batch::Cells::Seconds(times))) = part.columns().next() else { return };
    assert!(times.is_sorted_by_key(|time| time / 86_400), "{}", part.table().name);
}

/// Subjects and sums of a rollup's rows, merged; what does not fit 64 bits is the largest number that does.
fn merged(table: &Table, from: &str) -> String {
    let subjects: Vec<&str> =
        table.columns.iter().map(|column| column.name).filter(|name| !SUMS.contains(name)).collect();
    let sums: Vec<String> =
        SUMS.iter().map(|sum| format!("least(sum(toUInt128({sum})), {}) AS total_{sum}", u64::MAX)).collect();
    let subjects = subjects.join(", ");
    format!("SELECT {subjects}, {} FROM {from} GROUP BY {subjects}", sums.join(", "))
}

/// Compares a rollup's rows with those of its twin from the flows that meet `condition`; returns how many there are.
async fn same_as_twin(client: &Client, table: &Table, condition: &str) -> u64 {
    let twin = rollup::sql(table, "flows", condition).unwrap();
    let made = format!("CREATE OR REPLACE TABLE twin ENGINE = Memory AS {}", merged(table, &format!("({twin})")));
    client.execute(&made).await.unwrap();
    let (stored, twin) = (merged(table, table.name), "SELECT * FROM twin");
    for (one, other) in [(&*stored, twin), (twin, &*stored)] {
        let sql = format!("SELECT * FROM ({one} EXCEPT {other}) ORDER BY ALL LIMIT 3");
        assert_eq!(client.query(&sql, "TSV").await.unwrap(), "", "{}", table.name);
    }
    client.query("SELECT count() FROM twin", "TSV").await.unwrap().trim().parse().unwrap()
}

#[test]
fn the_rows_are_those_of_the_twin_in_sql() {
    let Some(engine) = Engine::start() else { return };
    for (database, most) in [("rollups_any", u64::MAX), ("rollups_usual", 1 << 40)] {
        let client = engine.client(&engine.settings(database));
        block_on(async {
            schema::apply(&client).await.unwrap();
            for table in &rollup::TABLES {
                // A merge adds modulo 2^64.
                client.execute(&format!("SYSTEM STOP MERGES {}", table.name)).await.unwrap();
            }
            store(&client, &[1, 2000, 1500], most, &mut Numbers(11)).await;
            for table in &rollup::TABLES[..5] {
                let rows = same_as_twin(&client, table, "1").await;
                assert!(rows > 1000, "{} has {rows} rows", table.name);
            }
        });
    }
}

#[test]
fn hosts_are_lower_bounds_whose_total_is_exact() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("rollups_hosts"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        store(&client, &[200, 4000, 1000], 1 << 30, &mut Numbers(12)).await;
        let table = rollup::TABLES[5];
        let twin = rollup::sql(table, "flows", "1").unwrap();
        let total = |from: &str| {
            let sums: Vec<String> = SUMS.iter().map(|sum| format!("sum({sum})")).collect();
            format!(
                "SELECT time, exporter_address, direction, {} FROM {from} GROUP BY ALL ORDER BY ALL",
                sums.join(", ")
            )
        };
        let found = client.query(&total("hosts_1h"), "TSV").await.unwrap();
        assert!(found == client.query(&total(&format!("({twin})")), "TSV").await.unwrap());
        let more: Vec<String> = SUMS.iter().map(|sum| format!("stored.total_{sum} > twin.total_{sum}")).collect();
        let above = format!(
            "SELECT count(), countIf({}), uniqExact(stored.address) FROM ({}) AS stored LEFT JOIN ({}) AS twin \
             USING (time, exporter_address, address, direction) WHERE address != '::'",
            more.join(" OR "),
            merged(table, table.name),
            merged(table, &format!("({twin})")),
        );
        let found = client.query(&above, "TSV").await.unwrap();
        let found: Vec<u64> = found.split_whitespace().map(|number| number.parse().unwrap()).collect();
        assert!(found[0] > 2000 && found[1] == 0 && found[2] > 500, "{found:?}");
    });
}

#[test]
fn flows_that_were_there_before_the_rollups_are_in_them_once() {
    let Some(engine) = Engine::start() else { return };
    let client = engine.client(&engine.settings("rollups_backfill"));
    block_on(async {
        schema::apply(&client).await.unwrap();
        let mut numbers = Numbers(13);
        let mut old = block(1500, 1 << 40, &mut numbers);
        // What flags say of rows now they did not say before there were rollups.
        old.decoded.flows.flags.fill(0);
        client.insert(old.parts().next().unwrap(), "old", &mut BytesMut::new()).await.unwrap();
        // The state of a database whose migration broke off at its end, and of one where another collector repeats it.
        let undo = "ALTER TABLE schema_version DELETE WHERE version >= 5 SETTINGS mutations_sync = 1";
        let move_old =
            "ALTER TABLE schema_version UPDATE applied_at = '2026-01-06 00:00:00' WHERE 1 SETTINGS mutations_sync = 1";
        client.execute(move_old).await.unwrap();
        for _ in 0..3 {
            client.execute(undo).await.unwrap();
            schema::apply(&client).await.unwrap();
        }
        for table in rollup::TABLES {
            same_as_twin(&client, table, "time_received < '2026-01-06 00:00:00'").await;
        }
    });
}

#[test]
fn rows_without_anything_are_not_made() {
    let mut block = block(500, u64::MAX, &mut Numbers(14));
    let mut names = Text::default();
    names.resize(500);
    block.decoded.flows.flags.fill(0);
    block.decoded.flows.bytes.fill(0);
    block.decoded.flows.packets.fill(0);
    Roller::default().roll(&mut block);
    let flows: u64 = block.rollups.service_5m.sums.flows.iter().sum();
    assert_eq!(flows, 500);
    assert!(block.rollups.service_5m.sums.flows.iter().all(|flows| *flows > 0));
}
