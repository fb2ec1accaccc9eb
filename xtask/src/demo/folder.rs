//! The demo's folder for state and logs.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

const PREFIX: &str = "collector-demo-";

/// A folder that only its owner can enter; removed with its contents when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it among the temporary files.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or is there already: then somebody else made it.
    pub fn create() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// Removes the folders of demos that were killed.
pub fn remove_leftovers() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|pid| pid.parse::<u32>().ok());
        let Some(owner) = owner else { continue };
        // Others may write there too: what is not ours, by name and by owner, stays.
        let ours = entry.metadata().is_ok_and(|data| data.is_dir() && data.uid() == nix::unistd::geteuid().as_raw());
        if ours && !Path::new("/proc").join(owner.to_string()).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
