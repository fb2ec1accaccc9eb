//! A directory for what programs under measurement write, gone when dropped.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

/// A directory of this process alone.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes it under `parent`, or where the system keeps temporary files: `/tmp`, or `TMPDIR` of the environment.
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    pub(crate) fn new(parent: Option<&Path>) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
        let path = parent.join(format!("perf-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A program that was killed a moment ago may still be ending, and write.
        let mut left = 100;
        while let Err(error) = std::fs::remove_dir_all(&self.path) {
            if left == 0 || error.kind() == std::io::ErrorKind::NotFound {
                return eprintln!("{} could not be removed: {error}", self.path.display());
            }
            left -= 1;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}
