//! What the measurement ran on: processor, kernel, load. From /proc, so Linux alone.

use serde_json::{Value, json};

/// The machine as it is now; the load says how far speeds can be trusted.
pub(crate) fn describe() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let memory = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")).unwrap_or_default();
    json!({
        "processor": model.trim_start_matches([' ', '\t', ':']),
        "processors": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "memory": memory.trim(),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_average": read("/proc/loadavg").trim(),
    })
}
