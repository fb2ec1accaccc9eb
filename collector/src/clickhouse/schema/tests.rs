//! That the migrations make the columns that blocks have, and what is committed of them is what is printed.

use super::*;
use crate::batch::{Column, Table, flows, interface_counters, nat_events};
use crate::clickhouse::Cluster;

/// What follows the columns of a table that version 2 makes.
const NAT_EVENTS_ENGINE: &str = "ENGINE = MergeTree
PARTITION BY toDate(time_received)
ORDER BY (post_nat_src_addr, time_event, port_block_start)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
COMMENT 'Address translations: who had this outside address and port at this time';
";
const INTERFACE_COUNTERS_ENGINE: &str = "ENGINE = MergeTree
PARTITION BY toDate(time_received)
ORDER BY (exporter_address, if_index, time_received)
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 1000
COMMENT 'Counters of interfaces as exporters sent them: totals since the exporter started';
";

fn column_ddl(column: &Column) -> String {
    column_with_default("", column)
}

/// A column's definition, with a clause for rows that do not have it.
fn column_with_default(default: &str, column: &Column) -> String {
    let comment = column.comment.replace('\'', "\\'");
    format!("`{}` {}{default} COMMENT '{comment}' CODEC({})", column.name, column.kind, column.codec)
}

/// A table as its columns say it must be.
fn table_ddl(table: &Table, engine: &str) -> String {
    let is_older = |column: &&Column| table.name == interface_counters::TABLE.name || !is_of_agents(column);
    let columns: Vec<String> = table.columns.iter().filter(is_older).map(column_ddl).collect();
    format!("CREATE TABLE IF NOT EXISTS {}\n(\n    {}\n)\n{engine}", table.name, columns.join(",\n    "))
}

/// What adds columns to a table, which has those that `is_there` beside them by then.
fn new_columns(table: &Table, is_added: impl Fn(&Column) -> bool, is_there: impl Fn(&Column) -> bool) -> String {
    let mut after = "";
    let mut added = Vec::new();
    for column in table.columns {
        if is_added(column) {
            added.push(format!("ADD COLUMN IF NOT EXISTS {} AFTER `{after}`", column_ddl(column)));
        } else if !is_there(column) {
            continue;
        }
        after = column.name;
    }
    format!("ALTER TABLE {}\n    {};\n", table.name, added.join(",\n    "))
}

fn is_in_the_first(column: &Column) -> bool {
    MIGRATIONS[0].sql.contains(&format!("\n    `{}` ", column.name))
}

fn is_of_networks(column: &Column) -> bool {
    ["src_network", "dst_network", "src_customer", "dst_customer"].contains(&column.name)
}

/// What version 9 adds to every table but the interface counters, which had it before.
fn is_of_agents(column: &Column) -> bool {
    column.name == "agent_address"
}

/// Compares a committed file with what it must be; rewrites it when the environment has `BLESS`.
fn check_file(path: &str, expected: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{} differs; run this test with BLESS=1 and look at the difference", path.display());
}

#[test]
fn the_second_migration_makes_the_columns() {
    let nat_events = table_ddl(&nat_events::TABLE, NAT_EVENTS_ENGINE);
    let interface_counters = table_ddl(&interface_counters::TABLE, INTERFACE_COUNTERS_ENGINE);
    let is_added = |column: &Column| !is_in_the_first(column) && !is_of_networks(column) && !is_of_agents(column);
    let added = new_columns(&flows::TABLE, is_added, is_in_the_first);
    let expected = format!("{added}\n{nat_events}\n{interface_counters}");
    check_file("src/clickhouse/migrations/0002_tables.sql", &expected);
}

#[test]
fn the_fourth_migration_makes_the_ledgers_columns() {
    let was_there = |column: &Column| MIGRATIONS[2].sql.contains(&format!("\n    `{}` ", column.name));
    let expected = new_columns(&crate::ledger::table::TABLE, |column| !was_there(column), was_there);
    check_file("src/clickhouse/migrations/0004_ledger_journal.sql", &expected);
}

/// The order and the comment of each rollup that version 5 makes.
const ROLLUPS: [(&str, &str); 6] = [
    ("exporter_address, if_index, direction, if_name, time", "Traffic of interfaces per minute"),
    ("src_as, dst_as, exporter_address, time", "Traffic between autonomous systems per 5 minutes"),
    ("src_country, dst_country, exporter_address, time", "Traffic between countries per 5 minutes"),
    ("protocol, port, exporter_address, time", "Traffic of protocols and ports per 5 minutes"),
    (
        "src_customer, src_network, dst_customer, dst_network, exporter_address, time",
        "Traffic between networks and customers per 5 minutes",
    ),
    (
        "address, exporter_address, direction, time",
        "Traffic of hosts per hour: of each block the 1000 with most bytes, packets or flows, the others under ::, so what a \
         host has is a lower bound and the sum of all exact",
    ),
];

fn rollup_ddl((table, (order, comment)): (&&Table, (&str, &str))) -> String {
    let engine = format!(
        "ENGINE = SummingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (toDate(time), {order})
SETTINGS index_granularity = 8192, non_replicated_deduplication_window = 10000
COMMENT '{comment}. A flow is in every bucket it lived in, by time. Ask for sums';
"
    );
    table_ddl(table, &engine)
}

/// Fills a rollup from the flows that were there before it: what came later has its rollups with it. May be run again, by
/// another collector or after a break: the same blocks under the same token are stored once.
fn backfill(table: &Table) -> String {
    let before = "time_received < (SELECT min(applied_at) FROM schema_version \
         WHERE version = (SELECT max(version) FROM schema_version WHERE version < 5))";
    let select = crate::rollup::sql(table, "flows", before).unwrap();
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    format!(
        "INSERT INTO {} ({})\n{select}\nORDER BY ALL\nSETTINGS insert_deduplication_token = 'backfill of version 5', \
         max_insert_threads = 1, max_bytes_before_external_group_by = 1000000000, \
         max_bytes_before_external_sort = 1000000000;\n",
        table.name,
        columns.join(", ")
    )
}

#[test]
fn the_fifth_migration_makes_and_fills_the_rollups() {
    let tables = &crate::rollup::TABLES;
    let mut statements = vec![new_columns(&flows::TABLE, is_of_networks, |_| true)];
    statements.extend(tables.iter().zip(ROLLUPS).map(rollup_ddl));
    statements.extend(tables.iter().map(|table| backfill(table)));
    check_file("src/clickhouse/migrations/0005_rollups.sql", &statements.join("\n"));
}

/// Adds the agent's column, which rows of before have from their exporter.
fn agents(table: &Table) -> String {
    let place = table.columns.iter().position(is_of_agents).unwrap();
    let column = column_with_default(" DEFAULT exporter_address", &table.columns[place]);
    let after = table.columns[place - 1].name;
    format!("ALTER TABLE {}\n    ADD COLUMN IF NOT EXISTS {column} AFTER `{after}`;\n", table.name)
}

#[test]
fn the_ninth_migration_adds_the_agents() {
    let statements = [&flows::TABLE, &nat_events::TABLE].map(agents);
    check_file("src/clickhouse/migrations/0009_agents.sql", &statements.join("\n"));
}

#[test]
fn what_was_released_stays_as_it_is() {
    let released: [(u32, u64); 8] = [
        (1, 0xd5e2_49c6_b29a_de99),
        (2, 0x0742_5b34_1aee_fb64),
        (3, 0x0215_ec71_2f1c_244b),
        (4, 0xceaf_9ad6_79f8_c724),
        (5, 0xb8b9_43ab_c80e_7190),
        (6, 0x93da_8142_42b0_feae),
        (7, 0x4757_5f31_1dc8_7946),
        (8, 0xf3e4_01cc_156c_57fc),
    ];
    for (migration, (version, digest)) in MIGRATIONS.iter().zip(released) {
        assert_eq!((migration.version, fnv(migration.sql)), (version, digest), "version {version} was changed");
    }
}

/// FNV-1a, 64 bits.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_deployed_schema_is_the_printed_one() {
    check_file("../deploy/clickhouse/schema.sql", &print());
}

#[test]
fn the_schema_of_the_example_cluster_is_the_printed_one() {
    let printed = cluster::print(&Cluster::new("flows").unwrap(), "collector").unwrap();
    check_file("../deploy/clickhouse-cluster/schema.sql", &printed);
}

#[test]
fn versions_ascend_from_one() {
    assert!(versions().eq(1..=latest_version()));
}
