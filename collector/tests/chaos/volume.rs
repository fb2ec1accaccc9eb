//! A file system of its own for the journal, in memory, that can be made full and roomy again.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What fits when there is room, MiB.
const ROOM_MIB: u64 = 4096;

/// The mounted file system; unmounted when dropped.
pub(crate) struct Volume(PathBuf);

impl Volume {
    /// Mounts it.
    pub(crate) fn mount(path: &Path) -> Self {
        std::fs::create_dir_all(path).expect("a directory");
        run(Command::new("mount").args(["-t", "tmpfs", "-o"]).arg(format!("size={ROOM_MIB}m")).arg("tmpfs").arg(path));
        Self(path.to_path_buf())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Leaves no room beyond what is used, or all of it.
    pub(crate) fn set_full(&self, is_full: bool) {
        let status = nix::sys::statvfs::statvfs(&self.0).expect("it is mounted");
        let used = (status.blocks() - status.blocks_free()) * status.fragment_size();
        let size = if is_full { used } else { ROOM_MIB << 20 };
        // What is used grows while we look; then it stays roomy, which is fine too.
        let _ = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).output();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

fn run(command: &mut Command) {
    let output = command.output().expect("start mount");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
