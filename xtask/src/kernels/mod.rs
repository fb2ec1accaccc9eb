//! `cargo xtask kernels`: boots kernels that people run and tries the XDP program on each.
//!
//! A kernel boots under QEMU, by emulation on every machine alike, with a root file system in memory that holds the
//! collector's own tests, which then say what the kernel's verifier and drivers make of the program. Not here: what is tried, which
//! the tests under `collector/tests` are; kernels that Debian's archive does not have, which `--deb` takes.

mod archive;
mod builds;
mod guest;
mod image;
mod list;
mod machine;
mod report;

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};

use crate::{packages, programs};
use archive::Archive;
use list::Kernel;
use report::Report;

pub use guest::{is_guest, run as run_guest};

/// Boot kernels that people run and try the XDP program on each.
#[derive(Debug, clap::Args, Default)]
pub struct Arguments {
    /// Names of the kernels, as --list shows them [default: all].
    names: Vec<String>,
    /// Show the names and boot nothing.
    #[arg(long)]
    list: bool,
    /// Only those that CI boots.
    #[arg(long)]
    ci: bool,
    /// Look for newer packages than those that were fetched before.
    #[arg(long)]
    update: bool,
    /// Boot the kernel of a package from elsewhere, such as Ubuntu's linux-image and linux-modules (repeatable: they are one kernel).
    #[arg(long, value_name = "FILE")]
    deb: Vec<PathBuf>,
}

impl Arguments {
    /// What CI runs.
    pub fn ci() -> Self {
        Self { ci: true, ..Self::default() }
    }
}

/// Runs the command.
///
/// # Errors
///
/// When a kernel cannot be fetched or booted, or a test fails on it.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        list::ALL.iter().for_each(|kernel| println!("{:<22}{}", kernel.name, kernel.whose));
        return Ok(());
    }
    if !programs::is_root() {
        bail!("the kernels' network needs root; run: {}", programs::sudo_line("kernels"));
    }
    packages::ensure(packages::KERNELS)?;
    let tests = builds::tests()?;
    let mut report = Report::default();
    if !arguments.deb.is_empty() {
        let tried =
            machine::unpack("given", &arguments.deb).and_then(|files| machine::tries(&list::GIVEN, &files, &tests));
        report.add(&list::GIVEN, tried);
        return report.finish();
    }
    let wanted = wanted(arguments)?;
    let archive = Archive::open(&wanted, arguments.update)?;
    for kernel in wanted {
        let tried = archive
            .fetch(kernel)
            .and_then(|package| machine::unpack(kernel.name, &[package]))
            .and_then(|files| machine::tries(kernel, &files, &tests));
        report.add(kernel, tried);
    }
    report.finish()
}

fn wanted(arguments: &Arguments) -> Result<Vec<&'static Kernel>> {
    let unknown: Vec<&str> = arguments
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| !list::ALL.iter().any(|kernel| kernel.name == *name))
        .collect();
    ensure!(
        unknown.is_empty(),
        "no such kernel: {}; `cargo xtask kernels --list` shows those that are",
        unknown.join(", ")
    );
    let is_wanted = |kernel: &&Kernel| {
        (!arguments.ci || kernel.in_ci)
            && (arguments.names.is_empty() || arguments.names.iter().any(|name| name == kernel.name))
    };
    Ok(list::ALL.iter().filter(is_wanted).collect())
}
