//! Time of whole cores, whoever used it, from `/proc/stat`: what a datagram costs outside of the program that takes it. The kernel
//! counts by its tick here, so short runs are coarse.

use std::ops::Sub;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

/// What `/proc/stat` counts in (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Time of one core, seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Core {
    /// In programs, nice ones too, and in the kernel for them.
    pub(super) user_s: f64,
    pub(super) kernel_s: f64,
    /// In soft interrupts, among them the kernel's receive path, and in hard ones.
    pub(super) interrupts_s: f64,
    /// Taken by the machine's host.
    pub(super) stolen_s: f64,
}

impl Core {
    /// Its time since the start of the machine.
    ///
    /// # Errors
    ///
    /// When there is no such core.
    pub(super) fn read(core: usize) -> Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        parse(&text, core).with_context(|| format!("/proc/stat tells nothing of core {core}"))
    }

    /// All but idle and stolen time.
    pub(super) fn busy_s(self) -> f64 {
        self.user_s + self.kernel_s + self.interrupts_s
    }

    pub(super) fn told(self) -> Value {
        json!({
            "user_s": self.user_s, "kernel_s": self.kernel_s, "interrupts_s": self.interrupts_s,
            "stolen_s": self.stolen_s,
        })
    }
}

impl Sub for Core {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            user_s: self.user_s - before.user_s,
            kernel_s: self.kernel_s - before.kernel_s,
            interrupts_s: self.interrupts_s - before.interrupts_s,
            stolen_s: self.stolen_s - before.stolen_s,
        }
    }
}

/// Fields as proc_stat(5) has them: user, nice, system, idle, iowait, irq, softirq, steal.
fn parse(text: &str, core: usize) -> Option<Core> {
    let name = format!("cpu{core}");
    let line = text.lines().find(|line| line.split(' ').next() == Some(&name))?;
    let fields: Vec<f64> = line.split_whitespace().skip(1).map_while(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = fields[..] else { return None };
    Some(Core {
        user_s: (user + nice) / TICKS_PER_SECOND,
        kernel_s: system / TICKS_PER_SECOND,
        interrupts_s: (irq + softirq) / TICKS_PER_SECOND,
        stolen_s: steal / TICKS_PER_SECOND,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cores_are_read() {
        let text = "cpu  9 9 9 9 9 9 9 9 0 0\ncpu1 100 50 200 700 0 10 20 30 0 0\ncpu10 1 1 1 1 1 1 1 1 0 0\n";
        let expected = Core { user_s: 1.5, kernel_s: 2.0, interrupts_s: 0.3, stolen_s: 0.3 };
        assert_eq!(parse(text, 1), Some(expected));
        assert!((expected.busy_s() - 3.8).abs() < 1e-9);
        assert_eq!((parse(text, 0), parse("cpu0 1 2 3\n", 0)), (None, None));
    }
}
