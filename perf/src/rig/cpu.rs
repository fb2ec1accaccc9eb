//! Processor time of a program's threads, from `/proc` (`man 5 proc_pid_stat`).

use std::collections::BTreeMap;
use std::fs;
use std::ops::Sub;

use anyhow::{Context as _, Result};

/// What `/proc` counts in: hundredths of a second, whatever the kernel's own tick (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of the threads of one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ThreadCpu {
    /// As the thread calls itself, without a number at its end. `(ended)` stands for all threads that are no more.
    pub(crate) name: String,
    /// Seconds in the program and in the kernel for it.
    pub(crate) user_s: f64,
    pub(crate) kernel_s: f64,
}

/// User and kernel time, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Times {
    pub(super) user_s: f64,
    pub(super) kernel_s: f64,
}

impl Sub for Times {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { user_s: (self.user_s - other.user_s).max(0.0), kernel_s: (self.kernel_s - other.kernel_s).max(0.0) }
    }
}

/// Processor time of all threads of a process, those of one name together, by name.
///
/// # Errors
///
/// When there is no such process.
pub(crate) fn of_process(process: u32) -> Result<Vec<ThreadCpu>> {
    let path = format!("/proc/{process}");
    let whole = fs::read_to_string(format!("{path}/stat")).with_context(|| format!("cannot read {path}/stat"))?;
    let (_, whole) = parse(&whole).with_context(|| format!("{path}/stat is not as expected"))?;
    let mut groups: BTreeMap<String, Times> = BTreeMap::new();
    let mut living = Times::default();
    for entry in fs::read_dir(format!("{path}/task")).with_context(|| format!("cannot list {path}/task"))?.flatten() {
        // A thread may end between the list and this.
        let Ok(text) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, times)) = parse(&text) else { continue };
        let group = groups.entry(group_of(name).to_owned()).or_default();
        for sum in [group, &mut living] {
            sum.user_s += times.user_s;
            sum.kernel_s += times.kernel_s;
        }
    }
    groups.insert("(ended)".to_owned(), whole - living);
    let told = |(name, times): (String, Times)| ThreadCpu { name, user_s: times.user_s, kernel_s: times.kernel_s };
    Ok(groups.into_iter().map(told).collect())
}

/// All of it together, under a name.
pub(crate) fn sum(name: &str, groups: &[ThreadCpu]) -> ThreadCpu {
    let (user_s, kernel_s) = groups.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.user_s, sum.1 + one.kernel_s));
    ThreadCpu { name: name.to_owned(), user_s, kernel_s }
}

/// What was used between two readings of the same process. A name that is missing before counts from 0.
pub(crate) fn between(before: &[ThreadCpu], after: &[ThreadCpu]) -> Vec<ThreadCpu> {
    let difference = |now: &ThreadCpu| {
        let then = before.iter().find(|then| then.name == now.name);
        let (user_s, kernel_s) = then.map_or((0.0, 0.0), |then| (then.user_s, then.kernel_s));
        let left = Times { user_s: now.user_s, kernel_s: now.kernel_s } - Times { user_s, kernel_s };
        ThreadCpu { name: now.name.clone(), user_s: left.user_s, kernel_s: left.kernel_s }
    };
    after.iter().map(difference).collect()
}

/// Seconds that all processors of the machine were busy since it started, whoever used them: interrupts too, in which
/// the kernel receives. Not stolen time.
///
/// # Errors
///
/// When `/proc/stat` cannot be read.
pub(crate) fn machine_busy_s() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
    busy(&text).context("/proc/stat is not as expected")
}

/// user, nice, system, irq and softirq of the first line; idle, iowait and steal are not work.
fn busy(text: &str) -> Option<f64> {
    let fields: Vec<f64> =
        text.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, ..] = fields[..] else { return None };
    Some((user + nice + system + irq + softirq) / TICKS_PER_SECOND)
}

/// The threads of a process whose names begin so.
pub(crate) fn threads_named(process: u32, prefix: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    let matching = |entry: fs::DirEntry| {
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        if name.starts_with(prefix) { entry.file_name().to_str()?.parse().ok() } else { None }
    };
    entries.flatten().filter_map(matching).collect()
}

/// The processes that a process has started and that still run.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let ours = |entry: fs::DirEntry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let parent: u32 = fields.split_whitespace().nth(1)?.parse().ok()?;
        (parent == process).then_some(number)
    };
    entries.flatten().filter_map(ours).collect()
}

/// Name and times of a `stat` file. The name stands in parentheses and may hold any.
fn parse(text: &str) -> Option<(&str, Times)> {
    let (head, fields) = text.rsplit_once(')')?;
    let (_, name) = head.split_once('(')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut seconds = || Some(fields.next()?.parse::<f64>().ok()? / TICKS_PER_SECOND);
    Some((name, Times { user_s: seconds()?, kernel_s: seconds()? }))
}

/// A name without the number at its end.
fn group_of(name: &str) -> &str {
    name.trim_end_matches(|end: char| end.is_ascii_digit() || matches!(end, '-' | '_' | ' ' | '#' | ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_files_are_read() {
        let line = "42 (a (b) c-3) S 1 42 42 0 -1 4194560 100 0 0 0 250 75 9 9 20 0 4 0 100 0 0";
        let (name, times) = parse(line).expect("a stat file");
        assert_eq!((name, times), ("a (b) c-3", Times { user_s: 2.5, kernel_s: 0.75 }));
        assert_eq!(parse("42 (short) S 1"), None);
    }

    #[test]
    fn the_machine_is_busy_when_it_works() {
        assert_eq!(busy("cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1\n"), Some(1.63));
        assert_eq!(busy("cpu  1 2\n"), None);
    }

    #[test]
    fn threads_of_one_kind_are_one_group() {
        let check = |name, expected| assert_eq!(group_of(name), expected);
        check("worker-1", "worker");
        check("tokio-rt-worker", "tokio-rt-worker");
        check("insert 12", "insert");
        check("7", "");
    }

    #[test]
    fn this_process_has_used_something() {
        let before = of_process(std::process::id()).expect("/proc tells of this process");
        assert!(before.iter().any(|group| group.name == "(ended)"));
        let sum = |groups: &[ThreadCpu]| groups.iter().map(|group| group.user_s + group.kernel_s).sum::<f64>();
        let mut after = before.clone();
        after[0].user_s += 1.5;
        assert!((sum(&between(&before, &after)) - 1.5).abs() < 1e-9);
    }
}
