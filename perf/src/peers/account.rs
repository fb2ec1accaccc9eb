//! Processor time of a program with all processes it ever starts, the ended ones too: a control group (cgroup v2) holds them and
//! counts, to the microsecond. Dropped, it ends whatever is left of them.

use std::ops::Sub;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context as _, Result};

use crate::rig::Namespace;

/// Puts the shell into the group whose file is its name `$0`, and makes it the program.
const ENTER: &str = r#"echo 0 > "$0" && exec "$@""#;
/// How often the end of killed processes is looked for, every 10 ms.
const LOOKS: u32 = 200;

/// A control group.
#[derive(Debug)]
pub(super) struct Account {
    path: PathBuf,
}

/// Processor time, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Cpu {
    pub(super) user_s: f64,
    pub(super) kernel_s: f64,
}

impl Account {
    /// Opens an account.
    ///
    /// # Errors
    ///
    /// When no cgroup v2 is mounted, or the group cannot be made.
    pub(super) fn open() -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
        let root =
            cgroup2(&mounts).context("no cgroup v2 is mounted, which counts processor time: mount -t cgroup2")?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = PathBuf::from(root).join(format!("perf-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("cannot make the control group {}", path.display()))?;
        Ok(Self { path })
    }

    /// A command that will run in the namespace, on this account.
    pub(super) fn command(&self, namespace: &Namespace, program: &str) -> Command {
        // First the group, then the namespace, in which its file cannot be seen.
        let inside = namespace.command(program);
        let mut command = Command::new("sh");
        command.arg("-c").arg(ENTER).arg(self.path.join("cgroup.procs"));
        command.arg(inside.get_program()).args(inside.get_args());
        command.process_group(0);
        command
    }

    /// Takes a running process on, with its threads: what it used before does not count.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub(super) fn adopt(&self, process: u32) -> Result<()> {
        let path = self.path.join("cgroup.procs");
        fs::write(&path, process.to_string()).with_context(|| format!("cannot write to {}", path.display()))
    }

    /// What was used until now.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub(super) fn cpu(&self) -> Result<Cpu> {
        let path = self.path.join("cpu.stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        parse_cpu_stat(&text).with_context(|| format!("{} is not as expected", path.display()))
    }

    /// Processes that run on this account.
    pub(super) fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Linux 5.14; before, nothing is left where the program ended tidily.
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
        for _ in 0..LOOKS {
            if fs::remove_dir(&self.path).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        eprintln!("the control group {} could not be removed: {:?} run", self.path.display(), self.processes());
    }
}

impl Cpu {
    /// User and kernel time.
    pub(super) fn total_s(self) -> f64 {
        self.user_s + self.kernel_s
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { user_s: self.user_s - before.user_s, kernel_s: self.kernel_s - before.kernel_s }
    }
}

/// Where cgroup v2 is mounted.
fn cgroup2(mounts: &str) -> Option<&str> {
    let mut mounts = mounts.lines().map(|line| line.split(' '));
    mounts.find_map(|mut fields| {
        let (path, kind) = (fields.nth(1)?, fields.next()?);
        (kind == "cgroup2").then_some(path)
    })
}

/// The times of a `cpu.stat` file, which are microseconds.
fn parse_cpu_stat(text: &str) -> Option<Cpu> {
    let seconds = |wanted: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = pairs.find(|(name, _)| *name == wanted)?;
        Some(value.parse::<f64>().ok()? / 1e6)
    };
    Some(Cpu { user_s: seconds("user_usec")?, kernel_s: seconds("system_usec")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let stat = "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnice_usec 0\n";
        assert_eq!(parse_cpu_stat(stat), Some(Cpu { user_s: 2.0, kernel_s: 0.5 }));
        assert_eq!(parse_cpu_stat("usage_usec 2500000\n"), None);
        let check = |mounts, expected| assert_eq!(cgroup2(mounts), expected);
        check("cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n", Some("/sys/fs/cgroup"));
        check(
            "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n",
            Some("/sys/fs/cgroup/unified"),
        );
        check("cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", None);
    }
}
