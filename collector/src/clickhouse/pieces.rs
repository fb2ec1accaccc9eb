//! The rows of a table as bytes to send, piece by piece. A long column of fixed-width cells is sent from where it is, as its memory is
//! its data; all else is encoded. Not here: compression, and where the pieces go.

use bytes::{Bytes, BytesMut};

use super::native::{self, Data};
use crate::batch::{Cells, Column, Lent, Part};

/// Most bytes of a piece, which is compressed as one; ClickHouse's own client uses the same size.
const PIECE_BYTES: usize = 1 << 20;
/// Bytes from which on a column is sent from where it is: a shorter one is copied for less than a piece of its own costs.
const LENT_BYTES: usize = 128 << 10;

/// Bytes that there is room for at first: more than what is encoded of most blocks.
const SCRATCH_BYTES: usize = 2 << 20;

/// One block in the Native format, in pieces that follow each other.
#[derive(Debug)]
pub struct Pieces<'a> {
    part: Part<'a>,
    columns: std::vec::IntoIter<(usize, &'static Column, Cells<'a>)>,
    /// What was encoded and not given out yet.
    encoded: &'a mut BytesMut,
    /// What follows it.
    lent: Bytes,
}

impl<'a> Pieces<'a> {
    /// The rows, which must have passed [`native::check`]. What is in `scratch` is forgotten; its memory is used.
    #[must_use]
    pub fn new(part: Part<'a>, scratch: &'a mut BytesMut) -> Self {
        // An insert that was cut off, or that failed, leaves some behind.
        scratch.clear();
        // Once all that was given out before is gone, this is the same memory again.
        scratch.reserve(SCRATCH_BYTES);
        let columns = native::columns(part);
        native::write_header(columns.len(), part.len(), scratch);
        Self { part, columns: columns.into_iter(), encoded: scratch, lent: Bytes::new() }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.encoded.len() >= PIECE_BYTES {
                return Some(self.encoded.split_to(PIECE_BYTES).freeze());
            }
            if !self.lent.is_empty() {
                // The name that precedes it goes first.
                if !self.encoded.is_empty() {
                    return Some(self.encoded.split().freeze());
                }
                return Some(self.lent.split_to(self.lent.len().min(PIECE_BYTES)));
            }
            let Some((number, column, cells)) = self.columns.next() else {
                return (!self.encoded.is_empty()).then(|| self.encoded.split().freeze());
            };
            match lent(self.part, number, cells) {
                Some(data) => {
                    native::write_name(column, self.encoded);
                    self.lent = data;
                }
                None => native::write_column(column, cells, self.encoded),
            }
        }
    }
}

/// A column that is sent from where it is.
fn lent(part: Part<'_>, column: usize, cells: Cells<'_>) -> Option<Bytes> {
    if memory(cells).len() < LENT_BYTES {
        return None;
    }
    part.lend(column).map(|lent| Bytes::from_owner(Memory(lent)))
}

/// The data of a column whose memory is its data; nothing of others.
fn memory(cells: Cells<'_>) -> &[u8] {
    if let Data::Memory(bytes) = Data::of(cells) { bytes } else { &[] }
}

/// A lent column's memory, as the owner of bytes.
struct Memory(Lent);

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        memory(self.0.cells())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::batch::{Block, Rows};

    /// Rows with columns to lend, and one with a dictionary.
    fn block(rows: usize) -> Block {
        let mut block = native::tests::block(rows);
        let flows = &mut block.decoded.flows;
        for row in 0..rows {
            flows.received_ms[row] = row as i64;
            flows.src_addr[row] = [row as u8; 16];
            flows.bytes[row] = row as u64 * 3;
            flows.protocol[row] = 6;
            let key = flows.in_if_name.key(&format!("eth{}", row % 400));
            flows.in_if_name.keys_mut()[row] = key;
        }
        block
    }

    /// Few rows, of which nothing is lent; columns on both sides of the limit; columns of several pieces.
    #[test]
    fn the_pieces_are_the_block() {
        for (rows, most) in [(1, 1), (10_000, 4), (LENT_BYTES / 8, 8), (LENT_BYTES / 8 - 1, 8), (200_000, 30)] {
            let block = block(rows);
            let mut whole = BytesMut::new();
            native::encode(block.parts().next().expect("flows"), &mut whole).expect("sound");

            let shared: Arc<dyn Rows> = Arc::new(block.clone());
            let mut scratch = BytesMut::from(&b"what an insert left"[..]);
            let part = Part::all_shared(&shared).next().expect("flows");
            let pieces: Vec<Bytes> = Pieces::new(part, &mut scratch).collect();
            assert!(pieces.len() <= most, "{rows} rows in {} pieces", pieces.len());
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_BYTES));
            assert!(pieces.concat() == whole, "{rows} rows");
            let addresses = block.decoded.flows.src_addr.as_flattened().len();
            let lent = pieces.iter().filter(|piece| piece.len() == addresses.min(PIECE_BYTES)).count();
            assert_eq!(lent > 0, addresses >= LENT_BYTES, "{rows} rows");

            // Rows that are not shared cannot be lent, and are the same bytes.
            let copied: Vec<Bytes> = Pieces::new(block.parts().next().expect("flows"), &mut scratch).collect();
            assert!(copied.concat() == whole, "{rows} rows");
        }
    }

    #[test]
    fn a_block_is_its_owners_again_once_all_pieces_are_gone() {
        let shared: Arc<dyn Rows> = Arc::new(block(20_000));
        let mut scratch = BytesMut::new();
        let pieces: Vec<Bytes> = Pieces::new(Part::all_shared(&shared).next().expect("flows"), &mut scratch).collect();
        assert!(Arc::clone(&shared).block().and_then(Arc::into_inner).is_none());
        let last = pieces.last().cloned();
        drop(pieces);
        drop(last);
        assert_eq!(shared.block().and_then(Arc::into_inner).map(|block| block.len()), Some(20_000));
    }
}
