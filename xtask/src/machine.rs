//! What a measurement ran on: processor, kernel, load, in the form that the documents of `perf` have too.

use std::fs;

use serde_json::{Value, json};

/// Of each processor so much may be busy with other work before times are doubted.
const QUIET_LOAD: f64 = 0.25;

/// The machine as it is now; the load says how far speeds can be trusted.
pub fn describe() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
        value.trim_start_matches([' ', '\t', ':']).trim().to_owned()
    };
    json!({
        "processor": field(&read("/proc/cpuinfo"), "model name"),
        "processors": processors(),
        "memory": field(&read("/proc/meminfo"), "MemTotal:"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").trim(),
    })
}

/// Says so when other work will disturb times.
pub fn warn_of_load() {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    if let Some(load) = busy(&text, processors()) {
        eprintln!(
            "note: the load average is {load}: other work disturbs the times; take them again on a quiet machine"
        );
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The load of the last minute, if it is too high.
fn busy(text: &str, processors: usize) -> Option<f64> {
    let load: f64 = text.split(' ').next()?.parse().ok()?;
    (load > QUIET_LOAD * processors as f64).then_some(load)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_told_from_a_quiet_one() {
        for (text, processors, expected) in [
            ("0.49 5.00 9.00 1/99 1", 2, None),
            ("0.51 0.00 0.00 1/99 1", 2, Some(0.51)),
            ("3.00 0.00 0.00 1/99 1", 32, None),
            ("", 2, None),
        ] {
            assert_eq!(busy(text, processors), expected, "{text}");
        }
    }
}
