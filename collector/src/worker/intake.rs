//! What happens to a datagram when it is received: ask the front door, where the XDP program has not; check its checksum, where the kernel
//! has not; append it to the journal.

use std::net::Ipv6Addr;

use collector_ebpf::Stamp;
use netflow::columns::Address;

use crate::exporters::{self, View};
use crate::front_door::{Door, Refusal};
use crate::journal::{Entry, Journal};
use crate::ledger::{Account, Arrival, Book, Cell, Key, minute_of};
use crate::udp;
use crate::worker::checksum::{self, Checks, Fault};
use crate::worker::tally::{Path, Tally};
use crate::xsk::Metadata;

const NANOSECONDS_IN_MS: i64 = 1_000_000;

/// A worker's receiving end, up to the journal.
pub struct Intake {
    worker: usize,
    door: Door,
    account: Account,
    book: Book,
    exporters: View,
    /// Datagrams lost in the sockets, as far as they are in the account.
    socket_drops: u64,
    socket_truncated: u64,
    /// What was counted so far.
    pub tally: Tally,
}

impl Intake {
    /// The intake of worker `worker`.
    #[must_use]
    pub fn new(worker: usize, door: Door, account: Account, exporters: exporters::Directory) -> Self {
        let (book, exporters, tally) = (Book::default(), View::new(exporters), Tally::default());
        Self { worker, door, account, book, exporters, socket_drops: 0, socket_truncated: 0, tally }
    }

    /// Takes a frame that the XDP program steered here, and so let in. Its time is the one that the program put in front of it,
    /// by which the program counts its minutes; `received_ns` (since 1970) where it put none there.
    /// Returns the frame's time in milliseconds if it holds a datagram.
    pub fn frame(
        &mut self,
        journal: &mut Journal,
        frame: &[u8],
        metadata: Metadata,
        received_ns: i64,
        checks: Checks,
    ) -> Option<i64> {
        let found = match collector_ebpf::walk(frame) {
            Ok(found) => found,
            Err(verdict) => {
                self.tally.frame_not_ours(verdict.label());
                return None;
            }
        };
        let payload = found.payload_offset..found.payload_offset.saturating_add(found.payload_length);
        let Some(payload) = frame.get(payload) else {
            self.tally.frame_not_ours(collector_ebpf::Verdict::Truncated.label());
            return None;
        };
        let received_ns = match Stamp::from_bytes(metadata) {
            Some(stamp) => i64::try_from(stamp.time_ns).unwrap_or(i64::MAX),
            None => {
                self.tally.frames_without_time += 1;
                received_ns
            }
        };
        let received_ms = received_ns / NANOSECONDS_IN_MS;
        if let Err(fault) = checksum::check(&found, payload, checks) {
            self.refuse_checksum(found.exporter, payload.len(), received_ms, fault);
            return Some(received_ms);
        }
        let path = Path::Xdp as u8;
        self.keep(journal, &Entry { received_ns, exporter: found.exporter, port: found.source_port, path, payload });
        Some(received_ms)
    }

    /// Takes a datagram from a socket, where nobody has judged it yet: this is the one place where the front door refuses
    /// something outside the XDP program. `received_ns` is the time since 1970, `now_ns` the one for token buckets.
    pub fn from_socket(
        &mut self,
        journal: &mut Journal,
        source: udp::Source,
        payload: &[u8],
        received_ns: i64,
        now_ns: u64,
    ) {
        let udp::Source { address: exporter, port } = source;
        if let Err(refusal) = self.door.admit(&exporter, now_ns) {
            self.refuse(exporter, payload.len(), received_ns / NANOSECONDS_IN_MS, refusal);
            return self.tally.refused(Path::Udp, refusal, payload.len());
        }
        self.keep(journal, &Entry { received_ns, exporter, port, path: Path::Udp as u8, payload });
    }

    /// Counts the datagrams that the journal gives up: they were received and never read.
    pub fn give_up(&mut self, entry: &Entry<'_>) {
        let key = Key::of_sender(entry.exporter, 0, minute_of(entry.received_ns / NANOSECONDS_IN_MS));
        self.book.add(key, Cell::JournalGivenUp, 1);
        self.book.add(key, Cell::JournalGivenUpBytes, entry.payload.len() as i64);
        self.tally.journal.given_up += 1;
        self.tally.journal.given_up_bytes += entry.payload.len() as u64;
    }

    /// Hands over what was counted for the account. Every frame received before `horizon_ms` came out of the rings.
    pub fn hand_over(&mut self, horizon_ms: i64, now_ms: i64) {
        for (total, known, cell) in [
            (self.tally.socket_drops, &mut self.socket_drops, Cell::SocketOverflow),
            (self.tally.socket_truncated, &mut self.socket_truncated, Cell::Truncated),
        ] {
            let lost = total.saturating_sub(std::mem::replace(known, total));
            self.account.lost_in_socket(cell, lost, now_ms);
        }
        self.account.take_received(self.worker, &mut self.book, horizon_ms, self.tally.ring_drops());
    }

    fn keep(&mut self, journal: &mut Journal, entry: &Entry<'_>) {
        let (path, arrival) = match entry.path {
            path if path == Path::Xdp as u8 => (Path::Xdp, Arrival::Ring),
            _ => (Path::Udp, Arrival::Socket),
        };
        let (bytes, received_ms) = (entry.payload.len(), entry.received_ns / NANOSECONDS_IN_MS);
        self.tally.datagram(path, bytes);
        self.book.received(arrival, entry.exporter, bytes, received_ms);
        let Err(refused) = journal.append(entry) else { return };
        let key = Key::of_sender(entry.exporter, 0, minute_of(received_ms));
        self.book.add(key, Cell::JournalRefused, 1);
        self.book.add(key, Cell::JournalRefusedBytes, bytes as i64);
        self.tally.journal.refuse(refused);
    }

    /// Counts a datagram that came out of a ring and is not kept because of its checksum.
    fn refuse_checksum(&mut self, exporter: Address, bytes: usize, received_ms: i64, fault: Fault) {
        self.tally.datagram(Path::Xdp, bytes);
        self.book.received(Arrival::Ring, exporter, bytes, received_ms);
        let key = Key::of_sender(exporter, 0, minute_of(received_ms));
        self.book.add(key, Cell::BadChecksum, 1);
        self.book.add(key, Cell::BadChecksumBytes, bytes as i64);
        if self.tally.bad_checksums() == 0 {
            let exporter = Ipv6Addr::from(exporter).to_canonical();
            tracing::warn!(
                %exporter,
                fault = fault.label(),
                "datagrams are refused for their UDP checksum, as the kernel would: the network spoils them, or the interface has local senders that it \
                 does not tell of (then checksum = \"trust\" under [capture]); the ledger counts them as bad_checksum"
            );
        }
        self.tally.bad_checksum(fault);
    }

    fn refuse(&mut self, exporter: Address, bytes: usize, received_ms: i64, refusal: Refusal) {
        let (cell, bytes_cell) = match refusal {
            Refusal::NotAllowed => (Cell::NotAllowed, Cell::NotAllowedBytes),
            Refusal::RateLimited => (Cell::RateLimited, Cell::RateLimitedBytes),
        };
        self.book.refused(exporter, bytes, received_ms, cell, bytes_cell);
        self.exporters.refused(exporter, refusal, received_ms);
    }
}
