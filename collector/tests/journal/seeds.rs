//! Replays the seeds of the fuzz target `journal`, whatever it once found, and bytes made up here.

use std::path::Path;

use collector::journal;
use proptest::prelude::*;

#[path = "../../netflow/fuzz/journal.rs"]
mod files;

#[test]
fn seeds_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("netflow/fuzz/seeds/journal");
    let mut seeds = 0;
    for entry in std::fs::read_dir(&folder).expect("the seeds are there") {
        let path = entry.expect("a seed").path();
        files::read(&std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())));
        seeds += 1;
    }
    assert!(seeds > 3, "only {seeds} seeds in {}", folder.display());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_files_are_read(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        files::read(&bytes);
    }
}
