//! What goes wrong: while setting up, and while appending.

use std::io;
use std::path::PathBuf;

/// Why a journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The settings contradict themselves.
    #[error("journal {directory}: {message}", directory = .directory.display())]
    Settings {
        /// Directory of the journal.
        directory: PathBuf,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// A system call failed.
    #[error("{operation} {path}: {source}", path = .path.display())]
    System {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("journal {directory} is in use by another process: give each collector a state directory of its own", directory = .0.display())]
    InUse(PathBuf),
}

impl Error {
    pub(super) fn system(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::System { operation, path, source }
    }
}

/// Why a datagram was not written. It can still be decoded, but is lost if the process ends before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is no room on the disk, or it cannot be written.
    Disk,
    /// The disk does not keep up: no segment is ready yet.
    Slow,
    /// It is longer than any datagram can be.
    Oversize,
}

impl Refused {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 3] = [Self::Disk, Self::Slow, Self::Oversize];

    /// The name in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Disk => "journal_disk",
            Self::Slow => "journal_slow",
            Self::Oversize => "journal_oversize",
        }
    }
}
