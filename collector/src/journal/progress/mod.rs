//! How far storing has come: which ranges of the journal were begun, which are settled, and from where replay may begin.
//!
//! Not here: the datagrams, and who decodes them again.

/// The files.
mod file;
/// The account.
mod ranges;

pub use ranges::Range;

pub(super) use file::{Identity, Loaded, load};

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Position;
use file::{Note, Writer};
use ranges::Ranges;

/// The progress of one journal: a handle for any thread.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    account: Mutex<Account>,
    /// What [`Ranges::stored`] says, for those who append.
    stored: AtomicU64,
    /// Whether what failed to be written was logged.
    is_failing: AtomicBool,
}

#[derive(Debug)]
struct Account {
    ranges: Ranges,
    writer: Writer,
}

impl Progress {
    /// Goes on with what was loaded, or begins. Nothing is stored before what `loaded` says.
    pub(super) fn open(directory: &Path, identity: Identity, is_synchronised: bool, loaded: Option<&Loaded>) -> Self {
        let writer = Writer::open(directory, identity, is_synchronised, loaded);
        let ranges = loaded.map(|loaded| loaded.ranges.clone()).unwrap_or_default();
        let stored = AtomicU64::new(ranges.stored().0);
        let account = Mutex::new(Account { ranges, writer });
        Self { shared: Arc::new(Shared { account, stored, is_failing: AtomicBool::new(false) }) }
    }

    /// Writes down that a range is about to be stored; it is in the file (with [`super::Durability::Disk`], on the disk) when
    /// this returns. A range that was begun already stays as it is.
    ///
    /// Ranges are begun in ascending order and without gaps: each begins where the one before ended.
    ///
    /// # Errors
    /// The range is empty, or could not be written down: then it is not begun.
    pub fn begin(&self, range: Range) -> io::Result<()> {
        if range.from >= range.to {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a range without datagrams"));
        }
        let mut account = self.account();
        if account.ranges.is_known(range) {
            return Ok(());
        }
        let begun_before = account.ranges.begun();
        account.ranges.begin(range);
        let Account { ranges, writer } = &mut *account;
        let written = writer.append(Note::Begun(range), ranges);
        if written.is_err() {
            ranges.withdraw(range, begun_before);
        }
        self.publish(&account);
        written
    }

    /// Writes down that all rows of a range are stored, or lost for good and named. Any order. A range that was never begun is
    /// ignored.
    pub fn settle(&self, range: Range) {
        let mut account = self.account();
        if !account.ranges.is_known(range) {
            return;
        }
        account.ranges.settle(range);
        self.write(&mut account, Note::Settled(range));
    }

    /// Says that replay never begins before `position`: everything before it is in ranges that were begun, or gave no rows, and
    /// what was learned from it is saved elsewhere.
    pub fn keep_from(&self, position: Position) {
        let mut account = self.account();
        account.ranges.keep_from(position);
        let begun = account.ranges.begun();
        self.write(&mut account, Note::KeepFrom { position, begun });
    }

    /// Where replay begins.
    #[must_use]
    pub fn replay_from(&self) -> Position {
        self.account().ranges.replay_from()
    }

    /// The ranges that are not settled, or not wholly before [`Progress::keep_from`], ascending, and whether they are settled.
    /// Settled neighbours are one range.
    #[must_use]
    pub fn ranges(&self) -> Vec<(Range, bool)> {
        self.account().ranges.all()
    }

    /// End of the last range that was begun; where replay begins, if that is later.
    #[must_use]
    pub fn begun(&self) -> Position {
        self.account().ranges.begun()
    }

    /// Everything before is stored, or lost for good and named; some of it may still be needed for replay.
    #[must_use]
    pub fn settled(&self) -> Position {
        self.account().ranges.settled()
    }

    /// Everything before is settled and not needed for replay. Does not lock.
    #[must_use]
    pub fn stored(&self) -> Position {
        Position(self.shared.stored.load(Ordering::Acquire))
    }

    /// Writes a note whose loss only repeats work.
    fn write(&self, account: &mut Account, note: Note) {
        let Account { ranges, writer } = account;
        let written = writer.append(note, ranges);
        let was_failing = self.shared.is_failing.swap(written.is_err(), Ordering::Relaxed);
        if let Err(error) = written
            && !was_failing
        {
            tracing::error!(%error, "the journal's progress cannot be written: after a restart, blocks are sent again that were stored");
        }
        self.publish(account);
    }

    fn publish(&self, account: &Account) {
        self.shared.stored.store(account.ranges.stored().0, Ordering::Release);
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        self.shared.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
