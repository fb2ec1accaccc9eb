//! Any bytes as a capture file.
#![no_main]

/// The collector's reader of captures, which needs nothing else of it.
#[path = "../../../src/pcap/mod.rs"]
mod pcap;

#[path = "../capture.rs"]
mod capture;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| capture::read(bytes));
