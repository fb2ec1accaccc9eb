//! Starting other programs: echoed, checked, found on the path.
//!
//! Not here: programs inside network namespaces that must be ended with the demo, see `demo::netns`.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where cargo builds.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |folder| workspace().join(folder))
}

/// The cargo that runs this, so that a toolchain chosen on the command line stays chosen.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace()).env("PATH", path_with_tools());
    command
}

/// The nightly cargo, or the remedy where rustup has none.
///
/// # Errors
///
/// When rustup cannot run a nightly cargo.
pub fn nightly_cargo() -> Result<Command> {
    let probe = Command::new("rustup").args(["run", "nightly", "cargo", "--version"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        bail!("no nightly toolchain; run: rustup toolchain install nightly");
    }
    let mut command = nightly("cargo");
    command.env("PATH", path_with_tools());
    Ok(command)
}

/// A program of the nightly toolchain.
pub fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", program]).current_dir(workspace());
    // The outer cargo exports its own toolchain, which would win over `rustup run` in the programs that cargo starts.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(variable);
    }
    command
}

/// Sees to it that cargo has the subcommand `name`: on the path, or built into the repository's cache.
///
/// # Errors
///
/// When it cannot be built.
pub fn ensure_subcommand(name: &str, version: &str, options: &[&str]) -> Result<()> {
    if output(cargo().args([name, "--version"])).is_ok() {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    eprintln!("building {package} {version} into .cache/tools; this takes a few minutes");
    let mut install = cargo();
    install.args(["install", "--quiet", "--locked", &package, "--version", version]).args(options);
    run(install.arg("--root").arg(tools()))
}

fn tools() -> PathBuf {
    workspace().join(".cache/tools")
}

fn path_with_tools() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools().join("bin")).chain(env::split_paths(&path));
    env::join_paths(folders).unwrap_or(path)
}

/// Whether this process has root's rights.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The line that runs the same xtask command as root.
pub fn sudo_line(arguments: &str) -> String {
    format!("sudo env \"PATH=$PATH\" cargo xtask {arguments}")
}

/// Where a program is, on the path or where Debian keeps the administrator's programs.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(administrators)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Runs a program with this process's output, after showing its line.
///
/// # Errors
///
/// When the program cannot be started or its status is not 0.
pub fn run(command: &mut Command) -> Result<()> {
    let line = line_of(command);
    eprintln!("$ {line}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start: {line}"))?;
    if !status.success() {
        bail!("failed ({status}): {line}");
    }
    Ok(())
}

/// Runs a program quietly and returns what it wrote to standard output.
///
/// # Errors
///
/// When the program cannot be started or its status is not 0; the error carries what it wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start: {line}"))?;
    if !output.status.success() {
        bail!("failed ({}): {line}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A program and its arguments as a person would type them.
pub fn line_of(command: &Command) -> String {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    words.into_iter().map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
