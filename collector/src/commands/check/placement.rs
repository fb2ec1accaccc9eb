//! Where an interface's memory and interrupts are, beside where its workers run.
//!
//! Frames that a worker reads from the memory of another node cost it twice the time; an interrupt on a worker's own CPU takes turns
//! with the worker just when both have most to do. Not here: moving either.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::Finding;
use crate::config::Config;
use crate::steering;
use crate::worker::{layout, pin};

/// Interrupts that are named in a line; the others are counted.
const SHOWN: usize = 8;

/// The roots of what the kernel shows.
struct Machine {
    sys: PathBuf,
    proc: PathBuf,
}

/// Looks at where an interface is and where its interrupts go.
pub(super) fn findings(config: &Config, interface: &str) -> Vec<Finding> {
    let machine = Machine { sys: PathBuf::from("/sys"), proc: PathBuf::from("/proc") };
    let allowed = pin::allowed_cores().unwrap_or_default();
    let queues = steering::queues(interface).ok();
    let workers = layout::workers(config.capture.workers, queues, allowed.len());
    let cores: BTreeSet<usize> = (0..workers).filter_map(|index| pin::core_for(&allowed, index)).collect();
    let cores = if config.capture.pin { cores } else { allowed.into_iter().collect() };
    let busy_polls = !config.capture.busy_poll.is_zero();
    let mut findings = vec![machine.node(interface, &cores)];
    findings.extend(machine.interrupts(interface, &cores, busy_polls));
    findings.extend(busy_polls.then(|| machine.busy_polling(interface)));
    findings
}

impl Machine {
    /// Whether the workers run where the interface's memory is.
    fn node(&self, interface: &str, workers: &BTreeSet<usize>) -> Finding {
        let subject = format!("memory of {interface}");
        let node = self.number(&self.device(interface).join("numa_node")).filter(|node| *node >= 0);
        let nodes = self.list(&self.sys.join("devices/system/node/online")).len();
        let (Some(node), true) = (node, nodes > 1) else {
            return Finding::ok(subject, "one memory node, or none that the interface belongs to");
        };
        let near = self.list(&self.sys.join(format!("devices/system/node/node{node}/cpulist")));
        let far: BTreeSet<usize> = workers.difference(&near).copied().collect();
        if far.is_empty() {
            return Finding::ok(subject, format!("node {node}, and so are the workers' CPUs {}", written(workers)));
        }
        let remedy = format!(
            "keep the collector on the CPUs {} (systemd: CPUAffinity= and NUMAMask={node}; shell: numactl -N {node} -m {node})",
            written(&near)
        );
        Finding::warn(subject, format!("node {node}, the workers' CPUs {} are on another", written(&far)), remedy)
    }

    /// Where the interface's interrupts go.
    fn interrupts(&self, interface: &str, workers: &BTreeSet<usize>, busy_polls: bool) -> Option<Finding> {
        let subject = format!("interrupts of {interface}");
        let numbers = self.interrupt_numbers(interface);
        let of = |number: usize| {
            let place = self.proc.join(format!("irq/{number}"));
            let effective = self.list(&place.join("effective_affinity_list"));
            let cores = if effective.is_empty() { self.list(&place.join("smp_affinity_list")) } else { effective };
            (number, cores)
        };
        let placed: Vec<(usize, BTreeSet<usize>)> =
            numbers.into_iter().map(of).filter(|(_, cores)| !cores.is_empty()).collect();
        if placed.is_empty() {
            return None;
        }
        let all: BTreeSet<usize> = placed.iter().flat_map(|(_, cores)| cores.iter().copied()).collect();
        let text = format!("{} on the CPUs {}; workers on {}", placed.len(), written(&all), written(workers));
        let on_workers: Vec<usize> =
            placed.iter().filter(|(_, cores)| cores.is_subset(workers)).map(|(number, _)| *number).collect();
        // A worker that polls the driver itself has next to no interrupts.
        if on_workers.is_empty() || busy_polls {
            return Some(Finding::ok(subject, text));
        }
        let shown: Vec<String> = on_workers.iter().take(SHOWN).map(ToString::to_string).collect();
        let more = on_workers.len().checked_sub(SHOWN).filter(|more| *more > 0);
        let more = more.map(|more| format!(" and {more} more")).unwrap_or_default();
        let remedy = format!(
            "receiving and decoding take turns there: write another CPU of the same memory node into /proc/irq/N/smp_affinity_list \
             for N = {}{more} (irqbalance would undo it), or set capture.busy_poll_us",
            shown.join(", ")
        );
        Some(Finding::warn(subject, text, remedy))
    }

    /// What makes the driver leave its interrupts off while it is polled.
    fn busy_polling(&self, interface: &str) -> Finding {
        let subject = format!("busy polling on {interface}");
        let directory = self.sys.join("class/net").join(interface);
        let [deferred, timeout] =
            ["napi_defer_hard_irqs", "gro_flush_timeout"].map(|name| self.number(&directory.join(name)).unwrap_or(0));
        let text = format!("napi_defer_hard_irqs {deferred}, gro_flush_timeout {timeout}");
        if deferred > 0 && timeout > 0 {
            return Finding::ok(subject, text);
        }
        let shown = directory.display();
        let remedy = format!(
            "echo 2 > {shown}/napi_defer_hard_irqs; echo 200000 > {shown}/gro_flush_timeout: else interrupts go on"
        );
        Finding::warn(subject, text, remedy)
    }

    fn device(&self, interface: &str) -> PathBuf {
        self.sys.join("class/net").join(interface).join("device")
    }

    /// Numbers of the interrupts that the device has, or, of a device on virtio, the device that carries it.
    fn interrupt_numbers(&self, interface: &str) -> BTreeSet<usize> {
        let Ok(device) = fs::canonicalize(self.device(interface)) else { return BTreeSet::new() };
        let places = [Some(device.as_path()), device.parent()];
        let named = places.into_iter().flatten().filter_map(|place| fs::read_dir(place.join("msi_irqs")).ok());
        let entries = named.flat_map(|entries| entries.flatten());
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    fn number(&self, path: &Path) -> Option<i64> {
        fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    fn list(&self, path: &Path) -> BTreeSet<usize> {
        fs::read_to_string(path).map(|text| parsed(&text)).unwrap_or_default()
    }
}

/// Numbers as the kernel lists them: `0-3,8`.
fn parsed(text: &str) -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            numbers.extend(first..=last);
        }
    }
    numbers
}

/// The reverse of [`parsed`], without ranges.
fn written(numbers: &BTreeSet<usize>) -> String {
    let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    numbers.join(",")
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    /// A machine of two nodes with an interface on the second, whose interrupts go to CPUs 3 and 1.
    struct Fake(PathBuf);

    impl Fake {
        fn new(test: &str) -> Self {
            let name = format!("collector-placement-{test}-{}", std::process::id());
            let fake = Self(std::env::temp_dir().join(name));
            for (path, text) in [
                ("sys/devices/system/node/online", "0-1\n"),
                ("sys/devices/system/node/node0/cpulist", "0-1\n"),
                ("sys/devices/system/node/node1/cpulist", "2-3\n"),
                ("sys/class/net/fast0/device/numa_node", "1\n"),
                ("sys/class/net/fast0/device/msi_irqs/40", "msix\n"),
                ("sys/class/net/fast0/device/msi_irqs/41", "msix\n"),
                ("sys/class/net/fast0/napi_defer_hard_irqs", "2\n"),
                ("proc/irq/40/effective_affinity_list", "3\n"),
                ("proc/irq/41/smp_affinity_list", "1\n"),
            ] {
                let path = fake.0.join(path);
                fs::create_dir_all(path.parent().expect("a file's folder")).expect("the temporary directory");
                fs::write(path, text).expect("the temporary directory");
            }
            fake
        }

        fn machine(&self) -> Machine {
            Machine { sys: self.0.join("sys"), proc: self.0.join("proc") }
        }
    }

    impl Drop for Fake {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn workers_are_told_from_where_their_frames_come() {
        let fake = Fake::new("node");
        let machine = fake.machine();
        for (workers, level, part) in [("3", Level::Ok, "node 1"), ("1,3", Level::Warn, "CPUs 1 are on another")] {
            let finding = machine.node("fast0", &parsed(workers));
            assert!(finding.level == level && finding.text.contains(part), "{workers}: {finding:?}");
        }
        assert_eq!(machine.node("none0", &parsed("1")).level, Level::Ok);
    }

    #[test]
    fn interrupts_on_a_workers_cpu_are_named() {
        let fake = Fake::new("interrupts");
        let machine = fake.machine();
        for (workers, busy_polls, level, named) in
            [("3", false, Level::Warn, "N = 40 "), ("2", false, Level::Ok, ""), ("3", true, Level::Ok, "")]
        {
            let finding = machine.interrupts("fast0", &parsed(workers), busy_polls).expect("it has interrupts");
            let remedy = finding.remedy.clone().unwrap_or_default();
            assert!(finding.level == level && remedy.contains(named), "{workers}: {finding:?}");
        }
        assert!(machine.interrupts("none0", &parsed("3"), false).is_none());
    }

    #[test]
    fn busy_polling_needs_interrupts_put_off() {
        let fake = Fake::new("busy");
        assert_eq!(fake.machine().busy_polling("fast0").level, Level::Warn, "there is no timeout");
        fs::write(fake.0.join("sys/class/net/fast0/gro_flush_timeout"), "200000\n").expect("the temporary directory");
        assert_eq!(fake.machine().busy_polling("fast0").level, Level::Ok);
    }

    #[test]
    fn lists_are_read_as_the_kernel_writes_them() {
        for (text, numbers) in [("0-2,5\n", "0,1,2,5"), ("7\n", "7"), ("\n", ""), ("x-3,4", "4")] {
            assert_eq!(written(&parsed(text)), numbers, "{text:?}");
        }
    }
}
