//! The lock between inserts and whoever exchanges what is stored: inserts share it, an exchange has it alone.
//!
//! Two files, because `flock` knows no turns: an exchange that waits keeps the gate shut, so that it gets its turn however many
//! insert. Both are `flock(2)` on open files, which the kernel takes off when a process ends. Not here: what is done meanwhile.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

/// Between two looks at a lock that is held.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The lock of a state directory, opened; each thread opens its own.
#[derive(Debug)]
pub struct InsertLock {
    gate: File,
    inserting: File,
}

/// The lock is held until this is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a InsertLock);

impl InsertLock {
    /// Opens the lock at `path`, and its gate beside it with the extension `gate`; makes them where they are missing.
    ///
    /// # Errors
    /// As the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().create(true).truncate(false).write(true).open(path);
        Ok(Self { gate: open(&path.with_extension("gate"))?, inserting: open(path)? })
    }

    /// Waits until no exchange is under way or waits, and keeps the next one off.
    ///
    /// # Errors
    /// As the system says.
    pub async fn shared(&self) -> io::Result<Held<'_>> {
        while !is_taken(self.gate.try_lock_shared())? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // Whoever has the gate alone waits for this one, and holds nothing that this one waits for.
        let gate = Gate(&self.gate);
        while !is_taken(self.inserting.try_lock_shared())? {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        drop(gate);
        Ok(Held(self))
    }

    /// Waits up to `patience` until nothing is being inserted, and keeps inserts off; nothing where that did not happen.
    ///
    /// # Errors
    /// As the system says.
    pub fn exclusive(&self, patience: Duration) -> io::Result<Option<Held<'_>>> {
        let deadline = Instant::now() + patience;
        if !wait_for(deadline, || is_taken(self.gate.try_lock()))? {
            return Ok(None);
        }
        let gate = Gate(&self.gate);
        let is_alone = wait_for(deadline, || is_taken(self.inserting.try_lock()))?;
        drop(gate);
        Ok(is_alone.then_some(Held(self)))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // Cannot fail for a file that is open and locked; if it did, closing it takes the lock off.
        drop(self.0.inserting.unlock());
    }
}

/// The gate is held until this is dropped.
struct Gate<'a>(&'a File);

impl Drop for Gate<'_> {
    fn drop(&mut self) {
        // As for `Held`.
        drop(self.0.unlock());
    }
}

fn wait_for(deadline: Instant, mut taken: impl FnMut() -> io::Result<bool>) -> io::Result<bool> {
    while !taken()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    Ok(true)
}

fn is_taken(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_share_it_and_an_exchange_has_it_alone() {
        let path = std::env::temp_dir().join(format!("collector-inserting-{}.lock", std::process::id()));
        let [first, second, exchange] = [(); 3].map(|()| InsertLock::open(&path).unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let one = first.shared().await.unwrap();
            let two = second.shared().await.unwrap();
            assert!(exchange.exclusive(Duration::ZERO).unwrap().is_none());
            drop((one, two));
            let alone = exchange.exclusive(Duration::ZERO).unwrap().unwrap();
            let waiting = tokio::time::timeout(Duration::from_millis(50), first.shared()).await;
            assert!(waiting.is_err(), "an insert went on while an exchange was under way");
            drop(alone);
            drop(first.shared().await.unwrap());
            // The attempt that was broken off left the gate open.
            assert!(exchange.exclusive(Duration::ZERO).unwrap().is_some());
        });
        for path in [path.clone(), path.with_extension("gate")] {
            std::fs::remove_file(path).unwrap();
        }
    }
}
