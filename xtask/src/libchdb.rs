//! libchdb, the embedded ClickHouse engine: fetched by npm, checked, unpacked into the repository's `.cache`.
//!
//! Not here: where it is fetched from, which npm's configuration decides; loading it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha512};

use crate::packages;

/// The engine's version: ClickHouse 26.5.
const VERSION: &str = "26.5.3";

/// The package for this machine (this version exists for Linux on x86-64 only), and the integrity that the registry
/// publishes for it: base64 of its SHA-512.
const PACKAGE: Option<(&str, &str)> = if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
    Some((
        "@chdb/lib-linux-x64-gnu",
        "fPrLmRt5Moor9yGz4mazbrNje4t7X9KB2mTGkXFWRxRBs2iKy8yh6jx11xsa0Qr3iDFMU/yHqd+bVdYJXu3QaQ==",
    ))
} else {
    None
};

/// Where the collector looks first, so whoever has the library already says it here.
const VARIABLE: &str = "COLLECTOR_LIBCHDB";

/// Makes sure that the library is there, and returns its path.
pub fn ensure() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return Ok(named.into());
    }
    let Some((package, integrity)) = PACKAGE else {
        bail!("there is no libchdb {VERSION} for this machine: use Linux on x86-64, or name one by COLLECTOR_LIBCHDB");
    };
    let directory = repository()?.join(".cache/libchdb");
    let (library, record) = (directory.join("libchdb.so"), directory.join("integrity"));
    if library.is_file() && std::fs::read_to_string(&record).is_ok_and(|recorded| recorded.trim() == integrity) {
        return Ok(library);
    }
    packages::ensure(packages::ENGINE)?;
    let work = directory.join(format!("fetch-{}", std::process::id()));
    std::fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let fetched = fetch(package, integrity, &work).and_then(|unpacked| {
        std::fs::rename(&unpacked, &library).with_context(|| format!("moving the library to {}", library.display()))?;
        std::fs::write(&record, integrity).with_context(|| format!("writing {}", record.display()))
    });
    let removed = std::fs::remove_dir_all(&work);
    fetched?;
    removed.with_context(|| format!("removing {}", work.display()))?;
    Ok(library)
}

/// Fetches, checks and unpacks the package in `work`; returns the library's path there.
fn fetch(package: &str, integrity: &str, work: &Path) -> Result<PathBuf> {
    eprintln!("fetching {package} {VERSION} (160 MB) with npm");
    run(Command::new("npm").arg("pack").arg(format!("{package}@{VERSION}")).arg("--silent").current_dir(work))
        .context("npm could not fetch the engine; check the network and npm's registry setting")?;
    let archive = archive_in(work)?;
    let found = base64(&digest(&archive)?);
    ensure!(found == integrity, "{package} {VERSION} is not the expected file: SHA-512 {found} instead of {integrity}");
    run(Command::new("tar")
        .arg("-xzf")
        .arg(&archive)
        .args(["--no-same-owner", "package/libchdb.so"])
        .current_dir(work))
    .context("unpacking the engine (600 MB): is the disk full?")?;
    Ok(work.join("package/libchdb.so"))
}

fn repository() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest.parent().context("xtask's folder has no parent")?;
    Ok(root.to_path_buf())
}

/// The one archive that npm left, whatever it named it.
fn archive_in(directory: &Path) -> Result<PathBuf> {
    for entry in std::fs::read_dir(directory).with_context(|| format!("reading {}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "tgz") {
            return Ok(path);
        }
    }
    bail!("npm left no archive in {}", directory.display())
}

fn digest(path: &Path) -> Result<Vec<u8>> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let (mut hasher, mut buffer) = (Sha512::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).with_context(|| format!("reading {}", path.display()))?;
        if count == 0 {
            return Ok(hasher.finalize().to_vec());
        }
        hasher.update(&buffer[..count]);
    }
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for triple in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, index| bits << 8 | u32::from(triple.get(index).copied().unwrap_or(0)));
        for index in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * index) & 63) as usize];
            out.push(if index <= triple.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {:?}", command.get_program()))?;
    ensure!(status.success(), "{:?} ended with {status}", command.get_program());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn digest_is_sha512() {
        let path = std::env::temp_dir().join(format!("xtask-digest-{}", std::process::id()));
        std::fs::write(&path, "abc").expect("a file");
        let found = base64(&digest(&path).expect("readable"));
        std::fs::remove_file(&path).expect("removable");
        // FIPS 180-2, appendix C.1.
        assert!(
            found.starts_with("3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw")
        );
    }
}
