//! Any bytes as several datagrams of one exporter, with the templates kept between them.
#![no_main]

#[path = "../exercise.rs"]
mod exercise;
#[path = "../split.rs"]
mod split;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::datagrams(split::split(bytes)));
