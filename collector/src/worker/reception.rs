//! From rings and sockets into the journal.

use super::Sources;
use super::intake::Intake;
use crate::journal::Journal;
use crate::utc::now_ns;
use crate::{front_door, udp, xsk};

/// By how much the times of frames in one ring may be out of order: the program stamps them on several CPUs.
const DISORDER_MS: i64 = 100;
/// Batches that are taken from a ring or a socket before datagrams are decoded: what is in the journal is safe, what is in a ring is
/// lost when the next burst is longer than the ring. Taking a datagram costs a tenth of decoding it, or less.
const BATCHES_MOST: usize = 32;

/// What a worker receives with.
pub(super) struct Reception {
    pub(super) sources: Sources,
    pub(super) intake: Intake,
    pub(super) journal: Journal,
    /// Whether rings or sockets were left alone lately because the journal had no room at the moment.
    pub(super) is_held_back: bool,
}

impl Reception {
    /// Takes what is in the rings; how many datagrams.
    pub(super) fn take_from_rings(&mut self, received_ns: i64) -> usize {
        let Self { sources, intake, journal, is_held_back } = self;
        let mut received = 0;
        for ring in &mut sources.rings {
            let (mut last_ms, mut from_ring) = (None, 0);
            for _ in 0..BATCHES_MOST {
                if !journal.has_room(xsk::BATCH, xsk::BATCH * xsk::FRAME_BYTES_MAX) {
                    *is_held_back = true;
                    break;
                }
                let taken = ring.receiver.receive(|frame, metadata| {
                    last_ms = intake.frame(journal, frame, metadata, received_ns, ring.checks).or(last_ms);
                });
                from_ring += taken;
                if taken < xsk::BATCH {
                    break;
                }
            }
            // A ring is in the order of its times, but for what two CPUs do in the same moment.
            ring.was_empty = from_ring == 0 && !*is_held_back;
            ring.horizon_ms = match last_ms {
                None if ring.was_empty => received_ns / 1_000_000 - DISORDER_MS,
                None => ring.horizon_ms,
                Some(last_ms) => last_ms - DISORDER_MS,
            };
            received += from_ring;
        }
        received
    }

    /// Takes what is in the sockets; how many datagrams.
    pub(super) fn take_from_sockets(&mut self) -> usize {
        let Self { sources, intake, journal, is_held_back, .. } = self;
        let mut received = 0;
        for socket in &mut sources.sockets {
            for _ in 0..BATCHES_MOST {
                if !journal.has_room(udp::BATCH, udp::BATCH * udp::LARGEST_DATAGRAM_BYTES) {
                    *is_held_back = true;
                    break;
                }
                // For each batch anew: buckets fill by this clock.
                let (received_ns, now_ns) = (now_ns(), front_door::now_ns());
                let taken =
                    socket.receive(|source, payload| intake.from_socket(journal, source, payload, received_ns, now_ns));
                let taken = taken.unwrap_or_else(|error| {
                    intake.tally.socket_error(&error);
                    0
                });
                received += taken;
                if taken < udp::BATCH {
                    break;
                }
            }
        }
        received
    }
}
