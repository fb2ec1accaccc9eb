//! Debian packages that a command needs: found missing by the programs they bring, installed when running as root.
//!
//! Installing must not leave daemons running: softflowd and pmacct bring services that Debian starts at once. They are kept
//! from starting with `policy-rc.d`, and disabled when this installed them. Other distributions get the list of programs.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::programs;

/// A Debian package, by a program it brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    name: &'static str,
    program: &'static str,
    /// Units that Debian would start when the package is installed.
    services: &'static [&'static str],
}

const fn package(name: &'static str, program: &'static str) -> Package {
    Package { name, program, services: &[] }
}

/// A C compiler and what it needs, for mimalloc and ring.
const COMPILER: Package = package("build-essential", "cc");
/// Network namespaces and veth pairs.
const IPROUTE2: Package = package("iproute2", "ip");
/// Fetches the ClickHouse engine.
const NPM: Package = package("npm", "npm");
/// Used by the tests of the embedded store, as an operator would.
const CURL: Package = package("curl", "curl");
/// Some of the traffic that the exporters watch.
const PING: Package = package("iputils-ping", "ping");
/// Makes a veth end send checksums as a wire would carry them.
const ETHTOOL: Package = package("ethtool", "ethtool");
const SOFTFLOWD: Package = Package { name: "softflowd", program: "softflowd", services: &["softflowd"] };
const PMACCT: Package =
    Package { name: "pmacct", program: "pmacctd", services: &["pmacctd", "nfacctd", "sfacctd", "uacctd"] };
/// Sends NetFlow v5 and v7.
const FPROBE: Package = Package { name: "fprobe", program: "fprobe", services: &["fprobe"] };
/// A decoder of others to compare with.
const NFDUMP: Package = Package { name: "nfdump", program: "nfcapd", services: &["nfdump"] };
/// Another reader of the captures that are written.
const TSHARK: Package = package("tshark", "tshark");

/// Boots kernels.
const QEMU: Package = package("qemu-system-x86", "qemu-system-x86_64");
/// Unpacks the drivers of newer kernels.
const XZ: Package = package("xz-utils", "xz");
/// Counts instructions.
const VALGRIND: Package = package("valgrind", "valgrind");

/// What fetching the ClickHouse engine needs.
pub const ENGINE: &[Package] = &[NPM];
/// What `cargo xtask demo` needs.
pub const DEMO: &[Package] = &[COMPILER, IPROUTE2, PING, ETHTOOL, SOFTFLOWD, PMACCT];
/// What `cargo xtask test` needs.
pub const TEST: &[Package] = &[COMPILER, IPROUTE2, CURL, PING, ETHTOOL, SOFTFLOWD, PMACCT, FPROBE, NFDUMP, TSHARK];
/// What `cargo xtask instructions` needs.
pub const INSTRUCTIONS: &[Package] = &[COMPILER, VALGRIND];
/// What `cargo xtask kernels` needs.
pub const KERNELS: &[Package] = &[COMPILER, IPROUTE2, ETHTOOL, QEMU, XZ];
/// What `cargo xtask ci` needs.
pub const CI: &[Package] =
    &[COMPILER, IPROUTE2, CURL, PING, ETHTOOL, SOFTFLOWD, PMACCT, FPROBE, NFDUMP, TSHARK, VALGRIND, QEMU, XZ];
/// What `cargo xtask bench` needs.
pub const BENCH: &[Package] = &[COMPILER, IPROUTE2, ETHTOOL, NFDUMP, PMACCT, VALGRIND];

/// Sees to it that the programs of `packages` are there.
///
/// # Errors
///
/// When some are missing and this is not root, not Debian, or `apt-get` fails.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages, |program| programs::find(program).is_some());
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    if programs::find("apt-get").is_none() {
        let programs: Vec<&str> = missing.iter().map(|package| package.program).collect();
        bail!("missing programs: {}; this is not Debian, install them by hand", programs.join(", "));
    }
    if !programs::is_root() {
        bail!("missing Debian packages; run: sudo apt-get install --no-install-recommends {}", names.join(" "));
    }
    install(&names)?;
    for service in missing.iter().flat_map(|package| package.services) {
        // The tests run the programs themselves; whoever wants the service enables it. Without systemd there is none.
        let _ = programs::output(Command::new("systemctl").args(["--quiet", "disable", service]));
    }
    let still: Vec<&str> = missing
        .iter()
        .filter(|package| programs::find(package.program).is_none())
        .map(|package| package.program)
        .collect();
    if !still.is_empty() {
        bail!("apt-get installed {} but {} did not come with them", names.join(", "), still.join(", "));
    }
    Ok(())
}

fn missing(packages: &[Package], has: impl Fn(&str) -> bool) -> Vec<Package> {
    packages.iter().copied().filter(|package| !has(package.program)).collect()
}

fn install(names: &[&str]) -> Result<()> {
    let _no_services = NoServices::set(Path::new("/usr/sbin/policy-rc.d"))?;
    let attempt = || programs::run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(names));
    if attempt().is_ok() {
        return Ok(());
    }
    // Most likely the package lists are missing or older than the archive.
    programs::run(apt_get().arg("update"))?;
    attempt()
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.arg("-q").env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// While it lives, package scripts may not start services, and a signal does not end this process: it ends `apt-get`, which the
/// terminal tells too, and then what was made here is taken away.
struct NoServices<'a> {
    /// The policy file, when it is ours and goes away again.
    policy: Option<&'a Path>,
    /// Set when signals may do again what they do by default.
    over: Arc<AtomicBool>,
}

const NO_SERVICES: &str = "#!/bin/sh\n# No service is started while cargo xtask installs packages.\nexit 101\n";

impl<'a> NoServices<'a> {
    fn set(policy: &'a Path) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&over))
                .context("cannot watch for signals")?;
        }
        let mut guard = Self { policy: None, over };
        // One that was killed while installing left its file behind.
        let ours = fs::read_to_string(policy).is_ok_and(|text| text == NO_SERVICES);
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(policy) {
            Ok(mut file) => {
                guard.policy = Some(policy);
                file.write_all(NO_SERVICES.as_bytes()).with_context(|| format!("cannot write {}", policy.display()))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists && ours => guard.policy = Some(policy),
            // The administrator's own policy stays in force.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", policy.display())),
        }
        Ok(guard)
    }
}

impl Drop for NoServices<'_> {
    fn drop(&mut self) {
        if let Some(policy) = self.policy {
            let _ = fs::remove_file(policy);
        }
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let names = |has: &dyn Fn(&str) -> bool| -> Vec<&str> {
            missing(DEMO, has).iter().map(|package| package.name).collect()
        };
        assert_eq!(names(&|_| true), Vec::<&str>::new());
        assert_eq!(names(&|program| program != "pmacctd" && program != "cc"), ["build-essential", "pmacct"]);
    }

    #[test]
    fn the_policy_goes_away_unless_it_is_the_administrator_s() {
        let policy = std::env::temp_dir().join(format!("policy-rc.d-{}", std::process::id()));
        let cases = [(None, None), (Some(NO_SERVICES), None), (Some("another"), Some("another"))];
        for (before, after) in cases {
            if let Some(text) = before {
                fs::write(&policy, text).unwrap();
            }
            let guard = NoServices::set(&policy).unwrap();
            assert!(policy.exists());
            drop(guard);
            assert_eq!(fs::read_to_string(&policy).ok().as_deref(), after, "{before:?}");
        }
        fs::remove_file(&policy).unwrap();
    }
}
