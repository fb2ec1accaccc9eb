//! System calls that threads make while something else is measured, counted by the kernel: `perf stat` at the tracepoint that every
//! system call passes, or `strace` where there is none. The latter stops the thread at each call, so its count stands, and the speed
//! meanwhile does not.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Child;

/// How they are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    PerfStat,
    Strace,
}

/// A count under way.
#[derive(Debug)]
pub(crate) struct Counting {
    child: Child,
    way: Way,
    time: Duration,
}

/// What was counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) calls: u64,
    /// The program that counted.
    pub(crate) by: &'static str,
}

/// Starts counting the system calls of these threads, for a time.
///
/// # Errors
///
/// When neither program is installed.
pub(crate) fn count(threads: &[u32], time: Duration) -> Result<Counting> {
    let installed = |program: &str| Path::new("/usr/bin").join(program).exists();
    let way = match (has_tracepoint(), installed("strace")) {
        (true, _) => Way::PerfStat,
        (false, true) => Way::Strace,
        (false, false) => bail!("install perf or strace: system calls cannot be counted"),
    };
    let threads: Vec<String> = threads.iter().map(u32::to_string).collect();
    let command = match way {
        Way::PerfStat => {
            let mut command = Command::new("perf");
            command.args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-t", &threads.join(",")]);
            command.args(["--", "sleep", &time.as_secs_f64().to_string()]);
            command
        }
        Way::Strace => {
            let mut command = Command::new("timeout");
            command.args(["--signal", "INT", &time.as_secs_f64().to_string(), "strace", "-c", "-f"]);
            command.args(threads.iter().flat_map(|thread| ["-p", thread]));
            command
        }
    };
    Ok(Counting { child: Child::spawn("the counter of system calls", command, None)?, way, time })
}

impl Counting {
    /// Waits for the count.
    ///
    /// # Errors
    ///
    /// When it cannot be had.
    pub(crate) fn finish(self) -> Result<Counted> {
        let log = self.child.finish(self.time + Duration::from_secs(30))?.log;
        let (calls, by) = match self.way {
            Way::PerfStat => (perf_calls(&log), "perf stat -e raw_syscalls:sys_enter"),
            Way::Strace => (strace_calls(&log), "strace -c"),
        };
        Ok(Counted { calls: calls.with_context(|| format!("no count of system calls: {log}"))?, by })
    }
}

fn has_tracepoint() -> bool {
    let probe = ["stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "--", "true"];
    let Ok(output) = Command::new("perf").args(probe).output() else { return false };
    perf_calls(&String::from_utf8_lossy(&output.stderr)).is_some()
}

/// The count in `perf stat`'s line of values.
fn perf_calls(log: &str) -> Option<u64> {
    let line = log.lines().find(|line| line.contains("raw_syscalls:sys_enter"))?;
    line.split(',').next()?.trim().parse().ok()
}

/// The sum in `strace`'s table: the fourth column of its last line. Without a call there is no table.
fn strace_calls(log: &str) -> Option<u64> {
    match log.lines().find(|line| line.trim_end().ends_with(" total")) {
        Some(line) => line.split_whitespace().nth(3)?.parse().ok(),
        None => log.contains("attached").then_some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        assert_eq!(perf_calls("12345,,raw_syscalls:sys_enter,1000,100.00,,\n"), Some(12_345));
        assert_eq!(perf_calls("<not supported>,,raw_syscalls:sys_enter,0,100.00,,\n"), None);
        let table = "strace: Process 1 attached\n% time     seconds  usecs/call     calls    errors syscall\n\
             ------ ----------- ----------- --------- --------- ----------------\n 90.00    0.1  1   50   read\n\
             100.00    0.001234          12        57         3 total\n";
        assert_eq!(strace_calls(table), Some(57));
        assert_eq!(strace_calls("strace: Process 1 attached\nstrace: Process 1 detached\n"), Some(0));
        assert_eq!(strace_calls("strace: attach: ptrace: no"), None);
    }
}
