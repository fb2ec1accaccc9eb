//! That the migrations make the columns that blocks have, and what is committed of the schema is what is printed.

use std::collections::BTreeMap;

use super::*;
use crate::batch::Column;
use crate::clickhouse::Cluster;

fn column_ddl(column: &Column) -> String {
    let comment = column.comment.replace('\'', "\\'");
    format!("`{}` {} COMMENT '{comment}' CODEC({})", column.name, column.kind, column.codec)
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

/// The columns of every table after all migrations, in their order: name and definition.
fn migrated() -> BTreeMap<String, Vec<(String, String)>> {
    let mut tables = BTreeMap::<String, Vec<(String, String)>>::new();
    let lines = MIGRATIONS.iter().flat_map(|migration| migration.sql.lines());
    let (mut table, mut is_made) = (String::new(), false);
    for line in lines {
        for (prefix, makes) in [("CREATE TABLE IF NOT EXISTS ", true), ("ALTER TABLE ", false)] {
            if let Some(name) = line.strip_prefix(prefix) {
                (table, is_made) = (name.split_whitespace().next().unwrap().to_owned(), makes);
            }
        }
        let columns = tables.entry(table.clone()).or_default();
        let line = line.trim().trim_end_matches([',', ';']);
        // What is computed when it is read is in no block.
        if line.contains(" ALIAS ") {
            continue;
        }
        let name = |text: &str| text.split('`').nth(1).unwrap().to_owned();
        if let Some(rest) = line.strip_prefix("ADD COLUMN IF NOT EXISTS ") {
            let (definition, after) = rest.rsplit_once(" AFTER ").unwrap();
            let place = columns.iter().position(|(column, _)| *column == name(after)).unwrap();
            columns.insert(place + 1, (name(definition), definition.to_owned()));
        } else if let Some(rest) = line.strip_prefix("COMMENT COLUMN ") {
            let (_, definition) = columns.iter_mut().find(|(column, _)| *column == name(rest)).unwrap();
            let (before, comment) = definition.split_once(" COMMENT ").unwrap();
            let (_, codec) = comment.rsplit_once(" CODEC(").unwrap();
            let (_, comment) = rest.rsplit_once("` ").unwrap();
            *definition = format!("{before} COMMENT {comment} CODEC({codec}");
        } else if is_made && line.starts_with('`') {
            columns.push((name(line), line.to_owned()));
        }
    }
    tables
}

/// What a migration makes is in the place that blocks have it in, and says of itself what they say. What it says of rows from before
/// (`DEFAULT`) is its own business.
#[test]
fn the_migrations_make_the_columns_that_blocks_have() {
    let made = migrated();
    for table in crate::batch::TABLES.into_iter().chain([&crate::ledger::table::TABLE]) {
        let plain = |(_, definition): &(String, String)| {
            let Some((before, rest)) = definition.split_once(" DEFAULT ") else { return definition.clone() };
            format!("{before} COMMENT {}", rest.split_once(" COMMENT ").unwrap().1)
        };
        let made: Vec<String> = made[table.name].iter().map(plain).collect();
        let expected: Vec<String> = table.columns.iter().map(column_ddl).collect();
        assert_eq!(made, expected, "{}", table.name);
    }
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
