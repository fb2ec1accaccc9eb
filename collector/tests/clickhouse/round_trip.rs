//! Inserts blocks and reads each column back in another format (RowBinary), byte for byte.

use bytes::BytesMut;
use collector::batch::Block;
use collector::batch::columns::{COLUMNS, Cells};
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
            native::check(block).unwrap();
            let sent = client.insert(block, &format!("round trip {number}"), &mut scratch).await.unwrap();
            let mut whole = BytesMut::new();
            native::encode(block, &mut whole).unwrap();
            assert_eq!((sent, scratch.len()), (whole.len() as u64, 0));
        }
        for column in COLUMNS {
            let sql = format!("SELECT `{}` FROM flows ORDER BY application_id", column.name);
            let found = client.query_bytes(&sql, "RowBinary").await.unwrap();
            let mut expected = Vec::new();
            for block in blocks {
                row_binary((column.cells)(block), block, &mut expected);
            }
            // Not assert_eq, which would print megabytes.
            assert!(found == expected, "{} differs, {} and {} bytes", column.name, found.len(), expected.len());
        }
    });
}

/// A column's cells as RowBinary writes them.
fn row_binary(cells: Cells<'_>, block: &Block, out: &mut Vec<u8>) {
    for row in 0..block.len() {
        match cells {
            Cells::U8(values) | Cells::Enum(values, _) => out.push(values[row]),
            Cells::U16(values) => out.extend(values[row].to_le_bytes()),
            Cells::U32(values) => out.extend(values[row].to_le_bytes()),
            Cells::U64(values) | Cells::Mac(values) => out.extend(values[row].to_le_bytes()),
            Cells::Millis(values) => out.extend(values[row].to_le_bytes()),
            Cells::Addr(values) => out.extend(values[row]),
            Cells::Text(text) => {
                let value = text.get(row);
                length(value.len(), out);
                out.extend(value.as_bytes());
            }
            Cells::Labels(labels) => {
                let labels = labels.get(row);
                length(labels.len(), out);
                labels.iter().for_each(|label| out.extend(label.to_le_bytes()));
            }
        }
    }
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
