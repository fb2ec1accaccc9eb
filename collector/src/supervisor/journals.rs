//! The journals of all workers, and of workers that there are no more.

use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use crate::clickhouse::{Batch, BatchSender};
use crate::config;
use crate::journal::{self, Id, Journal, Progress, Range};
use crate::utc::now_ns;
use crate::worker::pipeline::Outlet;

use super::schema::Ready;
use super::stdout::Tap;

/// The journals of a state directory, opened.
pub(super) struct Journals {
    /// One for each worker.
    pub(super) of_workers: Vec<Journal>,
    /// Of workers that there are no more: fewer run now.
    pub(super) orphans: Vec<Orphan>,
}

/// The journal of a worker that does not run any more.
pub(super) struct Orphan {
    pub(super) directory: PathBuf,
    pub(super) journal: Journal,
}

impl Journals {
    /// Opens those of `workers` workers and all others that are there.
    pub(super) fn open(settings: &config::Journal, workers: usize) -> Result<Self, journal::Error> {
        let mut journals = Self { of_workers: Vec::new(), orphans: Vec::new() };
        for number in 0..workers {
            journals.of_workers.push(open(settings, &number.to_string())?);
        }
        for name in others(&settings.directory, workers) {
            let journal = open(settings, &name)?;
            journals.orphans.push(Orphan { directory: settings.directory.join(name), journal });
        }
        Ok(journals)
    }
}

impl Orphan {
    /// Whether nothing in it is wanted any more.
    pub(super) fn is_done(&mut self) -> bool {
        self.journal.tend(now_ns());
        let status = self.journal.status();
        status.stored >= status.tip || self.journal.read(status.stored).is_none() && status.segments <= 1
    }

    /// Removes it from the disk.
    pub(super) fn remove(self) {
        let Self { directory, journal } = self;
        drop(journal);
        match std::fs::remove_dir_all(&directory) {
            Ok(()) => {
                tracing::info!(directory = %directory.display(), "removed the journal of a worker that runs no more")
            }
            Err(error) => tracing::warn!(%error, directory = %directory.display(), "an empty journal was not removed"),
        }
    }
}

/// Says how much is left in journals for the next start.
pub(super) fn log_waiting<'j>(journals: impl Iterator<Item = &'j Journal>) {
    let (mut datagrams, mut bytes) = (0_u64, 0);
    for journal in journals {
        let mut position = journal.progress().settled();
        while let Some((entry, _, end)) = journal.read(position) {
            datagrams += 1;
            bytes += entry.payload.len();
            position = end;
        }
    }
    if datagrams > 0 {
        tracing::warn!(datagrams, bytes, "datagrams that are not stored yet wait in the journal for the next start");
    }
}

/// Where the blocks of a journal go: shown on standard output if asked to, named after their range, queued for their insert,
/// and settled in the journal when that is done.
pub(super) fn outlet(id: Id, progress: Progress, batches: BatchSender, ready: Ready, tap: Option<Tap>) -> Outlet {
    let [rooms, sizes, shards] = [(); 3].map(|()| batches.clone());
    Outlet {
        hand_on: Box::new(move |block, range| {
            if let Some(tap) = &tap {
                tap.show(&block);
            }
            let progress = progress.clone();
            let settle = Box::new(move || progress.settle(range));
            batches.send(Batch::of_block(block, token(&id, range)).on_shard(range.shard).with_receipt(settle));
        }),
        has_room: Box::new(move || ready.is_ready() && rooms.has_room()),
        block_rows: Box::new(move |configured| sizes.block_rows(configured)),
        shard: Box::new(move |turn| shards.least_loaded_shard(turn)),
    }
}

/// The name of a range's block: what makes a repeated insert store nothing twice.
fn token(id: &Id, range: Range) -> String {
    format!("{}-{:x}-{:x}", journal::name_of(id), range.from.0, range.to.0)
}

fn open(settings: &config::Journal, name: &str) -> Result<Journal, journal::Error> {
    let (journal, found) = Journal::open(settings.of(name), random_id())?;
    if found.records > 0 {
        tracing::info!(journal = name, datagrams = found.records, "took up the journal of the last run");
    }
    Ok(journal)
}

/// Directories of journals that no worker of so many has.
fn others(directory: &Path, workers: usize) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut numbers: Vec<usize> =
        names.filter_map(|name| name.parse().ok()).filter(|number| *number >= workers).collect();
    numbers.sort_unstable();
    numbers.into_iter().map(|number| number.to_string()).collect()
}

/// Sixteen bytes from the kernel by way of two keys of hash maps.
fn random_id() -> Id {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().hash_one(now_ns()).to_le_bytes());
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Position;

    #[test]
    fn a_range_has_one_name_and_others_have_others() {
        let range = |from, to| Range { from: Position(from), to: Position(to), shard: 3 };
        assert_eq!(token(&[0xab; 16], range(64, 0x1000)), "abababababababababababababababab-40-1000");
        assert_ne!(token(&[1; 16], range(64, 4096)), token(&[1; 16], range(64, 4097)));
        assert_ne!(random_id(), random_id());
    }
}
