//! Journals of a test: directories of their own, records that can be told apart.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use collector::journal::{Durability, Entry, Journal, Position, Refused, SEGMENT_BYTES_MIN, Settings};

/// A directory that is taken away on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("collector-journal-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Its files, by name.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let listed = std::fs::read_dir(&self.0).expect("the folder is there");
        let mut files: Vec<PathBuf> = listed.map(|entry| entry.expect("a file").path()).collect();
        files.sort();
        files
    }

    /// What a process that is killed now leaves behind.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new();
        for file in self.files() {
            // A file that was taken away meanwhile was not needed.
            let _ = std::fs::copy(&file, copy.path().join(file.file_name().expect("files have names")));
        }
        copy
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Small segments, nothing kept once it is stored, no synchronisation.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        directory: folder.to_path_buf(),
        segment_bytes: SEGMENT_BYTES_MIN,
        budget_bytes: 1 << 30,
        retain_bytes: 0,
        retain: Duration::from_secs(3600),
        durability: Durability::Process,
    }
}

/// A record that says its number.
pub(crate) fn entry(number: u64, payload: &[u8]) -> Entry<'_> {
    let mut exporter = [0; 16];
    exporter[8..].copy_from_slice(&number.to_be_bytes());
    Entry { received_ns: number.cast_signed(), exporter, port: number as u16, path: number as u8, payload }
}

/// Appends, and waits where the next segment is not ready yet.
pub(crate) fn append(journal: &mut Journal, entry: &Entry<'_>) -> Position {
    loop {
        match journal.append(entry) {
            Ok(position) => return position,
            Err(Refused::Slow) => std::thread::yield_now(),
            Err(refused) => panic!("{}", refused.label()),
        }
    }
}

/// A record as it was, with its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) from: Position,
    pub(crate) to: Position,
    pub(crate) received_ns: i64,
    pub(crate) exporter: [u8; 16],
    pub(crate) port: u16,
    pub(crate) path: u8,
    pub(crate) payload: Vec<u8>,
}

impl Kept {
    pub(crate) fn of(entry: &Entry<'_>, from: Position, to: Position) -> Self {
        let Entry { received_ns, exporter, port, path, payload } = *entry;
        Self { from, to, received_ns, exporter, port, path, payload: payload.to_vec() }
    }
}

/// All that can be read.
pub(crate) fn all(journal: &Journal) -> Vec<Kept> {
    let mut kept = Vec::new();
    let mut at = Position(0);
    while let Some((entry, from, to)) = journal.read(at) {
        kept.push(Kept::of(&entry, from, to));
        at = to;
    }
    kept
}
