//! `cargo xtask ebpf`: compiles the XDP program into the committed object, or compares the two.
//!
//! This is the one place that needs a nightly compiler, bpf-linker and LLVM; it gets them where they are missing. Whoever does
//! not change the program needs none of this. Not here: loading the object, which the tests of the collector do.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionKind};

/// The compiler's date decides about the instructions, so it is fixed. A toolchain is named after the day it appears, which is
/// the day after its last commit.
const NIGHTLY: &str = "nightly-2026-05-20";
const NIGHTLY_COMMIT_DATE: &str = "2026-05-19";
/// The linker reads the compiler's LLVM bitcode, so its LLVM must not be older than the compiler's, which is 22.
const LINKER_VERSION: &str = "0.13.0";
const LLVM_PREFIX: &str = "/usr/lib/llvm-22";
const LLVM_FEATURE: &str = "llvm-22";
const LLVM_PACKAGES: [&str; 4] = ["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev"];

const TARGET: &str = "bpfel-unknown-none";
const PROGRAM: &str = "steer";
const COMMITTED: &str = "collector-ebpf/steer.bpf.o";

/// Compile the XDP program and put its object where the collector takes it from.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the committed object alone and fail if its instructions are not those of the source.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
///
/// # Errors
///
/// A tool is missing and cannot be installed, the program does not compile, or, with `--check`, the objects differ.
pub fn run(args: &Args) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    let toolchain = toolchain()?;
    let path = path_with_linker(root)?;
    let built = build(root, toolchain, &path)?;
    let committed = root.join(COMMITTED);
    if args.check {
        return compare(&committed, &built);
    }
    fs::copy(&built, &committed).with_context(|| format!("copy {} to {COMMITTED}", built.display()))?;
    eprintln!("{COMMITTED} written");
    Ok(())
}

/// The name of an installed toolchain with the compiler that is wanted and with the source of `core`.
fn toolchain() -> Result<&'static str> {
    let wanted = |name: &&str| {
        let version = output(Command::new("rustup").args(["run", name, "rustc", "--version"]));
        version.is_ok_and(|version| version.contains(NIGHTLY_COMMIT_DATE))
    };
    let installed = [NIGHTLY, "nightly"].into_iter().find(wanted);
    let name = installed.unwrap_or(NIGHTLY);
    if installed.is_none() {
        succeed(Command::new("rustup").args(["toolchain", "install", name, "--profile", "minimal"]))?;
    }
    let sysroot = output(Command::new("rustup").args(["run", name, "rustc", "--print", "sysroot"]))?;
    if !Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").exists() {
        succeed(Command::new("rustup").args(["component", "add", "rust-src", "--toolchain", name]))?;
    }
    Ok(name)
}

/// The search path for the compiler, on which it finds the right bpf-linker; builds that one if there is none.
fn path_with_linker(root: &Path) -> Result<String> {
    let path = env::var("PATH").unwrap_or_default();
    if is_linker(Path::new("bpf-linker")) {
        return Ok(path);
    }
    let tools = root.join(".cache/tools");
    let path = format!("{}:{path}", tools.join("bin").display());
    if is_linker(&tools.join("bin/bpf-linker")) {
        return Ok(path);
    }
    install_llvm()?;
    eprintln!("building bpf-linker {LINKER_VERSION} into .cache/tools; this takes a minute or two");
    let mut cargo = Command::new("cargo");
    cargo.args(["install", "bpf-linker", "--version", LINKER_VERSION, "--locked", "--no-default-features"]);
    cargo.args(["--features", LLVM_FEATURE, "--root"]).arg(&tools).env("LLVM_PREFIX", LLVM_PREFIX);
    succeed(&mut cargo)?;
    Ok(path)
}

fn is_linker(program: &Path) -> bool {
    output(Command::new(program).arg("--version")).is_ok_and(|version| version.trim().ends_with(LINKER_VERSION))
}

/// Installs the libraries that bpf-linker is built against.
fn install_llvm() -> Result<()> {
    let installed = |package: &&str| {
        let status = output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
        status.is_ok_and(|status| status == "installed")
    };
    let missing: Vec<&str> = LLVM_PACKAGES.into_iter().filter(|package| !installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !nix::unistd::geteuid().is_root() {
        bail!(
            "bpf-linker needs LLVM 22: run `sudo apt-get install --no-install-recommends {packages}`, then this again"
        );
    }
    let apt_get = || {
        let mut apt_get = Command::new("apt-get");
        apt_get.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
        apt_get
    };
    succeed(apt_get().arg("update"))?;
    succeed(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(missing))
        .with_context(|| format!("install {packages}; without Debian, put LLVM 22 into {LLVM_PREFIX}"))
}

/// Compiles the program and returns where its object lies.
fn build(root: &Path, toolchain: &str, path: &str) -> Result<PathBuf> {
    let target_directory = root.join("target/ebpf");
    let flags = [
        // The program reads no registers of the machine it runs on, so this names any of them.
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        format!("--remap-path-prefix={}=.", root.display()),
    ];
    let mut cargo = Command::new("rustup");
    cargo.args(["run", toolchain, "cargo", "build", "--release", "--locked", "--package", "collector-ebpf"]);
    cargo.args(["--bin", PROGRAM, "--features", "program", "--target", TARGET, "-Zbuild-std=core", "--target-dir"]);
    cargo.arg(&target_directory).current_dir(root).env("PATH", path);
    // What cargo told this process about the stable compiler is not for the other one.
    for variable in ["RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"]
    {
        cargo.env_remove(variable);
    }
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    // Debug information would only add the paths of whoever compiled it.
    for (setting, value) in
        [("LTO", "fat"), ("CODEGEN_UNITS", "1"), ("DEBUG", "none"), ("PANIC", "abort"), ("OPT_LEVEL", "3")]
    {
        cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    succeed(&mut cargo)?;
    Ok(target_directory.join(TARGET).join("release").join(PROGRAM))
}

/// What of an object the kernel gets: for each section its bytes, and its relocations by place, kind and symbol.
type Instructions = BTreeMap<String, (Vec<u8>, Vec<String>)>;

fn compare(committed: &Path, built: &Path) -> Result<()> {
    let read = |path: &Path| -> Result<Instructions> {
        let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
        instructions(&bytes).with_context(|| format!("{} is no object", path.display()))
    };
    let differences = differences(&read(committed)?, &read(built)?);
    ensure!(
        differences.is_empty(),
        "{COMMITTED} is not what the source compiles to; run `cargo xtask ebpf` and commit the object\n{differences}"
    );
    eprintln!("{COMMITTED} is what the source compiles to");
    Ok(())
}

fn instructions(object: &[u8]) -> Result<Instructions> {
    let file = object::File::parse(object)?;
    let mut sections = Instructions::new();
    for section in file.sections() {
        if !matches!(
            section.kind(),
            SectionKind::Text | SectionKind::Data | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString
        ) {
            continue;
        }
        let relocations = section.relocations().map(|(offset, relocation)| {
            let target = match relocation.target() {
                RelocationTarget::Symbol(index) => file.symbol_by_index(index)?.name()?.to_owned(),
                target => format!("{target:?}"),
            };
            Ok(format!("{offset:#x} {:?} {target} {:+}", relocation.flags(), relocation.addend()))
        });
        let relocations = relocations.collect::<Result<_>>()?;
        sections.insert(section.name()?.to_owned(), (section.data()?.to_vec(), relocations));
    }
    Ok(sections)
}

/// One line for each section that differs; empty when the kernel would get the same.
fn differences(committed: &Instructions, built: &Instructions) -> String {
    let mut lines = String::new();
    let names: std::collections::BTreeSet<&String> = committed.keys().chain(built.keys()).collect();
    for name in names {
        let difference = match (committed.get(name), built.get(name)) {
            (Some(committed), Some(built)) if committed == built => continue,
            (Some((committed, _)), Some((built, _))) if committed == built => "other relocations".to_owned(),
            (Some((committed, _)), Some((built, _))) => {
                let same = committed.iter().zip(built).take_while(|(committed, built)| committed == built).count();
                format!(
                    "{} bytes committed, {} bytes built, first difference at {same:#x}",
                    committed.len(),
                    built.len()
                )
            }
            (Some(_), None) => "only in the committed object".to_owned(),
            (None, _) => "only in the built object".to_owned(),
        };
        let _ = writeln!(lines, "section {name}: {difference}");
    }
    lines
}

/// Runs a command that talks to the terminal itself.
fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("start {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// What a command prints.
fn output(command: &mut Command) -> Result<String> {
    let output = command.stderr(Stdio::null()).output().with_context(|| format!("start {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_object_has_a_program_and_no_path() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(COMMITTED);
        let bytes = fs::read(committed).expect("read the object");
        let sections = instructions(&bytes).expect("parse the object");
        assert!(sections.contains_key("maps") && sections.contains_key("license"), "{:?}", sections.keys());
        assert!(sections.iter().any(|(name, (_, relocations))| name.starts_with("xdp") && !relocations.is_empty()));
        for path in ["/home/", "/root/", "/tmp/", ".rs"] {
            let found = bytes.windows(path.len()).any(|window| window == path.as_bytes());
            assert!(!found, "{path} is in the object");
        }
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        let sections = |rows: &[(&str, &[u8], &str)]| -> Instructions {
            rows.iter()
                .map(|(name, bytes, relocation)| ((*name).to_owned(), (bytes.to_vec(), vec![(*relocation).to_owned()])))
                .collect()
        };
        let committed = sections(&[("xdp", &[1, 2, 3], "PORTS"), ("maps", &[4], "")]);
        let rows: [(Instructions, &str); 5] = [
            (committed.clone(), ""),
            (
                sections(&[("xdp", &[1, 9, 3], "PORTS"), ("maps", &[4], "")]),
                "section xdp: 3 bytes committed, 3 bytes built, first difference at 0x1\n",
            ),
            (sections(&[("xdp", &[1, 2, 3], "CONFIG"), ("maps", &[4], "")]), "section xdp: other relocations\n"),
            (sections(&[("xdp", &[1, 2, 3], "PORTS")]), "section maps: only in the committed object\n"),
            (
                sections(&[("xdp", &[1, 2, 3], "PORTS"), ("maps", &[4], ""), ("new", &[5], "")]),
                "section new: only in the built object\n",
            ),
        ];
        for (built, expected) in rows {
            assert_eq!(differences(&committed, &built), expected);
        }
    }
}
