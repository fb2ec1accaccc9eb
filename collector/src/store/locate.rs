//! Where libchdb is.
//!
//! Not here: loading it.

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

/// Finds the library: `named` by the operator, by [`VARIABLE`], installed, beside the executable, or fetched into the
/// repository that the executable was built in.
///
/// # Errors
///
/// When there is none, or when the one that was named is not a file.
pub fn library(named: Option<&Path>) -> Result<PathBuf, Error> {
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named.map(Path::to_path_buf).or(variable) {
        return if path.is_file() { Ok(path) } else { Err(Error::LibraryNotAFile { path }) };
    }
    let executable = std::env::current_exe().unwrap_or_default();
    candidates(&executable).find(|path| path.is_file()).ok_or(Error::LibraryMissing)
}

fn candidates(executable: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = executable.parent().map(|directory| directory.join(FILE_NAME));
    let cached = executable.ancestors().skip(1).map(|directory| directory.join(CACHED));
    std::iter::once(PathBuf::from(INSTALLED)).chain(beside).chain(cached)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_looked_for_installed_then_beside_then_in_the_repository() {
        let found: Vec<_> = candidates(Path::new("/r/target/collector")).collect();
        let expected = [
            "/usr/lib/collector/libchdb.so",
            "/r/target/libchdb.so",
            "/r/target/.cache/libchdb/libchdb.so",
            "/r/.cache/libchdb/libchdb.so",
            "/.cache/libchdb/libchdb.so",
        ];
        assert_eq!(found, expected.map(PathBuf::from));
    }

    #[test]
    fn a_named_library_that_is_not_there_is_an_error() {
        assert!(matches!(library(Some(Path::new("/nonexistent/x.so"))), Err(Error::LibraryNotAFile { .. })));
    }
}
