//! Flows cut into what falls into each bucket of time, for the three lengths of buckets that rollups have.
//!
//! Nearly all flows live within one minute, hence in one bucket of each length, and are not cut.

use netflow::FlowColumns;
use netflow::columns::flags;

use super::life::Flow;
use super::sums::Sums;

/// Buckets that the flows of one block may have in one table beyond one for each flow.
pub const SPARE_BUCKETS: usize = 1 << 19;

pub(super) const MINUTE_MS: u64 = 60_000;
const MINUTES: [u32; 3] = [1, 5, 60];

/// What of a flow falls into one bucket.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Of the block.
    pub(super) row: u32,
    /// It begins this many of its lengths after 1970.
    pub(super) bucket: u32,
    sums: u32,
}

/// The pieces of some flows.
#[derive(Debug)]
pub(super) struct Pieces {
    sums: Vec<Sums>,
    /// For each length.
    pieces: [Vec<Piece>; 3],
    /// Buckets that there is still room for in this block, for each length.
    spare: [usize; 3],
    /// Flows that were not cut for want of room, for each length.
    whole: [u64; 3],
}

/// How long buckets are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Length {
    Minute,
    FiveMinutes,
    Hour,
}

impl Length {
    /// Seconds.
    pub(super) const fn seconds(self) -> u32 {
        60 * MINUTES[self as usize]
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self { sums: Vec::new(), pieces: Default::default(), spare: [SPARE_BUCKETS; 3], whole: [0; 3] }
    }
}

impl Pieces {
    /// Begins another block.
    pub(super) fn begin_block(&mut self) {
        self.spare = [SPARE_BUCKETS; 3];
    }

    /// The pieces of some rows, and nothing of those before.
    pub(super) fn cut(&mut self, flows: &FlowColumns, rows: &[u32]) {
        self.sums.clear();
        for pieces in &mut self.pieces {
            pieces.clear();
            pieces.reserve(rows.len());
        }
        for row in rows {
            let at = *row as usize;
            if flows.flags[at] & flags::IMPLAUSIBLE != 0 {
                continue;
            }
            let sums = Sums::of(flows.bytes[at], flows.packets[at], flows.sampling_rate[at]);
            let (received_ms, start_ms, end_ms) = (flows.received_ms[at], flows.start_ms[at], flows.end_ms[at]);
            let flow = match flows.flags[at] & flags::CLOCK_OFF {
                0 => Flow::new(received_ms, start_ms, end_ms, sums),
                _ => Flow::new_by_receipt(received_ms, start_ms, end_ms, sums),
            };
            let whole = self.sums.len() as u32;
            self.sums.push(sums);
            let (first, last) = flow.buckets(MINUTE_MS);
            if first == last {
                for (pieces, minutes) in self.pieces.iter_mut().zip(MINUTES) {
                    pieces.push(Piece { row: *row, bucket: first / minutes, sums: whole });
                }
            } else {
                self.cut_one(&flow, *row, whole);
            }
        }
    }

    #[inline(never)]
    fn cut_one(&mut self, flow: &Flow, row: u32, whole: u32) {
        for (length, minutes) in MINUTES.into_iter().enumerate() {
            let bucket_ms = u64::from(minutes) * MINUTE_MS;
            let (first, last) = flow.buckets(bucket_ms);
            let more = (last - first) as usize;
            let pieces = &mut self.pieces[length];
            if more == 0 || more > self.spare[length] {
                self.whole[length] += u64::from(more > 0);
                pieces.push(Piece { row, bucket: last, sums: whole });
                continue;
            }
            self.spare[length] -= more;
            flow.spread(bucket_ms, |bucket, sums| {
                pieces.push(Piece { row, bucket, sums: self.sums.len() as u32 });
                self.sums.push(*sums);
            });
        }
    }

    /// Gives each piece of a length, with its sums.
    #[inline]
    pub(super) fn each(&self, length: Length, mut give: impl FnMut(&Piece, &Sums)) {
        for piece in &self.pieces[length as usize] {
            give(piece, &self.sums[piece.sums as usize]);
        }
    }

    /// Flows so far that count whole in the bucket they ended in, as there was no room for more buckets; for each length.
    pub(super) fn whole(&self) -> [u64; 3] {
        self.whole
    }
}
