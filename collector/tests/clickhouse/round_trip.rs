//! Inserts blocks and reads each column back in another format (RowBinary), byte for byte.

use std::sync::Arc;

use bytes::BytesMut;
use collector::batch::{Block, Cells, DECODED, Part, Rows};
use collector::clickhouse::client::Compression;
use collector::clickhouse::{native, schema};

use crate::engine::{Engine, block_on};
use crate::rows::{Numbers, block};

#[test]
fn every_column_comes_back_as_it_was() {
    let Some(engine) = Engine::start() else { return };
    let mut numbers = Numbers(7);
    // One row; dictionaries with one-byte and with two-byte keys.
    let small =
        [block(0, 1, 1, &mut numbers), block(10, 3_000, 200, &mut numbers), block(5_000, 5_000, 3_000, &mut numbers)];
    check(&engine, Compression::None, &small);
    // Dictionaries with four-byte keys, columns in more than one chunk.
    let large = [block(u64::MAX - 80_000, 80_001, u64::MAX, &mut numbers)];
    check(&engine, Compression::Lz4, &large);
    check(&engine, Compression::None, &large);
    check(&engine, Compression::Lz4, &small);
}

fn check(engine: &Engine, compression: Compression, blocks: &[Block]) {
    let mut settings = engine.settings(&format!("{compression:?}_{}", blocks.len()));
    settings.compression = compression;
    let client = engine.client(&settings);
    block_on(async {
        schema::apply(&client).await.unwrap();
        let mut scratch = BytesMut::new();
        for (number, block) in blocks.iter().enumerate() {
            // As a worker's blocks are sent: long columns from where they are.
            let shared: Arc<dyn Rows> = Arc::new(block.clone());
            for part in Part::all_shared(&shared).take(DECODED.len()) {
                native::check(part).unwrap();
                let sent = client.insert(part, &format!("round trip {number}"), &mut scratch).await.unwrap();
                let mut whole = BytesMut::new();
                native::encode(part, &mut whole).unwrap();
                assert_eq!((sent, scratch.len()), (whole.len() as u64, 0));
            }
        }
        for (index, table) in DECODED.iter().enumerate() {
            for (number, column) in table.columns.iter().enumerate() {
                // The column that counts the rows on.
                let order = ["application_id", "pool_id", "if_speed"][index];
                let sql = format!("SELECT `{}` FROM {} ORDER BY {order}", column.name, table.name);
                let found = client.query_bytes(&sql, "RowBinary").await.unwrap();
                let mut expected = Vec::new();
                for block in blocks {
                    row_binary(block.cells(index, number), &mut expected);
                }
                let (table, column) = (table.name, column.name);
                // Not assert_eq, which would print megabytes.
                assert!(found == expected, "{table}.{column} differs, {} and {} bytes", found.len(), expected.len());
            }
        }
    });
}

/// A column's cells as RowBinary writes them.
fn row_binary(cells: Cells<'_>, out: &mut Vec<u8>) {
    for row in 0..cells.len() {
        match cells {
            Cells::U8(values) => out.push(values[row]),
            Cells::Bool(values) => out.push(u8::from(values[row] != 0)),
            Cells::Enum(values, names) => {
                out.push(if usize::from(values[row]) < names.len() { values[row] } else { 0 })
            }
            Cells::U16(values) => out.extend(values[row].to_le_bytes()),
            Cells::U32(values) | Cells::Seconds(values) => out.extend(values[row].to_le_bytes()),
            Cells::U64(values) | Cells::Mac(values) => out.extend(values[row].to_le_bytes()),
            Cells::I64(values) | Cells::Millis(values) => out.extend(values[row].to_le_bytes()),
            Cells::Addr(values) => out.extend(values[row]),
            Cells::Text(text) => string(text.get(row), out),
            Cells::Labels(labels) => {
                let labels = labels.get(row);
                length(labels.len(), out);
                labels.iter().for_each(|label| out.extend(label.to_le_bytes()));
            }
            Cells::Map(raw) => {
                length(raw.get(row).count(), out);
                for (name, value) in raw.get(row) {
                    string(name, out);
                    string(value, out);
                }
            }
        }
    }
}

fn string(value: &str, out: &mut Vec<u8>) {
    length(value.len(), out);
    out.extend(value.as_bytes());
}

/// A varuint of at most two bytes.
fn length(length: usize, out: &mut Vec<u8>) {
    assert!(length < 1 << 14);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        out.extend([length as u8 | 0x80, (length >> 7) as u8]);
    }
}
