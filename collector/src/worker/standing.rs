//! How a worker's journal stands: what waits in it, and what was lost there.

use crate::journal::{Journal, Position, Progress, Refused};
use crate::metrics::Exposition;
use crate::utc::now_ns;
use crate::worker::pipeline::Counts;

/// What a worker tells of its journal.
#[derive(Debug, Clone, Copy, Default)]
pub struct Standing {
    /// Datagrams that the journal refused, by [`Refused`].
    refused: [u64; Refused::ALL.len()],
    /// Datagrams given up in it.
    pub given_up: u64,
    /// Their payload bytes.
    pub given_up_bytes: u64,
    /// Bytes of the journal that are not decoded.
    pub undecoded_bytes: u64,
    /// Bytes of the journal that are not known to be stored.
    pub waiting_bytes: u64,
    /// When the oldest datagram of these was received, nanoseconds since 1970; `None` if none waits.
    pub oldest_ns: Option<i64>,
    /// What was received before this is decoded, nanoseconds since 1970.
    pub decoded_ns: i64,
    /// Segments on disk.
    segments: usize,
    /// Whether the disk refuses to give room.
    is_failing: bool,
}

impl Standing {
    /// Counts a datagram that was not written.
    pub fn refuse(&mut self, refused: Refused) {
        self.refused[refused as usize] += 1;
    }

    /// Takes over how the journal stands, of which everything before `decoded` is decoded.
    pub(super) fn read(&mut self, journal: &Journal, progress: &Progress, decoded: Position) {
        let (status, now_ns) = (journal.status(), now_ns());
        let stored = progress.settled();
        let received = |position| journal.read(position).map(|(entry, _, _)| entry.received_ns);
        self.undecoded_bytes = journal.waiting_bytes(decoded.max(progress.begun()));
        self.waiting_bytes = journal.waiting_bytes(stored);
        self.oldest_ns = received(stored);
        self.decoded_ns = received(decoded.max(progress.begun())).unwrap_or(now_ns);
        self.segments = status.segments;
        self.is_failing = status.is_failing;
    }

    /// For how long the oldest datagram has waited, in seconds; 0 if none waits.
    #[must_use]
    pub fn lag_seconds(&self) -> u64 {
        let lag_ns = self.oldest_ns.map_or(0, |oldest_ns| now_ns().saturating_sub(oldest_ns).max(0));
        lag_ns.cast_unsigned() / 1_000_000_000
    }

    /// Writes a worker's samples.
    pub(super) fn write(&self, out: &mut Exposition, decoded: &Counts, worker: &str) {
        let labels = [("worker", worker)];
        let help = "Bytes of the journal that are not known to be stored in ClickHouse.";
        out.gauge("collector_journal_waiting_bytes", help, &labels, self.waiting_bytes);
        let help = "Bytes of the journal that are not decoded.";
        out.gauge("collector_journal_undecoded_bytes", help, &labels, self.undecoded_bytes);
        let help = "Age of the oldest datagram that is not known to be stored in ClickHouse.";
        out.gauge("collector_journal_lag_seconds", help, &labels, self.lag_seconds());
        out.gauge("collector_journal_segments", "Segments of the journal on disk.", &labels, self.segments);
        let help = "Whether the journal's disk refuses to give room.";
        out.gauge("collector_journal_failing", help, &labels, u8::from(self.is_failing));
        for refused in Refused::ALL {
            let labels = [("worker", worker), ("reason", refused.label())];
            let help = "Datagrams that were lost because the journal could not take them.";
            out.counter("collector_journal_refused_total", help, &labels, self.refused[refused as usize]);
        }
        let help = "Datagrams given up in the journal because more waited than may.";
        out.counter("collector_journal_given_up_total", help, &labels, self.given_up);
        let help = "Payload bytes of these.";
        out.counter("collector_journal_given_up_bytes_total", help, &labels, self.given_up_bytes);
        let help =
            "Datagrams that were skipped because the decoder panicked at them, which is a fault of this program.";
        out.counter("collector_decoder_panics_total", help, &labels, decoded.panics);
        let help = "Places in the journal that could not be read when they were to be decoded.";
        out.counter("collector_journal_corrupt_total", help, &labels, decoded.corrupt);
        let help = "Bytes of the journal there.";
        out.counter("collector_journal_corrupt_bytes_total", help, &labels, decoded.corrupt_bytes);
    }
}
