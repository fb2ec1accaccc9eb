//! A full disk: the collector does not start on one, and survives one that fills up while it runs.
//!
//! The state directory is a tiny file system in a mount namespace of the collector's own, which is gone with its process.
//! Needs root and the engine.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal::SIGTERM;

use crate::datagrams::{V5_RECORDS, v5, v9_template};
use crate::netns::privileged;
use crate::process::{Collector, Place, wait_until};
use crate::refusals::check_output;

/// Rows that may wait in memory in [`a_disk_that_fills_up_costs_nothing`].
const PENDING_ROWS: u64 = 20;

#[test]
fn a_start_on_a_full_disk_is_refused() {
    let Some(_turn) = privileged("a_start_on_a_full_disk_is_refused") else { return };
    let Some(place) = Place::with_engine("disk-start") else { return };
    // tmpfs gives its directories and empty files for nothing, and data by pages of 4 KiB.
    let sizes: [(&str, &str, &[&str]); 3] = [
        ("no byte free", "size=4k", &["the store's password", "No space left", "the disk has space", "--state-dir"]),
        (
            "no page for the lock",
            "size=4k",
            &["state directory", "write the lock file", "free some space", "--state-dir"],
        ),
        ("no page for the store", "size=8k", &["the store did not start", "store/", "No space left", "disk has space"]),
    ];
    for (number, (name, size, parts)) in sizes.into_iter().enumerate() {
        // The first finds its only page taken.
        let filler = if number == 0 { "printf x >\"$1\"/filler" } else { ":" };
        let output = place.command_by(&mounting(&place, size, filler).as_strs(), &["--capture", "udp"]).output();
        check_output(name, &output.expect("start the collector"), parts);
    }
    // With room for the store and none for its tables, what comes waits as it does while a disk fills up.
    let mut collector =
        Collector::start_by(&place, &mounting(&place, "size=64k", ":").as_strs(), &["--capture", "udp"]);
    collector.wait_for("collector_clickhouse_alarms", 1);
    assert!(collector.log().contains("is full, free some space"), "{}", collector.log());
    assert_eq!(collector.terminate(), 0, "{}", collector.log());
}

#[test]
fn a_disk_that_fills_up_costs_nothing() {
    let Some(_turn) = privileged("a_disk_that_fills_up_costs_nothing") else { return };
    let Some(place) = Place::with_engine("disk-running") else { return };
    let settings = format!("block_rows = {V5_RECORDS}\npending_rows = {PENDING_ROWS}");
    place.change_config("block_age_ms = 60000", &settings);
    place.change_config("[capture]", "[templates]\nsnapshot_seconds = 1\n[capture]");
    let mounting = mounting(&place, "size=32m", ":");
    let mut collector = Collector::start_by(&place, &mounting.as_strs(), &["--capture", "udp"]);
    let stored = |rows| collector.wait_for("collector_clickhouse_rows_inserted_total", rows);
    let waiting = |rows| collector.wait_for("collector_clickhouse_rows_waiting", rows);
    collector.send(&v5());
    stored(V5_RECORDS);

    // The collector's file system, as others see it.
    let state = PathBuf::from(format!("/proc/{}/root{}/state", collector.id(), place.directory().display()));
    let snapshot = || state.join("templates.snapshot").metadata().map_or(0, |file| file.len());
    wait_until("templates are saved, of which there are none", || snapshot() > 0);
    let empty_bytes = snapshot();
    wait_until("there is room for the next ones", || state.join("templates.snapshot.tmp").exists());
    let filler = fill(&state);
    collector.send(&v9_template());
    wait_until("the template is saved all the same", || snapshot() > empty_bytes);
    collector.send(&v5());
    waiting(V5_RECORDS);
    wait_until("the log names the disk", || collector.log().contains("is full, free some space"));
    assert_eq!(collector.metric("rows_given_up_total"), 0);

    // More than may wait in memory: the rest waits in the journal, which has its room already.
    let datagrams = 2 * PENDING_ROWS / V5_RECORDS;
    for _ in 0..datagrams {
        collector.send(&v5());
    }
    collector.wait_for("collector_datagrams_total", 3 + datagrams);
    assert_eq!(collector.metric("collector_journal_refused_total"), 0, "{}", collector.metrics());

    std::fs::remove_file(filler).expect("remove the filler");
    stored((2 + datagrams) * V5_RECORDS);
    waiting(0);
    assert_eq!(collector.metric("rows_given_up_total"), 0);
    assert_eq!(collector.sql("SELECT count() FROM collector.flows"), format!("{}\n", (2 + datagrams) * V5_RECORDS));
    assert!(collector.log().contains("ClickHouse takes rows again"), "{}", collector.log());
    collector.signal(SIGTERM);
    assert_eq!(collector.wait(), 0, "{}", collector.log());
}

/// The words of a command that mounts a file system on the state directory and replaces itself with what follows them.
struct Mounting(Vec<String>);

impl Mounting {
    fn as_strs(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }
}

/// `prepare` is a shell command that finds the state directory in `$1`.
fn mounting(place: &Place<'_>, size: &str, prepare: &str) -> Mounting {
    let script =
        format!("mkdir -p \"$1\" && mount -t tmpfs -o {size} tmpfs \"$1\" && {{ {prepare}; }} && shift && exec \"$@\"");
    let state = place.directory().join("state");
    let state = state.to_str().expect("a path in UTF-8");
    Mounting(["unshare", "--mount", "sh", "-c", &script, "sh", state].map(str::to_owned).to_vec())
}

/// Fills the file system; the file to remove.
fn fill(directory: &Path) -> PathBuf {
    let path = directory.join("filler");
    let mut file = File::create(&path).expect("the file system of the collector");
    for bytes in [1 << 20, 4096, 1] {
        while file.write_all(&vec![7; bytes]).is_ok() {}
    }
    path
}
