//! The first process on a booted kernel: mounts what the tests need, loads drivers, runs the tests, switches off.
//!
//! It is this same program, so that nothing has to be installed or configured. Whatever goes wrong is written to the console,
//! where the other side reads it.

use std::ffi::CString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

/// Where this program lies in the root file system: the kernel starts it by this name.
pub const INIT: &str = "/init";
/// The drivers, one path a line.
pub const DRIVERS: &str = "/drivers";
/// What is run: a program and its arguments in a line.
pub const PLAN: &str = "/plan";
/// In front of every line that is meant for the other side.
pub const SAYS: &str = "kernels: ";
/// The last line.
pub const FINISHED: &str = "finished";

/// Whether this process is the first one of a kernel that was booted to try it.
pub fn is_guest() -> bool {
    std::process::id() == 1 && Path::new(PLAN).exists()
}

/// Does all of it and switches the machine off.
pub fn run() {
    match tries() {
        Ok(()) => println!("{SAYS}{FINISHED}"),
        Err(error) => println!("{SAYS}failed: {error:#}"),
    }
    // Without it the kernel would panic about the end of its first process, which ends the machine as well.
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn tries() -> Result<()> {
    for (kind, path) in
        [("proc", "/proc"), ("sysfs", "/sys"), ("devtmpfs", "/dev"), ("tmpfs", "/run"), ("tmpfs", "/tmp")]
    {
        mount(Some(kind), path, Some(kind), MsFlags::empty(), None::<&str>).with_context(|| format!("mount {path}"))?;
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("the kernel's release")?;
    println!("{SAYS}release {}", release.trim());
    load(lines(DRIVERS)?)?;
    succeed("ip link set lo up")?;
    for line in lines(PLAN)? {
        println!("{SAYS}runs {line}");
        let outcome = succeed(&line).map_or_else(|error| format!("{error:#}"), |()| "ok".to_owned());
        println!("{SAYS}ran {outcome}");
    }
    Ok(())
}

/// Loads the drivers; which needs which differs from kernel to kernel, so those that lack another one are tried again after it.
fn load(mut drivers: Vec<String>) -> Result<()> {
    while !drivers.is_empty() {
        let (mut lacking, mut why) = (Vec::new(), None);
        let before = drivers.len();
        for driver in drivers {
            let file = File::open(&driver).with_context(|| format!("open {driver}"))?;
            match finit_module(&file, &CString::default(), ModuleInitFlags::empty()) {
                Ok(()) => {}
                Err(error) => {
                    why.get_or_insert_with(|| format!("load {driver}: {error}"));
                    lacking.push(driver);
                }
            }
        }
        ensure!(lacking.len() < before, why.unwrap_or_default());
        drivers = lacking;
    }
    Ok(())
}

fn lines(path: &str) -> Result<Vec<String>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
    Ok(text.lines().map(str::to_owned).collect())
}

fn succeed(line: &str) -> Result<()> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).env("PATH", "/bin").env("COLLECTOR_REQUIRE_PRIVILEGED", "1").env("RUST_BACKTRACE", "0");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("start {program}"))?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}
