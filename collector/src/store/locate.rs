//! Where libchdb is.
//!
//! Not here: loading it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Error;

/// The file's name, as the package of chDB has it.
pub const FILE_NAME: &str = "libchdb.so";
/// The environment variable that names the file.
pub const VARIABLE: &str = "COLLECTOR_LIBCHDB";
/// Where the collector's package puts it.
const INSTALLED: &str = "/usr/lib/collector/libchdb.so";
/// Where `cargo xtask libchdb` puts it, below the repository.
const CACHED: &str = ".cache/libchdb/libchdb.so";

/// Mode bits of a file.
const WRITABLE_BY_ALL: u32 = 0o002;
const STICKY: u32 = 0o1000;
/// What makes a directory the collector's repository.
const REPOSITORY: [&str; 2] = ["Cargo.toml", "collector/Cargo.toml"];

/// Finds the library: `named` by the operator, by [`VARIABLE`], installed, beside the executable, or fetched into the
/// repository that the executable was built in. What was not named but found must be out of other users' reach.
///
/// # Errors
///
/// When there is none, when the one that was named is not a file, or when others may have put the one that was found.
pub fn library(named: Option<&Path>) -> Result<PathBuf, Error> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named.map(Path::to_path_buf).or(variable) {
        return if path.is_file() { Ok(path) } else { Err(Error::LibraryNotAFile { path }) };
    }
    let executable = std::env::current_exe().unwrap_or_default();
    let found = candidates(&executable).find(|path| path.is_file()).ok_or(Error::LibraryMissing)?;
    trusted(&found, &owners(&executable))
}

fn candidates(executable: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = executable.parent().map(|directory| directory.join(FILE_NAME));
    let repositories = executable
        .ancestors()
        .skip(1)
        .filter(|directory| REPOSITORY.iter().all(|manifest| directory.join(manifest).is_file()));
    let cached = repositories.map(|directory| directory.join(CACHED));
    std::iter::once(PathBuf::from(INSTALLED)).chain(beside).chain(cached)
}

/// The users who may bring the library: root, the one this process runs as, and those who could exchange the executable
/// itself, which they own or whose directories they own.
fn owners(executable: &Path) -> Vec<u32> {
    let above = executable.ancestors().filter_map(|place| Some(std::fs::metadata(place).ok()?.uid()));
    [0, nix::unistd::geteuid().as_raw()].into_iter().chain(above).collect()
}

/// Gives `path` without its links when it and all directories above it belong to `owners` and nobody else writes there.
fn trusted(path: &Path, owners: &[u32]) -> Result<PathBuf, Error> {
    let unreadable = |source| Error::LibraryUnreadable { path: path.to_path_buf(), source };
    let path = path.canonicalize().map_err(unreadable)?;
    for place in path.ancestors() {
        let metadata = place.metadata().map_err(unreadable)?;
        let mode = metadata.mode();
        // In a directory like /tmp others put new files, but the sticky bit keeps them off those that are there.
        let open = mode & WRITABLE_BY_ALL != 0 && !(metadata.is_dir() && mode & STICKY != 0);
        if open || !owners.contains(&metadata.uid()) {
            return Err(Error::LibraryUntrusted { path: path.clone(), place: place.to_path_buf() });
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("collector-locate-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join(".cache/libchdb")).expect("a directory");
            std::fs::create_dir_all(path.join("collector")).expect("a directory");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_library_is_looked_for_installed_then_beside_then_in_the_repository() {
        let folder = Folder::new("places");
        let root = &folder.0;
        let found = || candidates(&root.join("target/release/collector")).collect::<Vec<_>>();
        let mut expected = vec![PathBuf::from("/usr/lib/collector/libchdb.so"), root.join("target/release/libchdb.so")];
        assert_eq!(found(), expected, "no repository");
        for manifest in REPOSITORY {
            std::fs::write(root.join(manifest), "").expect("a file");
        }
        expected.push(root.join(".cache/libchdb/libchdb.so"));
        assert_eq!(found(), expected, "a repository");
    }

    #[test]
    fn a_library_that_others_may_have_put_there_is_refused() {
        let folder = Folder::new("trust");
        let library = folder.0.join(CACHED);
        std::fs::write(&library, "").expect("a file");
        let path = folder.0.canonicalize().expect("a directory");
        let us = [0, nix::unistd::geteuid().as_raw()];
        // Each place in turn has a mode, and the place is the first to be complained about or none is.
        let cases = [(CACHED, 0o644, true), (CACHED, 0o646, false), (".cache", 0o777, false), (".cache", 0o1777, true)];
        for (place, mode, is_trusted) in cases {
            let place = path.join(place);
            let before = place.metadata().expect("a place").permissions();
            std::fs::set_permissions(&place, std::fs::Permissions::from_mode(mode)).expect("our file");
            match trusted(&library, &us) {
                Ok(found) => assert!(is_trusted && found == path.join(CACHED), "{place:?} {mode:o}"),
                Err(Error::LibraryUntrusted { place: found, .. }) => {
                    assert!(!is_trusted && found == place, "{place:?} {mode:o}: {found:?}");
                }
                Err(error) => panic!("{place:?} {mode:o}: {error}"),
            }
            std::fs::set_permissions(&place, before).expect("our file");
        }
        let strangers = [u32::MAX];
        assert!(matches!(trusted(&library, &strangers), Err(Error::LibraryUntrusted { .. })));
    }

    #[test]
    fn whoever_may_exchange_the_executable_may_bring_the_library() {
        let executable = std::env::current_exe().expect("a path");
        let owner = executable.metadata().expect("a file").uid();
        assert!(owners(&executable).contains(&owner));
        assert!(!owners(&executable).contains(&u32::MAX));
    }

    #[test]
    fn a_named_library_that_is_not_there_is_an_error() {
        assert!(matches!(library(Some(Path::new("/nonexistent/x.so"))), Err(Error::LibraryNotAFile { .. })));
    }
}
