//! The root file system in memory: an archive in cpio's "newc" format, `Documentation/driver-api/early-userspace/buffer-format.rst`.
//!
//! Holds programs with the libraries that they need, and nothing that has to be configured.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::programs;

const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const TRAILER: &str = "TRAILER!!!";

/// A root file system in the making.
#[derive(Debug, Default)]
pub struct Image {
    bytes: Vec<u8>,
    /// What is in it: nothing may be twice.
    paths: BTreeSet<String>,
}

impl Image {
    /// Adds an empty folder, and those that it is in.
    pub fn folder(&mut self, path: &str) {
        for (end, _) in path.match_indices('/').filter(|(end, _)| *end > 0).chain([(path.len(), "")]) {
            self.entry(&path[..end], DIRECTORY, &[]);
        }
    }

    /// Adds a file that may be executed.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        if let Some((folder, _)) = path.rsplit_once('/').filter(|(folder, _)| !folder.is_empty()) {
            self.folder(folder);
        }
        self.entry(path, PROGRAM, contents);
    }

    /// Adds a program of this machine at `path`, without its symbols, and the libraries that it is linked with where it looks for
    /// them.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn program(&mut self, path: &str, program: &Path) -> Result<()> {
        let stripped = std::env::temp_dir().join(format!("xtask-kernels-{}", std::process::id()));
        let made = programs::output(Command::new("strip").arg("-o").arg(&stripped).arg(program))
            .and_then(|_| fs::read(&stripped).with_context(|| format!("cannot read {}", program.display())));
        let _ = fs::remove_file(&stripped);
        self.file(path, &made?);
        for library in libraries(program)? {
            let contents = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
            self.file(&library.to_string_lossy(), &contents);
        }
        Ok(())
    }

    /// The whole archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, mode: u32, contents: &[u8]) {
        let name = path.trim_start_matches('/');
        if !self.paths.insert(name.to_owned()) {
            return;
        }
        let inode = self.paths.len() as u64;
        // Inode, mode, user, group, links, time, size, two device numbers twice, length of the name with its end, checksum.
        let fields = [inode, u64::from(mode), 0, 0, 1, 0, contents.len() as u64, 0, 0, 0, 0, name.len() as u64 + 1, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

/// The libraries that a program is linked with, as the dynamic linker finds them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let found = programs::output(Command::new("ldd").arg(program))?;
    Ok(paths(&found).map(PathBuf::from).collect())
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x0000)`, and the linker itself alone.
fn paths(ldd: &str) -> impl Iterator<Item = &str> {
    ldd.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpio_reads_the_archive_back() {
        let mut image = Image::default();
        image.file("/bin/one", b"12345");
        image.file("/bin/two", b"");
        image.folder("/run/netns");
        let bytes = image.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        let names = text.split("070701").skip(1).filter_map(|entry| entry.get(104..)?.split('\0').next());
        assert_eq!(names.collect::<Vec<_>>(), ["bin", "bin/one", "bin/two", "run", "run/netns", TRAILER]);
        let place = text.find("12345").unwrap();
        assert!(place.is_multiple_of(4) && text[place..].starts_with("12345\u{0}\u{0}\u{0}070701"), "{text:?}");
    }

    #[test]
    fn libraries_are_read_from_ldd() {
        let ldd = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f)\n\t/lib64/ld-linux.so.2 (0x00007f)\n";
        assert_eq!(paths(ldd).collect::<Vec<_>>(), ["/lib/x/libc.so.6", "/lib64/ld-linux.so.2"]);
        assert_eq!(paths("\tstatically linked\n").count(), 0);
    }
}
