//! The log of datagrams: a worker's rounds of appending and reading back. What was read counts as stored, so that files are used
//! again. Times depend on the disk; `examples/journal_cost` tells them apart.

use std::path::PathBuf;
use std::time::Duration;

use collector::journal::{Durability, Entry, Journal, Position, Progress, Range, Settings};

use super::{Case, Size};

/// Bytes of a datagram.
const PAYLOAD: [u8; 1400] = [3; 1400];
/// Datagrams of one round of a worker.
const ROUND: usize = 64;
const SEGMENT_BYTES: u64 = 16 << 20;
/// Datagrams between two times that what was read counts as stored: no segment is full before.
const STORED_EVERY: usize = 8192;

/// Datagrams appended and read back.
pub(crate) struct Appended {
    directory: PathBuf,
    journal: Option<Journal>,
    progress: Progress,
    decoded: Position,
    since_stored: usize,
    datagrams: usize,
}

impl Appended {
    pub(crate) fn new(size: Size) -> Self {
        let directory = std::env::temp_dir().join(format!("collector-bench-journal-{}", std::process::id()));
        let settings = Settings {
            directory: directory.clone(),
            segment_bytes: SEGMENT_BYTES,
            budget_bytes: 1 << 30,
            retain_bytes: 0,
            retain: Duration::ZERO,
            durability: Durability::Process,
        };
        let (journal, _) = Journal::open(settings, [7; 16]).expect("the directory is writable");
        let progress = journal.progress();
        let decoded = progress.begun();
        // Files are got ready by a thread of the journal's own.
        std::thread::sleep(Duration::from_millis(500));
        let datagrams = match size {
            Size::Small => 1024,
            Size::Real => 4096,
        };
        Self { directory, journal: Some(journal), progress, decoded, since_stored: 0, datagrams }
    }
}

impl Case for Appended {
    fn round(&mut self) -> usize {
        let Some(journal) = &mut self.journal else { return 0 };
        let mut sum = 0_u64;
        for _ in 0..self.datagrams / ROUND {
            let entry = Entry { received_ns: 1, exporter: [1; 16], port: 9, path: 1, payload: &PAYLOAD };
            for _ in 0..ROUND {
                while journal.append(std::hint::black_box(&entry)).is_err() {
                    // The next file is not ready; on a slow disk that is waited for, and measured.
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            while let Some((entry, _, to)) = journal.read(self.decoded) {
                sum += u64::from(entry.payload[PAYLOAD.len() - 1]);
                self.decoded = to;
            }
        }
        std::hint::black_box(sum);
        self.since_stored += self.datagrams;
        if self.since_stored >= STORED_EVERY {
            self.since_stored = 0;
            let range = Range { from: self.progress.begun(), to: self.decoded, shard: 0 };
            self.progress.begin(range).expect("the directory is writable");
            self.progress.settle(range);
            self.progress.keep_from(self.decoded);
            journal.tend(1);
        }
        self.datagrams
    }
}

impl Drop for Appended {
    fn drop(&mut self) {
        self.journal = None;
        drop(std::fs::remove_dir_all(&self.directory));
    }
}
