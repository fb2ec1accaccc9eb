//! Any files as a journal.
#![no_main]

/// The collector's journal, which needs nothing else of it.
#[path = "../../../src/journal/mod.rs"]
mod journal;

#[path = "../journal.rs"]
mod files;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| files::read(bytes));
