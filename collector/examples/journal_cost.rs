//! What journaling costs: the time of an append and of reading it back, per datagram and per flow. Prints one JSON document;
//! `perf/results` keeps it.
//!
//!     cargo run --release --package collector --example journal_cost -- /var/lib/some-directory

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use collector::journal::{Durability, Entry, Journal, Position, Range, Settings};
use serde_json::{Value, json};

/// Bytes of a datagram, and flows in it.
const PAYLOAD: usize = 1400;
const FLOWS: f64 = 24.0;
/// Datagrams of one round of a worker.
const ROUND: usize = 64;
const SEGMENT_BYTES: u64 = 64 << 20;

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = directory.join(format!("journal-cost-{}", std::process::id()));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processors.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or_default();
    let document = json!({
        "what": "cost of the journal",
        "machine": { "kernel": kernel.trim(), "processor": processor, "processors": std::thread::available_parallelism()?.get() },
        "load": { "payload_bytes": PAYLOAD, "flows_in_a_datagram": FLOWS, "datagrams_in_a_round": ROUND, "segment_bytes": SEGMENT_BYTES },
        "alone": alone(),
        "paced_300_000_datagrams_per_second": measure(&directory, Durability::Process, Some(300_000), 600_000),
        "paced_300_000_datagrams_per_second_disk": measure(&directory, Durability::Disk { every: Duration::from_millis(200) }, Some(300_000), 600_000),
        "as_fast_as_it_goes": measure(&directory, Durability::Process, None, 1_500_000),
    });
    std::fs::remove_dir_all(&directory)?;
    writeln!(std::io::stdout(), "{document:#}")
}

/// Copying a datagram, and its checksum, in memory that is in the cache: what cannot be saved.
fn alone() -> Value {
    let from = [3_u8; PAYLOAD];
    let mut to = [0_u8; PAYLOAD];
    let copy = per_call(|| std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from)));
    let crc = per_call(|| {
        std::hint::black_box(crc32c::crc32c(std::hint::black_box(&from)));
    });
    json!({ "copy_ns": copy, "crc_ns": crc })
}

fn per_call(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 200_000;
    let begin = Instant::now();
    (0..CALLS).for_each(|_| call());
    begin.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Rounds of a worker: append, then read what was appended. What was read is stored at once, so that files are used again.
fn measure(directory: &Path, durability: Durability, per_second: Option<u64>, datagrams: usize) -> Value {
    let settings = Settings {
        directory: directory.to_path_buf(),
        segment_bytes: SEGMENT_BYTES,
        budget_bytes: 4 << 30,
        retain_bytes: 0,
        retain: Duration::ZERO,
        durability,
    };
    let (mut journal, _) = Journal::open(settings, [7; 16]).expect("the directory is writable");
    let progress = journal.progress();
    std::thread::sleep(Duration::from_millis(500));
    let payload = [3_u8; PAYLOAD];
    let mut decoded = progress.begun();
    let (mut appends, mut reads): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let (mut refused, mut sum) = (0_u64, 0_u64);
    let begin = Instant::now();
    for round in 0..datagrams / ROUND {
        let due = per_second.map(|rate| Duration::from_nanos((round * ROUND) as u64 * 1_000_000_000 / rate));
        while due.is_some_and(|due| begin.elapsed() < due) {
            std::hint::spin_loop();
        }
        let entry = Entry { received_ns: round as i64, exporter: [1; 16], port: 9, path: 1, payload: &payload };
        let start = Instant::now();
        for _ in 0..ROUND {
            refused += u64::from(journal.append(std::hint::black_box(&entry)).is_err());
        }
        let appended = Instant::now();
        while let Some((entry, _, to)) = journal.read(decoded) {
            sum += u64::from(entry.payload[PAYLOAD - 1]);
            decoded = to;
        }
        reads.push(appended.elapsed().as_nanos() as f64 / ROUND as f64);
        appends.push((appended - start).as_nanos() as f64 / ROUND as f64);
        if round % 1000 == 999 {
            store(&mut journal, &progress, decoded);
        }
    }
    std::hint::black_box(sum);
    let total = begin.elapsed();
    json!({
        "datagrams": datagrams,
        "refused": refused,
        "seconds": total.as_secs_f64(),
        "append_ns": spread(&mut appends),
        "read_ns": spread(&mut reads),
    })
}

fn store(journal: &mut Journal, progress: &collector::journal::Progress, decoded: Position) {
    let range = Range { from: progress.begun(), to: decoded, shard: 0 };
    progress.begin(range).expect("the directory is writable");
    progress.settle(range);
    progress.keep_from(decoded);
    journal.tend(1);
}

/// Per datagram, by round: the mean of all, and what half, nine in ten and 99 in 100 of the rounds did not exceed.
fn spread(rounds: &mut [f64]) -> Value {
    rounds.sort_by(f64::total_cmp);
    let at = |part: f64| rounds[((rounds.len() - 1) as f64 * part) as usize];
    let mean = rounds.iter().sum::<f64>() / rounds.len() as f64;
    let rounded = |ns: f64| (ns * 10.0).round() / 10.0;
    json!({
        "mean": rounded(mean), "median": rounded(at(0.5)), "p90": rounded(at(0.9)), "p99": rounded(at(0.99)),
        "median_per_flow": rounded(at(0.5) / FLOWS), "mean_per_flow": rounded(mean / FLOWS),
    })
}
