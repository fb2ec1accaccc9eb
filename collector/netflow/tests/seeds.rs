//! Replays the seeds of the fuzz targets, and whatever they once found.

#![expect(clippy::arithmetic_side_effects, reason = "a test may panic")]

#[path = "../fuzz/exercise.rs"]
mod exercise;
#[path = "../fuzz/split.rs"]
mod split;
#[path = "../fuzz/wrap.rs"]
mod wrap;

use std::path::Path;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).expect("the seeds are there") {
        let path = entry.expect("a seed").path();
        run(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        seeds += 1;
    }
    assert!(seeds > 3, "only {seeds} seeds in {}", folder.display());
}

#[test]
fn datagram() {
    replay("datagram", |bytes| exercise::datagrams([bytes].into_iter()));
}

#[test]
fn sequence() {
    replay("sequence", |bytes| exercise::datagrams(split::split(bytes)));
}

#[test]
fn sflow() {
    replay("sflow", |bytes| exercise::datagrams([&wrap::datagram(bytes)[..]].into_iter()));
}
