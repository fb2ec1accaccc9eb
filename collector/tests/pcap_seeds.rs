//! Replays the seeds of the fuzz target `pcap`, and whatever it once found.

use std::path::Path;

use collector::pcap;

#[path = "../netflow/fuzz/capture.rs"]
mod capture;

#[test]
fn seeds_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("netflow/fuzz/seeds/pcap");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).expect("the seeds are there") {
        let path = entry.expect("a seed").path();
        capture::read(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        seeds += 1;
    }
    assert!(seeds > 3, "only {seeds} seeds in {}", folder.display());
}
