//! The state directory: made when missing, held by one collector at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// A held state directory; released when dropped.
#[derive(Debug)]
pub(super) struct StateDir {
    _lock: Flock<File>,
}

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be made or written.
    #[error("state directory {path}: {operation}: {source}: {}, or choose another with --state-dir", remedy(source))]
    Io {
        /// The directory or the lock file in it.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another collector holds it.
    #[error(
        "state directory {0}: another collector is using it: stop that one or choose another directory with --state-dir"
    )]
    Held(PathBuf),
}

fn remedy(source: &io::Error) -> &'static str {
    match source.raw_os_error() {
        Some(libc::ENOSPC | libc::EDQUOT) => "free some space on its disk",
        Some(libc::EROFS) => "mount its file system for writing",
        _ => "make it writable for this user",
    }
}

impl StateDir {
    /// Makes the directory (mode 0750) when it is missing and takes its lock.
    ///
    /// # Errors
    /// When it cannot be made or written, or another collector holds it.
    pub(super) fn hold(path: &Path) -> Result<Self, Error> {
        let failed = |operation| move |source| Error::Io { path: path.to_owned(), operation, source };
        fs::DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(failed("create"))?;
        let lock_file = path.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o640)
            .open(&lock_file)
            .map_err(failed("open the lock file"))?;
        let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Err(Error::Held(path.to_owned())),
            Err((_, errno)) => return Err(failed("lock")(errno.into())),
        };
        lock.set_len(0).map_err(failed("write the lock file"))?;
        writeln!(lock, "{}", std::process::id()).map_err(failed("write the lock file"))?;
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_free_when_dropped() {
        let path = std::env::temp_dir().join(format!("collector-state-{}", std::process::id())).join("deeper");
        let held = StateDir::hold(&path).expect("first");
        assert!(matches!(StateDir::hold(&path), Err(Error::Held(_))));
        drop(held);
        drop(StateDir::hold(&path).expect("again"));
        fs::remove_dir_all(path.parent().expect("parent")).expect("clean up");
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let error = StateDir::hold(Path::new("/proc/version/state")).expect_err("not a directory");
        assert!(error.to_string().starts_with("state directory /proc/version/state: create: "), "{error}");
    }
}
