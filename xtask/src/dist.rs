//! The binary that people install: built for release, stripped, its debug symbols in a file beside it.
//!
//! The symbols are found again by the link in the binary: beside it, in `.debug/`, or under `/usr/lib/debug` with the binary's own
//! path. With them a back trace has names and lines, without them addresses.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::programs::{cargo, target_folder};

const BINARY: &str = "collector";

/// Builds, and puts binary and symbols into `target/dist`.
///
/// # Errors
///
/// When it does not build, or objcopy is missing or fails.
pub fn run() -> Result<()> {
    let status = cargo().args(["build", "--release", "--package", BINARY]).status().context("start cargo")?;
    if !status.success() {
        bail!("the build failed ({status})");
    }
    let built = target_folder().join("release").join(BINARY);
    let (binary, symbols) = split(&built, &target_folder().join("dist"), BINARY)?;
    for path in [&built, &binary, &symbols] {
        let bytes = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?.len();
        println!("{:>6.1} MB  {}", bytes as f64 / 1e6, path.display());
    }
    Ok(())
}

/// Makes a stripped copy of `built` in `folder`, and a file with what it lacks; where both are.
fn split(built: &Path, folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let (binary, symbols) = (folder.join(name), folder.join(format!("{name}.debug")));
    objcopy(&["--only-keep-debug", "--compress-debug-sections=zlib"], built, &symbols)?;
    let link = format!("--add-gnu-debuglink={}", symbols.display());
    objcopy(&["--strip-all", &link], built, &binary)?;
    Ok((binary, symbols))
}

fn objcopy(arguments: &[&str], from: &Path, to: &Path) -> Result<()> {
    let status = Command::new("objcopy").args(arguments).arg(from).arg(to).status();
    let status = status.context("start objcopy: install binutils")?;
    if !status.success() {
        bail!("objcopy of {} failed ({status})", from.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stripped_program_runs_and_names_its_symbols() {
        let folder = std::env::temp_dir().join(format!("xtask-dist-{}", std::process::id()));
        let this = std::env::current_exe().unwrap();
        let (binary, symbols) = split(&this, &folder, "tests").unwrap();
        let bytes = |path: &Path| fs::metadata(path).unwrap().len();
        assert!(bytes(&binary) * 2 < bytes(&this), "{} of {}", bytes(&binary), bytes(&this));
        let listed = Command::new(&binary).arg("--list").output().unwrap();
        assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains("dist::tests"));
        let sections = |path: &Path| {
            let output = Command::new("readelf").args(["--sections", "--wide"]).arg(path).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let (of_binary, of_symbols) = (sections(&binary), sections(&symbols));
        assert!(of_binary.contains(".gnu_debuglink") && !of_binary.contains(".debug_line"), "{of_binary}");
        assert!(of_symbols.contains(".debug_line"), "{of_symbols}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
